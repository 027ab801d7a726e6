//! What became of a call's hold, for who asks again under the same idempotency key.
//!
//! Deliberately absent: other machines' open holds. Whether they were ever made is in journals that
//! only those machines read, so that of them nobody here says more than what is folded.

use llm_core::idempotency::{Fate, Owners};
use llm_core::ledger::HoldId;
use llm_core::money::Unit;
use llm_core::store::vault::Tenure;
use llm_core::store::{StoreError, Stored};

use super::LeasedLedger;

impl<U: Unit> Owners for LeasedLedger<U> {
    fn fate<'a>(&'a self, owner: &'a Tenure, hold: HoldId) -> Stored<'a, Fate> {
        Box::pin(self.look(owner, hold))
    }
}

impl<U: Unit> LeasedLedger<U> {
    async fn look(&self, owner: &Tenure, hold: HoldId) -> Result<Fate, StoreError> {
        let desk = &*self.desk;
        let who = &desk.who;
        if owner == who && desk.table.lock().hold(hold).is_ok() {
            return Ok(Fate::Alive);
        }
        // Receipts in memory are few, and what ended is folded from the journal, where all of it is:
        // what was ended before this question is there once that is done.
        desk.flush().await?;
        match self.ended(hold).await? {
            Some(end) if end.tenant > U::ZERO => Ok(Fate::Paid),
            Some(_) => Ok(Fate::Voided),
            // This process knows its own, and has read what earlier ones here had written.
            None if owner.replica == who.replica && owner.epoch <= who.epoch => Ok(Fate::NeverHeld),
            None => Ok(Fate::Unresolved),
        }
    }
}
