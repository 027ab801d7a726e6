//! `llm-proxy simulate`: the five providers without a key, until somebody stops them.

use std::io::Write as _;
use std::net::IpAddr;

use llm_sim::upstream::Vendor;
use llm_sim::{Options, Simulator};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Simulate;

/// Serves until SIGTERM or SIGINT. The message of a failure is meant for the person who typed.
pub(crate) async fn run(wanted: Simulate, host: IpAddr) -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    let options = Options {
        host,
        port_base: wanted.port_base,
        prompt_faults: wanted.prompt_faults,
        ..Options::default()
    };
    let simulator = Simulator::start(options)
        .await
        .map_err(|e| format!("{e}; choose other ports with --port-base"))?;
    announce(&simulator).map_err(|e| e.to_string())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    simulator.shutdown().await;
    Ok(())
}

/// One line a provider: its name and its base URL. This is the command's own result, and goes to
/// standard output where a script can read it.
fn announce(simulator: &Simulator) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for vendor in Vendor::ALL {
        writeln!(out, "{vendor} {}", simulator.base_url(vendor))?;
    }
    out.flush()
}
