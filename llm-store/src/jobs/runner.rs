//! A worker: takes jobs, does them beside each other, and beats for them.
//!
//! The actors are the *work* (what somebody has written for a kind of job), the *run* (one attempt,
//! through which the work reads and writes) and the *runner*, which beats for each run, tells it to
//! stop, and says how it ended. A run whose lease is lost is dropped at its next await: what it
//! would still write is refused anyway. A runner that is stopped gives back what it has not ended
//! in time; one that is dropped says nothing, and its leases run out.

mod run;
mod upkeep;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use llm_core::Str;
use llm_core::principal::TenantId;
use llm_core::seam::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Jobs, NotDone, TAKE_MAX, Taken, Want};

pub use run::{Run, Stop};
pub use upkeep::keep_up;

/// Jobs that one runner does beside each other: each may hold an input and a result in memory.
pub const WIDTH_MAX: usize = 256;
/// The longest wait before a job is tried again.
const BACKOFF_MAX: Duration = Duration::from_secs(600);

/// What somebody has written for a kind of job.
pub trait Work: Send + Sync + fmt::Debug + 'static {
    /// Does it, or as much as is left of it: steps whose results are kept need not be done again.
    fn run<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Done, Trouble>>;
}

/// It is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// What it costs, in pieces of its payment's unit.
    pub charge: i64,
}

/// It went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What those for whom it is done are told.
    pub problem: Str,
    /// Whether it is of use to try again.
    pub again: bool,
    /// What is to be paid all the same where the job ends with it.
    pub charge: i64,
}

impl Trouble {
    /// What may pass by itself.
    pub fn passing(problem: impl Into<Str>) -> Self {
        Self { problem: problem.into(), again: true, charge: 0 }
    }

    /// What will not be better another time.
    pub fn lasting(problem: impl Into<Str>) -> Self {
        Self { problem: problem.into(), again: false, charge: 0 }
    }
}

impl From<NotDone> for Trouble {
    fn from(why: NotDone) -> Self {
        let passes = match &why {
            NotDone::Store(_) | NotDone::Lost => true,
            NotDone::Absent | NotDone::Gone | NotDone::Reused | NotDone::TooMuch { .. } => false,
        };
        let problem = Str::from(why.to_string());
        if passes { Self::passing(problem) } else { Self::lasting(problem) }
    }
}

/// How a runner works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who it is: the same for all its jobs, and nobody else's.
    pub owner: Str,
    /// How long its leases last; it beats three times in that.
    pub lease: Duration,
    /// How many jobs it does beside each other.
    pub width: usize,
    /// How long it waits where there is nothing to do.
    pub idle: Duration,
    /// How long a run may go on after it was told to stop.
    pub grace: Duration,
    /// The wait before the second attempt; twice as long before each further one.
    pub backoff: Duration,
}

impl Settings {
    /// The usual ones: a dead worker's job goes on within half a minute.
    pub fn new(owner: Str) -> Self {
        let seconds = Duration::from_secs;
        Self {
            owner,
            lease: seconds(30),
            width: 4,
            idle: seconds(1),
            grace: seconds(10),
            backoff: seconds(5),
        }
    }

    /// The wait after so many attempts, shortened by up to a half at random, so that what failed
    /// together is not tried together.
    pub(super) fn wait(&self, attempts: u32, random: u64) -> Duration {
        let doubled = 1u32.checked_shl(attempts.saturating_sub(1).min(20)).unwrap_or(u32::MAX);
        let whole = self.backoff.saturating_mul(doubled).min(BACKOFF_MAX);
        let half = whole / 2;
        let part = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).saturating_add(1);
        whole.saturating_sub(Duration::from_micros(random % part))
    }
}

/// A worker.
#[derive(Clone, Debug)]
pub struct Runner {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    jobs: Jobs,
    works: HashMap<Str, Arc<dyn Work>>,
    settings: Settings,
}

impl Runner {
    /// A worker for these kinds.
    pub fn new(
        jobs: Jobs,
        works: impl IntoIterator<Item = (Str, Arc<dyn Work>)>,
        settings: Settings,
    ) -> Self {
        let width = settings.width.clamp(1, WIDTH_MAX);
        let settings = Settings { width, ..settings };
        Self { shared: Arc::new(Shared { jobs, works: works.into_iter().collect(), settings }) }
    }

    /// Works until `stop`, and then until all it has is ended or given back.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let (shared, mut stop) = (&self.shared, pin!(stop));
        let mut runs = JoinSet::new();
        let (leave, leaving) = watch::channel(false);
        let mut after = TenantId::default();
        loop {
            let full = self.take(&mut runs, &leaving, &mut after).await;
            // Where as much came as was asked for there may be more.
            let wait = if full { Duration::ZERO } else { shared.settings.idle };
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(_) = runs.join_next() => {}
                () = shared.jobs.clock.sleep(wait) => {}
            }
        }
        leave.send_replace(true);
        while runs.join_next().await.is_some() {}
    }

    /// Takes as many jobs as there is room for; whether there may be more for what is left of it.
    async fn take(
        &self,
        runs: &mut JoinSet<()>,
        leaving: &watch::Receiver<bool>,
        after: &mut TenantId,
    ) -> bool {
        let (shared, settings) = (&self.shared, &self.shared.settings);
        let room = settings.width.saturating_sub(runs.len());
        let max = room.min(TAKE_MAX);
        if max == 0 {
            return false;
        }
        let kinds = shared.works.keys().cloned().collect();
        let (owner, lease) = (settings.owner.clone(), settings.lease);
        let want = Want { kinds, owner, lease, max, after: after.clone() };
        let taken = match shared.jobs.take(&want).await {
            Ok(taken) => taken,
            Err(why) => {
                tracing::warn!(%why, "no jobs taken");
                return false;
            }
        };
        if let Some(last) = taken.last() {
            after.clone_from(&last.job.tenant);
        }
        let full = taken.len() == max && max < room;
        for one in taken {
            runs.spawn(shared.clone().attend(one, leaving.clone()));
        }
        full
    }
}

impl Shared {
    async fn attend(self: Arc<Self>, taken: Taken, leaving: watch::Receiver<bool>) {
        let Some(work) = self.works.get(&taken.job.kind).cloned() else { return };
        let Taken { lease, job } = taken;
        let wait = self.settings.wait(job.attempts, self.jobs.entropy.next_u64());
        let attempt = run::Attempt { jobs: &self.jobs, lease, wait, grace: self.settings.grace };
        attempt.attend(work, job, leaving).await;
    }
}
