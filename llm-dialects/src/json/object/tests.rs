use llm_core::dialect::{BadReason, BadRequest, Corrupt};

use super::*;

fn root(text: &str) -> Str {
    Str::from(text.to_owned())
}

#[test]
fn known_members_are_taken_and_the_rest_stays_as_written() {
    let body =
        root(r#"{"model":"m","x":0.70,"nul":null,"s":"a\nb","big":12345678901234567890123}"#);
    let mut o = Object::root(&body).unwrap();
    assert_eq!(o.str("model").unwrap().unwrap(), "m");
    assert_eq!(o.str("s").unwrap().unwrap(), "a\nb");
    assert!(o.str("nul").unwrap().is_none());
    let rest = o.rest(DialectId::OpenaiChat);
    let shown: Vec<_> = rest.fields().iter().map(|(n, v)| format!("{n}={}", v.get())).collect();
    assert_eq!(shown, ["x=0.70", "nul=null", "big=12345678901234567890123"]);
}

#[test]
fn an_error_names_its_place() {
    let body = root(r#"{"messages":[{"role":"user"},{"role":"user","content":[{"type":7}]}]}"#);
    let mut o = Object::root(&body).unwrap();
    let messages = o.array("messages").unwrap();
    let content = messages[1].object().unwrap().array("content").unwrap();
    let bad = content[0].object().unwrap().str("type").unwrap_err();
    assert_eq!(bad.path(), "messages.1.content.0.type");
    let request: BadRequest = bad.into();
    assert_eq!(request.message, "messages.1.content.0.type must be a string, not a number");
    let missing = content[0].object().unwrap().need("text").unwrap_err();
    assert_eq!(missing.path(), "messages.1.content.0.text");
}

#[test]
fn a_member_that_stands_twice_is_refused() {
    let body = root(r#"{"model":"a","model":"b"}"#);
    let mut o = Object::root(&body).unwrap();
    let bad: BadRequest = o.str("model").unwrap_err().into();
    assert_eq!(bad.param.as_deref(), Some("model"));
}

#[test]
fn strings_without_escapes_share_the_body() {
    let body = root(r#"{"text":"안녕"}"#);
    let text = Object::root(&body).unwrap().str("text").unwrap().unwrap();
    let inside = body.as_bytes().as_ptr_range().contains(&text.as_bytes().as_ptr());
    assert!(inside, "the text was copied");
}

#[test]
fn what_is_no_json_or_no_character_is_an_error() {
    assert!(Field::root(&root("{\"a\":")).is_err());
    assert!(Field::root(&root("{} {}")).is_err());
    let body = root(r#"{"a":"\ud800"}"#);
    assert!(Object::root(&body).unwrap().str("a").is_err());
}

#[test]
fn an_object_or_array_has_a_bounded_number_of_things() {
    let object = |n: usize| root(&format!("{{{}}}", vec!["\"a\":1"; n].join(",")));
    assert!(Object::root(&object(MEMBERS_MAX)).is_ok());
    let bad = Object::root(&object(MEMBERS_MAX + 1)).err().unwrap();
    assert_eq!(bad.message(), "has too many members");
    let array = |n: usize| root(&format!("[{}]", vec!["1"; n].join(",")));
    assert!(Field::root(&array(ELEMENTS_MAX)).unwrap().array().is_ok());
    let body = array(ELEMENTS_MAX + 1);
    assert_eq!(Field::root(&body).unwrap().array().unwrap_err().message(), "has too many elements");
    let body = root(r#"{"\ud800":1}"#);
    assert_eq!(Object::root(&body).err().unwrap().message(), "is not a valid object");
}

#[test]
fn an_error_quotes_no_content() {
    let body = root(r#"{"bytes":"my secret"}"#);
    let bad = Object::root(&body).unwrap().see("bytes").unwrap().parse::<Vec<u8>>().unwrap_err();
    assert!(!Corrupt::from(bad).message.contains("secret"));
}

#[test]
fn the_place_of_an_error_is_short_however_long_the_keys() {
    let key = "키".repeat(1_000_000);
    let body = root(&format!(r#"{{"{key}":{{"a":7}}}}"#));
    let inner = Object::root(&body).unwrap().object(&key).unwrap();
    let bad = inner.unwrap().str("a").unwrap_err();
    assert!(bad.path().len() < 300 && bad.path().ends_with("….a"), "{}", bad.path().len());
    let request: BadRequest = bad.into();
    assert!(request.message.len() < 400);
}

#[test]
fn depth_is_counted_outside_strings_only() {
    let reason = |bad: Bad| BadRequest::from(bad).reason;
    let refused = |text: &str| Object::root(&root(text)).map(drop).err().map(reason);
    let lists = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let whole = |levels: usize| Field::root(&root(&lists(levels))).map(drop).err().map(reason);
    assert_eq!(whole(limits::DEPTH_MAX), None);
    assert_eq!(whole(limits::DEPTH_MAX + 1), Some(BadReason::TooLarge));
    // As deep inside an object's members, as where a body is peeked at.
    let inside = |levels: usize| format!("{{\"a\":{}}}", lists(levels));
    assert_eq!(refused(&inside(limits::DEPTH_MAX)), None);
    assert_eq!(refused(&inside(limits::DEPTH_MAX + 1)), Some(BadReason::TooLarge));
    // An end is not looked for before.
    assert_eq!(refused(&"[".repeat(1 << 20)), Some(BadReason::TooLarge));
    let said = format!(r#"{{"a":"\"{}\\"}}"#, "[".repeat(2 * limits::DEPTH_MAX));
    assert_eq!(refused(&said), None);
    for broken in ["", "\"", "]]]}", "{\"a\":1}}", "{\"a\":01}", "\u{feff}{}"] {
        assert_eq!(refused(broken), Some(BadReason::Syntax), "{broken}");
    }
}

#[test]
fn a_body_has_a_largest_size() {
    let body = |bytes: usize| root(&format!("{{}}{}", " ".repeat(bytes - 2)));
    assert!(Object::root(&body(limits::BODY_BYTES_MAX)).is_ok());
    let bad = Object::root(&body(limits::BODY_BYTES_MAX + 1)).map(drop).unwrap_err();
    assert_eq!(BadRequest::from(bad).reason, BadReason::TooLarge);
}

/// serde passes over what is raw however deep it is, and a provider's last frame may hold anything.
#[test]
fn what_is_deep_in_a_frame_is_read_level_by_level() {
    let lists = |levels: usize| format!("{}\"]\\\"[\"{}", "[".repeat(levels), "]".repeat(levels));
    let inner = format!("{{\"x\": [ 1, {} ],\"usage\":{{\"n\":7}} }}", lists(200));
    let body = root(&format!("{{\"response\":{inner}}}"));
    let frame: std::collections::BTreeMap<&str, &RawValue> = serde_json::from_str(&body).unwrap();
    let field = Field::within(&body, frame["response"]).unwrap();
    let mut object = field.object().unwrap();
    assert_eq!(object.object("usage").unwrap().unwrap().u64("n").unwrap(), Some(7));
    let mut at = object.array("x").unwrap()[1];
    assert_eq!(at.text(), lists(200));
    for _ in 0..200 {
        at = at.array().unwrap()[0];
    }
    assert_eq!(at.cow().unwrap(), "]\"[");
    assert!(Object::root(&body).is_err(), "a body of a caller's is refused");
}

#[test]
fn a_body_ends_with_its_last_bracket() {
    let body = root(" {\"a\":1}\n\n");
    assert_eq!(Object::root(&body).unwrap().field().text(), "{\"a\":1}");
}
