//! Rows that are kept no longer go; their days keep the sums.
//!
//! The actors are *how long* rows are [`Kept`] (by what was sold to whoever asked), the *turn* (one
//! process prunes at a time; of one that died it is anybody's after a minute) and, for each plan,
//! *up to when* its rows were looked through, so that a sweep looks at new ones only. Rows go in
//! batches of time, between which others write.
//!
//! A plan that is kept for a shorter time than before is looked through further at the next sweep;
//! one that is no longer spoken of is kept no longer than the longest of the others.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use llm_core::Str;
use llm_core::store::StoreError;

use super::Requests;
use super::labels::{self, Unlabelled};
use super::page::SPAN;
use crate::sql::database::{Arg, Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::micros_of;

/// Rows that are looked through at once: what a writer behind them waits for.
const GOING_MAX: i64 = 1_000;
/// Batches of one sweep. What is left is left to the next one: a million rows are minutes.
const BATCHES_MAX: usize = 1_000;
/// For how long a process has the turn without a word.
const TURN: Duration = Duration::from_secs(60);

const TAKE: &str = "UPDATE request_state SET turn = $1 WHERE id = 1 AND turn <= $2";
const KEEP: &str = "UPDATE request_state SET turn = $1 WHERE id = 1";
const OLDEST: &str = "DELETE FROM request WHERE (at, id) IN \
     (SELECT r.at, r.id FROM request r WHERE r.at < $1 ORDER BY r.at, r.id LIMIT $2)";
/// What has gone, as [`Unlabelled`] reads it.
const GONE: &str = " RETURNING at, id, tags";
const UPTO: &str = "SELECT upto FROM request_pruned WHERE plan = $1";
/// Where a batch of so many rows ends.
const END: &str =
    "SELECT at FROM request WHERE at >= $1 AND at < $2 ORDER BY at, id LIMIT 1 OFFSET $3";
const WITHIN: &str = "DELETE FROM request WHERE at >= $1 AND at < $2";
/// Spans up to one in which a subject has no calls any more. Each is looked at by itself: asked whether
/// any `EXISTS`, a server reads the whole log, and that for each batch.
const EMPTY: &str = "DELETE FROM request_span WHERE span >= $1 AND span < $2 AND \
     (SELECT r.at FROM request r WHERE r.at >= request_span.span * $3 \
     AND r.at < request_span.span * $3 + $3 AND r.subject = request_span.subject LIMIT 1) IS NULL";
const FIRST: &str = "SELECT min(at) FROM request";
const DONE: &str = "INSERT INTO request_pruned (plan, upto) VALUES ($1, $2) \
     ON CONFLICT (plan) DO UPDATE SET upto = excluded.upto";

/// How long rows are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Of whoever has no plan of those below; `None` is for ever.
    pub usual: Option<Duration>,
    /// By what was sold to whoever asked.
    pub plans: BTreeMap<Str, Duration>,
}

impl Kept {
    /// The longest of all; `None` is for ever.
    fn longest(&self) -> Option<Duration> {
        self.plans.values().copied().chain(self.usual).max().filter(|_| self.usual.is_some())
    }
}

impl Requests {
    /// Deletes calls that are kept no longer, and says how many; `None` when somebody else is at
    /// it.
    pub async fn prune(&self, kept: &Kept, now: Timestamp) -> Result<Option<u64>, StoreError> {
        if !self.database.write(Take).await? {
            return Ok(None);
        }
        let gone = self.pruned(kept, now).await;
        self.database.write(GiveBack).await?;
        gone.map(Some)
    }

    async fn pruned(&self, kept: &Kept, now: Timestamp) -> Result<u64, StoreError> {
        let before =
            |span: Duration| now.as_microsecond().saturating_sub(micros_of(span)).max(i64::MIN + 1);
        let (mut gone, mut batches) = (0, 0);
        if let Some(longest) = kept.longest() {
            while batches < BATCHES_MAX {
                batches += 1;
                let some = self.database.write(Oldest(before(longest))).await?;
                gone += some;
                if some < GOING_MAX.unsigned_abs() {
                    break;
                }
            }
        }
        let usual = kept.usual.map(|span| (None, span));
        let plans = kept.plans.iter().map(|(plan, span)| (Some(plan.clone()), *span));
        for (plan, span) in usual.into_iter().chain(plans) {
            let others = if plan.is_none() { kept.plans.keys().cloned().collect() } else { vec![] };
            while batches < BATCHES_MAX {
                batches += 1;
                let (plan, others) = (plan.clone(), others.clone());
                let step = self.database.write(Step { plan, others, before: before(span) }).await?;
                let Some(some) = step else { break };
                gone += some;
            }
        }
        Ok(gone)
    }
}

/// The turn, where nobody has it.
struct Take;

impl Task for Take {
    type Out = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, Failure> {
        let now = session.now();
        let until = now.saturating_add(micros_of(TURN));
        Ok(session.run(TAKE, &[until.into(), now.into()]).await? > 0)
    }
}

async fn keep_turn(session: &mut Session<'_>) -> Result<(), Failure> {
    let until = session.now().saturating_add(micros_of(TURN));
    session.run(KEEP, &[until.into()]).await.map(drop)
}

struct GiveBack;

impl Task for GiveBack {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        session.run(KEEP, &[0.into()]).await.map(drop)
    }
}

/// Forgets in which of the spans that lie before an instant there were calls, if none is left. The
/// one that the instant is in waits for the next batch.
async fn forget_spans(session: &mut Session<'_>, from: i64, to: i64) -> Result<(), Failure> {
    let args = [from.div_euclid(SPAN).into(), to.div_euclid(SPAN).into(), SPAN.into()];
    session.run(EMPTY, &args).await.map(drop)
}

/// Deletes rows, and what says which labels they have; how many.
async fn delete(session: &mut Session<'_>, text: &str, args: &[Arg<'_>]) -> Result<u64, Failure> {
    let gone = session.all(format!("{text}{GONE}"), args).await?;
    let gone: Vec<Unlabelled> = gone.iter().map(Unlabelled::read).collect::<Result<_, _>>()?;
    labels::take_away(session, gone.iter()).await?;
    Ok(gone.len() as u64)
}

/// The oldest of those that nobody keeps.
struct Oldest(i64);

impl Task for Oldest {
    type Out = u64;

    async fn run(&self, session: &mut Session<'_>) -> Result<u64, Failure> {
        keep_turn(session).await?;
        let gone = delete(session, OLDEST, &[self.0.into(), GOING_MAX.into()]).await?;
        let first = session.one(FIRST, &[]).await?.map_or(Ok(None), |row| row.maybe_int(0))?;
        forget_spans(session, i64::MIN, first.unwrap_or(self.0)).await?;
        Ok(gone)
    }
}

/// The next rows of a plan.
struct Step {
    /// `None` is all but `others`.
    plan: Option<Str>,
    others: Vec<Str>,
    before: i64,
}

impl Task for Step {
    /// `None` when there are no more.
    type Out = Option<u64>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        keep_turn(session).await?;
        let name: &str = self.plan.as_deref().unwrap_or_default();
        let upto = session.one(UPTO, &[name.into()]).await?;
        let from = upto.map_or(Ok(i64::MIN), |row| row.int(0))?;
        if from >= self.before {
            return Ok(None);
        }
        let args = [from.into(), self.before.into(), GOING_MAX.into()];
        let to = match session.one(END, &args).await? {
            // Rows of one instant go together, however many they are.
            Some(row) => row.int(0)?.max(from.saturating_add(1)),
            None => self.before,
        };
        let mut args: Vec<Arg<'_>> = vec![from.into(), to.into()];
        let gone = match &self.plan {
            Some(plan) => {
                args.push((&**plan).into());
                delete(session, &format!("{WITHIN} AND plan = $3"), &args).await?
            }
            None if self.others.is_empty() => delete(session, WITHIN, &args).await?,
            None => {
                let marks: Vec<String> =
                    (3..3 + self.others.len()).map(|n| format!("${n}")).collect();
                args.extend(self.others.iter().map(|other| Arg::from(&**other)));
                let text =
                    format!("{WITHIN} AND (plan IS NULL OR plan NOT IN ({}))", marks.join(", "));
                delete(session, &text, &args).await?
            }
        };
        forget_spans(session, from, to).await?;
        session.run(DONE, &[name.into(), to.into()]).await?;
        Ok(Some(gone))
    }
}
