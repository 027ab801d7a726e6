//! The report on a database as a whole, and backups of a Postgres.

use llm_core::ledger::{AccountId, HoldId, Owner, Settlement};
use llm_core::money::Money;
use llm_core::store::vault::{Ended, Fold, LeaseAsk, Vault};
use llm_core::usage::UsageSource;
use llm_store::verify::{Note, verify};

use crate::calls::{NOVEMBER, call};
use crate::places::{self, Place, logged};

/// One call on a key's account, folded; whoever made it lives no more.
pub(crate) async fn spend(vault: &dyn Vault, hold: u128, key: &str, paid: i64) {
    let account = AccountId::new(Owner::Key, key.to_owned());
    let (me, _) = vault.enter(&format!("r{hold}")).await.unwrap();
    let (limit, least) = (None, Money(paid));
    let ask = LeaseAsk { account: account.clone(), limit, has: Money(0), least, like: least };
    vault.lease(&me, &[ask]).await.unwrap();
    let (tenant, operator) = (Money(paid), Money(0));
    let source = UsageSource::Reported;
    let settlement = Settlement { hold: HoldId(hold), tenant, operator, source };
    let ended = vec![Ended { settlement, amount: Money(paid), path: vec![account.clone()] }];
    let keeps = vec![(account, Money(0))];
    vault.fold(&me, &Fold { ended, keeps }).await.unwrap();
    vault.bury(&me, false).await.unwrap();
}

async fn both_are_compared(place: &Place, vault: &dyn Vault) {
    let calls = [call(1, NOVEMBER, 2), call(2, NOVEMBER, 6), call(3, NOVEMBER, 7)];
    let key = |at: usize| calls[at].principal.key.0.to_string();
    assert!(key(0) != key(1) && key(1) != key(2));
    logged(&place.log(), &calls).await;
    // One as it is logged, one that was dropped from the log in part, one that is not folded yet.
    spend(vault, 1, &key(0), calls[0].charged.0).await;
    spend(vault, 2, &key(1), calls[1].charged.0 + 5).await;
    let report = verify(&place.database).await.unwrap();
    assert!(report.ok);
    assert_eq!((report.accounts, report.entries, report.holds_open), (2, 2, 0));
    let note = |at: usize, ledger: i64| Note {
        key: key(at),
        ledger: Money(ledger),
        log: calls[at].charged,
    };
    assert_eq!(report.notes, [note(1, calls[1].charged.0 + 5), note(2, 0)]);
    place.raw.run("UPDATE account SET paid = paid + 1 WHERE id = 1").await;
    let report = verify(&place.database).await.unwrap();
    assert_eq!((report.ok, report.problems.len()), (false, 1));
    assert_eq!(report.problems[0].account.name, key(0));
}

#[tokio::test]
async fn a_file_and_its_log() {
    let (place, vault) = places::sqlite().await;
    both_are_compared(&place, &vault).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_postgres_and_its_log() {
    let Some(server) = crate::server::Server::shared() else { return };
    let _turn = places::TURN.lock().await;
    let (place, vault) = places::postgres(&server).await;
    both_are_compared(&place, &vault).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_dump_is_restored_where_nobody_lives() {
    use llm_store::backup::postgres::{Place, back_up, restore};
    use llm_store::backup::{JournalPlace, Trouble};
    use llm_store::sql::postgres::Settings;
    use std::time::Duration;

    let Some(server) = crate::server::Server::shared() else { return };
    let _turn = places::TURN.lock().await;
    let (first, vault) = places::postgres(&server).await;
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    std::fs::create_dir(&journal).unwrap();
    spend(&vault, 1, "k", 30).await;
    let url = |raw: &places::Raw| match raw {
        places::Raw::Postgres(url) => url.clone(),
        places::Raw::Sqlite(_) => panic!("a file"),
    };
    let place = |url: String| {
        let journals = vec![JournalPlace { name: "usd".to_owned(), folder: journal.clone() }];
        Place { settings: Settings::new(url), journals }
    };
    let (here, saved) = (place(url(&first.raw)), folder.path().join("saved"));
    back_up(&here, &saved).await.unwrap();
    spend(&vault, 2, "k", 12).await;
    let (me, _) = vault.enter("alive").await.unwrap();
    vault.beat(&me, Duration::from_secs(60)).await.unwrap();
    let busy = restore(&saved, &here, places::Real::new()).await;
    assert!(matches!(busy, Err(Trouble::InUse(_))), "{busy:?}");
    vault.bury(&me, false).await.unwrap();
    let restored = restore(&saved, &here, places::Real::new()).await.unwrap();
    assert_eq!((restored.report.entries, restored.kept.len()), (1, 2));
    // Into a database that is empty, too.
    let empty = place(server.database().await);
    let restored = restore(&saved, &empty, places::Real::new()).await.unwrap();
    assert_eq!((restored.report.entries, restored.kept.len()), (1, 1));
}
