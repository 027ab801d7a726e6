//! Opening: what a folder of segments amounts to, and what a crash has left of its end.

use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use llm_core::store::StoreError;

use super::disk::{Medium, is_full, write_all};
use super::frame::{self, Line};
use super::holds::Tally;
use super::segment::{self, HEADER, corrupt, unavailable};
use super::tail::{self, Closed, Place, Tail};
use super::{Position, Replay};

/// Keeps other processes out for as long as it lives; `None` where another one does.
pub(super) fn lock(dir: &Path) -> Result<Option<File>, StoreError> {
    fs::create_dir_all(dir).map_err(|e| unavailable(dir, &e))?;
    let path = dir.join("lock");
    let options = File::options().write(true).create(true).truncate(false).open(&path);
    let file = options.map_err(|e| unavailable(&path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::Error(error)) => Err(unavailable(&path, &error)),
        Err(TryLockError::WouldBlock) => Ok(None),
    }
}

/// Reads everything, mends the end, and goes on from there.
pub(super) fn recover(place: &Place) -> Result<(Tail, Replay), StoreError> {
    let numbers = segment::list(&place.dir)?;
    let mut found = Found::default();
    let mut last = None;
    for (at, &number) in numbers.iter().enumerate() {
        let bytes = segment::read(&place.dir, number)?;
        let is_last = at + 1 == numbers.len();
        let begun = segment::before(&bytes, place.unit, number).is_some();
        if is_last && bytes.len() <= HEADER && !begun {
            // Begun, and never written to: the one before it is the last.
            let path = segment::file(&place.dir, number);
            place.disk.remove(&path).map_err(|e| unavailable(&path, &e))?;
            found.replay.torn_bytes += bytes.len() as u64;
            continue;
        }
        if let Some((number, bytes)) = last.replace((number, bytes)) {
            // Whether it may be torn is known when it is known to be the last.
            found.add(place, number, &bytes, false)?;
        }
    }
    let mut tail = match last {
        Some((number, bytes)) => found.resume(place, number, &bytes)?,
        None => found.start(place, numbers.last().copied().unwrap_or(1))?,
    };
    match tail::make_spare(place, tail::set_aside) {
        Ok(()) => tail.spare = place.settings.spare_bytes > HEADER as u64,
        Err(error) if is_full(&error) => {
            tail.refusing = Some(unavailable(&place.dir, &error));
        }
        Err(error) => return Err(unavailable(&place.dir, &error)),
    }
    debug_assert!(tail.tally.folded <= tail.position());
    let mut replay = found.replay;
    (replay.folded, replay.holds_open) = (tail.tally.folded, tail.tally.holds.len());
    Ok((tail, replay))
}

#[derive(Default)]
struct Found {
    tally: Tally,
    closed: VecDeque<Closed>,
    total: u64,
    replay: Replay,
}

impl Found {
    /// Adds a segment, and says where its whole lines end.
    fn add(
        &mut self,
        place: &Place,
        number: u64,
        bytes: &[u8],
        last: bool,
    ) -> Result<usize, StoreError> {
        let (tally, replay) = (&mut self.tally, &mut self.replay);
        let path = segment::file(&place.dir, number);
        if let Some(previous) = self.closed.back()
            && segment::before(bytes, place.unit, number).is_some_and(|end| end != previous.bytes)
        {
            let short = segment::file(&place.dir, previous.number);
            return Err(corrupt(&short, previous.bytes, "lines are missing"));
        }
        let end = segment::walk(bytes, place.unit, number, |end, body| {
            let offset = end as u64;
            let line = frame::decode(body);
            let line = line.ok_or_else(|| corrupt(&path, offset, "a line of no known kind"))?;
            let (len, at) = (frame::HEAD + body.len(), Position { segment: number, offset });
            tally.note(&line, frame::terms(&line), len as u64, at);
            replay.lines += u64::from(!matches!(line, Line::Folded { .. } | Line::Carry { .. }));
            Ok(())
        })?;
        replay.segments += 1;
        if end == 0 {
            return Err(corrupt(&path, 0, "not a segment of this journal"));
        }
        if end < bytes.len() && !(last && segment::is_torn(bytes, number, end)) {
            return Err(corrupt(&path, end as u64, "a line is damaged"));
        }
        self.total += end as u64;
        if !last {
            let last = tally.last;
            self.closed.push_back(Closed { number, bytes: end as u64, last });
        }
        Ok(end)
    }

    /// Goes on with the last segment. What was read of it is written again, in its place: pages
    /// that once failed to sync are read back from memory as if nothing had happened, and only
    /// writing makes them go to the medium. The bytes are the same, so that a crash in between
    /// changes nothing, and the room is there, so that a full disk does not refuse.
    fn resume(&mut self, place: &Place, number: u64, bytes: &[u8]) -> Result<Tail, StoreError> {
        let end = self.add(place, number, bytes, true)?;
        let (whole, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
        let padded = !rest.is_empty() && segment::is_blank(rest);
        let path = segment::file(&place.dir, number);
        let file = place.disk.resume(&path, 0).and_then(|file| {
            write_all(&*file, whole)?;
            if !rest.is_empty() && !padded {
                file.truncate(end as u64)?;
            }
            file.sync()?;
            place.disk.sync_folder(&place.dir)?;
            Ok(file)
        });
        self.replay.torn_bytes += if padded { 0 } else { rest.len() as u64 };
        let file = file.map_err(|e| unavailable(&path, &e))?;
        Ok(self.tail(file, number, end as u64, padded))
    }

    fn start(&mut self, place: &Place, number: u64) -> Result<Tail, StoreError> {
        let file = tail::begin(place, number);
        let file = file.map_err(|e| unavailable(&segment::file(&place.dir, number), &e))?;
        self.total += HEADER as u64;
        self.replay.segments = 1;
        Ok(self.tail(file, number, HEADER as u64, false))
    }

    fn tail(&mut self, file: Arc<dyn Medium>, segment: u64, end: u64, padded: bool) -> Tail {
        Tail {
            file,
            segment,
            end,
            padded,
            closed: std::mem::take(&mut self.closed),
            total: self.total,
            tally: std::mem::take(&mut self.tally),
            synced: Position { segment, offset: end },
            syncing: false,
            refusing: None,
            spare: false,
            fault: None,
            buffer: Vec::with_capacity(512),
        }
    }
}
