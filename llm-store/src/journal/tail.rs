//! The end that lines are appended to: rotation, room, and what becomes of a disk that fails.
//!
//! A write that fails is taken back, and refuses new holds until the disk is seen to take lines
//! again. Where it failed for want of room there is the *spare*, a segment of zeros that was set
//! aside: its first half is for calls that begin, all of it for the ends of those that run. A write
//! that cannot be taken back and a sync that fails are for good: nothing is appended to a file of
//! which nobody knows what is there.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use llm_core::Str;
use llm_core::ledger::rules::Violation;
use llm_core::store::StoreError;

use super::disk::{Disk, Medium, is_full, write_all};
use super::frame::{self, CLOSE_BYTES, Line};
use super::holds::Tally;
use super::segment::{self, HEADER, unavailable};
use super::{Durability, Position, Settings};

/// Where the journal is, and what it was told.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) dir: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) settings: Settings,
    /// The word for what its amounts count.
    pub(super) unit: &'static str,
}

/// The appending end.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) file: Arc<dyn Medium>,
    pub(super) segment: u64,
    /// Where the next line begins.
    pub(super) end: u64,
    /// Whether the file has zeros after its end.
    pub(super) padded: bool,
    /// Segments before this one, oldest first.
    pub(super) closed: VecDeque<Closed>,
    /// The bytes of all segments.
    pub(super) total: u64,
    pub(super) tally: Tally,
    /// Up to here everything is on the medium.
    pub(super) synced: Position,
    /// Somebody is seeing to it that more is.
    pub(super) syncing: bool,
    /// Why the disk took no line lately: until it is seen to take them again, holds begin in the
    /// first half of the spare or not at all.
    pub(super) refusing: Option<StoreError>,
    /// Whether the spare is there.
    pub(super) spare: bool,
    /// What ended all writing.
    pub(super) fault: Option<StoreError>,
    /// The line under way. Under the lock and not of each thread: encoding is a tenth of the write
    /// that follows it, and a line may be written while a thread ends.
    pub(super) buffer: Vec<u8>,
}

/// A segment that is no longer written to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed {
    pub(super) number: u64,
    pub(super) bytes: u64,
    /// The last line in it, or before it, that somebody has to fold.
    pub(super) last: Position,
}

impl Tail {
    /// Where the next line begins.
    pub(super) fn position(&self) -> Position {
        Position { segment: self.segment, offset: self.end }
    }

    /// Appends a line and says where it ends. `None`: not now, somebody syncs this segment; come
    /// back when they are done.
    pub(super) fn put(
        &mut self,
        place: &Place,
        line: &Line<'_>,
    ) -> Result<Option<Position>, StoreError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let terms = frame::encode(line, &mut self.buffer).ok_or(Violation::Range)?;
        if !self.tally.admits(line, terms)? {
            return Ok(Some(self.position()));
        }
        self.may_grow(place, line)?;
        let begins = matches!(line, Line::Open { .. });
        let len = self.buffer.len() as u64;
        let fresh = self.end <= HEADER as u64;
        if !fresh && self.end + len > place.settings.segment_bytes {
            if self.syncing {
                return Ok(None);
            }
            match self.rotate(place) {
                Err(StoreError::Full(_))
                    if self.fault.is_none() && self.may_adopt(place, begins) =>
                {
                    self.adopt(place)?;
                }
                other => other?,
            }
        }
        match self.write(place) {
            Err(StoreError::Full(_))
                if self.fault.is_none() && self.spare && self.may_adopt(place, begins) =>
            {
                if self.syncing {
                    return Ok(None);
                }
                self.adopt(place)?;
                self.write(place)?;
            }
            other => other?,
        }
        let at = self.position();
        self.tally.note(line, terms, len, at);
        debug_assert!(at > self.synced && self.total >= self.end);
        Ok(Some(at))
    }

    /// Whether the cap allows a line. Each hold that is made brings the room for its own end, so
    /// that no end is ever refused for the cap; what runs gets a quarter more than what begins.
    fn may_grow(&self, place: &Place, line: &Line<'_>) -> Result<(), StoreError> {
        let cap = place.settings.bytes_max;
        let (more, cap) = match line {
            Line::Open { .. } => {
                let lent = self.padded && self.begins_in_spare(place, self.end);
                if let Some(why) = self.refusing.as_ref().filter(|_| !lent) {
                    return Err(why.clone());
                }
                (1, cap)
            }
            Line::Dispatch { .. } | Line::Watermark { .. } => (0, cap + cap / 4),
            // These end something, or make room.
            Line::Close { .. } | Line::Carry { .. } | Line::Folded { .. } => return Ok(()),
        };
        let ends = (self.tally.holds.len() as u64 + more) * CLOSE_BYTES;
        if self.total + self.buffer.len() as u64 + ends > cap {
            return Err(StoreError::Full(Str::from_static("the journal of holds is at its cap")));
        }
        Ok(())
    }

    /// Whether a line for which there is no room may have the spare.
    fn may_adopt(&self, place: &Place, begins: bool) -> bool {
        !begins || self.spare && self.begins_in_spare(place, HEADER as u64)
    }

    /// Whether a hold may begin at a place of the spare: the first half is for those that do.
    fn begins_in_spare(&self, place: &Place, at: u64) -> bool {
        let Settings { spare_bytes, segment_bytes, .. } = place.settings;
        let ends = (self.tally.holds.len() as u64 + 1) * CLOSE_BYTES;
        at + self.buffer.len() as u64 + ends <= spare_bytes.min(segment_bytes) / 2
    }

    /// Writes the buffer at the end, or leaves the file as it was.
    fn write(&mut self, place: &Place) -> Result<(), StoreError> {
        frame::seal(&mut self.buffer, self.segment, self.end);
        if let Err(error) = write_all(&*self.file, &self.buffer) {
            return Err(self.take_back(place, &error));
        }
        let len = self.buffer.len() as u64;
        self.end += len;
        self.total += len;
        Ok(())
    }

    /// A write has failed: what was there before is to be there as it was.
    fn take_back(&mut self, place: &Place, error: &io::Error) -> StoreError {
        let taken_back = self.file.truncate(self.end);
        self.padded = false;
        match taken_back {
            Ok(()) => self.refuse(place, error),
            Err(_) => self.give_up(place, error),
        }
    }

    /// Whether the disk writes again: seen by a byte that is taken back, and not by whoever calls
    /// next.
    pub(super) fn try_again(&mut self, place: &Place) -> Result<(), StoreError> {
        if let Err(error) = write_all(&*self.file, &[0]) {
            return Err(self.take_back(place, &error));
        }
        self.padded = false;
        let taken_back = self.file.truncate(self.end);
        taken_back.map_err(|error| self.give_up(place, &error))
    }

    /// Begins the next segment. This one is on the medium before the next exists, so that only the
    /// last can have an end that is torn.
    fn rotate(&mut self, place: &Place) -> Result<(), StoreError> {
        self.finish(place)?;
        let number = self.segment + 1;
        let draft = match draft(place, number, self.end) {
            Ok(draft) => draft,
            Err(error) if is_full(&error) => {
                // What may be left of it has no whole head, and is not taken for a segment.
                let _ = place.disk.remove(&segment::file(&place.dir, number));
                return Err(self.refuse(place, &error));
            }
            Err(error) => return Err(self.give_up(place, &error)),
        };
        // A full disk that shows only now leaves a whole head behind, and no way back.
        let safe = draft.sync().and_then(|()| place.disk.sync_folder(&place.dir));
        safe.map_err(|error| self.give_up(place, &error))?;
        self.enter(number, draft);
        Ok(())
    }

    /// Makes the spare the next segment.
    fn adopt(&mut self, place: &Place) -> Result<(), StoreError> {
        if !self.spare {
            return Err(StoreError::Full(Str::from_static("the journal's spare is used up")));
        }
        self.finish(place)?;
        let number = self.segment + 1;
        let (from, to) = (spare(place), segment::file(&place.dir, number));
        let head = segment::header(place.unit, number, self.end);
        let adopted = place.disk.resume(&from, 0).and_then(|file| {
            write_all(&*file, &head)?;
            file.sync()?;
            // Only now: whoever finds it under its new name finds it with its head.
            place.disk.rename(&from, &to)?;
            place.disk.sync_folder(&place.dir)?;
            Ok(file)
        });
        let file = adopted.map_err(|error| self.give_up(place, &error))?;
        self.enter(number, file);
        (self.spare, self.padded) = (false, true);
        let words = "the journal's disk was full, and of its spare no more is lent";
        self.refusing = Some(StoreError::Full(Str::from_static(words)));
        Ok(())
    }

    fn finish(&mut self, place: &Place) -> Result<(), StoreError> {
        debug_assert!(!self.syncing, "two syncs of one file, and only one would hear of a failure");
        if self.padded {
            self.file.truncate(self.end).map_err(|error| self.give_up(place, &error))?;
            self.padded = false;
        }
        let synced = self.file.sync();
        self.synced(place, self.position(), synced)
    }

    /// What a sync has come to. After one that failed, nobody knows which pages are there: what
    /// waited for it was told to nobody, and goes.
    pub(super) fn synced(
        &mut self,
        place: &Place,
        up_to: Position,
        result: io::Result<()>,
    ) -> Result<(), StoreError> {
        match result {
            Ok(()) => {
                self.synced = self.synced.max(up_to);
                Ok(())
            }
            Err(error) => {
                if place.settings.durability == Durability::Power {
                    debug_assert_eq!(self.synced.segment, self.segment);
                    // If that fails too, the next opening writes again what it reads.
                    let _ = self.file.truncate(self.synced.offset);
                }
                Err(self.give_up(place, &error))
            }
        }
    }

    fn enter(&mut self, number: u64, file: Arc<dyn Medium>) {
        debug_assert_eq!(number, self.segment + 1);
        let (bytes, last) = (self.end, self.tally.last);
        self.closed.push_back(Closed { number: self.segment, bytes, last });
        (self.file, self.segment, self.end) = (file, number, HEADER as u64);
        self.total += self.end;
        self.synced = self.position();
    }

    fn refuse(&mut self, place: &Place, error: &io::Error) -> StoreError {
        let error = unavailable(&segment::file(&place.dir, self.segment), error);
        self.refusing.insert(error).clone()
    }

    /// Nothing is written any more, whatever room there may be later.
    pub(super) fn give_up(&mut self, place: &Place, error: &io::Error) -> StoreError {
        let error = unavailable(&segment::file(&place.dir, self.segment), error);
        self.fault.get_or_insert(error).clone()
    }
}

/// A new segment, its name and its head on the medium.
pub(super) fn begin(place: &Place, number: u64) -> io::Result<Arc<dyn Medium>> {
    let file = draft(place, number, 0)?;
    file.sync()?;
    place.disk.sync_folder(&place.dir)?;
    Ok(file)
}

/// A segment that is a head and nothing else, and that a crash may undo.
fn draft(place: &Place, number: u64, before: u64) -> io::Result<Arc<dyn Medium>> {
    let file = place.disk.begin(&segment::file(&place.dir, number))?;
    write_all(&*file, &segment::header(place.unit, number, before))?;
    Ok(file)
}

/// What of the spare is written at once. Much more would be what an idle process holds most of.
const SPARE_PIECE: usize = 128 << 10;

/// Sees to it that the spare is there: room that a full disk cannot take back, laid out in one of two
/// ways, [`set_aside`] or [`write_zeros`].
pub(super) fn make_spare(
    place: &Place,
    lay_out: fn(&dyn Medium, u64) -> io::Result<()>,
) -> io::Result<()> {
    let (path, size) = (spare(place), place.settings.spare_bytes);
    let mut head = [0; HEADER];
    if size == 0 {
        return Ok(());
    }
    let there = File::open(&path).and_then(|mut file| {
        file.read_exact(&mut head)?;
        Ok(file.metadata()?.len() == size && segment::is_blank(&head))
    });
    if there.unwrap_or(false) {
        return Ok(());
    }
    let file = place.disk.begin(&path)?;
    let written = lay_out(&*file, size).and_then(|()| file.sync());
    if written.is_err() {
        // Half of it only takes room.
        let _ = place.disk.remove(&path);
    }
    written?;
    place.disk.sync_folder(&place.dir)
}

/// By a word to the disk, where it knows one: to write it was a third of a first start.
pub(super) fn set_aside(file: &dyn Medium, size: u64) -> io::Result<()> {
    if file.reserve(size)? { Ok(()) } else { write_zeros(file, size) }
}

/// By writing it: a disk that has refused to is believed when it does.
pub(super) fn write_zeros(file: &dyn Medium, size: u64) -> io::Result<()> {
    let mut left = usize::try_from(size).unwrap_or(usize::MAX);
    let zeros = vec![0; left.min(SPARE_PIECE)];
    while let Some(piece) = zeros.get(..left.min(zeros.len())).filter(|piece| !piece.is_empty()) {
        write_all(file, piece)?;
        left -= piece.len();
    }
    Ok(())
}

fn spare(place: &Place) -> PathBuf {
    place.dir.join("spare")
}
