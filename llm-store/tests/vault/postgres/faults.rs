//! Servers that stop, go and come back; schemas that are newer; two that make one at once.

use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use llm_core::ledger::HoldId;
use llm_core::ledger::rules::Violation;
use llm_core::money::Credits;
use llm_core::store::vault::{Fold, Tenure, Vault};
use llm_core::store::{NotReserved, StoreError};
use llm_store::sql::NotOpened;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::*;
use crate::suite::{ask, ended, fold_of, key, sound, tenant, usd};

/// The deadline, and what a machine with two processors needs to notice.
const SOON: Duration = Duration::from_millis(3_600);

async fn change(place: &InDatabase, text: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(&place.url).await.unwrap();
    let done = sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut connection).await;
    connection.close().await.unwrap();
    done.map(drop)
}

async fn spent(vault: &Shared) -> Tenure {
    let (me, _) = vault.enter("a").await.unwrap();
    let path = [key("k1"), tenant()];
    let asks = path.clone().map(|id| ask(id, Some(10_000), [0, 100, 100]));
    vault.lease(&me, &asks).await.unwrap();
    vault.fold(&me, &fold_of(vec![ended(1, 40, (30, 2), &path)])).await.unwrap();
    // Two in one step, and so in one entry.
    let ends = vec![ended(2, 20, (13, 0), &path), ended(3, 20, (7, 0), &path)];
    vault.fold(&me, &fold_of(ends)).await.unwrap();
    me
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_server_keeps_nobody() {
    let Some(server) = Server::start() else { return };
    let place = place(&server).await;
    let vault = place.open().await;
    let me = spent(&vault).await;
    for _ in 0..2 {
        server.signal("STOP");
        let batch = fold_of(vec![ended(4, 5, (5, 0), &[key("k1")])]);
        let begin = now();
        let asks = [ask(key("k1"), None, [50, 10, 10])];
        let id = key("k1");
        let (leased, folded, seen, entered, audit, silent, beaten) = tokio::join!(
            vault.lease(&me, &asks),
            vault.fold(&me, &batch),
            vault.balance(&id),
            vault.enter("b"),
            vault.verify(),
            vault.silent(Duration::ZERO),
            vault.beat(&me, Duration::ZERO),
        );
        let took = begin.elapsed();
        assert!(took <= SOON, "{took:?}");
        let gone = |error: &StoreError| matches!(error, StoreError::Unavailable(_));
        assert!(matches!(&leased, Err(NotReserved::Store(error)) if gone(error)), "{leased:?}");
        for error in
            [folded.err(), seen.err(), entered.err(), audit.err(), silent.err(), beaten.err()]
        {
            assert!(error.as_ref().is_some_and(gone), "{error:?}");
        }
        // And again, now that all connections are known to be of no use.
        let begin = now();
        for _ in 0..3 {
            assert!(vault.balance(&key("k1")).await.as_ref().is_err_and(gone));
        }
        assert!(begin.elapsed() <= 3 * SOON);
        let begin = now();
        let settings = Settings::new(place.url.clone());
        let opened = PostgresVault::<Money>::open(&settings, place.clock.clone()).await;
        assert!(matches!(opened, Err(NotOpened::Store(error)) if gone(&error)));
        assert!(begin.elapsed() <= SOON);
        server.signal("CONT");
        recovered(&vault).await;
        // What was asked while it stood still may have happened; it happens once.
        let begin = now();
        vault.fold(&me, &batch).await.unwrap();
        vault.fold(&me, &batch).await.unwrap();
        assert!(begin.elapsed() <= SOON);
        assert_eq!(vault.balance(&key("k1")).await.unwrap().unwrap().settled, usd(55));
        let asks = [ask(key("k1"), None, [45, 10, 10])];
        // Five more, if the ask of the second time was heard: it had five already.
        let has = vault.lease(&me, &asks).await.unwrap();
        assert!(has == [usd(55)] || has == [usd(60)], "{has:?}");
        assert_eq!(sound(&vault).await.entries, 8);
    }
}

async fn recovered(vault: &Shared) {
    let begin = now();
    while vault.balance(&key("k1")).await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(10), "it does not recover");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_are_made_anew() {
    let Some(server) = Server::shared() else { return };
    let place = place(&server).await;
    let vault = place.open().await;
    let me = spent(&vault).await;
    for hold in 10..20 {
        // All of them, those that lie in the pool and those in use.
        let (asks, id) = ([ask(key("k1"), None, [0, 0, 0])], key("k1"));
        let all = || futures_util::future::join_all((0..6).map(|_| vault.balance(&id)));
        all().await;
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let batch = fold_of(vec![ended(hold, 5, (1, 1), &[key("k1")])]);
        let (killed, folded, leased) =
            tokio::join!(change(&place, kill), vault.fold(&me, &batch), vault.lease(&me, &asks),);
        killed.unwrap();
        folded.unwrap();
        leased.unwrap();
        assert!(all().await.iter().all(Result::is_ok));
        assert!(vault.ended(HoldId(hold)).await.unwrap().is_some());
    }
    assert_eq!(sound(&vault).await.entries, 27);
}

/// Between any two answers: of a lease, of a write, of a commit.
#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_are_asked_for_again() {
    let Some(server) = Server::shared() else { return };
    let straight = place(&server).await;
    let vault = straight.open().await;
    let (me, _) = vault.enter("a").await.unwrap();
    for every in [11, 17, 23] {
        let host = server.url("").split('@').nth(1).unwrap().split('/').next().unwrap().to_owned();
        let loss = Arc::new(lossy::Loss::default());
        let port = lossy::way(host.clone(), loss.clone()).await;
        let url = straight.url.replace(&host, &format!("127.0.0.1:{port}"));
        let clock = straight.clock.clone();
        let mut settings = Settings::new(url);
        settings.connections_max = 2;
        // A schema is not asked for again by itself.
        let lossy = PostgresVault::<Money>::open(&settings, clock.clone()).await.unwrap();
        loss.every.store(every, Ordering::SeqCst);
        let id = key(&format!("k{every}"));
        let mut has = 0;
        for turn in 0..60 {
            let asks = [ask(id.clone(), Some(100_000), [has, 10, 10])];
            has += 10;
            assert_eq!(lossy.lease(&me, &asks).await, Ok(vec![usd(has)]));
            let hold = u128::from(every) << 64 | turn;
            lossy
                .fold(&me, &fold_of(vec![ended(hold, 9, (7, 1), std::slice::from_ref(&id))]))
                .await
                .unwrap();
            has -= 7;
        }
        let end = vault.balance(&id).await.unwrap().unwrap();
        assert_eq!((end.settled, end.held), (usd(420), usd(180)));
        assert!(loss.lost.load(Ordering::SeqCst) > 20);
    }
    assert_eq!(sound(&vault).await.entries, 360);
}

#[tokio::test]
async fn a_server_that_is_not_there_says_so() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let clock = Arc::new(HandClock::new());
    let open = async |url: String| {
        PostgresVault::<Money>::open(&Settings::new(url), clock.clone()).await.unwrap_err()
    };
    let gone = open(format!("postgres://llm:secret@127.0.0.1:{port}/x")).await;
    assert!(matches!(gone, NotOpened::Store(StoreError::Unavailable(_))), "{gone}");
    for url in ["sqlite:x.db", "postgres://[", ""] {
        assert_eq!(open(url.into()).await, NotOpened::Address, "{url}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let Some(server) = Server::shared() else { return };
    let place = place(&server).await;
    drop(place.open().await);
    let known = *crate::steps("postgres").last().unwrap();
    let later = format!("UPDATE _sqlx_migrations SET version = 99 WHERE version = {known}");
    change(&place, &later).await.unwrap();
    let settings = Settings::new(place.url.clone());
    let answer = PostgresVault::<Money>::open(&settings, place.clock.clone()).await;
    assert_eq!(answer.unwrap_err(), NotOpened::Newer { found: 99, known });
}

#[tokio::test]
async fn money_and_credits_never_mix() {
    let Some(server) = Server::shared() else { return };
    let place = place(&server).await;
    let money = place.vault().await;
    let credits = money.of::<Credits>();
    let (me, _) = money.enter("a").await.unwrap();
    let (other, _) = credits.enter("a").await.unwrap();
    assert_eq!((me.epoch, other.epoch), (1, 1));
    money.lease(&me, &[ask(key("k1"), Some(10_000), [0, 100, 100])]).await.unwrap();
    money.fold(&me, &fold_of(vec![ended(1, 40, (30, 2), &[key("k1")])])).await.unwrap();
    assert_eq!(credits.balance(&key("k1")).await, Ok(None));
    assert_eq!(credits.ended(HoldId(1)).await, Ok(None));
    let audit = credits.verify().await.unwrap();
    assert_eq!((audit.accounts, audit.entries, audit.holds_open), (0, 0, 0));
    assert_eq!(audit.problems, Vec::new());
}

#[tokio::test]
async fn an_audit_finds_what_was_changed() {
    let Some(server) = Server::shared() else { return };
    let k1 = "(SELECT id FROM account WHERE name = 'k1')";
    for text in [
        format!("UPDATE account SET paid = 49 WHERE id = {k1}"),
        format!("UPDATE account SET leased = 49 WHERE id = {k1}"),
        format!("UPDATE lease SET amount = 51 WHERE account = {k1}"),
        format!("UPDATE entry SET amount = 21 WHERE account = {k1} AND seq = 2"),
        format!("UPDATE entry SET epoch = 2 WHERE account = {k1} AND seq = 1"),
    ] {
        let place = place(&server).await;
        let vault = place.open().await;
        spent(&vault).await;
        sound(&vault).await;
        assert!(change(&place, "UPDATE entry SET amount = 1").await.is_err());
        assert!(change(&place, "DELETE FROM entry").await.is_err());
        assert!(change(&place, "TRUNCATE entry").await.is_err());
        let free = "ALTER TABLE entry DISABLE TRIGGER entry_stays";
        change(&place, &format!("{free}; {text}")).await.unwrap();
        let audit = vault.verify().await.unwrap();
        assert_eq!(audit.problems, vec![(key("k1"), Violation::Journal)], "{text}");
    }
}

/// As many entries as make a plan for small tables too slow for its deadline.
#[tokio::test(flavor = "multi_thread")]
async fn an_audit_has_many_pages() {
    let Some(server) = Server::shared() else { return };
    let vault = place(&server).await.open().await;
    let (me, _) = vault.enter("a").await.unwrap();
    let path = ["k1", "k2", "k3", "k4"].map(key);
    let asks = path.clone().map(|id| ask(id, None, [0, 1_000_000, 1_000_000]));
    vault.lease(&me, &asks).await.unwrap();
    for batch in 0..12_u128 {
        let ends = (0..512).map(|n| ended(batch << 64 | n, 5, (3, 1), &path)).collect();
        vault.fold(&me, &fold_of(ends)).await.unwrap();
    }
    assert_eq!(sound(&vault).await.entries, 12 * 512 * 5);
}

/// Names are anything; what a database cannot keep is refused and no outage.
#[tokio::test]
async fn odd_names_are_kept_or_refused() {
    let Some(server) = Server::shared() else { return };
    let vault = place(&server).await.open().await;
    for name in ["", "';--", "%s \\ $1 {}", "日本語 🦀", &"x".repeat(1_000)] {
        vault.set_limit(&key(name), Some(usd(5))).await.unwrap();
        let found = vault.balance(&key(name)).await.unwrap().unwrap();
        assert_eq!(found.limit, Some(usd(5)), "{name}");
    }
    let refused = vault.set_limit(&key("nul \0"), None).await;
    assert_eq!(refused, Err(Violation::Range.into()));
    let (me, _) = vault.enter("r").await.unwrap();
    let keeps = vec![(key("';--"), usd(0))];
    vault.fold(&me, &Fold { ended: Vec::new(), keeps }).await.unwrap();
    assert_eq!(sound(&vault).await.accounts, 5);
}

/// Set in a process that is one of several.
const SECOND: &str = "LLM_TESTS_VAULT_URL";

#[tokio::test]
async fn several_processes_make_one_schema() {
    let enter = async |url: String| {
        let clock = Arc::new(HandClock::new());
        let vault = PostgresVault::<Money>::open(&Settings::new(url), clock).await.unwrap();
        vault.enter("shared").await.unwrap().0
    };
    if let Ok(url) = std::env::var(SECOND) {
        for _ in 0..5 {
            enter(url.clone()).await;
        }
        return;
    }
    let Some(server) = Server::shared() else { return };
    for _ in 0..3 {
        let url = server.database().await;
        let spawn = || {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "postgres::faults::several_processes_make_one_schema"])
                .env(SECOND, &url)
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        };
        let all = [spawn(), spawn(), spawn()];
        for mut process in all {
            assert!(process.wait().unwrap().success());
        }
        assert_eq!(enter(url).await.epoch, 16);
    }
}
