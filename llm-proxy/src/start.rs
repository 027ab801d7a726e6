//! `llm-proxy serve`: from the command line to a running proxy, and what people are told on the way.

use std::io::{self, Write as _};
use std::net::SocketAddr;

use llm_store::keys::VirtualKey;
use tracing_subscriber::EnvFilter;

use crate::cli::Cli;
use crate::config::Config;
use crate::config::reference::Process;
use crate::config::resolve::resolve;
use crate::serve;

/// What is logged unless `LLM_PROXY_LOG` says otherwise.
const LOG_USUAL: &str = "info";

/// Serves until somebody stops it. The message of a failure is meant for the person who typed.
pub(crate) async fn serve(cli: &Cli) -> Result<(), String> {
    let resolved = resolve(&cli.asked(), &Process).map_err(|report| format!("\n{report}"))?;
    logged();
    for line in resolved.report.to_string().lines().filter(|line| !line.is_empty()) {
        tracing::warn!("{line}");
    }
    let config = &resolved.config;
    let served = serve::run(config, |address, made| {
        // Nobody may be reading; that is no reason not to serve.
        let _ = announce(config, address, made);
    });
    served.await.map_err(|error| error.to_string())
}

/// Lines for people go to standard error, where they do not mix with what a command answers.
fn logged() {
    let filter =
        EnvFilter::try_from_env("LLM_PROXY_LOG").unwrap_or_else(|_| EnvFilter::new(LOG_USUAL));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A test may have set another one.
    let _ = lines.try_init();
}

/// Where it listens, and what can be done there at once.
fn announce(config: &Config, address: SocketAddr, made: Option<&VirtualKey>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on http://{address}")?;
    if config.providers.values().any(crate::config::Provider::is_simulated) {
        writeln!(out, "answers are simulated: no provider has a key in the environment")?;
    }
    if let Some(key) = made {
        writeln!(out, "admin key (shown this once): {}", key.expose())?;
    }
    out.flush()
}
