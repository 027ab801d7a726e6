//! reqwest's client: the host's proxies and roots, which people who embed a library expect.

use bytes::Bytes;
use futures_util::StreamExt;
use llm_core::dialect::Chunks;
use llm_core::seam::{BoxFuture, Transport, TransportError, TransportPhase, WireBody};

use super::{Connections, NoTransport};

/// A client.
#[derive(Clone, Debug)]
pub struct ReqwestTransport {
    client: reqwest::Client,
}

impl ReqwestTransport {
    /// A client with the host's settings. Fails on a host without certificates of authorities;
    /// [`DirectTransport`](super::DirectTransport) brings its own.
    pub fn new(connections: &Connections) -> Result<Self, NoTransport> {
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(connections.connect)
            .pool_idle_timeout(connections.idle)
            .pool_max_idle_per_host(connections.idle_max.max(1))
            .tcp_nodelay(true);
        if !connections.http2 {
            builder = builder.http1_only();
        }
        let mut roots = Vec::with_capacity(connections.roots.len());
        for root in &connections.roots {
            let root = reqwest::Certificate::from_der(root);
            roots.push(root.map_err(|e| NoTransport(format!("a certificate: {e}")))?);
        }
        let client = builder.tls_certs_merge(roots).build();
        Ok(Self { client: client.map_err(|e| NoTransport(e.to_string()))? })
    }
}

impl Transport for ReqwestTransport {
    fn send(
        &self,
        request: http::Request<Chunks>,
    ) -> BoxFuture<'static, Result<http::Response<WireBody>, TransportError>> {
        let client = self.client.clone();
        Box::pin(async move {
            let request = request.map(|chunks| match <[Bytes; 1]>::try_from(chunks.to_vec()) {
                Ok([one]) => reqwest::Body::from(one),
                // Its bodies are one buffer or a stream without a length; providers want a length.
                Err(many) => reqwest::Body::from(many.concat()),
            });
            let request = reqwest::Request::try_from(request)
                .map_err(|e| error(TransportPhase::Connect, e))?;
            let response = client.execute(request).await.map_err(|e| {
                let phase =
                    if e.is_connect() { TransportPhase::Connect } else { TransportPhase::Exchange };
                error(phase, e)
            })?;
            let response = http::Response::<reqwest::Body>::from(response);
            let (parts, body) = response.into_parts();
            let stream = http_body_util::BodyDataStream::new(body);
            let stream = stream.map(|b| b.map_err(|e| error(TransportPhase::Body, e)));
            Ok(http::Response::from_parts(parts, Box::pin(stream) as WireBody))
        })
    }
}

/// Its errors name the address, and an address may have a key in it.
fn error(phase: TransportPhase, error: reqwest::Error) -> TransportError {
    TransportError { phase, message: error.without_url().to_string() }
}
