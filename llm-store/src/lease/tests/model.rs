//! Random histories of several processes over one vault, against the book and an auditor.
//!
//! What happens to them: requests and answers are lost, late or doubled, processes die in the
//! middle of a line, are buried while they live and go on, time jumps, limits rise and fall.
//! After each step that a process takes its accounts are added up; after each that the vault takes,
//! the auditor's are. `LEDGER_OPS` sets how many steps, `LEDGER_SEED` where to begin; a failure
//! names its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use llm_core::ledger::book::{Book, HoldState};
use llm_core::ledger::rules::{Account, Refused, Violation};
use llm_core::ledger::{HoldProof, Receipt};

use super::vault::Weather;
use super::watched::Watched;
use super::*;

const OPERATIONS: u64 = 1_000_000;
pub(super) const OPERATIONS_OF_ONE: u64 = 2_500;
/// Histories at once.
const THREADS: usize = 4;
/// Segments that end often, and a cap that an outage reaches.
const SMALL: journal::Settings = journal::Settings {
    durability: journal::Durability::Process,
    bytes_max: 10 << 10,
    segment_bytes: 2 << 10,
    spare_bytes: 0,
};

type Task<T> = Pin<Box<dyn Future<Output = T>>>;
type Answer = Result<HoldProof, NotReserved>;

#[test]
#[expect(clippy::disallowed_methods, reason = "how many in a second is what is printed")]
fn whatever_happens_it_is_the_book() {
    let asked = |name| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let operations = asked("LEDGER_OPS").unwrap_or(OPERATIONS);
    let first = asked("LEDGER_SEED").unwrap_or(1);
    let (next, last) = (AtomicU64::new(first), first + operations.div_ceil(OPERATIONS_OF_ONE));
    let began = std::time::Instant::now();
    let work = || {
        let mut sum = Seen::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= last {
                return sum;
            }
            let seen = std::panic::catch_unwind(|| history(seed));
            sum.add(seen.unwrap_or_else(|_| panic!("with LEDGER_SEED={seed}")));
        }
    };
    let mut sum = Seen::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().for_each(|thread| sum.add(thread.join().unwrap()));
    });
    let rate = operations as f64 / began.elapsed().as_secs_f64();
    println!("{operations} operations, {rate:.0} a second: {sum:?}");
    assert!(sum.made > 0 && sum.refused > 0 && sum.unavailable > 0 && sum.crashes > 0);
    assert!(sum.interrupted > 0 && sum.torn > 0 && sum.full > 0);
    assert!(sum.buried > 0 && sum.fenced > 0 && sum.lowered > 0);
}

/// One history from beginning to quiet.
pub(super) fn history(seed: u64) -> Seen {
    let mut world = World::new(seed);
    for _ in 0..OPERATIONS_OF_ONE {
        world.step();
    }
    world.end();
    world.seen
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    made: u64,
    refused: u64,
    unavailable: u64,
    settled: u64,
    crashes: u64,
    interrupted: u64,
    torn: u64,
    full: u64,
    lowered: u64,
    buried: u64,
    fenced: u64,
}

impl Seen {
    fn add(&mut self, more: Self) {
        self.made += more.made;
        self.refused += more.refused;
        self.unavailable += more.unavailable;
        self.settled += more.settled;
        self.crashes += more.crashes;
        self.interrupted += more.interrupted;
        self.torn += more.torn;
        self.full += more.full;
        self.lowered += more.lowered;
        self.buried += more.buried;
        self.fenced += more.fenced;
    }
}

/// A process, or the folder that is left of one.
struct Process {
    dir: TempDir,
    name: String,
    alive: Option<Alive>,
    open: BTreeMap<u128, Known>,
    /// Others have taken it for dead, which it may not know.
    buried: bool,
}

struct Alive {
    ledger: LeasedLedger,
    worker: Task<()>,
    calls: Vec<Call>,
}

struct Call {
    hold: u128,
    path: Vec<Line>,
    amount: i64,
    answer: Task<Answer>,
}

impl Process {
    fn new(name: String) -> Self {
        Self { dir: folder(), name, alive: None, open: BTreeMap::new(), buried: false }
    }
}

/// What was acknowledged of a hold.
#[derive(Clone, Debug)]
struct Known {
    path: Vec<Line>,
    amount: i64,
    sent: Option<i64>,
    watermark: Option<i64>,
}

impl Known {
    fn dispatch(&mut self, cost: i64) {
        self.sent = self.sent.max(Some(cost));
    }

    fn watermark(&mut self, cost: i64) {
        self.sent.get_or_insert(0);
        self.watermark = self.watermark.max(Some(cost));
    }
}

/// A step that a crash hides from whoever asked for it.
enum Hidden {
    Nothing,
    Made(u128, Vec<Line>, i64),
    Sent(u128, i64),
    Marked(u128, i64),
    Ended(Settlement),
}

struct World {
    dice: u64,
    clock: HandClock,
    vault: Arc<Watched>,
    book: Book,
    processes: Vec<Process>,
    ended: Vec<(usize, Receipt)>,
    /// Those of processes that were buried: paid with all that they had leased.
    forfeit: BTreeSet<HoldId>,
    limits: BTreeMap<&'static str, Option<i64>>,
    next: u128,
    seen: Seen,
}

impl World {
    fn new(seed: u64) -> Self {
        let limits = BTreeMap::from([
            ("key", None),
            ("tight", Some(300)),
            ("wide", Some(40_000)),
            ("late", None),
        ]);
        let mut book = Book::default();
        for (name, limit) in &limits {
            book.set_limit(key(name), limit.map(Money));
        }
        let processes = (0..=seed % 3).map(|n| Process::new(format!("p{n}"))).collect();
        let clock = HandClock::new();
        let vault = Watched::new(Arc::new(clock.clone()));
        let mut world = Self {
            dice: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            clock,
            vault,
            book,
            processes,
            ended: Vec::new(),
            forfeit: BTreeSet::new(),
            limits,
            next: 0,
            seen: Seen::default(),
        };
        for p in 0..world.processes.len() {
            world.start(p, Hidden::Nothing);
        }
        world
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) % sides
    }

    fn step(&mut self) {
        let p = self.roll(self.processes.len() as u64) as usize;
        match self.roll(100) {
            0..=24 => self.ask(p),
            25..=29 => self.ask_again(p),
            30..=39 => self.send(p),
            40..=46 => self.mark(p),
            47..=66 => self.settle(p),
            67..=69 => self.settle_again(p),
            70 => self.leave(p),
            71..=94 => self.pump(),
            95..=97 => self.time(),
            98 => self.weather(),
            _ => match self.roll(12) {
                0..=3 => self.crash(p),
                4 | 5 => self.change_limit(),
                6 => self.bury(p),
                _ => self.vault.weather(Weather::Fair),
            },
        }
        self.pump_one(p);
    }

    fn path(&mut self) -> Vec<Line> {
        let chosen = if self.roll(3) == 0 { 0b0011 } else { self.roll(15) + 1 };
        let names = self.limits.iter().enumerate();
        let names = names.filter(|(at, _)| chosen >> at & 1 == 1);
        names.map(|(_, (name, limit))| line(name, *limit)).collect()
    }

    fn ask(&mut self, p: usize) {
        let (path, amount) = (self.path(), self.roll(40) as i64);
        self.next += 1;
        let hold = self.next;
        let Some(alive) = &mut self.processes[p].alive else { return };
        let answer = reserve(&alive.ledger, hold, &path, amount);
        alive.calls.push(Call { hold, path, amount, answer });
    }

    fn pick(&mut self, p: usize) -> Option<(u128, Known)> {
        let count = self.processes[p].open.len() as u64;
        self.processes[p].alive.as_ref()?;
        let at = if count == 0 { return None } else { self.roll(count) as usize };
        self.processes[p].open.iter().nth(at).map(|(hold, known)| (*hold, known.clone()))
    }

    fn ledger(&self, p: usize) -> &LeasedLedger {
        &self.processes[p].alive.as_ref().unwrap().ledger
    }

    fn ask_again(&mut self, p: usize) {
        if let Some((hold, known)) = self.pick(p) {
            let again = now(reserve(self.ledger(p), hold, &known.path, known.amount));
            assert_eq!(again.unwrap().amount(), Money(known.amount));
            let other = now(reserve(self.ledger(p), hold, &known.path, known.amount + 1));
            assert_eq!(other, Err(StoreError::from(Violation::OtherTerms).into()));
        }
    }

    fn send(&mut self, p: usize) {
        let Some((hold, known)) = self.pick(p) else { return };
        let cost = self.roll(known.amount as u64 + 5) as i64;
        match self.ledger(p).dispatch(HoldId(hold), Money(cost)) {
            Ok(()) => {
                self.book.dispatch(HoldId(hold), Money(cost)).unwrap();
                self.processes[p].open.get_mut(&hold).unwrap().dispatch(cost);
            }
            Err(error) => self.full(&error),
        }
    }

    fn mark(&mut self, p: usize) {
        let Some((hold, known)) = self.pick(p) else { return };
        let cost = self.roll(known.amount as u64 + 5) as i64;
        match self.ledger(p).watermark(HoldId(hold), Money(cost)) {
            Ok(()) => {
                self.book.watermark(HoldId(hold), Money(cost)).unwrap();
                self.processes[p].open.get_mut(&hold).unwrap().watermark(cost);
            }
            Err(error) => self.full(&error),
        }
    }

    fn full(&mut self, error: &StoreError) {
        assert!(matches!(error, StoreError::Full(_)), "{error:?}");
        self.seen.full += 1;
    }

    fn settlement(&mut self, hold: u128, amount: i64) -> Settlement {
        let tenant = self.roll(amount as u64 + 1) as i64;
        let operator = if self.roll(8) == 0 { self.roll(5) as i64 } else { 0 };
        Settlement { operator: Money(operator), ..pays(hold, tenant) }
    }

    fn settle(&mut self, p: usize) {
        let Some((hold, known)) = self.pick(p) else { return };
        let settlement = self.settlement(hold, known.amount);
        let receipt = self.ledger(p).settle(&settlement).unwrap();
        assert_eq!(receipt, self.book.settle(settlement).unwrap());
        self.processes[p].open.remove(&hold);
        self.ended.push((p, receipt));
        if self.processes[p].buried {
            self.forfeit.insert(receipt.hold);
        }
        self.seen.settled += 1;
    }

    fn settle_again(&mut self, p: usize) {
        let late = self.ended.len().saturating_sub(50);
        let recent = self.ended.len() - late;
        if recent == 0 || self.processes[p].alive.is_none() {
            return;
        }
        let at = late + self.roll(recent as u64) as usize;
        let (of, receipt) = self.ended[at];
        let other = self.settlement(receipt.hold.0, 20);
        match self.ledger(p).settle(&other) {
            Ok(again) => assert_eq!(again, receipt),
            // Of another process, or so long ago that the journal has forgotten it.
            Err(error) => {
                assert_eq!(error, StoreError::Violation(Violation::UnknownHold));
                assert!(of != p || self.seen.crashes + self.seen.buried > 0);
            }
        }
    }

    fn leave(&mut self, p: usize) {
        let at = self.roll(8) as usize;
        if let Some(alive) = &mut self.processes[p].alive
            && at < alive.calls.len()
        {
            alive.calls.remove(at);
        }
    }

    fn time(&mut self) {
        let milliseconds = [1, 6, 60, 300, 1_100, 12_000, 90_000_000][self.roll(7) as usize];
        self.clock.pass(Duration::from_millis(milliseconds));
        self.pump();
    }

    fn weather(&mut self) {
        let weather = [Weather::Out, Weather::Deaf, Weather::Fog, Weather::Fair];
        let at = self.roll(5) as usize;
        weather.get(at).map_or_else(|| self.vault.twice(), |weather| self.vault.weather(*weather));
    }

    /// Up or down, and down below what is used, too: then only nothing new is given.
    fn change_limit(&mut self) {
        let name = ["tight", "wide"][self.roll(2) as usize];
        let before = self.limits[name].unwrap();
        let after = before + self.roll(400) as i64 - if before > 600 { 350 } else { 150 };
        self.seen.lowered += u64::from(after < before);
        self.limits.insert(name, Some(after.max(0)));
        self.vault.weather(Weather::Fair);
        let limit = Some(Money(after.max(0)));
        let settled = self.vault.account(&key(name)).settled;
        now(Box::pin(self.vault.set_limit(&key(name), limit))).unwrap();
        assert_eq!(self.vault.account(&key(name)).settled, settled);
    }

    /// Somebody takes a process for dead that lives: what it had leased is paid, and it goes on
    /// within that until it is told.
    fn bury(&mut self, p: usize) {
        let Some(alive) = &self.processes[p].alive else { return };
        self.vault.weather(Weather::Fair);
        now(Box::pin(self.vault.bury(alive.ledger.tenure(), true))).unwrap();
        self.processes[p].buried = true;
        self.seen.buried += 1;
        self.forfeit.extend(self.ended.iter().filter(|(of, _)| *of == p).map(|(_, end)| end.hold));
    }

    /// Its journal is not read again: another machine takes its place.
    fn replace(&mut self, p: usize) {
        self.seen.fenced += 1;
        self.processes[p].alive = None;
        self.vault.weather(Weather::Fair);
        self.next += 1;
        let name = format!("p{p}-{}", self.next);
        self.processes[p] = Process::new(name);
        self.start(p, Hidden::Nothing);
    }

    fn pump(&mut self) {
        for p in 0..self.processes.len() {
            self.pump_one(p);
        }
    }

    fn pump_one(&mut self, p: usize) {
        let cx = &mut Context::from_waker(Waker::noop());
        for _ in 0..3 {
            let Some(alive) = &mut self.processes[p].alive else { break };
            if alive.worker.as_mut().poll(cx).is_ready() {
                assert!(self.processes[p].buried, "nobody has fenced it");
                return self.replace(p);
            }
            let mut answers = Vec::new();
            alive.calls.retain_mut(|call| match call.answer.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(answer) => {
                    answers.push((call.hold, std::mem::take(&mut call.path), call.amount, answer));
                    false
                }
            });
            for (hold, path, amount, answer) in answers {
                self.answered(p, hold, path, amount, answer);
            }
        }
        let Some(alive) = &self.processes[p].alive else { return };
        let table = alive.ledger.desk.table.lock();
        assert_eq!(table.holds.len(), self.processes[p].open.len());
        let mut audit = llm_core::store::Audit::default();
        table.verify(&mut audit);
        assert_eq!(audit.problems, []);
        for row in table.rows.iter().filter(|row| row.limit.is_some()) {
            assert!(!row.free().is_negative(), "{}: more is used than leased", row.id.name);
        }
    }

    fn answered(&mut self, p: usize, hold: u128, path: Vec<Line>, amount: i64, answer: Answer) {
        match answer {
            Ok(proof) => {
                self.made(p, hold, path, amount);
                assert_eq!((proof.id(), proof.amount()), (HoldId(hold), Money(amount)));
            }
            Err(NotReserved::Refused { account, why }) => {
                let account = account.expect("an account");
                let line = path.iter().find(|line| line.account == account).unwrap();
                assert!(line.limit.is_some(), "an account without limit has refused");
                assert!(matches!(why, Refused::Exhausted { asked, .. } if asked == Money(amount)));
                self.seen.refused += 1;
            }
            Err(NotReserved::Store(StoreError::Unavailable(_))) => self.seen.unavailable += 1,
            Err(NotReserved::Store(StoreError::Conflict(_))) if self.processes[p].buried => {}
            Err(NotReserved::Store(error)) => self.full(&error),
        }
    }

    fn made(&mut self, p: usize, hold: u128, path: Vec<Line>, amount: i64) {
        let ids: Vec<_> = path.iter().map(|line| line.account.clone()).collect();
        // Whatever the limits were, no more is used by calls than the vault has set aside.
        for line in path.iter().filter(|line| line.limit.is_some()) {
            let Account { settled, held, .. } = self.vault.account(&line.account);
            let limit = Some(settled.saturating_add(held));
            self.book.set_limit(line.account.clone(), limit);
        }
        let made = self.book.reserve(HoldId(hold), &ids, Money(amount));
        made.expect("more was admitted than the book allows");
        let known = Known { path, amount, sent: None, watermark: None };
        self.processes[p].open.insert(hold, known);
        self.seen.made += 1;
    }

    /// The process dies, perhaps in the middle of a step, whose line is perhaps not whole.
    fn crash(&mut self, p: usize) {
        if self.processes[p].alive.is_none() {
            return;
        }
        if self.processes[p].buried {
            return self.replace(p);
        }
        self.seen.crashes += 1;
        let before = self.last_segment(p);
        let hidden = self.hide(p);
        self.processes[p].alive = None;
        let after = self.last_segment(p);
        if before.0 == after.0 && after.1 > before.1 {
            self.seen.torn += 1;
            let cut = before.1 + self.roll(after.1 - before.1 + 1);
            let file = fs::File::options().write(true).open(&after.0).unwrap();
            file.set_len(cut).unwrap();
        }
        // The vault may be out, and then nobody starts; what was hidden would be, too.
        self.vault.weather(Weather::Fair);
        self.start(p, hidden);
    }

    fn hide(&mut self, p: usize) -> Hidden {
        let kind = self.roll(5);
        if kind == 0 {
            let (path, amount) = (self.path(), self.roll(40) as i64);
            self.next += 1;
            let cx = &mut Context::from_waker(Waker::noop());
            let mut call = reserve(self.ledger(p), self.next, &path, amount);
            return match call.as_mut().poll(cx) {
                Poll::Ready(Ok(_)) => Hidden::Made(self.next, path, amount),
                Poll::Ready(Err(_)) | Poll::Pending => Hidden::Nothing,
            };
        }
        let Some((hold, known)) = self.pick(p) else { return Hidden::Nothing };
        match kind {
            1 => {
                let cost = self.roll(known.amount as u64 + 5) as i64;
                let _ = self.ledger(p).dispatch(HoldId(hold), Money(cost));
                Hidden::Sent(hold, cost)
            }
            2 => {
                let cost = self.roll(known.amount as u64 + 5) as i64;
                let _ = self.ledger(p).watermark(HoldId(hold), Money(cost));
                Hidden::Marked(hold, cost)
            }
            3 => {
                let settlement = self.settlement(hold, known.amount);
                self.ledger(p).settle(&settlement).unwrap();
                Hidden::Ended(settlement)
            }
            _ => Hidden::Nothing,
        }
    }

    fn last_segment(&self, p: usize) -> (std::path::PathBuf, u64) {
        let files = fs::read_dir(self.processes[p].dir.path()).unwrap();
        let files = files.map(|entry| entry.unwrap().path());
        let last = files.filter(|path| path.extension().is_some_and(|e| e == "holds")).max();
        let last = last.unwrap();
        let len = fs::metadata(&last).unwrap().len();
        (last, len)
    }

    fn start(&mut self, p: usize, hidden: Hidden) {
        let process = &self.processes[p];
        let (journal, _) = Journal::at(process.dir.path(), SMALL).unwrap();
        let ground = Ground {
            replica: process.name.clone(),
            journal: Arc::new(journal),
            vault: Arc::clone(&self.vault) as Arc<dyn Vault>,
            clock: Arc::new(self.clock.clone()),
        };
        let opened = now(Box::pin(LeasedLedger::open(ground, Settings::default())));
        let Started { ledger, worker, interrupted } = opened.unwrap();
        self.recovered(p, interrupted, hidden);
        let (worker, calls) = (Box::pin(worker.run()), Vec::new());
        self.processes[p].alive = Some(Alive { ledger, worker, calls });
    }

    /// What a start found open is what the model knows to be, give or take the hidden step.
    fn recovered(&mut self, p: usize, interrupted: Vec<Interrupted>, hidden: Hidden) {
        self.seen.interrupted += interrupted.len() as u64;
        for found in interrupted {
            let hold = found.settlement.hold.0;
            if let Hidden::Made(made, path, amount) = &hidden
                && *made == hold
            {
                self.made(p, hold, path.clone(), *amount);
            }
            let known = self.processes[p].open.remove(&hold).expect("a hold that nobody made");
            let mut after = known.clone();
            match hidden {
                Hidden::Sent(of, cost) if of == hold => after.dispatch(cost),
                Hidden::Marked(of, cost) if of == hold => after.watermark(cost),
                _ => {}
            }
            let may = [(known.sent, known.watermark), (after.sent, after.watermark)];
            let told = (found.sent.map(|cost| cost.0), found.watermark.map(|cost| cost.0));
            assert!(may.contains(&told), "{told:?} of {may:?}");
            let due = told.0.max(told.1).unwrap_or_default();
            assert_eq!(found.settlement.tenant.0, due.min(known.amount));
            assert_eq!(found.settlement.operator.0, (due - known.amount).max(0));
            let receipt = self.book.settle(found.settlement).unwrap();
            self.ended.push((p, receipt));
        }
        if let Hidden::Ended(settlement) = hidden
            && self.processes[p].open.remove(&settlement.hold.0).is_some()
        {
            let receipt = self.book.settle(settlement).unwrap();
            self.ended.push((p, receipt));
        }
        assert!(self.processes[p].open.is_empty(), "holds were forgotten");
    }

    /// Quiet: everything ends, everything is given back, and the vault is the book.
    fn end(&mut self) {
        self.vault.weather(Weather::Fair);
        for _ in 0..110 {
            self.clock.pass(Duration::from_millis(100));
            self.pump();
        }
        for p in 0..self.processes.len() {
            assert!(!self.processes[p].buried, "it has heard by now");
            while !self.processes[p].open.is_empty() {
                self.settle(p);
            }
        }
        for _ in 0..100 {
            self.clock.pass(Duration::from_millis(100));
            self.pump();
        }
        self.vault.sound();
        for name in self.limits.keys() {
            assert_eq!(self.vault.account(&key(name)).held, Money(0), "{name}");
        }
        for (_, receipt) in &self.ended {
            let hold = self.book.hold(receipt.hold).unwrap();
            assert_eq!(hold.state, HoldState::Closed(*receipt));
            let Some(end) = self.vault.end(receipt.hold) else {
                assert!(self.forfeit.contains(&receipt.hold), "an end that was not folded");
                continue;
            };
            let told = (end.settlement.tenant, end.settlement.operator, end.path);
            assert_eq!(told, (receipt.posted, receipt.loss, hold.path.clone()));
        }
        let folds = self.ended.iter().filter(|(_, end)| self.vault.end(end.hold).is_some());
        assert_eq!(self.vault.folds(), folds.count() as u64, "an end that nobody asked for");
        if self.seen.buried == 0 {
            self.is_the_book();
        }
        self.all_that_is_left();
    }

    /// After quiet, exactly what is left is admitted.
    fn all_that_is_left(&mut self) {
        for name in ["tight", "wide"] {
            let left = self.vault.account(&key(name)).remaining().unwrap().0;
            let path = vec![line(name, self.limits[name])];
            let p = self.roll(self.processes.len() as u64) as usize;
            for (more, fits) in [(1, false), (0, true)] {
                self.next += 1;
                let mut call = reserve(self.ledger(p), self.next, &path, left + more);
                let cx = &mut Context::from_waker(Waker::noop());
                let answer = loop {
                    if let Poll::Ready(answer) = call.as_mut().poll(cx) {
                        break answer;
                    }
                    let worker = &mut self.processes[p].alive.as_mut().unwrap().worker;
                    assert!(worker.as_mut().poll(cx).is_pending());
                    self.clock.pass(Duration::from_millis(1));
                };
                assert_eq!(answer.is_ok(), fits, "{name}: {answer:?}");
            }
        }
    }

    fn is_the_book(&self) {
        let used = |id: &AccountId| self.book.account(id).map_or(Money(0), |row| row.settled);
        for name in self.limits.keys() {
            assert_eq!(self.vault.account(&key(name)).settled, used(&key(name)), "{name}");
        }
        assert_eq!(self.vault.loss(), used(&AccountId::loss()));
        assert_eq!(self.book.verify(), Ok(()));
    }
}

fn reserve(ledger: &LeasedLedger, hold: u128, path: &[Line], amount: i64) -> Task<Answer> {
    let (ledger, path) = (ledger.clone(), path.to_vec());
    Box::pin(async move { ledger.reserve(HoldId(hold), &path, Money(amount)).await })
}

/// What a future gives that waits for nobody but the vault's answer.
fn now<T>(mut future: Pin<Box<dyn Future<Output = T> + '_>>) -> T {
    let cx = &mut Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        if let Poll::Ready(given) = future.as_mut().poll(cx) {
            return given;
        }
    }
    panic!("it never comes")
}
