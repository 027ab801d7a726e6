//! Disks that fail: at each write and each sync in turn, in each way.

use std::io::ErrorKind;
use std::sync::Arc;

use super::script::{Fail, Script};
use super::*;
use crate::journal::disk::Medium;

const POWER: Settings = Settings { durability: Durability::Power, ..SMALL };

fn on(
    script: &Arc<Script>,
    dir: &File,
    settings: Settings,
) -> Result<(Journal, Replay), StoreError> {
    Journal::on(script.disk(), dir.to_owned(), settings)
}

/// A life of some thirty lines, with rotation and folding, as far as it goes: what was
/// acknowledged, and the line that was not, if one was not.
fn live(journal: &Journal) -> (Model, Option<(Written, StoreError)>) {
    let mut model = Model::default();
    for hold in 0..12 {
        let mut steps = vec![opened(hold, 9), Written::Dispatch(HoldId(hold), Money(3))];
        if hold % 3 > 0 {
            steps.push(Written::Watermark(HoldId(hold), Money(4)));
            steps.push(Written::Close(settlement(hold, 5)));
        }
        for line in steps {
            match write(journal, &line) {
                Ok(at) => model.lines.push((at, line)),
                Err(error) => return (model, Some((line, error))),
            }
        }
        if hold % 4 == 3 {
            let at = model.lines[model.lines.len() - 3].0;
            if journal.folded(at).is_ok() {
                model.folded = at;
            } else {
                // It may have been said, or not: what is folded is told by the next opening.
                return (model, None);
            }
        }
    }
    (model, None)
}

/// After a failure: nothing is told that is not there, and nothing more is begun.
fn survive(dir: &File, settings: Settings, script: &Arc<Script>) -> Option<StoreError> {
    // A journal that did not open has promised nothing.
    let (journal, _) = on(script, dir, settings).ok()?;
    let (mut model, failed) = live(&journal);
    let error = failed.as_ref().map(|(_, error)| error.clone());
    if let Some(error) = &error {
        let again = write(&journal, &opened(77, 1)).unwrap_err();
        assert_eq!(
            std::mem::discriminant(&again),
            std::mem::discriminant(error),
            "{again} after {error}"
        );
    }
    drop(journal);
    let (journal, replay) = reopen(dir, settings).unwrap();
    model.folded = replay.folded;
    model.check(&journal, failed.as_ref().map(|(line, _)| line));
    write(&journal, &opened(1000, 1)).unwrap();
    error
}

#[test]
fn each_write_fails_in_turn() {
    let mut seen = 0;
    for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
        for nth in 1..70 {
            for (after, truncate, settings) in [
                (0, false, SMALL),
                (5, false, SMALL),
                (5, true, SMALL),
                (30, false, POWER),
                (1000, false, SMALL),
                (1000, true, POWER),
            ] {
                let dir = folder();
                let mut fails = vec![Fail::Write { nth, kind, after }];
                fails.extend(truncate.then_some(Fail::Truncate));
                let script = Script::failing(&fails);
                let Some(error) = survive(dir.path(), settings, &script) else { continue };
                seen += 1;
                let full = matches!(error, StoreError::Full(_));
                assert_eq!(full, kind == ErrorKind::StorageFull, "{error}");
                assert!(full || matches!(error, StoreError::Unavailable(_)), "{error}");
            }
        }
    }
    assert!(seen > 300, "{seen}");
}

#[test]
fn each_sync_fails_in_turn() {
    let mut seen = 0;
    for settings in [SMALL, POWER] {
        for truncate in [false, true] {
            for nth in 1..60 {
                let dir = folder();
                let mut fails = vec![Fail::Sync { nth }];
                fails.extend(truncate.then_some(Fail::Truncate));
                let error = survive(dir.path(), settings, &Script::failing(&fails));
                seen += usize::from(error.is_some());
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn a_line_whose_sync_failed_is_gone() {
    let dir = folder();
    // One for the segment's head, two for the lines.
    let script = Script::failing(&[Fail::Sync { nth: 3 }]);
    let (journal, _) = on(&script, dir.path(), POWER).unwrap();
    let first = write(&journal, &opened(1, 9)).unwrap();
    assert!(matches!(write(&journal, &opened(2, 9)), Err(StoreError::Unavailable(_))));
    assert!(matches!(write(&journal, &opened(3, 9)), Err(StoreError::Unavailable(_))));
    let close = write(&journal, &Written::Close(settlement(1, 1)));
    assert!(matches!(close, Err(StoreError::Unavailable(_))), "nothing is told on such a file");
    drop(journal);
    let (journal, _) = reopen(dir.path(), POWER).unwrap();
    assert_eq!(lines(&journal, Position::default()), [(first, opened(1, 9))]);
}

/// Pages that failed to sync are read back as if they were there: only writing them again, and
/// syncing that, makes it so.
#[test]
fn what_an_opening_reads_it_writes_again() {
    let dir = folder();
    let (journal, _) = reopen(dir.path(), SMALL).unwrap();
    let at = write(&journal, &opened(1, 9)).unwrap();
    drop(journal);
    let script = Script::new();
    let (journal, _) = on(&script, dir.path(), SMALL).unwrap();
    assert_eq!(script.bytes(), at.offset);
    assert_eq!(script.safe(&segment::file(dir.path(), at.segment)), at.offset);
    assert_eq!(lines(&journal, Position::default()), [(at, opened(1, 9))]);
}

#[test]
fn short_writes_are_finished() {
    let dir = folder();
    let script = Script::failing(&[Fail::Short]);
    assert_eq!(survive(dir.path(), SMALL, &script), None);
}

/// The disk is full: nothing new begins, what runs may end, out of room that was set aside;
/// and when there is room again, all goes on.
#[test]
fn what_runs_may_end_on_a_full_disk() {
    let written: &[Fail] = &[Fail::Reserve];
    for (durability, fails) in
        [(Durability::Process, written), (Durability::Process, &[]), (Durability::Power, &[])]
    {
        let settings = Settings { durability, spare_bytes: 4000, segment_bytes: 2000, ..SMALL };
        let dir = folder();
        let script = Script::failing(fails);
        script.set_room(Some(5000));
        let (journal, _) = on(&script, dir.path(), settings).unwrap();
        let mut model = Model::default();
        let mut next = 0;
        loop {
            let line = opened(next, 9);
            match write(&journal, &line) {
                Ok(at) => model.lines.push((at, line)),
                Err(StoreError::Full(_)) => break,
                Err(other) => panic!("{other}"),
            }
            next += 1;
        }
        script.set_room(Some(0));
        let told = |line: Written, model: &mut Model| {
            let at = write(&journal, &line).unwrap();
            model.lines.push((at, line));
        };
        for hold in 0..next / 2 {
            told(Written::Watermark(HoldId(hold), Money(2)), &mut model);
            told(Written::Close(settlement(hold, 2)), &mut model);
        }
        assert!(matches!(write(&journal, &opened(500, 1)), Err(StoreError::Full(_))));
        model.check(&journal, None);

        // A process that starts on the full disk finds its room where it was.
        let copied = copy(dir.path());
        let (again, _) = on(&script, copied.path(), settings).unwrap();
        model.check(&again, None);
        assert!(matches!(write(&again, &opened(500, 1)), Err(StoreError::Full(_))));
        write(&again, &Written::Close(settlement(next - 1, 2))).unwrap();
        drop(again);

        journal.make_room().unwrap();
        assert!(matches!(write(&journal, &opened(500, 1)), Err(StoreError::Full(_))));
        script.set_room(None);
        journal.make_room().unwrap();
        let line = opened(500, 1);
        model.lines.push((write(&journal, &line).unwrap(), line));
        model.check(&journal, None);
        // And through the next segment.
        for hold in 600..640 {
            let line = opened(hold, 1);
            model.lines.push((write(&journal, &line).unwrap(), line));
        }
        drop(journal);
        let (journal, replay) = reopen(dir.path(), settings).unwrap();
        assert_eq!(replay.torn_bytes, 0);
        model.check(&journal, None);
    }
}

/// At the cap nothing begins, and everything ends.
#[test]
fn the_cap_leaves_room_for_every_end() {
    let settings = Settings { bytes_max: 20_000, segment_bytes: 2000, ..SMALL };
    let dir = folder();
    let (journal, _) = reopen(dir.path(), settings).unwrap();
    let mut last = Position::default();
    let mut count = 0;
    let refused = loop {
        match write(&journal, &opened(count, 9)) {
            Ok(at) => last = at,
            Err(error) => break error,
        }
        count += 1;
    };
    assert!(matches!(refused, StoreError::Full(_)), "{refused}");
    assert!(journal.bytes() <= 20_000);
    while let Ok(at) = write(&journal, &Written::Watermark(HoldId(0), Money(1))) {
        last = at;
    }
    let heads = 500;
    for hold in 0..count {
        last = last.max(write(&journal, &Written::Close(settlement(hold, 1))).unwrap());
        assert!(journal.bytes() <= 25_000 + heads);
    }
    assert!(matches!(write(&journal, &opened(9999, 1)), Err(StoreError::Full(_))));
    journal.folded(last).unwrap();
    write(&journal, &opened(9999, 1)).unwrap();
    assert!(journal.bytes() < 4000, "{}", journal.bytes());
}

/// Of the room that was set aside, those who begin have half, and those who end all.
#[test]
fn half_of_the_spare_is_for_those_who_begin() {
    let settings = Settings { segment_bytes: 8000, spare_bytes: 8000, ..SMALL };
    let dir = folder();
    let script = Script::new();
    let (journal, _) = on(&script, dir.path(), settings).unwrap();
    script.set_room(Some(0));
    let mut model = Model::default();
    let mut told = |line: Written| {
        let at = write(&journal, &line)?;
        model.lines.push((at, line));
        Ok::<_, StoreError>(())
    };
    let mut hold = 0;
    let refused = loop {
        // Every other one goes on.
        if let Err(error) = told(opened(hold, 9)) {
            break error;
        }
        if hold % 2 == 0 {
            told(Written::Close(settlement(hold, 2))).unwrap();
        }
        hold += 1;
    };
    assert!(matches!(refused, StoreError::Full(_)), "{refused}");
    assert!(hold > 10 && journal.bytes() < 4000 + 500, "{hold} in {}", journal.bytes());
    assert_eq!(journal.condition(), Condition::Short);
    for hold in (1..hold).step_by(2) {
        told(Written::Watermark(HoldId(hold), Money(1))).unwrap();
        told(Written::Close(settlement(hold, 2))).unwrap();
    }
    script.set_room(None);
    journal.make_room().unwrap();
    assert_eq!(journal.condition(), Condition::Well);
    told(opened(1000, 1)).unwrap();
    model.check(&journal, None);
    drop(journal);
    model.check(&reopen(dir.path(), settings).unwrap().0, None);
}

/// A write that failed and was taken back is behind everybody once the disk writes again; a sync
/// that failed never is.
#[test]
fn what_is_taken_back_may_be_tried_again() {
    let dir = folder();
    // The segment's head is the first.
    let script = Script::failing(&[Fail::Write { nth: 3, kind: ErrorKind::Other, after: 5 }]);
    let (journal, _) = on(&script, dir.path(), SMALL).unwrap();
    let mut model = Model::default();
    let told = |line: Written, model: &mut Model| {
        model.lines.push((write(&journal, &line).unwrap(), line));
    };
    told(opened(1, 9), &mut model);
    assert!(matches!(write(&journal, &opened(2, 9)), Err(StoreError::Unavailable(_))));
    assert!(matches!(write(&journal, &opened(3, 9)), Err(StoreError::Unavailable(_))));
    assert_eq!(journal.condition(), Condition::Short);
    told(Written::Dispatch(HoldId(1), Money(3)), &mut model);
    journal.make_room().unwrap();
    assert_eq!(journal.condition(), Condition::Well);
    told(opened(3, 9), &mut model);
    model.check(&journal, None);
    drop(journal);
    model.check(&reopen(dir.path(), SMALL).unwrap().0, None);

    let dir = folder();
    let (journal, _) = on(&Script::failing(&[Fail::Sync { nth: 2 }]), dir.path(), POWER).unwrap();
    assert!(write(&journal, &opened(1, 9)).is_err());
    journal.make_room().unwrap();
    assert_eq!(journal.condition(), Condition::Broken);
}

/// Room that is set aside is the disk's to keep, and read as zeros.
#[test]
#[cfg(target_os = "linux")]
fn a_spare_is_room_and_not_a_hole() {
    use std::os::unix::fs::MetadataExt;

    let dir = folder();
    let settings = Settings { spare_bytes: 1 << 20, ..SMALL };
    drop(Journal::<Money>::at(dir.path(), settings).unwrap());
    let path = dir.path().join("spare");
    let file = fs::File::create(dir.path().join("other")).unwrap();
    assert!(Medium::reserve(&file, 4096).unwrap(), "not on this file system");
    assert_eq!(file.metadata().unwrap().len(), 4096);
    let there = fs::metadata(&path).unwrap();
    assert_eq!(there.len(), 1 << 20);
    assert!(there.blocks() * 512 >= 1 << 20, "{} blocks", there.blocks());
    assert!(fs::read(&path).unwrap().iter().all(|byte| *byte == 0));
}
