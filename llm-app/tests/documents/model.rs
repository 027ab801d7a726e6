//! A provider that a test answers for: vectors of words, and whatever is to be said to a question.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use futures_util::stream;
use llm_app::terms::terms;
use llm_core::dialect::Chunks;
use llm_core::seam::{BoxFuture, Transport, TransportError, WireBody};
use serde_json::{Value, json};

/// Numbers of a vector.
const LENGTH: usize = 128;

type Says = dyn Fn(&Value, u32) -> String + Send + Sync;

/// It remembers what it was sent.
pub(crate) struct Provider {
    says: Box<Says>,
    chats: AtomicU32,
    embeds: AtomicU32,
    texts: AtomicU32,
    sent: Mutex<Vec<Value>>,
}

impl Provider {
    /// Says to a request, and to the how many-th it is, what that says.
    pub(crate) fn new(says: impl Fn(&Value, u32) -> String + Send + Sync + 'static) -> Self {
        let counter = AtomicU32::default;
        let (chats, embeds, texts) = (counter(), counter(), counter());
        Self { says: Box::new(says), chats, embeds, texts, sent: Mutex::default() }
    }

    pub(crate) fn chats(&self) -> u32 {
        self.chats.load(Ordering::SeqCst)
    }

    pub(crate) fn embeds(&self) -> u32 {
        self.embeds.load(Ordering::SeqCst)
    }

    pub(crate) fn texts(&self) -> u32 {
        self.texts.load(Ordering::SeqCst)
    }

    pub(crate) fn sent(&self) -> Vec<Value> {
        self.sent.lock().unwrap().clone()
    }

    fn answer(&self, path: &str, body: &Value) -> Value {
        if path.ends_with("/embeddings") {
            self.embeds.fetch_add(1, Ordering::SeqCst);
            let texts = body["input"].as_array().cloned();
            let texts = texts.unwrap_or_else(|| vec![body["input"].clone()]);
            self.texts.fetch_add(texts.len() as u32, Ordering::SeqCst);
            let vectors = texts.iter().enumerate().map(|(n, text)| {
                let vector = vector(text.as_str().unwrap());
                json!({"object": "embedding", "index": n, "embedding": vector})
            });
            return json!({"object": "list", "data": vectors.collect::<Vec<_>>(),
                "model": body["model"], "usage": {"prompt_tokens": 1, "total_tokens": 1}});
        }
        let number = self.chats.fetch_add(1, Ordering::SeqCst);
        self.sent.lock().unwrap().push(body.clone());
        let message = json!({"role": "assistant", "content": (self.says)(body, number)});
        json!({"id": "c", "object": "chat.completion", "created": 1, "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}})
    }
}

/// Near for texts that share words.
fn vector(text: &str) -> Vec<f64> {
    let mut vector = vec![0.001; LENGTH];
    for (term, count) in terms(text) {
        let at = blake3::hash(term.as_bytes()).as_bytes()[0] as usize % LENGTH;
        vector[at] += f64::from(count);
    }
    vector
}

/// The data of a request, as it was shown.
pub(crate) fn data(request: &Value) -> Value {
    let texts = request["messages"].as_array().unwrap().iter();
    let texts = texts.filter_map(|message| match &message["content"] {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => parts[0]["text"].as_str().map(str::to_owned),
        _ => None,
    });
    let read = texts.filter_map(|text| serde_json::from_str::<Value>(&text).ok());
    read.map(|mut value| value["data"].take()).find(|data| !data.is_null()).unwrap()
}

impl Transport for Provider {
    fn send(
        &self,
        request: http::Request<Chunks>,
    ) -> BoxFuture<'static, Result<http::Response<WireBody>, TransportError>> {
        let (head, chunks) = request.into_parts();
        let body: Vec<u8> = chunks.to_vec().iter().flat_map(|bytes| bytes.to_vec()).collect();
        let body = serde_json::from_slice(&body).unwrap();
        let answer = Bytes::from(self.answer(head.uri.path(), &body).to_string());
        Box::pin(async move {
            let body: WireBody = Box::pin(stream::iter([Ok(answer)]));
            let response = http::Response::builder().header("content-type", "application/json");
            Ok(response.body(body).unwrap())
        })
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provider")
    }
}
