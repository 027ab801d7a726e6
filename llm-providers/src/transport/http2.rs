//! hyper's client, where connections may be of HTTP/2: its frames, windows and settings are nothing to
//! write twice.

use std::error::Error as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use llm_core::dialect::Chunks;
use llm_core::seam::{TransportError, TransportPhase, WireBody};

use super::chunks::ChunkBody;
use super::dial::{Dial, told};
use super::framing::HEAD_BYTES_MAX;
use super::{Connections, KEEPALIVE};

/// A client with its pool.
#[derive(Clone)]
pub(super) struct Http2 {
    client: Client<Dial, ChunkBody>,
}

impl Http2 {
    pub(super) fn new(dial: Dial, connections: &Connections) -> Self {
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
            .build(dial);
        Self { client }
    }

    pub(super) async fn send(
        self,
        request: http::Request<Chunks>,
    ) -> Result<http::Response<WireBody>, TransportError> {
        let sent = self.client.request(request.map(ChunkBody::new));
        let response = sent.await.map_err(|error| broken(&error))?;
        Ok(response.map(|body| Box::pin(Arriving(body)) as WireBody))
    }
}

/// What a failure says of how far the exchange had come. A connection that the pool had and that
/// was closed before anything was written counts as none: nothing has arrived.
fn broken(error: &ClientError) -> TransportError {
    let inner = error.source().and_then(|e| e.downcast_ref::<hyper::Error>());
    let unsent = error.is_connect() || inner.is_some_and(hyper::Error::is_canceled);
    let phase = if unsent { TransportPhase::Connect } else { TransportPhase::Exchange };
    TransportError { phase, message: told(error) }
}

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
