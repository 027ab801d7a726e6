//! What is taken out, and that nothing else changes.

use std::time::Duration;

use http::Method;
use llm_core::dialect::{CallerDialect, DialectId};
use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

fn taken(body: &str) -> Result<(Asked, String), Error> {
    let dialect: &dyn CallerDialect = llm_dialects::caller(DialectId::OpenaiChat).unwrap();
    let route = dialect.route(&Method::POST, "/v1/chat/completions").unwrap();
    let bytes = Bytes::from(body.to_owned());
    let peek = dialect.peek(&route, &bytes).map_err(Error::from)?;
    let mut asked = Asked::default();
    let rest = take(&bytes, &peek, &mut asked)?;
    let rest = rest.unwrap_or(bytes);
    Ok((asked, String::from_utf8(rest.to_vec()).unwrap()))
}

#[test]
fn every_field_is_obeyed_and_taken_out() {
    let (asked, rest) = taken(
        r#"{"model":"a" , "cache":{"no-cache":true,"ttl":60,"s-maxage":30,"namespace":"n"},
        "messages":[],"fallbacks":["b",{"model":"c"}],"num_retries":3, "timeout":1.5,
        "metadata":{"tags":["x","y"],"user":"z"},"mock_response":"hi","disable_fallbacks":false }"#,
    )
    .unwrap();
    let controls = &asked.controls;
    assert_eq!(controls.cache, CacheUse::Refresh);
    assert_eq!(controls.cache_ttl, Some(Duration::from_secs(60)));
    assert_eq!(controls.cache_age, Some(Duration::from_secs(30)));
    assert_eq!(controls.cache_space.as_deref(), Some("n"));
    assert_eq!(controls.fallbacks, ["b", "c"].map(Str::from));
    assert_eq!(controls.retries, Some(3));
    assert_eq!(controls.tags, ["x", "y"].map(Str::from));
    assert_eq!(asked.within, Some(Duration::from_millis(1_500)));
    assert_eq!(asked.mock.as_deref(), Some("hi"));
    let rest: Value = serde_json::from_str(&rest).unwrap();
    assert_eq!(rest, json!({"model": "a", "messages": [], "metadata": {"user": "z"}}));
}

#[test]
fn the_first_of_a_list_of_models_is_the_model() {
    let (asked, rest) = taken(r#"{"models":["a","b","a"],"messages":[]}"#).unwrap();
    assert_eq!(rest, r#"{"model":"a","messages":[]}"#);
    assert_eq!(asked.controls.fallbacks, ["b", "a"].map(Str::from));
    let (asked, rest) = taken(r#"{"messages":[],"model":"a","models":["a","b"]}"#).unwrap();
    assert_eq!(rest, r#"{"messages":[],"model":"a"}"#);
    assert_eq!(asked.controls.fallbacks, ["b"].map(Str::from));
    assert_eq!(taken(r#"{"models":[],"messages":[]}"#).unwrap_err().param(), Some("models"));
}

#[test]
fn what_belongs_to_a_provider_stays_as_it_is() {
    for body in [
        r#"{"model":"a","metadata":{"tags":"mine"}}"#,
        r#"{"model":"a","metadata":{"a":"b"}, "x":{"cache":1,"timeout":2}}"#,
        r#"{"model":"a","messages":[{"content":"\"cache\":{},"}]}"#,
    ] {
        let (asked, rest) = taken(body).unwrap();
        assert_eq!(rest, body);
        assert!(asked.controls.tags.is_empty());
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    for (field, value) in [
        ("cache", "true"),
        ("cache", r#"{"no-cache":1}"#),
        ("cache", r#"{"unheard-of":1}"#),
        ("fallbacks", "\"a\""),
        ("fallbacks", "[1]"),
        ("num_retries", "-1"),
        ("timeout", "\"soon\""),
        ("timeout", "-1"),
        ("mock_response", "{}"),
        ("disable_fallbacks", "1"),
    ] {
        let body = format!(r#"{{"model":"a","{field}":{value}}}"#);
        let error = taken(&body).unwrap_err();
        assert_eq!((error.param(), error.kind()), (Some(field), Kind::BadRequest), "{body}");
    }
    assert!(taken(r#"{"model":"a","cache":{},"cache":{}}"#).is_err(), "said twice");
}

proptest! {
    /// Whatever stands between them, and in whichever order.
    #[test]
    fn nothing_else_changes(
        order in Just(vec!["model", "cache", "x", "fallbacks", "y", "num_retries"]).prop_shuffle(),
        count in 1usize..6,
        gap in "[ \n]{0,2}",
    ) {
        let value = |name: &str| match name {
            "model" => json!("a"),
            "cache" => json!({"ttl": 1}),
            "fallbacks" => json!(["b"]),
            "num_retries" => json!(1),
            _ => json!({"a, b": [1, "}"]}),
        };
        let mut names: Vec<&str> = order.into_iter().take(count).collect();
        if !names.contains(&"model") {
            names.push("model");
        }
        let members: Vec<String> =
            names.iter().map(|n| format!("{gap}\"{n}\"{gap}:{gap}{}{gap}", value(n))).collect();
        let (_, rest) = taken(&format!("{{{}}}", members.join(","))).unwrap();
        let rest: Map<String, Value> = serde_json::from_str(&rest).unwrap();
        let kept = names.iter().filter(|n| ["model", "x", "y"].contains(n));
        let kept: Map<String, Value> = kept.map(|n| ((*n).to_owned(), value(n))).collect();
        prop_assert_eq!(rest, kept);
    }
}
