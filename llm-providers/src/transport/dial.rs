//! How a connection comes about: a name is looked up, an address accepts, and encryption is agreed
//! on, all within one limit.

use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use llm_core::seam::{BoxFuture, TransportError, TransportPhase};
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tower::Service;

use super::names::Names;
use super::{Connections, KEEPALIVE, NoTransport};

/// What a connection is, encrypted or not.
pub(super) type Wire = MaybeHttpsStream<TokioIo<TcpStream>>;
pub(super) type Dialled<T> = BoxFuture<'static, Result<T, Box<dyn Error + Send + Sync>>>;

/// A connector with a limit on all of its work: the one of TCP ends with TCP, and a balancer whose
/// backend is gone accepts a connection and says nothing.
#[derive(Clone)]
pub(super) struct Dial {
    connector: HttpsConnector<HttpConnector<Names>>,
    within: Duration,
}

impl Dial {
    pub(super) fn new(connections: &Connections) -> Result<Self, NoTransport> {
        let mut tcp = HttpConnector::new_with_resolver(Names::new(connections.public_only));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_connect_timeout(Some(connections.connect));
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls(connections)?);
        let builder = builder.https_or_http();
        let connector = if connections.http2 {
            builder.enable_all_versions().wrap_connector(tcp)
        } else {
            builder.enable_http1().wrap_connector(tcp)
        };
        Ok(Self { connector, within: connections.connect })
    }
}

impl Service<http::Uri> for Dial {
    type Response = Wire;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Dialled<Wire>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, to: http::Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.within, self.connector.call(to));
        Box::pin(async move { connecting.await.map_err(|_| "nobody answered in time")? })
    }
}

fn tls(connections: &Connections) -> Result<rustls::ClientConfig, NoTransport> {
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for root in &connections.roots {
        roots
            .add(CertificateDer::from(root.clone()))
            .map_err(|e| NoTransport(format!("a certificate cannot be read: {e}")))?;
    }
    // Given by name: a process may have another provider installed, or none.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| NoTransport(e.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The causes of an error, without the address: it may have a key in its query.
pub(super) fn told(error: &(dyn Error + 'static)) -> String {
    const CAUSES_MAX: usize = 4;
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next.filter(|_| causes.len() < CAUSES_MAX) {
        causes.push(cause.to_string());
        next = cause.source();
    }
    if causes.is_empty() { error.to_string() } else { causes.join(": ") }
}

/// Nothing was sent.
pub(super) fn unsent(message: impl Into<String>) -> TransportError {
    TransportError { phase: TransportPhase::Connect, message: message.into() }
}
