//! Where callers' deposits are: in the store, with the queue that batches wait in, and who carries
//! them out and sweeps up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::seam::Clock;
use llm_core::store::StoreError;
use llm_providers::Gateway;
use llm_store::deposits::Deposits;
use llm_store::jobs::Jobs;
use llm_store::jobs::runner::{self, Runner};
use llm_store::seal::Chest;
use llm_store::webhooks::Outbox;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::apps::analysis::AnalysisWork;
use super::apps::captions::CaptionWork;
use super::apps::debts::Debts;
use super::apps::documents::EmbeddingWork;
use super::batches::BatchWork;
use super::house::House;
use super::store::Store;
use crate::config::{Config, Inbound};

/// Uploads at once: each is in memory until it is kept.
const UPLOADS_MAX: usize = 4;
/// How often what is kept no longer is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// How often jobs of the dead are looked for, and holds of jobs that have ended are settled.
const SETTLE_EVERY: Duration = Duration::from_secs(1);
/// Jobs of applications beside each other in this process: nearly all of their time they wait for
/// providers.
const APPS_WIDTH: usize = 4;
/// How long a worker may take to give back what it has not ended: the lines under way are waited
/// for, and the rest is another's.
const GRACE: Duration = Duration::from_secs(8);

/// What callers have left. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Depot {
    /// Answers, files, batches and their lines.
    pub(crate) deposits: Deposits,
    /// The queue of batches.
    pub(crate) jobs: Jobs,
    /// How much of it, and for how long.
    pub(crate) rules: Arc<Inbound>,
    /// This process, towards the store.
    pub(crate) replica: Str,
    /// Places for uploads.
    pub(crate) uploads: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
    crew: Arc<Crew>,
}

/// Who works behind the scenes.
struct Crew {
    stop: watch::Sender<bool>,
    tasks: parking_lot::Mutex<JoinSet<()>>,
}

impl Depot {
    /// In the house's store, where it has one that outlasts it; jobs are sealed where there is a
    /// chest, and deposits as whoever brings them says.
    pub(crate) fn of(
        store: &Store,
        config: &Config,
        clock: &Arc<dyn Clock>,
        gateway: &Gateway,
        deposits: Option<Deposits>,
        chest: Option<Chest>,
        outbox: Outbox,
    ) -> Option<Self> {
        let database = store.database()?;
        let (replica, rules) = (Str::from(store.replica()), config.inbound.clone());
        let entropy = Arc::clone(gateway.entropy());
        Some(Self {
            deposits: deposits?,
            jobs: Jobs::new(database.clone(), chest, Arc::clone(clock), entropy).telling(outbox),
            rules: Arc::new(rules),
            replica,
            uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
            clock: Arc::clone(clock),
            crew: Arc::new(Crew {
                stop: watch::Sender::new(false),
                tasks: parking_lot::Mutex::default(),
            }),
        })
    }

    /// Begins to work: the house is open.
    pub(crate) fn begin(&self, house: &Arc<House>) {
        let work = Arc::new(BatchWork::new(Arc::downgrade(house)));
        let batches = [(Str::from_static(BatchWork::KIND), work as Arc<dyn runner::Work>)];
        self.work(self.replica.clone(), self.rules.batches.width, batches);
        // Apart from batches, of which one may take a day.
        let of = || Arc::downgrade(house);
        let apps = [
            (CaptionWork::KIND, Arc::new(CaptionWork::new(of())) as Arc<dyn runner::Work>),
            (AnalysisWork::KIND, Arc::new(AnalysisWork::new(of()))),
            (EmbeddingWork::KIND, Arc::new(EmbeddingWork::new(of()))),
        ];
        let apps = apps.map(|(kind, work)| (Str::from_static(kind), work));
        self.work(Str::from(format!("{}/apps", self.replica)), APPS_WIDTH, apps);
        let mut tasks = self.crew.tasks.lock();
        if let Some(purse) = &house.purse {
            let debts = Debts::new(purse.wallets.clone(), self.jobs.clone());
            let (jobs, stopped) = (self.jobs.clone(), self.stopped());
            tasks.spawn(async move {
                runner::keep_up(&jobs, &debts, SETTLE_EVERY, stopped).await;
            });
        }
        let (depot, mut stop) = (self.clone(), self.crew.stop.subscribe());
        tasks.spawn(async move {
            loop {
                if let Err(error) = depot.sweep().await {
                    tracing::warn!(%error, "upkeep of what callers have left");
                }
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return,
                    () = depot.clock.sleep(SWEEP_EVERY) => {}
                }
            }
        });
    }

    /// Has a worker do these kinds of jobs, so many beside each other.
    fn work<const N: usize>(
        &self,
        owner: Str,
        width: usize,
        kinds: [(Str, Arc<dyn runner::Work>); N],
    ) {
        let mut settings = runner::Settings::new(owner);
        (settings.width, settings.grace) = (width, GRACE);
        settings.lease = self.rules.batches.lease;
        let (runner, stopped) = (Runner::new(self.jobs.clone(), kinds, settings), self.stopped());
        self.crew.tasks.lock().spawn(async move { runner.run(stopped).await });
    }

    /// Until the work ends.
    fn stopped(&self) -> impl Future<Output = ()> + use<> {
        let mut stop = self.crew.stop.subscribe();
        async move {
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }

    /// Forgets what is kept no longer.
    async fn sweep(&self) -> Result<(), StoreError> {
        while self.deposits.sweep().await? > 0 {}
        while self.deposits.trim(self.rules.responses.size_max).await? > 0 {}
        Ok(())
    }

    /// Ends the work: what is not done is given back. Before the ledger closes, since lines under
    /// way are still to be settled.
    pub(crate) async fn close(&self) {
        self.crew.stop.send_replace(true);
        let mut tasks = std::mem::take(&mut *self.crew.tasks.lock());
        let ended = async { while tasks.join_next().await.is_some() {} };
        tokio::select! {
            () = ended => {}
            () = self.clock.sleep(GRACE + GRACE) => {
                tracing::warn!("batches were left in the middle; their leases run out");
            }
        }
    }
}

/// What the ledger knows of a call that this process or its last one has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was charged.
    Charged,
    /// It ended and cost nothing.
    Free,
    /// Nothing is known of it: it was never begun, or its end is not carried to the store yet.
    Unknown,
}

impl Depot {
    /// What became of a call before this process began.
    pub(crate) async fn fate(house: &House, hold: HoldId) -> Result<Fate, StoreError> {
        let interrupted = house.store.interrupted().iter().find(|i| i.settlement.hold == hold);
        let known = match interrupted {
            Some(interrupted) => Some(interrupted.settlement),
            None => house.store.ended(hold).await?,
        };
        Ok(match known {
            Some(ended) if ended.tenant.0 > 0 => Fate::Charged,
            Some(_) => Fate::Free,
            None => Fate::Unknown,
        })
    }
}

impl fmt::Debug for Depot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Depot").field("deposits", &self.deposits).finish_non_exhaustive()
    }
}
