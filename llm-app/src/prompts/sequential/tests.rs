use super::*;

fn near(found: f64, known: f64, by: f64) {
    assert!((found - known).abs() < by, "{found} is not {known}");
}

#[test]
fn the_normal_distribution_is_what_it_is() {
    near(below(0.0), 0.5, 1e-12);
    near(below(1.959_963_984_540_054), 0.975, 1e-10);
    near(below(-3.0), 0.001_349_898_031_630, 1e-12);
    near(quantile(0.8), 0.841_621_233_572_914, 1e-9);
}

/// Bounds that tables have for Lan and DeMets with O'Brien and Fleming's function, alpha 0.05.
#[test]
fn bounds_are_those_of_the_tables() {
    let five = bounds(0.05, 5);
    for (found, known) in five.iter().zip([4.8769, 3.3569, 2.6803, 2.2898, 2.0310]) {
        near(*found, known, 0.002);
    }
    near(bounds(0.05, 1)[0], 1.959_964, 1e-4);
    let two = bounds(0.05, 2);
    near(two[0], 2.9626, 0.002);
    near(two[1], 1.9686, 0.002);
}

#[test]
fn looking_costs_little() {
    let design = Design { alpha: 0.05, power: 0.8, base: 0.5, effect: 0.1, looks: 5 };
    let plan = Plan::new(&design, 1);
    assert!((1.0..1.06).contains(&plan.inflation), "{}", plan.inflation);
    let outcomes = plan.outcomes(&design, 0.5, 0.5);
    // Without looks it would be 777.
    assert!((777.0..825.0).contains(&outcomes), "{outcomes}");
    let one = Plan::new(&Design { looks: 1, ..design }, 1);
    near(one.outcomes(&design, 0.5, 0.5), 777.0, 1.0);
}

/// A sequence that is the same for the same seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// One experiment that is looked at whenever the method allows: whether it ever says yes.
fn experiment(plan: &Plan, design: &Design, rates: [f64; 2], share: f64, dice: &mut Dice) -> bool {
    let outcomes = plan.outcomes(design, 1.0 - share, share).ceil() as u64;
    let looks = u64::from(design.looks);
    let (mut arms, mut look) = ([Arm::default(); 2], 0);
    for n in 1..=outcomes {
        let side = usize::from(dice.next() < share);
        arms[side].tried += 1;
        arms[side].won += u64::from(dice.next() < rates[side]);
        if n * looks >= (look + 1) * outcomes {
            look += 1;
            let bound = plan.bounds[usize::try_from(look).unwrap() - 1];
            if seen(bound, arms[0], arms[1]).is_some_and(|seen| seen.passed) {
                return true;
            }
        }
    }
    false
}

fn found(design: &Design, rates: [f64; 2], share: f64) -> u32 {
    let plan = Plan::new(design, 1);
    let mut dice = Dice(20_261_121);
    (0..1_000).map(|_| u32::from(experiment(&plan, design, rates, share, &mut dice))).sum()
}

#[test]
fn of_a_thousand_tests_without_a_difference_few_say_yes() {
    for (looks, base, share) in
        [(5, 0.5, 0.5), (10, 0.5, 0.5), (20, 0.3, 0.5), (5, 0.8, 0.5), (5, 0.5, 0.25)]
    {
        let design = Design { alpha: 0.05, power: 0.8, base, effect: 0.1, looks };
        let yes = found(&design, [base, base], share);
        println!("A/A looks {looks} base {base} share {share}: {yes} of 1000");
        assert!(yes <= 66, "{looks} looks at {base}: {yes}");
    }
}

#[test]
fn a_difference_of_ten_points_is_found_as_often_as_planned() {
    for (looks, base, share) in
        [(5, 0.5, 0.5), (10, 0.5, 0.5), (20, 0.3, 0.5), (5, 0.8, 0.5), (5, 0.5, 0.25)]
    {
        let design = Design { alpha: 0.05, power: 0.8, base, effect: 0.1, looks };
        let yes = found(&design, [base, base + 0.1], share);
        println!("A/B looks {looks} base {base} share {share}: {yes} of 1000");
        assert!(yes >= 770, "{looks} looks at {base}: {yes}");
    }
}

/// What happens to whoever takes the usual bound at every look, so that the test above could fail.
#[test]
fn looking_without_a_plan_says_yes_too_often() {
    let design = Design { alpha: 0.05, power: 0.8, base: 0.5, effect: 0.1, looks: 10 };
    let honest = Plan::new(&design, 1);
    let naive = Plan { bounds: vec![1.959_964; 10], ..honest };
    let mut dice = Dice(7);
    let yes =
        (0..1_000).map(|_| u32::from(experiment(&naive, &design, [0.5, 0.5], 0.5, &mut dice)));
    assert!(yes.sum::<u32>() > 120);
}
