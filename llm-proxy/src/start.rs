//! `llm-proxy serve`: from the command line to a running proxy, and what people are told on the way.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::cli::Cli;
use crate::config::Config;
use crate::config::telemetry::Form;
use crate::serve::reload::source::Source;
use crate::serve::telemetry::sentry;
use crate::serve::vendors::ollama;
use crate::serve::{self, first::Made};

/// What is logged unless `LLM_PROXY_LOG` says otherwise.
const LOG_USUAL: &str = "info";

/// Serves until somebody stops it. The message of a failure is meant for the person who typed.
pub(crate) async fn serve(cli: &Cli) -> Result<(), String> {
    let source = Source::new(cli.asked());
    if !source.has_file() {
        ollama::look(&source).await;
    }
    let resolved = source.read().map_err(|report| format!("\n{report}"))?;
    logged(&resolved.config)?;
    for line in resolved.report.to_string().lines().filter(|line| !line.is_empty()) {
        tracing::warn!("{line}");
    }
    let config = &resolved.config;
    #[cfg(unix)]
    room_for(config.server.calls_max);
    let served = serve::run(config, source, |address, made| {
        // Nobody may be reading; that is no reason not to serve.
        let _ = announce(config, address, made);
    });
    served.await.map_err(|error| error.to_string())
}

/// Sees to it that so many calls can be under way: each is a caller's connection and one to a provider.
#[cfg(unix)]
fn room_for(calls: u32) {
    let wanted = 2 * u64::from(calls);
    if let Some(files) = crate::files::take().filter(|files| *files < wanted) {
        tracing::warn!(
            files,
            calls,
            "fewer files may be open than `server.calls_max` calls take: raise the hard limit (`ulimit -Hn`)"
        );
    }
}

/// Lines for people go to standard error, where they do not mix with what a command answers.
fn logged(config: &Config) -> Result<(), String> {
    let filter =
        EnvFilter::try_from_env("LLM_PROXY_LOG").unwrap_or_else(|_| EnvFilter::new(LOG_USUAL));
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let errors = sentry::start(&config.telemetry)?;
    let all = tracing_subscriber::registry().with(filter).with(errors);
    // A test may have set another one.
    let _ = match config.server.log.form {
        Form::Text => all.with(lines).try_init(),
        Form::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false);
            all.with(lines.with_span_list(false)).try_init()
        }
    };
    std::panic::set_hook(Box::new(sentry::panicked));
    Ok(())
}

/// Where it listens, and what can be done there at once.
fn announce(config: &Config, address: SocketAddr, made: &Made) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on {}://{address}", scheme(config))?;
    if config.providers.values().any(crate::config::Provider::is_simulated) {
        writeln!(
            out,
            "answers are simulated: no provider has a key in the environment, and no Ollama \
             answers on this machine"
        )?;
    }
    if let Some(address) = config.local_ollama() {
        writeln!(out, "answers come from the Ollama at {address}")?;
    }
    if let Some(key) = &made.admin {
        writeln!(out, "admin key (shown this once): {}", key.expose())?;
    }
    if let Some(key) = &made.first {
        writeln!(out, "virtual key \"default\", $5 a month (shown this once): {}", key.expose())?;
        writeln!(out, "{}", curl(config, address, key.expose()))?;
    }
    out.flush()
}

fn scheme(config: &Config) -> &'static str {
    if config.server.edge.tls.is_some() { "https" } else { "http" }
}

/// A line that asks something at once.
fn curl(config: &Config, address: SocketAddr, key: &str) -> String {
    let model = config.usual_model();
    // An address that stands for all of them is none to call.
    let host = match address.ip() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    let address = SocketAddr::new(host, address.port());
    format!(
        "try: curl {}://{address}/v1/chat/completions -H \"authorization: Bearer {key}\" \
         -H \"content-type: application/json\" \
         -d '{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'",
        scheme(config),
    )
}
