use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::Str;
use crate::call::CallId;
use crate::ledger::HoldId;
use crate::store::vault::Tenure;

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn tenure() -> Tenure {
    Tenure { replica: Str::from_static("r1"), epoch: 4 }
}

fn key(value: &str) -> Result<String, NotIdempotencyKey> {
    IdempotencyKey::parse(value.as_bytes()).map(|key| key.as_str().to_owned())
}

#[test]
fn keys_are_visible_ascii_of_some_length() {
    use NotIdempotencyKey::{Character, Empty, Long};
    let uuid = "8e03978e-40d5-43e8-bc93-6894a57f9324";
    assert_eq!(key(uuid).unwrap(), uuid);
    assert_eq!(key(&format!(" \"{uuid}\" ")).unwrap(), uuid);
    assert_eq!(key(&"k".repeat(255)).unwrap().len(), 255);
    assert_eq!(key(&format!("\"{}\"", "k".repeat(255))).unwrap().len(), 255);
    assert_eq!(key(&"k".repeat(256)), Err(Long));
    assert_eq!((key(""), key("  "), key("\"\"")), (Err(Empty), Err(Empty), Err(Empty)));
    for text in ["a b", "a\"b", "\"a", "a\"", "\"", "a\\b", "a\u{7f}b", "a\tb", "키", "a\0b"] {
        assert_eq!(key(text), Err(Character), "{text:?}");
    }
    assert_eq!(IdempotencyKey::parse(&[0xff, b'a']), Err(Character));
}

#[test]
fn one_header_counts_and_only_where_it_is_needed() {
    let of = |method: Method, values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        values.iter().for_each(|v| _ = headers.append(HEADER, HeaderValue::from_static(v)));
        IdempotencyKey::of(&method, &headers).map(|key| key.map(|k| k.as_str().to_owned()))
    };
    assert_eq!(of(Method::POST, &[]), Ok(None));
    assert_eq!(of(Method::POST, &["a"]), Ok(Some("a".into())));
    assert_eq!(of(Method::PATCH, &["a"]), Ok(Some("a".into())));
    assert_eq!(of(Method::POST, &["a", "a"]), Err(NotIdempotencyKey::Repeated));
    assert_eq!(of(Method::POST, &[""]), Err(NotIdempotencyKey::Empty));
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
        assert_eq!(of(method, &["a", "b"]), Ok(None));
    }
}

const CHAT: Asked<'static> = Asked {
    asker: "key-1",
    method: &Method::POST,
    path: "/v1/chat/completions",
    content_type: Some("application/json"),
    body: b"{}",
};

fn print(body: &str) -> Fingerprint {
    Fingerprint::of(&Asked { body: body.as_bytes(), ..CHAT })
}

#[test]
fn the_same_request_has_the_same_fingerprint() {
    let plain = print(r#"{"model":"m","messages":[{"role":"user","content":"a\"}b"}],"n":1}"#);
    for same in [
        r#"{"model":"m","n":1,"messages":[{"role":"user","content":"a\"}b"}]}"#,
        r#"{"model":"m","messages":[{"content":"a\"}b","role":"user"}],"n":1}"#,
        " {\n \"model\" : \"m\" ,\t\"messages\": [ { \"role\":\"user\",\"content\":\"a\\\"}b\"} ]\r\n,\"n\":1 } ",
    ] {
        assert_eq!(print(same), plain, "{same}");
    }
}

#[test]
fn another_request_has_another_fingerprint() {
    let all = [
        "",
        " ",
        "{}",
        "[]",
        "[[]]",
        "[{}]",
        "{\"a\":{}}",
        "{\"a\":[]}",
        "{\"a\":1}",
        "{\"a\":1.0}",
        "{\"a\":1e0}",
        "{\"a\":\"1\"}",
        "{\"a\":12345678901234567890123}",
        "{\"a\":12345678901234567890124}",
        "{\"a\":true}",
        "{\"a\":null}",
        "{\"a\":1,\"b\":2}",
        "{\"a\":2,\"b\":1}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":2,\"a\":1}",
        "{\"a\":{\"b\":1}}",
        "{\"a\":\"b\",\"c\":\"\"}",
        "{\"A\":1}",
        "[1,2]",
        "[2,1]",
        "[12]",
        "[1,[2]]",
        "[[1],2]",
        "[[1,2]]",
        "[\"1,2\"]",
        "[\"1\",\"2\"]",
        "[\"a b\"]",
        "[\"ab\"]",
        "\"a\"",
        "a",
        "{\"a\":1",
        "{\"a\":1}}",
        "{\"a\" 1}",
    ];
    for (i, one) in all.iter().enumerate() {
        for other in &all[i + 1..] {
            assert_ne!(print(one), print(other), "{one} and {other}");
        }
    }
    let one = Fingerprint::of(&CHAT);
    for other in [
        Asked { asker: "key-2", ..CHAT },
        Asked { method: &Method::PATCH, ..CHAT },
        Asked { path: "/v1/responses", ..CHAT },
        Asked { asker: "key-1P", path: "OST/v1/chat/completions", ..CHAT },
        Asked { content_type: Some("multipart/form-data; boundary=x"), ..CHAT },
    ] {
        assert_ne!(Fingerprint::of(&other), one, "{other:?}");
    }
}

/// Deep JSON must not take the stack down, and is told apart all the same.
#[test]
fn deep_and_long_bodies_are_answered() {
    let nested = |n: usize, inner: &str| "[".repeat(n) + inner + &"]".repeat(n);
    assert_eq!(print(&nested(60, "1")), print(&nested(60, " 1")));
    for depth in [63, 64, 65, 100, 127, 128, 100_000] {
        assert_ne!(print(&nested(depth, "1")), print(&nested(depth, "2")), "{depth}");
    }
    let objects = "{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000);
    assert_ne!(print(&objects), print(&objects.replace('1', "2")));
    let wide = format!("[{}1]", "1,".repeat(500_000));
    assert_ne!(print(&wide), print(&wide.replace("1]", "2]")));
}

fn form(boundary: &str, content: &str) -> (String, String) {
    let body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n{content}\r\n\
         --{boundary}--\r\n"
    );
    (format!("multipart/form-data; charset=x; Boundary=\"{boundary}\""), body)
}

#[test]
fn a_boundary_is_no_part_of_what_is_asked() {
    let print = |boundary: &str, content: &str| {
        let (kind, body) = form(boundary, content);
        Fingerprint::of(&Asked { content_type: Some(&kind), body: body.as_bytes(), ..CHAT })
    };
    let plain = print("a81f", "RIFF\n\r\n--not it\n--");
    assert_eq!(print("zzzz9999zzzz", "RIFF\n\r\n--not it\n--"), plain);
    assert_ne!(print("a81f", "RIFF\n\r\n--not it\n-"), plain);
    assert_ne!(print("a81f", "RIFF"), plain);
    // What is in one part is not in two.
    assert_ne!(print("b", "x"), print("b", "x\r\n--b\r\n"));
    // Neither header nor body need make sense.
    for kind in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/", "가;b=c"] {
        for body in ["", "--", "--\n--\n", "\n\n"] {
            let asked = Asked { content_type: Some(kind), body: body.as_bytes(), ..CHAT };
            let _ = Fingerprint::of(&asked);
        }
    }
    let hostile = "\n--".repeat(1_000_000);
    let kind = format!("multipart/form-data; boundary={}", "-".repeat(70));
    let asked = Asked { content_type: Some(&kind), body: hostile.as_bytes(), ..CHAT };
    let _ = Fingerprint::of(&asked);
}

/// Any JSON, as a value to write in any order.
#[derive(Clone, Debug, PartialEq)]
enum Json {
    Scalar(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

fn any_json() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        Just("null"),
        Just("true"),
        Just("1"),
        Just("1.0"),
        Just("-2e5"),
        Just("\"\""),
        Just(r#""a\"b""#),
        Just(r#""{}[],:""#),
        Just(r#""\\""#),
        Just("\"한\""),
    ];
    scalar.prop_map(|s| Json::Scalar(s.into())).prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::btree_map("[a-c]{0,2}", inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

/// Writes it, with members and blanks as the seed has it.
fn write(json: &Json, seed: &mut u64, out: &mut String) {
    let mut next = || {
        *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (*seed >> 33) as usize
    };
    let blanks = ["", " ", "\n", "\t \r\n"];
    out.push_str(blanks[next() % 4]);
    match json {
        Json::Scalar(text) => out.push_str(text),
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                write(item, seed, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            for i in (1..members.len()).rev() {
                members.swap(i, next() % (i + 1));
            }
            out.push('{');
            for (i, (name, value)) in members.into_iter().enumerate() {
                out.push_str(if i > 0 { " ," } else { " " });
                out.push_str(&format!("\"{name}\" :"));
                write(value, seed, out);
            }
            out.push_str(" }");
        }
    }
    out.push_str(if out.len().is_multiple_of(3) { " " } else { "" });
}

proptest! {
    #[test]
    fn a_fingerprint_is_what_was_meant(a in any_json(), b in any_json(), mut seed: u64) {
        let mut texts = [(); 3].map(|()| String::new());
        write(&a, &mut seed, &mut texts[0]);
        write(&a, &mut seed, &mut texts[1]);
        write(&b, &mut seed, &mut texts[2]);
        let [one, again, other] = texts.each_ref().map(|text| print(text));
        prop_assert_eq!(one, again, "{:?}", texts);
        prop_assert_eq!(one == other, a == b, "{:?}", texts);
    }

    #[test]
    fn any_body_is_answered(body: Vec<u8>, text in "[\\[\\]{}\",:a1 \\\\]{0,30}", kind in ".{0,40}") {
        for body in [&body[..], text.as_bytes()] {
            let asked = Asked { body, content_type: Some(&kind), ..CHAT };
            prop_assert_eq!(Fingerprint::of(&asked), Fingerprint::of(&asked));
            let kind = format!("multipart/x;boundary={kind}");
            Fingerprint::of(&Asked { body, content_type: Some(&kind), ..CHAT });
        }
    }
}

fn running() -> Record {
    Record::running(Fingerprint([1; 32]), CallId::new(7, 9), tenure(), at(0))
}

fn answer(body: &'static str) -> Answer {
    let kind = Str::from_static("application/json");
    Answer::new(200, kind, Form::Whole, Bytes::from_static(body.as_bytes()))
}

#[test]
fn what_is_there_decides() {
    let (same, other) = (Fingerprint([1; 32]), Fingerprint([2; 32]));
    let hold = HoldId::from(CallId::new(7, 9));
    let day = 86_400;
    let (running, done) = (running(), running().done(answer("x"), at(10)));
    let lost = running.indefinite(at(10));
    assert_eq!(decide(None, &same, at(0)), Decision::Run);
    let owner = tenure();
    let owned = Decision::Owned { owner: &owner, hold };
    assert_eq!(decide(Some(&running), &same, at(day - 1)), owned);
    assert_eq!(decide(Some(&running), &same, at(day)), Decision::Run);
    // An answer counts from when it was given.
    let said = answer("x");
    assert_eq!(decide(Some(&done), &same, at(day + 9)), Decision::Replay(&said));
    assert_eq!(decide(Some(&done), &same, at(day + 10)), Decision::Run);
    let no = Decision::Refuse(Refused::Indefinite { hold });
    assert_eq!(decide(Some(&lost), &same, at(20)), no);
    // Another request learns nothing, whatever the state.
    for record in [&running, &done, &lost] {
        let mismatch = Decision::Refuse(Refused::OtherRequest);
        assert_eq!(decide(Some(record), &other, at(20)), mismatch);
        assert_eq!(decide(Some(record), &other, at(2 * day)), Decision::Run);
    }
}

#[test]
fn a_long_answer_is_not_kept_and_not_run_again() {
    let kind = || Str::from_static("text/plain");
    let long = |size| Answer::new(201, kind(), Form::Stream, Bytes::from(vec![b'x'; size]));
    assert!(matches!(long(BODY_BYTES_MAX).body, Kept::Body(_)));
    let record = running().done(long(BODY_BYTES_MAX + 1), at(1));
    let hold = HoldId::from(record.run);
    let no = Refused::NotKept { status: 201, hold };
    assert_eq!(decide(Some(&record), &record.fingerprint, at(2)), Decision::Refuse(no));
    assert_eq!((no.status(), no.retry_after()), (409, None));
    assert!(no.to_string().contains(&hold.to_string()));
}

#[test]
fn a_dead_run_ends_as_its_hold_did() {
    let record = running();
    let hold = HoldId::from(record.run);
    let indefinite = Refused::Indefinite { hold };
    for (fate, does) in [
        (Fate::NeverHeld, Recovery::RunAnew),
        (Fate::Voided, Recovery::RunAnew),
        (Fate::Paid, Recovery::Indefinite(indefinite)),
        (Fate::Lost, Recovery::Indefinite(indefinite)),
    ] {
        assert_eq!(recover(&record, fate, at(100)), does);
    }
    // Waits grow with the call, in whole seconds.
    for (now, seconds) in [(0, 1), (1, 1), (5, 2), (20, 10), (3_600, 15), (-60, 1)] {
        for fate in [Fate::Alive, Fate::Unresolved] {
            let retry_after = Duration::from_secs(seconds);
            let wait = Refused::Running { retry_after };
            assert_eq!(recover(&record, fate, at(now)), Recovery::Wait(wait), "{now}");
            assert_eq!((wait.status(), wait.retry_after()), (409, Some(retry_after)));
        }
    }
    assert_eq!((indefinite.status(), indefinite.retry_after()), (409, None));
    let other = Refused::OtherRequest;
    assert_eq!((other.status(), other.retry_after()), (422, None));
}

#[test]
fn steps_are_counted_and_runs_are_kept() {
    let record = running();
    let done = record.done(answer("x"), at(5));
    assert_eq!((done.run, done.fingerprint), (record.run, record.fingerprint));
    assert_eq!((record.seen().step, done.seen().step), (0, 1));
    assert_eq!(done.expires_at, at(86_405));
    let late = Record::running(record.fingerprint, record.run, tenure(), Timestamp::MAX);
    assert_eq!(late.expires_at, Timestamp::MAX);
}

/// Neither what was said nor all of what was asked.
#[test]
fn no_content_is_printed() {
    let record = running().done(answer("the canary sings"), at(1));
    let said = format!("{record:?} {record:#?} {:?}", Decision::Replay(&answer("canary")));
    assert!(!said.contains("canary") && !said.contains("99, 97"), "{said}");
    let print = print(r#"{"canary":1}"#);
    let hex: String = print.0.iter().map(|b| format!("{b:02x}")).collect();
    assert!(!format!("{print:?}").contains(&hex[..8]));
    let wrong = IdempotencyKey::parse(b"the canary").unwrap_err();
    assert!(!format!("{wrong} {wrong:?}").contains("canary"));
}

#[test]
fn stores_and_owners_are_objects() {
    fn object<T: ?Sized + Send + Sync>() {}
    object::<dyn IdempotencyStore>();
    object::<dyn Owners>();
    fn sent<T: Send>(_: T) {}
    fn check(store: &dyn IdempotencyStore, owners: &dyn Owners, slot: &Slot) {
        sent(claim(store, owners, slot, running(), at(0)));
    }
    let _ = check;
}
