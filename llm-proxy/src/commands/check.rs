//! `llm-proxy check`: whether a configuration can be served, and all that is wrong with it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use llm_providers::Gateway;

use super::{Done, EXIT_BAD, load};
use crate::config::lint;
use crate::config::litellm::{Finding, Grade};
use crate::config::problem::{Level, Problem, Report};
use crate::config::resolve::Resolved;
use crate::config::tree::find;
use crate::way::way;

/// Checks a configuration as far as that can be done without asking anybody.
pub(crate) fn check(config: Option<PathBuf>) -> Done {
    let (mut report, findings, hash) = match load(config) {
        Ok(resolved) => judge(resolved),
        Err(report) => (report, Vec::new(), None),
    };
    report.sort();
    let mut text = String::new();
    // What means the same, or nearly, is for `import litellm` to say.
    let left = findings.iter().filter(|f| f.grade >= Grade::Manual);
    for line in left.map(ToString::to_string).chain([report.to_string()]) {
        text.push_str(&line);
        if !line.is_empty() && !line.ends_with('\n') {
            text.push('\n');
        }
    }
    let count = |level| report.problems.iter().filter(|p| p.level == level).count();
    let (bad, doubtful) = (count(Level::Bad), count(Level::Doubtful));
    let hash = hash.map(|hash| format!(", configuration {hash}"));
    let fine = hash.is_some();
    let hash = hash.unwrap_or_default();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}errors: {bad}, warnings: {doubtful}{hash}").map_err(|e| e.to_string())?;
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(EXIT_BAD) })
}

/// Builds all that would be built, and throws it away. The hash is that of what can be served.
fn judge(resolved: Resolved) -> (Report, Vec<Finding>, Option<String>) {
    let Resolved { config, mut report, tree, findings } = resolved;
    let built = config.settings(&way).and_then(|settings| {
        let builder = Gateway::builder().settings(settings).bounds(config.bounds());
        builder.build().map(drop)
    });
    if let Err(problems) = built {
        for problem in problems {
            // The gateway calls by another name what the file has under limits.
            let place = match problem.place.strip_prefix("rules.") {
                Some(rest) => format!("limits.{rest}"),
                None => problem.place.to_string(),
            };
            let span = find(&tree, &place);
            report.problems.push(Problem::bad(place, span, problem.text.to_string()));
        }
    }
    for key in &config.keys {
        drop(key.grant(&config.server.time_zone.1));
    }
    report.problems.extend(lint::lint(&config, &tree));
    let fine = !report.is_bad();
    // No secret is compared here, so that any key will do.
    (report, findings, fine.then(|| config.hash(&[0; 32]).to_string()))
}
