//! Work that outlasts the call that asked for it, and the process that does it.
//!
//! The actors are the *job* (a row, what it was asked, what came of it), the *owner* (a worker that
//! has it under a *lease*, and says with each beat that it lives), the *fence* (the number of the
//! lease: what an owner writes that has lost its job is refused), the *events* (all that happened,
//! numbered) and the *debt* (what a job that has ended owes its hold, until a ledger has settled
//! it). A worker that dies says nothing; its lease runs out and another one goes on, behind the
//! last step whose result was kept.
//!
//! So a job is *begun* more than once, and ends once. What it does to the world is its own to make
//! repeatable; what it is charged is not its own, and happens once.
//!
//! Deliberately absent: times of day (a job that is to run at noon is made at noon), jobs that wait
//! for jobs, and telling anyone by himself: events are asked for.

mod announce;
mod create;
mod erase;
mod event;
mod job;
mod lease;
mod life;
mod owed;
mod part;
mod rows;
pub mod runner;
mod sweep;
mod take;
mod view;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use llm_core::Str;
use llm_core::principal::TenantId;
use llm_core::seam::{Clock, Entropy};
use llm_core::store::StoreError;

use crate::seal::Chest;
use crate::sql::Database;
use crate::sql::row::micros_of;
use crate::webhooks::Outbox;
use create::{Create, print};
use lease::{Beating, Move, Moving, Progressing};
use part::{Get, Names, Part, Put, Role, fits};

pub use announce::{JOB_CANCELLED, JOB_COMPLETED, JOB_FAILED};
pub use erase::Erased;
pub use event::{EVENTS_MAX, Event, What};
pub use job::{
    ARTEFACTS_MAX, ATTEMPTS_MAX, Draft, Job, JobId, Made, NAME_MAX, NotDone, NotJobId, PART_MAX,
    PROBLEM_MAX, Payment, Retention, STEPS_MAX, State,
};
pub use lease::{Beat, Fault, Lease, Progress, Taken};
pub use owed::{Carried, OWED_MAX, Owed, Settle};
pub use part::Artefact;
pub use sweep::{HISTORY, Swept};
pub use take::{KINDS_MAX, TAKE_MAX};
pub use view::{Count, Filter, PAGE_MAX, Page, Stats, Step, Whose};

/// A lease that is shorter is lost to a garbage pause.
const LEASE_MIN: Duration = Duration::from_millis(1);
/// One that is longer keeps the job of the dead from the living.
const LEASE_MAX: Duration = Duration::from_secs(3_600);

/// The queue. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    database: Database,
    chest: Option<Chest>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    outbox: Outbox,
}

/// Which jobs somebody would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Of these kinds.
    pub kinds: Vec<Str>,
    /// Who they are.
    pub owner: Str,
    /// How long they have them without a beat.
    pub lease: Duration,
    /// How many, up to [`TAKE_MAX`].
    pub max: usize,
    /// Whose job they took last: the next tenant is served first.
    pub after: TenantId,
}

impl Jobs {
    /// Jobs in a database; their parts are sealed where there is a chest.
    pub fn new(
        database: Database,
        chest: Option<Chest>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { database, chest, clock, entropy, outbox: Outbox::default() }
    }

    /// With others who hear of each end.
    #[must_use]
    pub fn telling(self, outbox: Outbox) -> Self {
        Self { outbox, ..self }
    }

    fn next_id(&self) -> JobId {
        let since = self.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (high, low) = (self.entropy.next_u64(), self.entropy.next_u64());
        let random = u128::from(high & 0xffff) << 64 | u128::from(low);
        JobId(since.as_millis() << 80 | random)
    }

    /// Makes a job. Of one with a name the second try is the first.
    pub async fn create(&self, draft: Draft) -> Result<Made, NotDone> {
        let names = [&draft.kind, draft.once.as_ref().unwrap_or(&draft.kind)];
        fits(
            "bytes of a name",
            names.map(|name| name.len()).into_iter().max().unwrap_or(0),
            NAME_MAX,
        )?;
        let attempts_max = draft.attempts_max.clamp(1, ATTEMPTS_MAX);
        let draft = Draft { attempts_max, ..draft };
        let id = self.next_id();
        let place = (id, Role::Input, 0);
        let input = Part::new(self.chest.as_ref(), place, Default::default(), &draft.input)?;
        let print = print(&draft);
        self.database.write(Create { id, draft, print, input }).await?
    }

    /// Takes jobs, and ends those that were lost too often on the way.
    pub async fn take(&self, want: &Want) -> Result<Vec<Taken>, NotDone> {
        fits("kinds", want.kinds.len(), KINDS_MAX)?;
        fits("bytes of a name", want.owner.len(), NAME_MAX)?;
        if want.kinds.is_empty() || want.max == 0 {
            return Ok(Vec::new());
        }
        let lasts = want.lease.clamp(LEASE_MIN, LEASE_MAX);
        let ticket = self.entropy.next_u64().cast_signed();
        let taker = life::Taker { owner: want.owner.clone(), ticket, lease: micros_of(lasts) };
        let (max, tried) = (want.max.min(TAKE_MAX), AtomicBool::new(false));
        let (kinds, after) = (want.kinds.clone(), want.after.clone());
        let outbox = self.outbox.clone();
        let take = take::Take { kinds, taker, max, after, tried, outbox };
        let rows = self.database.write(take).await?;
        let taken = rows.into_iter().map(|row| {
            let lease = Lease { id: row.id, fence: row.life.fence, lasts };
            let job = row.job().map_err(crate::sql::fault::Failure::understood)?;
            Ok(Taken { lease, job })
        });
        taken.collect()
    }

    /// Says that the owner lives, and hears whether to go on.
    pub async fn beat(&self, lease: &Lease) -> Result<Beat, NotDone> {
        self.database.write(Beating(*lease)).await?
    }

    /// Says how far the owner has come. What is less than was said before changes nothing.
    pub async fn progress(&self, lease: &Lease, progress: Progress) -> Result<(), NotDone> {
        Progressing::check(&progress)?;
        self.database.write(Progressing { lease: *lease, progress }).await?
    }

    /// Keeps what a step has come to, so that it need not be done again.
    pub async fn checkpoint(&self, lease: &Lease, step: Str, body: Bytes) -> Result<(), NotDone> {
        self.put(lease, Role::Step, (step, Str::new()), &body).await
    }

    /// What a step has come to, in this attempt or an earlier one.
    pub async fn kept(&self, lease: &Lease, step: Str) -> Result<Option<Bytes>, NotDone> {
        Ok(self.part(lease.id, &Whose::all(), Role::Step, step).await?.map(|(_, body)| body))
    }

    /// Writes what came of the job. It is seen once the job is done.
    pub async fn attach(
        &self,
        lease: &Lease,
        name: Str,
        media: Str,
        body: Bytes,
    ) -> Result<(), NotDone> {
        self.put(lease, Role::Artefact, (name, media), &body).await
    }

    async fn put(
        &self,
        lease: &Lease,
        role: Role,
        names: (Str, Str),
        body: &Bytes,
    ) -> Result<(), NotDone> {
        let place = (lease.id, role, lease.fence);
        let part = Part::new(self.chest.as_ref(), place, names, body)?;
        self.database.write(Put { id: lease.id, role, part }).await?
    }

    /// It is done, and costs so many pieces of its payment's unit. May be said again.
    pub async fn finish(&self, lease: &Lease, charge: i64) -> Result<State, NotDone> {
        self.go(lease.id, Move::Finish { fence: lease.fence, charge }).await
    }

    /// It went wrong: it waits to be tried again, has failed, or was to be cancelled anyway.
    pub async fn fail(&self, lease: &Lease, fault: &Fault) -> Result<State, NotDone> {
        self.go(lease.id, Move::Fail { fence: lease.fence, mishap: fault.into() }).await
    }

    /// Gives it back for others to do, as if it had not been begun.
    pub async fn release(&self, lease: &Lease) -> Result<State, NotDone> {
        self.go(lease.id, Move::Release { fence: lease.fence }).await
    }

    /// Cancels it: at once where nobody has it; whoever has it hears of it at the next beat.
    pub async fn cancel(&self, id: JobId, whose: &Whose) -> Result<State, NotDone> {
        self.go(id, Move::Cancel { whose: whose.clone() }).await
    }

    /// Keeps its parts for longer.
    pub async fn keep(
        &self,
        id: JobId,
        whose: &Whose,
        retention: Retention,
    ) -> Result<State, NotDone> {
        let span = micros_of(retention.span());
        self.go(id, Move::Keep { whose: whose.clone(), span }).await
    }

    async fn go(&self, id: JobId, by: Move) -> Result<State, NotDone> {
        self.database.write(Moving { id, by, outbox: self.outbox.clone() }).await?
    }

    /// A job and its steps.
    pub async fn get(&self, id: JobId, whose: &Whose) -> Result<(Job, Vec<Step>), NotDone> {
        self.database.read(view::See { id, whose: whose.clone() }).await?
    }

    /// Jobs from the newest to the oldest, those made before `before`.
    pub async fn list(
        &self,
        filter: Filter,
        before: Option<JobId>,
        max: usize,
    ) -> Result<Page, StoreError> {
        self.database.read(view::List { filter, before, max }).await
    }

    /// What has happened to a job behind an event; 0 is from the beginning.
    pub async fn events(
        &self,
        id: JobId,
        whose: &Whose,
        since: u64,
        max: usize,
    ) -> Result<Vec<Event>, NotDone> {
        let number = i64::try_from(since).unwrap_or(i64::MAX);
        self.database.read(event::Since { id, whose: whose.clone(), number, max }).await?
    }

    /// What it is to be done with.
    pub async fn input(&self, id: JobId, whose: &Whose) -> Result<Bytes, NotDone> {
        let found = self.part(id, whose, Role::Input, Str::new()).await?;
        Ok(found.ok_or(NotDone::Gone)?.1)
    }

    /// What came of it, by name.
    pub async fn artefacts(&self, id: JobId, whose: &Whose) -> Result<Vec<Artefact>, NotDone> {
        self.database.read(Names { id, whose: whose.clone() }).await?
    }

    /// One of them: what it is, and its bytes.
    pub async fn artefact(
        &self,
        id: JobId,
        whose: &Whose,
        name: Str,
    ) -> Result<(Str, Bytes), NotDone> {
        self.part(id, whose, Role::Artefact, name).await?.ok_or(NotDone::Absent)
    }

    async fn part(
        &self,
        id: JobId,
        whose: &Whose,
        role: Role,
        name: Str,
    ) -> Result<Option<(Str, Bytes)>, NotDone> {
        let get = Get { id, whose: whose.clone(), role, name };
        let Some(part) = self.database.read(get).await?? else { return Ok(None) };
        let media = part.media.clone();
        Ok(Some((media, part.open(self.chest.as_ref(), id, role)?)))
    }

    /// Ends leases that nobody keeps, a batch at a time: how many. Whoever takes does it for what
    /// they take; this is for kinds that nobody does.
    pub async fn reap(&self) -> Result<usize, StoreError> {
        self.database.write(take::Reap(self.outbox.clone())).await
    }

    /// Forgets a batch of what is kept no longer.
    pub async fn sweep(&self) -> Result<Swept, StoreError> {
        self.database.write(sweep::Sweep).await
    }

    /// Forgets all jobs of a user. Those that somebody works on are cancelled, and have to be asked
    /// for again once they have ended.
    pub async fn erase(&self, whose: &Whose) -> Result<Erased, StoreError> {
        let (mut erased, mut after) = (Erased::default(), Some(Vec::new()));
        while let Some(behind) = after.take() {
            let (whose, outbox) = (whose.clone(), self.outbox.clone());
            let (some, next) =
                self.database.write(erase::Erase { whose, after: behind, outbox }).await?;
            erased.gone += some.gone;
            erased.later += some.later;
            after = next;
        }
        Ok(erased)
    }

    /// Carries what is owed to a ledger, a batch at a time.
    pub async fn settle(&self, ledger: &dyn Settle, max: usize) -> Result<Carried, StoreError> {
        let mut carried = Carried::default();
        for owed in self.database.write(owed::Collect { max }).await? {
            let done = match ledger.settle(&owed).await {
                Ok(()) => self.database.write(owed::Paid(owed.job)).await,
                Err(why) => Err(why),
            };
            match done {
                Ok(()) => carried.settled += 1,
                Err(why) => {
                    carried.left += 1;
                    carried.why = Some(why);
                }
            }
        }
        Ok(carried)
    }

    /// How the queue is: for a report, since it looks at every job.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        self.database.report(view::Counting).await
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sealed = self.chest.is_some();
        f.debug_struct("Jobs").field("database", &self.database).field("sealed", &sealed).finish()
    }
}

#[cfg(test)]
mod tests;
