//! Commands that look at configurations and serve nothing.

mod check;
mod diff;
mod explain;
mod import;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::problem::Report;
use crate::config::reference::Process;
use crate::config::resolve::{Asked, Resolved, resolve};

pub(crate) use check::check;
pub(crate) use diff::diff;
pub(crate) use explain::explain;
pub(crate) use import::litellm;

/// The thing that was asked about is bad.
const EXIT_BAD: u8 = 1;

/// How a command ended, or what to tell the person who typed it.
pub(crate) type Done = Result<ExitCode, String>;

/// Reads a configuration, the process's own surroundings around it.
fn load(config: Option<PathBuf>) -> Result<Resolved, Report> {
    resolve(&Asked { config, ..Asked::default() }, &Process)
}

/// A report as a message: without its last line's end.
fn told(report: &Report) -> String {
    format!("the configuration cannot be served\n{report}").trim_end().to_owned()
}
