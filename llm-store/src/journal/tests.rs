//! The journal against a model: what was acknowledged is there, in order, whatever happened.

mod faults;
mod frames;
mod model;
mod retire;
mod script;
mod threads;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path as File;

use llm_core::ledger::rules::{self, Account};
use llm_core::ledger::{AccountId, HoldId, HoldProof, Owner, Settlement};
use llm_core::money::Money;
use llm_core::quota::WindowId;
use llm_core::store::StoreError;
use llm_core::usage::UsageSource;
use tempfile::TempDir;

use super::*;
use script::Script;

/// Small segments, so that a test of some dozen lines has several.
const SMALL: Settings = Settings {
    durability: Durability::Process,
    bytes_max: 1 << 20,
    segment_bytes: 700,
    spare_bytes: 0,
};

fn proof(hold: u128, amount: i64) -> HoldProof {
    let mut account = Account::unlimited();
    rules::reserve(&mut [&mut account], HoldId(hold), Money(amount)).unwrap()
}

fn path(hold: u128) -> Vec<AccountId> {
    let name = "k".repeat(usize::try_from(hold % 40).unwrap());
    let start = jiff::Timestamp::new(1_700_000_000, 5).unwrap();
    let window = Some(WindowId { start, end: jiff::Timestamp::MAX });
    let key = AccountId { owner: Owner::Key, name: name.into(), rule: "5/day".into(), window };
    let all = [key, AccountId::new(Owner::Team, "größe"), AccountId::new(Owner::Tenant, "t")];
    all.into_iter().take(usize::try_from(hold % 4).unwrap()).collect()
}

fn opened(hold: u128, amount: i64) -> Written {
    Written::Open { hold: HoldId(hold), amount: Money(amount), path: path(hold) }
}

fn settlement(hold: u128, tenant: i64) -> Settlement {
    let (tenant, operator) = (Money(tenant), Money(tenant / 3));
    Settlement { hold: HoldId(hold), tenant, operator, source: UsageSource::Counted }
}

fn write(journal: &Journal, line: &Written) -> Result<Position, StoreError> {
    match line {
        Written::Open { hold, amount, path } => {
            journal.append(Step::Open { proof: &proof(hold.0, amount.0), path })
        }
        Written::Dispatch(hold, cost) => journal.append(Step::Dispatch(*hold, *cost)),
        Written::Watermark(hold, cost) => journal.append(Step::Watermark(*hold, *cost)),
        Written::Close(settlement) => journal.append(Step::Close(settlement)),
        Written::Carried { .. } | Written::Folded(_) => panic!("nobody writes these"),
    }
}

fn lines(journal: &Journal, after: Position) -> Vec<(Position, Written)> {
    let mut out = Vec::new();
    let replayed = journal.replay(after, |at, line| {
        out.push((at, line));
        Ok(())
    });
    replayed.unwrap();
    assert!(out.windows(2).all(|pair| pair[0].0 < pair[1].0), "positions grow");
    out
}

fn is_callers(line: &Written) -> bool {
    !matches!(line, Written::Carried { .. } | Written::Folded(_))
}

/// A hold that has not ended: amount, path, what was owed when it was sent, its watermark.
type Open = (Money, Vec<AccountId>, Option<Money>, Option<Money>);

/// What lines amount to, computed in the plainest way.
fn open_holds<'a>(lines: impl IntoIterator<Item = &'a Written>) -> BTreeMap<HoldId, Open> {
    let mut open: BTreeMap<HoldId, Open> = BTreeMap::new();
    for line in lines {
        match line.clone() {
            Written::Open { hold, amount, path } => {
                open.insert(hold, (amount, path, None, None));
            }
            Written::Dispatch(hold, cost) => {
                open.entry(hold).and_modify(|open| open.2 = open.2.max(Some(cost)));
            }
            Written::Watermark(hold, cost) => {
                open.entry(hold).and_modify(|open| {
                    open.2.get_or_insert(Money(0));
                    open.3 = open.3.max(Some(cost));
                });
            }
            Written::Close(settlement) => drop(open.remove(&settlement.hold)),
            Written::Carried { hold, amount, path, sent, watermark } => {
                open.insert(hold, (amount, path, sent, watermark));
            }
            Written::Folded(_) => {}
        }
    }
    open
}

/// What a journal must hold: every acknowledged line that is not folded, and every open hold.
#[derive(Clone, Debug, Default)]
struct Model {
    lines: Vec<(Position, Written)>,
    folded: Position,
}

impl Model {
    fn unfolded(&self) -> Vec<(Position, Written)> {
        self.lines.iter().filter(|(at, _)| *at > self.folded).cloned().collect()
    }

    fn open(&self) -> BTreeMap<HoldId, Open> {
        open_holds(self.lines.iter().map(|(_, line)| line))
    }

    /// The first lines only.
    fn until(&self, end: Position) -> Self {
        let lines = self.lines.iter().filter(|(at, _)| *at <= end).cloned().collect();
        Self { lines, folded: self.folded.min(end) }
    }

    /// One more line at the most, and nothing else, than was acknowledged: what a process that
    /// dies may leave behind.
    #[track_caller]
    fn check(&self, journal: &Journal, maybe: Option<&Written>) {
        let all = lines(journal, Position::default());
        let callers: Vec<_> = all.iter().filter(|(_, line)| is_callers(line)).cloned().collect();
        let found: Vec<_> = callers.into_iter().filter(|(at, _)| *at > self.folded).collect();
        let mut expected = self.unfolded();
        let mut model = self.clone();
        if found.len() > expected.len()
            && let (Some(line), Some((at, _))) = (maybe, found.last())
        {
            expected.push((*at, line.clone()));
            model.lines.push((*at, line.clone()));
        }
        assert_eq!(found, expected);
        assert_eq!(open_holds(all.iter().map(|(_, line)| line)), model.open());
        assert_eq!(journal.holds_open(), model.open().len());
    }
}

/// Opens with a disk that never fails and is never waited for.
fn reopen(dir: &File, settings: Settings) -> Result<(Journal, Replay), StoreError> {
    Journal::on(Script::new().disk(), dir.to_owned(), settings)
}

fn copy(dir: &File) -> TempDir {
    let to = folder();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Cuts a copy of a journal as if the process had died there, and opens it.
fn cut(dir: &File, at: Position, settings: Settings) -> (TempDir, Journal, Replay) {
    let copy = copy(dir);
    let file = segment::file(copy.path(), at.segment);
    fs::File::options().write(true).open(file).unwrap().set_len(at.offset).unwrap();
    let (journal, replay) = reopen(copy.path(), settings).unwrap();
    (copy, journal, replay)
}

#[test]
fn a_journal_has_one_writer() {
    let dir = folder();
    let first = Journal::<Money>::at(dir.path(), SMALL).unwrap();
    let second = Journal::<Money>::at(dir.path(), SMALL).unwrap_err();
    let StoreError::Unavailable(words) = second else { panic!("{second}") };
    assert!(words.contains(dir.path().to_str().unwrap()), "{words}");
    drop(first);
    Journal::<Money>::at(dir.path(), SMALL).unwrap();
}

#[test]
fn a_journal_of_another_unit_is_refused() {
    let dir = folder();
    let (journal, _) = Journal::<Money>::at(dir.path(), SMALL).unwrap();
    write(&journal, &opened(1, 5)).unwrap();
    drop(journal);
    let other = Journal::<llm_core::money::Credits>::at(dir.path(), SMALL);
    assert!(matches!(other, Err(StoreError::Corrupt(_))), "{other:?}");
}

#[test]
fn the_law_of_steps() {
    let dir = folder();
    let (journal, replay) = Journal::<Money>::at(dir.path(), SMALL).unwrap();
    assert_eq!((replay.lines, replay.holds_open, replay.segments), (0, 0, 1));
    let unknown = StoreError::Violation(rules::Violation::UnknownHold);
    assert_eq!(write(&journal, &Written::Dispatch(HoldId(1), Money(2))), Err(unknown.clone()));
    let log: &dyn HoldLog = &journal;
    log.open(&proof(1, 5), &path(1)).unwrap();
    let bytes = journal.bytes();
    log.open(&proof(1, 5), &path(1)).unwrap();
    assert_eq!(journal.bytes(), bytes, "said once");
    let other = Err(StoreError::Violation(rules::Violation::OtherTerms));
    assert_eq!(log.open(&proof(1, 6), &path(1)), other);
    assert_eq!(log.open(&proof(1, 5), &path(2)), other);
    log.watermark(HoldId(1), Money(3)).unwrap();
    log.close(&settlement(1, 4)).unwrap();
    assert_eq!(log.close(&settlement(1, 4)), Err(unknown));
    let long = vec![AccountId::new(Owner::Key, "x".repeat(60_000)); 2];
    let long = log.open(&proof(2, 5), &long);
    assert_eq!(long, Err(StoreError::Violation(rules::Violation::Range)));
    let beyond = Position { segment: 9, offset: 9 };
    assert_eq!(journal.folded(beyond), Err(StoreError::Violation(rules::Violation::State)));
    assert_eq!(lines(&journal, Position::default()).len(), 3);
}

#[test]
fn an_append_allocates_nothing() {
    let dir = folder();
    let settings = Settings { spare_bytes: 0, ..Settings::default() };
    let (journal, _) = Journal::<Money>::at(dir.path(), settings).unwrap();
    let (path, proofs) = (path(3), (0..200).map(|hold| proof(hold, 5)).collect::<Vec<_>>());
    let calls = |proofs: &[HoldProof]| {
        for proof in proofs {
            journal.open(proof, &path).unwrap();
            journal.append(Step::Dispatch(proof.id(), Money(1))).unwrap();
            journal.watermark(proof.id(), Money(1)).unwrap();
            journal.close(&Settlement::void(proof.id())).unwrap();
        }
    };
    let (warm, rest) = proofs.split_at(100);
    calls(warm);
    let counted = allocation_counter::measure(|| calls(rest));
    assert_eq!(counted.count_total, 0);
}
