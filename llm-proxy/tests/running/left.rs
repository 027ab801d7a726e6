//! Callers who leave in the middle of a stream: at every event of it, in every dialect, whatever the
//! provider speaks. What they pay for is what the provider has written by then, or nearly.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use llm_sim::Simulator;
use llm_sim::record::Record;
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::books::{Books, hold};
use crate::client::client;
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};

const KEY: Key = Key { name: "left", key: "sk-left-0123456789abcdef0123456789", limit: "" };
/// Tokens of an answer, and how they come: a real one writes as fast.
const TOKENS: u64 = 60;
const ACT: &str = r#"{"times":"always","do":{"output_tokens":60,"chunk_ms":10}}"#;
/// What a token costs; what was asked is free.
const NANOS: i64 = 600;
/// By how much what is paid for may differ from what was written.
const TOKENS_OFF_MAX: u64 = 16;
const OFF_PERCENT_MAX: u64 = 2;
/// Callers at once.
const CALLERS: usize = 32;
/// Whoever leaves is seen to have left by then.
const SEEN_MAX: Duration = Duration::from_secs(10);

/// A provider's model in each dialect that providers speak.
const TARGETS: [(Vendor, &str); 6] = [
    (Vendor::OpenAi, "openai/gpt-4o-mini"),
    (Vendor::OpenAi, "openai/gpt-5.3-codex"),
    (Vendor::Anthropic, "anthropic/claude-haiku-4-5"),
    (Vendor::Gemini, "gemini/gemini-2.5-flash"),
    (Vendor::Cohere, "cohere/command-a-03-2025"),
    (Vendor::Ollama, "ollama/llama3.2"),
];

/// How callers ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tongue {
    Chat,
    Responses,
    Completions,
    Messages,
    Gemini,
    Cohere,
    Ollama,
    Generate,
}

const TONGUES: [Tongue; 8] = [
    Tongue::Chat,
    Tongue::Responses,
    Tongue::Completions,
    Tongue::Messages,
    Tongue::Gemini,
    Tongue::Cohere,
    Tongue::Ollama,
    Tongue::Generate,
];

impl Tongue {
    fn question(self, model: &str, words: &str) -> (String, Value) {
        let messages = json!([{"role": "user", "content": words}]);
        let (path, body) = match self {
            Self::Chat => {
                ("/v1/chat/completions", json!({"messages": messages, "max_tokens": 900}))
            }
            Self::Responses => ("/v1/responses", json!({"input": words, "max_output_tokens": 900})),
            Self::Completions => ("/v1/completions", json!({"prompt": words, "max_tokens": 900})),
            Self::Messages => ("/v1/messages", json!({"messages": messages, "max_tokens": 900})),
            Self::Gemini => {
                let body = json!({"contents": [{"role": "user", "parts": [{"text": words}]}]});
                return (format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"), body);
            }
            Self::Cohere => ("/v2/chat", json!({"messages": messages, "max_tokens": 900})),
            Self::Ollama => ("/api/chat", json!({"messages": messages})),
            Self::Generate => ("/api/generate", json!({"prompt": words})),
        };
        let mut body = body;
        (body["model"], body["stream"]) = (model.into(), true.into());
        (path.to_owned(), body)
    }

    /// Events in bytes.
    fn events(self, bytes: &[u8]) -> usize {
        let end: &[u8] = match self {
            Self::Ollama | Self::Generate => b"\n",
            Self::Chat
            | Self::Responses
            | Self::Completions
            | Self::Messages
            | Self::Gemini
            | Self::Cohere => b"\n\n",
        };
        bytes.windows(end.len()).filter(|window| *window == end).count()
    }
}

/// A call that is left behind so many events.
#[derive(Clone, Copy, Debug)]
struct Leaving {
    tongue: Tongue,
    target: usize,
    after: usize,
}

impl Leaving {
    fn words(&self) -> String {
        format!("{:?} of {} left behind {} events", self.tongue, self.target, self.after)
    }
}

/// What came of it.
#[derive(Debug)]
struct Left {
    leaving: Leaving,
    id: String,
    events: usize,
}

async fn leave(proxy: SocketAddr, leaving: Leaving) -> Left {
    let (path, body) = leaving.tongue.question(&format!("of-{}", leaving.target), &leaving.words());
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://{proxy}{path}"))
        .header("authorization", format!("Bearer {}", KEY.key))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap();
    let (head, mut body) = client().request(request).await.unwrap().into_parts();
    if head.status != 200 {
        let body = body.collect().await.unwrap().to_bytes();
        panic!("{leaving:?}: {} {}", head.status, String::from_utf8_lossy(&body));
    }
    let id = head.headers["x-gw-call-id"].to_str().unwrap().to_owned();
    let (mut read, mut events) = (Vec::new(), 0);
    while events < leaving.after {
        let Some(frame) = body.frame().await else { break };
        read.extend(frame.unwrap().into_data().unwrap_or_default());
        events = leaving.tongue.events(&read);
    }
    Left { leaving, id, events }
}

/// All of these, some at once.
async fn all(proxy: SocketAddr, calls: Vec<Leaving>) -> Vec<Left> {
    let (calls, left) = (Arc::new(Mutex::new(calls)), Arc::new(Mutex::new(Vec::new())));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (calls, left) = (Arc::clone(&calls), Arc::clone(&left));
            tokio::spawn(async move {
                loop {
                    let Some(next) = calls.lock().pop() else { return };
                    let one = leave(proxy, next).await;
                    left.lock().push(one);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    std::mem::take(&mut *left.lock())
}

fn place(simulator: &Simulator) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let mut more = String::new();
    for vendor in Vendor::ALL.into_iter().filter(|vendor| *vendor != Vendor::OpenAi) {
        let (name, at) = (vendor.name(), simulator.base_url(vendor));
        let keys = if vendor == Vendor::Ollama { "" } else { "keys = [\"env:KILL_OPENAI\"]\n" };
        more += &format!("[providers.{name}]\nkind = \"{name}\"\nbase_url = \"{at}\"\n{keys}");
    }
    for (at, (_, target)) in TARGETS.iter().enumerate() {
        more += &format!("[models.of-{at}]\ntiers = [[\"{target}\"]]\n");
        more += &format!("[prices.\"{target}\"]\ninput = \"0\"\noutput = \"0.60\"\n");
    }
    // As long as the test.
    let more = more.leak();
    let upstream = simulator.base_url(Vendor::OpenAi);
    Place { keys: vec![KEY], more, ..Place::new(folder, store, upstream) }
}

/// What the providers were asked, by the words, once all of it has ended.
async fn asked(simulator: &Simulator, calls: usize) -> BTreeMap<String, Record> {
    let ended = async {
        loop {
            let all = Vendor::ALL.into_iter().filter_map(|vendor| simulator.upstream(vendor));
            let records: Vec<_> = all.flat_map(|upstream| upstream.requests()).collect();
            let asked: Vec<_> = records.into_iter().filter(|r| r.accepted.is_some()).collect();
            if asked.len() >= calls && asked.iter().all(|record| record.done) {
                return asked;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let asked = tokio::time::timeout(SEEN_MAX, ended).await.expect("somebody is still asked");
    let words = |record: &Record| {
        let end = record.body.find(" events").unwrap() + " events".len();
        let begin = record.body[..end].rfind('"').unwrap() + 1;
        record.body[begin..end].to_owned()
    };
    asked.into_iter().map(|record| (words(&record), record)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_leaves_at_any_event_pays_for_what_was_written() {
    let simulator = simulator().await;
    for vendor in Vendor::ALL {
        simulator.upstream(vendor).unwrap().script(Script::parse(ACT.as_bytes()).unwrap());
    }
    let place = place(&simulator);
    let proxy = Proxy::start(&place, None).unwrap();
    let each = TONGUES.iter().flat_map(|tongue| (0..TARGETS.len()).map(move |at| (*tongue, at)));
    let whole = each.map(|(tongue, target)| Leaving { tongue, target, after: usize::MAX });
    // Once to the end, which says how many events there are.
    let mut left = all(proxy.address, whole.collect()).await;
    let cuts = left.iter().flat_map(|one| {
        let Leaving { tongue, target, .. } = one.leaving;
        (1..one.events).map(move |after| Leaving { tongue, target, after })
    });
    let cuts: Vec<_> = cuts.collect();
    left.extend(all(proxy.address, cuts).await);
    let asked = asked(&simulator, left.len()).await;
    proxy.stop();
    let books = Books::read(&place.store).await;
    books.adds_up();
    let (mut worst, mut early) = (0, 0);
    for one in &left {
        let record = &asked[&one.leaving.words()];
        let paid = books.holds[&hold(&one.id)];
        assert_eq!(paid % NANOS, 0, "{one:?}: {paid}");
        let paid = u64::try_from(paid / NANOS).unwrap();
        assert!(paid > 0, "{one:?}: tokens flowed, and nobody pays");
        if one.leaving.after == usize::MAX {
            assert_eq!((paid, record.output_tokens), (TOKENS, TOKENS), "{one:?}");
            continue;
        }
        early += usize::from(record.left_early);
        // What is no text comes before it and behind it: so much was written at the least, and no
        // more than that.
        let frames = record.pieces - record.output_tokens;
        let most = record.pieces_sent.min(record.output_tokens);
        let least = record.pieces_sent.saturating_sub(frames).min(record.output_tokens);
        let off = paid.saturating_sub(most).max(least.saturating_sub(paid));
        let allowed = TOKENS_OFF_MAX.max(most * OFF_PERCENT_MAX / 100);
        assert!(off <= allowed, "{one:?}: {paid} paid, {least} to {most} written");
        worst = worst.max(off);
    }
    assert!(early * 2 > left.len(), "{early} of {} left early", left.len());
    println!(
        "{} calls in {} dialects of {} upstreams, {early} left early; the worst is {worst} tokens off",
        left.len(),
        TONGUES.len(),
        TARGETS.len(),
    );
    simulator.shutdown().await;
}
