//! Connections: how many, for how long, and how they end.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::door;
use super::house::House;

/// Connections at once. Beyond it nobody is accepted, and the system's own queue holds them.
const CONNECTIONS_MAX: usize = 16_384;
/// A client that does not finish its head in this time is no client.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// A head is smaller than this, cookies and all.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// Calls of one connection of HTTP/2.
const STREAMS_MAX: u32 = 1_024;
/// An HTTP/2 connection whose other end is gone is found within this and the next one.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_MAX: Duration = Duration::from_secs(20);
/// Accepting fails when files run out; a moment later some have been closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What calls under way may take when the process ends.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// Serves until `stop`, and then until the last call has ended, or its time is up. `true` when
/// nobody was cut off.
pub(crate) async fn serve(
    listener: TcpListener,
    house: Arc<House>,
    stop: impl Future<Output = ()>,
) -> bool {
    let builder = builder();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "no connection was accepted");
                house.clock.sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Tokens are small; Nagle would glue them together.
        let _ = stream.set_nodelay(true);
        let house = Arc::clone(&house);
        let service = service_fn(move |request| door::answer(Arc::clone(&house), request));
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // How a connection ends is the client's affair.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    house.drain();
    tokio::select! {
        () = graceful.shutdown() => true,
        () = house.clock.sleep(DRAIN_MAX) => false,
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX as u32)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_MAX);
    builder
}
