//! The book as a ledger: what every other one is measured by.

use llm_core::ledger::book::Book;
use llm_core::ledger::rules::{Account, Violation};
use llm_core::ledger::{AccountId, HoldId, HoldProof, Receipt, Settlement};
use llm_core::money::Money;
use llm_core::seam::BoxFuture;
use llm_core::store::{Audit, Ledger, Line, NotReserved, StoreError, Stored};
use parking_lot::Mutex;

/// A book under one lock, which opens accounts as their first line says.
#[derive(Debug, Default)]
pub(super) struct BookLedger(Mutex<Book>);

impl Ledger for BookLedger {
    fn reserve<'a>(
        &'a self,
        hold: HoldId,
        path: &'a [Line],
        amount: Money,
    ) -> BoxFuture<'a, Result<HoldProof, NotReserved>> {
        let mut book = self.0.lock();
        for line in path {
            if line.account.window.is_some() || book.account(&line.account).is_none() {
                book.set_limit(line.account.clone(), line.limit);
            }
        }
        let ids: Vec<AccountId> = path.iter().map(|line| line.account.clone()).collect();
        let made = book.reserve(hold, &ids, amount).map_err(NotReserved::from);
        Box::pin(std::future::ready(made))
    }

    fn dispatch(&self, hold: HoldId, cost: Money) -> Result<(), StoreError> {
        Ok(self.0.lock().dispatch(hold, cost)?)
    }

    fn watermark(&self, hold: HoldId, cost: Money) -> Result<(), StoreError> {
        Ok(self.0.lock().watermark(hold, cost)?)
    }

    fn settle(&self, settlement: &Settlement) -> Result<Receipt, StoreError> {
        Ok(self.0.lock().settle(*settlement)?)
    }

    fn balance<'a>(&'a self, account: &'a AccountId) -> Stored<'a, Option<Account<Money>>> {
        Box::pin(std::future::ready(Ok(self.0.lock().account(account).copied())))
    }

    fn set_limit<'a>(&'a self, account: &'a AccountId, limit: Option<Money>) -> Stored<'a, ()> {
        self.0.lock().set_limit(account.clone(), limit);
        Box::pin(std::future::ready(Ok(())))
    }

    fn verify(&self) -> Stored<'_, Audit> {
        let book = self.0.lock();
        let problems: Vec<(AccountId, Violation)> = book.verify().err().into_iter().collect();
        let (entries, holds_open) = (book.journal().len() as u64, book.open().count() as u64);
        let audit = Audit { entries, holds_open, problems, ..Audit::default() };
        Box::pin(std::future::ready(Ok(audit)))
    }
}
