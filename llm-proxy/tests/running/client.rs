//! What a test asks a proxy.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::proxy::ADMIN;

pub(crate) type Client = hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>;

pub(crate) fn client() -> Client {
    hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http()
}

/// A question of an operator.
pub(crate) async fn admin(proxy: SocketAddr, path: &str) -> Value {
    get(proxy, path, ADMIN).await
}

pub(crate) async fn get(proxy: SocketAddr, path: &str, key: &str) -> Value {
    let request = Request::get(format!("http://{proxy}{path}"))
        .header("authorization", format!("Bearer {key}"))
        .body(Full::new(Bytes::new()))
        .unwrap();
    let body = client().request(request).await.unwrap().into_body().collect().await.unwrap();
    serde_json::from_slice(&body.to_bytes()).unwrap()
}

/// A change that an operator makes.
pub(crate) async fn post(proxy: SocketAddr, path: &str, body: &'static str) -> Value {
    let request = Request::post(format!("http://{proxy}{path}"))
        .header("authorization", format!("Bearer {ADMIN}"))
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .unwrap();
    let body = client().request(request).await.unwrap().into_body().collect().await.unwrap();
    serde_json::from_slice(&body.to_bytes()).unwrap()
}

/// An operator's call, its status and its answer.
pub(crate) async fn operate(
    proxy: SocketAddr,
    method: Method,
    path: &str,
    body: &str,
) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{proxy}{path}"))
        .header("authorization", format!("Bearer {ADMIN}"))
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    let (head, body) = client().request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
}

/// A question to a model, and the whole of what came.
pub(crate) async fn ask(
    client: &Client,
    proxy: SocketAddr,
    key: &str,
    body: String,
) -> Result<Response<Bytes>, String> {
    let request = Request::post(format!("http://{proxy}/v1/chat/completions"))
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let response = client.request(request).await.map_err(|e| e.to_string())?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|e| e.to_string())?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

/// Where metrics are.
pub(crate) const ADMIN_PAGE: &str = "/metrics";

/// What stands at a path of operators, as it is.
pub(crate) async fn text(proxy: SocketAddr, path: &str) -> String {
    let request = Request::get(format!("http://{proxy}{path}"))
        .header("authorization", format!("Bearer {ADMIN}"))
        .body(Full::new(Bytes::new()))
        .unwrap();
    let body = client().request(request).await.unwrap().into_body().collect().await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

/// What somebody asks.
pub(crate) struct Asking<'a> {
    pub(crate) key: &'a str,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) media: &'a str,
    /// What people are to be told in.
    pub(crate) language: &'a str,
    /// The last event that was seen of these.
    pub(crate) last: Option<String>,
    pub(crate) body: Bytes,
}

/// A status, headers and all of a body.
pub(crate) type Answer = (StatusCode, HeaderMap, Bytes);

impl<'a> Asking<'a> {
    /// In JSON, in English, and from the beginning.
    pub(crate) fn json(
        key: &'a str,
        method: Method,
        path: &'a str,
        body: impl Into<Bytes>,
    ) -> Self {
        let (media, language, body) = ("application/json", "en", body.into());
        Self { key, method, path, media, language, last: None, body }
    }

    async fn sent(self, proxy: SocketAddr) -> Response<Incoming> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(format!("http://{proxy}{}", self.path))
            .header("authorization", format!("Bearer {}", self.key))
            .header("accept-language", self.language)
            .header("content-type", self.media);
        if let Some(last) = self.last {
            request = request.header("last-event-id", last);
        }
        client().request(request.body(Full::new(self.body)).unwrap()).await.unwrap()
    }
}

/// All of an answer, whatever it is.
pub(crate) async fn asked(proxy: SocketAddr, asking: Asking<'_>) -> Answer {
    let (head, body) = asking.sent(proxy).await.into_parts();
    (head.status, head.headers, body.collect().await.unwrap().to_bytes())
}

/// A server-sent event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// Events as they come.
pub(crate) struct Events {
    body: Incoming,
    read: Vec<u8>,
}

impl Events {
    pub(crate) async fn of(proxy: SocketAddr, asking: Asking<'_>) -> Self {
        let response = asking.sent(proxy).await;
        assert_eq!(response.status(), 200, "{:?}", response.headers());
        let kind = &response.headers()["content-type"];
        assert!(kind.to_str().unwrap().starts_with("text/event-stream"), "{kind:?}");
        Self { body: response.into_body(), read: Vec::new() }
    }

    /// The next one; `None` where they end, or break off.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(at) = self.read.windows(2).position(|two| two == b"\n\n") {
                let text: Vec<u8> = self.read.drain(..at + 2).collect();
                let text = String::from_utf8(text).unwrap();
                let field = |name: &str| {
                    text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").to_owned()
                };
                let data = field("data: ");
                if !data.is_empty() {
                    let data = serde_json::from_str(&data).unwrap();
                    return Some(Event { id: field("id: "), name: field("event: "), data });
                }
            }
            let frame = self.body.frame().await?.ok()?;
            self.read.extend(frame.into_data().unwrap_or_default());
        }
    }
}
