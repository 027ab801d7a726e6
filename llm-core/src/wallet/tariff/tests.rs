use proptest::prelude::*;

use super::*;
use crate::money::Kinds;

fn tariff(text: &str) -> Tariff {
    text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
}

#[test]
fn a_call_costs_what_its_formula_says() {
    let usage = Usage { input: 1_500, cache_read: 500, output: 10, ..Usage::default() };
    for (text, credits) in [
        ("1 credit/call", "1"),
        ("0.5 credits per exact 1000 tokens", "1.005"),
        ("1 credit/call + 2 credits per 1000 input tokens", "5"),
        ("1 credit per exact 1000 fresh tokens + 0.1 credits per exact 1000 cached token", "1.55"),
        ("3 credits per exact 1000 output tokens, at least 1 credit", "1"),
        ("7 credits/image + 4 credits/minute + 2 credits/search", "0"),
    ] {
        assert_eq!(tariff(text).price(&usage).to_string(), credits, "{text}");
        assert_eq!(tariff(text).price(&Usage::default()), Credits::ZERO, "{text}");
    }
    let heard = Usage { audio_ms: 61_000, ..Usage::default() };
    assert_eq!(tariff("10 credits/minutes").price(&heard), Credits(20_000_000));
    assert_eq!(tariff("10 credits per exact minute").price(&heard), Credits(10_166_667));
}

#[test]
fn what_no_call_has_is_named() {
    for text in ["1 credit/page", "1 credit/language", "1 credit"] {
        let read: Result<Tariff, _> = text.parse();
        assert_eq!(read.is_ok(), text == "1 credit", "{text}");
    }
    assert!("one credit".parse::<Tariff>().is_err());
}

#[test]
fn the_longest_pattern_that_fits_is_the_price() {
    let of = |name: &'static str, text: &str| (Str::from_static(name), tariff(text));
    let all = Tariffs::new([
        of("*", "1 credit/call"),
        of("gpt-4o*", "2 credits/call"),
        of("gpt-4o-mini", "3 credits/call"),
        of("gpt-4o-m*", "4 credits/call"),
    ]);
    let price = |model: &str| all.of(model).map(|t| t.to_string());
    assert_eq!(price("gpt-4o-mini").as_deref(), Some("3 credits/call"));
    assert_eq!(price("gpt-4o-max").as_deref(), Some("4 credits/call"));
    assert_eq!(price("gpt-4o").as_deref(), Some("2 credits/call"));
    assert_eq!(price("claude").as_deref(), Some("1 credit/call"));
    assert_eq!(Tariffs::default().of("x"), None);
}

proptest! {
    /// Whatever a call uses within its bounds, what was set aside covers it.
    #[test]
    fn no_call_costs_more_than_its_bounds(
        counts in proptest::array::uniform6(0u64..5_000),
        pieces in proptest::array::uniform3(0u32..9),
        spare in 0u64..100,
        which in 0usize..6,
    ) {
        let [input, cache_read, output, reasoning, audio_ms, audio_in] = counts;
        let [images, calls, _] = pieces;
        let usage = Usage {
            input, cache_read, output, reasoning, audio_ms, audio_in, images, calls,
            ..Usage::default()
        };
        let bound = Bound {
            input_tokens_max: usage.read_total() + spare,
            output_tokens_max: usage.written_total() + spare,
            candidates: 1,
            images_max: images,
            calls_max: calls,
            audio_ms_max: audio_ms + spare,
            kinds: Kinds::ALL,
        };
        let texts = [
            "1 credit/call + 2 credits per 1000 input tokens + 3 credits/output token",
            "0.000001 credits per exact 7 tokens",
            "5 credits per full 100 fresh tokens + 1 credit/cached token, at most 90 credits",
            "1 credit/image + 2 credits/search, at least 2 credits",
            "4 credits/minute + 1 credit per exact second",
            "3 credits per output token per input token",
        ];
        let tariff = tariff(texts[which]);
        prop_assert!(tariff.price(&usage) <= tariff.most(&bound));
    }
}
