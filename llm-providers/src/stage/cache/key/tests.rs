use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use llm_core::call::{CallId, Controls, Deadline};
use llm_core::dialect::{DialectId, Route};
use llm_core::extra::Extra;
use llm_core::principal::{FeatureId, Grant, Priority, TenantId, UserId};
use llm_core::prompt::{Message, Request, Role, Sampling};
use llm_core::raw::{Raw, RawNumber};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use std::sync::LazyLock;

use super::*;
use crate::metrics::Metrics;
use crate::model::Policy;
use crate::seam::SystemClock;
use llm_core::seam::Clock;

fn model(name: &'static str) -> Model {
    static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics::new().unwrap());
    Model {
        name: name.into(),
        tiers: Vec::new(),
        policy: Policy::default(),
        metrics: METRICS.model(name),
    }
}

fn call(payload: Payload) -> Call {
    let now: Instant = SystemClock.now();
    Call {
        id: CallId::new(1, 1),
        operation: Operation::Chat,
        dialect: DialectId::OpenaiChat,
        payload,
        peek: Default::default(),
        grant: Arc::new(Grant::embedded()),
        feature: FeatureId::from("f"),
        priority: Priority::default(),
        deadline: Deadline(now),
        controls: Controls::default(),
        headers: http::HeaderMap::new(),
    }
}

fn raw(body: &[u8]) -> Call {
    let bytes = Bytes::copy_from_slice(body);
    let route = Route::new(Operation::Chat);
    let mut call = call(Payload::raw(bytes.clone(), None, route.clone()));
    let caller = llm_dialects::caller(DialectId::OpenaiChat).unwrap();
    if let Ok(peek) = caller.peek(&route, &bytes) {
        call.peek = peek;
    }
    call
}

fn of(call: &Call) -> CacheKey {
    key(call, &model("m"), CacheScope::Global).unwrap()
}

fn of_body(body: &[u8]) -> [u8; 32] {
    of(&raw(body)).question
}

/// What a body means to this key, in slow words: a naive reader's.
fn meaning(body: &[u8]) -> String {
    let Ok(text) = str::from_utf8(body) else { return format!("bytes {body:?}") };
    let Ok(value) = serde_json::from_str::<&serde_json::value::RawValue>(text) else {
        return format!("text {text:?}");
    };
    let Ok(members) = serde_json::from_str::<
        std::collections::BTreeMap<String, Box<serde_json::value::RawValue>>,
    >(value.get()) else {
        return format!("value {text:?}");
    };
    let named = members.get("model").is_some_and(|m| m.get().starts_with('"'));
    let mut out = String::from("object");
    for (name, value) in members {
        let skipped =
            ["stream", "stream_options", "cache", "user", "metadata", "safety_identifier"];
        if !(skipped.contains(&name.as_str()) || named && name == "model") {
            // Not sorted inside: notation without space, order as written.
            out.push_str(&format!("|{name:?}={}", squeezed(value.get())));
        }
    }
    out
}

fn squeezed(json: &str) -> String {
    let (mut out, mut quoted, mut escaped) = (String::new(), false, false);
    for c in json.chars() {
        if quoted {
            quoted = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c == '"' {
            quoted = true;
        } else if c.is_ascii_whitespace() {
            continue;
        }
        out.push(c);
    }
    out
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0i32..4).prop_map(Value::from),
        "[ab\"\\\\ {,:é]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[ab\"\\\\ ,:}]{0,2}", inner, 0..3)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "messages", "tools", "x", "y", "stream", "user", "metadata", "cache", "seed", "streams",
    ])
}

fn body() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(name(), value(), 0..6)
        .prop_map(|m| m.into_iter().map(|(n, v)| (n.to_owned(), v)).collect())
}

/// The body, its members in an order and its space as the choices say.
fn written(body: &Map<String, Value>, turn: usize, pretty: bool) -> Vec<u8> {
    let mut members: Vec<_> = body.iter().collect();
    if !members.is_empty() {
        let by = turn % members.len();
        members.rotate_left(by);
    }
    let one = |(name, value): (&String, &Value)| {
        let value =
            if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        format!("{}{}{}", json!(name), if pretty { " :\n\t" } else { ":" }, value.unwrap())
    };
    let members: Vec<String> = members.into_iter().map(one).collect();
    let between = if pretty { "\r\n , " } else { "," };
    let (open, close) = if pretty { (" {\n", " }\n ") } else { ("{", "}") };
    format!("{open}{}{close}", members.join(between)).into_bytes()
}

proptest! {
    /// Two bodies have one key exactly when a naive reader says that they mean the same.
    #[test]
    fn keys_are_equal_exactly_when_the_meaning_is(a in body(), b in body(), turn in 0usize..6) {
        let (a, b) = (written(&a, 0, false), written(&b, turn, true));
        prop_assert_eq!(of_body(&a) == of_body(&b), meaning(&a) == meaning(&b));
    }

    #[test]
    fn notation_and_volatile_members_change_nothing(
        mut a in body(), turn in 0usize..6, user in value(), stream in value(),
    ) {
        let before = of_body(&written(&a, 0, false));
        prop_assert_eq!(of_body(&written(&a, turn, true)), before);
        a.insert("user".into(), user);
        a.insert("stream_options".into(), stream);
        prop_assert_eq!(of_body(&written(&a, turn, false)), before);
    }

    #[test]
    fn any_other_change_changes_the_key(mut a in body(), n in name(), v in value()) {
        let before = (of_body(&written(&a, 0, false)), meaning(&written(&a, 0, false)));
        a.insert(n.to_owned(), v);
        let after = (of_body(&written(&a, 0, false)), meaning(&written(&a, 0, false)));
        prop_assert_eq!(before.0 == after.0, before.1 == after.1);
    }

    /// Bytes that are no JSON never have the key of others, whatever a careless reader would see.
    #[test]
    fn broken_bodies_share_no_key(
        a in "[{}\\[\\]:,\" a1\\\\]{0,12}", b in "[{}\\[\\]:,\" a1\\\\]{0,12}",
    ) {
        let plain = |t: &str| serde_json::from_str::<Value>(t).is_ok();
        if of_body(a.as_bytes()) == of_body(b.as_bytes()) {
            // Where both are read alike but one is no JSON, only space may tell them apart.
            prop_assert_eq!(squeezed(&a), squeezed(&b));
            prop_assert_eq!(plain(&a), plain(&b));
        }
    }

    #[test]
    fn any_bytes_are_fine(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        of_body(&bytes);
    }

    #[test]
    fn tenants_and_scopes_never_meet(a in "[a-c]{1,2}", b in "[a-c]{1,2}") {
        let with = |tenant: &str, user: &str| {
            let mut call = raw(b"{}");
            let mut grant = Grant::embedded();
            let mut principal = (*grant.principal).clone();
            principal.tenant = TenantId(tenant.into());
            principal.user = Some(UserId(user.into()));
            grant.principal = Arc::new(principal);
            call.grant = Arc::new(grant);
            key(&call, &model("m"), CacheScope::User).unwrap()
        };
        let (one, other) = (with(&a, &b), with(&b, &a));
        prop_assert_eq!(one == other, a == b);
        prop_assert_eq!(one.tenant, TenantId(a.into()));
    }
}

#[test]
fn space_between_words_keeps_them_apart() {
    assert_ne!(of_body(br#"{"a":1 2}"#), of_body(br#"{"a":12}"#));
    assert_ne!(of_body(br#"{"a":"x y"}"#), of_body(br#"{"a":"xy"}"#));
    assert_ne!(of_body(br#"{"a":"\" "}"#), of_body(br#"{"a":"\""}"#));
    assert_ne!(of_body(br#"{"a":1,"a":2}"#), of_body(br#"{"a":2,"a":1}"#));
    assert_ne!(of_body(br#"{"a":{"b":1,"c":2}}"#), of_body(br#"{"a":{"c":2,"b":1}}"#));
}

#[test]
fn everything_around_the_body_is_in_the_key() {
    let plain = || raw(br#"{"model":"x","messages":[]}"#);
    let mut all = BTreeSet::new();
    let mut differs = |what: &str, key: Option<CacheKey>| {
        assert!(all.insert(key.unwrap().question), "{what}");
    };
    let at = |call: &Call| key(call, &model("m"), CacheScope::Global);
    differs("plain", at(&plain()));
    differs("model", key(&plain(), &model("n"), CacheScope::Global));
    differs("scope", key(&plain(), &model("m"), CacheScope::Key));
    let mut change = |what: &str, change: &dyn Fn(&mut Call)| {
        let mut call = plain();
        change(&mut call);
        differs(what, at(&call));
    };
    change("dialect", &|c| c.dialect = DialectId::Ollama);
    change("operation", &|c| c.operation = Operation::CountTokens);
    change("tier", &|c| c.controls.no_fallback = true);
    change("header", &|c| {
        c.headers.insert("anthropic-beta", http::HeaderValue::from_static("x"));
    });
    change("another header", &|c| {
        c.headers.insert("anthropic-beta", http::HeaderValue::from_static("y"));
    });
    change("permissions", &|c| {
        let mut grant = Grant::embedded();
        let mut principal = (*grant.principal).clone();
        principal.scope.models = vec!["m".into()];
        grant.principal = Arc::new(principal);
        c.grant = Arc::new(grant);
    });
}

#[test]
fn the_name_that_was_asked_for_is_not_in_the_key_but_what_it_means_is() {
    let (a, b) = (raw(br#"{"model":"alias","n":1}"#), raw(br#"{"model":"name","n":1}"#));
    assert_eq!(of(&a), of(&b));
}

#[test]
fn an_answer_that_repeats_labels_is_kept_apart_by_them() {
    let at = |body: &[u8]| {
        let mut call = raw(body);
        call.dialect = DialectId::OpenaiResponses;
        of(&call)
    };
    assert_ne!(at(br#"{"metadata":{"a":"1"}}"#), at(br#"{"metadata":{"a":"2"}}"#));
    assert_ne!(at(br#"{"user":"a"}"#), at(br#"{"user":"b"}"#));
    assert_eq!(at(br#"{"stream":true}"#), at(br#"{"stream":false}"#));
}

#[test]
fn what_a_provider_remembers_and_what_is_large_is_not_kept() {
    let mut call = raw(b"{}");
    call.peek.has.add_if(true, Has::SERVER_STATE);
    assert_eq!(key(&call, &model("m"), CacheScope::Global), None);
    for operation in [
        Operation::Transcribe,
        Operation::Translate,
        Operation::Speech,
        Operation::Image,
        Operation::ListModels,
        Operation::Passthrough,
    ] {
        let call = Call { operation, ..raw(b"{}") };
        assert_eq!(key(&call, &model("m"), CacheScope::Global), None, "{operation:?}");
    }
    for scope in [CacheScope::User, CacheScope::Team] {
        assert_eq!(key(&raw(b"{}"), &model("m"), scope), None);
    }
}

#[test]
fn words_of_a_program_differ_in_every_field_but_two() {
    let plain = || Request {
        model: "m".into(),
        messages: vec![Message::text(Role::User, "a")],
        ..Request::default()
    };
    let at = |change: &dyn Fn(&mut Request)| {
        let mut request = plain();
        change(&mut request);
        of(&call(Payload::Typed(Arc::new(Prompt::Chat(request))))).question
    };
    let first = at(&|_| {});
    assert_eq!(at(&|r| r.stream = true), first);
    assert_eq!(at(&|r| r.user = Some("u".into())), first);
    let mut all = BTreeSet::from([first]);
    let mut differs = |change: &dyn Fn(&mut Request)| assert!(all.insert(at(change)));
    differs(&|r| r.messages.clear());
    differs(&|r| r.messages = vec![Message::text(Role::User, "a\", \"b")]);
    differs(&|r| r.messages = vec![Message::text(Role::User, "a"), Message::text(Role::User, "b")]);
    differs(&|r| r.messages = vec![Message::text(Role::Assistant, "a")]);
    differs(&|r| r.system = vec![Message::text(Role::System, "a")]);
    differs(&|r| {
        let temperature = RawNumber::parse("0.7");
        r.sampling = Sampling { temperature, ..Sampling::default() };
    });
    differs(&|r| r.output.stop = vec!["x".into()]);
    differs(&|r| {
        r.extra = Extra::new(DialectId::OpenaiChat);
        r.extra.push("x", Raw::parse("1").unwrap());
    });
}
