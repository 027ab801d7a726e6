//! Mistakes that a test plants, one at a time, to see that its auditor sees each of them.
//!
//! An auditor that has never failed has shown nothing. Nothing of this is in a program: outside of
//! this crate's own tests the question is answered by a constant.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// An end leaves the queue that was in no batch.
    EndForgotten,
    /// What is told to be folded is told before it is.
    MarkedEarly,
    /// A lease whose answer was lost is granted again.
    GrantedTwice,
    /// The least is granted whatever the limit is.
    LimitIgnored,
    /// A recovery does not read watermarks.
    WatermarkIgnored,
    /// A call is sent without a line in the journal.
    SentUnwritten,
    /// What a hold did not use is given back twice.
    RefundedTwice,
    /// A repeated fold is counted again.
    CountedTwice,
    /// An ask without an answer is taken for granted.
    LossBelieved,
    /// Whoever was buried is still heard.
    FenceIgnored,
}

/// Whether this mistake is to be made.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn planted(_: Mistake) -> bool {
    false
}

#[cfg(test)]
pub(crate) use here::{plant, planted};

#[cfg(test)]
mod here {
    use std::cell::Cell;

    use super::Mistake;

    thread_local! {
        static PLANTED: Cell<Option<Mistake>> = const { Cell::new(None) };
    }

    /// Plants a mistake on this thread, or none.
    pub(crate) fn plant(mistake: Option<Mistake>) {
        PLANTED.set(mistake);
    }

    /// Whether this mistake is to be made.
    pub(crate) fn planted(mistake: Mistake) -> bool {
        PLANTED.get() == Some(mistake)
    }
}
