//! What a call costs in credits, for callers with limits in credits: set aside beside the money, and
//! settled in the same breath by what the same attempts used.
//!
//! A ledger of its own keeps those accounts, with a journal of its own: after a crash in between, each
//! of the two finds its hold open, and ends it by the same table. Deliberately absent: credits for
//! calls of keys without such a limit. Nobody would be asked for them, and nothing is on their way.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use llm_core::error::{Error, Kind};
use llm_core::ledger::{HoldId, HoldProof, Settlement};
use llm_core::money::{Bound, Credits, Unit};
use llm_core::store::{Ledger, Line, StoreError};
use llm_core::wallet::tariff::Tariff;
use smallvec::SmallVec;

use super::{Bill, Unsure, bound, is_free, refused, targets, times};
use crate::metrics::Metrics;
use crate::stage::record::{Opened, Record};

/// The most that a call may cost, and what it is charged by.
pub(super) struct Priced {
    tariff: Arc<Tariff>,
    most: Credits,
}

/// What a call is going to be charged by; `None` where its caller pays no credits.
pub(super) fn priced(opened: &Opened, bound: &Bound) -> Result<Option<Priced>, Error> {
    let call = &opened.call;
    if call.grant.credits.is_empty() || is_free(call.operation) {
        return Ok(None);
    }
    // As with money: what nobody has priced is not free.
    let tariff = opened.snapshot.credits.of(&opened.model.name).ok_or_else(|| {
        let text = "no price in credits is known for this model, and this key pays in credits";
        Error::new(Kind::Unsupported, text).in_field("model")
    })?;
    let most = targets(opened).map(|t| tariff.most(&bound::at(bound, &t.capability))).max();
    let most = most.unwrap_or_default().saturating_mul(times(opened));
    Ok(Some(Priced { tariff: Arc::clone(tariff), most }))
}

/// Credits that are set aside for a call.
pub(super) struct Purse {
    proof: HoldProof<Credits>,
    tariff: Arc<Tariff>,
    ledger: Arc<dyn Ledger<Credits>>,
}

impl Purse {
    /// Sets them aside, under the id of the hold in money.
    pub(super) async fn fill(
        ledger: &Arc<dyn Ledger<Credits>>,
        opened: &Opened,
        priced: Priced,
        id: HoldId,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let Priced { tariff, most } = priced;
        let payers = opened.call.grant.credits.iter();
        let line = |p: &llm_core::principal::Payer<Credits>| Line {
            account: p.account(now),
            limit: p.limit,
        };
        let lines: SmallVec<[Line<Credits>; 2]> = payers.map(line).collect();
        let unsure = Unsure { ledger: &**ledger, hold: Some(id) };
        let reserved = ledger.reserve(id, &lines, most).await;
        unsure.known(&reserved);
        let proof = reserved.map_err(|why| refused(why, now))?;
        Ok(Self { proof, tariff, ledger: Arc::clone(ledger) })
    }

    /// What is owed by now, of what was set aside.
    fn owed(&self, bill: &Bill) -> Credits {
        self.tariff.price(&bill.credited()).min(self.proof.amount())
    }

    pub(super) fn dispatch(&self, bill: &Bill) -> Result<(), StoreError> {
        self.ledger.dispatch(self.proof.id(), self.owed(bill))
    }

    pub(super) fn watermark(&self, bill: &Bill) {
        if let Err(error) = self.ledger.watermark(self.proof.id(), self.owed(bill)) {
            tracing::warn!(%error, hold = %self.proof.id(), "no watermark in credits");
        }
    }

    pub(super) fn settle(&self, bill: &Bill, record: &Record, metrics: &Metrics) {
        let usage = bill.credited();
        let price = self.tariff.price(&usage);
        let tenant = price.min(self.proof.amount());
        let settlement = Settlement {
            hold: self.proof.id(),
            tenant,
            operator: price.saturating_sub(tenant),
            source: usage.source,
        };
        match self.ledger.settle(&settlement) {
            Ok(receipt) => record.credited(receipt),
            Err(error) => {
                metrics.settle_failed.inc();
                tracing::error!(%error, hold = %self.proof.id(), "credits were not settled");
            }
        }
    }
}

impl fmt::Debug for Purse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Purse").field("proof", &self.proof).finish_non_exhaustive()
    }
}
