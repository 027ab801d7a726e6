//! Callers who ask again, and processes that die at any step between them, over any store.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::call::CallId;
use llm_core::idempotency::{
    Answer, Claimed, Ending, Fate, Fingerprint, Form, IdempotencyStore, Owners, Record, Refused,
    claim, finish,
};
use llm_core::ledger::HoldId;
use llm_core::store::Stored;
use llm_core::store::vault::Tenure;
use parking_lot::Mutex;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::slot;

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Claimed,
    Sent,
    Settled { charged: bool },
    Over,
}

#[derive(Clone, Debug)]
struct Run {
    record: Record,
    epoch: u64,
    stage: Stage,
    charged: bool,
}

/// Processes and the ledger, as far as a recovery asks them.
#[derive(Debug, Default)]
struct Ledger(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    /// Epochs up to this one are dead.
    dead: u64,
    /// And their holds are resolved.
    resolved: u64,
    runs: Vec<Run>,
}

impl Owners for Ledger {
    fn fate<'a>(&'a self, owner: &'a Tenure, hold: HoldId) -> Stored<'a, Fate> {
        let books = self.0.lock();
        let run = books.runs.iter().find(|run| HoldId::from(run.record.run) == hold).unwrap();
        let fate = match run.stage {
            _ if owner.epoch > books.dead => Fate::Alive,
            _ if owner.epoch > books.resolved => Fate::Unresolved,
            Stage::Claimed => Fate::NeverHeld,
            Stage::Sent | Stage::Settled { .. } | Stage::Over if run.charged => Fate::Paid,
            Stage::Sent | Stage::Settled { .. } | Stage::Over => Fate::Voided,
        };
        Box::pin(async move { Ok(fate) })
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// A caller asks.
    Ask,
    /// A run is sent upstream.
    Send(usize),
    /// It is settled.
    Settle(usize, bool),
    /// Its end is written down: with an answer or without.
    Finish(usize, bool),
    /// The process dies, and another one starts.
    Die,
    /// What the dead have left is resolved: `true` pays for what was sent.
    Resolve(bool),
}

fn event() -> impl Strategy<Value = Event> {
    let run = 0usize..4;
    prop_oneof![
        4 => Just(Event::Ask),
        3 => run.clone().prop_map(Event::Send),
        3 => (run.clone(), any::<bool>()).prop_map(|(r, c)| Event::Settle(r, c)),
        3 => (run, any::<bool>()).prop_map(|(r, whole)| Event::Finish(r, whole)),
        1 => Just(Event::Die),
        2 => any::<bool>().prop_map(Event::Resolve),
    ]
}

fn said(run: CallId) -> Answer {
    Answer::new(200, Str::new(), Form::Whole, Bytes::from(run.to_string()))
}

#[derive(Debug, Default)]
struct World<S> {
    store: S,
    ledger: Ledger,
    seconds: i64,
    /// Runs that were told to a caller as paid for, or as lost.
    replays: usize,
    lost: usize,
    anew: usize,
}

impl<S: IdempotencyStore> World<S> {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(self.seconds)
    }

    /// A run of a process that lives, at that stage; the latest first.
    fn pick(&self, n: usize, at: impl Fn(Stage) -> bool) -> Option<(usize, Run)> {
        let books = self.ledger.0.lock();
        let dead = books.dead;
        let fit = |(_, run): &(usize, &Run)| run.epoch > dead && at(run.stage);
        books.runs.iter().enumerate().rev().filter(fit).map(|(i, r)| (i, r.clone())).nth(n)
    }

    async fn ask(&mut self) -> Result<(), TestCaseError> {
        let (slot, now) = (slot("t", "k"), self.now());
        let (epoch, count) = {
            let books = self.ledger.0.lock();
            (books.dead + 1, books.runs.len())
        };
        let owner = Tenure { replica: Str::from_static("r"), epoch };
        let run = CallId::new(1, count as u128);
        let record = Record::running(Fingerprint([1; 32]), run, owner, now);
        let claimed = claim(&self.store, &self.ledger, &slot, record, now).await;
        let paid: Vec<CallId> = self.charged();
        match claimed.unwrap() {
            Claimed::Run(record) => {
                prop_assert!(paid.is_empty(), "runs after {:?} was paid", paid);
                self.anew += usize::from(count > 0);
                let run = Run { record, epoch, stage: Stage::Claimed, charged: false };
                self.ledger.0.lock().runs.push(run);
            }
            // Whole answers may cost nothing; what was paid is what is replayed.
            Claimed::Replay(answer) => {
                let mut runs = self.ledger.0.lock().runs.clone();
                runs.retain(|run| said(run.record.run) == answer);
                prop_assert_eq!(runs.len(), 1);
                prop_assert!(paid.is_empty() || paid == [runs[0].record.run]);
                self.replays += 1;
            }
            Claimed::Refused(Refused::Indefinite { hold }) => {
                prop_assert_eq!(
                    paid.iter().map(|run| HoldId::from(*run)).collect::<Vec<_>>(),
                    [hold]
                );
                self.lost += 1;
            }
            Claimed::Refused(Refused::Running { .. }) => {}
            Claimed::Refused(why) => prop_assert!(false, "{:?}", why),
        }
        Ok(())
    }

    fn charged(&self) -> Vec<CallId> {
        let books = self.ledger.0.lock();
        books.runs.iter().filter(|run| run.charged).map(|run| run.record.run).collect()
    }

    async fn step(&mut self, event: Event) -> Result<(), TestCaseError> {
        self.seconds += 1;
        match event {
            Event::Ask => self.ask().await?,
            Event::Send(n) => {
                let Some((i, _)) = self.pick(n, |s| s == Stage::Claimed) else { return Ok(()) };
                self.ledger.0.lock().runs[i].stage = Stage::Sent;
            }
            Event::Settle(n, charged) => {
                let Some((i, _)) = self.pick(n, |s| s == Stage::Sent) else { return Ok(()) };
                let run = &mut self.ledger.0.lock().runs[i];
                (run.stage, run.charged) = (Stage::Settled { charged }, charged);
            }
            Event::Finish(n, whole) => {
                let settled = |s| matches!(s, Stage::Settled { .. });
                let Some((i, run)) = self.pick(n, settled) else { return Ok(()) };
                let Stage::Settled { charged } = run.stage else { return Ok(()) };
                let ending = match whole {
                    true => Ending::Answered(said(run.record.run)),
                    false => Ending::Broken { charged },
                };
                let (slot, now) = (slot("t", "k"), self.now());
                let done = finish(&self.store, &slot, &run.record, ending, now);
                // A process that lives is never taken over.
                prop_assert_eq!(done.await, Ok(()));
                self.ledger.0.lock().runs[i].stage = Stage::Over;
            }
            Event::Die => self.ledger.0.lock().dead += 1,
            Event::Resolve(pays) => {
                let mut books = self.ledger.0.lock();
                let (from, to) = (books.resolved, books.dead);
                for run in books.runs.iter_mut().filter(|r| r.epoch > from && r.epoch <= to) {
                    if run.stage == Stage::Sent {
                        run.charged = pays;
                    }
                }
                books.resolved = to;
            }
        }
        // The promise itself: one key is paid once.
        prop_assert!(self.charged().len() <= 1, "{:?}", self.ledger);
        Ok(())
    }
}

/// So many scripts, each over a store of its own. That one key is paid once would be true as well
/// if nothing ever ran twice: all ways must have been gone.
pub(super) fn once<S: IdempotencyStore>(scripts: u32, fresh: impl AsyncFn() -> S) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::deterministic();
    let (mut replays, mut lost, mut anew) = (0, 0, 0);
    for _ in 0..scripts {
        let events = prop::collection::vec(event(), 60).new_tree(&mut runner).unwrap().current();
        let said = format!("{events:?}");
        let world = runtime.block_on(async {
            let (ledger, store) = (Ledger::default(), fresh().await);
            let mut world = World { store, ledger, seconds: 0, replays: 0, lost: 0, anew: 0 };
            for event in events {
                world.step(event).await.unwrap_or_else(|why| panic!("{why}: {said}"));
            }
            world
        });
        replays += world.replays;
        lost += world.lost;
        anew += world.anew;
    }
    let enough = usize::try_from(scripts).unwrap_or(0) / 10;
    let all = replays > enough && lost > enough && anew > enough;
    assert!(all, "{replays} {lost} {anew}");
}
