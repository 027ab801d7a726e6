//! The auditor: what must hold, checked from outside at every step.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicI64, Ordering};

use llm_core::ledger::{AccountId, HoldId, Settlement};
use llm_core::money::{Money, Unit};
use llm_core::store::{CallRecord, Line, Outcome};
use parking_lot::Mutex;

use super::Report;
use super::setting::World;

/// The auditor.
#[derive(Debug)]
pub(super) struct Audit {
    seen: Mutex<Seen>,
    /// Bodies of upstreams that are open.
    pub(super) bodies: AtomicI64,
}

#[derive(Debug, Default)]
struct Seen {
    report: Report,
    hash: DefaultHasher,
    accounts: BTreeMap<AccountId, Sum>,
    calls: BTreeMap<u32, CallSeen>,
}

/// An account, as simple as it can be.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    limit: Option<Money>,
    settled: i64,
    held: i64,
}

#[derive(Clone, Debug, Default)]
struct CallSeen {
    path: Vec<AccountId>,
    held: i64,
    settled: Option<Settlement>,
    dispatched: u32,
    sent: u32,
    committed: bool,
    /// Its stream may go on elsewhere.
    resumes: bool,
    over: bool,
    records: u32,
}

/// A call's attempts, all targets together: the policy's own limit.
const ATTEMPTS_MAX: u32 = 4;
/// Violations kept; the first ones tell the story.
const VIOLATIONS_MAX: usize = 50;

impl Audit {
    pub(super) fn new() -> Self {
        Self { seen: Mutex::default(), bodies: AtomicI64::new(0) }
    }

    /// Something happened that must not.
    pub(super) fn violation(&self, text: impl Into<String>) {
        let mut seen = self.seen.lock();
        if seen.report.violations.len() < VIOLATIONS_MAX {
            seen.report.violations.push(text.into());
        }
    }

    fn check(&self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.violation(text());
        }
    }

    /// Money was set aside.
    pub(super) fn reserved(&self, hold: HoldId, path: &[Line], amount: Money) {
        let n = number(hold);
        let mut wrong = Vec::new();
        let mut guard = self.seen.lock();
        let seen = &mut *guard;
        (n, "reserve", amount.0).hash(&mut seen.hash);
        for line in path {
            let sum = seen.accounts.entry(line.account.clone()).or_default();
            sum.limit = line.limit;
            sum.held += amount.0;
            if sum.limit.is_some_and(|limit| sum.settled + sum.held > limit.0) {
                wrong.push(format!("call {n}: {:?} is over its limit: {sum:?}", line.account));
            }
        }
        let call = seen.calls.entry(n).or_default();
        if call.held != 0 || call.settled.is_some() {
            wrong.push(format!("call {n} set money aside twice"));
        }
        call.path = path.iter().map(|l| l.account.clone()).collect();
        call.held = amount.0;
        drop(guard);
        wrong.into_iter().for_each(|w| self.violation(w));
    }

    /// Somebody is about to be asked.
    pub(super) fn dispatched(&self, hold: HoldId) {
        let n = number(hold);
        let mut seen = self.seen.lock();
        let call = seen.calls.entry(n).or_default();
        call.dispatched += 1;
        let open = !call.path.is_empty() && call.settled.is_none();
        drop(seen);
        self.check(open, || format!("call {n} is sent without money"));
    }

    /// A request went out for a call.
    pub(super) fn sent(&self, n: u32, host: &str) {
        let mut guard = self.seen.lock();
        let seen = &mut *guard;
        (n, "sent", host).hash(&mut seen.hash);
        seen.report.sends += 1;
        let call = seen.calls.entry(n).or_default();
        call.sent += 1;
        let call = call.clone();
        drop(guard);
        self.check(call.sent <= call.dispatched, || format!("call {n}: sent without a hold"));
        self.check(!call.committed || call.resumes, || {
            format!("call {n}: an attempt after the caller saw it begin")
        });
        self.check(!call.over, || format!("call {n}: an attempt after its end"));
        self.check(call.sent <= ATTEMPTS_MAX, || format!("call {n}: {} attempts", call.sent));
    }

    /// A hold was ended.
    pub(super) fn settled(&self, settlement: &Settlement) {
        let n = number(settlement.hold);
        let mut wrong = Vec::new();
        let mut guard = self.seen.lock();
        let seen = &mut *guard;
        (n, "settle", settlement.tenant.0, settlement.operator.0).hash(&mut seen.hash);
        let call = seen.calls.entry(n).or_default();
        if call.settled.is_some() {
            wrong.push(format!("call {n} is settled twice"));
        } else if call.path.is_empty() {
            wrong.push(format!("call {n} is settled and was never held"));
        } else {
            if settlement.tenant.is_negative() || settlement.tenant.0 > call.held {
                let held = call.held;
                wrong.push(format!("call {n}: {} charged of {held}", settlement.tenant));
            }
            for account in &call.path {
                let sum = seen.accounts.entry(account.clone()).or_default();
                sum.held -= call.held;
                sum.settled += settlement.tenant.0;
            }
        }
        call.settled = Some(*settlement);
        drop(guard);
        wrong.into_iter().for_each(|w| self.violation(w));
    }

    /// What a call was charged, once it is settled.
    pub(super) fn settlement(&self, n: u32) -> Option<Settlement> {
        self.seen.lock().calls.get(&n).and_then(|c| c.settled)
    }

    /// The caller has seen the beginning of an answer.
    pub(super) fn committed(&self, n: u32, resumes: bool) {
        let mut seen = self.seen.lock();
        let call = seen.calls.entry(n).or_default();
        call.committed = true;
        call.resumes = resumes;
    }

    /// How a call ended in the caller's eyes.
    pub(super) fn ended(&self, n: u32, how: Outcome, said: &[u8]) {
        let mut guard = self.seen.lock();
        let seen = &mut *guard;
        (n, format!("{how:?}"), said).hash(&mut seen.hash);
        seen.calls.entry(n).or_default().over = true;
    }

    /// How many calls ended how.
    pub(super) fn tally(&self, add: impl FnOnce(&mut Report)) {
        add(&mut self.seen.lock().report);
    }

    /// A record of a call was kept.
    pub(super) fn recorded(&self, record: &CallRecord) {
        let n = number(record.id.into());
        let mut guard = self.seen.lock();
        let call = guard.calls.entry(n).or_default();
        call.records += 1;
        let (records, settled) = (call.records, call.settled);
        drop(guard);
        self.check(records == 1, || format!("call {n} has {records} records"));
        let charged = settled.map_or(0, |s| s.tenant.0);
        self.check(charged == record.charged.0, || {
            format!("call {n}: {} on record, {charged} charged", record.charged)
        });
    }

    /// Nobody calls and nothing is under way: everything that was lent is back.
    pub(super) fn at_rest(&self, world: &World) {
        let seen = self.seen.lock();
        let mut wrong = Vec::new();
        for (n, call) in &seen.calls {
            if call.over && !call.path.is_empty() && call.settled.is_none() {
                wrong.push(format!("call {n} is over, and its money still held"));
            }
            if call.over && call.records != 1 {
                wrong.push(format!("call {n} is over, with {} records", call.records));
            }
        }
        for (account, real) in world.ledger.accounts() {
            let sum = seen.accounts.get(&account).copied().unwrap_or_default();
            if (sum.settled, sum.held) != (real.settled.0, real.held.0) {
                wrong.push(format!("{account:?}: {real:?} on the books, {sum:?} by our count"));
            }
        }
        drop(seen);
        let bodies = self.bodies.load(Ordering::SeqCst);
        if bodies != 0 {
            wrong.push(format!("{bodies} upstream bodies are still open"));
        }
        if world.ledger.holds_open() != 0 {
            wrong.push(format!("{} holds are still open", world.ledger.holds_open()));
        }
        for (name, value) in world.gauges() {
            if value != 0.0 {
                wrong.push(format!("{name} is {value} at rest"));
            }
        }
        wrong.into_iter().for_each(|w| self.violation(w));
    }

    pub(super) fn report(&self) -> Report {
        let seen = self.seen.lock();
        Report { fingerprint: seen.hash.finish(), ..seen.report.clone() }
    }
}

/// The number of a call is in its id.
fn number(hold: HoldId) -> u32 {
    u32::try_from(hold.0 & u128::from(u32::MAX)).unwrap_or(0)
}
