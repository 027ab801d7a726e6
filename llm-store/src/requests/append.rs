//! A batch: rows, and what they add to their days, in one transaction.
//!
//! Rows are written many in a statement and statements come in four lengths, so that each is
//! prepared once. That all rows were new is seen from how many were written; only where they were
//! not is the batch looked through row by row.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, LazyLock};

use llm_core::store::StoreError;

use super::labels;
use super::page::SPAN;
use super::row::{COLUMNS, COUNTED, COUNTS, Row, WIDTH};
use super::subject::{self, Subject};
use super::texts::Texts;
use crate::sql::database::{Arg, Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// Columns of a day: which, whose, calls, errors, and what is added up.
const DAY_WIDTH: usize = 4 + COUNTS;

const ERASURES: &str = "SELECT erasures FROM request_state WHERE id = 1";

static ROWS: LazyLock<Texts> = LazyLock::new(|| {
    let head = format!("INSERT INTO request ({}) VALUES ", COLUMNS.join(", "));
    Texts::new(&head, WIDTH, " ON CONFLICT DO NOTHING")
});

/// Which of these are there.
static THERE: LazyLock<Texts> =
    LazyLock::new(|| Texts::new("SELECT id FROM request WHERE (id) IN (VALUES ", 1, ")"));

static SPANS: LazyLock<Texts> = LazyLock::new(|| {
    let head = "INSERT INTO request_span (span, subject) VALUES ";
    Texts::new(head, 2, " ON CONFLICT DO NOTHING")
});

static DAYS: LazyLock<Texts> = LazyLock::new(|| {
    let sums: Vec<&str> = ["calls", "errors"].into_iter().chain(COUNTED).collect();
    let head = format!("INSERT INTO usage_day (day, subject, {}) VALUES ", sums.join(", "));
    let added = sums.iter().map(|sum| format!("{sum} = usage_day.{sum} + excluded.{sum}"));
    let added: Vec<String> = added.collect();
    let tail = format!(" ON CONFLICT (day, subject) DO UPDATE SET {}", added.join(", "));
    Texts::new(&head, DAY_WIDTH, &tail)
});

/// The task.
pub(super) struct Append {
    pub(super) rows: Arc<Vec<Row>>,
    pub(super) subjects: Arc<Vec<Subject>>,
    /// Numbers of subjects that are known, if the count of erasures is still this.
    pub(super) known: Vec<Option<i64>>,
    pub(super) erasures: i64,
    /// Some rows may be there already.
    pub(super) careful: bool,
}

impl Task for Append {
    /// The subjects' numbers, and at which count of erasures.
    type Out = (Vec<i64>, i64);

    /// [`StoreError::Conflict`] says that some of the rows are there.
    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let erasures = session.one(ERASURES, &[]).await?.ok_or_else(|| odd("erasures"))?.int(0)?;
        let known = if erasures == self.erasures { &self.known[..] } else { &[] };
        let numbers = subject::numbers(session, &self.subjects, known).await?;
        let mut seen = if self.careful { self.there(session).await? } else { HashSet::new() };
        let mut rows = Vec::with_capacity(self.rows.len());
        for row in &*self.rows {
            if !self.careful || seen.insert(row.id.to_vec()) {
                rows.push((row, *numbers.get(row.subject).ok_or_else(|| odd("subject"))?));
            }
        }
        let mut args = Vec::with_capacity(rows.len() * WIDTH);
        rows.iter().for_each(|(row, subject)| row.put(*subject, &mut args));
        let written = ROWS.run(session, &args).await?;
        if written != rows.len() as u64 {
            return Err(StoreError::Conflict("some of these calls are logged".into()).into());
        }
        // Once for a batch, and not by a trigger: for each row that costs as much as another index.
        let spans: BTreeSet<_> = rows.iter().map(|(row, of)| (row.at / SPAN, *of)).collect();
        let spans: Vec<Arg<'_>> =
            spans.into_iter().flat_map(|(span, of)| [Arg::from(span), of.into()]).collect();
        SPANS.run(session, &spans).await?;
        labels::write(session, &rows).await?;
        let days = days(&rows);
        DAYS.run(session, &days).await?;
        Ok((numbers, erasures))
    }
}

impl Append {
    /// The ids that are there already.
    async fn there(&self, session: &mut Session<'_>) -> Result<HashSet<Vec<u8>>, Failure> {
        let args: Vec<Arg<'_>> = self.rows.iter().map(|row| Arg::Bytes(Some(&row.id))).collect();
        let found = THERE.all(session, &args).await?;
        found.iter().map(|row| row.bytes(0)).collect()
    }
}

/// What rows add to their days. In one order for all who write: two that lock the same days must
/// not wait for each other.
fn days(rows: &[(&Row, i64)]) -> Vec<Arg<'static>> {
    let mut days: BTreeMap<(i64, i64), [i64; 2 + COUNTS]> = BTreeMap::new();
    for (row, subject) in rows {
        let sums = days.entry((row.day, *subject)).or_insert([0; 2 + COUNTS]);
        let added = [1, i64::from(row.failed())].into_iter().chain(row.counts);
        sums.iter_mut().zip(added).for_each(|(sum, add)| *sum = sum.saturating_add(add));
    }
    let mut args = Vec::with_capacity(days.len() * DAY_WIDTH);
    for ((day, subject), sums) in days {
        args.extend([Arg::from(day), subject.into()]);
        args.extend(sums.map(Arg::from));
    }
    args
}
