//! hyper's client, with roots of its own and nothing of the host's.

use std::error::Error as _;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http_body::Body;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use llm_core::dialect::Chunks;
use llm_core::seam::{BoxFuture, Transport, TransportError, TransportPhase, WireBody};
use rustls::pki_types::CertificateDer;
use tower::Service;

use super::Connections;
use super::chunks::ChunkBody;
use super::names::{Names, is_public};

/// One client, with a pool of its own: cheap enough to make one for each vendor, which is also the
/// way to keep a slow vendor from holding the lock of a fast one's pool.
#[derive(Clone)]
pub struct HyperTransport {
    client: Client<Within<HttpsConnector<HttpConnector<Names>>>, ChunkBody>,
    public_only: bool,
}

/// A transport could not be made.
#[derive(Debug, thiserror::Error)]
#[error("no transport: {0}")]
pub struct NoTransport(pub String);

/// What a head may hold. Providers send a few kilobytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
const KEEPALIVE: Duration = Duration::from_secs(30);

impl HyperTransport {
    /// A client.
    pub fn new(connections: &Connections) -> Result<Self, NoTransport> {
        let public_only = connections.public_only;
        let mut tcp = HttpConnector::new_with_resolver(Names::new(public_only));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_connect_timeout(Some(connections.connect));
        let within = connections.connect;
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls(connections)?);
        let builder = builder.https_or_http();
        let connector = if connections.http2 {
            builder.enable_all_versions().wrap_connector(tcp)
        } else {
            builder.enable_http1().wrap_connector(tcp)
        };
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            // Without a timer of its own the pool never closes what is idle.
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(connections.idle)
            .pool_max_idle_per_host(connections.idle_max.max(1))
            // A pooled connection that closed before a byte was written: nothing was sent, and so
            // it is no repetition. All others are counted where they are decided.
            .retry_canceled_requests(true)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .http2_max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .http2_keep_alive_interval(KEEPALIVE)
            .build(Within { connector, within });
        Ok(Self { client, public_only })
    }
}

/// A connector with a limit on all of its work: the one of TCP ends with TCP, and a balancer whose
/// backend is gone accepts a connection and says nothing.
#[derive(Clone)]
struct Within<C> {
    connector: C,
    within: Duration,
}

type Connected<T> = BoxFuture<'static, Result<T, Box<dyn std::error::Error + Send + Sync>>>;

impl<C> Service<http::Uri> for Within<C>
where
    C: Service<http::Uri, Error = Box<dyn std::error::Error + Send + Sync>>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = C::Error;
    type Future = Connected<C::Response>;

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

impl Transport for HyperTransport {
    fn send(
        &self,
        request: http::Request<Chunks>,
    ) -> BoxFuture<'static, Result<http::Response<WireBody>, TransportError>> {
        if self.public_only && !may_be_public(request.uri()) {
            let message = "not an address of the public Internet".to_owned();
            let error = TransportError { phase: TransportPhase::Connect, message };
            return Box::pin(std::future::ready(Err(error)));
        }
        let sent = self.client.request(request.map(ChunkBody::new));
        Box::pin(async move {
            let response = sent.await.map_err(|error| broken(&error))?;
            Ok(response.map(|body| Box::pin(Arriving(body)) as WireBody))
        })
    }
}

/// An address that is written as numbers is never looked up, and so is looked at here.
fn may_be_public(uri: &http::Uri) -> bool {
    let written = uri.host().map(|host| host.trim_matches(['[', ']']));
    written.and_then(|host| host.parse().ok()).is_none_or(is_public)
}

/// What a failure says of how far the exchange had come. A connection that the pool had and that
/// was closed before anything was written counts as none: nothing has arrived.
fn broken(error: &ClientError) -> TransportError {
    let inner = error.source().and_then(|e| e.downcast_ref::<hyper::Error>());
    let unsent = error.is_connect() || inner.is_some_and(hyper::Error::is_canceled);
    let phase = if unsent { TransportPhase::Connect } else { TransportPhase::Exchange };
    TransportError { phase, message: told(error) }
}

/// The causes, without the address: it may have a key in its query.
fn told(error: &dyn std::error::Error) -> String {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next.filter(|_| causes.len() < CAUSES_MAX) {
        causes.push(cause.to_string());
        next = cause.source();
    }
    if causes.is_empty() { error.to_string() } else { causes.join(": ") }
}

const CAUSES_MAX: usize = 4;

/// A response as it arrives.
struct Arriving(Incoming);

impl Stream for Arriving {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(frame)) => {
                    // Trailers say nothing that anyone here reads.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => {
                    let message = told(&error);
                    let phase = TransportPhase::Body;
                    return Poll::Ready(Some(Err(TransportError { phase, message })));
                }
            }
        }
    }
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HyperTransport")
    }
}
