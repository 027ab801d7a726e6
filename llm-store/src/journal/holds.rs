//! What the lines so far amount to: the holds that have not ended.

use std::collections::VecDeque;

use foldhash::HashMap;
use llm_core::ledger::HoldId;
use llm_core::ledger::rules::Violation;

use super::Position;
use super::frame::Line;
use crate::ebb::ebb;

/// The sum of the lines. Holds that have ended are not remembered, so that it is bounded by the
/// bytes that the journal may have: each hold in it keeps at least its own end's room.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) holds: HashMap<HoldId, Held>,
    /// Bytes of the lines by which each segment is some open hold's home.
    live: HashMap<u64, u64>,
    /// Ends that are not folded, in order, and the home of each one's hold: an end says nothing
    /// of amount and path, so that its hold's home stays until the end is folded.
    ends: VecDeque<(Position, u64)>,
    /// How many of them each segment is the home of.
    pinned: HashMap<u64, u64>,
    /// The last line that somebody has to fold.
    pub(super) last: Position,
    /// Up to here all lines are in SQL.
    pub(super) folded: Position,
}

/// Ends that there is room for from the start: an append in a process that keeps up allocates
/// nothing.
const ENDS: usize = 1024;

impl Default for Tally {
    fn default() -> Self {
        Self {
            holds: HashMap::default(),
            live: HashMap::default(),
            ends: VecDeque::with_capacity(ENDS),
            pinned: HashMap::default(),
            last: Position::default(),
            folded: Position::default(),
        }
    }
}

/// A hold that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) amount: i64,
    /// The checksum of its path.
    terms: u32,
    /// The segment that says all of it up to then: where it was opened, or carried to.
    pub(super) home: u64,
    /// The bytes of that line.
    bytes: u64,
    /// What was owed for what was sent, before anything came.
    pub(super) sent: Option<i64>,
    pub(super) watermark: Option<i64>,
}

impl Tally {
    /// Whether a line is to be written: one that says again what was said is not, and one that
    /// does not follow is a mistake.
    pub(super) fn admits(&self, line: &Line<'_>, terms: u32) -> Result<bool, Violation> {
        match *line {
            Line::Open { hold, amount, .. } => match self.holds.get(&hold) {
                Some(held) if held.amount == amount && held.terms == terms => Ok(false),
                Some(_) => Err(Violation::OtherTerms),
                None => Ok(true),
            },
            Line::Dispatch { hold, .. }
            | Line::Watermark { hold, .. }
            | Line::Close { hold, .. } => {
                self.holds.contains_key(&hold).then_some(true).ok_or(Violation::UnknownHold)
            }
            // It may have ended, or been carried already, since somebody looked.
            Line::Carry { hold, .. } => Ok(self.holds.contains_key(&hold)),
            Line::Folded { up_to } if up_to > self.last => Err(Violation::State),
            Line::Folded { up_to } => Ok(up_to > self.folded),
        }
    }

    /// Adds a line that was written, and ends where `at` says. Of a hold whose beginning is gone
    /// (it was folded, and the hold has ended) there is nothing to add.
    pub(super) fn note(&mut self, line: &Line<'_>, terms: u32, bytes: u64, at: Position) {
        let home = at.segment;
        match *line {
            Line::Open { hold, amount, .. } => {
                let (sent, watermark) = (None, None);
                self.settle_in(hold, Held { amount, terms, home, bytes, sent, watermark });
            }
            Line::Dispatch { hold, cost } => {
                self.holds.entry(hold).and_modify(|held| held.sent = held.sent.max(Some(cost)));
            }
            Line::Watermark { hold, cost } => {
                self.holds.entry(hold).and_modify(|held| {
                    held.sent.get_or_insert(0);
                    held.watermark = held.watermark.max(Some(cost));
                });
            }
            Line::Close { hold, .. } => {
                let held = self.holds.remove(&hold);
                if let Some(held) = held {
                    self.ends.push_back((at, held.home));
                    *self.pinned.entry(held.home).or_default() += 1;
                }
                self.move_out(held);
            }
            Line::Carry { hold, amount, sent, watermark, .. } => {
                self.settle_in(hold, Held { amount, terms, home, bytes, sent, watermark });
            }
            Line::Folded { up_to } => {
                self.folded = self.folded.max(up_to);
                self.unpin();
            }
        }
        if !matches!(line, Line::Carry { .. } | Line::Folded { .. }) {
            debug_assert!(at > self.last, "lines come in order");
            self.last = at;
        }
    }

    /// Bytes of a segment that must be said again before it may go.
    pub(super) fn live(&self, segment: u64) -> u64 {
        self.live.get(&segment).copied().unwrap_or_default()
    }

    /// Whether an end that is not folded needs what a segment says.
    pub(super) fn pinned(&self, segment: u64) -> bool {
        self.pinned.contains_key(&segment)
    }

    fn unpin(&mut self) {
        while let Some((_, home)) = self.ends.pop_front_if(|(at, _)| *at <= self.folded) {
            ebb(&mut self.ends);
            if let Some(count) = self.pinned.get_mut(&home) {
                *count -= 1;
                if *count == 0 {
                    self.pinned.remove(&home);
                }
            }
        }
    }

    fn settle_in(&mut self, hold: HoldId, held: Held) {
        *self.live.entry(held.home).or_default() += held.bytes;
        let before = self.holds.insert(hold, held);
        self.move_out(before);
    }

    fn move_out(&mut self, held: Option<Held>) {
        let Some(held) = held else { return };
        let live = self.live.entry(held.home).or_default();
        debug_assert!(*live >= held.bytes, "a hold leaves a home that it is not in");
        *live = live.saturating_sub(held.bytes);
        if *live == 0 {
            self.live.remove(&held.home);
        }
    }
}
