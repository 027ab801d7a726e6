//! Revocations reach every replica, and whoever missed some is told so.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use llm_core::principal::KeyId;
use llm_store::redis::{News, Redis, Revocations, Settings};

use crate::clocks::RealClock;
use crate::replica_by;
use crate::server::Server;

async fn hear(news: &mut Revocations) -> News {
    tokio::time::timeout(Duration::from_secs(6), news.next()).await.expect("silence").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_all_and_again_after_a_break() {
    let Some(mut server) = Server::start() else { return };
    let newer = Settings::new(server.url() + "?protocol=resp3");
    let b = Redis::connect(&newer, Arc::new(RealClock)).await.unwrap();
    let a = replica_by(&server, RealClock).await;
    let (mut to_a, mut to_b) = (a.revocations(), b.revocations());
    let keys: Vec<_> = (0..700).map(|n| KeyId(format!("key:{n}").into())).collect();
    for news in [&mut to_a, &mut to_b] {
        assert_eq!(hear(news).await, News::Listening);
    }
    b.publish(&keys).await.unwrap();
    for news in [&mut to_a, &mut to_b] {
        let mut heard = Vec::new();
        while heard.len() < keys.len() {
            let News::Revoked(some) = hear(news).await else { panic!("nothing was missed") };
            heard.extend(some);
        }
        assert_eq!(heard, keys);
    }
    // Whatever somebody else publishes there is a reason to look.
    server.ask::<u32>(&["PUBLISH", "llm:revoked", "garbage"]);
    for news in [&mut to_a, &mut to_b] {
        assert_eq!(hear(news).await, News::Listening);
    }
    server.kill();
    assert_eq!(hear(&mut to_a).await, News::Deaf);
    server.restart();
    assert_eq!(hear(&mut to_a).await, News::Listening);
    // A server that is silent is noticed although its connection stays.
    server.stop();
    assert_eq!(hear(&mut to_a).await, News::Deaf);
    server.go_on();
    assert_eq!(hear(&mut to_a).await, News::Listening);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_slow_is_told_to_look() {
    let Some(server) = Server::start() else { return };
    let store = replica_by(&server, RealClock).await;
    let mut news = store.revocations();
    assert_eq!(hear(&mut news).await, News::Listening);
    for n in 0..600u32 {
        store.publish(&[KeyId(n.to_string().into())]).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let mut heard = 0;
    let mut last = hear(&mut news).await;
    while let News::Revoked(_) = last {
        heard += 1;
        last = hear(&mut news).await;
    }
    assert_eq!(last, News::Listening);
    assert!((200..600).contains(&heard), "{heard}");
}

/// What one replica takes away, another one forgets when it is told, without looking for itself.
#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_forgotten_by_whoever_listens() {
    use llm_core::money::Money;
    use llm_core::principal::TenantId;
    use llm_core::quota::Zone;
    use llm_core::secret::Secret;
    use llm_core::store::Shown;
    use llm_store::directory::{
        About, Bounds, By, KnownKeys, PartyDraft, PartyId, SqlDirectory, Turn,
    };
    use llm_store::keys::{Draft, KeyOwner, Minted, Pepper, Peppers, VirtualKey};
    use llm_store::sql::sqlite::{self, SqliteVault};

    let Some(server) = Server::start() else { return };
    let (publisher, listener) =
        (replica_by(&server, RealClock).await, replica_by(&server, RealClock).await);
    let folder = tempfile::tempdir().unwrap();
    let settings = sqlite::Settings::new(folder.path().join("store.db"));
    let open = async || {
        let vault = SqliteVault::<Money>::open(&settings, Arc::new(RealClock)).await.unwrap();
        SqlDirectory::new(vault.into(), Zone::UTC, Vec::new())
    };
    let (here, there) = (open().await, open().await);
    let (tenant, operator) = (TenantId::from("t"), By::Operator);
    let draft = PartyDraft::new(PartyId::tenant(tenant.clone()));
    here.create(&operator, draft).await.unwrap();
    let peppers = Peppers::new(Pepper::new(Secret::new([7; 32])));
    let minted = Minted::new(KeyId::from("k"), &VirtualKey::new([3; 32]), &peppers);
    let print = minted.print.hash;
    let draft = Draft::new(KeyOwner::tenant(tenant));
    here.issue(&operator, draft, minted, About::default()).await.unwrap();
    let known = KnownKeys::of(&there, Arc::new(RealClock), Bounds::default());
    let mut news = listener.revocations();
    assert_eq!(hear(&mut news).await, News::Listening);
    let hears = tokio::spawn({
        let known = Arc::clone(&known);
        async move { known.hear(news).await }
    });
    assert!(matches!(known.grant(&print).await, Ok(Shown::Known { .. })));
    here.turn(&operator, KeyId::from("k"), Turn::Suspend).await.unwrap();
    assert!(matches!(known.grant(&print).await, Ok(Shown::Known { .. })), "nobody has said so");
    publisher.publish(&[KeyId::from("k")]).await.unwrap();
    let told = async {
        while known.grant(&print).await != Ok(Shown::Barred) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(2), told).await.unwrap();
    hears.abort();
}
