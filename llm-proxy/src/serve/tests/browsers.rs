//! What browsers are told, and bodies that are packed.

use std::io::{Read as _, Write as _};

use super::*;

/// A configuration with lines of its own.
pub(super) fn config_of(data: &Path, server: &str, more: &str) -> Config {
    let text = format!(
        r#"
        [server]
        listen = "127.0.0.1:0"
        admin_key = "env:ADMIN"
        body_max = "1MiB"
        {server}
        [store]
        data = "{}"
        [providers.simulated]
        kind = "simulated"
        [models.smart]
        tiers = [["simulated/gpt-4o-mini"]]
        [[keys]]
        name = "app"
        key = "env:KEY"
        unlimited = true
        [plans.pro]
        limits = ["100/minute", "$50/month"]
        [plans.small]
        limits = ["2/day"]
        {more}
        "#,
        data.display(),
    );
    let path = data.join("proxy.toml");
    std::fs::write(&path, text).unwrap();
    let asked = Asked { config: Some(path), ..Asked::default() };
    resolve(&asked, &Environment).unwrap_or_else(|report| panic!("{report}")).config
}

const CORS: &str =
    r#"cors = { origins = ["https://app.example"], credentials = true, max_age = "10m" }"#;
const ASK: &str = r#"{"model":"smart","messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test]
async fn every_answer_is_for_nobodys_cache_and_is_what_it_says() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config_of(data.path(), "", "")).await;
    let answers = [
        proxy.ask("/v1/chat/completions", ASK).await,
        proxy.get("/v1/models", KEY).await,
        proxy.get("/v1/models", "sk-wrong").await,
        proxy.get("/admin/ledger/verify", ADMIN).await,
        proxy.get("/metrics", "").await,
        proxy.get("/nothing", "").await,
    ];
    for answer in answers {
        let headers = answer.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cache-control"], "no-store");
        for none in ["strict-transport-security", "access-control-allow-origin", "vary"] {
            assert!(!headers.contains_key(none), "{none}");
        }
    }
    proxy.stop().await;
}

#[tokio::test]
async fn pages_of_named_origins_may_ask_and_no_others() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config_of(data.path(), CORS, "")).await;
    let preflight = async |path: &str, origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type"),
        ];
        proxy.send(Method::OPTIONS, path, &headers, Bytes::new()).await
    };
    let yes = preflight("/v1/chat/completions", "https://app.example").await;
    assert_eq!(yes.status(), StatusCode::NO_CONTENT);
    assert_eq!(yes.headers()["access-control-allow-origin"], "https://app.example");
    assert_eq!(yes.headers()["access-control-allow-credentials"], "true");
    assert_eq!(yes.headers()["access-control-allow-headers"], "authorization,content-type");
    assert_eq!(yes.headers()["access-control-max-age"], "600");
    for (path, origin) in [
        ("/v1/chat/completions", "https://app.example.evil"),
        ("/v1/chat/completions", "http://app.example"),
        ("/v1/chat/completions", "null"),
        ("/key/generate", "https://app.example"),
    ] {
        let no = preflight(path, origin).await;
        assert_eq!(no.status(), StatusCode::FORBIDDEN, "{origin}");
        assert!(!no.headers().contains_key("access-control-allow-origin"), "{origin}");
    }
    let bearer = format!("Bearer {KEY}");
    for (origin, allowed) in [("https://app.example", true), ("https://evil.example", false)] {
        let headers = [("authorization", &*bearer), ("origin", origin)];
        let list = proxy.send(Method::GET, "/v1/models", &headers, Bytes::new()).await;
        assert_eq!(list.status(), StatusCode::OK);
        assert_eq!(list.headers()["vary"], "origin");
        assert_eq!(list.headers().contains_key("access-control-allow-origin"), allowed, "{origin}");
    }
    proxy.stop().await;
}

#[tokio::test]
async fn other_origins_are_strangers_unless_it_is_said() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config_of(data.path(), "", "")).await;
    let headers = [("origin", "https://app.example"), ("access-control-request-method", "POST")];
    let no = proxy.send(Method::OPTIONS, "/v1/chat/completions", &headers, Bytes::new()).await;
    assert_eq!(no.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(!no.headers().contains_key("access-control-allow-origin"));
    proxy.stop().await;
}

#[tokio::test]
async fn a_long_answer_is_packed_for_who_asks_and_a_stream_never_is() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config_of(data.path(), "compress_over = 200", "")).await;
    let bearer = format!("Bearer {KEY}");
    let ask = async |accept: &str, body: &str| {
        let headers = [
            ("authorization", &*bearer),
            ("content-type", "application/json"),
            ("accept-encoding", accept),
        ];
        proxy.send(Method::POST, "/v1/chat/completions", &headers, body.to_owned()).await
    };
    let gzip = ask("gzip, deflate", ASK).await;
    assert_eq!(gzip.headers()["content-encoding"], "gzip");
    assert_eq!(gzip.headers()["vary"], "accept-encoding");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&gzip.body()[..]).read_to_string(&mut text).unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["object"], "chat.completion");
    let brotli = ask("gzip, br", ASK).await;
    assert_eq!(brotli.headers()["content-encoding"], "br");
    let mut text = String::new();
    brotli::Decompressor::new(&brotli.body()[..], 4_096).read_to_string(&mut text).unwrap();
    assert!(text.contains("chat.completion"));
    let plain = ask("identity", ASK).await;
    assert!(!plain.headers().contains_key("content-encoding"));
    let streamed = ask("gzip, br", &ASK.replace("\"smart\"", "\"smart\",\"stream\":true")).await;
    assert!(!streamed.headers().contains_key("content-encoding"));
    assert!(String::from_utf8_lossy(streamed.body()).contains("[DONE]"));
    let verified = json(&proxy.get("/admin/ledger/verify", ADMIN).await);
    assert_eq!((&verified["ok"], &verified["holds_open"]), (&true.into(), &0.into()));
    proxy.stop().await;
}

#[tokio::test]
async fn a_packed_question_is_read_and_a_bomb_is_not() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config_of(data.path(), "", "")).await;
    let bearer = format!("Bearer {KEY}");
    let packed = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let ask = async |coding: &str, body: Vec<u8>| {
        let headers = [
            ("authorization", &*bearer),
            ("content-type", "application/json"),
            ("content-encoding", coding),
        ];
        proxy.send(Method::POST, "/v1/chat/completions", &headers, body).await.status()
    };
    assert_eq!(ask("gzip", packed(ASK.as_bytes())).await, StatusCode::OK);
    assert_eq!(ask("identity", ASK.into()).await, StatusCode::OK);
    let bomb = packed(&vec![b' '; 16 << 20]);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(ask("gzip", bomb).await, StatusCode::PAYLOAD_TOO_LARGE);
    let twice = packed(&packed(ASK.as_bytes()));
    assert!(ask("gzip, gzip", twice).await.is_client_error());
    assert!(ask("zstd", ASK.into()).await.is_client_error());
    let mut cut = packed(ASK.as_bytes());
    cut.truncate(cut.len() / 2);
    assert_eq!(ask("gzip", cut).await, StatusCode::BAD_REQUEST);
    assert_eq!(ask("gzip", b"{}".to_vec()).await, StatusCode::BAD_REQUEST);
    proxy.stop().await;
}
