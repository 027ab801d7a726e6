//! Files that somebody else has locked, or that are not what was written.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use llm_sim::Simulator;
use sqlx::{Connection as _, SqliteConnection};
use tokio::time::sleep;

use super::load::{Called, Load};
use super::{HARD, HARD_EVERY, OPEN, audited, called, degraded, mended, place};
use crate::client::client;
use crate::proxy::{Place, Proxy, simulator, sqlite};

const EVERY: Duration = Duration::from_millis(20);
/// Longer than whoever writes waits for the lock.
const LOCKED: Duration = Duration::from_secs(6);
const PAGE_BYTES: u64 = 4_096;
const CALLS: usize = 10;

fn on_a_file(simulator: &Simulator) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    place(simulator, folder, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_somebody_has_locked_closes_hard_budgets_and_nothing_else() {
    let simulator = simulator().await;
    let place = on_a_file(&simulator);
    let proxy = Proxy::start(&place, None).unwrap();
    let client = client();
    let mut calls =
        vec![called(&client, &proxy, OPEN).await, called(&client, &proxy, HARD[0]).await];
    let mut other = SqliteConnection::connect(&place.store).await.unwrap();
    sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    let open = Load::start(proxy.address, &[OPEN], EVERY);
    let hard = Load::start(proxy.address, &HARD, HARD_EVERY);
    sleep(LOCKED).await;
    degraded(&proxy).await;
    let (open, hard) = (open.stop().await, hard.stop().await);
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let refused = open.iter().find(|call| call.status != 200);
    assert!(refused.is_none(), "a call without limit was refused: {refused:?}");
    let odd = hard.iter().find(|call| !call.is_typed());
    assert!(odd.is_none(), "neither served nor told: {odd:?}");
    assert!(hard.iter().any(|call| call.status == 503), "nobody was told");
    let back = mended(&client, &proxy).await;
    println!("{} and {} calls, as before after {back:?}", open.len(), hard.len());
    calls.extend(open);
    calls.extend(hard);
    audited(proxy, &place, &calls).await;
    simulator.shutdown().await;
}

/// A life that ends in order, and what callers saw of it.
async fn lived(place: &Place) -> Vec<Called> {
    let proxy = Proxy::start(place, None).unwrap();
    let (client, mut calls) = (client(), Vec::new());
    for _ in 0..CALLS {
        calls.extend([called(&client, &proxy, OPEN).await, called(&client, &proxy, HARD[0]).await]);
    }
    assert!(calls.iter().all(|call| call.status == 200), "{calls:?}");
    proxy.stop();
    calls
}

/// Where a table and its indices begin.
async fn pages(url: &str, table: &str) -> Vec<u64> {
    let mut link = SqliteConnection::connect(url).await.unwrap();
    // All in the file, and nothing beside it.
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut link).await.unwrap();
    let text = "SELECT rootpage FROM sqlite_schema WHERE tbl_name = $1 AND rootpage > 0";
    let found: Vec<i64> = sqlx::query_scalar(text).bind(table).fetch_all(&mut link).await.unwrap();
    link.close().await.unwrap();
    assert!(!found.is_empty(), "there is no {table}");
    found.into_iter().map(|page| u64::try_from(page).unwrap()).collect()
}

/// Turns every bit of some pages' middles around, heads and all.
fn flip(file: &Path, pages: &[u64]) {
    let file = OpenOptions::new().read(true).write(true).open(file).unwrap();
    for page in pages {
        let at = (page - 1) * PAGE_BYTES;
        let mut bytes = [0; PAGE_BYTES as usize];
        file.read_exact_at(&mut bytes, at).unwrap();
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
        file.write_all_at(&bytes, at).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_damaged_is_refused_or_closes_hard_budgets() {
    let simulator = simulator().await;
    let place = on_a_file(&simulator);
    let calls = lived(&place).await;
    let file = place.folder.path().join("ledger.db");
    let mut damaged = Vec::new();
    for table in ["account", "entry", "hold", "lease", "owner", "request"] {
        damaged.push((table, pages(&place.store, table).await));
    }
    let good = fs::read(&file).unwrap();
    let client = client();
    for (table, pages) in damaged {
        flip(&file, &pages);
        match Proxy::start(&place, None) {
            Err(said) => {
                println!("{table}: {}", said.lines().last().unwrap_or_default());
                assert!(said.contains("damaged"), "{table}: {said}");
                assert!(!said.contains("panicked"), "{table}: {said}");
            }
            Ok(proxy) => {
                let mut hard = Vec::new();
                for _ in 0..CALLS {
                    let open = called(&client, &proxy, OPEN).await;
                    assert_eq!(open.status, 200, "{table}: {open:?}");
                    hard.push(called(&client, &proxy, HARD[0]).await);
                }
                let odd = hard.iter().find(|call| !call.is_typed());
                assert!(odd.is_none(), "{table}: neither served nor told: {odd:?}");
                let told = hard.iter().filter(|call| call.status == 503).count();
                println!("{table}: it starts, and {told} of {} are told", hard.len());
                // The log of requests is nobody's money.
                if table != "request" {
                    degraded(&proxy).await;
                }
                assert!(!proxy.said().contains("panicked"), "{}", proxy.said());
                proxy.kill();
            }
        }
        // As whoever puts a copy in its place, with the journal that goes with it.
        for beside in ["ledger.db-wal", "ledger.db-shm"] {
            let _ = fs::remove_file(place.folder.path().join(beside));
        }
        fs::write(&file, &good).unwrap();
    }
    let proxy = Proxy::start(&place, None).unwrap();
    mended(&client, &proxy).await;
    audited(proxy, &place, &calls).await;
    simulator.shutdown().await;
}

/// The last segment of the journal.
fn segment(place: &Place) -> PathBuf {
    let folder = place.folder.path().join("data/journal");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> = names.filter(|path| path.extension().is_some()).collect();
    segments.sort_unstable();
    segments.pop().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_was_cut_changes_nothing_and_one_that_was_changed_is_refused() {
    let simulator = simulator().await;
    let place = on_a_file(&simulator);
    let mut calls = lived(&place).await;
    // What was cut off is in the store: nothing is paid twice, and nothing is lost.
    for hundredth in [95, 70, 40, 10] {
        let file = OpenOptions::new().write(true).open(segment(&place)).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len((length * hundredth / 100).max(64)).unwrap();
        drop(file);
        let proxy = Proxy::start(&place, None).unwrap();
        mended(&client(), &proxy).await;
        audited(proxy, &place, &calls).await;
        calls.extend(lived(&place).await);
    }
    let path = segment(&place);
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] = !bad[middle];
    fs::write(&path, &bad).unwrap();
    let said = Proxy::start(&place, None).err().expect("it starts from a journal that was changed");
    println!("{}", said.lines().last().unwrap_or_default());
    assert!(said.contains("damaged") && !said.contains("panicked"), "{said}");
    fs::write(&path, &good).unwrap();
    let proxy = Proxy::start(&place, None).unwrap();
    mended(&client(), &proxy).await;
    audited(proxy, &place, &calls).await;
    simulator.shutdown().await;
}
