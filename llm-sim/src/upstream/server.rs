//! One vendor on a TCP port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::exchange::{exchange, usual};
use super::play::{Interrupted, Line, Play, Step};
use super::refusal::{Problem, Refusal};
use super::socket::Socket;
use super::{BODY_BYTES_MAX, Request, Upstream};

/// A client that does not finish its head in this time is no client.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// So many connections at once; a stream test of a gateway opens 9,000 towards its upstreams.
const CONNECTIONS_MAX: usize = 16_384;
/// Accepting fails when files run out; a moment later some have been closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running vendor.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Listens, and serves until it is stopped or dropped.
    pub(crate) async fn start(upstream: Arc<Upstream>, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&upstream), stopped));
        Ok(Self { upstream, address, stop, accepting })
    }

    /// Stops listening and cuts what still runs.
    pub(crate) async fn stop(self) {
        // Nobody listening means that the task is gone already.
        let _ = self.stop.send(true);
        let _ = self.accepting.await;
    }
}

async fn accept(listener: TcpListener, upstream: Arc<Upstream>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            _ = stop.changed() => return,
        };
        let (upstream, mut stop) = (Arc::clone(&upstream), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = serve(stream, upstream) => {}
                _ = stop.changed() => {}
            }
            drop(place);
        });
    }
}

async fn serve(stream: TcpStream, upstream: Arc<Upstream>) {
    // Tokens are small; Nagle would glue them together and hide every delay a script asks for.
    let _ = stream.set_nodelay(true);
    let line = Line::default();
    let socket = Socket::new(stream, line.clone());
    let service = service_fn(move |request| {
        let (upstream, line) = (Arc::clone(&upstream), line.clone());
        async move { answer(upstream, request, line).await }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder.http2().timer(TokioTimer::new());
    // How a connection ends is the client's affair, or the script's.
    let _ = builder.serve_connection(TokioIo::new(socket), service).await;
}

async fn answer(
    upstream: Arc<Upstream>,
    request: hyper::Request<Incoming>,
    line: Line,
) -> Result<hyper::Response<Play>, Interrupted> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Ok(too_large(&upstream, line)),
        // The caller left in the middle of its own request.
        Err(_) => return Err(Interrupted),
    };
    let request = Request { method: parts.method, path, headers: parts.headers, body };
    exchange(&upstream, request, line).await
}

fn too_large(upstream: &Upstream, line: Line) -> hyper::Response<Play> {
    let refusal = Refusal::new(Problem::TooLarge, "Request exceeds the maximum size");
    let response: http::Response<Bytes> = refusal.response(usual(upstream.vendor()));
    response.map(|body| Play::new(vec![Step::Send(body)], line, None))
}
