//! An answer that is kept: as its upstream wrote it, so that it can be given on in either form.
//!
//! The body stands in one piece. A stream's recording has the frames of the stream, a whole
//! answer's has the answer; the edges read both into both. Deliberately absent: anything that went
//! wrong. What is no good answer is asked for again.

mod coded;

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use llm_core::Str;
use llm_core::call::Operation;
use llm_core::completion::FinishReason;
use llm_core::dialect::Observed;

use crate::reply::{CacheState, ReplyHead};

/// The largest answer that is kept, and the most that a flight keeps for readers who are slow. A
/// conversation's turn has a few kilobytes, a batch of embeddings a megabyte.
pub(super) const RECORDING_BYTES_MAX: usize = 4 << 20;
/// What an entry weighs beside its bytes: maps, heads, counters.
const AROUND_BYTES: usize = 1_024;

/// An answer that is kept.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    /// What was known of it before its body.
    pub(super) head: ReplyHead,
    /// Its bytes, whole.
    pub(super) body: Bytes,
    /// What was seen of it at its end.
    pub(super) seen: Observed,
    /// By what it can be forgotten.
    pub(super) labels: Vec<Str>,
    /// When it was made.
    pub(super) recorded: Instant,
    /// When it is too old.
    pub(super) expires: Instant,
}

impl Recording {
    /// Whether an answer that ended well is worth keeping.
    pub(super) fn is_worth(operation: Operation, seen: &Observed) -> bool {
        let good = match &seen.finish {
            // Not every operation has a finish; a turn of a conversation without one is no turn.
            None => operation != Operation::Chat,
            Some(FinishReason::Stop | FinishReason::Length | FinishReason::ToolCalls) => true,
            // Who asks again may have an answer; and a word nobody knows may mean a failure.
            Some(
                FinishReason::ContentFilter
                | FinishReason::Refusal
                | FinishReason::Paused
                | FinishReason::Failed
                | FinishReason::Other(_),
            ) => false,
        };
        good && seen.ended && seen.failure.is_none()
    }

    /// What it weighs against the limit of a cache.
    pub(super) fn weight(&self) -> u32 {
        let labels: usize = self.labels.iter().map(|l| l.len()).sum();
        u32::try_from(self.body.len() + labels + AROUND_BYTES).unwrap_or(u32::MAX)
    }

    /// How old it is.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.recorded)
    }

    /// The head of a reply that gives it on.
    pub(super) fn replayed(&self, now: Instant) -> ReplyHead {
        let cache = CacheState::Hit { age_s: self.age(now).as_secs() };
        ReplyHead { attempts: 0, fallbacks: 0, cache, limits: None, ..self.head.clone() }
    }
}

/// Pieces as one.
pub(super) fn joined<'a>(pieces: impl ExactSizeIterator<Item = &'a Bytes> + Clone) -> Bytes {
    if pieces.len() == 1 {
        // A copy all the same: a slice would keep the buffer that it was read into.
        return pieces.clone().next().map_or_else(Bytes::new, |p| Bytes::copy_from_slice(p));
    }
    let mut all = BytesMut::with_capacity(pieces.clone().map(Bytes::len).sum());
    pieces.for_each(|p| all.extend_from_slice(p));
    all.freeze()
}

#[cfg(test)]
mod tests;
