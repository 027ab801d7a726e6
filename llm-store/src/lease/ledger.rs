//! The ledger as calls see it: the journal first, then memory.

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use llm_core::ledger::rules::{Account, Violation};
use llm_core::ledger::{AccountId, HoldId, HoldProof, Receipt, Settlement};
use llm_core::money::Unit;
use llm_core::seam::BoxFuture;
use llm_core::store::{Audit, Ledger, LedgerHealth, Line, NotReserved, StoreError, Stored};
use smallvec::SmallVec;

use crate::crash::point;
use crate::journal::Step;
use crate::plant::{Mistake, planted};

use super::ends::receipt;
use super::queue::Ticket;
use super::table::{Asked, Ending, Path, Standing, Table, unavailable};
use super::{Desk, LeasedLedger};

/// How long a call waits for credit. Longer than any lease takes from a store that is well.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// How long a question about an account waits for what ended before it to be folded.
const FLUSH_MAX: Duration = Duration::from_secs(2);
/// How long a shutdown waits for a vault that does not answer: what is not folded by then is in
/// the journal, and the next start folds it.
const LEAVE_MAX: Duration = Duration::from_secs(10);
/// Ends that wait together before the worker is woken early.
pub(super) const FOLD_MAX: usize = 512;
/// Times that a balance is read again because a lease has changed meanwhile.
const READS_MAX: usize = 3;

impl<U: Unit> Ledger<U> for LeasedLedger<U> {
    fn reserve<'a>(
        &'a self,
        hold: HoldId,
        path: &'a [Line<U>],
        amount: U,
    ) -> BoxFuture<'a, Result<HoldProof<U>, NotReserved<U>>> {
        Box::pin(self.desk.reserve(hold, path, amount))
    }

    fn dispatch(&self, hold: HoldId, cost: U) -> Result<(), StoreError> {
        let desk = &*self.desk;
        // Said once for what it costs: what matters is what is owed, not how often was asked.
        if desk.table.lock().hold(hold)?.sent >= Some(cost) {
            return Ok(());
        }
        if !planted(Mistake::SentUnwritten) {
            desk.ground.journal.append(Step::Dispatch(hold, cost))?;
        }
        point("sent.written");
        if let Ok(hold) = desk.table.lock().hold(hold) {
            hold.sent = hold.sent.max(Some(cost));
        }
        Ok(())
    }

    fn watermark(&self, hold: HoldId, cost: U) -> Result<(), StoreError> {
        let desk = &*self.desk;
        desk.table.lock().hold(hold)?;
        desk.ground.journal.append(Step::Watermark(hold, cost)).map(drop)
    }

    fn settle(&self, settlement: &Settlement<U>) -> Result<Receipt<U>, StoreError> {
        self.desk.settle(settlement)
    }

    fn balance<'a>(&'a self, account: &'a AccountId) -> Stored<'a, Option<Account<U>>> {
        Box::pin(self.desk.balance(account))
    }

    fn set_limit<'a>(&'a self, account: &'a AccountId, limit: Option<U>) -> Stored<'a, ()> {
        Box::pin(async move {
            self.desk.ground.vault.set_limit(account, limit).await?;
            let mut table = self.desk.table.lock();
            if let Some(slot) = table.rows.find(account) {
                table.rows[slot].forgive(limit.is_some());
            }
            Ok(())
        })
    }

    fn health(&self) -> Option<LedgerHealth<U>> {
        Some(self.state().health())
    }

    fn verify(&self) -> Stored<'_, Audit> {
        Box::pin(async move {
            self.desk.flush().await?;
            let mut audit = self.desk.ground.vault.verify().await?;
            self.desk.table.lock().verify(&mut audit);
            Ok(audit)
        })
    }
}

impl<U: Unit> LeasedLedger<U> {
    /// Makes no more holds, folds what has ended and gives back what no open hold has. Holds that
    /// are still open may end: into the journal, from which the next start folds them.
    pub async fn shutdown(&self) -> Result<(), StoreError> {
        let desk = &*self.desk;
        {
            let mut table = desk.table.lock();
            if table.standing == Standing::Open {
                table.standing = Standing::Leaving;
            }
        }
        desk.bell.ring();
        desk.watch(LEAVE_MAX, |table| match &table.standing {
            Standing::Left => Some(Ok(())),
            Standing::Fenced => Some(table.stands()),
            Standing::Open | Standing::Leaving => None,
        })
        .await
    }
}

impl<U: Unit> Desk<U> {
    async fn reserve(
        &self,
        hold: HoldId,
        path: &[Line<U>],
        amount: U,
    ) -> Result<HoldProof<U>, NotReserved<U>> {
        let path = in_order(path);
        let now = self.ground.clock.now();
        let (asked, wants) = {
            let mut table = self.table.lock();
            (table.reserve(hold, &path, amount, now)?, !table.wants.is_empty())
        };
        let proof = match asked {
            Asked::Open(proof) => return Ok(proof),
            Asked::Made(proof) => {
                if wants {
                    self.bell.ring();
                }
                proof
            }
            Asked::Wait(ticket) => {
                self.bell.ring();
                match self.wait(ticket, &path).await? {
                    Asked::Made(proof) => proof,
                    Asked::Open(proof) => return Ok(proof),
                    Asked::Wait(_) => return Err(unavailable("no place in the queue").into()),
                }
            }
        };
        let accounts: SmallVec<[AccountId; 4]> = path.into_iter().map(|l| l.account).collect();
        point("reserve.before");
        let written = self.ground.journal.append(Step::Open { proof: &proof, path: &accounts });
        point("reserve.written");
        self.table.lock().opened(hold, written.is_ok());
        match written {
            Ok(_) => {
                self.gauges.holds_open.fetch_add(1, Ordering::Relaxed);
                Ok(proof)
            }
            Err(error) => {
                self.bell.ring();
                Err(error.into())
            }
        }
    }

    async fn wait(&self, ticket: Ticket, path: &Path<U>) -> Result<Asked<U>, NotReserved<U>> {
        let mut place = Place { desk: self, ticket: Some(ticket) };
        let mut time = self.ground.clock.sleep(WAIT_MAX);
        poll_fn(|cx| {
            if self.table.lock().queue.look(ticket, cx.waker()) {
                return Poll::Ready(());
            }
            time.as_mut().poll(cx)
        })
        .await;
        place.ticket = None;
        let now = self.ground.clock.now();
        // From here to the journal nothing waits, so that nobody can leave in between.
        self.table.lock().seat(ticket, path, now)
    }

    pub(super) fn settle(&self, settlement: &Settlement<U>) -> Result<Receipt<U>, StoreError> {
        let (settlement, amount, mark) = match self.table.lock().ending(settlement)? {
            Ending::Ended(receipt) => return Ok(receipt),
            Ending::Write { settlement, amount, mark } => (settlement, amount, mark),
        };
        point("settle.before");
        let written = self.ground.journal.append(Step::Close(&settlement));
        point("settle.written");
        let now = self.ground.clock.now();
        let mut table = self.table.lock();
        match written {
            Ok(line) => {
                table.ended(settlement, mark, line, now);
                let unfolded = table.ends.len();
                let ring = unfolded == 1 || unfolded == FOLD_MAX || table.queue.waiting > 0;
                drop(table);
                self.gauges.holds_open.fetch_sub(1, Ordering::Relaxed);
                self.gauges.unfolded.fetch_add(1, Ordering::Relaxed);
                let loss = settlement.operator.pieces();
                self.gauges.loss.fetch_add(loss, Ordering::Relaxed);
                if ring {
                    self.bell.ring();
                }
            }
            // Somebody else has written the same end, in between.
            Err(StoreError::Violation(Violation::UnknownHold)) => table.ends.failed(mark),
            Err(error) => {
                table.ends.failed(mark);
                table.unwritten.insert(settlement.hold);
                return Err(error);
            }
        }
        Ok(receipt(&settlement, amount))
    }

    async fn balance(&self, account: &AccountId) -> Result<Option<Account<U>>, StoreError> {
        self.flush().await?;
        let (mut found, mut idle) = (None, U::ZERO);
        for _ in 0..READS_MAX {
            let before = self.still(account).await?;
            found = self.ground.vault.balance(account).await?;
            let after = Leased::of(&self.table.lock(), account);
            idle = after.idle;
            if after.version == before.version && !after.moving {
                break;
            }
        }
        // What is leased and idle is nobody's hold. An account that never rests is told as it was
        // a moment ago.
        let held = |held: U| held.saturating_sub(idle).max(U::ZERO);
        Ok(found.map(|found| Account { held: held(found.held), ..found }))
    }

    /// What is leased of an account, when the vault is not being asked for more or given back what
    /// is idle: in between, the vault's numbers and ours are not of one moment.
    async fn still(&self, account: &AccountId) -> Result<Leased<U>, StoreError> {
        self.watch(FLUSH_MAX, |table| {
            let leased = Leased::of(table, account);
            if leased.moving { fenced(table) } else { Some(Ok(leased)) }
        })
        .await
    }

    /// Returns when all that has ended by now is folded.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        let target = {
            let mut table = self.table.lock();
            let target = table.ends.pushed();
            table.flush = target;
            target
        };
        self.bell.ring();
        self.watch(FLUSH_MAX, |table| {
            if table.ends.folded() >= target { Some(Ok(())) } else { fenced(table) }
        })
        .await
    }

    /// Waits for the worker to get somewhere.
    async fn watch<T>(
        &self,
        most: Duration,
        there: impl Fn(&Table<U>) -> Option<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let mut time = self.ground.clock.sleep(most);
        poll_fn(|cx| {
            let mut table = self.table.lock();
            if let Some(result) = there(&table) {
                return Poll::Ready(result);
            }
            if time.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(unavailable("not everything is folded yet")));
            }
            if !table.watchers.iter().any(|waker| waker.will_wake(cx.waker())) {
                table.watchers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}

/// What is known here of an account's lease.
#[derive(Clone, Copy, Debug)]
struct Leased<U: Unit> {
    version: u64,
    moving: bool,
    idle: U,
}

impl<U: Unit> Leased<U> {
    fn of(table: &Table<U>, account: &AccountId) -> Self {
        let Some(slot) = table.rows.find(account) else {
            return Self { version: 0, moving: false, idle: U::ZERO };
        };
        let row = &table.rows[slot];
        Self { version: row.version, moving: row.moving, idle: row.free().max(U::ZERO) }
    }
}

/// Why nothing will happen any more, where somebody else has this process's place.
fn fenced<U: Unit, T>(table: &Table<U>) -> Option<Result<T, StoreError>> {
    let is_fenced = table.standing == Standing::Fenced;
    is_fenced.then(|| table.stands().err().map(Err)).flatten()
}

/// A place in the queue. Whoever leaves takes it along.
struct Place<'a, U: Unit> {
    desk: &'a Desk<U>,
    ticket: Option<Ticket>,
}

impl<U: Unit> Drop for Place<'_, U> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        self.desk.table.lock().leave(ticket);
        // Credit that was set aside here may be what the next one waits for.
        self.desk.bell.ring();
    }
}

/// Sorted and without twins: everybody takes accounts in the same order, and one that stood twice
/// would be asked once and pay twice.
fn in_order<U: Unit>(path: &[Line<U>]) -> Path<U> {
    let mut path: Path<U> = path.iter().cloned().collect();
    path.sort_by(|a, b| a.account.cmp(&b.account));
    path.dedup_by(|a, b| a.account == b.account);
    path
}
