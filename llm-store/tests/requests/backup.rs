//! A backup that is taken while calls run, and what is made of it elsewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use llm_core::ledger::{AccountId, HoldId, Owner, Settlement};
use llm_core::money::Money;
use llm_core::store::vault::Vault;
use llm_core::store::{Ledger, Line};
use llm_core::usage::UsageSource;
use llm_store::backup::sqlite::{Place, back_up, restore, verify};
use llm_store::backup::{JournalPlace, Trouble};
use llm_store::journal::{self, Journal};
use llm_store::lease::{Ground, LeasedLedger, Settings, Started};
use llm_store::sql::sqlite::SqliteVault;
use parking_lot::Mutex;

use crate::places::{Real, quick};

/// Small segments, so that some are retired under the copy.
const JOURNAL: journal::Settings = journal::Settings {
    durability: journal::Durability::Process,
    bytes_max: 4 << 20,
    segment_bytes: 64 << 10,
    spare_bytes: 0,
};
const CALLERS: u128 = 8;

pub(crate) fn key(number: u128) -> AccountId {
    AccountId::new(Owner::Key, format!("k{}", number % 5))
}

fn place(folder: &Path) -> Place {
    let journals = vec![JournalPlace { name: "usd".to_owned(), folder: folder.join("journal") }];
    Place { path: folder.join("a.db"), journals }
}

async fn vault(place: &Place) -> SqliteVault {
    SqliteVault::<Money>::open(&quick(&place.path), Real::new()).await.unwrap()
}

async fn started(vault: Arc<dyn Vault>, folder: PathBuf) -> Started {
    let (journal, _) = Journal::at(folder, JOURNAL).unwrap();
    let journal = Arc::new(journal);
    let ground = Ground { replica: "here".to_owned(), journal, vault, clock: Real::new() };
    LeasedLedger::open(ground, Settings::default()).await.unwrap()
}

/// What each hold ends with.
fn price(hold: u128) -> Money {
    Money(i64::try_from(hold % 89).unwrap() + 1)
}

/// Calls until told to stop, and what those that ended have paid.
async fn load(
    ledger: LeasedLedger,
    caller: u128,
    stop: Arc<AtomicBool>,
    ended: Arc<Mutex<BTreeMap<u128, Money>>>,
) {
    let mut number = caller;
    while !stop.load(Ordering::Relaxed) {
        number += CALLERS;
        let hold = HoldId(number);
        let line = Line { account: key(number), limit: Some(Money(1 << 40)) };
        ledger.reserve(hold, &[line], Money(100)).await.unwrap();
        ledger.dispatch(hold, Money(0)).unwrap();
        ledger.watermark(hold, Money(1)).unwrap();
        tokio::task::yield_now().await;
        let (tenant, operator) = (price(number), Money(0));
        let source = UsageSource::Reported;
        ledger.settle(&Settlement { hold, tenant, operator, source }).unwrap();
        ended.lock().insert(number, tenant);
        if number % 64 < CALLERS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn settled(vault: &dyn Vault) -> Money {
    let mut sum = Money(0);
    for number in 0..5 {
        let found = vault.balance(&key(number)).await.unwrap();
        sum.0 += found.map_or(0, |account| account.settled.0);
    }
    sum
}

/// What holds have paid by the database, hold by hold.
async fn told(vault: &dyn Vault, holds: impl Iterator<Item = u128>) -> BTreeMap<u128, Money> {
    let mut told = BTreeMap::new();
    for hold in holds {
        if let Some(end) = vault.ended(HoldId(hold)).await.unwrap() {
            told.insert(hold, end.tenant);
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_under_load_bills_nobody_twice() {
    let folder = tempfile::tempdir().unwrap();
    let here = place(&folder.path().join("here"));
    std::fs::create_dir(folder.path().join("here")).unwrap();
    let first = vault(&here).await;
    let live = started(Arc::new(first.clone()), here.journals[0].folder.clone()).await;
    let worker = tokio::spawn(live.worker.run());
    let (stop, ended) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let callers: Vec<_> = (0..CALLERS)
        .map(|n| tokio::spawn(load(live.ledger.clone(), n, stop.clone(), Arc::clone(&ended))))
        .collect();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let before = ended.lock().clone();
    let saved = folder.path().join("saved");
    let report = back_up(&here, &saved).await.unwrap();
    assert!(report.ok && report.entries > 0);
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Nobody replaces what is in use.
    assert!(matches!(restore(&saved, &here).await, Err(Trouble::InUse(_))));
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let all = ended.lock().clone();
    assert!(all.len() > before.len() && before.len() > 100, "{} of {}", before.len(), all.len());
    live.ledger.shutdown().await.unwrap();
    worker.await.unwrap();
    assert_eq!(settled(&first).await, Money(all.values().map(|paid| paid.0).sum()));

    // Elsewhere, as it was.
    let there = place(&folder.path().join("there"));
    std::fs::create_dir(folder.path().join("there")).unwrap();
    let restored = restore(&saved, &there).await.unwrap();
    assert_eq!((restored.report, restored.kept.len()), (report, 0));
    let second = vault(&there).await;
    let folded = told(&second, 0..all.keys().max().unwrap() + 1).await;
    assert!(folded.iter().all(|(hold, paid)| *paid == price(*hold)));
    assert_eq!(settled(&second).await, Money(folded.values().map(|paid| paid.0).sum()));

    // What was in the journal and not in the database is folded, once; what was open is charged
    // what had come.
    let again = started(Arc::new(second.clone()), there.journals[0].folder.clone()).await;
    let open: BTreeMap<u128, Money> = again
        .interrupted
        .iter()
        .map(|hold| (hold.settlement.hold.0, hold.settlement.tenant))
        .collect();
    let worker = tokio::spawn(again.worker.run());
    assert!(again.ledger.verify().await.unwrap().problems.is_empty());
    again.ledger.shutdown().await.unwrap();
    worker.await.unwrap();
    let paid = told(&second, 0..all.keys().max().unwrap() + CALLERS + 1).await;
    println!(
        "{} ended before the backup; {} folded in it, {} open, {} after a start",
        before.len(),
        folded.len(),
        open.len(),
        paid.len()
    );
    assert!(before.iter().all(|(hold, price)| paid.get(hold) == Some(price)), "an end is lost");
    for (hold, paid) in &paid {
        let known = folded.get(hold).or(open.get(hold)).copied().unwrap_or(price(*hold));
        assert_eq!(*paid, known, "hold {hold}");
    }
    assert_eq!(settled(&second).await, Money(paid.values().map(|paid| paid.0).sum()));
    let audit = second.verify().await.unwrap();
    assert_eq!((audit.problems.len(), audit.holds_open), (0, 0));
}

#[tokio::test]
async fn what_was_there_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let here = place(folder.path());
    let first = vault(&here).await;
    let live = started(Arc::new(first.clone()), here.journals[0].folder.clone()).await;
    let worker = tokio::spawn(live.worker.run());
    let saved = folder.path().join("saved");
    back_up(&here, &saved).await.unwrap();
    assert!(matches!(back_up(&here, &saved).await, Err(Trouble::Exists(_))));
    let path = [Line { account: key(1), limit: None }];
    live.ledger.reserve(HoldId(1), &path, Money(10)).await.unwrap();
    live.ledger.release(HoldId(1)).unwrap();
    live.ledger.set_limit(&key(1), Some(Money(7))).await.unwrap();
    live.ledger.shutdown().await.unwrap();
    worker.await.unwrap();
    assert!(matches!(restore(&saved, &here).await, Err(Trouble::InUse(_))));
    drop((first, live.ledger));
    // The file is closed by a task, in a moment; the journal is nobody's by now.
    let restored = loop {
        match restore(&saved, &here).await {
            Err(Trouble::InUse(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
            other => break other.unwrap(),
        }
    };
    assert_eq!((restored.report.accounts, restored.kept.len()), (0, 2));
    assert!(restored.kept.iter().all(|kept| kept.exists()));
    assert_eq!(vault(&here).await.balance(&key(1)).await, Ok(None));
    // A journal that somebody writes is not replaced, whoever has the database.
    let (journal, _) = Journal::<Money>::at(&here.journals[0].folder, JOURNAL).unwrap();
    let elsewhere = Place { path: folder.path().join("b.db"), ..here.clone() };
    assert!(matches!(restore(&saved, &elsewhere).await, Err(Trouble::InUse(_))));
    drop(journal);
    restore(&saved, &elsewhere).await.unwrap();
    // What was put aside is whole.
    let was = Place { path: restored.kept[1].clone(), journals: Vec::new() };
    let limit = vault(&was).await.balance(&key(1)).await.unwrap().unwrap().limit;
    assert_eq!(limit, Some(Money(7)));
}

#[tokio::test]
async fn a_damaged_backup_is_not_restored() {
    let folder = tempfile::tempdir().unwrap();
    let here = place(folder.path());
    let open = vault(&here).await;
    let path = [key(1)];
    let (me, _) = open.enter("r").await.unwrap();
    let ask = llm_core::store::vault::LeaseAsk {
        account: key(1),
        limit: None,
        has: Money(0),
        least: Money(50),
        like: Money(50),
    };
    open.lease(&me, &[ask]).await.unwrap();
    let settlement = Settlement {
        hold: HoldId(1),
        tenant: Money(30),
        operator: Money(0),
        source: UsageSource::Reported,
    };
    let ended = llm_core::store::vault::Ended { settlement, amount: Money(50), path: path.into() };
    let fold = llm_core::store::vault::Fold { ended: vec![ended], keeps: Vec::new() };
    open.fold(&me, &fold).await.unwrap();
    let saved = folder.path().join("saved");
    assert_eq!(back_up(&here, &saved).await.unwrap().entries, 1);
    let elsewhere = place(&folder.path().join("elsewhere"));
    std::fs::create_dir(folder.path().join("elsewhere")).unwrap();
    // A number is changed by hand: the file is whole, and the ledger is not.
    let url = format!("sqlite:{}", saved.join("store.db").display());
    let mut link = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    sqlx::raw_sql("UPDATE account SET paid = 29").execute(&mut link).await.unwrap();
    sqlx::Connection::close(link).await.unwrap();
    assert!(matches!(verify(&saved).await, Err(Trouble::Unsound(_))));
    assert!(matches!(restore(&saved, &elsewhere).await, Err(Trouble::Unsound(_))));
    // Half of it is gone.
    let file = std::fs::File::options().write(true).open(saved.join("store.db")).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    assert!(matches!(restore(&saved, &elsewhere).await, Err(Trouble::NotOpened(_))));
    let nothing = restore(&folder.path().join("nothing"), &elsewhere).await;
    assert!(matches!(nothing, Err(Trouble::Missing(_))));
    assert!(!elsewhere.path.exists());
}
