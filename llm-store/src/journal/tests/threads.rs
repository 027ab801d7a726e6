//! Many callers at once.

use std::collections::HashMap;
use std::thread;

use super::*;

const THREADS: u128 = 8;

fn storm(settings: Settings, calls: u128) {
    let dir = folder();
    let disk = script::Script::new();
    let (journal, _) = Journal::<Money>::on(disk.disk(), dir.path().to_owned(), settings).unwrap();
    let journal = &journal;
    let told: Vec<Vec<(Position, Written)>> = thread::scope(|scope| {
        let spawned: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    let mut told = Vec::new();
                    for call in 0..calls {
                        let hold = thread * 1_000_000 + call;
                        let mut steps = vec![opened(hold, 9), Written::Dispatch(HoldId(hold))];
                        if call % 3 > 0 {
                            steps.push(Written::Close(settlement(hold, 5)));
                        }
                        for line in steps {
                            told.push((write(journal, &line).unwrap(), line));
                        }
                    }
                    told
                })
            })
            .collect();
        // And one who folds what there is, while they write.
        let folder = scope.spawn(move || {
            for _ in 0..20 {
                let mut last = Position::default();
                let mut seen = 0;
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
        });
        folder.join().unwrap();
        spawned.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let folded = journal.appender.tail.lock().tally.folded;
    let still = journal.holds_open();
    for told in &told {
        assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0), "in each thread's order");
    }
    let acknowledged: HashMap<Position, Written> = told.into_iter().flatten().collect();
    assert_eq!(acknowledged.len() as u128, THREADS * (calls * 3 - calls.div_ceil(3)));
    let open = acknowledged.len() as u128;
    assert!(open > 0 && still as u128 == THREADS * calls.div_ceil(3));
    let (copied, replay) = {
        let copied = copy(dir.path());
        let (again, replay) = reopen(copied.path(), settings).unwrap();
        let found = lines(&again, folded);
        let found: HashMap<_, _> = found.into_iter().filter(|(_, l)| is_callers(l)).collect();
        let expected: HashMap<_, _> = acknowledged
            .iter()
            .filter(|(at, _)| **at > folded)
            .map(|(a, l)| (*a, l.clone()))
            .collect();
        assert_eq!(found.len(), expected.len());
        assert!(found == expected);
        let all = lines(&again, Position::default());
        let model = Model { lines: sorted(&acknowledged), folded };
        assert_eq!(open_holds(all.iter().map(|(_, line)| line)), model.open());
        (copied, replay)
    };
    assert_eq!(replay.holds_open, still);
    drop(copied);
    if settings.durability == Durability::Power {
        let lines = acknowledged.len() as u64;
        assert!(disk.syncs() < lines + 200, "{} syncs of {lines} lines", disk.syncs());
    }
}

fn sorted(lines: &HashMap<Position, Written>) -> Vec<(Position, Written)> {
    let mut lines: Vec<_> = lines.iter().map(|(at, line)| (*at, line.clone())).collect();
    lines.sort_by_key(|(at, _)| *at);
    lines
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
    println!("one append: {each:?}");
    assert_eq!(journal.holds_open(), 0);
}
