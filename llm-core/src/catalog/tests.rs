use proptest::prelude::*;

use super::*;
use crate::money::tests::any_case;
use crate::money::{Listed, Money, Rate, cost, cost_max};
use crate::usage::{TokenKind, Usage};

fn entry(provider: &str, model: &str) -> &'static ModelEntry {
    Catalog::builtin().lookup(provider, model).unwrap()
}

fn rate(entry: &ModelEntry, kind: TokenKind) -> String {
    entry.price.as_ref().unwrap().rates[kind as usize].to_string()
}

#[test]
fn every_line_can_be_read() {
    let (catalog, bad) = Catalog::read(include_str!("models.txt"));
    assert_eq!(bad, []);
    assert_eq!(catalog.as_of(), Some(jiff::civil::date(2026, 11, 21)));
    assert!((120..400).contains(&catalog.entries().count()));
    for provider in ["openai", "anthropic", "gemini", "cohere", "ollama"] {
        assert!(catalog.entries().any(|e| *e.provider == *provider), "{provider}");
    }
}

#[test]
fn prices_are_as_listed_and_exact() {
    let mini = entry("openai", "gpt-4o-mini");
    let shown = [TokenKind::Input, TokenKind::CacheRead, TokenKind::Output].map(|k| rate(mini, k));
    assert_eq!(shown, ["0.15", "0.075", "0.6"]);
    let r7b = entry("cohere", "command-r7b-12-2024");
    assert_eq!(r7b.price.as_ref().unwrap().rates[0], Rate { nanos_per_mtok: 37_500_000 });
    let sonnet = entry("anthropic", "claude-sonnet-4-5");
    let writes = [TokenKind::CacheWrite, TokenKind::CacheWrite1h].map(|k| rate(sonnet, k));
    assert_eq!(writes, ["3.75", "6"]);
    let pro = entry("gemini", "gemini-2.5-pro").price.as_ref().unwrap();
    let used = Usage { input: 200_001, output: 1, ..Usage::default() };
    assert_eq!(cost(&used, pro), Money(500_002_500 + 15_000));
    let search = Usage { calls: 1, ..Usage::default() };
    assert_eq!(
        cost(&search, entry("cohere", "rerank-v3.5").price.as_ref().unwrap()),
        Money(2_000_000)
    );
}

#[test]
fn free_is_declared_and_unknown_is_not_free() {
    assert!(entry("openai", "omni-moderation-latest").price.as_ref().unwrap().is_free());
    assert!(entry("ollama", "llama3.2:1b").price.as_ref().unwrap().is_free());
    assert_eq!(entry("ollama", "gpt-oss:120b-cloud").price, None);
    assert_eq!(entry("cohere", "command-a-plus-05-2026").price, None);
    assert_eq!(Catalog::builtin().lookup("openai", "gpt-99"), None);
    assert_eq!(Catalog::builtin().lookup("nobody", "gpt-4o"), None);
    let (catalog, bad) = Catalog::read("p m chat input=0 output=0\np m chat free input=1\n");
    assert_eq!((catalog.entries().count(), bad.len()), (0, 2));
}

#[test]
fn bad_lines_are_named() {
    let text = "as-of never\nopenai\nopenai x juggle\np m chat takes=magic\np m chat input=1e-6\n\
                p m chat window=many\np m chat\np m chat";
    let (_, bad) = Catalog::read(text);
    assert_eq!(bad.iter().map(|b| b.line).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 8]);
    assert_eq!(bad[1].to_string(), "line 2: no model");
}

#[test]
fn variants_find_their_entry() {
    let found = |provider, model| Catalog::builtin().lookup(provider, model).map(|e| &*e.model);
    assert_eq!(found("openai", "gpt-4o-2024-08-06"), Some("gpt-4o-2024-08-06"));
    assert_eq!(found("openai", "gpt-4o-2029-01-01"), Some("gpt-4o"));
    assert_eq!(found("anthropic", "claude-haiku-4-5-20991231"), Some("claude-haiku-4-5"));
    assert_eq!(found("anthropic", "claude-sonnet-4-6-latest"), Some("claude-sonnet-4-6"));
    assert_eq!(found("gemini", "models/gemini-2.5-flash"), Some("gemini-2.5-flash"));
    assert_eq!(found("gemini", "gemini-2.5-flash-001"), Some("gemini-2.5-flash"));
    let tuned = found("openai", "ft:gpt-4o-2024-08-06:acme::abc123");
    assert_eq!(tuned, Some("ft:gpt-4o-2024-08-06"));
    // A tuned model costs more than its base: unknown is right, its base is wrong.
    assert_eq!(found("openai", "ft:gpt-99:acme::abc123"), None);
    // A dearer snapshot that is withdrawn keeps its own price.
    assert_eq!(rate(entry("openai", "gpt-4o-2024-05-13"), TokenKind::Input), "5");
    for odd in ["", "ft:", "ft::", "*", "-001", "é-2024-08-06", "models/"] {
        assert_eq!(found("openai", odd), None, "{odd:?}");
    }
}

#[test]
fn a_name_that_is_longer_is_another_model() {
    let catalog = Catalog::builtin();
    for other in ["gpt-4o-mini-x", "gpt-4ox", "gpt-4o-min", "gpt-4o-mini-2024", "xgpt-4o", "GPT-4o"]
    {
        assert_eq!(catalog.lookup("openai", other), None, "{other}");
    }
    let found = |model| catalog.lookup("ollama", model).map(|e| &*e.model);
    assert_eq!(found("gpt-oss:120b-cloud"), Some("*-cloud"));
    assert_eq!(found("gpt-oss:120B-CLOUD"), Some("*-cloud"));
    let (catalog, _) = Catalog::read("p *-x-* any free\np a* any free\np *-z any\np * any\n");
    let found = |model| catalog.lookup("p", model).map(|e| &*e.model);
    assert_eq!(
        (found("a-x-b"), found("abc"), found("b-z")),
        (Some("*-x-*"), Some("a*"), Some("*-z"))
    );
    assert_eq!((found("b"), found("")), (Some("*"), Some("*")));
}

#[test]
fn abilities_are_those_of_the_model() {
    let mini = entry("openai", "gpt-4o-mini").capability;
    assert!(mini.tools && mini.json_schema && mini.image_in && mini.sampling && mini.candidates);
    assert!(!mini.reasoning && !mini.max_completion_tokens && !mini.audio_out);
    assert_eq!((mini.context_tokens_max, mini.output_tokens_max), (128_000, 16_384));
    for model in ["o3", "gpt-5", "gpt-5-mini", "gpt-5.4", "gpt-6-sol"] {
        let c = entry("openai", model).capability;
        assert!(
            c.reasoning && c.max_completion_tokens && c.developer_role && !c.sampling,
            "{model}"
        );
    }
    let sonnet = entry("anthropic", "claude-sonnet-4-5").capability;
    assert!(sonnet.reasoning && sonnet.file_in && !sonnet.max_completion_tokens);
    assert!(entry("gemini", "gemini-2.5-pro").capability.audio_in);
    assert_eq!(entry("openai", "gpt-5.2-pro").kind.operation(), Some(Operation::Chat));
    assert_eq!(entry("openai", "whisper-1").kind, ModelKind::Transcribe);
}

#[test]
fn own_entries_lie_over_the_table() {
    let mut listed = Listed::default();
    listed.set("input", "0.10").unwrap();
    let price = Some(listed.price());
    let own = |provider: &'static str, model: &'static str| Override {
        provider: provider.into(),
        model: model.into(),
        price: price.clone(),
        capability: None,
    };
    let base = Catalog::builtin().clone();
    let catalog = base.override_with([own("openai", "gpt-4o-mini"), own("acme", "new")]);
    let mini = catalog.lookup("openai", "gpt-4o-mini").unwrap();
    assert_eq!((&mini.price, mini.kind), (&price, ModelKind::Chat));
    assert_eq!(mini.capability, entry("openai", "gpt-4o-mini").capability);
    // Replaced whole: the table's price of cached tokens is gone with the rest.
    assert_eq!(rate(mini, TokenKind::CacheRead), "0.1");
    assert_eq!(catalog.lookup("acme", "new").unwrap().price, price);
    // The neighbour keeps its own.
    assert_eq!(rate(catalog.lookup("openai", "gpt-4o").unwrap(), TokenKind::Input), "2.5");
    let says_nothing = Override { price: None, ..own("acme", "other") };
    assert_eq!(catalog.override_with([says_nothing]).lookup("acme", "other").unwrap().price, None);
}

proptest! {
    #[test]
    fn no_shipped_price_settles_above_its_hold((bound, usage) in any_case()) {
        for entry in Catalog::builtin().entries() {
            if let Some(price) = &entry.price {
                prop_assert!(cost(&usage, price) <= cost_max(&bound, price), "{}", entry.model);
            }
        }
    }

    #[test]
    fn any_name_may_be_asked_for(model in "\\PC{0,20}") {
        let _ = Catalog::builtin().lookup("openai", &model);
        prop_assert!(Catalog::builtin().lookup("ollama", &model).is_some());
    }
}
