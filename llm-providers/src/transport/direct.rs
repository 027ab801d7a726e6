//! Straight to the host, with roots of our own and nothing of the machine's.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use llm_core::dialect::Chunks;
use llm_core::seam::{BoxFuture, Transport, TransportError, TransportPhase, WireBody};

use super::dial::{Dial, unsent};
use super::framing::{Framing, Taken};
use super::http2::Http2;
use super::line::{Fault, Line};
use super::names::is_public;
use super::pool::{Host, Pool};
use super::{Connections, NoTransport};
use crate::seam::Turn;

/// One client, with a pool of its own: cheap enough to make one for each vendor, which is also the
/// way to keep a slow vendor from holding the lock of a fast one's pool.
#[derive(Clone)]
pub struct DirectTransport {
    client: Client,
    public_only: bool,
}

#[derive(Clone)]
enum Client {
    Http1(Arc<Pool>),
    Http2(Box<Http2>),
}

impl DirectTransport {
    /// A client.
    pub fn new(connections: &Connections) -> Result<Self, NoTransport> {
        let (dial, public_only) = (Dial::new(connections)?, connections.public_only);
        let client = match connections.http2 {
            true => Client::Http2(Box::new(Http2::new(dial, connections))),
            false => Client::Http1(Pool::new(dial, connections)),
        };
        Ok(Self { client, public_only })
    }
}

impl Transport for DirectTransport {
    fn send(
        &self,
        request: http::Request<Chunks>,
    ) -> BoxFuture<'static, Result<http::Response<WireBody>, TransportError>> {
        if self.public_only && !may_be_public(request.uri()) {
            let error = unsent("not an address of the public Internet");
            return Box::pin(std::future::ready(Err(error)));
        }
        match &self.client {
            Client::Http1(pool) => {
                // Made where it stays, since it is large.
                let exchange = Box::write(Box::new_uninit(), exchange(Arc::clone(pool), request));
                Box::into_pin(exchange)
            }
            Client::Http2(client) => Box::pin(client.clone().send(request)),
        }
    }
}

/// An address that is written as numbers is never looked up, and so is looked at here.
fn may_be_public(uri: &http::Uri) -> bool {
    let written = uri.host().map(|host| host.trim_matches(['[', ']']));
    written.and_then(|host| host.parse().ok()).is_none_or(is_public)
}

/// Apart, so that it can be made in its box.
#[expect(clippy::manual_async_fn, reason = "an `async fn` would have the request twice")]
#[inline(never)]
fn exchange(
    pool: Arc<Pool>,
    request: http::Request<Chunks>,
) -> impl Future<Output = Result<http::Response<WireBody>, TransportError>> + Send {
    async move { exchanged(pool, &request).await }
}

async fn exchanged(
    pool: Arc<Pool>,
    request: &http::Request<Chunks>,
) -> Result<http::Response<WireBody>, TransportError> {
    // What has become ready at once is sent together: half of the system's time for a call can be to
    // wake a host for it alone. Before a connection is taken, so that none is held.
    let mut turn = Turn::default();
    poll_fn(|cx| turn.poll(cx)).await;
    let uri = request.uri();
    let Some(authority) = uri.authority() else { return Err(unsent("no host")) };
    let host = pool.host(uri, authority);
    let mut line = match pool.take(&host) {
        Some(line) => line,
        None => pool.dial(uri).await?,
    };
    let head = match line.exchange(request).await {
        // It was closed in the instant in which it was taken. A new one is open, or nobody is there.
        Err(Fault::Unsent(_)) => {
            line = pool.dial(uri).await?;
            line.exchange(request).await
        }
        other => other,
    };
    let head = head.map_err(|fault| fault.told())?;
    let mut arriving = Arriving { framing: head.framing, line: None, last: None };
    arriving.begin(line, head.keep.then_some((pool, host)));
    let mut response = http::Response::new(Box::pin(arriving) as WireBody);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    Ok(response)
}

impl Fault {
    fn told(self) -> TransportError {
        let (phase, message) = match self {
            Self::Unsent(error) => return unsent(error.to_string()),
            Self::Io(error) => (TransportPhase::Exchange, error.to_string()),
            Self::Wrong(wrong) => (TransportPhase::Exchange, wrong.0.to_owned()),
        };
        TransportError { phase, message }
    }
}

/// A body as it arrives. Whoever drops it before its end closes the connection.
struct Arriving {
    framing: Framing,
    line: Option<Open>,
    /// What is left of a body whose connection is somebody else's by now.
    last: Option<Bytes>,
}

struct Open {
    line: Line,
    /// Where the connection goes, if it is of further use.
    home: Option<(Arc<Pool>, Arc<Host>)>,
}

impl Arriving {
    /// What came with the head is taken at once: mostly that is all, and then the connection is free
    /// before the caller has its answer.
    fn begin(&mut self, mut line: Line, home: Option<(Arc<Pool>, Arc<Host>)>) {
        if let Ok(Taken::Data(data)) = self.framing.take(&mut line.buffer) {
            self.last = Some(data);
        }
        self.line = Some(Open { line, home });
        self.free();
    }

    /// Gives the connection back once nothing more is to come.
    fn free(&mut self) {
        if !self.framing.has_ended() {
            return;
        }
        if let Some(Open { line, home: Some((pool, host)) }) = self.line.take() {
            pool.give(&host, line);
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportError>>> {
        if let Some(data) = self.last.take() {
            return Poll::Ready(Some(Ok(data)));
        }
        let Some(Open { line, .. }) = &mut self.line else { return Poll::Ready(None) };
        loop {
            let taken = self.framing.take(&mut line.buffer).map_err(|wrong| wrong.0.to_owned());
            match taken {
                Ok(Taken::Data(data)) => {
                    self.free();
                    return Poll::Ready(Some(Ok(data)));
                }
                Ok(Taken::End) => {
                    self.free();
                    return Poll::Ready(None);
                }
                Ok(Taken::More) => {}
                Err(message) => return Poll::Ready(self.broke(message)),
            }
            match ready!(line.poll_read(cx)) {
                Ok(0) if self.framing == Framing::Close => {
                    self.line = None;
                    return Poll::Ready(None);
                }
                Ok(0) => return Poll::Ready(self.broke("closed before its end".to_owned())),
                Ok(_) => {}
                Err(error) => return Poll::Ready(self.broke(error.to_string())),
            }
        }
    }

    fn broke(&mut self, message: String) -> Option<Result<Bytes, TransportError>> {
        self.line = None;
        Some(Err(TransportError { phase: TransportPhase::Body, message }))
    }
}

impl Stream for Arriving {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_data(cx)
    }
}

impl fmt::Debug for DirectTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectTransport")
    }
}
