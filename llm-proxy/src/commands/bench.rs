//! `llm-proxy bench`: how fast this proxy is on this machine, in a few seconds and against nobody.
//!
//! The actors are the *upstream* (a simulated provider on a socket of this process), the *proxy* (a
//! process of its own with the usual configuration, a ledger that outlasts it and a request log), and
//! the *callers* (tasks of this process). They share the machine, and so the rate is a floor and not
//! what the proxy can do alone; its own time on the processor is measured at its process and is not
//! shared with anybody. Deliberately absent: figures of anything that was not measured just now.

mod load;
mod proxy;
mod report;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use llm_sim::upstream::Vendor;
use llm_sim::{Options, Simulator};

use super::Done;
use super::asking::Asking;
use crate::cli::Bench;
use load::{Load, Pairs};
use proxy::Proxy;
use report::Report;

/// Questions before anything is measured: connections, accounts and caches of the allocator.
const WARM_UP: Duration = Duration::from_millis(300);

/// Measures, and says what it has found.
pub(crate) async fn bench(wanted: Bench) -> Done {
    let options = Options { port_base: 0, ..Options::default() };
    let simulator = Simulator::start(options).await.map_err(|error| error.to_string())?;
    let upstream = simulator.base_url(Vendor::OpenAi);
    let proxy = Proxy::start(&upstream)?;
    let through = Asking::new(proxy.base(), Some(proxy::KEY.to_owned()))?;
    let direct = Asking::new(upstream.trim_end_matches("/v1"), Some(proxy::KEY.to_owned()))?;
    let part = Duration::from_secs(wanted.seconds) / 3;
    let load = |streams| Load { asking: through.clone(), callers: wanted.callers, streams };
    progress("warming up");
    load(false).run(WARM_UP).await?;
    progress("one caller, through the proxy and past it");
    let pairs = Pairs { through: through.clone(), direct }.run(part).await?;
    progress("all callers");
    let before = proxy.used();
    let calls = load(false).run(part).await?;
    let used = proxy.used().zip(before).map(|(after, before)| after.saturating_sub(before));
    progress("all callers, streams");
    let before = proxy.used();
    let streams = load(true).run(part).await?;
    let streamed = proxy.used().zip(before).map(|(after, before)| after.saturating_sub(before));
    progress("");
    let memory = proxy.memory();
    let report = Report { callers: wanted.callers, pairs, calls, used, streams, streamed, memory };
    let all_well = report.say()?;
    drop(proxy);
    simulator.shutdown().await;
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::from(super::EXIT_BAD) })
}

/// What is going on, where somebody looks.
fn progress(what: &str) {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        // The line of before goes.
        let _ = write!(err, "\r\x1b[K{what}");
        let _ = err.flush();
    }
}
