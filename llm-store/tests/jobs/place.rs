//! Databases with a clock that is moved by hand, or the machine's.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::principal::TenantId;
use llm_core::seam::{BoxFuture, Clock, Entropy};
use llm_core::secret::Secret;
use llm_store::jobs::{Draft, JobId, Jobs, Payment, Taken, Want};
use llm_store::seal::{Chest, FRESH_BYTES, Fresh, Keyring, SealKey, Sealer};
use llm_store::sql::Database;

/// Which clock the database has.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Time {
    ByHand,
    Passing,
}

#[derive(Debug)]
pub(crate) struct TestClock {
    begin: tokio::time::Instant,
    passing: bool,
    by_hand: AtomicU64,
}

impl TestClock {
    fn passed(&self) -> Duration {
        let alone = if self.passing { self.begin.elapsed() } else { Duration::ZERO };
        alone + Duration::from_millis(self.by_hand.load(Ordering::SeqCst))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.passed()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Dice(pub(crate) AtomicU64);

impl Entropy for Dice {
    fn next_u64(&self) -> u64 {
        let next = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
        (next ^ (next >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ (next >> 7)
    }
}

pub(crate) struct World {
    pub(crate) jobs: Jobs,
    pub(crate) database: Database,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) folder: Option<tempfile::TempDir>,
    /// Where the database has a clock of its own that was taken from it.
    hand: Option<String>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("jobs", &self.jobs).finish_non_exhaustive()
    }
}

pub(crate) fn chest() -> Chest {
    let keys = Keyring::new(SealKey::new(Secret::new([7; 32])));
    let dice = Dice::default();
    Chest::new(Sealer::new(Arc::new(keys)), move || {
        Fresh::new(std::array::from_fn::<u8, FRESH_BYTES, _>(|_| dice.next_u64().to_le_bytes()[3]))
    })
}

fn clock(time: Time) -> Arc<TestClock> {
    let begin = tokio::time::Instant::now();
    let passing = time == Time::Passing;
    Arc::new(TestClock { begin, passing, by_hand: AtomicU64::new(0) })
}

impl World {
    fn new(database: Database, clock: Arc<TestClock>) -> Self {
        let entropy = Arc::new(Dice::default());
        let jobs = Jobs::new(database.clone(), Some(chest()), clock.clone(), entropy);
        Self { jobs, database, clock, folder: None, hand: None }
    }

    #[cfg(feature = "sqlite")]
    pub(crate) async fn in_file(time: Time) -> Self {
        use llm_store::journal::Durability;
        use llm_store::sql::sqlite::{Settings, SqliteVault};
        let (clock, folder) = (clock(time), tempfile::tempdir().unwrap());
        let settings = Settings::new(folder.path().join("jobs.db"));
        let settings = Settings { durability: Durability::Process, ..settings };
        let vault: SqliteVault = SqliteVault::open(&settings, clock.clone()).await.unwrap();
        Self { folder: Some(folder), ..Self::new(vault.into(), clock) }
    }

    /// By hand, the server's clock is a row of a table.
    #[cfg(feature = "postgres")]
    pub(crate) async fn in_postgres(server: &crate::server::Server, time: Time) -> Self {
        let url = server.database().await;
        let mut world = Self::at(&url).await;
        if time == Time::ByHand {
            let by_hand = clock(time);
            world = Self { hand: Some(url), ..Self::new(world.database, by_hand) };
            world
                .server(
                    "CREATE TABLE hand (at bigint NOT NULL); \
                     INSERT INTO hand VALUES (1800000000000000); \
                     CREATE OR REPLACE FUNCTION vault_now() RETURNS bigint LANGUAGE sql VOLATILE \
                     AS 'SELECT at FROM hand'",
                )
                .await;
        }
        world
    }

    /// In the Postgres of this address, with a clock of its own.
    #[cfg(feature = "postgres")]
    pub(crate) async fn at(url: &str) -> Self {
        use llm_store::sql::postgres::{PostgresVault, Settings};
        let (clock, settings) = (clock(Time::Passing), Settings::new(url));
        let vault: PostgresVault = PostgresVault::open(&settings, clock.clone()).await.unwrap();
        Self::new(vault.into(), clock)
    }

    #[cfg(feature = "postgres")]
    async fn server(&self, text: &'static str) {
        use sqlx::Connection;
        let Some(url) = &self.hand else { return };
        let mut link = sqlx::PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(text).execute(&mut link).await.unwrap();
        link.close().await.unwrap();
    }

    /// Time passes for the database.
    pub(crate) async fn pass(&self, millis: u64) {
        self.clock.by_hand.fetch_add(millis, Ordering::SeqCst);
        #[cfg(feature = "postgres")]
        if let Some(url) = &self.hand {
            use sqlx::Connection;
            let mut link = sqlx::PgConnection::connect(url).await.unwrap();
            let text = sqlx::AssertSqlSafe(format!("UPDATE hand SET at = at + {millis}000"));
            sqlx::raw_sql(text).execute(&mut link).await.unwrap();
            link.close().await.unwrap();
        }
    }

    /// Makes a job, and says its name.
    pub(crate) async fn make(&self, draft: Draft) -> JobId {
        let made = self.jobs.create(draft).await.unwrap();
        assert!(made.new);
        made.id
    }

    /// Takes so many for ten seconds.
    pub(crate) async fn take(&self, owner: &'static str, max: usize) -> Vec<Taken> {
        self.jobs.take(&want(owner, max)).await.unwrap()
    }

    /// Takes the only one there is.
    pub(crate) async fn take_one(&self, owner: &'static str) -> Taken {
        let mut taken = self.take(owner, 2).await;
        assert_eq!(taken.len(), 1, "{taken:?}");
        taken.remove(0)
    }

    /// The words of what has happened.
    pub(crate) async fn words(&self, id: JobId) -> Vec<&'static str> {
        let events = self.jobs.events(id, &Default::default(), 0, 256).await.unwrap();
        assert!(events.iter().zip(1..).all(|(event, n)| event.number == n), "{events:?}");
        events.iter().map(|event| event.what.as_str()).collect()
    }
}

pub(crate) fn want(owner: &'static str, max: usize) -> Want {
    Want {
        kinds: vec![Str::from_static("translate"), Str::from_static("transcribe")],
        owner: Str::from_static(owner),
        lease: Duration::from_secs(10),
        max,
        after: TenantId::default(),
    }
}

pub(crate) fn draft(tenant: &'static str) -> Draft {
    let kind = Str::from_static("transcribe");
    Draft::new(TenantId::from(tenant), kind, Bytes::from_static(b"a film of twelve minutes"))
}

pub(crate) fn payment(hold: u128) -> Option<Payment> {
    Some(Payment { hold: HoldId(hold), unit: Str::from_static("credits") })
}
