//! `llm-proxy audit verify`: whether the trail of what operators changed is as it was written.

use std::process::ExitCode;

use llm_store::audit::{Head, Trail};
use serde::Serialize;

use super::{Done, EXIT_BAD, opened, say, stored};
use crate::config::resolve::Asked;

#[derive(Serialize)]
struct Verified {
    ok: bool,
    lines: u64,
    /// To be noted elsewhere, and shown when it is verified again.
    head: String,
    problem: Option<String>,
}

/// Recomputes the trail, and looks for a head that was noted before.
pub(crate) async fn audit(asked: Asked, noted: Option<Head>) -> Done {
    let database = opened(&stored(&asked)?).await?;
    let found = Trail::new(database).verify(noted).await.map_err(|error| error.to_string())?;
    let ok = found.problem.is_none();
    let verified = Verified {
        ok,
        lines: found.lines,
        head: found.head.to_string(),
        problem: found.problem.map(|problem| problem.to_string()),
    };
    say(&serde_json::to_string(&verified).map_err(|error| error.to_string())?)?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(EXIT_BAD) })
}
