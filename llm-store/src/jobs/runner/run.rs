//! One attempt: the work on one side, beats and the order to stop on the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use llm_core::Str;
use llm_core::store::StoreError;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use super::{Done, Trouble, Work};
use crate::jobs::{Beat, Fault, Job, Jobs, Lease, NotDone, Progress, Whose};

/// Beats in the time of a lease: one may be late and one lost.
const BEATS: u32 = 3;
/// How often the end of an attempt is said to a store that does not answer. After that the lease
/// runs out, and the job is begun again.
const TRIES_MAX: u32 = 5;

/// Why a run is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody has cancelled the job.
    Cancelled,
    /// The worker ends; another one goes on behind the last step that was kept.
    Leaving,
}

/// One attempt, as the work sees it.
#[derive(Debug)]
pub struct Run {
    jobs: Jobs,
    lease: Lease,
    job: Job,
    input: Bytes,
    stop: watch::Receiver<Option<Stop>>,
}

impl Run {
    /// The job as it was when it was taken.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// What it is to be done with.
    pub fn input(&self) -> &Bytes {
        &self.input
    }

    /// What a step has come to, in this attempt or an earlier one.
    pub async fn kept(&self, step: impl Into<Str>) -> Result<Option<Bytes>, NotDone> {
        self.jobs.kept(&self.lease, step.into()).await
    }

    /// Keeps what a step has come to.
    pub async fn checkpoint(&self, step: impl Into<Str>, body: Bytes) -> Result<(), NotDone> {
        self.jobs.checkpoint(&self.lease, step.into(), body).await
    }

    /// Says how much of the job is done, and of one of its steps, in percent.
    pub async fn progress(&self, percent: u8, step: Option<(Str, u8)>) -> Result<(), NotDone> {
        self.jobs.progress(&self.lease, Progress { percent, step }).await
    }

    /// Writes what came of the job.
    pub async fn attach(
        &self,
        name: impl Into<Str>,
        media: impl Into<Str>,
        body: Bytes,
    ) -> Result<(), NotDone> {
        self.jobs.attach(&self.lease, name.into(), media.into(), body).await
    }

    /// Whether to stop, and why.
    pub fn stop(&self) -> Option<Stop> {
        *self.stop.borrow()
    }

    /// Waits until it is to stop.
    pub async fn stopped(&self) -> Stop {
        let mut stop = self.stop.clone();
        match stop.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(why)) => *why,
            // Whoever would say so is gone, and so is this run at its next await.
            Ok(None) | Err(_) => Stop::Leaving,
        }
    }
}

/// The work goes with whoever attends to it.
struct Working(JoinHandle<Result<Done, Trouble>>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How an attempt ended.
enum End {
    Said(Result<Done, Trouble>),
    Broken,
    /// It was to stop and did not.
    Stopped,
    /// The job is somebody else's.
    Lost,
}

pub(super) struct Attempt<'a> {
    pub(super) jobs: &'a Jobs,
    pub(super) lease: Lease,
    /// Before the next one.
    pub(super) wait: Duration,
    pub(super) grace: Duration,
}

impl Attempt<'_> {
    pub(super) async fn attend(
        self,
        work: Arc<dyn Work>,
        job: Job,
        leaving: watch::Receiver<bool>,
    ) {
        let (tell, stop) = watch::channel(None);
        let input = self.jobs.input(self.lease.id, &Whose::all()).await;
        let end = match input {
            Ok(input) => {
                let (jobs, lease) = (self.jobs.clone(), self.lease);
                let run = Run { jobs, lease, job, input, stop };
                // A task of its own, so that a panic is the work's and beats do not wait for it.
                let working = Working(tokio::spawn(async move { work.run(&run).await }));
                self.watch(working, &tell, leaving).await
            }
            Err(why) => End::Said(Err(why.into())),
        };
        let stop = *tell.borrow();
        self.say(end, stop).await;
    }

    /// Beats until it has ended.
    async fn watch(
        &self,
        mut working: Working,
        tell: &watch::Sender<Option<Stop>>,
        mut leaving: watch::Receiver<bool>,
    ) -> End {
        let (clock, every) = (&self.jobs.clock, self.lease.lasts / BEATS);
        let mut heard = clock.now();
        let mut until = None;
        loop {
            let stop = *tell.borrow();
            let beat = clock.sleep(every);
            let over = async {
                match until {
                    Some(until) => {
                        clock.sleep(Instant::saturating_duration_since(&until, clock.now())).await
                    }
                    None => std::future::pending().await,
                }
            };
            // Whoever would say so is gone with all its runs.
            let left = async { leaving.wait_for(|left| *left).await.is_ok() };
            let mut order = None;
            tokio::select! {
                biased;
                done = &mut working.0 => return end_of(done),
                () = over => {
                    working.0.abort();
                    // It may have ended in this instant.
                    return match (&mut working.0).await {
                        Err(why) if why.is_cancelled() => End::Stopped,
                        done => end_of(done),
                    };
                }
                left = left, if stop.is_none() => order = left.then_some(Stop::Leaving),
                () = beat => match self.jobs.beat(&self.lease).await {
                    Ok(Beat::Go) => heard = clock.now(),
                    Ok(Beat::Stop) => {
                        heard = clock.now();
                        order = Some(Stop::Cancelled);
                    }
                    Err(NotDone::Store(_)) if clock.now().duration_since(heard) < self.lease.lasts => {}
                    Err(_) => return End::Lost,
                },
            }
            if let Some(why) = order
                && stop.is_none()
            {
                tell.send_replace(Some(why));
                until = clock.now().checked_add(self.grace);
            }
        }
    }

    async fn say(&self, end: End, stop: Option<Stop>) {
        match (end, stop) {
            (End::Lost, _) => {}
            (End::Said(Ok(done)), _) => {
                self.surely(|| self.jobs.finish(&self.lease, done.charge)).await;
            }
            // What went wrong because it was told to go is not the job's mistake.
            (End::Said(Err(_)) | End::Broken | End::Stopped, Some(Stop::Leaving)) => {
                self.surely(|| self.jobs.release(&self.lease)).await;
            }
            (End::Said(Err(trouble)), _) => self.fail(trouble).await,
            (End::Broken, _) => self.fail(Trouble::passing("the work broke off")).await,
            (End::Stopped, _) => self.fail(Trouble::passing("the work was stopped")).await,
        }
    }

    async fn fail(&self, trouble: Trouble) {
        let Trouble { problem, again, charge } = trouble;
        let fault = Fault { problem, again: again.then_some(self.wait), charge };
        self.surely(|| self.jobs.fail(&self.lease, &fault)).await;
    }

    async fn surely<T, F>(&self, say: impl Fn() -> F)
    where
        F: Future<Output = Result<T, NotDone>>,
    {
        for _ in 0..TRIES_MAX {
            match say().await {
                Err(NotDone::Store(StoreError::Unavailable(_) | StoreError::Conflict(_))) => {}
                Ok(_) | Err(NotDone::Lost) => return,
                Err(why) => {
                    tracing::error!(job = %self.lease.id, %why, "the end of an attempt is not said");
                    return;
                }
            }
            self.jobs.clock.sleep(self.lease.lasts / BEATS).await;
        }
        tracing::error!(job = %self.lease.id, "the store is away; the job will be begun again");
    }
}

fn end_of(done: Result<Result<Done, Trouble>, JoinError>) -> End {
    done.map_or(End::Broken, End::Said)
}
