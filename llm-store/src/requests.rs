//! The request log, and what is asked of it.
//!
//! The actors are *rows* (one a call, numbers and names and no content), *subjects* (who asked for
//! what of whom: the names that calls have in common, written once), the *days* (sums of a subject
//! in a day of the operator's time zone) and the *reports* over them. A batch writes rows and days
//! in one transaction, so that the days are the sum of all rows there ever were; rows go when they
//! are old, days stay.
//!
//! Reports read days and never rows, which is why a month of a million calls is answered at once.
//! A month is a hundred days' numbers, `202611` of `20261121`, and not a table of its own.
//!
//! A call is logged once, by its id, however often its batch is told. Deliberately absent: content,
//! prices (a report of what a cache has saved says the tokens), and the truth about money, which is
//! the ledger's: this log may have dropped rows.

mod append;
mod days;
mod forget;
mod keys;
mod labels;
mod page;
mod prune;
mod rest;
mod row;
mod subject;
mod texts;
mod usage;

use std::fmt;
use std::sync::Arc;

use llm_core::money::Money;
use llm_core::quota::Zone;
use llm_core::store::{CallLog, CallRecord, StoreError, Stored};
use parking_lot::Mutex;

use crate::sql::Database;

pub use forget::{Forget, Forgotten};
pub use page::{Cursor, Ended, NotCursor, PAGE_MAX, Page, Request, Search};
pub use prune::Kept;
pub use subject::{Of, Subject};
pub use usage::{By, ROWS_MAX, Spend, Sums, Usage, UsageRow};

use append::Append;
use days::Days;
use row::Row;
use subject::Known;

/// Records in one batch: a transaction that others wait behind for milliseconds at the most.
pub const BATCH_MAX: usize = 512;
/// How often a batch that somebody else is writing at the same time is looked through again.
const TRIES_MAX: usize = 4;

/// The request log. Cheap to clone: all share it.
#[derive(Clone)]
pub struct Requests {
    database: Database,
    zone: Zone,
    known: Arc<Mutex<Known>>,
}

impl Requests {
    /// The log of a database, whose days are those of a time zone. Days that are written stay what
    /// they are when the zone changes.
    pub fn new(database: Database, zone: Zone) -> Self {
        Self { database, zone, known: Arc::default() }
    }

    async fn add(&self, batch: &[CallRecord]) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut days = Days::new(&self.zone)?;
        let mut rows = Vec::with_capacity(batch.len());
        let mut subjects = subject::Batch::default();
        for record in batch {
            let subject = subjects.place(record);
            rows.push(Row::new(record, subject, days.day(record.at)));
        }
        let (rows, subjects) = (Arc::new(rows), Arc::new(subjects.list));
        let mut careful = false;
        for _ in 0..TRIES_MAX {
            let (known, erasures) = self.known.lock().find(&subjects);
            let (rows, told) = (Arc::clone(&rows), Arc::clone(&subjects));
            let task = Append { rows, subjects: told, known, erasures, careful };
            match self.database.write(task).await {
                Ok((numbers, erasures)) => {
                    self.known.lock().learn(&subjects, &numbers, erasures);
                    return Ok(());
                }
                // Some of it was told before, or by somebody else in this instant.
                Err(StoreError::Conflict(_)) => careful = true,
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict("somebody else logs the same calls".into()))
    }
}

impl CallLog for Requests {
    fn append<'a>(&'a self, batch: &'a [CallRecord]) -> Stored<'a, ()> {
        Box::pin(async move {
            if batch.len() > BATCH_MAX {
                return Err(StoreError::Full("more records than a batch may have".into()));
            }
            self.add(batch).await
        })
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").field("zone", &self.zone).finish_non_exhaustive()
    }
}

/// Pieces of money as they are stored.
fn money(pieces: i64) -> Money {
    Money(pieces)
}
