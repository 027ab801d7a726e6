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
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::apps::analysis::AnalysisWork;
use super::apps::documents::EmbeddingWork;
use super::batches::BatchWork;
use super::house::House;
use super::store::Store;
use crate::config::{Config, Inbound};

/// Uploads at once: each is in memory until it is kept.
const UPLOADS_MAX: usize = 4;
/// How often what is kept no longer is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
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
    /// In the house's store, where it has one that outlasts it; sealed where there is a chest.
    pub(crate) fn of(
        store: &Store,
        config: &Config,
        clock: &Arc<dyn Clock>,
        gateway: &Gateway,
        chest: Option<Chest>,
    ) -> Option<Self> {
        let database = store.database()?;
        let (replica, rules) = (Str::from(store.replica()), config.inbound.clone());
        let entropy = Arc::clone(gateway.entropy());
        Some(Self {
            deposits: Deposits::new(database.clone(), chest.clone()),
            jobs: Jobs::new(database.clone(), chest, Arc::clone(clock), entropy),
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
        let mut tasks = self.crew.tasks.lock();
        let work = Arc::new(BatchWork::new(Arc::downgrade(house)));
        let analyses = Arc::new(AnalysisWork::new(Arc::downgrade(house)));
        let embeddings = Arc::new(EmbeddingWork::new(Arc::downgrade(house)));
        let kinds = [
            (Str::from_static(BatchWork::KIND), work as Arc<dyn runner::Work>),
            (Str::from_static(AnalysisWork::KIND), analyses as _),
            (Str::from_static(EmbeddingWork::KIND), embeddings as _),
        ];
        let mut settings = runner::Settings::new(self.replica.clone());
        settings.width = self.rules.batches.width;
        settings.grace = GRACE;
        settings.lease = self.rules.batches.lease;
        let runner = Runner::new(self.jobs.clone(), kinds, settings);
        let mut stop = self.crew.stop.subscribe();
        tasks.spawn(async move {
            let stopped = async {
                let _ = stop.wait_for(|stop| *stop).await;
            };
            runner.run(stopped).await;
        });
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

    /// Forgets what is kept no longer.
    async fn sweep(&self) -> Result<(), StoreError> {
        while self.deposits.sweep().await? > 0 {}
        while self.deposits.trim(self.rules.responses.size_max).await? > 0 {}
        while self.jobs.reap().await? > 0 {}
        while self.jobs.sweep().await? != llm_store::jobs::Swept::default() {}
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
