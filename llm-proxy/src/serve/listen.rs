//! Connections: how many, for how long, and how they end.
//!
//! The actors are the *listener* (accepts, and knows when it is enough), its *seats* (one for each
//! connection: what was asked on it and what is still being answered), the *crowd* (how many one
//! address has), [`paced`] sockets (nobody's answer waits for ever for a client that does not read), whose
//! connections write in [`turns`] (who is ready at once is woken once),
//! [`tls`] and the [`handover`] from one process to the next.
//!
//! A connection ends by itself, or when nobody asks anything on it, or when the process does. At the
//! process's end one that is kept alive is not closed under whoever is about to ask: the next
//! answer says that it was the last one, and only who stays silent is left.

mod crowd;
pub(crate) mod handover;
pub(crate) mod metrics;
mod paced;
mod seat;
pub(crate) mod tls;
mod turns;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::house::House;
use crowd::Crowd;
use seat::{Arrived, Word};

/// Connections at once. Beyond it nobody is accepted, and the system's own queue holds them.
const CONNECTIONS_MAX: u32 = 32_768;
/// A client that has not asked anything in this time is no client: its first head is whole by then,
/// and its handshake before.
const FIRST_HEAD_MAX: Duration = Duration::from_secs(15);
/// A head is smaller than this, cookies and all.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// Calls of one connection of HTTP/2.
const STREAMS_MAX: u32 = 1_024;
/// An HTTP/2 connection whose other end is gone is found within this and the next one.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_MAX: Duration = Duration::from_secs(20);
/// Accepting fails when files run out; a moment later some have been closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Who has connected to a process that ends is in the queue by then: it takes a round trip.
const LATE_MAX: Duration = Duration::from_millis(500);
/// Where nobody is sent elsewhere, whoever is in the queue already is told to us by then.
const QUEUE_MAX: Duration = Duration::from_millis(20);

/// Serves until `stop`, and then until the last call has ended, or its time is up. `true` when
/// nobody was cut off.
pub(crate) async fn serve(
    listener: TcpListener,
    house: Arc<House>,
    stop: impl Future<Output = ()>,
) -> bool {
    let (word, heard) = watch::channel(Word::Serve);
    let door = Door::new(Arc::clone(&house), heard);
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            () = door.admit(&listener) => {}
        }
    }
    // Said before the door closes, so that whoever balances load knows.
    house.drain();
    word.send_replace(Word::Leave);
    door.close(listener).await;
    tokio::select! {
        all = door.places.acquire_many(CONNECTIONS_MAX) => all.is_ok(),
        () = house.clock.sleep(house.drain_max) => {
            let left = CONNECTIONS_MAX as usize - door.places.available_permits();
            tracing::warn!(connections = left, "calls were cut off that had not ended in time");
            false
        }
    }
}

/// Where connections come in.
struct Door {
    house: Arc<House>,
    builder: auto::Builder<TokioExecutor>,
    places: Arc<Semaphore>,
    crowd: Crowd,
    heard: watch::Receiver<Word>,
}

impl Door {
    fn new(house: Arc<House>, heard: watch::Receiver<Word>) -> Self {
        let edge = &house.web.edge;
        let (builder, crowd) = (builder(), Crowd::new(edge.connections_per_address));
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
        Self { house, builder, places, crowd, heard }
    }

    /// Lets one in.
    async fn admit(&self, listener: &TcpListener) {
        let (stream, peer, place) = match self.accept(listener).await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "no connection was accepted");
                return self.house.clock.sleep(ACCEPT_PAUSE).await;
            }
        };
        // Who has too many is not told: that would cost more than it is worth.
        let Some(within) = self.crowd.enter(peer.ip()) else { return };
        // Tokens are small; Nagle would glue them together.
        let _ = stream.set_nodelay(true);
        let (house, heard) = (Arc::clone(&self.house), self.heard.clone());
        let arrived = Arrived { stream, peer, heard, place: (within, place) };
        seat::serve(house, &self.builder, arrived);
    }

    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer) = listener.accept().await?;
        Ok((stream, peer, place))
    }

    /// Stops listening. Whoever has connected is served: closing a socket resets everyone in its
    /// queue. Where another process listens at the same address, new ones are sent there first.
    async fn close(&self, listener: TcpListener) {
        let hushed = self.house.web.edge.reuse_port && handover::hush(&listener);
        let quiet = if hushed { LATE_MAX } else { QUEUE_MAX };
        let mut end = self.house.clock.sleep(LATE_MAX);
        loop {
            tokio::select! {
                biased;
                () = &mut end => return,
                () = self.admit(&listener) => {}
                () = self.house.clock.sleep(quiet) => return,
            }
        }
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // A seat knows how long nothing was asked, without a timer for each request.
        .header_read_timeout(None)
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
