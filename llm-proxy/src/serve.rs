//! The proxy: HTTP in front of the gateway.
//!
//! The actors are the *house* (everything a running proxy has, opened and closed in one order), the
//! *listener* (connections, and how they end), the *door* (which request is whose) and behind it
//! calls of models, operators' questions, health and metrics. Deliberately absent: any rule of the
//! pipeline. A call is made of a request's bytes here, and an answer's bytes of a reply; what
//! happens between is the library's.

mod admin;
mod app;
pub(crate) mod apps;
mod batches;
mod bearer;
mod body;
mod call;
mod checks;
mod controls;
mod credits;
mod depot;
mod door;
mod estimate;
mod events;
mod files;
pub(crate) mod first;
mod heads;
mod health;
mod house;
mod idempotency;
mod inbound;
mod keys;
mod listen;
mod mock;
mod models;
mod office;
mod pages;
mod passthrough;
pub(crate) mod reload;
mod responses;
mod routes;
mod scrape;
mod seal;
mod shared;
pub(crate) mod store;
pub(crate) mod telemetry;
mod token;
mod tongue;
mod upkeep;
mod upload;
pub(crate) mod vendors;
mod watch;
mod web;
mod webhooks;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use first::Made;
use house::House;
use listen::handover;
use reload::source::Source;
use store::NotOpened;

use crate::config::Config;

/// How often it is looked whether anything can be served at all.
const BROKEN_EVERY: Duration = Duration::from_millis(500);

/// Why the proxy does not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotServed {
    /// Something that it needs was not opened.
    #[error(transparent)]
    NotOpened(#[from] NotOpened),
    /// Nobody can be heard there.
    #[error("cannot listen at {address}: {error}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The journal has failed for good, and calls under way have ended.
    #[error("the journal of holds cannot be written any more: a new start reads what is there")]
    Broken,
    /// Nobody would hear the signal to end.
    #[error("signals cannot be heard: {0}")]
    Signals(io::Error),
}

/// Serves until a signal says that it is enough, and then until the last call has ended.
/// `ready` is told where, once calls are answered, and the keys that were made just now.
pub(crate) async fn run(
    config: &Config,
    source: Source,
    ready: impl FnOnce(SocketAddr, &Made),
) -> Result<(), NotServed> {
    let reuse_port = config.server.edge.reuse_port;
    let bind = |address| {
        let bound = handover::bind(address, reuse_port);
        bound.map_err(|error| NotServed::Listen { address, error })
    };
    let wanted = config.server.listen;
    let bind_all = || {
        let metrics = config.server.metrics_listen.map(bind).transpose()?;
        Ok::<_, NotServed>((bind(wanted)?, metrics))
    };
    // First of all: a second process at the same address must not take the journal of the first.
    // Where two may share it the last of all: whoever is sent here must be served.
    let early = if reuse_port { None } else { Some(bind_all()?) };
    // Before anything takes long: unheard, this signal ends the process.
    let hangup = signal(SignalKind::hangup()).map_err(NotServed::Signals)?;
    let house = Arc::new(House::open(config).await?);
    let (listener, metrics) = match early {
        Some(bound) => bound,
        None => bind_all()?,
    };
    let address = listener.local_addr();
    let address = address.map_err(|error| NotServed::Listen { address: wanted, error })?;
    house.begin();
    let stop = signals().map_err(NotServed::Signals)?;
    attend(&house, source, hangup);
    let metrics = metrics.map(|at| tokio::spawn(listen::metrics::serve(at, Arc::clone(&house))));
    ready(address, &house.made);
    let stop = async {
        tokio::select! {
            () = stop => {}
            () = broken(&house) => {}
        }
    };
    listen::serve(listener, Arc::clone(&house), stop).await;
    // To the last call, so that whoever counts sees them all.
    if let Some(metrics) = metrics {
        metrics.abort();
    }
    if let Err(error) = house.close().await {
        tracing::warn!(%error, "the store was left behind");
    }
    if is_broken(&house) { Err(NotServed::Broken) } else { Ok(()) }
}

/// Returns when no call can be served any more, whatever becomes of the disk: a process that lives
/// and serves nobody would never be started again.
async fn broken(house: &House) {
    while !is_broken(house) {
        house.clock.sleep(BROKEN_EVERY).await;
    }
    tracing::error!("the journal of holds has failed for good: the process ends");
}

fn is_broken(house: &House) -> bool {
    house.store.state().is_some_and(|state| state.broken)
}

/// What goes on beside calls, until the runtime ends.
fn attend(house: &Arc<House>, source: Source, hangup: Signal) {
    let late = source.take_late();
    house.board.attend(source);
    tokio::spawn(reload::watch::watch(Arc::clone(house), hangup));
    tokio::spawn(vendors::watch(Arc::clone(house)));
    tokio::spawn(vendors::trial::at_start(Arc::clone(house)));
    if let Some(late) = late {
        tokio::spawn(vendors::ollama::late(Arc::clone(house), late));
    }
}

/// Whoever asks the process to end.
fn signals() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests;
