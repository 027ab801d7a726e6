//! `llm-proxy ledger verify`: whether what is stored of money adds up.
//!
//! It reads the store alone and asks no proxy that runs beside it: what that has leased is open
//! here until it is carried to the store.

use std::process::ExitCode;

use llm_store::verify::{self, Report};
use serde::Serialize;

use super::{Done, EXIT_BAD, opened, say, stored};
use crate::config::resolve::Asked;

/// Problems that are told; whoever has more has one cause for them.
const PROBLEMS_MAX: usize = 1_000;

#[derive(Serialize)]
struct Verified {
    ok: bool,
    accounts: u64,
    holds_open: u64,
    entries: u64,
    problems: Vec<Problem>,
    notes: Vec<Note>,
}

#[derive(Serialize)]
struct Problem {
    unit: &'static str,
    owner: &'static str,
    account: String,
    rule: String,
    what: String,
}

/// The log and the ledger differ: rows of the log may be lost, and that is no problem.
#[derive(Serialize)]
struct Note {
    key: String,
    ledger_nanos: i64,
    log_nanos: i64,
}

/// Recomputes every balance from its entries.
pub(crate) async fn verify(asked: Asked) -> Done {
    let database = opened(&stored(&asked)?).await?;
    let report = verify::verify(&database).await.map_err(|error| error.to_string())?;
    say(&written(&report)?)?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::from(EXIT_BAD) })
}

/// A report as JSON.
pub(super) fn written(report: &Report) -> Result<String, String> {
    let problems = report.problems.iter().take(PROBLEMS_MAX).map(|problem| Problem {
        unit: problem.unit,
        owner: problem.account.owner.name(),
        account: problem.account.name.to_string(),
        rule: problem.account.rule.to_string(),
        what: problem.law.to_string(),
    });
    let notes = report.notes.iter().map(|note| Note {
        key: note.key.clone(),
        ledger_nanos: note.ledger.0,
        log_nanos: note.log.0,
    });
    let verified = Verified {
        ok: report.ok,
        accounts: report.accounts,
        holds_open: report.holds_open,
        entries: report.entries,
        problems: problems.collect(),
        notes: notes.collect(),
    };
    serde_json::to_string(&verified).map_err(|error| error.to_string())
}
