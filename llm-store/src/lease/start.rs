//! A process begins: what the last one has left in its journal, and what is made of it.
//!
//! Ends that were written are folded, unless they have been. Holds that were open end here, by the
//! table of [`charge`], and their ends are written before anything else is: whoever starts again
//! after a crash in the middle finds the same.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use foldhash::HashMap;
use llm_core::ledger::charge::{Ending, Evidence, Unknown, charge};
use llm_core::ledger::rules::{self, Account};
use llm_core::ledger::{AccountId, HoldId, Settlement};
use llm_core::money::Unit;
use llm_core::store::StoreError;
use llm_core::store::vault::Estate;
use parking_lot::Mutex;

use crate::crash::point;
use crate::journal::{Journal, Position, Step, Written};
use crate::plant::{Mistake, planted};

use super::bell::{Bell, all};
use super::ends::{End, receipt};
use super::state::Gauges;
use super::table::Table;
use super::{Desk, Ground, Interrupted, LeasedLedger, Settings, Started, Worker};

/// Ends that the vault is asked about at once.
const QUESTIONS: usize = 64;
/// So many ends in a row that are not folded, and none after them is: they are folded nearly in the
/// order of their lines, one batch at a time, and each batch is marked before the next.
const SURE: usize = 2048;

/// A hold as the journal tells it.
#[derive(Clone, Debug)]
pub(super) struct Told<U: Unit> {
    amount: U,
    path: Vec<AccountId>,
    sent: Option<U>,
    watermark: Option<U>,
}

/// What the journal tells.
pub(super) struct Tale<U: Unit> {
    pub(super) open: HashMap<HoldId, Told<U>>,
    pub(super) ended: Vec<(Position, Settlement<U>, Told<U>)>,
    folded: Position,
    /// The last end whose beginning is gone.
    orphan: Position,
}

impl<U: Unit> LeasedLedger<U> {
    /// Enters the vault, which fences whoever was here before, and takes up what they left.
    pub async fn open(ground: Ground<U>, settings: Settings) -> Result<Started<U>, StoreError> {
        let (who, estates) = ground.vault.enter(&ground.replica).await?;
        let now = ground.clock.now();
        let Tale { open, ended, .. } = read(&ground.journal)?;
        let mut table = Table::default();
        inherit(&mut table, estates, now)?;
        let known = already(&ground, &ended).await?;
        take_up(&mut table, ended, known, now)?;
        let interrupted = interrupt(&ground.journal, open, &settings, &mut table, now)?;
        settle_limits(&ground, &mut table).await?;
        let gauges = Gauges::new(now);
        gauges.reclaimed.store(interrupted.len() as u64, Ordering::Relaxed);
        let lost = interrupted.iter().map(|i| i.settlement.operator.pieces());
        gauges.loss.store(lost.fold(0, i64::saturating_add), Ordering::Relaxed);
        gauges.look(&ground.journal);
        let (table, bell) = (Mutex::new(table), Bell::default());
        let desk = Arc::new(Desk { table, bell, gauges, who, settings, ground });
        {
            let table = desk.table.lock();
            desk.publish(&table);
            desk.add_up(&table);
        }
        let worker = Worker::new(Arc::clone(&desk));
        Ok(Started { ledger: Self { desk }, worker, interrupted })
    }
}

fn read<U: Unit>(journal: &Journal<U>) -> Result<Tale<U>, StoreError> {
    let mut tale = Tale::default();
    journal.replay(Position::default(), |at, line| {
        tale.tell(at, line);
        Ok(())
    })?;
    tale.told()
}

impl<U: Unit> Default for Tale<U> {
    fn default() -> Self {
        let (folded, orphan) = (Position::default(), Position::default());
        Self { open: HashMap::default(), ended: Vec::new(), folded, orphan }
    }
}

impl<U: Unit> Tale<U> {
    /// The next line.
    pub(super) fn tell(&mut self, at: Position, line: Written<U>) {
        match line {
            Written::Open { hold, amount, path } => {
                self.open.insert(hold, Told { amount, path, sent: None, watermark: None });
            }
            Written::Carried { hold, amount, path, sent, watermark } => {
                self.open.insert(hold, Told { amount, path, sent, watermark });
            }
            Written::Dispatch(hold, cost) => {
                self.open.entry(hold).and_modify(|told| told.sent = told.sent.max(Some(cost)));
            }
            Written::Watermark(..) if planted(Mistake::WatermarkIgnored) => {}
            Written::Watermark(hold, cost) => {
                self.open.entry(hold).and_modify(|told| {
                    told.sent.get_or_insert(U::ZERO);
                    told.watermark = told.watermark.max(Some(cost));
                });
            }
            Written::Close(settlement) => match self.open.remove(&settlement.hold) {
                Some(told) => self.ended.push((at, settlement, told)),
                None => self.orphan = at,
            },
            Written::Folded(up_to) => self.folded = self.folded.max(up_to),
        }
    }

    /// There are no more: the ends that may not be folded, and the holds without one.
    pub(super) fn told(mut self) -> Result<Self, StoreError> {
        // A beginning goes when its end is folded, and not before.
        if self.orphan > self.folded {
            return Err(StoreError::Corrupt("an end without its hold in the journal".into()));
        }
        self.ended.retain(|(at, ..)| *at > self.folded);
        Ok(self)
    }
}

pub(super) fn inherit<U: Unit>(
    table: &mut Table<U>,
    estates: Vec<Estate<U>>,
    now: Instant,
) -> Result<(), StoreError> {
    for (account, leased) in estates.into_iter().flat_map(|estate| estate.leases) {
        let slot = table.rows.open(&account, None, now);
        let row = &mut table.rows[slot.ok_or_else(too_many)?];
        row.known = true;
        row.leased = row.leased.saturating_add(leased);
    }
    Ok(())
}

/// Which of these the vault knows: the last batch may have happened without being marked.
async fn already<U: Unit>(
    ground: &Ground<U>,
    ended: &[(Position, Settlement<U>, Told<U>)],
) -> Result<Vec<Option<Settlement<U>>>, StoreError> {
    let mut known = Vec::with_capacity(ended.len());
    let mut in_a_row = 0;
    for some in ended.chunks(QUESTIONS) {
        if in_a_row >= SURE {
            break;
        }
        let asked = some.iter().map(|(_, settlement, _)| ground.vault.ended(settlement.hold));
        for answer in all(asked.collect()).await {
            let answer = answer?;
            in_a_row = if answer.is_some() { 0 } else { in_a_row + 1 };
            known.push(answer);
        }
    }
    known.resize(ended.len(), None);
    Ok(known)
}

/// Takes ends up, those aside that the vault knows.
pub(super) fn take_up<U: Unit>(
    table: &mut Table<U>,
    ended: Vec<(Position, Settlement<U>, Told<U>)>,
    known: Vec<Option<Settlement<U>>>,
    now: Instant,
) -> Result<(), StoreError> {
    for ((at, settlement, told), known) in ended.into_iter().zip(known) {
        match known {
            Some(first) => {
                table.recent.push(receipt(&first, told.amount));
                table.ends.skip(at);
            }
            None => resume(table, settlement, &told, at, now)?,
        }
    }
    Ok(())
}

/// Takes an end up where the last process left it.
pub(super) fn resume<U: Unit>(
    table: &mut Table<U>,
    settlement: Settlement<U>,
    told: &Told<U>,
    at: Position,
    now: Instant,
) -> Result<(), StoreError> {
    let mut slots = super::rows::Slots::new();
    for account in &told.path {
        slots.push(table.rows.open(account, None, now).ok_or_else(too_many)?);
    }
    for slot in &slots {
        let row = &mut table.rows[*slot];
        row.refs += 1;
        row.paid = row.paid.saturating_add(settlement.tenant);
    }
    table.recent.push(receipt(&settlement, told.amount));
    let ticket = table.ends.begin();
    table.ends.push(End { settlement, amount: told.amount, slots, at: now, ticket }, at);
    Ok(())
}

/// How a hold ends, and what was told of it.
pub(super) type Verdict<U> = (Settlement<U>, Told<U>);

/// How what was open ends: nothing was sent, or as much is owed as is known.
pub(super) fn verdicts<U: Unit>(
    open: HashMap<HoldId, Told<U>>,
    unknown: Unknown,
) -> Result<Vec<Verdict<U>>, StoreError> {
    let mut open: Vec<_> = open.into_iter().collect();
    // The same order every time.
    open.sort_unstable_by_key(|(hold, _)| *hold);
    let ends = open.into_iter().map(|(hold, told)| {
        let mut scratch = Account::unlimited();
        let proof = rules::reserve(&mut [&mut scratch], hold, told.amount);
        let proof = proof.map_err(|_| StoreError::Corrupt("a hold of less than nothing".into()))?;
        let Told { sent, watermark, .. } = told;
        let prompt = sent.unwrap_or_default();
        let evidence = Evidence { sent: sent.is_some(), prompt, watermark, ..Evidence::default() };
        let charged = charge(Ending::Crashed(unknown), &evidence, &proof);
        Ok((charged.settle(&proof), told))
    });
    ends.collect()
}

/// Writes how they end, and takes that up.
fn interrupt<U: Unit>(
    journal: &Journal<U>,
    open: HashMap<HoldId, Told<U>>,
    settings: &Settings,
    table: &mut Table<U>,
    now: Instant,
) -> Result<Vec<Interrupted<U>>, StoreError> {
    let ends = verdicts(open, settings.unknown)?;
    point("start.before");
    let lines = journal.append_all(ends.iter().map(|(settlement, _)| Step::Close(settlement)))?;
    point("start.written");
    let mut interrupted = Vec::with_capacity(ends.len());
    for ((settlement, told), at) in ends.into_iter().zip(lines) {
        resume(table, settlement, &told, at, now)?;
        let Told { amount, path, sent, watermark } = told;
        interrupted.push(Interrupted { settlement, amount, path, sent, watermark });
    }
    Ok(interrupted)
}

/// Calls state limits, and there has been none: credit that was used on trust is asked for under
/// the limit that is stored.
async fn settle_limits<U: Unit>(
    ground: &Ground<U>,
    table: &mut Table<U>,
) -> Result<(), StoreError> {
    for slot in table.rows.slots() {
        if table.rows[slot].indebted() {
            let found = ground.vault.balance(&table.rows[slot].id).await?;
            table.rows[slot].limit = found.and_then(|account| account.limit);
            table.want(slot);
        }
    }
    Ok(())
}

fn too_many() -> StoreError {
    StoreError::Full("more accounts than this process may use".into())
}
