//! Encryption: which protocol is spoken, and certificates that change while it runs.

use std::time::Duration;

use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::browsers::config_of;
use super::*;

const NAME: &str = "proxy.example";
/// Files are looked at every two seconds.
const SEEN_MAX: Duration = Duration::from_secs(10);

/// Writes a certificate and its key, and returns the certificate.
fn write(data: &Path) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new([NAME.to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(data.join("cert.pem"), cert.pem()).unwrap();
    std::fs::write(data.join("key.pem"), key.serialize_pem()).unwrap();
    cert.der().clone()
}

fn config_with_tls(data: &Path) -> Config {
    let at = data.display();
    let server = format!("tls = {{ cert = \"{at}/cert.pem\", key = \"file:{at}/key.pem\" }}");
    config_of(data, &server, "")
}

async fn connect(
    proxy: &Running,
    trusted: &CertificateDer<'static>,
    protocols: &[&[u8]],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(proxy.address).await?;
    let name = ServerName::try_from(NAME).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

fn request() -> Request<Empty<Bytes>> {
    Request::get(format!("https://{NAME}/healthz")).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn both_protocols_are_spoken_encrypted() {
    let data = tempfile::tempdir().unwrap();
    let cert = write(data.path());
    let proxy = Running::start(config_with_tls(data.path())).await;
    let stream = connect(&proxy, &cert, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut send, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driven = tokio::spawn(connection);
    let answer = send.send_request(request()).await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, http::Version::HTTP_2));
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
    drop((send, answer));
    driven.await.unwrap().unwrap();

    let stream = connect(&proxy, &cert, &[b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let (mut send, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driven = tokio::spawn(connection);
    let request = Request::get("/healthz").header("host", NAME).body(Empty::<Bytes>::new());
    let answer = send.send_request(request.unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    drop((send, answer));
    driven.await.unwrap().unwrap();
    let plain = format!("http://{}/healthz", proxy.address).parse().unwrap();
    assert!(proxy.client.get(plain).await.is_err(), "nothing is said in the clear");
    proxy.stop().await;
}

#[tokio::test]
async fn http_2_is_spoken_in_the_clear_by_whoever_begins_with_it() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config_of(data.path(), "", "")).await;
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let (mut send, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driven = tokio::spawn(connection);
    let body = r#"{"model":"smart","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let mut answers = Vec::new();
    for _ in 0..8 {
        let request = Request::post(format!("http://{NAME}/v1/chat/completions"))
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        send.ready().await.unwrap();
        answers.push(tokio::spawn(send.send_request(request)));
    }
    for answer in answers {
        let answer = answer.await.unwrap().unwrap();
        assert_eq!(answer.version(), http::Version::HTTP_2);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains("[DONE]"));
    }
    drop(send);
    driven.await.unwrap().unwrap();
    proxy.stop().await;
}

#[tokio::test]
async fn a_new_certificate_is_shown_and_a_broken_one_is_not() {
    let data = tempfile::tempdir().unwrap();
    let first = write(data.path());
    let proxy = Running::start(config_with_tls(data.path())).await;
    assert!(connect(&proxy, &first, &[]).await.is_ok());
    // A key that belongs to nobody's certificate, and then no PEM at all.
    let stranger = KeyPair::generate().unwrap().serialize_pem();
    for broken in [stranger, "-----BEGIN NOTHING-----".to_owned()] {
        std::fs::write(data.path().join("key.pem"), broken).unwrap();
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert!(connect(&proxy, &first, &[]).await.is_ok(), "the old one stays");
    }
    let second = write(data.path());
    let shown = async {
        while connect(&proxy, &second, &[]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    assert!(tokio::time::timeout(SEEN_MAX, shown).await.is_ok(), "the new one is shown");
    assert!(connect(&proxy, &first, &[]).await.is_err());
    proxy.stop().await;
}

#[tokio::test]
async fn a_pair_that_does_not_fit_is_not_served() {
    let data = tempfile::tempdir().unwrap();
    write(data.path());
    let stranger = KeyPair::generate().unwrap().serialize_pem();
    std::fs::write(data.path().join("key.pem"), stranger).unwrap();
    let error = House::open(&config_with_tls(data.path())).await.unwrap_err();
    assert!(error.to_string().starts_with("server.tls: "), "{error}");
}
