//! `llm-proxy explain`: what would become of a call.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{Done, EXIT_BAD, load, told};
use crate::config::explain::explain as explained;

/// Explains a call for a model, by the key of that name.
pub(crate) fn explain(config: Option<PathBuf>, model: &str, key: Option<&str>) -> Done {
    let resolved = load(config).map_err(|r| told(&r))?;
    let said = explained(&resolved.config, model, key);
    let mut out = std::io::stdout().lock();
    write!(out, "{}", said.text).map_err(|e| e.to_string())?;
    for why in &said.refused {
        writeln!(out, "refused: {why}").map_err(|e| e.to_string())?;
    }
    Ok(if said.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_BAD) })
}
