//! What the process uses, and what waits in its journal, for whoever scrapes.
//!
//! Read where the system says it, at the moment of asking. Where there is no such place, there are no
//! such numbers.

use std::fs;

use prometheus::{Gauge, IntGauge, IntGaugeVec, Opts, Registry};

use super::super::store::Store;

/// What the kernel calls a second of a processor, for every program alike.
const TICKS: u64 = 100;
/// Where the times of a process stand, behind its name.
const USER: usize = 11;
const SYSTEM: usize = 12;
const STARTED: usize = 19;

/// The series.
#[derive(Debug)]
pub(super) struct Gauges {
    memory: IntGauge,
    memory_virtual: IntGauge,
    files: IntGauge,
    files_max: IntGauge,
    threads: IntGauge,
    started: Gauge,
    processor: prometheus::Counter,
    journal: IntGauge,
    unfolded: IntGauge,
}

impl Gauges {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let opts = Opts::new("gw_build_info", "1, and which version this is");
        let build = IntGaugeVec::new(opts, &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registry.register(Box::new(build))?;
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let started = Gauge::new("process_start_time_seconds", "When it began, since 1970")?;
        registry.register(Box::new(started.clone()))?;
        let processor =
            prometheus::Counter::new("process_cpu_seconds_total", "What it used of processors")?;
        registry.register(Box::new(processor.clone()))?;
        Ok(Self {
            memory: gauge("process_resident_memory_bytes", "Memory that it has")?,
            memory_virtual: gauge("process_virtual_memory_bytes", "Addresses that it has")?,
            files: gauge("process_open_fds", "Files and sockets that are open")?,
            files_max: gauge("process_max_fds", "How many may be")?,
            threads: gauge("process_threads", "Threads that it has")?,
            started,
            processor,
            journal: gauge("gw_journal_bytes", "What stands in this machine's journals")?,
            unfolded: gauge("gw_ledger_unfolded", "Ends of holds that the store has not yet")?,
        })
    }

    /// Looks.
    pub(super) fn look(&self, store: &Store) {
        let (journal, unfolded) = store.waiting();
        self.journal.set(whole(journal));
        self.unfolded.set(whole(unfolded));
        // What is not said stays as it was.
        let _ = self.read();
    }

    fn read(&self) -> Option<()> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let kilobytes = |name: &str| field(&status, name).map(|n| whole(n << 10));
        self.memory.set(kilobytes("VmRSS:")?);
        self.memory_virtual.set(kilobytes("VmSize:")?);
        self.threads.set(whole(field(&status, "Threads:")?));
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // Its name is in brackets, and may have anything in it.
        let (_, rest) = stat.rsplit_once(") ")?;
        let numbers: Vec<&str> = rest.split(' ').collect();
        let ticks = |at: usize| numbers.get(at).and_then(|text| text.parse::<u64>().ok());
        let used = (ticks(USER)? + ticks(SYSTEM)?) as f64 / TICKS as f64;
        self.processor.inc_by((used - self.processor.get()).max(0.0));
        let boot = fs::read_to_string("/proc/stat").ok()?;
        let boot = field(&boot, "btime")?;
        self.started.set(boot as f64 + ticks(STARTED)? as f64 / TICKS as f64);
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        let most = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        let most = most.split_whitespace().next()?.parse().unwrap_or(u64::MAX);
        self.files_max.set(whole(most));
        // One is the look itself.
        let open = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
        self.files.set(whole(open as u64));
        Some(())
    }
}

/// The number behind a name.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
