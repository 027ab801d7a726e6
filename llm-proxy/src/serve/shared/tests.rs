//! What one replica changes, another one hears: through a real Redis, and without looking.

use std::time::Duration;

use llm_core::quota::Zone;
use llm_core::secret::Secret;
use llm_core::store::{KeyHash, Shown};
use llm_providers::seam::SystemClock;
use llm_store::directory::{About, Bounds, By, PartyDraft, PartyId, Turn};
use llm_store::keys::{Draft, KeyOwner, Minted, Pepper, Peppers, VirtualKey};
use llm_store::sql::sqlite::{self, SqliteVault};

use super::*;
use crate::config::TENANT;

#[path = "../../../../llm-store/tests/redis/server.rs"]
#[expect(dead_code, reason = "the store's own tests want more of it")]
pub(crate) mod server;

struct Replica {
    directory: SqlDirectory,
    known: Arc<KnownKeys>,
}

async fn replica(folder: &std::path::Path, url: &str) -> Replica {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = sqlite::Settings::new(folder.join("a.db"));
    let vault = SqliteVault::open(&settings, Arc::clone(&clock)).await.unwrap();
    let directory = SqlDirectory::new(vault.into(), Zone::UTC, Vec::new());
    let known = KnownKeys::of(&directory, Arc::clone(&clock), Bounds::default());
    let redis = Redis::connect(&Settings::new(url), clock).await.unwrap();
    let shared = Shared { redis, replicas: NonZeroU32::MIN };
    assert!(!shared.is_degraded());
    // Nobody watches the store here: what is heard is heard through Redis.
    shared.tell(&directory, &known);
    Replica { directory, known }
}

async fn becomes(known: &KnownKeys, print: &KeyHash, wanted: impl Fn(&Shown) -> bool) {
    let heard = async {
        while !wanted(&known.grant(print).await.unwrap()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(1), heard).await.is_ok(), "not heard in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspension_reaches_the_other_replica_within_a_second() {
    let Some(server) = server::Server::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let here = replica(folder.path(), &server.url()).await;
    let there = replica(folder.path(), &server.url()).await;
    let peppers = Peppers::new(Pepper::new(Secret::new([3; 32])));
    let text = VirtualKey::new([7; 32]);
    let id = KeyId("key-1".into());
    let minted = Minted::new(id.clone(), &text, &peppers);
    let print = minted.print.hash;
    let (by, owner) = (By::Operator, KeyOwner::tenant(TENANT));
    here.directory.create(&by, PartyDraft::new(PartyId::tenant(TENANT))).await.unwrap();
    here.directory.issue(&by, Draft::new(owner), minted, About::default()).await.unwrap();
    // Both listen: what was published before that is lost.
    let listen = async {
        while server.ask::<Vec<String>>(&["PUBSUB", "CHANNELS"]).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    tokio::time::timeout(Duration::from_secs(5), listen).await.unwrap();
    let open = |shown: &Shown| matches!(shown, Shown::Known { .. });
    becomes(&there.known, &print, open).await;
    for (turn, works) in [(Turn::Suspend, false), (Turn::Resume, true), (Turn::Revoke, false)] {
        here.directory.turn(&by, id.clone(), turn).await.unwrap();
        becomes(&there.known, &print, |shown| open(shown) == works).await;
    }
}
