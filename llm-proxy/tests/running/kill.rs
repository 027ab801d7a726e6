//! A life and a death: work, an end at some instant, a new start, the audit. Whatever happens at
//! whichever instant, no account is over its limit, what was finished is in the ledger once, and what
//! the upstream was asked is in it too. `KILL_CYCLES` asks for more than a usual run.

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
/// Everything that has ended is in the store by then.
const QUIET_MAX: Duration = Duration::from_secs(10);
/// From start to answers, on a machine that is not busy otherwise.
const READY_WANTED: Duration = Duration::from_secs(2);

fn cycles() -> u64 {
    std::env::var("KILL_CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(CYCLES)
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
    url: String,
    seen: Vec<Seen>,
    asked: Vec<String>,
    slowest: Duration,
    interrupted: usize,
    crashed: usize,
}

impl World {
    async fn new(folder: tempfile::TempDir, store: String, url: String) -> Self {
        let simulator = simulator().await;
        let upstream = Arc::clone(simulator.upstream(Vendor::OpenAi).unwrap());
        let upstream_at = simulator.base_url(Vendor::OpenAi);
        let place = Place { keys: KEYS.to_vec(), ..Place::new(folder, store, upstream_at) };
        Self {
            place,
            simulator,
            upstream,
            url,
            seen: Vec::new(),
            asked: Vec::new(),
            slowest: Duration::ZERO,
            interrupted: 0,
            crashed: 0,
        }
    }

    async fn cycle(&mut self, number: u64) {
        let (point, life) = end(number);
        let crowd = Crowd::new(number);
        // A point of the start itself ends it before it listens.
        if let Ok(mut proxy) = Proxy::start(&self.place, point.as_deref()) {
            let calls = crowd.call(proxy.address);
            let mut calls = std::pin::pin!(calls);
            let ended = tokio::time::timeout(life, &mut calls).await.is_ok();
            self.crashed += usize::from(proxy.has_ended());
            proxy.kill();
            if !ended {
                calls.await;
            }
        } else {
            self.crashed += 1;
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
        if cycle > 0 {
            Books::read(&self.url).await.within_limits();
        }
        let proxy = Proxy::start(&self.place, None);
        let proxy = proxy.unwrap_or_else(|said| panic!("cycle {cycle}: no start: {said}"));
        self.slowest = self.slowest.max(proxy.ready_after);
        quiet(proxy.address).await;
        let books = Books::read(&self.url).await;
        books.within_limits();
        books.adds_up();
        audit::knows(&books, &self.seen);
        audit::covers(&books, &self.seen, &self.asked);
        let verified = admin(proxy.address, "/admin/ledger/verify").await;
        assert_eq!(verified["ok"], true, "cycle {cycle}: {verified}\n{}", proxy.said());
        assert_eq!(verified["holds_open"], 0, "cycle {cycle}: {verified}");
        for one in admin(proxy.address, "/admin/ledger/interrupted").await.as_array().unwrap() {
            self.interrupted += 1;
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

    async fn run(mut self, store: &str) {
        let cycles = cycles();
        for number in 0..cycles {
            self.cycle(number).await;
        }
        let finished = self.seen.iter().filter(|one| one.finished && !one.refused).count();
        let refused = self.seen.iter().filter(|one| one.refused).count();
        let cached = self.seen.iter().filter(|one| one.cached).count();
        println!(
            "{store}: {cycles} cycles, {} of them ended at a named point; {} calls, {finished} \
             finished, {refused} refused, {cached} from the cache, {} asked upstream, {} \
             interrupted; slowest start {:?}",
            self.crashed,
            self.seen.len(),
            self.asked.len(),
            self.interrupted,
            self.slowest,
        );
        assert!(finished > 0 && refused > 0 && cached > 0, "something of everything");
        assert!(cycles < 4 || self.interrupted > 0, "some were in the middle");
        assert!(self.slowest < READY_WANTED, "the slowest start took {:?}", self.slowest);
        self.simulator.shutdown().await;
    }
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
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    World::new(folder, store.clone(), store).await.run("sqlite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_on_a_server() {
    let Some(server) = Server::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = server.database().await;
    World::new(folder, url.clone(), url).await.run("postgres").await;
}
