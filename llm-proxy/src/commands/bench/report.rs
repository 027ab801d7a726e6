//! What was measured, in few lines.

use std::time::Duration;

use super::super::say;
use super::load::{Paired, Seen};

/// All of it.
pub(super) struct Report {
    pub(super) callers: usize,
    pub(super) pairs: Paired,
    pub(super) calls: Seen,
    pub(super) used: Option<Duration>,
    pub(super) streams: Seen,
    pub(super) streamed: Option<Duration>,
    pub(super) memory: Option<u64>,
}

impl Report {
    /// Says it; whether all were answered.
    pub(super) fn say(&self) -> Result<bool, String> {
        let Self { callers, pairs, calls, streams, .. } = self;
        let (p50, p99) = (at(&calls.times, 50), at(&calls.times, 99));
        say(&format!(
            "calls     {:>9.0} /s      p50 {}  p99 {}  ({callers} callers, {} calls, {} failed)",
            rate(calls.times.len(), calls.span),
            ms(p50),
            ms(p99),
            calls.times.len(),
            calls.failed,
        ))?;
        let added = |percent| {
            at(&pairs.through, percent).as_secs_f64() - at(&pairs.direct, percent).as_secs_f64()
        };
        say(&format!(
            "added     p50 {:.3} ms  p99 {:.3} ms  (one caller, {} pairs; without the proxy p50 {})",
            added(50) * 1e3,
            added(99) * 1e3,
            pairs.through.len(),
            ms(at(&pairs.direct, 50)),
        ))?;
        let each = |used: Option<Duration>, count: usize| match used {
            Some(used) if count > 0 => format!("{:.0} µs", used.as_secs_f64() * 1e6 / count as f64),
            Some(_) | None => "not known here".to_owned(),
        };
        say(&format!(
            "processor {} a call  {} a streamed chunk  (the proxy's process alone)",
            each(self.used, calls.times.len()),
            each(self.streamed, usize::try_from(streams.events).unwrap_or(usize::MAX)),
        ))?;
        say(&format!(
            "streams   {:>9.0} /s      {:.0} chunks/s  ({} complete, {} failed)",
            rate(streams.times.len(), streams.span),
            streams.events as f64 / streams.span.as_secs_f64().max(f64::EPSILON),
            streams.times.len(),
            streams.failed,
        ))?;
        if let Some(memory) = self.memory {
            say(&format!("memory    {:.1} MiB", memory as f64 / f64::from(1 << 20)))?;
        }
        let machine = std::thread::available_parallelism().map_or(1, usize::from);
        say(&format!(
            "Callers, upstream and proxy share the {machine} processors of this machine; ledger and \
             request log are on SQLite."
        ))?;
        if cfg!(debug_assertions) {
            say("This program was built without optimization: its figures say nothing.")?;
        }
        let failed = calls.why.as_ref().or(streams.why.as_ref());
        if let Some(why) = failed {
            say(&format!("the first that failed: {why}"))?;
        }
        Ok(failed.is_none() && !calls.times.is_empty() && !streams.times.is_empty())
    }
}

fn rate(count: usize, span: Duration) -> f64 {
    count as f64 / span.as_secs_f64().max(f64::EPSILON)
}

/// Of sorted times, the one that so many percent are not above.
fn at(times: &[Duration], percent: usize) -> Duration {
    let last = times.len().saturating_sub(1);
    times.get((times.len() * percent / 100).min(last)).copied().unwrap_or_default()
}

fn ms(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_seen() {
        assert_eq!(at(&[], 99), Duration::ZERO);
        let times: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(at(&times, 50), Duration::from_millis(51));
        assert_eq!(at(&times, 99), Duration::from_millis(100));
        assert_eq!(at(&times[..1], 99), Duration::from_millis(1));
    }
}
