//! The ledger of a process: exact budgets without a store's I/O on a call's way.
//!
//! The actors are the *table* (accounts, holds and who waits, under one short lock), the *journal*
//! (each step is there before anybody is told of it), the *vault* far away, and the *worker*, the
//! only one who speaks with it: it leases credit, carries ends there, gives back what is idle and
//! says that the process lives.
//!
//! ```text
//!  call ──reserve──▶ table ──enough?──▶ journal: open ──▶ proof
//!                      │ no                                 │ dispatch, watermark, settle:
//!                      ▼                                    ▼ journal, then table
//!                    queue ◀──credit── worker ◀──────────  ends
//!                                        │ lease, fold, beat
//!                                        ▼
//!                                      vault
//! ```
//!
//! One worker and one request at a time, because a lease is told as what the process has *after*
//! it: two requests under way would not know of each other, and after a lost answer nobody could
//! say what there is. Those who need credit of the same account share a request; what was not
//! answered is asked again, word for word, before anything else is.
//!
//! While the vault does not answer, accounts go on within what is leased, and beyond it where calls
//! declare them to be without limit and the vault was never heard to say otherwise. All others wait
//! for a second and are told that nobody knows.
//!
//! A vault answers every request in bounded time, and [`StoreError::Conflict`] there means one thing:
//! this process is fenced. Whoever is buried as having *used* its leases has paid for all of its
//! holds; its journal must not be started from again, or they are paid twice.
//!
//! A hold that ended long ago is not remembered: settling it again is [`Violation::UnknownHold`],
//! reserving it again makes a new hold whose end the vault will not count. Whoever may come that
//! late asks [`LeasedLedger::ended`] first.
//!
//! Deliberately absent: SQL, prices, and who is who. What an overdue process is charged for is
//! decided by [`charge`], and whether it is overdue by whoever watches the vault.
//!
//! [`charge`]: llm_core::ledger::charge

mod bell;
mod ends;
mod fate;
mod flow;
mod fold;
mod ledger;
mod queue;
mod row;
mod rows;
mod start;
mod state;
mod table;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use llm_core::ledger::charge::Unknown;
use llm_core::ledger::{AccountId, HoldId, Settlement};
use llm_core::money::{Money, Unit};
use llm_core::seam::Clock;
use llm_core::store::StoreError;
use llm_core::store::vault::{Tenure, Vault};
use parking_lot::Mutex;

use crate::journal::Journal;

use bell::Bell;
use state::Gauges;
use table::Table;

pub use state::LedgerState;
pub use worker::Worker;

#[cfg(doc)]
use llm_core::ledger::rules::Violation;

/// What a ledger is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For how long the process is taken for living after each time that it was heard of. It
    /// says so three times as often.
    pub tenure: Duration,
    /// What a call is charged that was sent, and of which a crash left no watermark.
    pub unknown: Unknown,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tenure: Duration::from_secs(30), unknown: Unknown::Prompt }
    }
}

/// What a ledger stands on.
#[derive(Debug)]
pub struct Ground<U: Unit = Money> {
    /// This machine's name: the same after a restart.
    pub replica: String,
    /// Its journal.
    pub journal: Arc<Journal<U>>,
    /// The accounts.
    pub vault: Arc<dyn Vault<U>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// A ledger that is ready.
#[derive(Debug)]
pub struct Started<U: Unit = Money> {
    /// The ledger.
    pub ledger: LeasedLedger<U>,
    /// Its worker, to be run: nothing is leased or folded before.
    pub worker: Worker<U>,
    /// Holds that the last process left open, and how they were ended.
    pub interrupted: Vec<Interrupted<U>>,
}

/// A hold that a crash has left open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted<U: Unit = Money> {
    /// How it was ended.
    pub settlement: Settlement<U>,
    /// What was set aside for it.
    pub amount: U,
    /// The accounts that pay.
    pub path: Vec<AccountId>,
    /// What was owed for what was sent, before anything came; `None` when nothing was sent.
    pub sent: Option<U>,
    /// What had come by the last that is known.
    pub watermark: Option<U>,
}

/// The ledger. Cheap to clone: all share it.
pub struct LeasedLedger<U: Unit = Money> {
    desk: Arc<Desk<U>>,
}

/// What the ledger and its worker share.
struct Desk<U: Unit> {
    table: Mutex<Table<U>>,
    bell: Bell,
    gauges: Gauges,
    who: Tenure,
    settings: Settings,
    ground: Ground<U>,
}

impl<U: Unit> Clone for LeasedLedger<U> {
    fn clone(&self) -> Self {
        Self { desk: Arc::clone(&self.desk) }
    }
}

impl<U: Unit> LeasedLedger<U> {
    /// How it is doing. Waits for nobody, and nobody waits for it.
    pub fn state(&self) -> LedgerState<U> {
        self.desk.gauges.read(self.desk.ground.clock.now())
    }

    /// Who this process is to the vault.
    pub fn tenure(&self) -> &Tenure {
        &self.desk.who
    }

    /// How a hold ended, as far back as anybody remembers. `None`: it is open, or was never made.
    pub async fn ended(&self, hold: HoldId) -> Result<Option<Settlement<U>>, StoreError> {
        let lately = self.desk.table.lock().recent.get(hold);
        match lately {
            Some(receipt) => Ok(Some(Settlement {
                hold,
                tenant: receipt.posted,
                operator: receipt.loss,
                source: receipt.source,
            })),
            None => self.desk.ground.vault.ended(hold).await,
        }
    }
}

impl<U: Unit> fmt::Debug for LeasedLedger<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeasedLedger({:?}, {:?})", self.desk.who, self.state())
    }
}

impl<U: Unit> fmt::Debug for Desk<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("who", &self.who).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
