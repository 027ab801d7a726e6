//! Two rates compared while data come in, without fooling oneself: group-sequential tests.
//!
//! Whoever looks at a test again and again until it says yes finds differences where there are
//! none. Here the looks are fixed beforehand, and the chance of a false yes (alpha) is spent over
//! them as Lan and DeMets do with O'Brien and Fleming's function: hardly any of it early, nearly all
//! at the end, so that the test at the end is nearly as strong as one without looks. The bounds are
//! exact for normal increments and are found by integrating over them (Armitage, McPherson, Rowe).
//!
//! Two-sided; of several challengers each is tested at its part of alpha (Bonferroni).

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Looks of a test at the most; more spend their time on differences nobody needs.
pub const LOOKS_MAX: u32 = 20;
/// Points of a grid; four times as many change the bounds in the fourth digit.
const POINTS: usize = 141;
/// Halvings: the bounds want no more digits than data have.
const HALVINGS: u32 = 40;
/// By how much looks make a difference harder to see, at the most.
const COSTLIER: f64 = 1.3;
/// Steps to where the power is the planned one: each doubles the digits.
const STEPS: u32 = 7;
/// How far out it is integrated, in deviations.
const WIDE: f64 = 8.0;

/// What is planned of a test before any data come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Design {
    /// The chance of a yes where there is no difference.
    pub alpha: f64,
    /// The chance of a yes where the difference is as large as planned.
    pub power: f64,
    /// The rate that is expected without a change.
    pub base: f64,
    /// The difference that is worth finding.
    pub effect: f64,
    /// How often it is looked at.
    pub looks: u32,
}

/// Trials of one side: how many, and how many went well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arm {
    /// With an outcome.
    pub tried: u64,
    /// With a good one.
    pub won: u64,
}

/// A test with its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The value of z that says yes at each look.
    pub bounds: Vec<f64>,
    /// By how much more data it needs than a test without looks.
    pub inflation: f64,
    /// Where z is at the end, when the difference is as large as planned.
    drift: f64,
}

/// What one look says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// The difference, in deviations.
    pub z: f64,
    /// The challenger's rate less the other's.
    pub difference: f64,
    /// Where the difference lies, whenever one looks: it holds at all looks at once.
    pub low: f64,
    /// The same.
    pub high: f64,
    /// Whether the bound is passed.
    pub passed: bool,
}

/// The chance that a normal number is below.
pub fn below(z: f64) -> f64 {
    0.5 * erfc(-z * FRAC_1_SQRT_2)
}

/// By a continued fraction far out and a series near by: 12 digits and more.
fn erfc(x: f64) -> f64 {
    let z = x.abs();
    let tail = if z < 2.5 {
        let (mut term, mut sum, mut n) = (z, z, 0.0);
        while term.abs() > 1e-17 * sum.abs() && n < 200.0 {
            n += 1.0;
            term *= -z * z / n;
            sum += term / (2.0 * n + 1.0);
        }
        1.0 - 2.0 / PI.sqrt() * sum
    } else {
        let mut fraction = 0.0;
        for n in (1..=60).rev() {
            fraction = f64::from(n) / 2.0 / (z + fraction);
        }
        (-z * z).exp() / PI.sqrt() / (z + fraction)
    };
    if x < 0.0 { 2.0 - tail } else { tail }
}

/// The number that a normal one is below with that chance, by halving.
fn quantile(chance: f64) -> f64 {
    halved((-WIDE, WIDE), HALVINGS, |z| below(z) > chance)
}

/// Where it begins to be true.
fn halved((mut low, mut high): (f64, f64), times: u32, is: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..times {
        let middle = f64::midpoint(low, high);
        if is(middle) { high = middle } else { low = middle }
    }
    f64::midpoint(low, high)
}

/// Where it is zero, between where it is below and where it is above, by false position that
/// forgets half of an end which does not move.
fn root(mut low: f64, mut high: f64, of: impl Fn(f64) -> f64) -> f64 {
    let (mut below, mut above) = (of(low), of(high));
    let mut last = 0;
    for _ in 0..STEPS {
        if above <= below {
            break;
        }
        let middle = (low * above - high * below) / (above - below);
        let here = of(middle);
        if here < 0.0 {
            (low, below) = (middle, here);
            above = if last == -1 { above / 2.0 } else { above };
            last = -1;
        } else {
            (high, above) = (middle, here);
            below = if last == 1 { below / 2.0 } else { below };
            last = 1;
        }
    }
    high
}

fn density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * PI).sqrt()
}

impl Plan {
    /// The bounds of a design whose alpha is shared by so many challengers.
    pub fn new(design: &Design, challengers: u32) -> Self {
        let alpha = design.alpha / f64::from(challengers.max(1));
        let looks = design.looks.clamp(1, LOOKS_MAX);
        let bounds = bounds(alpha, looks);
        let single = quantile(design.power) - quantile(alpha / 2.0);
        let short = |drift: f64| power(&bounds, drift) - design.power;
        let drift = root(single, COSTLIER * single, short);
        Self { bounds, inflation: (drift / single).powi(2), drift }
    }

    /// How many outcomes there are at the end, where a challenger and the first get these parts of
    /// all of them.
    pub fn outcomes(&self, design: &Design, first: f64, challenger: f64) -> f64 {
        let (p, q) = (design.base, (design.base + design.effect).clamp(0.001, 0.999));
        let apart = p * (1.0 - p) / first + q * (1.0 - q) / challenger;
        // As a look has it, which does not know that there are two rates.
        let both = (first * p + challenger * q) / (first + challenger);
        let pooled = both * (1.0 - both) * (1.0 / first + 1.0 / challenger);
        let variance = apart.max(pooled);
        self.drift.powi(2) * variance / design.effect.powi(2)
    }
}

/// What a look sees whose bound is that, of a challenger.
pub fn seen(bound: f64, first: Arm, challenger: Arm) -> Option<Seen> {
    if first.tried == 0 || challenger.tried == 0 {
        return None;
    }
    let (n, m) = (float(first.tried), float(challenger.tried));
    let (p, q) = (float(first.won) / n, float(challenger.won) / m);
    let both = (float(first.won) + float(challenger.won)) / (n + m);
    let pooled = (both * (1.0 - both) * (1.0 / n + 1.0 / m)).sqrt();
    let difference = q - p;
    let z = if pooled > 0.0 { difference / pooled } else { 0.0 };
    // Not pooled, for where it lies; and never of no width, where all went alike.
    let smooth = |won: u64, of: f64| (float(won) + 0.5) / (of + 1.0);
    let (p, q) = (smooth(first.won, n), smooth(challenger.won, m));
    let wide = bound * (p * (1.0 - p) / n + q * (1.0 - q) / m).sqrt();
    let (low, high) = ((difference - wide).max(-1.0), (difference + wide).min(1.0));
    Some(Seen { z, difference, low, high, passed: z.abs() >= bound })
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 outcomes")]
fn float(count: u64) -> f64 {
    count as f64
}

/// What of alpha is spent by a part of the data: O'Brien and Fleming's function, two-sided.
fn spent(alpha: f64, part: f64) -> f64 {
    4.0 * below(quantile(alpha / 4.0) / part.sqrt())
}

/// The densities of what was not stopped, on a grid.
struct Going {
    at: Vec<f64>,
    mass: Vec<f64>,
}

impl Going {
    /// Behind the first look, within a bound, where the sum drifts by so much a look.
    fn first(bound: f64, drift: f64) -> Self {
        let at = grid(bound);
        let mass = at.iter().map(|s| density(s - drift)).collect();
        Self { at, mass }
    }

    /// The chance that the next sum is beyond a limit on either side.
    fn beyond(&self, limit: f64, drift: f64) -> f64 {
        self.sum(|s| below(s + drift - limit) + below(-limit - s - drift))
    }

    /// Behind the next look.
    fn next(&self, limit: f64, drift: f64) -> Self {
        let at = grid(limit);
        let mass = at.iter().map(|s| self.sum(|from| density(s - from - drift))).collect();
        Self { at, mass }
    }

    /// Simpson's rule.
    fn sum(&self, of: impl Fn(f64) -> f64) -> f64 {
        let last = self.at.len() - 1;
        let step = (self.at[last] - self.at[0]) / float(last as u64);
        let weighed = self.at.iter().zip(&self.mass).enumerate().map(|(n, (s, mass))| {
            let weight = match n {
                n if n == 0 || n == last => 1.0,
                n if n % 2 == 1 => 4.0,
                _ => 2.0,
            };
            weight * mass * of(*s)
        });
        weighed.sum::<f64>() * step / 3.0
    }
}

fn grid(limit: f64) -> Vec<f64> {
    let step = 2.0 * limit / float(POINTS as u64 - 1);
    (0..POINTS).map(|n| step.mul_add(float(n as u64), -limit)).collect()
}

/// Bounds on z at each look. The sum behind look k has the deviation √k.
fn bounds(alpha: f64, looks: u32) -> Vec<f64> {
    let all = f64::from(looks);
    let mut bounds = Vec::new();
    let mut going: Option<Going> = None;
    let mut before = 0.0;
    for look in 1..=looks {
        let k = f64::from(look);
        let all_spent = spent(alpha, k / all);
        let now = all_spent - before;
        before = all_spent;
        let widest = WIDE * k.sqrt();
        let limit = match &going {
            None => -quantile(now / 2.0),
            Some(going) => halved((0.0, widest), HALVINGS, |limit| going.beyond(limit, 0.0) < now),
        };
        // What nobody reaches is not looked for on a grid that is too wide to see anything.
        let limit = limit.min(widest);
        bounds.push(limit / k.sqrt());
        going = Some(match going {
            None => Going::first(limit, 0.0),
            Some(going) => going.next(limit, 0.0),
        });
    }
    bounds
}

/// The chance of a yes where z drifts to so much at the end.
fn power(bounds: &[f64], drift: f64) -> f64 {
    let all = f64::from(u32::try_from(bounds.len()).unwrap_or(1));
    let each = drift / all.sqrt();
    let mut going: Option<Going> = None;
    let mut yes = 0.0;
    for (k, bound) in (1_u32..).zip(bounds) {
        let limit = bound * f64::from(k).sqrt();
        let (chance, next) = match &going {
            None => {
                let chance = below(each - limit) + below(-limit - each);
                (chance, Going::first(limit, each))
            }
            Some(going) => (going.beyond(limit, each), going.next(limit, each)),
        };
        yes += chance;
        going = Some(next);
    }
    yes
}

#[cfg(test)]
mod tests;
