//! Commands that serve nothing: they look at configurations, at what is stored, or at a proxy that
//! runs.

mod asking;
mod audit;
mod backup;
mod bench;
mod check;
mod diff;
mod explain;
mod health;
mod import;
mod key;
mod ledger;
mod top;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use llm_providers::seam::SystemClock;
use llm_store::sql::Database;

use crate::config::problem::Report;
use crate::config::reference::Process;
use crate::config::resolve::{Asked, Resolved, resolve};
use crate::config::{Config, StorePlace};
use crate::serve::store;

pub(crate) use audit::audit;
pub(crate) use backup::{back_up, restore};
pub(crate) use bench::bench;
pub(crate) use check::check;
pub(crate) use diff::diff;
pub(crate) use explain::explain;
pub(crate) use health::health;
pub(crate) use import::litellm;
pub(crate) use key::key;
pub(crate) use ledger::verify;
pub(crate) use top::top;

/// The thing that was asked about is bad.
const EXIT_BAD: u8 = 1;

/// How a command ended, or what to tell the person who typed it.
pub(crate) type Done = Result<ExitCode, String>;

/// Reads a configuration, the process's own surroundings around it.
fn load(config: Option<PathBuf>) -> Result<Resolved, Report> {
    resolve(&Asked { config, ..Asked::default() }, &Process)
}

/// Reads the configuration that says where things are stored.
fn stored(asked: &Asked) -> Result<Config, String> {
    resolve(asked, &Process).map(|resolved| resolved.config).map_err(|report| told(&report))
}

/// Opens what is stored. A command that looks at it makes no new store: a path that is mistyped
/// would be a store without fault.
async fn opened(config: &Config) -> Result<Database, String> {
    if let StorePlace::Sqlite(path) = &config.store.place
        && !path.exists()
    {
        return Err(format!("{}: there is no store yet", path.display()));
    }
    made(config).await
}

/// Opens what is stored, or makes the place for it.
async fn made(config: &Config) -> Result<Database, String> {
    let database = store::database(&config.store, Arc::new(SystemClock)).await;
    database.map_err(|why| why.to_string())?.ok_or_else(|| NOTHING.to_owned())
}

/// There is no such thing as a look at another process's memory.
const NOTHING: &str = "the store is memory: nothing is kept that a command could look at";

/// Writes a line to standard output.
fn say(line: &str) -> Result<(), String> {
    writeln!(std::io::stdout().lock(), "{line}").map_err(|error| error.to_string())
}

/// A report as a message: without its last line's end.
fn told(report: &Report) -> String {
    format!("the configuration cannot be served\n{report}").trim_end().to_owned()
}
