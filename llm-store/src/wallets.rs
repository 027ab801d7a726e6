//! Credits in SQL: what people have bought or been given, for all replicas at once.
//!
//! The actors are the *wallet* (a row that every step locks), its *journal* (entries in a chain of
//! hashes, only ever appended), its *buckets* and *holds*, which are sums of the journal kept beside
//! it, and the *steps*: each loads what is open, lets [`llm_core::wallet`] decide, and writes what
//! came of it in one transaction, together with whatever others are to hear of it
//! ([`crate::webhooks`]).
//!
//! Whoever touches a wallet first does what was due: abandoned holds are given back, the plan's
//! month is granted. Nobody sweeps. Every step may be repeated: by its event, hold or code it is
//! known, and the first receipt is the answer.
//!
//! Deliberately absent: payments (a provider's webhook [becomes a grant](Wallets::top_up)), money
//! (a unit of its own in [`crate::sql`]), and a cache of balances.

mod alert;
mod ask;
mod balance;
mod chain;
mod code;
mod guest;
mod history;
mod line;
mod months;
mod name;
mod open;
mod plan;
mod recall;
mod save;
mod steps;
mod verify;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use llm_core::Str;
use llm_core::money::{Credits, Unit};
use llm_core::quota::{Length, Mode, NotZone, Period, Window, Zone};
use llm_core::store::StoreError;
use llm_core::wallet::alert::THRESHOLDS_MAX;
use llm_core::wallet::code::NotRedeemed;
use llm_core::wallet::{Refused, Wallet};

use crate::sql::Database;
use crate::webhooks::Outbox;

pub use ask::{Ask, Done, Keep, Purchase};
pub use balance::{Balance, OpenHold};
pub use guest::Welcome;
pub use history::{Filter, Kind, Line, PAGE_MAX, Page};
pub use months::{MONTHS_MAX, Month};
pub use name::{Device, Holder, NAME_MAX, WalletId};
pub use plan::Enrolment;
pub use verify::{Problem, WalletAudit};

/// What all wallets have in terms.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where months begin for whoever has no plan yet: an IANA name.
    pub zone: Str,
    /// Balances at or below which somebody is to hear of it, for wallets without thresholds of
    /// their own.
    pub low: Vec<Credits>,
    /// How long before its end a bucket is shown as ending soon.
    pub soon: Duration,
    /// Who hears of what happens.
    pub outbox: Outbox,
}

impl Default for Settings {
    fn default() -> Self {
        let (zone, soon) = (Str::from_static("UTC"), Duration::from_secs(7 * 24 * 3_600));
        Self { zone, low: Vec::new(), soon, outbox: Outbox::default() }
    }
}

/// Settings that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSet {
    /// There is no such time zone.
    #[error(transparent)]
    Zone(#[from] NotZone),
    /// Too many thresholds, or one below nothing.
    #[error("a wallet has up to {THRESHOLDS_MAX} thresholds, none below nothing")]
    Thresholds,
}

/// Why a step was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// The rules forbid it: the caller's answer.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The code grants nothing.
    #[error(transparent)]
    NotRedeemed(#[from] NotRedeemed),
    /// There is no such code.
    #[error("there is no such code")]
    NoCode,
    /// A name that is empty, too long or has control characters.
    #[error("a name has 1 to {NAME_MAX} bytes and no control characters")]
    Name,
    /// Thresholds or plans that cannot be meant.
    #[error(transparent)]
    NotSet(#[from] NotSet),
    /// Nobody could say whether it happened: ask again under the same id.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The wallets of a database. Cheap to clone.
#[derive(Clone)]
pub struct Wallets {
    database: Database,
    terms: Arc<Terms>,
}

/// What every step knows.
pub(crate) struct Terms {
    zone: Zone,
    zone_name: Str,
    /// The months of whoever has no plan.
    months: Window,
    low: Vec<Credits>,
    soon: Duration,
    outbox: Outbox,
}

impl Wallets {
    /// The wallets of a database.
    pub fn new(database: Database, settings: Settings) -> Result<Self, NotSet> {
        let Settings { zone: zone_name, low, soon, outbox } = settings;
        let zone = Zone::get(&zone_name)?;
        may_watch(&low)?;
        let month = Period { count: 1, length: Length::Month };
        let none = || NotZone(zone_name.to_string());
        let months = Window::new(month, Mode::Calendar, &zone).ok_or_else(none)?;
        let terms = Arc::new(Terms { zone, zone_name, months, low, soon, outbox });
        Ok(Self { database, terms })
    }
}

fn may_watch(levels: &[Credits]) -> Result<(), NotSet> {
    let odd = levels.len() > THRESHOLDS_MAX || levels.iter().any(|level| level.is_negative());
    if odd { Err(NotSet::Thresholds) } else { Ok(()) }
}

/// All that is not spent: a hold that will be given back must not look like a low balance.
fn funds(wallet: &Wallet) -> Credits {
    let all = wallet.buckets().iter().flat_map(|b| [b.left, b.held]);
    all.fold(Credits::ZERO, |sum, part| sum.saturating_add(part))
}

impl fmt::Debug for Wallets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wallets").field("database", &self.database).finish_non_exhaustive()
    }
}
