//! Idempotency keys in a database: what every store of them must pass, crashes among it.

use bytes::Bytes;
use jiff::Timestamp;
use llm_core::Str;
use llm_core::call::CallId;
use llm_core::idempotency::{
    Answer, Fingerprint, Form, IdempotencyKey, IdempotencyStore, Record, Slot,
};
use llm_core::principal::TenantId;
use llm_core::store::StoreError;
use llm_core::store::vault::Tenure;
use llm_store::idempotency::sql::SqlSlots;

use crate::place::{Time, World, chest};

#[path = "../../src/idempotency/tests/crashes.rs"]
mod crashes;
#[path = "../../src/idempotency/suite.rs"]
#[expect(unreachable_pub, reason = "it is public where it is at home")]
mod suite;

/// Scripts of crashes.
const CRASHES: u32 = 48;

#[derive(Debug)]
struct Here {
    slots: SqlSlots,
    _world: World,
}

fn here(world: World) -> Here {
    Here { slots: SqlSlots::new(world.database.clone(), chest()), _world: world }
}

impl IdempotencyStore for Here {
    fn read<'a>(&'a self, slot: &'a Slot) -> llm_core::store::Stored<'a, Option<Record>> {
        self.slots.read(slot)
    }

    fn write<'a>(
        &'a self,
        slot: &'a Slot,
        seen: Option<llm_core::idempotency::Seen>,
        next: &'a Record,
    ) -> llm_core::store::Stored<'a, ()> {
        self.slots.write(slot, seen, next)
    }

    fn remove<'a>(
        &'a self,
        slot: &'a Slot,
        seen: llm_core::idempotency::Seen,
    ) -> llm_core::store::Stored<'a, ()> {
        self.slots.remove(slot, seen)
    }

    fn sweep(&self, now: Timestamp, max: usize) -> llm_core::store::Stored<'_, usize> {
        self.slots.sweep(now, max)
    }
}

fn slot(tenant: &'static str, key: &str) -> Slot {
    let key = IdempotencyKey::parse(key.as_bytes()).unwrap();
    Slot { tenant: TenantId::from(tenant), key }
}

/// A body that was put where another one belongs does not come out.
async fn bodies_are_sealed_for_their_slot(world: &World) {
    let slots = SqlSlots::new(world.database.clone(), chest());
    let owner = Tenure { replica: Str::from_static("r"), epoch: 1 };
    for (n, tenant) in (0u8..).zip(["one", "two"]) {
        let run = CallId::new(1, n.into());
        let begun =
            Record::running(Fingerprint([1; 32]), run, owner.clone(), Timestamp::UNIX_EPOCH);
        let body = Bytes::from(format!("confided 7f3a to {tenant}"));
        let answer = Answer::new(200, Str::from_static("text/plain"), Form::Whole, body);
        let done = begun.done(answer, Timestamp::UNIX_EPOCH);
        assert_eq!(slots.write(&slot(tenant, "k"), None, &done).await, Ok(()));
    }
    let folder = world.folder.as_ref().unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        // No words of a comment, which a schema keeps.
        assert!(!bytes.windows(13).any(|window| window == b"confided 7f3a"));
    }
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("jobs.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let swap = "UPDATE idempotency SET body = \
         (SELECT body FROM idempotency WHERE tenant = 'one') WHERE tenant = 'two'";
    assert_eq!(sqlx::query(swap).execute(&pool).await.unwrap().rows_affected(), 1);
    pool.close().await;
    assert!(slots.read(&slot("one", "k")).await.is_ok());
    let foreign = slots.read(&slot("two", "k")).await;
    assert!(matches!(foreign, Err(StoreError::Corrupt(_))), "{foreign:?}");
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_passes_the_suite() {
    suite::all(async || here(World::in_file(Time::ByHand).await)).await;
    bodies_are_sealed_for_their_slot(&World::in_file(Time::ByHand).await).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn postgres_passes_the_suite() {
    let Some(server) = crate::server::Server::shared() else { return };
    suite::all(async || here(World::in_postgres(&server, Time::ByHand).await)).await;
}

#[cfg(feature = "sqlite")]
#[test]
fn a_key_of_a_file_is_paid_once() {
    crashes::once(CRASHES, async || here(World::in_file(Time::ByHand).await));
}

#[cfg(feature = "postgres")]
#[test]
fn a_key_of_postgres_is_paid_once() {
    let Some(server) = crate::server::Server::shared() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = runtime.block_on(server.database());
    crashes::once(CRASHES, async || {
        let here = here(World::at(&url).await);
        // What the script before has left.
        here.sweep(Timestamp::MAX, 1_000).await.unwrap();
        here
    });
}
