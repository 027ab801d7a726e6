//! Many callers at once.

use std::io::Write;
use std::thread;

use super::script::Fail;
use super::*;

const THREADS: u128 = 8;

fn storm(settings: Settings, calls: u128) {
    let dir = folder();
    let disk = script::Script::new();
    let (journal, _) = Journal::<Money>::on(disk.disk(), dir.path().to_owned(), settings).unwrap();
    let journal = &journal;
    let told: Vec<Vec<(Position, Written)>> = thread::scope(|scope| {
        let call = |thread| scope.spawn(move || call(journal, thread, calls));
        let callers: Vec<_> = (0..THREADS).map(call).collect();
        // And one who folds what there is, while they write.
        let folder = scope.spawn(move || fold(journal));
        folder.join().unwrap();
        callers.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let acknowledged = acknowledged(told);
    assert_eq!(acknowledged.len() as u128, THREADS * (calls * 3 - calls.div_ceil(3)));
    let folded = journal.appender.tail.lock().tally.folded;
    let still = journal.holds_open();
    assert_eq!(still as u128, THREADS * calls.div_ceil(3));

    let copied = copy(dir.path());
    let (again, replay) = reopen(copied.path(), settings).unwrap();
    assert_eq!(replay.holds_open, still);
    Model { lines: acknowledged, folded }.check(&again, None);
}

/// A caller: opens, sends, and ends two of three. What it was told, until it was told no.
fn call(journal: &Journal, thread: u128, calls: u128) -> Vec<(Position, Written)> {
    let mut told = Vec::new();
    for call in 0..calls {
        let hold = thread * 1_000_000 + call;
        let mut steps = vec![opened(hold, 9), Written::Dispatch(HoldId(hold), Money(3))];
        if call % 3 > 0 {
            steps.push(Written::Close(settlement(hold, 5)));
        }
        for line in steps {
            let Ok(at) = write(journal, &line) else { return told };
            told.push((at, line));
        }
    }
    told
}

/// Folds most of what is there, again and again.
fn fold(journal: &Journal) {
    for _ in 0..20 {
        let (mut last, mut seen) = (Position::default(), 0);
        let replayed = journal.replay(last, |at, line| {
            seen += 1;
            if is_callers(&line) && seen % 7 != 0 {
                last = at;
            }
            Ok(())
        });
        replayed.unwrap();
        journal.folded(last).unwrap();
        thread::yield_now();
    }
}

/// All that was told, in the journal's order, which is that of each thread.
fn acknowledged(told: Vec<Vec<(Position, Written)>>) -> Vec<(Position, Written)> {
    for told in &told {
        assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0), "in each thread's order");
    }
    let mut all: Vec<_> = told.into_iter().flatten().collect();
    all.sort_by_key(|(at, _)| *at);
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "no place is given twice");
    all
}

/// Whoever was told yes before, during or after a sync that failed for somebody, was told the
/// truth.
#[test]
fn a_sync_that_fails_under_eight_threads() {
    let power = Settings {
        durability: Durability::Power,
        bytes_max: 8 << 20,
        segment_bytes: 9000,
        ..SMALL
    };
    for (nth, truncate) in (5..45).zip([false, true].into_iter().cycle()) {
        let mut fails = vec![Fail::Sync { nth }];
        fails.extend(truncate.then_some(Fail::Truncate));
        let (dir, script) = (folder(), script::Script::failing(&fails));
        let (journal, _) =
            Journal::<Money>::on(script.disk(), dir.path().to_owned(), power).unwrap();
        let shared = &journal;
        let told = thread::scope(|scope| {
            let call = |thread| scope.spawn(move || call(shared, thread, 40));
            let callers: Vec<_> = (0..THREADS).map(call).collect();
            callers.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let told = acknowledged(told);
        assert!(write(&journal, &opened(1, 1)).is_err());
        let newest = journal.appender.tail.lock().position();
        drop(journal);
        // With the power gone as well: nothing that was not synced is left.
        let file = segment::file(dir.path(), newest.segment);
        let safe = script.safe(&file);
        assert!(told.iter().all(|(at, _)| at.segment < newest.segment || at.offset <= safe));
        let (again, _) = reopen(dir.path(), power).unwrap();
        let mut found = lines(&again, Position::default());
        if !truncate {
            assert!(found.len() - told.len() < 8 * 3);
        }
        found.retain(|line| told.binary_search_by_key(&line.0, |told| told.0).is_ok());
        assert_eq!(found, told);
    }
}

#[test]
fn eight_threads_and_one_who_folds() {
    storm(Settings { bytes_max: 8 << 20, segment_bytes: 9000, ..SMALL }, 200);
}

#[test]
fn eight_threads_share_syncs() {
    let durability = Durability::Power;
    storm(Settings { durability, bytes_max: 8 << 20, segment_bytes: 9000, ..SMALL }, 100);
}

#[test]
fn one_sync_serves_all_who_wait() {
    let power = Settings { durability: Durability::Power, ..Settings::default() };
    let (dir, script) = (folder(), script::Script::failing(&[Fail::Slow]));
    let power = Settings { spare_bytes: 0, ..power };
    let (journal, _) = Journal::<Money>::on(script.disk(), dir.path().to_owned(), power).unwrap();
    let journal = &journal;
    let file = segment::file(dir.path(), 1);
    let (file, script) = (&file, &script);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for call in 0..40 {
                    let at = write(journal, &opened(thread * 1000 + call, 1)).unwrap();
                    assert!(script.safe(file) >= at.offset, "told before it was safe");
                }
            });
        }
    });
    assert!(script.syncs() < 200, "{} syncs of 320 lines", script.syncs());
}

#[test]
fn one_append_in_numbers() {
    let dir = folder();
    let settings = Settings { bytes_max: 1 << 30, ..Settings::default() };
    let (journal, _) = Journal::<Money>::at(dir.path(), settings).unwrap();
    let path = [AccountId::new(Owner::Key, "key_0123456789"), AccountId::new(Owner::Tenant, "t")];
    let proofs: Vec<_> = (0..50_000).map(|hold| proof(hold, 5)).collect();
    #[expect(clippy::disallowed_methods, reason = "what is printed is real time")]
    let start = std::time::Instant::now();
    for proof in &proofs {
        journal.open(proof, &path).unwrap();
        journal.close(&Settlement::void(proof.id())).unwrap();
    }
    let each = start.elapsed() / (2 * 50_000);
    assert_eq!(journal.holds_open(), 0);
    let mut plain = fs::File::create(dir.path().join("plain")).unwrap();
    let bytes = vec![7; usize::try_from(journal.bytes() / (2 * 50_000)).unwrap()];
    #[expect(clippy::disallowed_methods, reason = "what is printed is real time")]
    let start = std::time::Instant::now();
    for _ in 0..2 * 50_000 {
        plain.write_all(&bytes).unwrap();
    }
    let bare = start.elapsed() / (2 * 50_000);
    println!("one append: {each:?}, of which a bare write is {bare:?}");
}
