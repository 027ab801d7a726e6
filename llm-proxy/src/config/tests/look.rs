//! Differences and explanations.

use super::super::diff::diff;
use super::super::explain::explain;
use super::super::lint::lint;
use super::super::resolve::Resolved;
use super::{Said, said};

fn resolved(said: &Said, text: &str) -> Resolved {
    let resolved = said.clone().file("c.toml", text).resolve("c.toml");
    resolved.unwrap_or_else(|report| panic!("{report}"))
}

fn changes(before: (&Said, &str), after: (&Said, &str)) -> Vec<String> {
    let of = |(said, text)| resolved(said, text).config.show();
    diff(&of(before), &of(after)).iter().map(ToString::to_string).collect()
}

const SMALL: &str = r#"
[providers.openai]
keys = ["env:OPENAI_API_KEY"]
capacity = { in_flight = 8, requests_per_minute = 600 }
[providers.sim]
kind = "simulated"
[models.smart]
tiers = [["openai/gpt-4o"], ["sim/any"]]
cache = { ttl = "5m", scope = "team" }
[models.other]
tiers = [["sim/x"]]
[plans.pro]
limits = ["600/minute", "$50/month"]
models = ["smart", "smrat"]
[[keys]]
name = "app"
key = "env:APP_API_KEY"
plan = "pro"
[limits]
user = { limits = ["60/minute"], in_flight = 2 }
"#;

#[test]
fn nothing_changes_between_the_same() {
    assert_eq!(changes((&said(), SMALL), (&said(), SMALL)), Vec::<String>::new());
}

#[test]
fn changes_are_told_place_by_place_and_secrets_only_as_changed() {
    let after = SMALL
        .replace("\"5m\"", "\"10m\"")
        .replace("[models.other]\ntiers = [[\"sim/x\"]]\n", "")
        .replace("in_flight = 8, ", "")
        .replace(
            "[[keys]]",
            "[[keys]]\nname = \"first\"\nkey = \"env:ADMIN_API_KEY\"\nunlimited = true\n[[keys]]",
        );
    let rotated = said().env("APP_API_KEY", "sk-rotated-0123456789");
    assert_eq!(
        changes((&said(), SMALL), (&rotated, &after)),
        [
            "~ keys.app.key: the secret changed behind \"env:APP_API_KEY\"",
            "+ keys.first.key = \"env:ADMIN_API_KEY\"",
            "+ keys.first.models = [\"*\"]",
            "+ keys.first.name = \"first\"",
            "+ keys.first.unlimited = true",
            "- models.other.tiers = [[\"sim/x\"]]",
            "~ models.smart.cache.ttl: \"5m\" -> \"10m\"",
            "- providers.openai.capacity.in_flight = 8",
        ]
    );
    let rotated = said().env("OPENAI_API_KEY", "sk-rotated-0123456789");
    assert_eq!(
        changes((&said(), SMALL), (&rotated, SMALL)),
        ["~ providers.openai.keys: the secret changed behind [\"env:OPENAI_API_KEY\"]"]
    );
}

#[test]
fn an_explanation_says_all_that_applies() {
    let config = resolved(&said(), SMALL).config;
    let said = explain(&config, "smart", Some("app"));
    assert_eq!(said.refused, Vec::<String>::new());
    assert_eq!(
        said.text,
        "model smart\n  \
         tier 1, asked first\n    \
         openai/gpt-4o\n      \
         openai at its usual address, 1 key\n      \
         $2.5 in, $1.25 in from its cache, $10 out, a million tokens\n      \
         connect 5s, first token 1m, between tokens 30s, whole 10m; 2 more attempts\n      \
         takes 8 calls at once, 600 requests a minute\n  \
         tier 2, asked when all before have failed\n    \
         sim/any\n      \
         simulated at its usual address, 0 keys\n      \
         free\n      \
         connect 5s, first token 1m, between tokens 30s, whole 10m; 2 more attempts\n  \
         balance latency, 4 attempts in all, deadline 10m\n  \
         cache 5m for the same team\n\
         limits of every user: 60/minute, 2 at once\n\
         key app\n  \
         plan pro, priority default\n  \
         limits 600/minute, $50/month (UTC)\n"
    );
}

#[test]
fn a_refusal_says_why() {
    let config = resolved(&said(), SMALL).config;
    let refused = |model, key| explain(&config, model, key).refused;
    assert_eq!(refused("smrt", None), ["there is no model \"smrt\"; did you mean \"smart\"?"]);
    assert_eq!(refused("other", Some("app")), ["the plan \"pro\" does not include \"other\""]);
    let unknown = "no price is known for any target of \"openai/nobody-knows\"";
    assert_eq!(refused("openai/nobody-knows", None), [unknown]);
    assert_eq!(
        refused("smart", Some("ap")),
        ["the configuration has no key of that name: \"ap\"; did you mean \"app\"?"]
    );
}

#[test]
fn what_may_not_be_meant_is_said() {
    let Resolved { config, tree, .. } = resolved(&said(), SMALL);
    let told: Vec<_> = lint(&config, &tree).into_iter().map(|p| (p.place, p.text)).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0].0, "models.other.tiers");
    assert_eq!(told[1].1, "no model is called \"smrat\"; did you mean \"smart\"?");
}

#[test]
fn providers_of_one_kind_may_have_prices_of_their_own() {
    let text = r#"
[providers.a]
kind = "openai"
keys = ["env:OPENAI_API_KEY"]
[providers.b]
kind = "openai"
keys = ["env:OPENAI_API_KEY"]
[prices."b/gpt-4o"]
input = "7"
output = "9"
"#;
    let config = resolved(&said(), text).config;
    let input = |target| config.price(target).unwrap().rates_at(0)[0].to_string();
    assert_eq!((input("a/gpt-4o"), input("b/gpt-4o")), ("2.5".to_owned(), "7".to_owned()));
    assert_eq!(input("b/gpt-4o-mini"), "0.15", "the rest of the table stays");
    assert!(config.price("b/nobody-knows").is_none());
}
