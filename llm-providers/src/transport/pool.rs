//! Connections that wait for the next call.
//!
//! The one that was used last goes first, so that what a burst has opened grows old and is closed.
//! Deliberately absent: a limit on all connections, which are as many as there are calls, and calls
//! have limits of their own.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use foldhash::HashMap;
use http::uri::{Authority, Scheme};
use llm_core::seam::TransportError;
use parking_lot::Mutex;
use tokio::time::Instant;
use tower::ServiceExt;

use super::Connections;
use super::dial::{Dial, told, unsent};
use super::line::Line;

/// To whom.
pub(super) type Whom = (Scheme, Authority);

/// One that has rested for longer is looked at closely: whoever it leads to may have closed it, and
/// what is written into it then is lost. It costs a system call, which calls in a row are spared.
const FRESH: Duration = Duration::from_millis(100);

/// Connections, by whom they lead to, and where new ones come from.
pub(super) struct Pool {
    dial: Dial,
    hosts: Mutex<Hosts>,
    idle: Duration,
    idle_max: usize,
}

#[derive(Default)]
struct Hosts {
    resting: HashMap<Whom, VecDeque<Resting>>,
    /// A task is there that closes what has rested for too long.
    sweeping: bool,
}

struct Resting {
    line: Line,
    since: Instant,
}

impl Pool {
    pub(super) fn new(dial: Dial, connections: &Connections) -> Arc<Self> {
        let (idle, idle_max) = (connections.idle, connections.idle_max.max(1));
        Arc::new(Self { dial, hosts: Mutex::default(), idle, idle_max })
    }

    /// A new connection.
    pub(super) async fn dial(&self, to: &http::Uri) -> Result<Line, TransportError> {
        match self.dial.clone().oneshot(to.clone()).await {
            Ok(wire) => Ok(Line::new(wire)),
            Err(error) => Err(unsent(told(&*error))),
        }
    }

    /// A connection that is still open.
    pub(super) fn take(&self, whom: &Whom) -> Option<Line> {
        loop {
            let resting = self.hosts.lock().resting.get_mut(whom)?.pop_back()?;
            let Resting { mut line, since } = resting;
            let rested = since.elapsed();
            if rested < self.idle && line.is_quiet(rested >= FRESH) {
                return Some(line);
            }
        }
    }

    /// Takes a connection back on which nothing is under way.
    pub(super) fn give(self: &Arc<Self>, whom: Whom, mut line: Line) {
        if !line.buffer.is_empty() {
            return;
        }
        line.rest();
        let resting = Resting { line, since: Instant::now() };
        let mut hosts = self.hosts.lock();
        let lines = hosts.resting.entry(whom).or_default();
        lines.push_back(resting);
        // Closed after the lock is let go.
        let over = if lines.len() > self.idle_max { lines.pop_front() } else { None };
        let sweep = !std::mem::replace(&mut hosts.sweeping, true);
        drop(hosts);
        drop(over);
        if sweep {
            tokio::spawn(sweep_on(Arc::downgrade(self), self.idle));
        }
    }

    /// Closes what has rested for too long; says whether anything is left.
    fn sweep(&self) -> bool {
        let mut gone = Vec::new();
        let mut hosts = self.hosts.lock();
        for lines in hosts.resting.values_mut() {
            while lines.front().is_some_and(|resting| resting.since.elapsed() >= self.idle) {
                gone.extend(lines.pop_front());
            }
        }
        hosts.resting.retain(|_, lines| !lines.is_empty());
        hosts.sweeping = !hosts.resting.is_empty();
        let left = hosts.sweeping;
        drop(hosts);
        left
    }
}

/// Sweeps until nothing rests, or nobody has the pool any more.
async fn sweep_on(pool: Weak<Pool>, idle: Duration) {
    /// A pool that keeps nothing would be swept all the time.
    const PAUSE_MIN: Duration = Duration::from_millis(100);
    loop {
        tokio::time::sleep(idle.max(PAUSE_MIN)).await;
        if !pool.upgrade().is_some_and(|pool| pool.sweep()) {
            return;
        }
    }
}
