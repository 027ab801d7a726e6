//! Peek and splice against a tree: the same facts, and a change where it was meant and nowhere
//! else.

use bytes::Bytes;
use llm_core::call::{Has, Peek};
use llm_core::dialect::BadReason;
use llm_dialects::json::peek::{Layout, Member, peek};
use llm_dialects::json::splice::{Edit, splice};
use serde_json::{Value, json};

const LAYOUT: Layout = Layout::new(&[
    ("model", Member::Model),
    ("messages", Member::Mentions(&[("\"image_url\"", Has::IMAGES)])),
    ("stream", Member::Stream),
    ("max_tokens", Member::Cap),
    ("n", Member::Candidates),
    ("user", Member::User),
    ("stream_options", Member::UsageOption),
    ("tools", Member::Has(Has::TOOLS)),
    ("options", Member::Within(&[("num_predict", Member::CapUnlessNegative)])),
]);

pub(super) fn peek_splice(input: &[u8]) {
    let body = Bytes::copy_from_slice(input);
    let tree = serde_json::from_slice::<Value>(input).ok();
    match (peek(&body, &LAYOUT), tree) {
        (Ok(found), Some(tree)) => {
            same_facts(&body, &found, &tree);
            same_tree_but(&body, &found, tree);
        }
        // A tree wants every string to be text and every number in range; who passes over them
        // does not care.
        (Ok(_), None) => {
            let ignored = serde_json::from_slice::<serde::de::IgnoredAny>(input);
            assert!(ignored.is_ok(), "no JSON was taken");
        }
        (Err(bad), Some(Value::Object(_))) => {
            assert_ne!(bad.reason, BadReason::Syntax, "{bad}");
            assert_eq!(bad.reason == BadReason::Invalid, bad.param.is_some(), "{bad}");
        }
        (Err(_), _) => {}
    }
}

fn same_facts(body: &Bytes, found: &Peek, tree: &Value) {
    assert_eq!(tree["model"].as_str(), Some(&*found.model.value));
    let span = found.model.span.clone().and_then(|s| body.get(s));
    let written = span.and_then(|s| serde_json::from_slice::<Value>(s).ok());
    assert_eq!(written.as_ref(), Some(&tree["model"]));
    assert_eq!(tree["stream"].as_bool().unwrap_or_default(), found.stream);
    assert_eq!(tree["user"].as_str(), found.user.as_ref().map(|u| &*u.value));
    let wants = tree["stream_options"]["include_usage"].as_bool().unwrap_or_default();
    assert_eq!(wants, found.wants_usage_frame);
    let whole = |v: &Value| v.as_f64().filter(|n| *n >= 0.0);
    let caps = [&tree["max_tokens"], &tree["options"]["num_predict"]].map(whole);
    let cap = caps.into_iter().flatten().reduce(f64::max);
    assert_eq!(cap, found.output_tokens_max.map(f64::from));
    let answers = whole(&tree["n"]).unwrap_or_default();
    assert_eq!(answers, f64::from(found.candidates));
}

fn same_tree_but(body: &Bytes, found: &Peek, mut tree: Value) {
    let mut edits = vec![Edit::first_members(found, &[("first member", "[1]")])];
    edits.extend(Edit::model(found, "another \"model\""));
    edits.extend(Edit::usage_frame(found, body));
    let chunks = splice(body, &mut edits);
    assert!(chunks.is_ok(), "{chunks:?}");
    let result = serde_json::from_slice::<Value>(&chunks.unwrap_or_default().concat());
    // A member of that name would stand twice, and the later one would count.
    if tree.get("first member").is_none() {
        tree["first member"] = json!([1]);
    }
    tree["model"] = json!("another \"model\"");
    tree["stream_options"]["include_usage"] = json!(true);
    assert_eq!(result.ok(), Some(tree));
}
