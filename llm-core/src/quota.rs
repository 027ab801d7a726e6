//! How much in how long: limits, windows and counters.
//!
//! A [`Limit`] is what people write (`30/hour`, `$20/month`); a [`Window`] is the time it counts,
//! in a time zone; a [`Counter`] is what has been counted. Windows are computed from an instant and
//! never swept, so that no job can reset them late, twice or at the wrong hour. Counts are kept
//! here; limits on money and credits are accounts of the [`crate::ledger`], one for each window.

mod counter;
mod limit;
mod window;

use crate::Str;
use crate::principal::{Priority, Scope};

pub use counter::{Counter, Verdict, take_all, tightest};
pub use limit::{Length, Limit, NotLimit, Period, Quantity};
pub use window::{Mode, NotZone, Window, WindowId, Zone};

/// What a key was sold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Its name.
    pub name: Str,
    /// All of them hold at once.
    pub limits: Vec<Limit>,
    /// Which models it includes.
    pub models: Scope,
    /// Who waits when not all can be served.
    pub priority: Priority,
    /// Whether calls may bring keys of providers along; `None` leaves it to whoever runs the gateway.
    pub own_keys: Option<OwnKeysUse>,
    /// Calls that bring a key along are charged as if they had brought none.
    pub own_keys_charged: bool,
}

/// Whether calls may bring keys of providers along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OwnKeysUse {
    /// They may not.
    #[default]
    Off,
    /// They may.
    Allowed,
    /// They must: no other key is used for them.
    Required,
}

impl OwnKeysUse {
    /// All with the words for them.
    pub const WORDS: [(&'static str, Self); 3] =
        [("off", Self::Off), ("allowed", Self::Allowed), ("required", Self::Required)];

    /// What a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find_map(|(known, it)| (known == word).then_some(it))
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Allowed => "allowed",
            Self::Required => "required",
        }
    }
}

#[cfg(test)]
mod tests;
