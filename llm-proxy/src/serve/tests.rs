//! The server over a socket, with simulated providers behind it and a real file under it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::config::reference::Surroundings;
use crate::config::resolve::{Asked, resolve};

const KEY: &str = "sk-test-0123456789abcdef0123456789abcdef";
const ADMIN: &str = "sk-admin-0123456789abcdef0123456789abcde";

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<bool>,
    house: Arc<House>,
    client: Client<HttpConnector, Full<Bytes>>,
}

fn config(data: &Path, limits: &str) -> Config {
    let text = format!(
        r#"
        [server]
        listen = "127.0.0.1:0"
        admin_key = "env:ADMIN"
        body_max = "1MiB"
        [store]
        data = "{}"
        [providers.simulated]
        kind = "simulated"
        [models.smart]
        tiers = [["simulated/gpt-4o-mini"]]
        [prices."simulated/gpt-4o-mini"]
        input = "0.15"
        output = "0.60"
        [[keys]]
        name = "app"
        key = "env:KEY"
        {limits}
        "#,
        data.display(),
    );
    let path = data.join("proxy.toml");
    std::fs::write(&path, text).unwrap();
    let asked = Asked { config: Some(path), ..Asked::default() };
    resolve(&asked, &Environment).unwrap_or_else(|report| panic!("{report}")).config
}

/// Variables of a test, and files as they are.
struct Environment;

impl Surroundings for Environment {
    fn env(&self, name: &str) -> Option<String> {
        match name {
            "KEY" => Some(KEY.to_owned()),
            "ADMIN" => Some(ADMIN.to_owned()),
            "OTHER" => Some("sk-other-0123456789abcdef0123456789abcde".to_owned()),
            _ => None,
        }
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }
}

impl Running {
    async fn start(config: Config) -> Self {
        Self::start_by(config, Arc::new(llm_providers::seam::SystemClock)).await
    }

    /// By a clock of the test's own, as far as connections are concerned.
    async fn start_by(config: Config, clock: Arc<dyn llm_core::seam::Clock>) -> Self {
        let server = &config.server;
        let listener = handover::bind(server.listen, server.edge.reuse_port).unwrap();
        let address = listener.local_addr().unwrap();
        let mut house = House::open(&config).await.unwrap();
        house.clock = clock;
        let house = Arc::new(house);
        house.begin();
        let (stop, stopped) = oneshot::channel();
        let serve = listen::serve(listener, Arc::clone(&house), async {
            let _ = stopped.await;
        });
        let served = tokio::spawn(serve);
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { address, stop, served, house, client }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Bytes> {
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method;
        *request.uri_mut() = format!("http://{}{path}", self.address).parse().unwrap();
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    async fn ask(&self, path: &str, body: &str) -> Response<Bytes> {
        let bearer = format!("Bearer {KEY}");
        let headers = [("authorization", &*bearer), ("content-type", "application/json")];
        self.send(Method::POST, path, &headers, body.to_owned()).await
    }

    async fn get(&self, path: &str, key: &str) -> Response<Bytes> {
        let bearer = format!("Bearer {key}");
        self.send(Method::GET, path, &[("authorization", &bearer)], Bytes::new()).await
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        drop(self.client);
        assert!(self.served.await.unwrap(), "nobody was cut off");
        self.house.close().await.unwrap();
    }
}

fn json(response: &Response<Bytes>) -> Value {
    let body = response.body();
    serde_json::from_slice(body).unwrap_or_else(|e| panic!("{e}: {body:?}"))
}

#[tokio::test]
async fn every_dialect_is_answered_whole_and_streamed() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config(data.path(), "unlimited = true")).await;
    let openai = r#""messages":[{"role":"user","content":"안녕"}]"#;
    let gemini = r#"{"contents":[{"role":"user","parts":[{"text":"안녕"}]}]}"#;
    let asks = [
        ("/v1/chat/completions", format!(r#"{{"model":"smart",{openai}}}"#)),
        ("/chat/completions", format!(r#"{{"model":"simulated/gpt-4o-mini",{openai}}}"#)),
        ("/v1/chat/completions", format!(r#"{{"model":"smart","stream":true,{openai}}}"#)),
        ("/v1/messages", format!(r#"{{"model":"smart","max_tokens":50,{openai}}}"#)),
        ("/v1/messages", format!(r#"{{"model":"smart","max_tokens":50,"stream":true,{openai}}}"#)),
        ("/v1/responses", r#"{"model":"smart","input":"안녕"}"#.to_owned()),
        ("/v1/completions", r#"{"model":"smart","prompt":"안녕"}"#.to_owned()),
        ("/v1beta/models/smart:generateContent", gemini.to_owned()),
        ("/v1beta/models/smart:streamGenerateContent?alt=sse", gemini.to_owned()),
        ("/api/chat", format!(r#"{{"model":"smart",{openai}}}"#)),
        ("/api/generate", r#"{"model":"smart","prompt":"안녕","stream":false}"#.to_owned()),
        ("/v2/chat", format!(r#"{{"model":"smart","stream":true,{openai}}}"#)),
        (
            "/v1/embeddings",
            r#"{"model":"simulated/text-embedding-3-small","input":"안녕"}"#.to_owned(),
        ),
    ];
    for (path, body) in asks {
        let response = proxy.ask(path, &body).await;
        let text = String::from_utf8_lossy(response.body()).into_owned();
        assert_eq!(response.status(), StatusCode::OK, "{path}: {text}");
        assert!(!text.is_empty(), "{path}");
        let headers = response.headers();
        assert!(headers.contains_key("x-request-id"), "{path}");
        assert_eq!(headers["x-gw-attempts"], "1", "{path}");
    }
    proxy.stop().await;
}

#[tokio::test]
async fn strangers_and_mistakes_are_told_in_their_own_dialect() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config(data.path(), "unlimited = true")).await;
    let none = proxy.send(Method::POST, "/v1/messages", &[], "{}").await;
    assert_eq!(none.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(json(&none)["type"], "error");
    let wrong = [("x-api-key", "sk-wrong")];
    let wrong = proxy.send(Method::POST, "/v1/chat/completions", &wrong, "{}").await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(json(&wrong)["error"]["code"], "invalid_api_key");
    // The admin key opens nothing here.
    let admin = proxy.get("/v1/models", ADMIN).await;
    assert_eq!(admin.status(), StatusCode::UNAUTHORIZED);
    let bad = proxy.ask("/v1/chat/completions", r#"{"model":"smart","messages":7}"#).await;
    assert_eq!(bad.status(), StatusCode::BAD_REQUEST);
    let unknown = proxy.ask("/v1/chat/completions", r#"{"model":"x","messages":[]}"#).await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert_eq!(json(&unknown)["error"]["code"], "model_not_found");
    let large = vec![b' '; (1 << 20) + 1];
    let large = proxy.ask("/v1/chat/completions", str::from_utf8(&large).unwrap()).await;
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(proxy.get("/nothing", KEY).await.status(), StatusCode::NOT_FOUND);
    let method = proxy.get("/v1/chat/completions", KEY).await;
    assert_eq!(method.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(method.headers()["allow"], "POST");
    proxy.stop().await;
}

#[tokio::test]
async fn models_health_and_metrics_are_there() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config(data.path(), "unlimited = true")).await;
    let models = json(&proxy.get("/v1/models", KEY).await);
    assert_eq!(models["data"][0]["id"], "smart");
    assert_eq!(proxy.get("/healthz", "").await.status(), StatusCode::OK);
    let ready = json(&proxy.get("/health/readiness", "").await);
    assert_eq!((&ready["status"], &ready["ledger"]["durable"]), (&"ready".into(), &true.into()));
    let ask = r#"{"model":"smart","messages":[{"role":"user","content":"hi"}]}"#;
    proxy.ask("/v1/chat/completions", ask).await;
    let page = proxy.get("/metrics", "").await;
    let page = String::from_utf8_lossy(page.body());
    assert!(page.contains("gw_calls_total"), "{page}");
    proxy.stop().await;
}

#[tokio::test]
async fn a_budget_holds_over_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let ask = r#"{"model":"smart","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#;
    let proxy = Running::start(config(data.path(), "limits = [\"$0.001/month\"]")).await;
    let mut spent = 0;
    loop {
        let response = proxy.ask("/v1/chat/completions", ask).await;
        if response.status() != StatusCode::OK {
            assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(response.headers()["x-should-retry"], "false");
            break;
        }
        spent += 1;
        assert!(spent < 1_000, "a budget of a tenth of a cent has an end");
    }
    assert!(spent > 0);
    proxy.stop().await;
    let proxy = Running::start(config(data.path(), "limits = [\"$0.001/month\"]")).await;
    let again = proxy.ask("/v1/chat/completions", ask).await;
    assert_eq!(again.status(), StatusCode::TOO_MANY_REQUESTS, "it is spent for the month");
    let verified = json(&proxy.get("/admin/ledger/verify", ADMIN).await);
    assert_eq!((&verified["ok"], &verified["holds_open"]), (&true.into(), &0.into()));
    assert_eq!(proxy.get("/admin/ledger/verify", KEY).await.status(), StatusCode::UNAUTHORIZED);
    proxy.stop().await;
}

mod addresses;
mod admin;
mod browsers;
mod chat;
mod connections;
mod credits;
mod documents;
mod encrypted;
mod idempotency;
mod inbound;
mod jobs;
mod prompts;
mod refused;
mod rolling;
mod tokens;
mod vendors;
mod webhooks;
