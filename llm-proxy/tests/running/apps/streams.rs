//! Many chats that are open at the same time: none is cut, none is mixed with another, and the first
//! word is there hardly later than from a call of the model itself.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use llm_sim::upstream::Vendor;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Ann, TALKS, full, marked, place, start, wanted};
use crate::overload::percent;
use crate::proxy::{Proxy, simulator, sqlite};

/// How many there are, and how many begin in a second: together they are a crowd, and not one burst.
const FULL: (u32, u32) = (1_000, 50);
/// The same where others use the machine, and nothing is optimised.
const FEW: (u32, u32) = (30, 3);
/// What comes first at the provider.
const FIRST: Duration = Duration::from_millis(100);
/// For how much longer the first is open than the last one takes to begin.
const OVER: Duration = Duration::from_secs(4);
/// What chat adds to the first word, on a machine of its own.
const ADDED_MAX: Duration = Duration::from_millis(50);
/// What all of them together add to the process.
const GROWTH_MAX: u64 = 150 << 20;
/// How often its memory is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Where a stream comes from.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// A call of the model.
    Direct,
    /// A conversation.
    Chat,
}

/// One stream, from its question to its end.
#[derive(Debug)]
struct Seen {
    first: Duration,
    first_at: Instant,
    ended_at: Instant,
}

impl Way {
    /// The text of an event, where it has some.
    fn text(self, data: &str) -> Option<String> {
        let data: Value = serde_json::from_str(data).ok()?;
        let text = match self {
            Self::Direct => &data["choices"][0]["delta"]["content"],
            Self::Chat => &data["text"],
        };
        text.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Whether an event says that nothing is missing.
    fn is_end(self, data: &str, text: &str) -> bool {
        match self {
            Self::Direct => data == "[DONE]",
            Self::Chat => serde_json::from_str::<Value>(data).is_ok_and(|data| {
                data["message"]["content"] == text && data["message"]["status"] == "done"
            }),
        }
    }
}

async fn stream(ann: Ann, way: Way, talk: String, number: usize) -> Seen {
    let text = marked(number);
    let (path, body) = match way {
        Way::Chat => {
            (format!("{talk}/messages"), json!({"content": wanted(&text), "stream": true}))
        }
        Way::Direct => {
            let messages = json!([{"role": "user", "content": wanted(&text)}]);
            let body = json!({"model": "plain", "stream": true, "messages": messages});
            ("/v1/chat/completions".to_owned(), body)
        }
    };
    let began = Instant::now();
    let (head, body) = ann.send(Method::POST, &path, &body).await.into_parts();
    if head.status != 200 {
        let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
        panic!("{way:?} {number}: {} {}", head.status, String::from_utf8_lossy(&body));
    }
    let (said, first_at, whole) = read(way, body, &text).await;
    assert!(whole, "{way:?} {number} was cut: {said}");
    assert_eq!(said, text, "{way:?} {number} is mixed");
    Seen { first: first_at - began, first_at, ended_at: Instant::now() }
}

async fn read(way: Way, mut body: Incoming, wanted: &str) -> (String, Instant, bool) {
    let (mut rest, mut said, mut first, mut whole) = (Vec::new(), String::new(), None, false);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { break };
        rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        while let Some(end) = rest.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = rest.drain(..end + 2).collect();
            let event = String::from_utf8(event).unwrap();
            let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) else {
                continue;
            };
            if let Some(text) = way.text(data) {
                first = first.or(Some(Instant::now()));
                said.push_str(&text);
            }
            whole |= way.is_end(data, wanted);
        }
    }
    (said, first.unwrap_or_else(Instant::now), whole)
}

/// What was seen of all of them, and the most memory that the proxy had.
async fn crowd(ann: &Ann, proxy: &Proxy, way: Way, talks: &[String]) -> (Vec<Seen>, u64) {
    let mut pace = tokio::time::interval(Duration::from_secs(1) / size().1);
    let (mut all, mut seen, mut peak) = (JoinSet::new(), Vec::new(), 0);
    let mut look = tokio::time::interval(LOOK);
    let mut waiting = talks.iter().enumerate();
    let mut more = true;
    while more || !all.is_empty() {
        tokio::select! {
            _ = pace.tick(), if more => match waiting.next() {
                Some((number, talk)) => {
                    all.spawn(stream(ann.clone(), way, talk.clone(), number));
                }
                None => more = false,
            },
            Some(one) = all.join_next() => seen.push(one.unwrap()),
            _ = look.tick() => peak = peak.max(proxy.memory()),
        }
    }
    (seen, peak)
}

fn size() -> (u32, u32) {
    if full() { FULL } else { FEW }
}

/// How many were open at one time.
fn at_once(seen: &[Seen]) -> usize {
    let open = |at: Instant| seen.iter().filter(|s| s.first_at <= at && at < s.ended_at).count();
    seen.iter().map(|one| open(one.first_at)).max().unwrap_or_default()
}

fn firsts(seen: &[Seen], of: usize) -> Duration {
    percent(&mut seen.iter().map(|one| one.first).collect::<Vec<_>>(), of)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_chats_at_once_are_whole_and_nobody_elses() {
    let simulator = simulator().await;
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let place = place(&simulator, folder, store);
    let (proxy, (many, pace)) = (start(&place), size());
    let ann = Ann::new(&proxy);
    let mut talks = Vec::new();
    for _ in 0..many {
        talks.push(ann.talk().await);
    }
    // What it has when it has done everything once.
    let spare = [ann.talk().await];
    for way in [Way::Direct, Way::Chat] {
        crowd(&ann, &proxy, way, &spare).await;
    }
    let before = proxy.memory();
    let upstream = simulator.upstream(Vendor::OpenAi).unwrap();
    // As many frames as there are words, or more.
    let open = Duration::from_secs(1) / pace * many + OVER;
    let step = u64::try_from(open.as_millis()).unwrap() / 32;
    let first = u64::try_from(FIRST.as_millis()).unwrap();
    let rule = json!({"times": "always", "do": {"first_byte_ms": first, "chunk_ms": step}});
    upstream.script(vec![serde_json::from_value(rule).unwrap()]);
    let (direct, peak_direct) = crowd(&ann, &proxy, Way::Direct, &talks).await;
    let (chat, peak) = crowd(&ann, &proxy, Way::Chat, &talks).await;
    let [alone, with] = [&direct, &chat].map(|seen| firsts(seen, 95));
    let added = with.saturating_sub(alone);
    println!(
        "{many} streams, {} and {} at once: first word p50 {:?} and {:?}, p95 {alone:?} and {with:?}: \
         chat adds {added:?}; memory {before}, {peak_direct} with calls, {peak} with chats",
        at_once(&direct),
        at_once(&chat),
        firsts(&direct, 50),
        firsts(&chat, 50),
    );
    let many = talks.len();
    assert_eq!((direct.len(), chat.len()), (many, many));
    assert!(at_once(&chat) * 10 >= many * 9, "only {} at once", at_once(&chat));
    // Where others use the machine it is them that are measured.
    assert!(!full() || added <= ADDED_MAX, "chat adds {added:?}");
    assert!(peak <= before + GROWTH_MAX, "memory {before} -> {peak}");
    // What was said is what is kept.
    for (number, talk) in talks.iter().enumerate().step_by(37) {
        let kept = ann.get(&format!("{talk}/messages?limit=2")).await;
        let [reply, asked] = [&kept["data"][0], &kept["data"][1]];
        assert_eq!(reply["content"], marked(number), "{reply}");
        assert_eq!(asked["content"], wanted(&marked(number)), "{asked}");
    }
    assert!(ann.get(&format!("{TALKS}?limit=2")).await["next"].is_string());
    proxy.stop();
    simulator.shutdown().await;
}
