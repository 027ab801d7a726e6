//! What is folded goes, what is open stays, and the process may die at every step of it.

use super::script::{Fail, Script};
use super::*;

/// Lines over several segments, most holds ended, some open in every state.
fn fill(journal: &Journal) -> Model {
    let mut model = Model::default();
    for hold in 0..30 {
        let mut steps = vec![opened(hold, 9)];
        match hold % 10 {
            3 => {}
            6 => steps.push(Written::Dispatch(HoldId(hold), Money(3))),
            9 => {
                steps.push(Written::Watermark(HoldId(hold), Money(7)));
                steps.push(Written::Watermark(HoldId(hold), Money(5)));
            }
            _ => steps.push(Written::Close(settlement(hold, 5))),
        }
        for line in steps {
            let Ok(at) = write(journal, &line) else { return model };
            model.lines.push((at, line));
        }
    }
    model
}

#[test]
fn open_holds_are_carried_and_the_rest_goes() {
    let dir = folder();
    let (journal, _) = reopen(dir.path(), SMALL).unwrap();
    let mut model = fill(&journal);
    let before = segment::list(dir.path()).unwrap();
    assert!(before.len() > 5, "{before:?}");
    let last = model.lines.last().unwrap().0;
    journal.folded(last).unwrap();
    model.folded = last;
    model.check(&journal, None);
    let after = segment::list(dir.path()).unwrap();
    assert!(after.first() >= before.last(), "{before:?} {after:?}");
    // Carried a second time when their new home goes as well, and ended at last.
    for hold in 100..130 {
        for line in [opened(hold, 9), Written::Close(settlement(hold, 5))] {
            model.lines.push((write(&journal, &line).unwrap(), line));
        }
    }
    model.folded = model.lines.last().unwrap().0;
    journal.folded(model.folded).unwrap();
    model.check(&journal, None);
    let open: Vec<_> = model.open().into_keys().collect();
    assert_eq!(open.len(), 9);
    for hold in open {
        let line = Written::Close(settlement(hold.0, 1));
        model.lines.push((write(&journal, &line).unwrap(), line));
    }
    drop(journal);
    let (journal, replay) = reopen(dir.path(), SMALL).unwrap();
    assert_eq!((replay.holds_open, replay.folded), (0, model.folded));
    model.check(&journal, None);
}

/// Each of the steps on the disk is the last one.
#[test]
fn a_crash_at_each_step_loses_nothing() {
    die_at_each_step(SMALL);
}

/// And the power goes with it.
#[test]
fn a_power_cut_at_each_step_loses_nothing() {
    die_at_each_step(Settings { durability: Durability::Power, ..SMALL });
}

/// Deletions are on the medium at once: the worst order there is.
fn lose_what_is_not_synced(dir: &File, script: &Script) {
    for number in segment::list(dir).unwrap() {
        let path = segment::file(dir, number);
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_len(script.safe(&path)).unwrap();
    }
}

fn die_at_each_step(settings: Settings) {
    let count = {
        let (dir, script) = (folder(), Script::new());
        let (journal, _) =
            Journal::<Money>::on(script.disk(), dir.path().to_owned(), settings).unwrap();
        let model = fill(&journal);
        journal.folded(model.lines.last().unwrap().0).unwrap();
        script.steps()
    };
    assert!(count > 100, "{count}");
    let mut folds = 0;
    for nth in 1..=count {
        let (dir, script) = (folder(), Script::failing(&[Fail::All { nth }]));
        let opened = Journal::<Money>::on(script.disk(), dir.path().to_owned(), settings);
        let Ok((journal, _)) = opened else { continue };
        let mut model = fill(&journal);
        let Some((last, _)) = model.lines.last() else { continue };
        folds += usize::from(journal.folded(*last).is_err());
        drop(journal);
        if settings.durability == Durability::Power {
            lose_what_is_not_synced(dir.path(), &script);
        }
        let (journal, replay) = reopen(dir.path(), settings).unwrap();
        assert!(replay.folded == Position::default() || replay.folded == *last);
        model.folded = replay.folded;
        model.check(&journal, None);
        // It can be done again, to the same end.
        journal.folded(*last).unwrap();
        model.folded = *last;
        model.check(&journal, None);
    }
    assert!(folds > 20, "{folds}");
}

/// A hold that stays open for a thousand others costs what it is, not what passes by.
#[test]
fn what_stays_open_is_not_carried_for_ever() {
    let dir = folder();
    let (journal, _) = reopen(dir.path(), SMALL).unwrap();
    for hold in 0..50 {
        write(&journal, &opened(hold, 9)).unwrap();
    }
    let mut most = 0;
    for hold in 1000..3000 {
        write(&journal, &opened(hold, 9)).unwrap();
        let at = write(&journal, &Written::Close(settlement(hold, 5))).unwrap();
        journal.folded(at).unwrap();
        most = most.max(journal.bytes());
    }
    assert!(most < 25_000, "{most}");
    assert_eq!(journal.holds_open(), 50);
    // Folding what is folded already has nothing to do.
    let (newest, last) = {
        let tail = journal.appender.tail.lock();
        (tail.position(), tail.tally.last)
    };
    journal.folded(last).unwrap();
    assert_eq!(journal.appender.tail.lock().position(), newest);
}

/// The process dies while it recovers, at each step of that, and the next one finds all.
#[test]
fn a_crash_while_recovering_loses_nothing() {
    let dir = folder();
    let settings = Settings { spare_bytes: 1000, ..SMALL };
    let (journal, _) = reopen(dir.path(), settings).unwrap();
    let model = fill(&journal);
    let newest = journal.appender.tail.lock().position();
    drop(journal);
    let torn = Position { offset: newest.offset - 3, ..newest };
    let (copied, journal, _) = cut(dir.path(), torn, settings);
    drop((copied, journal));
    let file = segment::file(dir.path(), torn.segment);
    fs::File::options().write(true).open(file).unwrap().set_len(torn.offset).unwrap();
    fs::remove_file(dir.path().join("spare")).unwrap();
    let model = model.until(torn);
    for others in [&[][..], &[Fail::Reserve]] {
        let mut died = 0;
        for nth in 1..40 {
            let copied = copy(dir.path());
            let script = Script::failing(&[&[Fail::All { nth }], others].concat());
            let opened = Journal::<Money>::on(script.disk(), copied.path().to_owned(), settings);
            died += usize::from(opened.is_err());
            drop(opened);
            let (journal, _) = reopen(copied.path(), settings).unwrap();
            model.check(&journal, None);
        }
        assert!(died > 4, "{died}");
    }
}

/// An end says nothing of amount and path: whoever folds it after a crash needs the opening.
#[test]
fn an_opening_stays_until_its_end_is_folded() {
    let dir = folder();
    let (journal, _) = reopen(dir.path(), SMALL).unwrap();
    write(&journal, &opened(1000, 9)).unwrap();
    let model = fill(&journal);
    // Everything is folded but the last end, which came when the worker had read the others.
    let folded = model.lines.last().unwrap().0;
    write(&journal, &Written::Close(settlement(1000, 5))).unwrap();
    journal.folded(folded).unwrap();
    let is_opening = |line: &Written| matches!(line, Written::Open { hold, .. } if hold.0 == 1000);
    let tells = |journal: &Journal| {
        lines(journal, Position::default()).iter().any(|(_, line)| is_opening(line))
    };
    assert!(tells(&journal));
    drop(journal);
    let (journal, _) = reopen(dir.path(), SMALL).unwrap();
    let more = write(&journal, &opened(1001, 9)).unwrap();
    journal.folded(folded).unwrap();
    assert!(tells(&journal), "known again after a start");
    journal.folded(more).unwrap();
    assert!(!tells(&journal));
}
