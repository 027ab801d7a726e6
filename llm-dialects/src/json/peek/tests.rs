//! What is found, what is refused, and that a tree would say the same.

use bytes::Bytes;
use llm_core::call::{Has, Peek};
use llm_core::dialect::{BadReason, BadRequest};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const CHAT: Layout = Layout::new(&[
    ("model", Member::Model),
    ("messages", Member::Mentions(&[("\"image_url\"", Has::IMAGES)])),
    ("stream", Member::Stream),
    ("max_tokens", Member::Cap),
    ("max_completion_tokens", Member::Cap),
    ("n", Member::Candidates),
    ("user", Member::User),
    ("stream_options", Member::UsageOption),
    ("tools", Member::Has(Has::TOOLS)),
    (
        "response_format",
        Member::Mentions(&[
            ("\"json_object\"", Has::JSON),
            ("\"json_schema\"", Has::JSON | Has::JSON_SCHEMA),
        ]),
    ),
    ("temperature", Member::Once),
    ("options", Member::Within(&[("num_predict", Member::CapUnlessNegative)])),
]);

const NO_MODEL: Layout = Layout::new(&[("n", Member::Candidates)]).model_elsewhere();

fn read(body: &str) -> Result<Peek, BadRequest> {
    peek(&Bytes::from(body.to_owned()), &CHAT)
}

#[test]
fn what_a_request_carries_cannot_be_hidden_by_escapes() {
    let has = |typed: &str| {
        let body = format!(r#"{{"model":"m","messages":[{{"type":"{typed}"}}]}}"#);
        read(&body).unwrap().has.all(Has::IMAGES)
    };
    assert!(has("image_url") && has(r"im\u0061ge_url") && has(r"image\u005furl"));
    assert!(has(r"\u0069\u006D\u0061\u0067\u0065\u005F\u0075\u0072\u006C"));
    // Text that merely speaks of it, and an escaped backslash in front of a `u`.
    assert!(!has(r#"a \"im\u0061ge_url\" b"#) && !has(r"im\\u0061ge_url"));
    assert!(!has(r"caf\u00e9 \u0000 \n") && has(r#"\u00e9","x":"im\u0061ge_url"#));
}

/// The field that is to blame.
fn blamed(body: &str) -> String {
    let bad = read(body).unwrap_err();
    assert_eq!(bad.reason, BadReason::Invalid, "{bad}");
    let param = bad.param.unwrap().to_string();
    assert!(bad.message.starts_with(&param), "{}", bad.message);
    param
}

#[test]
fn facts_are_found_with_their_places() {
    let body = r#" {"model" : "m-\u0031", "stream":true, "messages":[{"content":[{"type":
        "image_url"}]}], "max_tokens": 7, "max_completion_tokens":9, "n":2, "user":"u",
        "stream_options": {"include_usage":true}, "tools":[ ], "response_format":
        {"type":"json_schema"}, "else":[1,{"model":"no"}], "temperature":0.70}"#;
    let found = read(body).unwrap();
    assert_eq!(&*found.model.value, "m-1");
    assert_eq!(&body[found.model.span.clone().unwrap()], r#""m-\u0031""#);
    assert!(found.stream && found.wants_usage_frame && found.members_any);
    assert_eq!(&body[found.stream_span.unwrap()], "true");
    assert_eq!((found.output_tokens_max, found.candidates), (Some(9), 2));
    let user = found.user.unwrap();
    assert_eq!((&*user.value, &body[user.span.unwrap()]), ("u", "\"u\""));
    assert_eq!(&body[found.usage_option.unwrap()], "{\"include_usage\":true}");
    assert_eq!(&body[found.usage_flag.unwrap()], "true");
    assert_eq!(found.members_start, 2);
    assert_eq!(found.input_tokens_estimate as usize, body.len() / 3);
    assert_eq!(found.has, Has(Has::IMAGES | Has::JSON | Has::JSON_SCHEMA));
}

#[test]
fn null_is_absent_and_defaults_are_the_layouts() {
    let body = r#"{"model":"m","stream":null,"max_tokens":null,"n":null,"user":null,
        "stream_options":null,"tools":null}"#;
    let found = read(body).unwrap();
    assert!(!found.stream && found.user.is_none() && found.has == Has(0));
    assert_eq!((found.output_tokens_max, found.candidates), (None, 0));
    assert_eq!(&body[found.usage_option.unwrap()], "null");
    const STREAMS: Layout = Layout::new(&[("stream", Member::Stream)]);
    const STREAMS_HERE: Layout = STREAMS.streams_by_default().model_elsewhere();
    assert!(peek(&Bytes::from_static(b"{}"), &STREAMS_HERE).unwrap().stream);
    let off = Bytes::from_static(b"{\"stream\":false}");
    assert!(!peek(&off, &STREAMS_HERE).unwrap().stream);
    let empty = peek(&Bytes::from_static(b"{ }"), &NO_MODEL).unwrap();
    assert!(!empty.members_any);
}

#[test]
fn a_negative_cap_is_none_only_where_the_dialect_says_so() {
    let found = read(r#"{"model":"m","options":{"num_predict":-1}}"#).unwrap();
    assert_eq!(found.output_tokens_max, None);
    let found = read(r#"{"model":"m","options":{"num_predict":5}}"#).unwrap();
    assert_eq!(found.output_tokens_max, Some(5));
    let found = read(r#"{"model":"m","options":{"num_predict":-0}}"#).unwrap();
    assert_eq!(found.output_tokens_max, Some(0));
    assert_eq!(blamed(r#"{"model":"m","max_tokens":-1}"#), "max_tokens");
}

#[test]
fn what_is_wrong_is_named() {
    for (members, param) in [
        (r#""model":1"#, "model"),
        (r#""model":"""#, "model"),
        (r#""stream":true"#, "model"),
        (r#""model":"\ud800""#, "model"),
        (r#""model":"m","model":"m""#, "model"),
        (r#""model":"m","mod\u0065l":"n""#, "model"),
        (r#""model":"m","messages":[],"messages":[]"#, "messages"),
        (r#""model":"m","temperature":1,"temperature":1"#, "temperature"),
        (r#""model":"m","stream":"yes""#, "stream"),
        (r#""model":"m","max_tokens":1.5"#, "max_tokens"),
        (r#""model":"m","max_tokens":"9""#, "max_tokens"),
        (r#""model":"m","max_tokens":4294967296"#, "max_tokens"),
        (r#""model":"m","n":0"#, "n"),
        (r#""model":"m","n":1025"#, "n"),
        (r#""model":"m","user":{}"#, "user"),
        (r#""model":"m","stream_options":true"#, "stream_options"),
        (r#""model":"m","stream_options":{"include_usage":1}"#, "stream_options.include_usage"),
        (r#""model":"m","options":{"num_predict":1,"num_predict":2}"#, "options.num_predict"),
    ] {
        assert_eq!(blamed(&format!("{{{members}}}")), param, "{members}");
    }
    assert_eq!(blamed(&json!({"model": "m".repeat(257)}).to_string()), "model");
}

#[test]
fn what_is_no_json_object_is_a_syntax_error() {
    for body in
        ["", "  ", "[]", "nul", "\"{}\"", "{", "{\"model\":\"m\"} x", "{\"a\":1,}", "{'a':1}"]
    {
        assert_eq!(read(body).unwrap_err().reason, BadReason::Syntax, "{body}");
    }
    let bad = read("{\"model\":\"m\",\n oops}").unwrap_err();
    assert!(bad.message.contains("line 2 column 2"), "{}", bad.message);
    let latin = peek(&Bytes::from_static(b"{\"model\":\"m\",\"x\":\"\xe9\"}"), &CHAT);
    assert_eq!(latin.unwrap_err().reason, BadReason::Syntax);
    let deep = format!("{{\"model\":\"m\",\"x\":{}", "[".repeat(100_000));
    assert_eq!(read(&deep).unwrap_err().reason, BadReason::TooLarge);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..9).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-9.0..9.0f64).prop_map(Value::from),
        "[a\"\\\\é한{\\[]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let key = prop::sample::select(vec!["model", "include_usage", "num_predict", "x"]);
        let object = prop::collection::vec((key, inner.clone()), 0..3);
        let object = object.prop_map(|m| m.into_iter().map(|(k, v)| (k.to_owned(), v)).collect());
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(Value::Array),
            object.prop_map(Value::Object)
        ]
    })
}

/// What a tree would say, where the values are right; `None` where one must be refused.
fn expected(tree: &Value) -> Option<(String, bool, Option<u32>, u16, bool)> {
    let whole = |v: &Value| {
        v.as_u64()
            .or_else(|| v.as_f64().filter(|f| *f >= 0.0 && f.fract() == 0.0).map(|f| f as u64))
    };
    let or_none = |v: &Value, ok: bool| (v.is_null() || ok).then_some(());
    let model = tree["model"].as_str().filter(|m| !m.is_empty())?;
    let (stream, n) = (&tree["stream"], &tree["n"]);
    or_none(stream, stream.is_boolean())?;
    or_none(n, whole(n).is_some_and(|n| (1..=1024).contains(&n)))?;
    let mut cap = None;
    let predict = &tree["options"]["num_predict"];
    for (limit, negative) in [(&tree["max_tokens"], false), (predict, true)] {
        let negative = negative && limit.as_f64().is_some_and(|l| l < 0.0);
        if !limit.is_null() && !negative {
            cap = cap.max(Some(u32::try_from(whole(limit)?).ok()?));
        }
    }
    let (options, usage) = (&tree["options"], &tree["stream_options"]);
    or_none(options, options.is_object())?;
    or_none(usage, usage.is_object())?;
    or_none(&usage["include_usage"], usage["include_usage"].is_boolean())?;
    let n = whole(n).unwrap_or_default() as u16;
    let wants = usage["include_usage"].as_bool().unwrap_or_default();
    Some((model.to_owned(), stream.as_bool().unwrap_or_default(), cap, n, wants))
}

proptest! {
    #[test]
    fn a_tree_would_say_the_same(
        members in prop::collection::vec((prop::sample::select(vec![
            "model", "stream", "max_tokens", "n", "options", "stream_options", "x", "y\"",
        ]), value()), 0..8),
        good_model in prop::bool::weighted(0.8),
    ) {
        let mut members: Vec<(&str, Value)> = members;
        if good_model {
            members.retain(|(name, _)| *name != "model");
            members.push(("model", json!("한\"m")));
        }
        let texts: Vec<String> =
            members.iter().map(|(k, v)| format!("{} : {v}", json!(k))).collect();
        let body = format!("{{{}}}", texts.join(","));
        let known = members.iter().filter(|(k, _)| !matches!(*k, "x" | "y\""));
        let mut names: Vec<_> = known.map(|(k, _)| *k).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        let found = read(&body);
        if names.len() < count {
            prop_assert!(found.is_err(), "{}", body);
            return Ok(());
        }
        let tree: Value = serde_json::from_str(&body).unwrap();
        let read = found.ok().map(|p| {
            let span = p.model.span.clone().unwrap();
            assert_eq!(serde_json::from_str::<String>(&body[span]).unwrap(), &*p.model.value);
            let (model, cap) = (p.model.value.to_string(), p.output_tokens_max);
            (model, p.stream, cap, p.candidates, p.wants_usage_frame)
        });
        prop_assert_eq!(read, expected(&tree), "{}", body);
    }

    #[test]
    fn any_text_is_read_or_refused(body in "[{}\\[\\]\":,0-9a-z\\\\ ]{0,60}") {
        let tree = serde_json::from_str::<Value>(&body);
        if let Ok(found) = peek(&Bytes::from(body.clone()), &NO_MODEL) {
            prop_assert!(tree.is_ok_and(|t| t.is_object()));
            prop_assert!(found.members_start <= body.len());
        }
    }
}
