//! A life and a death: work, an end at some instant, a new start, the audit. Whatever happens at
//! whichever instant, no account is over its limit, what was finished is in the ledger once, and what
//! the upstream was asked is in it too. `KILL_CYCLES` asks for more than a usual run, and `KILL_FIRST`
//! for those behind so many.

mod audit;
mod crowd;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use llm_sim::Simulator;
use llm_sim::upstream::{Upstream, Vendor};
use serde_json::Value;

use self::crowd::{Crowd, Seen};
use crate::books::Books;
use crate::client::{admin, get};
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};
use crate::server::Server;

/// Cycles of a usual run, on each store.
const CYCLES: u64 = 16;
/// Cycles in one world. Each audit looks at all that there ever was: in a world without end cycles
/// would take ever longer.
const WORLD: u64 = 50;
/// Where a process may be ended: each is a line that is written, or not, or a step that the store
/// has taken, or not.
const POINTS: [&str; 11] = [
    "reserve.before",
    "reserve.written",
    "sent.written",
    "settle.before",
    "settle.written",
    "lease.before",
    "lease.granted",
    "fold.before",
    "fold.done",
    "start.before",
    "start.written",
];
/// A key with more than it can use, one that is soon exhausted, and one whose answers are kept.
pub(crate) const KEYS: [Key; 3] = [
    Key { name: "rich", key: "sk-kill-rich-0123456789abcdef0123456789", limit: "$1000/month" },
    Key { name: "poor", key: "sk-kill-poor-0123456789abcdef0123456789", limit: "$0.02/month" },
    Key { name: "kept", key: "sk-kill-kept-0123456789abcdef0123456789", limit: "$1000/month" },
];
/// How long the work goes on, by turns.
const LIVES: [u64; 5] = [60, 150, 300, 600, 1_000];
/// Whoever calls knows by then that nobody is there.
const GONE_MAX: Duration = Duration::from_secs(10);
/// Everything that has ended is in the store by then.
const QUIET_MAX: Duration = Duration::from_secs(10);
/// What a start may work until it answers: what it takes where nothing else is done.
const READY_WANTED: Duration = Duration::from_secs(2);

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How one life ends.
fn end(cycle: u64) -> (Option<String>, Duration) {
    let life = Duration::from_millis(LIVES[usize::try_from(cycle).unwrap() % LIVES.len()]);
    // By turns: at an instant that nobody chose, and at each named point.
    if cycle.is_multiple_of(2) {
        return (None, life);
    }
    let turn = usize::try_from(cycle / 2).unwrap();
    let times = 1 + turn / POINTS.len() * 7 % 40;
    (Some(format!("{}:{times}", POINTS[turn % POINTS.len()])), Duration::from_secs(2))
}

struct World {
    place: Place,
    simulator: Simulator,
    upstream: Arc<Upstream>,
    seen: Vec<Seen>,
    asked: Vec<String>,
    sum: Sum,
}

/// What there was, over all worlds.
#[derive(Clone, Debug, Default)]
struct Sum {
    cycles: u64,
    calls: usize,
    finished: usize,
    refused: usize,
    cached: usize,
    asked: usize,
    interrupted: usize,
    crashed: usize,
    starts: Vec<Duration>,
    worked: Vec<Duration>,
}

impl World {
    async fn new(folder: tempfile::TempDir, url: String, sum: Sum) -> Self {
        let simulator = simulator().await;
        let upstream = Arc::clone(simulator.upstream(Vendor::OpenAi).unwrap());
        let upstream_at = simulator.base_url(Vendor::OpenAi);
        let place = Place { keys: KEYS.to_vec(), ..Place::new(folder, url, upstream_at) };
        Self { place, simulator, upstream, seen: Vec::new(), asked: Vec::new(), sum }
    }

    async fn cycle(&mut self, number: u64) {
        let (point, life) = end(number);
        let crowd = Crowd::new(number);
        // A point of the start itself ends it before it listens.
        if let Ok(mut proxy) = Proxy::start(&self.place, point.as_deref()) {
            let calls = crowd.call(proxy.address);
            let mut calls = std::pin::pin!(calls);
            let ended = tokio::time::timeout(life, &mut calls).await.is_ok();
            self.sum.crashed += usize::from(proxy.has_ended());
            proxy.kill();
            if !ended {
                // Seen once in two thousand cycles, and not understood: no socket was open any more.
                let gone = tokio::time::timeout(GONE_MAX, calls).await;
                assert!(gone.is_ok(), "cycle {number}: nobody is there, and callers wait");
            }
        } else {
            self.sum.crashed += 1;
        }
        self.seen.extend(crowd.seen());
        self.remember();
        self.audit(number).await;
    }

    /// What the upstream was asked; its own memory has an end.
    fn remember(&mut self) {
        let records = self.upstream.requests();
        for record in records.iter().filter(|r| r.accepted == Some(true)) {
            let body: Value = serde_json::from_str(&record.body).unwrap();
            self.asked.push(body["messages"][0]["content"].as_str().unwrap().to_owned());
        }
        self.upstream.reset();
    }

    async fn audit(&mut self, cycle: u64) {
        // Before anybody is there to mend it.
        if !self.sum.cycles.is_multiple_of(WORLD) {
            Books::read(&self.place.store).await.within_limits();
        }
        let proxy = Proxy::start(&self.place, None);
        let proxy = proxy.unwrap_or_else(|said| panic!("cycle {cycle}: no start: {said}"));
        self.sum.starts.push(proxy.ready_after);
        self.sum.worked.push(proxy.worked());
        quiet(proxy.address).await;
        let books = Books::read(&self.place.store).await;
        books.within_limits();
        books.adds_up();
        audit::knows(&books, &self.seen);
        audit::covers(&books, &self.seen, &self.asked);
        let verified = admin(proxy.address, "/admin/ledger/verify").await;
        assert_eq!(verified["ok"], true, "cycle {cycle}: {verified}\n{}", proxy.said());
        assert_eq!(verified["holds_open"], 0, "cycle {cycle}: {verified}");
        for one in admin(proxy.address, "/admin/ledger/interrupted").await.as_array().unwrap() {
            self.sum.interrupted += 1;
            // Nothing was sent: nothing is owed. Something was: what is known, and the prompt at the
            // least.
            let charged = one["charged_nanos"].as_i64().unwrap();
            let known = one["sent_nanos"].as_i64().max(one["watermark_nanos"].as_i64());
            assert_eq!(charged, known.unwrap_or(0), "cycle {cycle}: {one}");
            assert_eq!(!one["sent_nanos"].is_null(), charged > 0, "cycle {cycle}: {one}");
            let hold = one["hold"].as_str().unwrap();
            assert_eq!(books.holds.get(hold), Some(&charged), "cycle {cycle}: {one}");
        }
        proxy.stop();
    }

    async fn run(mut self, numbers: std::ops::Range<u64>) -> Sum {
        for number in numbers {
            self.cycle(number).await;
            self.sum.cycles += 1;
        }
        let count = |is: fn(&Seen) -> bool| self.seen.iter().filter(|one| is(one)).count();
        self.sum.calls += self.seen.len();
        self.sum.finished += count(|one| one.finished && !one.refused);
        self.sum.refused += count(|one| one.refused);
        self.sum.cached += count(|one| one.cached);
        self.sum.asked += self.asked.len();
        self.simulator.shutdown().await;
        self.sum
    }
}

impl Sum {
    fn told(mut self, store: &str) {
        self.starts.sort_unstable();
        self.worked.sort_unstable();
        let (half, all) = (self.starts[self.starts.len() / 2], self.starts[self.starts.len() - 1]);
        let worked = self.worked[self.worked.len() - 1];
        println!(
            "{store}: {} cycles, {} of them ended at a named point; {} calls, {} finished, {} refused, \
             {} from the cache, {} asked upstream, {} interrupted; half of the starts \
             within {half:?} and all within {all:?}, and none works longer than {worked:?}",
            self.cycles,
            self.crashed,
            self.calls,
            self.finished,
            self.refused,
            self.cached,
            self.asked,
            self.interrupted,
        );
        assert!(
            self.finished > 0 && self.refused > 0 && self.cached > 0,
            "something of everything"
        );
        assert!(self.cycles < 4 || self.interrupted > 0, "some were in the middle");
        // By the time that it works itself: this machine may have more to do than one start.
        assert!(worked < READY_WANTED, "a start has worked for {worked:?}");
    }
}

/// All cycles, world by world.
async fn cycles(store: &str, world: impl AsyncFn(Sum) -> World) {
    let first = asked("KILL_FIRST").unwrap_or_default();
    let end = first + asked("KILL_CYCLES").unwrap_or(CYCLES);
    let (mut next, mut sum) = (first, Sum::default());
    while next < end {
        let last = end.min(next + WORLD);
        sum = world(sum).await.run(next..last).await;
        next = last;
        println!("{store}: {} cycles", sum.cycles);
    }
    sum.told(store);
}

/// Waits until everything that has ended is in the store.
async fn quiet(proxy: SocketAddr) {
    let wait = async {
        loop {
            let ready = get(proxy, "/health/readiness", "").await;
            let ledger = &ready["ledger"];
            if ledger["unfolded"] == 0 && ledger["holds_open"] == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(QUIET_MAX, wait).await.is_ok(), "it does not come to rest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_on_a_file() {
    let world = async |sum| {
        let folder = tempfile::tempdir().unwrap();
        let url = sqlite(folder.path());
        World::new(folder, url, sum).await
    };
    cycles("sqlite", world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_on_a_server() {
    let Some(server) = Server::shared() else { return };
    let world = async |sum| {
        let url = server.database().await;
        World::new(tempfile::tempdir().unwrap(), url, sum).await
    };
    cycles("postgres", world).await;
}
