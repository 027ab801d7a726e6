//! Certificates: those of a trusted authority, and all others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use llm_core::dialect::Chunks;
use llm_core::seam::{Transport, TransportPhase};
use llm_providers::transport::Connections;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { issuer: Issuer::new(params, key), der }
    }

    /// A server whose certificate is for that name and ends in that year.
    async fn server(&self, name: &str, until: i32) -> SocketAddr {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let chain = vec![CertificateDer::from(cert.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let Ok(mut tls) = acceptor.accept(socket).await else { continue };
                let mut request = [0u8; 1024];
                if tls.read(&mut request).await.is_ok() {
                    let answer =
                        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    let _ = tls.write_all(answer).await;
                    let _ = tls.shutdown().await;
                }
            }
        });
        at
    }
}

pub(crate) async fn run(make: fn(&Connections) -> Option<Arc<dyn Transport>>) {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let connections = Connections { roots: vec![ours.der.clone()], ..Connections::default() };
    let Some(transport) = make(&connections) else { return };
    let cases = [
        ("trusted", ours.server("localhost", 2100).await, true),
        ("of a strange authority", theirs.server("localhost", 2100).await, false),
        ("expired", ours.server("localhost", 2021).await, false),
        ("for another name", ours.server("elsewhere.example", 2100).await, false),
    ];
    for (what, at, good) in cases {
        let uri = format!("https://localhost:{}/", at.port());
        let mut request = http::Request::new(Chunks::new());
        *request.uri_mut() = uri.parse().unwrap();
        let sent = tokio::time::timeout(Duration::from_secs(10), transport.send(request));
        match sent.await.unwrap() {
            Ok(response) => assert!(good && response.status() == 200, "{what}"),
            Err(error) => {
                assert!(!good, "{what}: {error}");
                // Nothing was sent: no key has left the house.
                assert_eq!(error.phase, TransportPhase::Connect, "{what}: {error}");
            }
        }
    }
}
