//! Many callers and one file: who writes, who syncs, who waits.

use std::fs::File;

use llm_core::ledger::HoldId;
use llm_core::store::StoreError;
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::frame::{Line, Path};
use super::segment::{self, corrupt};
use super::tail::{Place, Tail};
use super::{Durability, Position, Replay, recover};

/// The journal without its unit.
#[derive(Debug)]
pub(super) struct Appender {
    pub(super) place: Place,
    /// Held for one write; for longer only where a segment ends, once in so many thousand lines.
    pub(super) tail: Mutex<Tail>,
    /// A sync has ended.
    turn: Condvar,
    /// Who deletes and who reads whole segments take turns. Never taken under `tail`.
    pub(super) retiring: Mutex<()>,
    /// Goes last: until then the files are ours.
    _lock: File,
}

impl Appender {
    /// `None` where somebody else writes there.
    pub(super) fn open(place: Place) -> Result<Option<(Self, Replay)>, StoreError> {
        let Some(lock) = recover::lock(&place.dir)? else { return Ok(None) };
        let (tail, replay) = recover::recover(&place)?;
        let (tail, turn) = (Mutex::new(tail), Condvar::new());
        Ok(Some((Self { place, tail, turn, retiring: Mutex::new(()), _lock: lock }, replay)))
    }

    /// Appends a line and says where it ends, once it is as durable as was promised.
    pub(super) fn append(&self, line: &Line<'_>) -> Result<Position, StoreError> {
        let (tail, at) = self.put(line)?;
        match self.place.settings.durability {
            Durability::Process => Ok(at),
            Durability::Power => self.wait_synced(tail, at).map(|()| at),
        }
    }

    /// Appends lines, and waits once for all of them.
    pub(super) fn append_all<'a>(
        &self,
        lines: impl Iterator<Item = Line<'a>>,
    ) -> Result<Vec<Position>, StoreError> {
        let written: Result<Vec<_>, _> =
            lines.map(|line| self.put(&line).map(|(_, at)| at)).collect();
        let written = written?;
        match (self.place.settings.durability, written.last()) {
            (Durability::Power, Some(last)) => self.wait_synced(self.tail.lock(), *last)?,
            (Durability::Process, _) | (Durability::Power, None) => {}
        }
        Ok(written)
    }

    fn put(&self, line: &Line<'_>) -> Result<(MutexGuard<'_, Tail>, Position), StoreError> {
        let mut tail = self.tail.lock();
        loop {
            match tail.put(&self.place, line)? {
                Some(at) => return Ok((tail, at)),
                None => self.turn.wait(&mut tail),
            }
        }
    }

    /// Returns when everything up to a place is on the medium. Whoever finds nobody syncing does
    /// it for all who have written by then.
    pub(super) fn wait_synced(
        &self,
        mut tail: MutexGuard<'_, Tail>,
        at: Position,
    ) -> Result<(), StoreError> {
        loop {
            if tail.synced >= at {
                return Ok(());
            }
            if let Some(fault) = &tail.fault {
                return Err(fault.clone());
            }
            if tail.syncing {
                self.turn.wait(&mut tail);
                continue;
            }
            tail.syncing = true;
            let (file, up_to) = (tail.file.clone(), tail.position());
            let result = MutexGuard::unlocked(&mut tail, || file.sync());
            tail.syncing = false;
            debug_assert_eq!(tail.segment, up_to.segment, "a segment ended under its sync");
            let synced = tail.synced(&self.place, up_to, result);
            self.turn.notify_all();
            synced?;
        }
    }

    /// Says a hold again in the newest segment, unless it has ended or was said again already.
    pub(super) fn carry_one(
        &self,
        home: u64,
        hold: HoldId,
        path: Path<'_>,
    ) -> Result<(), StoreError> {
        let mut tail = self.tail.lock();
        loop {
            // Looked at anew after each wait, and under the lock: what comes later for this hold
            // comes after this line.
            let held = tail.tally.holds.get(&hold).filter(|held| held.home == home);
            let Some(held) = held.copied() else { return Ok(()) };
            let (amount, sent, watermark) = (held.amount, held.sent, held.watermark);
            let line = Line::Carry { hold, amount, sent, watermark, path };
            match tail.put(&self.place, &line)? {
                Some(_) => return Ok(()),
                None => self.turn.wait(&mut tail),
            }
        }
    }

    /// Reads the lines after a place, up to those that are written by now.
    pub(super) fn replay(
        &self,
        after: Position,
        mut visit: impl FnMut(Position, &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let _alone = self.retiring.lock();
        let (mut segments, newest) = {
            let tail = self.tail.lock();
            let closed = tail.closed.iter().map(|closed| (closed.number, closed.bytes));
            (closed.collect::<Vec<_>>(), tail.position())
        };
        segments.push((newest.segment, newest.offset));
        let Place { dir, unit, .. } = &self.place;
        for (segment, end) in segments.into_iter().filter(|(number, _)| *number >= after.segment) {
            let bytes = segment::read(dir, segment)?;
            // Somebody may be writing behind it.
            let whole = usize::try_from(end).ok().and_then(|end| bytes.get(..end));
            let whole = whole.unwrap_or(&bytes);
            let walked = segment::walk(whole, unit, segment, |offset, body| {
                let at = Position { segment, offset: offset as u64 };
                if at > after { visit(at, body) } else { Ok(()) }
            })?;
            if walked as u64 != end {
                let path = segment::file(dir, segment);
                return Err(corrupt(&path, walked as u64, "a line is damaged"));
            }
        }
        Ok(())
    }
}
