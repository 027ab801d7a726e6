//! What can be said of a database as a whole: its accounts recomputed, in money and in credits, and
//! beside them what the request log says.
//!
//! The ledger is the truth about money. The log may have dropped rows, and a hold may not be folded
//! yet: where the two differ is a note, and no problem.

use llm_core::ledger::AccountId;
use llm_core::ledger::rules::Violation;
use llm_core::money::{Credits, Money, Unit};
use llm_core::store::{Audit, StoreError};

use crate::sql::Database;
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;

/// Notes in a report: whoever has more has seen enough.
const NOTES_MAX: i64 = 1_000;

/// What every key was charged by the days of the log, which stay when rows go.
const LOGGED: &str = "SELECT s.key AS key, CAST(sum(u.charged) AS BIGINT) AS charged \
     FROM usage_day u JOIN request_subject s ON s.id = u.subject WHERE s.erased = 0 GROUP BY s.key";

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether there is no problem.
    pub ok: bool,
    /// Accounts looked at.
    pub accounts: u64,
    /// Holds, as the database has them (what processes have leased), that have not ended.
    pub holds_open: u64,
    /// Entries added up.
    pub entries: u64,
    /// Accounts that break a law.
    pub problems: Vec<Problem>,
    /// Keys of which the log says otherwise than the ledger.
    pub notes: Vec<Note>,
}

/// An account that breaks a law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it counts.
    pub unit: &'static str,
    /// Which.
    pub account: AccountId,
    /// Which law.
    pub law: Violation,
}

/// A key of which the log says otherwise than the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The key.
    pub key: String,
    /// What the ledger's account of it was charged.
    pub ledger: Money,
    /// What the log says.
    pub log: Money,
}

impl Report {
    /// What audits of money and of credits say together.
    pub(crate) fn new([money, credits]: [Audit; 2], notes: Vec<Note>) -> Self {
        let mut report = Self { notes, ..Self::default() };
        for (unit, audit) in [(Money::NAME, money), (Credits::NAME, credits)] {
            report.accounts += audit.accounts;
            report.holds_open += audit.holds_open;
            report.entries += audit.entries;
            let problem = |(account, law)| Problem { unit, account, law };
            report.problems.extend(audit.problems.into_iter().map(problem));
        }
        report.ok = report.problems.is_empty();
        report
    }
}

/// Recomputes everything.
pub async fn verify(database: &Database) -> Result<Report, StoreError> {
    let audits = [database.audit::<Money>().await?, database.audit::<Credits>().await?];
    let notes = database.report(Compare).await?;
    Ok(Report::new(audits, notes))
}

struct Compare;

impl Task for Compare {
    type Out = Vec<Note>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        // The account of a key that counts all it spends has neither rule nor window.
        let own = "a.unit = $1 AND a.owner = 'key' AND a.rule = '' AND a.span = ''";
        let text = format!(
            "SELECT a.name, a.paid, coalesce(l.charged, 0) FROM account a \
             LEFT JOIN ({LOGGED}) l ON l.key = a.name \
             WHERE {own} AND a.paid <> coalesce(l.charged, 0) ORDER BY a.name LIMIT $2"
        );
        let args = [Money::NAME.into(), NOTES_MAX.into()];
        let mut rows = session.all(text, &args).await?;
        let text = format!(
            "SELECT l.key, CAST(0 AS BIGINT), l.charged FROM ({LOGGED}) l \
             WHERE l.charged <> 0 AND NOT EXISTS \
             (SELECT 1 FROM account a WHERE {own} AND a.name = l.key) ORDER BY l.key LIMIT $2"
        );
        rows.extend(session.all(text, &args).await?);
        let note = |row: &crate::sql::database::Record| {
            let (ledger, log) = (Money(row.int(1)?), Money(row.int(2)?));
            Ok(Note { key: row.text(0)?, ledger, log })
        };
        rows.iter().map(note).collect()
    }
}
