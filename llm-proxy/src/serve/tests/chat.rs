//! Chat over a socket: conversations, replies that are left and found again, and their limits.

use std::time::Duration;

use llm_app::people::Consent;
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use llm_sim::{Options, Simulator};
use llm_store::deposits::Owner;
use serde_json::json as value;

use super::browsers::config_of;
use super::*;

mod reload;
mod usage;

const OTHER: &str = "sk-other-0123456789abcdef0123456789abcde";
const TALKS: &str = "/api/v1/chat/conversations";

/// A proxy whose chat asks a provider that can be told what to do, and then the built-in one.
struct World {
    proxy: Running,
    far: Simulator,
    data: tempfile::TempDir,
}

impl World {
    async fn new(limits: &str) -> Self {
        let far = Simulator::start(Options { port_base: 0, ..Options::default() }).await.unwrap();
        let data = tempfile::tempdir().unwrap();
        let config = Self::config(&far, data.path(), &format!("limits = [{limits}]"));
        Self { proxy: Running::start(config).await, far, data }
    }

    /// With more that is said of chat, and behind it.
    fn config(far: &Simulator, data: &Path, chat: &str) -> Config {
        let more = format!(
            r#"
            [providers.far]
            kind = "openai"
            keys = ["env:KEY"]
            base_url = "{}"
            [models.talk]
            tiers = [["far/gpt-4o-mini"], ["simulated/gpt-4o-mini"]]
            [features.titles]
            model = "smart"
            [[keys]]
            name = "ann"
            key = "env:OTHER"
            user = "ann"
            unlimited = true
            [features.chat]
            model = "talk"
            {chat}
            "#,
            far.base_url(Vendor::OpenAi)
        );
        config_of(data, "time_zone = \"Asia/Seoul\"", &more)
    }

    fn script(&self, script: &str) {
        let script = Script::parse(script.as_bytes()).unwrap();
        self.far.upstream(Vendor::OpenAi).unwrap().script(script);
    }

    /// An answer in its envelope, held against what the table says of it.
    async fn to(&self, method: Method, path: &str, key: &str, body: &Value) -> (StatusCode, Value) {
        let bearer = format!("Bearer {key}");
        let headers = [
            ("authorization", &*bearer),
            ("content-type", "application/json"),
            ("accept-language", "ko"),
        ];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.proxy.send(method.clone(), path, &headers, body).await;
        let answer = json(&response);
        super::admin::shape::holds(&method, path, response.status(), &answer);
        (response.status(), answer)
    }

    /// What is in the envelope of an answer that must succeed.
    async fn done(&self, method: Method, path: &str, key: &str, body: &Value) -> Value {
        let (status, answer) = self.to(method, path, key, body).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer["data"].clone()
    }

    async fn get(&self, path: &str) -> Value {
        self.done(Method::GET, path, OTHER, &Value::Null).await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        self.done(Method::POST, path, OTHER, body).await
    }

    async fn opened(&self) -> String {
        let made = self.post(TALKS, &value!({"title": "t"})).await;
        format!("{TALKS}/{}", made["id"].as_str().unwrap())
    }

    /// Events of a stream, as far as they are wanted.
    async fn events(&self, method: Method, path: &str, body: &Value, most: usize) -> Vec<Event> {
        let mut request = Request::new(Full::new(Bytes::from(body.to_string())));
        *request.method_mut() = method;
        *request.uri_mut() = format!("http://{}{path}", self.proxy.address).parse().unwrap();
        let headers = request.headers_mut();
        headers.insert("authorization", format!("Bearer {OTHER}").parse().unwrap());
        headers.insert("content-type", "application/json".parse().unwrap());
        let (head, mut body) = self.proxy.client.request(request).await.unwrap().into_parts();
        assert_eq!(head.status, StatusCode::OK);
        assert!(head.headers["content-type"].to_str().unwrap().starts_with("text/event-stream"));
        let (mut text, mut events) = (String::new(), Vec::new());
        while events.len() < most {
            let Some(frame) = body.frame().await else { break };
            text.push_str(str::from_utf8(frame.unwrap().data_ref().unwrap()).unwrap());
            while let Some((one, rest)) = text.split_once("\n\n") {
                events.extend(Event::read(one));
                text = rest.to_owned();
            }
        }
        events.truncate(most);
        events
    }

    async fn stop(self) {
        self.proxy.stop().await;
        self.far.shutdown().await;
    }
}

#[derive(Debug)]
struct Event {
    id: String,
    name: String,
    data: Value,
}

impl Event {
    fn read(text: &str) -> Option<Self> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let data = serde_json::from_str(field("data: ")?).unwrap();
        Some(Self { id: field("id: ")?.into(), name: field("event: ")?.into(), data })
    }
}

fn text(events: &[Event]) -> String {
    let deltas = events.iter().filter(|event| event.name == "delta");
    deltas.map(|event| event.data["text"].as_str().unwrap()).collect()
}

const SLOW: &str = r#"{"times":"always","do":{"chunk_ms":60,
    "text":"하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉 열 열하나 끝"}}"#;

#[tokio::test]
async fn a_person_chats_and_nobody_else_sees_it() {
    let world = World::new("\"1000/hour\"").await;
    world.script(r#"{"times":"always","do":{"text":"unlikelyanswer 안녕하세요"}}"#);
    let opening = value!({"system": "oddpersona", "max_tokens": 90_000, "retention_days": 7});
    let talk = world.post(TALKS, &opening).await;
    assert!(talk["expires_at"].as_str().unwrap().ends_with("+09:00"), "{talk}");
    let talk = format!("{TALKS}/{}", talk["id"].as_str().unwrap());
    let messages = format!("{talk}/messages");
    let first = world.post(&messages, &value!({"content": "uncommonquestion 서울에서"})).await;
    let reply = &first["reply"];
    assert_eq!((&reply["status"], &reply["finish_reason"]), (&value!("done"), &value!("stop")));
    assert_eq!(reply["content"], "unlikelyanswer 안녕하세요");
    assert!(reply["cost_nanos"].as_i64().unwrap() > 0 && reply["usage"]["input_tokens"].is_u64());
    let sent = world.far.upstream(Vendor::OpenAi).unwrap().requests();
    assert!(sent.last().unwrap().body.contains("500"), "the operator's clamp holds");
    // As it comes.
    let body = value!({"content": "noch etwas", "stream": true});
    let events = world.events(Method::POST, &messages, &body, 1_000).await;
    let names: Vec<&str> = events.iter().map(|event| &*event.name).collect();
    assert_eq!((names[0], *names.last().unwrap()), ("start", "end"), "{names:?}");
    let end = &events.last().unwrap().data;
    assert_eq!(end["message"]["content"], text(&events));
    assert!(end["cost_nanos"].as_i64().unwrap() > 0);
    let (message, second) = (&events[0].data["message_id"], &events[0].data["reply_id"]);
    // Said otherwise, and answered again.
    let edit = format!("{messages}/{}/edit", message.as_str().unwrap());
    let edited = world.post(&edit, &value!({"content": "stattdessen"})).await;
    let again = format!("{messages}/{}/regenerate", second.as_str().unwrap());
    let again = world.post(&again, &value!({})).await;
    assert_eq!(again["reply"]["parent_id"], *message);
    let page = world.get(&format!("{messages}?limit=2")).await;
    assert_eq!(page["data"][0]["id"], again["reply"]["id"]);
    assert_eq!(page["data"][0]["versions"].as_array().unwrap().len(), 2);
    assert_eq!(page["data"][1]["versions"].as_array().unwrap().len(), 2);
    let next = format!("{messages}?limit=2&cursor={}", page["next"].as_str().unwrap());
    assert_eq!(world.get(&next).await["data"][1]["content"], "uncommonquestion 서울에서");
    let other = format!("{messages}?branch={}", edited["reply"]["id"].as_str().unwrap());
    assert_eq!(world.get(&other).await["data"][1]["content"], "stattdessen");
    let change = value!({"branch": edited["message"]["id"], "title": "이름", "system": null});
    let changed = world.done(Method::PATCH, &talk, OTHER, &change).await;
    assert_eq!((&changed["leaf"], &changed["title"]), (&edited["reply"]["id"], &value!("이름")));
    assert!(changed["system"].is_null());
    assert_eq!(world.get(TALKS).await["data"][0], changed);
    let found = world.get("/api/v1/chat/search?q=%EC%84%9C%EC%9A%B8").await;
    assert_eq!(found["data"][0]["message"]["id"], first["message"]["id"], "{found}");
    let all = world.get(&format!("{talk}/export")).await;
    assert_eq!(all["messages"].as_array().unwrap().len(), 7);
    let markdown = world.proxy.get(&format!("{talk}/export?format=markdown"), OTHER).await;
    let markdown = String::from_utf8_lossy(markdown.body()).into_owned();
    assert!(markdown.starts_with("# 이름\n") && markdown.contains("stattdessen"), "{markdown}");
    foreign(&world, &talk, first["reply"]["id"].as_str().unwrap()).await;
    for sealed in ["unlikelyanswer", "uncommonquestion", "oddpersona", "stattdessen", "이름"] {
        assert!(!readable(world.data.path(), sealed), "{sealed}");
    }
    assert_eq!(world.done(Method::DELETE, &talk, OTHER, &Value::Null).await["deleted"], true);
    let gone = world.to(Method::GET, &messages, OTHER, &Value::Null).await;
    assert_eq!(gone.0, StatusCode::NOT_FOUND);
    world.stop().await;
}

/// Another's is not there, and what is no id names nothing.
async fn foreign(world: &World, talk: &str, reply: &str) {
    let (says, none) = (value!({"content": "x"}), value!({}));
    let odd = format!("{TALKS}/nothing");
    for (method, path, body) in [
        (Method::GET, talk.to_owned(), Value::Null),
        (Method::PATCH, talk.to_owned(), none.clone()),
        (Method::DELETE, talk.to_owned(), Value::Null),
        (Method::GET, format!("{talk}/messages"), Value::Null),
        (Method::POST, format!("{talk}/messages"), says.clone()),
        (Method::GET, format!("{talk}/messages/{reply}/events"), Value::Null),
        (Method::POST, format!("{talk}/messages/{reply}/stop"), Value::Null),
        (Method::POST, format!("{talk}/messages/{reply}/regenerate"), none),
        (Method::POST, format!("{talk}/messages/{reply}/edit"), says.clone()),
        (Method::GET, format!("{talk}/export"), Value::Null),
        (Method::GET, odd.clone(), Value::Null),
        (Method::POST, format!("{odd}/messages"), says),
    ] {
        let (status, answer) = world.to(method.clone(), &path, KEY, &body).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{method} {path}: {answer}");
    }
    let mine = world.done(Method::GET, TALKS, KEY, &Value::Null).await;
    assert_eq!(mine["data"], value!([]));
}

/// Whether a text stands in any file under a folder.
fn readable(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return readable(&path, text);
        }
        let bytes = std::fs::read(path).unwrap_or_default();
        memchr::memmem::find(&bytes, text.as_bytes()).is_some()
    })
}

#[tokio::test]
async fn a_reply_goes_on_when_its_reader_leaves() {
    let world = World::new("\"1000/hour\"").await;
    world.script(SLOW);
    let messages = format!("{}/messages", world.opened().await);
    let body = value!({"content": "천천히", "stream": true, "idempotency_key": "k"});
    let mut events = world.events(Method::POST, &messages, &body, 4).await;
    assert_eq!(events.len(), 4);
    let reply = events[0].data["reply_id"].as_str().unwrap().to_owned();
    let busy = world.to(Method::POST, &messages, OTHER, &value!({"content": "x"})).await;
    assert_eq!((busy.0, &busy.1["error"]["code"]), (StatusCode::CONFLICT, &value!("CONFLICT")));
    let path = format!("{messages}/{reply}/events");
    let last = events.last().unwrap().id.clone();
    let after = format!("{path}?after={last}");
    events.extend(world.events(Method::GET, &after, &Value::Null, 1_000).await);
    assert_eq!(events.last().unwrap().name, "end");
    let whole = events.last().unwrap().data["message"]["content"].clone();
    assert_eq!(whole, text(&events));
    assert!(whole.as_str().unwrap().ends_with('끝'));
    // The same once more, and from the beginning.
    let again = value!({"content": "천천히", "idempotency_key": "k"});
    let again = world.post(&messages, &again).await;
    assert_eq!((&again["again"], &again["reply"]["id"]), (&value!(true), &value!(reply)));
    let other = value!({"content": "anders", "idempotency_key": "k"});
    assert_eq!(world.to(Method::POST, &messages, OTHER, &other).await.0, StatusCode::CONFLICT);
    let from = world.events(Method::GET, &path, &Value::Null, 1_000).await;
    assert_eq!((text(&from), &*from[0].name), (whole.as_str().unwrap().to_owned(), "start"));
    for odd in ["1", "x", "-1"] {
        let (status, _) =
            world.to(Method::GET, &format!("{path}?after={odd}"), OTHER, &Value::Null).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{odd}");
    }
    // Stopped, with what there is of it.
    let body = value!({"content": "noch einmal", "stream": true});
    let events = world.events(Method::POST, &messages, &body, 3).await;
    let reply = events[0].data["reply_id"].as_str().unwrap();
    let stopped = world.post(&format!("{messages}/{reply}/stop"), &Value::Null).await;
    assert_eq!(stopped["status"], "stopped");
    let content = stopped["content"].as_str().unwrap();
    assert!(!content.is_empty() && !content.ends_with('끝'), "{content}");
    assert!(stopped["cost_nanos"].as_i64().unwrap() > 0);
    world.stop().await;
}

#[tokio::test]
async fn the_thirty_first_message_of_an_hour_is_told_when_to_come_back() {
    let world = World::new("\"30/hour\"").await;
    let messages = format!("{}/messages", world.opened().await);
    for n in 0..30 {
        world.post(&messages, &value!({"content": format!("{n}")})).await;
    }
    let bearer = format!("Bearer {OTHER}");
    let headers = [("authorization", &*bearer), ("accept-language", "ko-KR")];
    let says = value!({"content": "31"}).to_string();
    let refused = world.proxy.send(Method::POST, &messages, &headers, says).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3_660).contains(&wait), "{wait}");
    let error = json(&refused)["error"].clone();
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("KST") && message.contains("한도"), "{message}");
    let details = &error["details"];
    assert!(details["resets_at"].as_str().unwrap().ends_with("+09:00"), "{details}");
    assert_eq!((&details["limit"], &details["used"]), (&value!(30), &value!(30)), "{details}");
    let english = [("authorization", &*bearer)];
    let says = value!({"content": "31"}).to_string();
    let refused = world.proxy.send(Method::POST, &messages, &english, says).await;
    let message = json(&refused)["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("again after") && message.contains("KST"), "{message}");
    // Nothing of it was kept, and somebody else's hour is their own.
    let page = world.get(&format!("{messages}?limit=100")).await;
    assert_eq!(page["data"].as_array().unwrap().len(), 60);
    let own = world.done(Method::POST, TALKS, KEY, &value!({})).await;
    let own = format!("{TALKS}/{}/messages", own["id"].as_str().unwrap());
    world.done(Method::POST, &own, KEY, &value!({"content": "1"})).await;
    world.stop().await;
}

#[tokio::test]
async fn who_is_silent_is_left_and_the_next_one_answers() {
    let world = World::new("\"1000/hour\"").await;
    world.script(r#"{"times":"always","do":{"hang":"before_head"}}"#);
    let messages = format!("{}/messages", world.opened().await);
    let began = world.proxy.house.clock.now();
    let body = value!({"content": "jemand da?", "stream": true});
    let events = world.events(Method::POST, &messages, &body, 2).await;
    let took = world.proxy.house.clock.now().duration_since(began);
    assert_eq!(events[1].name, "delta");
    assert!(took < Duration::from_secs(3), "{took:?}");
    world.stop().await;
}

#[tokio::test]
async fn nothing_is_kept_without_consent() {
    let world = World::new("\"1000/hour\"").await;
    let talk = world.opened().await;
    let people = world.proxy.house.apps.as_ref().unwrap().now().ground.people.clone();
    let owner = Owner::from(llm_core::Str::from(format!("{}/user/ann", crate::config::TENANT.0)));
    people.agree(&owner, Consent::Withdrawn).await.unwrap();
    for (path, body) in
        [(TALKS.to_owned(), value!({})), (format!("{talk}/messages"), value!({"content": "x"}))]
    {
        let (status, answer) = world.to(Method::POST, &path, OTHER, &body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{answer}");
        assert_eq!(answer["error"]["code"], "CONSENT_REQUIRED");
        assert_eq!(answer["error"]["message"], "내용 저장에 대한 동의가 필요합니다.");
    }
    people.agree(&owner, Consent::Given).await.unwrap();
    world.post(&format!("{talk}/messages"), &value!({"content": "x"})).await;
    world.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let world = World::new("\"1000/hour\"").await;
    let messages = format!("{}/messages", world.opened().await);
    let long = "x".repeat(33_000);
    for (path, body, field) in [
        (TALKS, value!({"title": " "}), "title"),
        (TALKS, value!({"max_tokens": 0}), "max_tokens"),
        (TALKS, value!({"max_tokens": -1}), "max_tokens"),
        (TALKS, value!({"retention_days": 100_000}), "retention_days"),
        (TALKS, value!({"model": "a\u{0}b"}), "model"),
        (TALKS, value!({"strange": 1}), "strange"),
        (&*messages, value!({}), "content"),
        (&*messages, value!({"content": ""}), "content"),
        (&*messages, value!({"content": long}), "content"),
        (&*messages, value!({"content": "x", "stream": "yes"}), "stream"),
        (&*messages, value!({"content": "x", "idempotency_key": ""}), "idempotency_key"),
    ] {
        let (status, answer) = world.to(Method::POST, path, OTHER, &body).await;
        let named = &answer["error"]["details"]["param"];
        assert_eq!((status, named), (StatusCode::BAD_REQUEST, &value!(field)), "{answer}");
    }
    for odd in ["limit=0", "cursor=x", "branch=x", "limit=99999999999999999999"] {
        let path = format!("{messages}?{odd}");
        let (status, _) = world.to(Method::GET, &path, OTHER, &Value::Null).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{odd}");
    }
    let body = value!({"content": "x", "model": "nobody-has-it"});
    assert_eq!(world.to(Method::POST, &messages, OTHER, &body).await.0, StatusCode::NOT_FOUND);
    world.stop().await;
}
