//! Files that are full, locked, damaged, newer, or opened by two at once.

use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use llm_core::ledger::rules::Violation;
use llm_core::money::{Credits, Money};
use llm_core::store::vault::{Fold, LeaseAsk, Tenure, Vault};
use llm_core::store::{NotReserved, StoreError};
use llm_store::sql::NotOpened;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};

use super::*;
use crate::suite::{ask, ended, fold_of, key, sound, tenant, usd};

/// A connection that knows nothing of us.
async fn raw(place: &InFile) -> SqliteConnection {
    SqliteConnectOptions::new().filename(place.path()).foreign_keys(false).connect().await.unwrap()
}

async fn change(place: &InFile, text: &str) {
    let mut connection = raw(place).await;
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn open(place: &InFile, settings: &Settings) -> Result<SqliteVault, NotOpened> {
    SqliteVault::open(settings, place.clock.clone()).await
}

/// Two holds on two accounts, and a loss.
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

#[tokio::test]
async fn a_full_file_refuses_and_half_does_nothing() {
    let place = place();
    let vault = place.open().await;
    let me = spent(&vault).await;
    drop(vault);
    let size = || std::fs::metadata(place.path()).unwrap().len();
    let settings = Settings { bytes_max: Some(size()), ..quick(&place.path()) };
    let vault: Shared = Arc::new(open(&place, &settings).await.unwrap());
    let mut full = None;
    for hold in 10..2_000 {
        let before = vault.verify().await.unwrap();
        let ends = (0..40).map(|n| ended(hold * 100 + n, 0, (0, 1), &[])).collect();
        match vault.fold(&me, &fold_of(ends)).await {
            Ok(()) => {}
            Err(why) => {
                full = Some((why, before, hold));
                break;
            }
        }
    }
    let (why, before, hold) = full.unwrap();
    assert!(matches!(why, StoreError::Full(_)), "{why}");
    assert_eq!(sound(&vault).await, before);
    assert_eq!(vault.ended(llm_core::ledger::HoldId(hold * 100)).await, Ok(None));
    // What needs no room goes on, also beside what needs some.
    let keeps = Fold { ended: Vec::new(), keeps: vec![(key("k1"), usd(10))] };
    let ends = (0..40).map(|n| ended(hold * 100 + n, 0, (0, 1), &[])).collect();
    let large = fold_of(ends);
    let (back, refused) = tokio::join!(vault.fold(&me, &keeps), vault.fold(&me, &large));
    assert_eq!(back, Ok(()));
    assert!(matches!(refused, Err(StoreError::Full(_))));
    assert_eq!(vault.balance(&key("k1")).await.unwrap().unwrap().held, usd(10));
    // Room is made: everything goes on.
    drop(vault);
    let vault = place.open().await;
    vault.fold(&me, &large).await.unwrap();
    sound(&vault).await;
}

#[tokio::test]
async fn a_locked_file_says_so() {
    let place = place();
    let settings = Settings { patience: Duration::from_millis(100), ..quick(&place.path()) };
    let vault: Shared = Arc::new(open(&place, &settings).await.unwrap());
    let me = spent(&vault).await;
    let mut other = raw(&place).await;
    let whole = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let answer = vault.lease(&me, &[ask(key("k1"), None, [50, 1, 1])]).await;
    let Err(NotReserved::Store(StoreError::Unavailable(why))) = answer else {
        panic!("{answer:?}")
    };
    assert!(why.contains("locked"), "{why}");
    sound(&vault).await;
    whole.rollback().await.unwrap();
    assert_eq!(vault.lease(&me, &[ask(key("k1"), None, [50, 1, 1])]).await, Ok(vec![usd(51)]));
}

/// Longer than a start once waited, and less than it waits.
const LOCKED: Duration = Duration::from_secs(3);

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "it measures the real time that passes")]
async fn a_locked_file_is_waited_for_at_a_start() {
    let place = place();
    std::fs::write(place.path(), "").unwrap();
    // Not in the mode of ours yet: changing that does not wait by itself.
    for journal in ["DELETE", "WAL"] {
        let mut other = raw(&place).await;
        let text = format!("PRAGMA journal_mode = {journal}; CREATE TABLE IF NOT EXISTS t (x)");
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut other).await.unwrap();
        sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
        let began = std::time::Instant::now();
        let ending = tokio::spawn(async move {
            tokio::time::sleep(LOCKED).await;
            sqlx::raw_sql("ROLLBACK; DROP TABLE IF EXISTS t").execute(&mut other).await.unwrap();
            other.close().await.unwrap();
        });
        let vault = open(&place, &quick(&place.path())).await.unwrap();
        assert!(began.elapsed() >= LOCKED, "{journal}: nobody had locked it");
        ending.await.unwrap();
        drop(vault);
    }
}

#[tokio::test]
async fn a_damaged_file_says_so() {
    let place = place();
    std::fs::write(place.path(), "this is no database\n".repeat(1_000)).unwrap();
    let answer = open(&place, &quick(&place.path())).await;
    let Err(NotOpened::Store(StoreError::Corrupt(why))) = answer else { panic!("{answer:?}") };
    assert!(why.contains("no database"), "{why}");

    std::fs::remove_file(place.path()).unwrap();
    let vault = place.open().await;
    let me = spent(&vault).await;
    drop(vault);
    // Everything is in the file by then, and nothing beside it.
    change(&place, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    // The ledger's own: what says which schema it is is read when the file is opened.
    let text = "SELECT rootpage FROM sqlite_schema WHERE tbl_name IN ('account', 'entry', 'hold')";
    let mut connection = raw(&place).await;
    let pages: Vec<i64> = sqlx::query_scalar(text).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).open(place.path()).unwrap();
    for page in pages.into_iter().filter(|page| *page > 0) {
        file.seek(SeekFrom::Start((page.cast_unsigned() - 1) * 4_096)).unwrap();
        file.write_all(&[0xa5; 4_096]).unwrap();
    }
    drop(file);
    let vault = place.open().await;
    let verified = vault.verify().await;
    assert!(matches!(verified, Err(StoreError::Corrupt(_))), "{verified:?}");
    let folded = vault.fold(&me, &fold_of(vec![ended(4, 1, (1, 1), &[key("k1")])])).await;
    assert!(matches!(folded, Err(StoreError::Corrupt(_))), "{folded:?}");
}

#[tokio::test]
async fn a_newer_or_altered_schema_is_refused() {
    let place = place();
    drop(place.open().await);
    change(&place, "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1").await;
    let answer = open(&place, &quick(&place.path())).await;
    assert!(matches!(answer, Err(NotOpened::Altered { version: 1 })), "{answer:?}");
    let known = *crate::steps("sqlite").last().unwrap();
    let later = format!(
        "UPDATE _sqlx_migrations SET version = 99 WHERE version = {known}; \
         INSERT INTO owner (unit, replica, epoch, heard, lives) VALUES ('USD', 'z', 1, 0, 0)"
    );
    change(&place, &later).await;
    let answer = open(&place, &quick(&place.path())).await;
    assert_eq!(answer.unwrap_err(), NotOpened::Newer { found: 99, known });
}

#[tokio::test]
async fn the_file_is_its_owners() {
    let place = place();
    let vault = place.open().await;
    spent(&vault).await;
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let mode = std::fs::metadata(place.folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn money_and_credits_never_mix() {
    let place = place();
    let money = open(&place, &quick(&place.path())).await.unwrap();
    let credits = money.of::<Credits>();
    let (me, _) = Vault::<Money>::enter(&money, "a").await.unwrap();
    let (other, left) = credits.enter("a").await.unwrap();
    assert_eq!((other.epoch, left.len()), (1, 0));
    money.lease(&me, &[ask(key("k1"), Some(10_000), [0, 100, 100])]).await.unwrap();
    assert_eq!(credits.balance(&key("k1")).await, Ok(None));
    let asks = [LeaseAsk {
        account: key("k1"),
        limit: Some(Credits(50)),
        has: Credits(0),
        least: Credits(7),
        like: Credits(7),
    }];
    assert_eq!(credits.lease(&other, &asks).await, Ok(vec![Credits(7)]));
    money.fold(&me, &fold_of(vec![ended(1, 40, (30, 2), &[key("k1")])])).await.unwrap();
    assert_eq!(credits.ended(llm_core::ledger::HoldId(1)).await, Ok(None));
    assert_eq!(credits.balance(&key("k1")).await.unwrap().unwrap().held, Credits(7));
    let (one, two) = (money.verify().await.unwrap(), credits.verify().await.unwrap());
    assert_eq!((one.accounts, one.entries, one.holds_open, one.problems), (2, 2, 1, vec![]));
    assert_eq!((two.accounts, two.entries, two.holds_open, two.problems), (1, 0, 1, vec![]));
}

/// What somebody with the file in hand may try, and which account tells.
#[tokio::test]
async fn an_audit_finds_what_was_changed() {
    let free = "DROP TRIGGER entry_stays; DROP TRIGGER entry_remains; ";
    let of = |name| format!("(SELECT id FROM account WHERE name = '{name}')");
    let (k1, acme) = (of("k1"), of("acme"));
    let holds = llm_core::ledger::AccountId::new(llm_core::ledger::Owner::Operator, "holds");
    for (text, named) in [
        (format!("UPDATE account SET paid = 49 WHERE id = {k1}"), vec![key("k1")]),
        (format!("UPDATE account SET leased = 49 WHERE id = {k1}"), vec![key("k1")]),
        (format!("UPDATE lease SET amount = 51 WHERE account = {acme}"), vec![tenant()]),
        (format!("UPDATE entry SET amount = 21 WHERE account = {k1} AND seq = 2"), vec![key("k1")]),
        // Both at once: only the chain can tell.
        (format!("UPDATE entry SET epoch = 2 WHERE account = {k1} AND seq = 1"), vec![key("k1")]),
        (
            format!(
                "DELETE FROM entry WHERE account = {k1} AND seq = 2; \
                 UPDATE account SET paid = 30, seq = 1 WHERE id = {k1}"
            ),
            vec![key("k1"), holds.clone()],
        ),
        ("UPDATE hold SET tenant = 31 WHERE tenant = 30".into(), vec![key("k1"), tenant()]),
        // What one pays less, the other pays more.
        (
            "UPDATE hold SET tenant = tenant + 1 WHERE tenant = 13; \
             UPDATE hold SET tenant = tenant - 1 WHERE tenant = 7"
                .into(),
            vec![key("k1"), tenant()],
        ),
        (
            format!(
                "DELETE FROM entry WHERE account = {k1}; DELETE FROM lease WHERE account = {k1}; \
                 DELETE FROM account WHERE name = 'k1'"
            ),
            vec![holds.clone()],
        ),
        ("DELETE FROM hold WHERE operator = 0".into(), vec![key("k1"), tenant(), holds.clone()]),
    ] {
        let place = place();
        let vault = place.open().await;
        spent(&vault).await;
        sound(&vault).await;
        drop(vault);
        change(&place, &format!("{free}{text}")).await;
        let vault = place.open().await;
        let audit = vault.verify().await.unwrap();
        let found: Vec<_> = audit.problems.into_iter().collect();
        let named: Vec<_> = named.into_iter().map(|id| (id, Violation::Journal)).collect();
        assert_eq!(found, named, "{text}");
    }
    // By way of the tables' own laws, nobody comes that far.
    let place = place();
    let vault = place.open().await;
    spent(&vault).await;
    for text in ["UPDATE entry SET amount = 1", "DELETE FROM entry", "UPDATE account SET paid = -1"]
    {
        let mut connection = raw(&place).await;
        let done = sqlx::raw_sql(text).execute(&mut connection).await;
        assert!(done.is_err(), "{text}");
    }
}

/// Set in a process that is one of two.
const SECOND: &str = "LLM_TESTS_VAULT_FILE";

#[tokio::test]
async fn two_processes_make_one_file() {
    if let Ok(path) = std::env::var(SECOND) {
        let clock = Arc::new(HandClock::new());
        let vault = SqliteVault::<Money>::open(&quick(Path::new(&path)), clock).await.unwrap();
        for _ in 0..20 {
            vault.enter("shared").await.unwrap();
        }
        return;
    }
    for _ in 0..5 {
        let place = place();
        let spawn = || {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "sqlite::faults::two_processes_make_one_file"])
                .env(SECOND, place.path())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        };
        let both = [spawn(), spawn(), spawn()];
        for mut process in both {
            assert!(process.wait().unwrap().success());
        }
        let vault = place.open().await;
        assert_eq!(vault.enter("shared").await.unwrap().0.epoch, 61);
        let mut connection = raw(&place).await;
        let steps: i64 = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(steps, crate::steps("sqlite").len() as i64);
    }
}

/// Set in a process that will be killed.
const DOOMED: &str = "LLM_TESTS_VAULT_DOOMED";

/// A fold that was answered is there; one that was not is there whole, or not at all.
#[tokio::test]
async fn who_is_killed_loses_nothing_that_was_answered() {
    if let Ok(path) = std::env::var(DOOMED) {
        let clock = Arc::new(HandClock::new());
        let vault = SqliteVault::<Money>::open(&quick(Path::new(&path)), clock).await.unwrap();
        let (me, _) = vault.enter("doomed").await.unwrap();
        let told = std::fs::File::options().append(true).open(format!("{path}.told")).unwrap();
        for hold in 0.. {
            let path = [key("k1"), tenant()];
            let asks = path.clone().map(|id| ask(id, Some(1_000_000_000), [0, 10, 10]));
            vault.lease(&me, &asks).await.unwrap();
            let ends =
                vec![ended(hold * 2, 5, (3, 1), &path), ended(hold * 2 + 1, 5, (4, 0), &path)];
            vault.fold(&me, &fold_of(ends)).await.unwrap();
            (&told).write_all(&[1]).unwrap();
        }
    }
    for millis in [150, 230, 310] {
        let place = place();
        let told = place.folder.path().join("ledger.db.told");
        std::fs::write(&told, "").unwrap();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sqlite::faults::who_is_killed_loses_nothing_that_was_answered"])
            .env(DOOMED, place.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while std::fs::metadata(&told).unwrap().len() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(millis)).await;
        process.kill().unwrap();
        process.wait().unwrap();
        let folds = std::fs::metadata(&told).unwrap().len();
        let vault = place.open().await;
        let audit = sound(&vault).await;
        assert!((folds..=folds + 1).contains(&(audit.entries / 5)), "{folds} {audit:?}");
        assert_eq!(audit.entries % 5, 0, "half a fold");
        for hold in 0..u128::from(folds) * 2 {
            assert!(vault.ended(llm_core::ledger::HoldId(hold)).await.unwrap().is_some());
        }
        let (_, left) = vault.enter("doomed").await.unwrap();
        let leases = &left[0].leases;
        assert!(leases.iter().all(|(_, amount)| amount.0 <= 10), "{leases:?}");
    }
}
