//! Where a ledger lives: in one process after the other, over a vault that outlasts them.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use llm_core::seam::{BoxFuture, Clock};
use llm_core::store::Ledger;
use llm_store::journal::{self, Durability, Journal};
use llm_store::lease::{Ground, Interrupted, LeasedLedger, Settings};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::book::BookLedger;
use crate::suite::{Place, Shared};

const JOURNAL: journal::Settings = journal::Settings {
    durability: Durability::Process,
    bytes_max: 16 << 20,
    segment_bytes: 1 << 20,
    spare_bytes: 0,
};

/// The machine's time.
#[derive(Debug)]
struct Real;

impl Clock for Real {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}

/// A ledger, and what it stands on.
pub(super) struct House {
    live: Live,
    /// What is left of it by a crash.
    site: Option<Site>,
}

enum Live {
    Book(Arc<BookLedger>),
    Leased(LeasedLedger, JoinHandle<()>),
    Gone,
}

struct Site {
    place: Box<dyn Place>,
    vault: Shared,
    folder: TempDir,
}

impl House {
    pub(super) fn book() -> Self {
        Self { live: Live::Book(Arc::default()), site: None }
    }

    pub(super) async fn leased(place: Box<dyn Place>) -> Self {
        let (vault, folder) = (place.open().await, tempfile::tempdir().unwrap());
        let site = Some(Site { place, vault, folder });
        let mut house = Self { live: Live::Gone, site };
        assert_eq!(house.start().await, []);
        house
    }

    /// Whether it is a process that may die.
    pub(super) fn dies(&self) -> bool {
        self.site.is_some()
    }

    pub(super) fn ledger(&self) -> Arc<dyn Ledger> {
        match &self.live {
            Live::Book(book) => book.clone(),
            Live::Leased(ledger, _) => Arc::new(ledger.clone()),
            Live::Gone => panic!("nobody is in"),
        }
    }

    async fn start(&mut self) -> Vec<Interrupted> {
        let site = self.site.as_mut().unwrap();
        if site.place.lasts() {
            site.vault = site.place.open().await;
        }
        let (journal, _) = Journal::at(site.folder.path(), JOURNAL).unwrap();
        let (journal, vault) = (Arc::new(journal), site.vault.clone());
        let ground = Ground { replica: "house".into(), journal, vault, clock: Arc::new(Real) };
        let started = LeasedLedger::open(ground, Settings::default()).await.unwrap();
        self.live = Live::Leased(started.ledger, tokio::spawn(started.worker.run()));
        started.interrupted
    }

    /// Everything is dropped where it stands, and opened again on the same folder.
    pub(super) async fn crash(&mut self) -> Vec<Interrupted> {
        let Live::Leased(ledger, worker) = std::mem::replace(&mut self.live, Live::Gone) else {
            panic!("nobody to die");
        };
        worker.abort();
        let _ = worker.await;
        drop(ledger);
        self.start().await
    }

    /// It is left in order, and entered again.
    pub(super) async fn restart(&mut self) -> Vec<Interrupted> {
        let Live::Leased(ledger, worker) = std::mem::replace(&mut self.live, Live::Gone) else {
            panic!("nobody to leave");
        };
        // Its open holds keep their credit: only what is idle goes back.
        ledger.shutdown().await.unwrap();
        worker.await.unwrap();
        drop(ledger);
        self.start().await
    }
}
