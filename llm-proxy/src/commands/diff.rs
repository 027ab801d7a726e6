//! `llm-proxy diff`: what a configuration would change.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{Done, load, told};
use crate::config::diff::diff as changes;

/// Compares two configurations; without a second file, with what is served without any.
pub(crate) fn diff(config: Option<PathBuf>, against: Option<PathBuf>) -> Done {
    let before = load(against).map_err(|r| told(&r))?;
    let after = load(config).map_err(|r| told(&r))?;
    let mut out = std::io::stdout().lock();
    for change in changes(&before.config.show(), &after.config.show()) {
        writeln!(out, "{change}").map_err(|e| e.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}
