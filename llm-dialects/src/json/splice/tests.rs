//! The result is JSON, and differs from the body where it was meant to and nowhere else.

use bytes::Bytes;
use llm_core::call::Peek;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::json::peek::{Layout, Member, peek};

const CHAT: Layout = Layout::new(&[
    ("model", Member::Model),
    ("user", Member::User),
    ("stream_options", Member::UsageOption),
])
.model_elsewhere();

fn join(body: &Bytes, mut edits: Vec<Edit>) -> String {
    let chunks = splice(body, &mut edits).unwrap();
    String::from_utf8(chunks.concat()).unwrap()
}

fn found(body: &str) -> (Bytes, Peek) {
    let body = Bytes::from(body.to_owned());
    let peek = peek(&body, &CHAT).unwrap();
    (body, peek)
}

#[test]
fn values_are_replaced_where_they_stand() {
    let (body, peek) = found(r#"{ "user" : "u", "x":0.70, "model":"a" }"#);
    let user = Edit::string(peek.user.clone().unwrap().span.unwrap(), "p\"1");
    let edits = vec![Edit::model(&peek, "b").unwrap(), user];
    assert_eq!(join(&body, edits), r#"{ "user" : "p\"1", "x":0.70, "model":"b" }"#);
}

#[test]
fn untouched_bytes_are_slices_of_the_body() {
    let (body, peek) = found(r#"{"x":1,"model":"a","y":2}"#);
    let chunks = splice(&body, &mut [Edit::model(&peek, "b").unwrap()]).unwrap();
    assert_eq!(chunks.len(), 3);
    assert_eq!(chunks[0].as_ptr(), body.as_ptr());
    assert!(body.as_ptr_range().contains(&chunks[2].as_ptr()));
}

#[test]
fn a_usage_frame_is_asked_for_whatever_stands_there() {
    for (body, expected) in [
        ("{}", r#"{"stream_options":{"include_usage":true}}"#),
        (r#"{"a":1}"#, r#"{"stream_options":{"include_usage":true},"a":1}"#),
        (r#"{"stream_options":null}"#, r#"{"stream_options":{"include_usage":true}}"#),
        (r#"{"stream_options":{ }}"#, r#"{"stream_options":{"include_usage":true}}"#),
        (
            r#"{"stream_options":{"include_obfuscation":false}}"#,
            r#"{"stream_options":{"include_usage":true,"include_obfuscation":false}}"#,
        ),
        (
            r#"{"stream_options":{"x":1,"include_usage":false}}"#,
            r#"{"stream_options":{"x":1,"include_usage":true}}"#,
        ),
        (
            r#"{"stream_options":{"include_usage":null}}"#,
            r#"{"stream_options":{"include_usage":true}}"#,
        ),
    ] {
        let (body, peek) = found(body);
        let edit = Edit::usage_frame(&peek, &body).unwrap();
        assert_eq!(join(&body, vec![edit]), expected);
    }
    let (body, peek) = found(r#"{"stream_options":{"include_usage":true}}"#);
    assert_eq!(Edit::usage_frame(&peek, &body), None);
}

#[test]
fn first_members_know_their_commas() {
    let two = [("a", "1"), ("b", "[]")];
    let (body, peek) = found(" { }");
    assert_eq!(join(&body, vec![Edit::first_members(&peek, &two)]), r#" {"a":1,"b":[] }"#);
    let (body, peek) = found(r#"{"c":0}"#);
    assert_eq!(join(&body, vec![Edit::first_members(&peek, &two)]), r#"{"a":1,"b":[],"c":0}"#);
    assert_eq!(join(&body, vec![Edit::first_members(&peek, &[])]), r#"{"c":0}"#);
    let (body, peek) = found("{}");
    assert_eq!(join(&body, vec![Edit::first_members(&peek, &[])]), "{}");
}

#[test]
fn edits_that_contradict_are_refused() {
    let body = Bytes::from_static(b"0123456789");
    let edit = |span| Edit::value(span, "x");
    let outside = splice(&body, &mut [edit(8..11)]);
    assert_eq!(outside, Err(SpliceError::OutOfBounds));
    let backwards = Edit { span: Range { start: 3, end: 2 }, text: Bytes::new() };
    assert_eq!(splice(&body, &mut [backwards]), Err(SpliceError::OutOfBounds));
    assert_eq!(splice(&body, &mut [edit(4..6), edit(2..5)]), Err(SpliceError::Overlap));
    assert_eq!(join(&body, vec![edit(4..6), edit(2..4), edit(4..4)]), "01xxx6789");
}

proptest! {
    #[test]
    fn only_what_was_meant_changes(
        before in "[a-z한\"\\\\]{0,5}", after in any::<i64>(), old in "[a-z한\"\\\\]{1,5}",
        new in "[a-z한\"\\\\\\n]{0,5}",
        options in prop::option::of(prop::option::of(any::<bool>())),
    ) {
        let mut tree = json!({"before": before, "model": old, "z": [after, null]});
        if let Some(flag) = options {
            tree["stream_options"] = json!({"include_usage": flag, "x": before});
        }
        let (body, peek) = found(&tree.to_string());
        let mut edits = vec![Edit::model(&peek, &new).unwrap()];
        edits.extend(Edit::usage_frame(&peek, &body));
        edits.push(Edit::first_members(&peek, &[("first", "1")]));
        let result: Value = serde_json::from_str(&join(&body, edits)).unwrap();
        tree["model"] = json!(new);
        tree["first"] = json!(1);
        tree["stream_options"]["include_usage"] = json!(true);
        prop_assert_eq!(result, tree);
    }
}
