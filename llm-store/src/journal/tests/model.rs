//! Random steps, crashes at every byte, and a model that is a list.

use proptest::prelude::*;

use super::*;
use crate::journal::segment::HEADER;

#[derive(Clone, Debug)]
enum Op {
    Open(u128, i64),
    Dispatch(usize, i64),
    Watermark(usize, i64),
    Close(usize, i64),
    /// Folds the first so many percent of what is not folded.
    Fold(usize),
    Reopen,
}

fn ops(max: usize) -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        4 => (any::<u16>(), 0..1000i64).prop_map(|(id, amount)| Op::Open(id.into(), amount)),
        2 => (any::<usize>(), 0..1000i64).prop_map(|(which, cost)| Op::Dispatch(which, cost)),
        2 => (any::<usize>(), 0..1000i64).prop_map(|(which, cost)| Op::Watermark(which, cost)),
        3 => (any::<usize>(), 0..1000i64).prop_map(|(which, cost)| Op::Close(which, cost)),
        2 => (0..=100usize).prop_map(Op::Fold),
        1 => Just(Op::Reopen),
    ];
    proptest::collection::vec(op, 1..max)
}

/// The line that an operation writes, if it does.
fn line(op: &Op, model: &Model) -> Option<Written> {
    let open = model.open();
    let pick = |which: usize| open.keys().nth(which.checked_rem(open.len())?).copied();
    match *op {
        Op::Open(hold, amount) => (!open.contains_key(&HoldId(hold))).then(|| opened(hold, amount)),
        Op::Dispatch(which, cost) => pick(which).map(|hold| Written::Dispatch(hold, Money(cost))),
        Op::Watermark(which, cost) => pick(which).map(|hold| Written::Watermark(hold, Money(cost))),
        Op::Close(which, cost) => pick(which).map(|hold| Written::Close(settlement(hold.0, cost))),
        Op::Fold(_) | Op::Reopen => None,
    }
}

fn run(dir: &File, ops: &[Op], settings: Settings) -> (Journal, Model) {
    let mut model = Model::default();
    let (mut journal, _) = reopen(dir, settings).unwrap();
    for op in ops {
        if let Some(line) = line(op, &model) {
            let at = write(&journal, &line).unwrap();
            model.lines.push((at, line));
        }
        match op {
            Op::Fold(percent) => {
                let unfolded = model.unfolded();
                let count = unfolded.len() * percent / 100;
                if let Some((at, _)) = unfolded.get(count.saturating_sub(1)) {
                    journal.folded(*at).unwrap();
                    model.folded = *at;
                }
            }
            Op::Reopen => {
                drop(journal);
                let (again, replay) = reopen(dir, settings).unwrap();
                assert_eq!((replay.torn_bytes, replay.folded), (0, model.folded));
                assert_eq!(replay.holds_open, model.open().len());
                journal = again;
            }
            Op::Open(..) | Op::Dispatch(..) | Op::Watermark(..) | Op::Close(..) => {}
        }
        model.check(&journal, None);
    }
    (journal, model)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn replay_gives_what_was_acknowledged(ops in ops(80), power: bool, spare in 0..3u64) {
        let durability = if power { Durability::Power } else { Durability::Process };
        let settings = Settings { durability, spare_bytes: spare * 1000, ..SMALL };
        let dir = folder();
        let (journal, model) = run(dir.path(), &ops, settings);
        drop(journal);
        let (journal, _) = reopen(dir.path(), settings).unwrap();
        model.check(&journal, None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// The process dies at every byte of the newest segment.
    #[test]
    fn a_crash_at_any_byte_loses_nothing_before_it(ops in ops(40)) {
        let dir = folder();
        let (journal, model) = run(dir.path(), &ops, SMALL);
        let (newest, synced) = {
            let tail = journal.appender.tail.lock();
            (tail.position(), tail.synced)
        };
        let first = *segment::list(dir.path()).unwrap().first().unwrap();
        drop(journal);
        for offset in HEADER as u64..=newest.offset {
            let at = Position { segment: newest.segment, offset };
            let (_dir, journal, replay) = cut(dir.path(), at, SMALL);
            let all = lines(&journal, Position::default());
            // A mark of what is folded may be among what is cut, and then more is folded again.
            // Segments are deleted when what replaces them is safe: from there on nothing is
            // missing, and what is cut before is more than a crash can take.
            let folded = replay.folded;
            prop_assert!(folded <= model.folded);
            let lost = |at: &Position| at.segment < first || *at <= folded;
            let callers = all.iter().filter(|(at, l)| is_callers(l) && !lost(at)).cloned();
            let mut expected = model.until(at).lines;
            expected.retain(|(at, _)| !lost(at));
            prop_assert_eq!(callers.collect::<Vec<_>>(), expected);
            if at >= synced {
                Model { folded, ..model.until(at) }.check(&journal, None);
            }
            prop_assert!(replay.torn_bytes <= 300);
            // It goes on, and what is written now is there as well.
            let last = write(&journal, &opened(1 << 100, 1)).unwrap();
            drop(journal);
            let (journal, replay) = reopen(_dir.path(), SMALL).unwrap();
            prop_assert_eq!(replay.torn_bytes, 0);
            prop_assert_eq!(lines(&journal, folded).pop(), Some((last, opened(1 << 100, 1))));
        }
    }
}

/// The power goes: of each file at least what was synced is left, and of the rest any part, with
/// sectors that were never written.
#[test]
fn a_power_cut_loses_nothing_that_was_synced() {
    let settings = Settings { durability: Durability::Power, segment_bytes: 20_000, ..SMALL };
    for seed in 0..40u64 {
        let mut random = fastrand_like(seed);
        let (dir, script) = (folder(), script::Script::new());
        let (journal, _) =
            Journal::<Money>::on(script.disk(), dir.path().to_owned(), settings).unwrap();
        let mut model = Model::default();
        for hold in 0..60 + u128::from(seed) {
            let line = opened(hold, 3);
            model.lines.push((write(&journal, &line).unwrap(), line));
        }
        // What is not acknowledged: written, and its sync never came.
        let synced = journal.appender.tail.lock().position();
        for hold in 1000..1120 {
            let line = opened(hold, 4);
            let mut tail = journal.appender.tail.lock();
            let path = Path::Accounts(&[]);
            let line = match line {
                Written::Open { hold, .. } => Line::Open { hold, amount: 4, path },
                _ => unreachable!(),
            };
            if tail.end + 200 < 20_000 {
                tail.put(&journal.appender.place, &line).unwrap().unwrap();
            }
        }
        let newest = journal.appender.tail.lock().position();
        drop(journal);
        let file = segment::file(dir.path(), newest.segment);
        assert_eq!(script.safe(&file), synced.offset);
        let mut bytes = fs::read(&file).unwrap();
        let lost = usize::try_from(synced.offset + random(newest.offset - synced.offset + 1));
        bytes.truncate(lost.unwrap());
        let safe = usize::try_from(synced.offset).unwrap();
        for sector in (0..bytes.len()).step_by(512).filter(|at| *at >= safe) {
            if random(2) == 0 {
                let end = (sector + 512).min(bytes.len());
                bytes[sector..end].fill(0);
            }
        }
        fs::write(&file, &bytes).unwrap();
        let (journal, _) = reopen(dir.path(), settings).unwrap();
        let found = lines(&journal, Position::default());
        assert!(found.starts_with(&model.lines), "seed {seed}");
        let more = &found[model.lines.len()..];
        assert!(more.iter().zip(1000..).all(
            |((_, line), id)| matches!(line, Written::Open { hold, .. } if *hold == HoldId(id))
        ));
    }
}

/// Numbers below a bound.
pub(super) fn fastrand_like(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // The high bits: the low ones of neighbouring seeds resemble each other.
        (state >> 33) % below
    }
}
