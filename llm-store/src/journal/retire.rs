//! What is in SQL goes: segments are deleted once all of their lines are folded.
//!
//! Holds that have not ended are carried into the newest segment first, each as one line that says
//! all of it, and those lines are on the medium before the old ones go. So a crash at any step
//! leaves each open hold said at least once, and saying it twice changes nothing. A segment stays
//! for as long as it tells of a hold whose end is not folded: whoever folds the end after a crash
//! needs to know what was set aside, and on which accounts.

use llm_core::store::StoreError;

use super::Position;
use super::appender::Appender;
use super::disk::is_full;
use super::frame::{self, Line};
use super::segment::{self, corrupt, unavailable};
use super::tail::{self, Closed, Place};

impl Appender {
    /// See [`super::Journal::folded`].
    pub(super) fn folded(&self, up_to: Position) -> Result<(), StoreError> {
        let _alone = self.retiring.lock();
        self.append(&Line::Folded { up_to })?;
        for oldest in self.ripe() {
            self.carry(&oldest)?;
            // One that ended instead of being carried. No more can: nothing open lives there now.
            if self.tail.lock().tally.pinned(oldest.number) {
                break;
            }
            self.sync_all()?;
            self.delete(&oldest)?;
        }
        self.make_room()
    }

    /// The oldest segments, as many as are folded and give back at least half of what they take:
    /// what is carried is written again, and carrying for nothing would have no end.
    fn ripe(&self) -> Vec<Closed> {
        let tail = self.tail.lock();
        let tally = &tail.tally;
        let done = |closed: &&Closed| closed.last <= tally.folded && !tally.pinned(closed.number);
        let folded = tail.closed.iter().take_while(done);
        let (mut bytes, mut live, mut count) = (0, 0, 0);
        for (at, closed) in folded.enumerate() {
            bytes += closed.bytes;
            live += tail.tally.live(closed.number);
            if live <= bytes / 2 {
                count = at + 1;
            }
        }
        tail.closed.iter().take(count).copied().collect()
    }

    /// Says again, in the newest segment, the holds whose only full account is in an old one.
    fn carry(&self, oldest: &Closed) -> Result<(), StoreError> {
        let Place { dir, unit, .. } = &self.place;
        let number = oldest.number;
        if self.tail.lock().tally.live(number) == 0 {
            return Ok(());
        }
        let bytes = segment::read(dir, number)?;
        let path = segment::file(dir, number);
        let end = segment::walk(&bytes, unit, number, |end, body| {
            let line = frame::decode(body);
            match line.ok_or_else(|| corrupt(&path, end as u64, "a line of no known kind"))? {
                Line::Open { hold, path, .. } | Line::Carry { hold, path, .. } => {
                    self.carry_one(number, hold, path)
                }
                _ => Ok(()),
            }
        })?;
        if end as u64 != oldest.bytes {
            return Err(corrupt(&path, end as u64, "a line is damaged"));
        }
        let left = self.tail.lock().tally.live(number);
        debug_assert_eq!(left, 0, "an open hold would be lost");
        Ok(())
    }

    fn delete(&self, oldest: &Closed) -> Result<(), StoreError> {
        let Place { dir, disk, .. } = &self.place;
        let path = segment::file(dir, oldest.number);
        disk.remove(&path).map_err(|e| unavailable(&path, &e))?;
        let mut tail = self.tail.lock();
        let gone = tail.closed.pop_front();
        debug_assert_eq!(gone.map(|gone| gone.number), Some(oldest.number));
        tail.total = tail.total.saturating_sub(oldest.bytes);
        drop(tail);
        // Before the next one goes: a gap between segments would be read as a loss.
        let synced = disk.sync_folder(dir);
        synced.map_err(|error| self.tail.lock().give_up(&self.place, &error))
    }

    /// See [`super::Journal::make_room`].
    pub(super) fn make_room(&self) -> Result<(), StoreError> {
        if self.tail.lock().refusing.is_none() {
            return Ok(());
        }
        match tail::make_spare(&self.place, tail::write_zeros) {
            Ok(()) => {}
            Err(error) if is_full(&error) => return Ok(()),
            Err(error) => return Err(unavailable(&self.place.dir, &error)),
        }
        let mut tail = self.tail.lock();
        tail.spare = self.place.settings.spare_bytes > segment::HEADER as u64;
        if !matches!(tail.refusing, Some(StoreError::Full(_))) {
            tail.try_again(&self.place)?;
        }
        tail.refusing = None;
        Ok(())
    }

    /// Waits until all lines so far are on the medium, whatever the configuration promises: what is
    /// about to be deleted may be.
    fn sync_all(&self) -> Result<(), StoreError> {
        let tail = self.tail.lock();
        let at = tail.position();
        self.wait_synced(tail, at)
    }
}
