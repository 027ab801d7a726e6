//! Connections that wait for the next call.
//!
//! The one that was used last goes first, so that what a burst has opened grows old and is closed.
//! Deliberately absent: a limit on all connections, which are as many as there are calls, and calls
//! have limits of their own.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use foldhash::HashMap;
use http::Uri;
use http::uri::{Authority, Scheme};
use llm_core::seam::{Clock as _, TransportError};
use parking_lot::Mutex;
use tower::ServiceExt;

use super::Connections;
use super::dial::{Dial, told, unsent};
use super::line::Line;
use crate::seam::SystemClock;

/// One that has rested for longer is looked at closely: whoever it leads to may have closed it, and
/// what is written into it then is lost. It costs a system call, which calls in a row are spared.
const FRESH: Duration = Duration::from_millis(100);

/// Connections, by whom they lead to, and where new ones come from.
pub(super) struct Pool {
    dial: Dial,
    hosts: Mutex<Hosts>,
    idle: Duration,
    idle_max: usize,
    /// A task is there that closes what has rested for too long.
    sweeping: AtomicBool,
}

/// By their names as they are written, those that are reached sealed apart from those that are not. A
/// name in capitals is another one: nobody writes one host in two ways.
#[derive(Default)]
struct Hosts {
    open: HashMap<Box<str>, Arc<Host>>,
    sealed: HashMap<Box<str>, Arc<Host>>,
}

/// Those that lead to one host. Whoever has taken one knows where it goes back to.
#[derive(Default)]
pub(super) struct Host {
    resting: Mutex<VecDeque<Resting>>,
}

struct Resting {
    line: Line,
    since: Instant,
}

impl Hosts {
    fn reached(&mut self, uri: &Uri) -> &mut HashMap<Box<str>, Arc<Host>> {
        match uri.scheme() == Some(&Scheme::HTTPS) {
            true => &mut self.sealed,
            false => &mut self.open,
        }
    }
}

impl Pool {
    pub(super) fn new(dial: Dial, connections: &Connections) -> Arc<Self> {
        let (idle, idle_max) = (connections.idle, connections.idle_max.max(1));
        let (hosts, sweeping) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { dial, hosts, idle, idle_max, sweeping })
    }

    /// A new connection.
    pub(super) async fn dial(&self, to: &Uri) -> Result<Line, TransportError> {
        match self.dial.clone().oneshot(to.clone()).await {
            Ok(wire) => Ok(Line::new(wire)),
            Err(error) => Err(unsent(told(&*error))),
        }
    }

    /// Where connections to whoever is asked there rest.
    pub(super) fn host(&self, uri: &Uri, authority: &Authority) -> Arc<Host> {
        let mut hosts = self.hosts.lock();
        let hosts = hosts.reached(uri);
        match hosts.get(authority.as_str()) {
            Some(host) => Arc::clone(host),
            None => Arc::clone(hosts.entry(authority.as_str().into()).or_default()),
        }
    }

    /// A connection that is still open.
    pub(super) fn take(&self, host: &Host) -> Option<Line> {
        loop {
            let Resting { mut line, since } = host.resting.lock().pop_back()?;
            let rested = SystemClock.now().saturating_duration_since(since);
            if rested < self.idle && line.is_quiet(rested >= FRESH) {
                return Some(line);
            }
        }
    }

    /// Takes a connection back on which nothing is under way.
    pub(super) fn give(self: &Arc<Self>, host: &Host, mut line: Line) {
        if !line.buffer.is_empty() {
            return;
        }
        line.rest();
        let resting = Resting { line, since: SystemClock.now() };
        let mut lines = host.resting.lock();
        lines.push_back(resting);
        // Closed after the lock is let go.
        let over = if lines.len() > self.idle_max { lines.pop_front() } else { None };
        drop(lines);
        drop(over);
        if !self.sweeping.load(Ordering::Relaxed) && !self.sweeping.swap(true, Ordering::AcqRel) {
            tokio::spawn(sweep_on(Arc::downgrade(self), self.idle));
        }
    }

    /// Closes what has rested for too long; says whether anything is left.
    fn sweep(&self) -> bool {
        // Said before anything is looked at: what comes to rest meanwhile is swept by the next one.
        self.sweeping.store(false, Ordering::Release);
        let (mut gone, now) = (Vec::new(), SystemClock.now());
        let mut hosts = self.hosts.lock();
        let Hosts { open, sealed } = &mut *hosts;
        for host in open.values().chain(sealed.values()) {
            let mut lines = host.resting.lock();
            let old = |resting: &Resting| now.saturating_duration_since(resting.since) >= self.idle;
            while lines.front().is_some_and(old) {
                gone.extend(lines.pop_front());
            }
        }
        for hosts in [open, sealed] {
            // Where one is away that will come back, there must be a place for it.
            hosts.retain(|_, host| Arc::strong_count(host) > 1 || !host.resting.lock().is_empty());
        }
        let left = !hosts.open.is_empty() || !hosts.sealed.is_empty();
        drop(hosts);
        left && !self.sweeping.swap(true, Ordering::AcqRel)
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
