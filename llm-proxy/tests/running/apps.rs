//! Applications' routes under load: many chats at once, many looks a second, lists of long tables, a
//! death in the middle of a reply.
//!
//! A usual run is small, and is held against a baseline of the same run: others use the machine too.
//! `APPS_LOAD=full` has the sizes and the bounds that are promised, and wants a machine of its own and
//! a proxy that was built for release, which `APPS_LOAD_BIN` names.

mod killed;
mod lists;
mod looks;
mod streams;

use std::net::SocketAddr;
use std::process::Command;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use llm_sim::Simulator;
use llm_sim::upstream::Vendor;
use serde_json::{Value, json};

use crate::client::{Client, client};
use crate::proxy::{Key, Place, Proxy};

/// Databases and proxies without optimisation are slower by that.
const SLOWER: u32 = 5;
const ANN: Key = Key { name: "app", key: "sk-apps-ann-0123456789abcdef0123456789", limit: "" };
/// The key is a user's. As many messages as are wanted, and no hurry on a machine that is busy.
const MORE: &str = "user = \"ann\"\n\
    [features.chat]\nmodel = \"plain\"\nlimits = [\"1000000/hour\"]\nfirst_token = \"60s\"\n\
    [features.boost]\nmodel = \"plain\"\n\
    [models.vectors]\ntiers = [[\"openai/text-embedding-3-small\"]]\n\
    [features.documents]\nmodel = \"vectors\"\n";
const TALKS: &str = "/api/v1/chat/conversations";

/// Whether all of it is to be done.
fn full() -> bool {
    std::env::var("APPS_LOAD").is_ok_and(|size| size == "full")
}

fn place(simulator: &Simulator, folder: tempfile::TempDir, store: String) -> Place {
    let at = simulator.base_url(Vendor::OpenAi);
    Place { keys: vec![ANN], more: MORE, ..Place::new(folder, store, at) }
}

fn start(place: &Place) -> Proxy {
    Proxy::start_with(place, |command, config| {
        let Some(program) = std::env::var_os("APPS_LOAD_BIN") else { return };
        let mut other = Command::new(program);
        other.arg("--config").arg(config);
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                other.env(name, value);
            }
        }
        *command = other;
    })
}

/// Whoever asks, over connections that stay.
#[derive(Clone)]
struct Ann {
    client: Client,
    proxy: SocketAddr,
}

impl Ann {
    fn new(proxy: &Proxy) -> Self {
        Self { client: client(), proxy: proxy.address }
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Response<Incoming> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.proxy))
            .header("authorization", format!("Bearer {}", ANN.key))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        self.client.request(request).await.unwrap()
    }

    /// The status of an answer, and what stands in it.
    async fn ask(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let (head, body) = self.send(method, path, body).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
    }

    /// What is in the envelope of an answer that must succeed.
    async fn done(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, &body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer["data"].clone()
    }

    async fn get(&self, path: &str) -> Value {
        self.done(Method::GET, path, Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.done(Method::POST, path, body).await
    }

    /// A conversation that has its title already: none is made beside it.
    async fn talk(&self) -> String {
        let made = self.post(TALKS, json!({"title": "말"})).await;
        format!("{TALKS}/{}", made["id"].as_str().unwrap())
    }
}

/// What a model is to say, word for word.
fn wanted(text: &str) -> String {
    format!("reply with exactly: {text}")
}

/// A text that nobody else is told.
fn marked(number: usize) -> String {
    const WORDS: [&str; 12] =
        ["하나", "둘", "셋", "넷", "다섯", "여섯", "일곱", "여덟", "아홉", "열", "구름", "바람"];
    let words = (0..30).map(|at| WORDS[(number * 7 + at * (1 + number % 5)) % WORDS.len()]);
    format!("표식{number:05} {} 끝{number:05}", words.collect::<Vec<_>>().join(" "))
}
