//! A ledger that is watched.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use llm_core::ledger::rules::Account;
use llm_core::ledger::{AccountId, HoldId, HoldProof, Receipt, Settlement};
use llm_core::money::Money;
use llm_core::seam::BoxFuture;
use llm_core::store::{Audit as Recount, Ledger, Line, NotReserved, StoreError, Stored};
use llm_providers::ledger::MemoryLedger;

use super::audit::Audit;
use super::planted::Planted;

/// Watches one, and makes the mistakes that were planted.
#[derive(Debug)]
pub(super) struct Watched {
    inner: Arc<MemoryLedger>,
    audit: Arc<Audit>,
    planted: Option<Planted>,
    steps: AtomicU64,
}

impl Watched {
    pub(super) fn new(
        inner: Arc<MemoryLedger>,
        audit: &Arc<Audit>,
        planted: Option<Planted>,
    ) -> Self {
        Self { inner, audit: Arc::clone(audit), planted, steps: AtomicU64::new(0) }
    }

    /// Whether the mistake is made this time.
    fn errs(&self, mistake: Planted) -> bool {
        self.planted == Some(mistake) && self.steps.fetch_add(1, Ordering::Relaxed) % 10 == 9
    }
}

impl Ledger for Watched {
    fn reserve<'a>(
        &'a self,
        hold: HoldId,
        path: &'a [Line],
        amount: Money,
    ) -> BoxFuture<'a, Result<HoldProof, NotReserved>> {
        Box::pin(async move {
            let proof = if self.planted == Some(Planted::IgnoresLimit) {
                let open: Vec<Line> =
                    path.iter().map(|l| Line { limit: None, ..l.clone() }).collect();
                self.inner.reserve(hold, &open, amount).await?
            } else {
                self.inner.reserve(hold, path, amount).await?
            };
            self.audit.reserved(hold, path, amount);
            Ok(proof)
        })
    }

    fn dispatch(&self, hold: HoldId, cost: Money) -> Result<(), StoreError> {
        self.audit.dispatched(hold);
        self.inner.dispatch(hold, cost)
    }

    fn watermark(&self, hold: HoldId, cost: Money) -> Result<(), StoreError> {
        self.inner.watermark(hold, cost)
    }

    fn settle(&self, settlement: &Settlement) -> Result<Receipt, StoreError> {
        let mut settlement = *settlement;
        if self.errs(Planted::SkipsSettlement) {
            let (posted, loss) = (settlement.tenant, settlement.operator);
            let Settlement { hold, source, .. } = settlement;
            return Ok(Receipt { hold, posted, released: Money(0), loss, source });
        }
        if settlement.tenant.0 > 0 && self.errs(Planted::ChargesMore) {
            settlement.tenant.0 += 1;
        }
        if self.errs(Planted::ChargesNothing) {
            settlement.tenant = Money(0);
        }
        self.audit.settled(&settlement);
        let receipt = self.inner.settle(&settlement)?;
        if self.errs(Planted::SettlesTwice) {
            self.audit.settled(&settlement);
            self.inner.settle(&settlement)?;
        }
        Ok(receipt)
    }

    fn balance<'a>(&'a self, account: &'a AccountId) -> Stored<'a, Option<Account<Money>>> {
        self.inner.balance(account)
    }

    fn set_limit<'a>(&'a self, account: &'a AccountId, limit: Option<Money>) -> Stored<'a, ()> {
        self.inner.set_limit(account, limit)
    }

    fn verify(&self) -> Stored<'_, Recount> {
        self.inner.verify()
    }
}
