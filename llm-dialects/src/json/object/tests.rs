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
