use proptest::prelude::*;

use super::*;
use crate::money::Unit;

const CAPTION: &str = "10 credits/minute + 5 credits/minute per target language";

fn formula(text: &str) -> Formula {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn price(text: &str, given: &[(&str, u64)]) -> Result<String, String> {
    let given: Vec<_> = given.iter().map(|(name, n)| (*name, Count::from(*n))).collect();
    let price = formula(text).price(&given);
    price.map(|credits| credits.to_string()).map_err(|error| error.to_string())
}

fn broken(text: &str, parts: u64, whole: u64) -> String {
    let count = Count::of(parts, NonZeroU64::new(whole).unwrap());
    formula(text).price(&[("minute", count)]).unwrap().to_string()
}

fn wrong(text: &str) -> String {
    text.parse::<Formula>().expect_err(text).to_string()
}

#[test]
fn golden_prices() {
    let video = |minutes, languages| {
        price(CAPTION, &[("minute", minutes), ("language", languages)]).unwrap()
    };
    // 12 × 10 + 12 × 5 × 2
    assert_eq!(video(12, 2), "240");
    assert_eq!(video(12, 0), "120");
    assert_eq!(video(1, 1), "15");
    assert_eq!(video(0, 7), "0");
    assert_eq!(price("3 credits", &[]).unwrap(), "3");
    assert_eq!(price("0.5 credits per 1000 token", &[("token", 1_001)]).unwrap(), "1");
    assert_eq!(price("0.5 credits/full 1000 token", &[("token", 1_999)]).unwrap(), "0.5");
    assert_eq!(price("0.5 credits/exact 1000 token", &[("token", 1_001)]).unwrap(), "0.5005");
}

#[test]
fn a_started_minute_is_a_minute() {
    for (seconds, credits) in [(0, "0"), (1, "10"), (60, "10"), (61, "20"), (719, "120")] {
        assert_eq!(broken("10 credits/minute", seconds, 60), credits);
        assert_eq!(broken("10 credits per started minute", seconds, 60), credits);
    }
    for (seconds, credits) in [(0, "0"), (59, "0"), (60, "10"), (119, "10")] {
        assert_eq!(broken("10 credits/full minute", seconds, 60), credits);
    }
    // Rounded up once, to the smallest piece: 10/60 of a credit has no end.
    assert_eq!(broken("10 credits/exact minute", 1, 60), "0.166667");
    assert_eq!(broken("10 credits/exact minute", 90, 60), "15");
    // Each term is rounded by itself.
    let both = "1 credit/exact minute + 1 credit/minute";
    assert_eq!(broken(both, 30, 60), "1.5");
}

#[test]
fn the_least_and_the_most() {
    let text = "10 credits/minute, at least 25 credits, at most 100 credits";
    let of = |minutes| price(text, &[("minute", minutes)]).unwrap();
    assert_eq!([of(0), of(2), of(3), of(10), of(11)], ["25", "25", "30", "100", "100"]);
    assert_eq!(price("1 credit/minute, at most 5 credits", &[("minute", 9)]).unwrap(), "5");
}

#[test]
fn names_are_words_or_the_last_of_them() {
    let told = |given| price(CAPTION, given).map_err(|e| e.clone());
    let error = |given| told(given).unwrap_err();
    assert_eq!(told(&[("minute", 12), ("target language", 2)]).unwrap(), "240");
    assert_eq!(error(&[("minute", 12)]), "the price needs to know how many: target language");
    assert_eq!(error(&[("language", 1)]), "the price needs to know how many: minute");
    assert_eq!(
        error(&[("minute", 1), ("langauge", 2)]),
        "the price does not depend on: langauge (it asks for: minute, target language)"
    );
    assert_eq!(
        error(&[("minute", 1), ("language", 2), ("target language", 2)]),
        "given twice: target language"
    );
    let two = "1 credit/source language + 2 credits/target language";
    assert_eq!(
        price(two, &[("language", 1)]).unwrap_err(),
        "language may mean source language or target language"
    );
    assert_eq!(price(two, &[("source language", 1), ("target language", 3)]).unwrap(), "7");
    // Its whole name comes before another's last word.
    let near = "1 credit/language + 2 credits/target language";
    assert_eq!(price(near, &[("language", 1), ("target language", 3)]).unwrap(), "7");
    assert_eq!(
        price("3 credits", &[("minute", 1)]).unwrap_err(),
        "the price does not depend on: minute (it asks for: nothing)"
    );
    assert_eq!(price("10 credits/분", &[("분", 2)]).unwrap(), "20");
}

#[test]
fn what_leaves_the_range_is_an_error() {
    let range = Err("the price is out of range".to_owned());
    let most = "9223372036854.775807 credits";
    assert_eq!(price(most, &[]).unwrap(), "9223372036854.775807");
    assert_eq!(price(&format!("{most} + 0.000001 credits"), &[]), range);
    assert_eq!(price(&format!("{most}/minute"), &[("minute", 2)]), range);
    // A bound does not hide it.
    let bounded = format!("{most}/minute, at most 1 credit");
    assert_eq!(price(&bounded, &[("minute", u64::MAX)]), range);
    let three = "1 credit/a per b per c";
    let all = |c| [("a", u64::MAX), ("b", u64::MAX), ("c", c)];
    assert_eq!(price(three, &all(u64::MAX)), range);
    assert_eq!(price(three, &all(0)).unwrap(), "0", "nothing of one thing is nothing");
    assert_eq!(price("0 credits/a per b per c", &all(9)).unwrap(), "0");
}

#[test]
fn what_is_no_formula_says_where_and_what_would_be_right() {
    let amount = "write an amount such as 10 credits/minute";
    assert_eq!(wrong(""), format!("at character 1: the end; {amount}"));
    assert_eq!(wrong("  "), format!("at character 3: the end; {amount}"));
    assert_eq!(wrong("minute"), format!("at character 1: “minute”; {amount}"));
    assert_eq!(wrong("-1 credits"), format!("at character 1: “-”; {amount}"));
    assert_eq!(wrong("1 credit + "), format!("at character 12: the end; {amount}"));
    let decimal = "write a decimal number with at most 6 places";
    assert_eq!(wrong("1.0000001 credits"), format!("at character 1: “1.0000001”; {decimal}"));
    assert_eq!(wrong("1 credit + .5 credits"), format!("at character 12: “.5”; {decimal}"));
    let unit = "write credits after the amount";
    assert_eq!(wrong("10/minute"), format!("at character 3: “/”; {unit}"));
    assert_eq!(wrong("10 dollars"), format!("at character 4: “dollars”; {unit}"));
    let quantity = "write what is counted, such as minute or target language";
    assert_eq!(wrong("1 credit/"), format!("at character 10: the end; {quantity}"));
    assert_eq!(wrong("1 credit per per"), format!("at character 14: “per”; {quantity}"));
    assert_eq!(wrong("1 credit/1000"), format!("at character 14: the end; {quantity}"));
    assert_eq!(wrong("1 credit/started full a"), format!("at character 18: “full”; {quantity}"));
    let block = "write a whole number above 0, or none";
    assert_eq!(wrong("1 credit/0 token"), format!("at character 10: “0”; {block}"));
    assert_eq!(wrong("1 credit/1.5 token"), format!("at character 10: “1.5”; {block}"));
    let twice = "write each quantity of a term once";
    assert_eq!(wrong("1 credit/a per a"), format!("at character 16: “a”; {twice}"));
    let after = "write + and another amount, / or per and what is counted, or a comma and at \
                 least or at most";
    assert_eq!(wrong("1 credit/분 * 2"), format!("at character 12: “*”; {after}"));
    assert_eq!(wrong("1 credit minute"), format!("at character 10: “minute”; {after}"));
    let bound = "write at least or at most, and an amount";
    assert_eq!(wrong("1 credit, minimum 3"), format!("at character 11: “minimum”; {bound}"));
    assert_eq!(wrong("1 credit, at best"), format!("at character 14: “best”; {bound}"));
    let order = "write no less at most than at least";
    let bounds = |text| wrong(&format!("1 credit, at {text}"));
    let text = "least 3 credits, at most 2 credits";
    assert_eq!(bounds(text), format!("at character 31: “at”; {order}"));
    let once = "write at least and at most once each, in this order and at the end";
    for text in [
        "least 1 credit, at least 1 credit",
        "most 1 credit, at most 1 credit",
        "most 2 credits, at least 1 credit",
    ] {
        assert!(bounds(text).ends_with(once), "{}", bounds(text));
    }
    assert!(wrong(&" ".repeat(TEXT_MAX + 1)).contains("write a shorter formula"));
    let many = vec!["1 credit"; TERMS_MAX + 1].join("+");
    assert!(wrong(&many).ends_with("write fewer terms"));
}

#[test]
fn a_formula_is_shown_in_one_way() {
    let shown = |text| formula(text).to_string();
    assert_eq!(shown(CAPTION), CAPTION);
    assert_eq!(
        shown("10credits per started minute+0.50 credit/full 2 page/exact 1 x,at least 1 credits"),
        "10 credits/minute + 0.5 credits/full 2 page per exact x, at least 1 credit"
    );
    assert_eq!(formula(CAPTION).quantities(), ["minute", "target language"]);
}

fn any_formula() -> impl Strategy<Value = Formula> {
    let rounding = prop::sample::select(Rounding::ALL.to_vec());
    let name = prop::sample::select(vec!["minute", "target language", "page", "분", "a-b_1 c"]);
    let block = prop_oneof![Just(1u64), 1u64..5_000];
    let factor = (rounding, block, name).prop_map(|(rounding, block, name)| Factor {
        rounding,
        block: NonZeroU64::new(block).unwrap(),
        name: Str::from_static(name),
    });
    let term = (0i64..100_000_000, prop::collection::vec(factor, 0..4)).prop_map(|(n, mut f)| {
        let mut seen = Vec::new();
        f.retain(|factor| {
            let new = !seen.contains(&factor.name);
            seen.push(factor.name.clone());
            new
        });
        Term { amount: Credits(n), factors: f }
    });
    let bound = || prop::option::of(0i64..1_000_000_000);
    (prop::collection::vec(term, 1..5), bound(), bound()).prop_map(|(terms, least, most)| {
        let at_most = least.zip(most).map_or(most, |(least, most)| Some(least.max(most)));
        Formula { terms, at_least: least.map(Credits), at_most: at_most.map(Credits) }
    })
}

fn count() -> impl Strategy<Value = (u64, u64)> {
    (0u64..100_000, 1u64..100)
}

/// The price in the plainest words: term by term, count by count, as fractions.
fn plainly(formula: &Formula, counts: &[(&str, (u64, u64))]) -> Credits {
    let mut sum = 0u128;
    for term in &formula.terms {
        let (mut above, mut below) = (u128::try_from(term.amount.pieces()).unwrap(), 1u128);
        for factor in &term.factors {
            let (_, (parts, whole)) = counts.iter().find(|(n, _)| **n == *factor.name).unwrap();
            let (parts, whole) = (u128::from(*parts), u128::from(whole * factor.block.get()));
            let full = parts / whole;
            match factor.rounding {
                Rounding::Full => above *= full,
                Rounding::Started => above *= full + u128::from(parts % whole > 0),
                Rounding::Exact => {
                    above *= parts;
                    below *= whole;
                }
            }
        }
        sum += above / below + u128::from(above % below > 0);
    }
    let sum = Credits(i64::try_from(sum).unwrap_or(i64::MAX));
    let sum = sum.max(formula.at_least.unwrap_or(Credits::ZERO));
    sum.min(formula.at_most.unwrap_or(Credits::MAX))
}

proptest! {
    #[test]
    fn what_is_shown_is_read_back(formula in any_formula()) {
        prop_assert_eq!(formula.to_string().parse::<Formula>(), Ok(formula));
    }

    #[test]
    fn prices_are_what_they_say(
        formula in any_formula(),
        counts in prop::array::uniform8(count()),
    ) {
        let names = formula.quantities();
        let plain: Vec<_> = names.iter().copied().zip(counts).collect();
        let given: Vec<_> = plain
            .iter()
            .map(|(name, (parts, whole))| {
                (*name, Count::of(*parts, NonZeroU64::new(*whole).unwrap()))
            })
            .collect();
        match formula.price(&given) {
            Ok(price) => prop_assert_eq!(price, plainly(&formula, &plain)),
            Err(error) => {
                let free = Formula { at_least: None, at_most: None, ..formula.clone() };
                prop_assert_eq!(plainly(&free, &plain), Credits::MAX);
                prop_assert_eq!(error, NotPriced::Range);
            }
        }
    }

    /// More never costs less: what is set aside for the most there can be covers the rest.
    #[test]
    fn more_never_costs_less(
        formula in any_formula(),
        counts in prop::array::uniform8(count()),
        more in prop::array::uniform8(0u64..1_000),
    ) {
        let names = formula.quantities();
        let of = |extra: bool| {
            let all = names.iter().zip(counts).zip(more).map(|((name, (parts, whole)), more)| {
                let parts = if extra { parts + more } else { parts };
                (*name, Count::of(parts, NonZeroU64::new(whole).unwrap()))
            });
            formula.price(&all.collect::<Vec<_>>())
        };
        match (of(false), of(true)) {
            (Ok(less), Ok(more)) => prop_assert!(less <= more),
            (less, more) => prop_assert!(more.is_err(), "{less:?} and {more:?}"),
        }
    }

    #[test]
    fn no_text_panics(
        text in "\\PC{0,60}|[0-9a-z +/,.]{0,60}|(10|credits|per|/|,|at|least|a| ){0,20}",
    ) {
        if let Ok(formula) = text.parse::<Formula>() {
            prop_assert_eq!(formula.to_string().parse::<Formula>(), Ok(formula));
        }
    }
}
