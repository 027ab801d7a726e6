//! What a recomputation of the ledger found, as JSON: the same from the command line and from a
//! proxy that runs.

use llm_store::verify::Report;
use serde::Serialize;

/// Problems that are told; whoever has more has one cause for them.
const PROBLEMS_MAX: usize = 1_000;

/// What was found.
#[derive(Serialize)]
pub(crate) struct Verified<'r> {
    ok: bool,
    accounts: u64,
    holds_open: u64,
    entries: u64,
    problems: Vec<Problem<'r>>,
    notes: Vec<Note<'r>>,
}

#[derive(Serialize)]
struct Problem<'r> {
    unit: &'static str,
    owner: &'static str,
    account: &'r str,
    rule: &'r str,
    what: String,
}

/// The log and the ledger differ: rows of the log may be lost, and that is no problem.
#[derive(Serialize)]
struct Note<'r> {
    key: &'r str,
    ledger_nanos: i64,
    log_nanos: i64,
}

impl<'r> Verified<'r> {
    pub(crate) fn of(report: &'r Report) -> Self {
        let problems = report.problems.iter().take(PROBLEMS_MAX).map(|problem| Problem {
            unit: problem.unit,
            owner: problem.account.owner.name(),
            account: &problem.account.name,
            rule: &problem.account.rule,
            what: problem.law.to_string(),
        });
        let notes = report.notes.iter().map(|note| Note {
            key: &note.key,
            ledger_nanos: note.ledger.0,
            log_nanos: note.log.0,
        });
        Self {
            ok: report.ok,
            accounts: report.accounts,
            holds_open: report.holds_open,
            entries: report.entries,
            problems: problems.collect(),
            notes: notes.collect(),
        }
    }
}
