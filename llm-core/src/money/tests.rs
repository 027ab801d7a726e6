use proptest::prelude::*;

use super::*;
use crate::usage::{TokenKind, Usage};

/// A price from lines as configuration writes them.
fn listed(lines: &str) -> Price {
    let mut listed = Listed::default();
    for line in lines.split_whitespace() {
        let (name, value) = line.split_once('=').unwrap();
        listed.set(name, value).unwrap();
    }
    listed.price()
}

fn usage(input: u64, output: u64) -> Usage {
    Usage { input, output, ..Usage::default() }
}

#[test]
fn decimals_are_exact_or_refused() {
    let rate = |s: &str| s.parse::<Rate>().map(|r| r.nanos_per_mtok);
    assert_eq!(rate("0.15"), Ok(150_000_000));
    assert_eq!(rate("0.0375"), Ok(37_500_000));
    assert_eq!(rate("30"), Ok(30_000_000_000));
    assert_eq!(rate("0.000000001000"), Ok(1));
    assert_eq!(rate("0.0000000001"), Err(NotDecimal::TooFine));
    assert_eq!(rate("18446744073.709551615"), Ok(u64::MAX));
    assert_eq!(rate("18446744073.709551616"), Err(NotDecimal::TooLarge));
    for text in ["", ".", "1.", ".5", "-1", "+1", "1e-6", "1,5", " 1", "1.2.3", "٣", "NaN"] {
        assert_eq!(rate(text), Err(NotDecimal::Syntax), "{text:?}");
    }
    assert_eq!("9223372036.854775808".parse::<Money>(), Err(NotDecimal::TooLarge));
    assert_eq!("1.0000001".parse::<Credits>(), Err(NotDecimal::TooFine));
    assert_eq!("10".parse::<Credits>(), Ok(Credits(10_000_000)));
}

#[test]
fn amounts_are_shown_exactly() {
    assert_eq!(Money(1).to_string(), "0.000000001");
    assert_eq!(Money(20_000_000_000).to_string(), "20");
    assert_eq!(Money(-1_500_000_000).to_string(), "-1.5");
    assert_eq!(Money(i64::MIN).to_string(), "-9223372036.854775808");
    assert_eq!(Credits(2_500_000).to_string(), "2.5");
    assert_eq!(format!("{:>6}|{:?}", Credits(0), Credits(1)), "     0|0.000001 credits");
}

#[test]
fn arithmetic_never_wraps() {
    assert_eq!(Money::MAX.checked_add(Money(1)), None);
    assert_eq!(Money(i64::MIN).checked_sub(Money(1)), None);
    assert_eq!(Money::MAX.saturating_add(Money(1)), Money::MAX);
    assert_eq!(Money(2).saturating_sub(Money(3)), Money(-1));
    assert_eq!(Credits::MAX.saturating_mul(2), Credits::MAX);
}

/// What providers' own calculators say.
#[test]
fn golden_costs() {
    let mini = listed("input=0.15 output=0.60 cache_read=0.075");
    assert_eq!(cost(&usage(1_000, 500), &mini), Money(450_000));
    let cached = Usage { input: 200, cache_read: 1_800, output: 100, ..Usage::default() };
    assert_eq!(cost(&cached, &mini), Money(30_000 + 135_000 + 60_000));

    let sonnet =
        listed("input=3 output=15 cache_read=0.30 cache_write=3.75 cache_write_1h=6 per_call=0.01");
    let written = Usage {
        input: 10,
        cache_read: 1_000,
        cache_write: 1_000,
        cache_write_1h: 1_000,
        output: 100,
        calls: 2,
        ..Usage::default()
    };
    let expected = 30_000 + 300_000 + 3_750_000 + 6_000_000 + 1_500_000 + 20_000_000;
    assert_eq!(cost(&written, &sonnet), Money(expected));

    // Reasoning without a price of its own is output; with one, it has that.
    let thought = Usage { reasoning: 1_000, ..usage(0, 1_000) };
    assert_eq!(cost(&thought, &listed("input=1 output=4")), Money(8_000_000));
    assert_eq!(cost(&thought, &listed("input=1 output=4 reasoning=3")), Money(7_000_000));

    let voice = listed("input=2.5 output=10 audio_in=40 audio_out=80");
    let spoken = Usage { audio_in: 100, audio_out: 50, ..usage(10, 10) };
    assert_eq!(cost(&spoken, &voice), Money(4_000_000 + 4_000_000 + 25_000 + 100_000));

    // $0.006 a minute, by the millisecond, rounded up once.
    let whisper = listed("per_audio_second=0.0001");
    let minute = Usage { audio_ms: 60_000, ..Usage::default() };
    assert_eq!(cost(&minute, &whisper), Money(6_000_000));
    assert_eq!(cost(&Usage { audio_ms: 1, ..minute }, &whisper), Money(100));
    let images = Usage { images: 3, ..Usage::default() };
    assert_eq!(cost(&images, &listed("per_image=0.04")), Money(120_000_000));
}

#[test]
fn rounds_up_once() {
    let price = listed("input=0.000000001 output=0.000000001");
    assert_eq!(cost(&usage(1, 1), &price), Money(1));
    assert_eq!(cost(&usage(500_000, 500_000), &price), Money(1));
    assert_eq!(cost(&usage(500_000, 500_001), &price), Money(2));
    assert_eq!(cost(&usage(0, 0), &price), Money(0));
}

#[test]
fn a_long_prompt_pays_its_tier_for_the_whole_call() {
    let price = listed("input=1.25 output=10 cache_read=0.125 tier=200000:input=2.5,output=15");
    assert_eq!(cost(&usage(200_000, 1_000), &price), Money(250_000_000 + 10_000_000));
    assert_eq!(cost(&usage(200_001, 1_000), &price), Money(500_002_500 + 15_000_000));
    // Cached tokens count towards the threshold; the tier does not list them, so they are input.
    let cached = Usage { cache_read: 200_001, ..Usage::default() };
    assert_eq!(cost(&cached, &price), Money(500_002_500));
    // The highest tier passed is the one that holds, in whichever order they are listed.
    let two = listed("input=1 tier=200:input=3 tier=100:input=2");
    assert_eq!(cost(&usage(150, 0), &two), Money(300_000));
    assert_eq!(cost(&usage(201, 0), &two), Money(603_000));
}

#[test]
fn a_class_without_a_price_gets_one_when_the_price_is_made() {
    let price = listed("input=2 cache_write=3 output=8 audio_in=50 tier=9:input=4,output=1");
    let rate = |rates: &[Rate], kind| rates[kind as usize].nanos_per_mtok / 1_000_000_000;
    assert_eq!(TokenKind::ALL.map(|k| rate(&price.rates, k)), [2, 2, 3, 3, 8, 8, 50, 8]);
    // In the tier, only what it lists may be cheaper than below it.
    assert_eq!(TokenKind::ALL.map(|k| rate(&price.tiers[0].rates, k)), [4, 4, 4, 4, 1, 8, 50, 8]);
}

#[test]
fn a_multiplier_is_on_everything() {
    let mut price = listed("input=1 per_call=0.01");
    price.multiplier = Ratio { numerator: 11, denominator: 10.try_into().unwrap() };
    let used = Usage { calls: 1, ..usage(1_000_000, 0) };
    assert_eq!(cost(&used, &price), Money(1_111_000_000));
    price.multiplier.numerator = 0;
    assert!(price.is_free() && Price::FREE.is_free() && !listed("per_image=1").is_free());
}

#[test]
fn hostile_counts_end_at_the_end_of_the_range() {
    let price =
        listed("input=1 output=18446744073 per_call=9223372036 per_audio_second=9223372036");
    let all = Usage {
        input: u64::MAX,
        cache_read: u64::MAX,
        output: u64::MAX,
        reasoning: u64::MAX,
        calls: u32::MAX,
        audio_ms: u64::MAX,
        ..Usage::default()
    };
    assert_eq!(cost(&all, &price), Money::MAX);
}

#[test]
fn what_a_price_may_not_be() {
    let set = |name, value| Listed::default().set(name, value);
    assert_eq!(set("inptu", "1"), Err(NotPrice::Unknown));
    assert_eq!(set("input", "-1"), Err(NotPrice::Amount(NotDecimal::Syntax)));
    assert_eq!(set("tier", "input=1"), Err(NotPrice::Tier));
    assert_eq!(set("tier", "9:input"), Err(NotPrice::Tier));
    assert_eq!(set("tier", "9:inptu=1"), Err(NotPrice::Unknown));
}

#[test]
fn the_bound_on_what_is_forbidden_is_nothing() {
    let price = listed("input=1 output=1 audio_in=100 audio_out=200");
    let bound = Bound { input_tokens_max: 10, output_tokens_max: 10, ..Bound::default() };
    assert_eq!(cost_max(&bound, &price), Money(3_000_000));
    let kinds = Kinds::ALL.without(TokenKind::AudioIn).without(TokenKind::AudioOut);
    assert_eq!(cost_max(&Bound { kinds, ..bound }, &price), Money(20_000));
    assert_eq!(cost_max(&Bound { kinds, candidates: 3, ..bound }, &price), Money(40_000));
    let silent = Usage { audio_in: 1, ..Usage::default() };
    assert!(bound.allows(&silent) && !Bound { kinds, ..bound }.allows(&silent));
}

pub(crate) fn any_price() -> impl Strategy<Value = Price> {
    let rate = || prop::option::of((0u64..50_000_000_000).prop_map(|n| Rate { nanos_per_mtok: n }));
    let rates = || prop::array::uniform8(rate());
    let tiers = prop::collection::vec((0u64..500_000, rates()), 0..3);
    (rates(), tiers, 0i64..99_999_999, 1u32..20, 1u32..20).prop_map(
        |(rates, tiers, n, up, down)| {
            let denominator = down.try_into().unwrap();
            let multiplier = Ratio { numerator: up, denominator };
            let piece = Money(n);
            let (per_call, per_image, per_audio_second) = (piece, piece, piece);
            Listed { rates, tiers, per_call, per_image, per_audio_second, multiplier }.price()
        },
    )
}

/// A bound, and a usage within it.
pub(crate) fn any_case() -> impl Strategy<Value = (Bound, Usage)> {
    let shares = prop::array::uniform8(0u64..1_000);
    let pieces = (0u32..9, 0u32..9, 0u64..99_999, 0u16..4);
    (0u64..1_100_000, 0u64..200_000, shares, pieces).prop_map(|(read, write, shares, pieces)| {
        let (calls, images, audio_ms, candidates) = pieces;
        let part = |k: TokenKind| {
            let (of, all) = if k.is_read() { (read, 5) } else { (write, 3) };
            of * shares[k as usize] / 999 / all
        };
        // One class alone must be able to fill the bound.
        let whole = |k: TokenKind, n: u64| if shares[k as usize] < 100 { n } else { part(k) };
        let mut usage = Usage { calls, images, audio_ms, ..Usage::default() };
        if shares[0] < 100 {
            usage.input = whole(TokenKind::Input, read);
        } else if shares[3] < 100 {
            usage.cache_write_1h = whole(TokenKind::CacheWrite1h, read);
        } else {
            usage.input = part(TokenKind::Input);
            usage.cache_read = part(TokenKind::CacheRead);
            usage.cache_write = part(TokenKind::CacheWrite);
            usage.cache_write_1h = part(TokenKind::CacheWrite1h);
            usage.audio_in = part(TokenKind::AudioIn);
        }
        if shares[5] < 100 {
            usage.reasoning = whole(TokenKind::Reasoning, write);
        } else {
            usage.output = part(TokenKind::Output);
            usage.reasoning = part(TokenKind::Reasoning);
            usage.audio_out = part(TokenKind::AudioOut);
        }
        let bound = Bound {
            input_tokens_max: read,
            output_tokens_max: write,
            candidates,
            images_max: images,
            calls_max: calls,
            audio_ms_max: audio_ms,
            kinds: Kinds::ALL,
        };
        (bound, usage)
    })
}

proptest! {
    #[test]
    fn a_settlement_never_exceeds_its_hold(price in any_price(), (bound, usage) in any_case()) {
        prop_assert!(bound.allows(&usage));
        prop_assert!(cost(&usage, &price) <= cost_max(&bound, &price));
    }

    /// Not only a bound: some usage within reaches it, so that nobody who can pay is refused.
    #[test]
    fn the_hold_is_reached_by_some_usage(price in any_price(), (bound, _) in any_case()) {
        let mut dearest = Money::ZERO;
        let thresholds = price.tiers.iter().map(|t| t.above.min(bound.input_tokens_max));
        for read in thresholds.chain([bound.input_tokens_max]).collect::<Vec<_>>() {
            for r in TokenKind::ALL.into_iter().filter(|k| k.is_read()) {
                for w in TokenKind::ALL.into_iter().filter(|k| !k.is_read()) {
                    let usage = one_class_each(&bound, (r, read), w);
                    prop_assert!(bound.allows(&usage));
                    dearest = dearest.max(cost(&usage, &price));
                }
            }
        }
        prop_assert_eq!(dearest, cost_max(&bound, &price));
    }

    #[test]
    fn what_is_shown_is_read_back(n in 0..=i64::MAX) {
        prop_assert_eq!(Money(n).to_string().parse(), Ok(Money(n)));
        prop_assert_eq!(Credits(n).to_string().parse(), Ok(Credits(n)));
    }
}

fn one_class_each(bound: &Bound, read: (TokenKind, u64), write: TokenKind) -> Usage {
    let mut usage = Usage {
        images: bound.images_max,
        calls: bound.calls_max,
        audio_ms: bound.audio_ms_max,
        ..Usage::default()
    };
    for (kind, count) in [read, (write, bound.written_max())] {
        match kind {
            TokenKind::Input => usage.input = count,
            TokenKind::CacheRead => usage.cache_read = count,
            TokenKind::CacheWrite => usage.cache_write = count,
            TokenKind::CacheWrite1h => usage.cache_write_1h = count,
            TokenKind::Output => usage.output = count,
            TokenKind::Reasoning => usage.reasoning = count,
            TokenKind::AudioIn => usage.audio_in = count,
            TokenKind::AudioOut => usage.audio_out = count,
        }
    }
    usage
}
