//! Those who call: whole, streamed, leaving in the middle, refused, from the cache. Each remembers
//! what it saw, since that is what the ledger is held against.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;

use super::KEYS;

/// Callers at once.
pub(crate) const CALLERS: usize = 12;

/// What a caller saw of a call.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The words that only this call has, by which the upstream's record is found.
    pub(crate) words: String,
    /// Its id, once a head has come.
    pub(crate) id: Option<String>,
    /// Whether the answer's last byte came.
    pub(crate) finished: bool,
    /// What it was told to have cost, of whole answers.
    pub(crate) cost: Option<String>,
    /// Whether the cache answered.
    pub(crate) cached: bool,
    /// Whether it was refused.
    pub(crate) refused: bool,
}

/// The callers, and what they have seen.
pub(crate) struct Crowd {
    seen: Arc<Mutex<Vec<Seen>>>,
    next: Arc<AtomicU64>,
    cycle: u64,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Whole,
    Streamed,
    Leaving(usize),
    Kept,
    Poor,
    Stranger,
}

/// Which way a call takes: by its number, so that each cycle has all of them.
fn way(number: u64) -> Way {
    match number % 10 {
        0 | 1 => Way::Streamed,
        2..=4 => Way::Whole,
        5 => Way::Leaving(1 + usize::try_from(number / 10 % 7).unwrap()),
        6 | 7 => Way::Kept,
        8 => Way::Poor,
        _ => Way::Stranger,
    }
}

impl Crowd {
    pub(crate) fn new(cycle: u64) -> Self {
        Self { seen: Arc::default(), next: Arc::default(), cycle }
    }

    /// Calls until the proxy is gone.
    pub(crate) async fn call(&self, proxy: SocketAddr) {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let callers = (0..CALLERS).map(|_| {
            let (client, seen, next) =
                (client.clone(), Arc::clone(&self.seen), Arc::clone(&self.next));
            let cycle = self.cycle;
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let (one, gone) = call(&client, proxy, cycle, number).await;
                    seen.lock().push(one);
                    if gone {
                        return;
                    }
                }
            })
        });
        let callers: Vec<_> = callers.collect();
        for caller in callers {
            caller.await.unwrap();
        }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }
}

/// One call; `true` when nobody is there any more.
async fn call(
    client: &Client<HttpConnector, Full<Bytes>>,
    proxy: SocketAddr,
    cycle: u64,
    number: u64,
) -> (Seen, bool) {
    let way = way(number);
    let words = match way {
        // Few enough to be asked again.
        Way::Kept => format!("kept {cycle} {}", number / 40),
        _ => format!("cycle {cycle} call {number}"),
    };
    let mut seen = Seen {
        words: words.clone(),
        id: None,
        finished: false,
        cost: None,
        cached: false,
        refused: false,
    };
    let (key, model) = match way {
        Way::Whole | Way::Streamed | Way::Leaving(_) => (KEYS[0].key, "plain"),
        Way::Poor => (KEYS[1].key, "plain"),
        Way::Kept => (KEYS[2].key, "kept"),
        Way::Stranger => ("sk-nobody", "plain"),
    };
    let stream = matches!(way, Way::Streamed | Way::Leaving(_));
    let body = format!(
        r#"{{"model":"{model}","stream":{stream},"max_tokens":40,"messages":[{{"role":"user","content":"{words}"}}]}}"#
    );
    let request = Request::post(format!("http://{proxy}/v1/chat/completions"))
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let Ok(response) = client.request(request).await else { return (seen, true) };
    let (head, mut body) = response.into_parts();
    let text = |name: &str| head.headers.get(name).map(|v| v.to_str().unwrap().to_owned());
    seen.id = text("x-gw-call-id");
    seen.cost = text("x-gw-cost");
    seen.cached = text("x-cache").is_some_and(|word| word != "miss" && word != "bypass");
    seen.refused = head.status != StatusCode::OK;
    let mut pieces = Vec::new();
    loop {
        if let Way::Leaving(after) = way
            && pieces.len() >= after
        {
            return (seen, false);
        }
        match body.frame().await {
            None => break,
            Some(Err(_)) => return (seen, true),
            Some(Ok(frame)) => pieces.extend(frame.into_data().ok()),
        }
    }
    let whole = pieces.concat();
    // A stream that was cut and closed politely all the same would be a lie; it is found here.
    seen.finished = !stream || whole.ends_with(b"data: [DONE]\n\n");
    assert!(
        seen.finished || seen.refused,
        "a stream ended without its end: {}",
        String::from_utf8_lossy(&whole)
    );
    (seen, false)
}
