//! One process: the table that runs, and a journal and a worker that are played.

use std::collections::BTreeMap;
use std::time::Instant;

use futures_util::FutureExt;
use llm_core::ledger::charge::Unknown;
use llm_core::ledger::{HoldId, Settlement};
use llm_core::money::Money;
use llm_core::store::vault::{LeaseAsk, Tenure, Vault};
use llm_core::store::{Line, NotReserved, StoreError};

use crate::journal::{Position, Written};
use crate::lease::flow::Ask;
use crate::lease::fold::Batch;
use crate::lease::start::{Tale, inherit, resume, take_up, verdicts};
use crate::lease::table::{Asked, Ending, Path, Standing, Table};
use crate::memory::MemoryVault;

use super::super::{key, pays};

pub(super) const AMOUNT: Money = Money(2);
pub(super) const LIMIT: Money = Money(4);

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Waits(u64),
    /// In memory, and not in the journal.
    Made,
    /// The caller knows of it, and one unit is owed.
    Written,
    Over,
}

/// A request under way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) who: Tenure,
    request: Request,
    answer: Option<Result<Vec<Money>, NotReserved>>,
}

#[derive(Clone, Debug)]
enum Request {
    Lease(Vec<Ask<Money>>),
    Fold(Batch<Money>),
}

#[derive(Clone)]
pub(super) struct Site {
    pub(super) who: Tenure,
    pub(super) table: Table<Money>,
    journal: Vec<Written>,
    pub(super) flight: Option<Flight>,
    doubt: Option<Batch<Money>>,
    pub(super) calls: BTreeMap<u128, Call>,
    /// What callers were told, or a recovery has decided.
    pub(super) ended: BTreeMap<HoldId, Settlement>,
}

fn path() -> Path<Money> {
    Path::from_iter([Line { account: key("a"), limit: Some(LIMIT) }])
}

pub(super) fn at_once<T>(future: llm_core::seam::BoxFuture<'_, T>) -> T {
    future.now_or_never().expect("memory does not wait")
}

impl Site {
    pub(super) fn new(replica: &str, vault: &MemoryVault) -> Self {
        let who = at_once(vault.enter(replica)).unwrap().0;
        let (journal, calls, ended) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let table = Table::default();
        Self { who, table, journal, flight: None, doubt: None, calls, ended }
    }

    fn write(&mut self, line: Written) -> Position {
        self.journal.push(line);
        Position { segment: 1, offset: self.journal.len() as u64 }
    }

    fn asked(&mut self, hold: u128, asked: Result<Asked<Money>, NotReserved>) -> bool {
        let call = match asked {
            Ok(Asked::Made(_)) => Call::Made,
            Ok(Asked::Wait(ticket)) => Call::Waits(ticket),
            Ok(Asked::Open(_)) => panic!("made twice"),
            Err(_) => Call::Over,
        };
        self.calls.insert(hold, call);
        call == Call::Over
    }

    /// Whether it was refused.
    pub(super) fn reserve(&mut self, hold: u128, now: Instant) -> bool {
        let asked = self.table.reserve(HoldId(hold), &path(), AMOUNT, now);
        self.asked(hold, asked)
    }

    pub(super) fn seat(&mut self, hold: u128, ticket: u64, now: Instant) -> bool {
        self.table.admit(now);
        let asked = self.table.seat(ticket, &path(), now);
        self.asked(hold, asked)
    }

    pub(super) fn open(&mut self, hold: u128) {
        let (hold_id, path) = (HoldId(hold), vec![key("a")]);
        self.write(Written::Open { hold: hold_id, amount: AMOUNT, path });
        self.table.opened(hold_id, true);
        self.write(Written::Dispatch(hold_id, Money(1)));
        self.table.hold(hold_id).unwrap().sent = Some(Money(1));
        self.calls.insert(hold, Call::Written);
    }

    /// Twice, as somebody who was not sure would.
    pub(super) fn settle(&mut self, hold: u128, now: Instant) {
        let paid = pays(hold, AMOUNT.0);
        let Ending::Write { settlement, mark, .. } = self.table.ending(&paid).unwrap() else {
            panic!("it has ended before");
        };
        let line = self.write(Written::Close(settlement));
        self.table.ended(settlement, mark, line, now);
        let again = self.table.ending(&pays(hold, 0)).unwrap();
        assert!(matches!(again, Ending::Ended(first) if first.posted == AMOUNT));
        self.ended.insert(HoldId(hold), settlement);
        self.calls.insert(hold, Call::Over);
    }

    pub(super) fn serves(&self) -> bool {
        self.table.standing == Standing::Open
    }

    pub(super) fn in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    fn send(&mut self, request: Request) {
        assert!(self.flight.is_none());
        self.flight = Some(Flight { who: self.who.clone(), request, answer: None });
    }

    /// Asks for what is lacking. Whether there was anything.
    pub(super) fn ask(&mut self, now: Instant) -> bool {
        let asks = self.table.asks(4, now);
        let any = !asks.is_empty();
        if any {
            self.send(Request::Lease(asks));
        }
        any
    }

    /// Carries ends, or what is in doubt; a sweep gives back what is idle.
    pub(super) fn fold(&mut self, sweep: bool, now: Instant) -> bool {
        self.table.flush = u64::MAX;
        let batch = self.doubt.take().or_else(|| self.table.batch(sweep, now));
        let any = batch.is_some();
        if let Some(batch) = batch {
            self.send(Request::Fold(batch));
        }
        any
    }

    /// An answer arrives, or word that there will be none.
    pub(super) fn hear(&mut self, lost: bool, now: Instant) {
        let Flight { request, answer, .. } = self.flight.take().unwrap();
        let unknown = || StoreError::Unavailable("the network".into());
        let answer = if lost { Err(unknown().into()) } else { answer.unwrap() };
        if let Err(NotReserved::Store(StoreError::Conflict(_))) = &answer {
            self.table.standing = Standing::Fenced;
            return;
        }
        match (request, answer) {
            (Request::Lease(asks), Ok(has)) => self.table.lent(&asks, &has, now),
            (Request::Lease(asks), Err(NotReserved::Refused { account, why })) => {
                self.table.refused(&asks, account.as_ref(), why, now);
            }
            (Request::Lease(asks), Err(_)) => self.table.unheard(&asks),
            (Request::Fold(batch), Ok(_)) => {
                self.table.folded(&batch);
                let horizon = self.table.ends.horizon();
                self.write(Written::Folded(horizon));
            }
            (Request::Fold(batch), Err(NotReserved::Store(StoreError::Unavailable(_)))) => {
                self.doubt = Some(batch);
            }
            (Request::Fold(_), Err(error)) => panic!("{error}"),
        }
        self.table.admit(now);
    }

    /// Dies, and is there again. What it had under way may still arrive.
    pub(super) fn crash(&mut self, vault: &MemoryVault, now: Instant) -> Option<Flight> {
        let (who, estates) = at_once(vault.enter(&self.who.replica)).unwrap();
        let mut tale = Tale::default();
        for (at, line) in self.journal.iter().enumerate() {
            tale.tell(Position { segment: 1, offset: at as u64 + 1 }, line.clone());
        }
        let tale = tale.told().unwrap();
        let mut table = Table::default();
        inherit(&mut table, estates, now).unwrap();
        let known = tale.ended.iter().map(|(_, end, _)| at_once(vault.ended(end.hold)).unwrap());
        let known = known.collect();
        take_up(&mut table, tale.ended, known, now).unwrap();
        for (settlement, told) in verdicts(tale.open, Unknown::Prompt).unwrap() {
            assert_eq!(settlement.tenant, Money(1), "what was sent is owed");
            let at = self.write(Written::Close(settlement));
            resume(&mut table, settlement, &told, at, now).unwrap();
            self.ended.insert(settlement.hold, settlement);
        }
        for call in self.calls.values_mut() {
            *call = Call::Over;
        }
        (self.who, self.table, self.doubt) = (who, table, None);
        self.flight.take().filter(|flight| flight.answer.is_none())
    }

    /// All that tells this state from another.
    pub(super) fn told(&self) -> String {
        let mut rows: Vec<_> = self.table.rows.iter().cloned().collect();
        rows.iter_mut().for_each(|row| row.version = 0);
        let table = &self.table;
        let mut holds: Vec<_> = table.holds.iter().map(|(id, hold)| (*id, hold.opened)).collect();
        holds.sort_unstable();
        let said = (&rows, holds, &table.ends, &table.queue.places, &table.wants, &table.standing);
        let flight = self.flight.as_ref().map(Flight::told);
        let doubt = self.doubt.as_ref().map(|batch| &batch.fold);
        format!("{said:?} {flight:?} {doubt:?} {:?} {:?} {:?}", self.calls, self.who, self.journal)
    }
}

impl Flight {
    /// The vault takes it.
    pub(super) fn arrive(&mut self, vault: &MemoryVault) {
        self.answer = Some(match &self.request {
            Request::Lease(asks) => {
                let asks: Vec<LeaseAsk> = asks.iter().map(|ask| ask.ask.clone()).collect();
                at_once(vault.lease(&self.who, &asks))
            }
            Request::Fold(batch) => {
                let done = at_once(vault.fold(&self.who, &batch.fold));
                done.map(|()| Vec::new()).map_err(NotReserved::from)
            }
        });
    }

    pub(super) fn answered(&self) -> bool {
        self.answer.is_some()
    }

    pub(super) fn told(&self) -> String {
        let request = match &self.request {
            Request::Lease(asks) => format!("{asks:?}"),
            Request::Fold(batch) => format!("{:?}", batch.fold),
        };
        format!("{:?} {request} {:?}", self.who, self.answer)
    }
}
