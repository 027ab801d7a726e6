//! The worker: one request to the vault at a time, for as long as the process lives.
//!
//! Order of what is due: what may have happened is repeated, then life is shown, then ends that
//! have waited too long, then those who wait, then ends, then what is idle. Of those who wait and ends
//! that have waited too long none goes twice before the other. After a failure nothing is asked for a
//! moment that doubles, up to a second.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use llm_core::ledger::AccountId;
use llm_core::ledger::rules::Refused;
use llm_core::money::{Money, Unit};
use llm_core::seam::BoxFuture;
use llm_core::store::vault::LeaseAsk;
use llm_core::store::{NotReserved, StoreError};

use crate::crash::point;
use crate::journal::Position;
use crate::plant::{Mistake, planted};

use super::Desk;
use super::bell::within;
use super::flow::Ask;
use super::fold::{Batch, GATHER};
use super::ledger::FOLD_MAX;
use super::table::{Standing, Table};

/// Accounts in one request for credit: all are granted or none.
const ASKS_MAX: usize = 64;
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// A vault that is back is found within this.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// A vault that takes longer is as good as gone to those who wait.
const SLOW: Duration = Duration::from_secs(1);
/// Ends that waited longer go before those who wait for credit.
const LATE: Duration = Duration::from_millis(50);
/// How often idle credit is looked for.
const SWEEP: Duration = Duration::from_millis(250);

/// Speaks with the vault.
#[derive(Debug)]
pub struct Worker<U: Unit = Money> {
    desk: Arc<Desk<U>>,
    /// A step that may have happened.
    doubt: Option<Batch<U>>,
    pause: Duration,
    /// Nothing is asked before.
    after: Option<Instant>,
    beaten: Option<Instant>,
    swept: Instant,
    /// The last step was ends: where one takes longer than ends may wait, those who wait for credit
    /// would else never be asked for.
    folded: bool,
    /// Accounts in the next request: fewer when one of them has refused for all.
    bundle: usize,
    marked: Position,
}

enum Step<U: Unit> {
    Fold(Batch<U>),
    Lease(Vec<Ask<U>>),
    Beat,
    Rest(Duration),
    End,
}

impl<U: Unit> Worker<U> {
    pub(super) fn new(desk: Arc<Desk<U>>) -> Self {
        let swept = desk.ground.clock.now();
        Self {
            desk,
            doubt: None,
            pause: PAUSE_MIN,
            after: None,
            beaten: None,
            swept,
            folded: false,
            bundle: ASKS_MAX,
            marked: Position::default(),
        }
    }

    /// Works until the ledger is shut down, or another process was given this one's place.
    pub async fn run(mut self) {
        loop {
            match self.plan() {
                Step::Fold(batch) => self.fold(batch).await,
                Step::Lease(asks) => self.lease(asks).await,
                Step::Beat => self.beat().await,
                Step::Rest(time) => {
                    let time = self.desk.ground.clock.sleep(time);
                    self.desk.bell.rest(time).await;
                }
                Step::End => return,
            }
        }
    }

    fn plan(&mut self) -> Step<U> {
        let desk = Arc::clone(&self.desk);
        let now = desk.ground.clock.now();
        let sweep = now.saturating_duration_since(self.swept) >= SWEEP;
        if sweep {
            self.swept = now;
            self.tidy();
        }
        let mut table = desk.table.lock();
        table.admit(now);
        let step = self.step(&mut table, sweep, now);
        if sweep {
            table.progress();
            desk.add_up(&table);
        }
        desk.publish(&table);
        step
    }

    fn step(&mut self, table: &mut Table<U>, sweep: bool, now: Instant) -> Step<U> {
        if matches!(table.standing, Standing::Fenced | Standing::Left) {
            table.progress();
            return Step::End;
        }
        if let Some(after) = self.after.filter(|after| now < *after) {
            return Step::Rest(after - now);
        }
        if let Some(batch) = self.doubt.take() {
            return Step::Fold(batch);
        }
        let third = self.desk.settings.tenure / 3;
        let since = |at| now.saturating_duration_since(at);
        if self.beaten.is_none_or(|at| since(at) >= third) {
            return Step::Beat;
        }
        let late = table.ends.oldest().is_some_and(|at| since(at) >= LATE);
        let late = late || table.ends.len() >= 4 * FOLD_MAX;
        if late
            && !self.folded
            && let Some(batch) = table.batch(sweep, now)
        {
            return Step::Fold(batch);
        }
        let asks = table.asks(self.bundle, now);
        if !asks.is_empty() {
            return Step::Lease(asks);
        }
        if let Some(batch) = table.batch(sweep, now) {
            return Step::Fold(batch);
        }
        if !table.wants.is_empty() {
            return Step::Rest(Duration::ZERO);
        }
        if table.standing == Standing::Leaving && table.is_left() {
            table.standing = Standing::Left;
            table.progress();
            return Step::End;
        }
        let gather = table.ends.oldest().map(|at| GATHER.saturating_sub(since(at)));
        let beat = third.saturating_sub(self.beaten.map_or(third, since));
        let rest = SWEEP.saturating_sub(since(self.swept)).min(beat);
        Step::Rest(gather.map_or(rest, |gather| gather.min(rest)))
    }

    async fn fold(&mut self, batch: Batch<U>) {
        self.folded = true;
        let desk = Arc::clone(&self.desk);
        if planted(Mistake::MarkedEarly) {
            let last = desk.table.lock().ends.last();
            self.mark(last);
        }
        point("fold.before");
        let answer = self.patiently(desk.ground.vault.fold(&desk.who, &batch.fold)).await;
        point("fold.done");
        match answer {
            Ok(()) => {
                let horizon = {
                    let mut table = desk.table.lock();
                    table.folded(&batch);
                    table.ends.horizon()
                };
                self.up();
                self.mark(horizon);
            }
            Err(error) => {
                self.doubt = Some(batch);
                self.failed(&error, "ends are not folded");
            }
        }
    }

    /// What is folded may go from the journal.
    fn mark(&mut self, horizon: Position) {
        if horizon <= self.marked {
            return;
        }
        match self.desk.ground.journal.folded(horizon) {
            Ok(()) => self.marked = horizon,
            // Folded again after a crash, to no effect.
            Err(error) => tracing::error!(%error, "the journal does not take what is folded"),
        }
    }

    async fn lease(&mut self, asks: Vec<Ask<U>>) {
        self.folded = false;
        let desk = Arc::clone(&self.desk);
        let told: Vec<LeaseAsk<U>> = asks.iter().map(|ask| ask.ask.clone()).collect();
        point("lease.before");
        let leased = desk.ground.vault.lease(&desk.who, &told);
        let leased: BoxFuture<'_, _> = Box::pin(async { Ok::<_, StoreError>(leased.await) });
        let answer = self.patiently(leased).await.unwrap_or_else(|e| Err(e.into()));
        point("lease.granted");
        let now = desk.ground.clock.now();
        match answer {
            Ok(has) if has.len() == asks.len() => {
                desk.table.lock().lent(&asks, &has, now);
                self.bundle = (self.bundle * 2).min(ASKS_MAX);
                self.up();
            }
            Ok(_) => {
                let words = "the vault has answered other accounts than were asked";
                self.not_leased(&asks, &StoreError::Corrupt(words.into()));
            }
            Err(NotReserved::Refused { account, why }) => {
                self.refused(&asks, account.as_ref(), why, now);
                self.up();
            }
            Err(NotReserved::Store(error)) => self.not_leased(&asks, &error),
        }
    }

    fn refused(
        &mut self,
        asks: &[Ask<U>],
        account: Option<&AccountId>,
        why: Refused<U>,
        now: Instant,
    ) {
        let said = self.desk.table.lock().refused(asks, account, why, now);
        self.bundle = if said { (asks.len() / 2).max(1) } else { 1 };
    }

    fn not_leased(&mut self, asks: &[Ask<U>], error: &StoreError) {
        self.desk.table.lock().unheard(asks);
        // First: whoever is without limit goes on, whatever is wrong with the vault.
        self.failed(error, "no credit is leased");
        if !error.retryable() {
            let slots: Vec<u32> = asks.iter().map(|ask| ask.slot).collect();
            self.desk.table.lock().fail(&slots, &NotReserved::Store(error.clone()));
        }
    }

    async fn beat(&mut self) {
        let desk = Arc::clone(&self.desk);
        match self.patiently(desk.ground.vault.beat(&desk.who, desk.settings.tenure)).await {
            Ok(()) => {
                self.beaten = Some(desk.ground.clock.now());
                self.up();
            }
            Err(error) => self.failed(&error, "the vault does not hear that this process lives"),
        }
    }

    /// Asks. Never leaves a request: one that was left could happen after the next, and give back
    /// what the next has leased. How long it may take is for the vault to say, with an answer.
    async fn patiently<T>(
        &mut self,
        mut request: BoxFuture<'_, Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let clock = Arc::clone(&self.desk.ground.clock);
        if let Some(answer) = within(&mut clock.sleep(SLOW), &mut request).await {
            return answer;
        }
        self.down();
        loop {
            if let Some(answer) = within(&mut clock.sleep(SWEEP), &mut request).await {
                return answer;
            }
            self.tidy();
            let mut table = self.desk.table.lock();
            table.admit(clock.now());
            self.desk.publish(&table);
            self.desk.add_up(&table);
        }
    }

    fn failed(&mut self, error: &StoreError, what: &'static str) {
        if let StoreError::Conflict(_) = error {
            tracing::error!(%error, "another process has this one's place: no more holds");
            self.fence(error);
            return;
        }
        tracing::warn!(%error, "{what}");
        self.down();
        self.after = Some(self.desk.ground.clock.now() + self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
    }

    fn fence(&self, error: &StoreError) {
        let mut table = self.desk.table.lock();
        table.standing = Standing::Fenced;
        let all = table.rows.slots();
        table.fail(&all, &NotReserved::Store(error.clone()));
        table.progress();
    }

    /// Those whose accounts are trusted go on.
    fn down(&self) {
        let now = self.desk.ground.clock.now();
        let mut table = self.desk.table.lock();
        table.down_since.get_or_insert(now);
        table.admit(now);
        self.desk.publish(&table);
    }

    fn up(&mut self) {
        (self.pause, self.after) = (PAUSE_MIN, None);
        let was = self.desk.table.lock().down_since.take();
        if was.is_some() {
            tracing::info!("the vault answers again");
        }
    }

    /// What is seen to from time to time: room on the disk, and ends that found none.
    fn tidy(&self) {
        let desk = &self.desk;
        if let Err(error) = desk.ground.journal.make_room() {
            tracing::warn!(%error, "the journal");
        }
        let unwritten: Vec<_> = {
            let table = desk.table.lock();
            let (ends, holds) = (&table.unwritten, &table.holds);
            ends.iter().filter_map(|id| holds.get(id)?.ending).collect()
        };
        for settlement in unwritten {
            if let Err(error) = desk.settle(&settlement) {
                tracing::error!(%error, hold = %settlement.hold, "ends are not written");
                break;
            }
        }
        desk.gauges.look(&desk.ground.journal);
    }
}

impl<U: Unit> Desk<U> {
    /// Puts the numbers where whoever looks waits for nobody.
    pub(super) fn publish(&self, table: &Table<U>) {
        let gauges = &self.gauges;
        let put = |to: &std::sync::atomic::AtomicU64, n: u64| to.store(n, Ordering::Relaxed);
        put(&gauges.accounts, table.rows.len() as u64);
        put(&gauges.unfolded, table.ends.len() as u64);
        put(&gauges.degraded, u64::from(table.down_since.is_some()));
        put(&gauges.fenced, u64::from(table.standing == Standing::Fenced));
        gauges.aged(table.ends.oldest());
    }

    /// The same, for what is too long to be added up at every step.
    pub(super) fn add_up(&self, table: &Table<U>) {
        let leased = table.rows.iter().fold(U::ZERO, |sum, row| sum.saturating_add(row.leased));
        self.gauges.leased.store(leased.pieces(), Ordering::Relaxed);
    }
}
