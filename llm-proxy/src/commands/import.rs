//! `llm-proxy import litellm`: a file of ours, made of one of LiteLLM's.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use super::{Done, EXIT_BAD};
use crate::config::litellm::{Grade, Secrets, convert, is_litellm};
use crate::config::problem::Report;
use crate::config::reference::{Process, Surroundings as _};
use crate::config::tree::{Language, parse, toml};

/// Writes the file on standard output, and what became of each field on standard error. Strict: a
/// field that there is no such thing for is bad.
pub(crate) fn litellm(path: &Path, strict: bool) -> Done {
    let text = Process.file(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut report = Report { file: path.display().to_string(), text, ..Report::default() };
    // JSON is YAML, and LiteLLM has nothing else.
    let tree = parse(&report.text, Language::Yaml, &mut report.problems);
    if report.is_bad() {
        return Err(super::told(&report));
    }
    if !is_litellm(&tree) {
        return Err(format!("{} is no configuration of LiteLLM's", path.display()));
    }
    let converted = convert(&tree, Secrets::Replace);
    let mut out = std::io::stdout().lock();
    write!(out, "{}", toml(&converted.tree)).map_err(|e| e.to_string())?;
    let mut told = std::io::stderr().lock();
    for finding in &converted.findings {
        writeln!(told, "{finding}").map_err(|e| e.to_string())?;
    }
    let left = converted.findings.iter().any(|f| f.grade == Grade::Unsupported);
    Ok(if strict && left { ExitCode::from(EXIT_BAD) } else { ExitCode::SUCCESS })
}
