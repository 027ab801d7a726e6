//! How a worker comes by jobs, and what becomes of those whose worker is gone.
//!
//! Tenants are served in turn: whoever takes says whose job was taken last, and gets the next
//! tenant's. A tenant with a thousand jobs waits behind one with one. What is wanted sooner goes
//! first whosever it is; nothing makes work that may wait any more urgent by waiting.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use llm_core::Str;
use llm_core::principal::TenantId;

use super::announce::announce;
use super::job::State;
use super::life::Taker;
use super::rows::{CLASSES, COLUMNS, Row, number};
use crate::sql::database::{Arg, Record, Session, Task};
use crate::sql::fault::Failure;
use crate::webhooks::Outbox;

/// Jobs that are taken at once: each is a few statements, and all of them are one transaction that
/// has a second.
pub const TAKE_MAX: usize = 16;
/// Kinds that one worker does.
pub const KINDS_MAX: usize = 32;
/// Jobs that are looked at for one taking: some turn out to be at their end.
const LOOKS_MAX: usize = 2 * TAKE_MAX;
/// Leases of the dead that are ended at once.
const REAP_MAX: usize = 64;

pub(super) struct Take {
    pub(super) kinds: Vec<Str>,
    pub(super) taker: Taker,
    pub(super) max: usize,
    pub(super) after: TenantId,
    /// Whether it was tried before, and nobody knows how that ended.
    pub(super) tried: AtomicBool,
    pub(super) outbox: Outbox,
}

const MINE: &str = " FROM job WHERE state = 'processing' AND owner = $1 AND ticket = $2";

impl Take {
    /// `kind IN ($n, …)`.
    fn of_kinds(&self, from: usize) -> String {
        let mut text = String::from("kind IN (");
        for n in 0..self.kinds.len() {
            let comma = if n == 0 { "" } else { ", " };
            // Writing to a string does not fail.
            let _ = write!(text, "{comma}${}", from + n);
        }
        text.push(')');
        text
    }

    fn args<'a>(&'a self, first: &[Arg<'a>]) -> Vec<Arg<'a>> {
        let kinds = self.kinds.iter().map(|kind| Arg::from(&kind[..]));
        first.iter().copied().chain(kinds).collect()
    }

    /// The most urgent class in which there may be something; a worker without work asks no more.
    async fn class(&self, session: &mut Session<'_>) -> Result<Option<i64>, Failure> {
        let text = format!(
            "SELECT class FROM job WHERE due <= $1 AND {} ORDER BY class LIMIT 1",
            self.of_kinds(2)
        );
        let args = self.args(&[session.now().into()]);
        session.one(text, &args).await?.map(|row| row.int(0)).transpose()
    }

    /// The next tenant's job in a class.
    async fn next(
        &self,
        session: &mut Session<'_>,
        class: i64,
        after: &TenantId,
    ) -> Result<Option<Record>, Failure> {
        for turn in ["tenant > $2", "tenant <= $2"] {
            let text = format!(
                "SELECT {COLUMNS} FROM job WHERE class = $1 AND {turn} AND due <= $3 AND {} \
                 ORDER BY tenant, due, id LIMIT 1{}",
                self.of_kinds(4),
                session.taking()
            );
            let args = self.args(&[class.into(), (&after.0[..]).into(), session.now().into()]);
            let found = session.one(text, &args).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// What an earlier try has taken.
    async fn mine(&self, session: &mut Session<'_>) -> Result<Vec<Row>, Failure> {
        let args = [(&self.taker.owner[..]).into(), self.taker.ticket.into()];
        let rows = session.all(format!("SELECT {COLUMNS}{MINE}"), &args).await?;
        rows.iter().map(Row::read).collect()
    }
}

impl Task for Take {
    type Out = Vec<Row>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        if self.tried.swap(true, Ordering::Relaxed) {
            let mine = self.mine(session).await?;
            if !mine.is_empty() {
                return Ok(mine);
            }
        }
        let (mut taken, mut after) = (Vec::new(), self.after.clone());
        let Some(mut class) = self.class(session).await? else { return Ok(taken) };
        for _ in 0..LOOKS_MAX {
            if taken.len() >= self.max || class >= number(CLASSES.len()) {
                break;
            }
            let Some(found) = self.next(session, class, &after).await? else {
                class += 1;
                continue;
            };
            let mut row = Row::read(&found)?;
            let news = row.life.take(&self.taker, session.now());
            row.save(session, &news).await?;
            announce(session, &self.outbox, &row, &news).await?;
            after = row.tenant.clone();
            if row.life.state == State::Processing {
                taken.push(row);
            }
        }
        Ok(taken)
    }
}

/// Ends leases that nobody keeps, whoever would do the jobs.
pub(super) struct Reap(pub(super) Outbox);

const OVERDUE: &str = " FROM job WHERE state = 'processing' AND due <= $1 ORDER BY due LIMIT $2";

impl Task for Reap {
    type Out = usize;

    async fn run(&self, session: &mut Session<'_>) -> Result<usize, Failure> {
        let text = format!("SELECT {COLUMNS}{OVERDUE}{}", session.taking());
        let rows = session.all(text, &[session.now().into(), number(REAP_MAX).into()]).await?;
        for record in &rows {
            let mut row = Row::read(record)?;
            let news = row.life.lost(session.now());
            row.save(session, &news).await?;
            announce(session, &self.0, &row, &news).await?;
        }
        Ok(rows.len())
    }
}
