//! The suite.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use llm_core::dialect::Chunks;
use llm_core::seam::{Transport, TransportError, TransportPhase};
use llm_providers::transport::Connections;
use tokio::time::{sleep, timeout};

use crate::server::{Do, Server};

type Make = fn(&Connections) -> Option<Arc<dyn Transport>>;

fn post(uri: http::Uri, pieces: &[&'static str]) -> http::Request<Chunks> {
    let chunks = pieces.iter().map(|p| Bytes::from_static(p.as_bytes())).collect();
    let mut request = http::Request::new(chunks);
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = uri;
    request
}

async fn whole(
    transport: &Arc<dyn Transport>,
    request: http::Request<Chunks>,
) -> Result<(u16, Vec<u8>), TransportError> {
    let sent = timeout(Duration::from_secs(10), transport.send(request)).await.unwrap();
    let (parts, mut body) = sent?.into_parts();
    let mut all = Vec::new();
    while let Some(chunk) = timeout(Duration::from_secs(10), body.next()).await.unwrap() {
        all.extend_from_slice(&chunk?);
    }
    Ok((parts.status.as_u16(), all))
}

/// One exchange, which ends well.
pub(crate) async fn answered(transport: &Arc<dyn Transport>, uri: &http::Uri) {
    let answer = whole(transport, post(uri.clone(), &["x"])).await;
    assert_eq!(answer.unwrap(), (200, b"ok".to_vec()));
}

pub(crate) async fn run(make: Make) {
    let Some(transport) = make(&Connections::default()) else { return };
    answers_come_whole(&transport).await;
    connections_are_used_again(&transport).await;
    redirects_are_not_followed(&transport).await;
    refusals_are_no_exchange(&transport).await;
    broken_bodies_are_errors(&transport).await;
    a_server_that_hangs_up_says_nothing(&transport).await;
    who_leaves_closes(&transport).await;
    heads_have_a_limit(&transport).await;
}

async fn answers_come_whole(transport: &Arc<dyn Transport>) {
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    let server = Server::start(Do::Say(answer)).await;
    let asked = post(server.uri("/a?b=c"), &["{\"a\":", "", "1}"]);
    assert_eq!(whole(transport, asked).await.unwrap(), (200, b"hello".to_vec()));
    let seen = String::from_utf8(server.last.lock().unwrap().clone()).unwrap();
    assert!(seen.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{seen}");
    assert!(seen.to_lowercase().contains("content-length: 7\r\n"), "{seen}");
    assert!(seen.ends_with("{\"a\":1}"), "{seen}");
    let chunked =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let server = Server::start(Do::Say(chunked)).await;
    let (_, body) = whole(transport, post(server.uri("/"), &["x"])).await.unwrap();
    assert_eq!(body, b"abcde");
    // Nothing is unpacked: what was not asked for is somebody else's to refuse.
    let packed =
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\x8b\x08";
    let server = Server::start(Do::Say(packed)).await;
    let (_, body) = whole(transport, post(server.uri("/"), &["x"])).await.unwrap();
    assert_eq!(body, b"\x1f\x8b\x08");
}

async fn connections_are_used_again(transport: &Arc<dyn Transport>) {
    let server = Server::start(Do::Say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")).await;
    for _ in 0..100 {
        whole(transport, post(server.uri("/"), &["x"])).await.unwrap();
    }
    let accepted = server.accepted.load(Ordering::SeqCst);
    assert!(accepted <= 2, "{accepted} connections for 100 calls one after the other");
}

async fn redirects_are_not_followed(transport: &Arc<dyn Transport>) {
    let away = b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let server = Server::start(Do::Say(away)).await;
    let (status, _) = whole(transport, post(server.uri("/"), &["x"])).await.unwrap();
    assert_eq!(status, 307);
}

async fn refusals_are_no_exchange(transport: &Arc<dyn Transport>) {
    let server = Server::start(Do::Say(b"")).await;
    let nobody = "http://127.0.0.1:1/?key=sk-0123456789abcdef0123".to_owned();
    let uris = [nobody, "http://no-such-host.invalid/".to_owned()];
    for uri in uris {
        let error = whole(transport, post(uri.parse().unwrap(), &["x"])).await.unwrap_err();
        assert_eq!(error.phase, TransportPhase::Connect, "{error}");
        assert!(!error.to_string().contains("sk-"), "{error}");
    }
    drop(server);
}

async fn broken_bodies_are_errors(transport: &Arc<dyn Transport>) {
    let short = b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf";
    let open = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    for what in [Do::SayAndClose(short), Do::SayAndClose(open), Do::SayAndReset(open)] {
        let server = Server::start(what).await;
        let error = whole(transport, post(server.uri("/"), &["x"])).await.unwrap_err();
        assert_eq!(error.phase, TransportPhase::Body, "{what:?}: {error}");
    }
}

async fn a_server_that_hangs_up_says_nothing(transport: &Arc<dyn Transport>) {
    for what in [Do::SayAndClose(b""), Do::SayAndReset(b""), Do::SayAndClose(b"HTTP/1.1 2")] {
        let server = Server::start(what).await;
        let error = whole(transport, post(server.uri("/"), &["x"])).await.unwrap_err();
        assert_eq!(error.phase, TransportPhase::Exchange, "{what:?}: {error}");
    }
}

async fn who_leaves_closes(transport: &Arc<dyn Transport>) {
    // Before the head, and in the middle of the body.
    let server = Server::start(Do::SayAndHang(b"")).await;
    let waiting = transport.send(post(server.uri("/"), &["x"]));
    assert!(timeout(Duration::from_millis(200), waiting).await.is_err());
    closed(&server).await;
    let begun = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    let server = Server::start(Do::SayAndHang(begun)).await;
    let mut body = transport.send(post(server.uri("/"), &["x"])).await.unwrap().into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "half");
    drop(body);
    closed(&server).await;
}

async fn closed(server: &Server) {
    for _ in 0..100 {
        if server.closed.load(Ordering::SeqCst) > 0 {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("the upstream is still open after 100 ms");
}

async fn heads_have_a_limit(transport: &Arc<dyn Transport>) {
    let head =
        format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "a".repeat(1 << 20));
    let server = Server::start(Do::SayAndClose(head.leak().as_bytes())).await;
    let error = whole(transport, post(server.uri("/"), &["x"])).await;
    assert!(error.is_err(), "a head of a megabyte was taken");
}
