//! The queue as a value: enter, leave, finish. Nothing here waits or knows a clock.

use std::time::{Duration, Instant};

use foldhash::HashMap;
use llm_core::Str;
use llm_core::principal::Priority;
use smallvec::SmallVec;

use super::class::Class;

/// How much there is of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Calls that run at once.
    pub slots: u32,
    /// Calls that wait; more than 16384 is not more.
    pub waiting_max: usize,
    /// Bytes of the bodies of those that wait.
    pub waiting_bytes_max: usize,
}

/// Enough for a small machine: what is beyond waits, and what is beyond that is told so. A fifth of the
/// places is kept for calls that cannot wait, so that ten thousand others are under way.
impl Default for Bounds {
    fn default() -> Self {
        Self { slots: 12_500, waiting_max: 10_000, waiting_bytes_max: 256 << 20 }
    }
}

/// Who asks for a place.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// Earlier classes first.
    pub priority: Priority,
    /// In whose line; lines of a class take turns.
    pub line: Str,
    /// What the call weighs: tokens it may read and write.
    pub tokens: u64,
    /// What its body weighs while it waits.
    pub bytes: usize,
    /// When it no longer needs the place.
    pub deadline: Instant,
}

/// Names a waiting call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(u64);

/// What became of a call that asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It runs.
    Started,
    /// It waits.
    Waiting(WaiterId),
    /// It may not even wait.
    Refused(Shed),
}

/// Why a call gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    /// The queue is full of calls that come before it.
    Full,
    /// It waited, and calls that come before it needed the room.
    Overtaken,
    /// It could not meet its deadline any more.
    Late,
}

/// Whose wait is over, and how: running (as what) or shed.
pub type Moves = SmallVec<[(WaiterId, Result<Priority, Shed>); 2]>;

/// Running and waiting calls.
#[derive(Debug)]
pub struct Queue {
    bounds: Bounds,
    /// All that run, and those of them that are not critical.
    held: u32,
    held_plain: u32,
    classes: [Class; 4],
    waiters: HashMap<WaiterId, Ticket>,
    bytes: usize,
    next: u64,
    usual: Duration,
    /// Smoothed time from one ending to the next, for what a refusal says of waiting.
    gap: Duration,
    finished: Option<Instant>,
}

/// Waiting costs memory and, past a point, only patience: nobody waits behind as many as this.
const WAITING_MAX: usize = 1 << 14;
/// One slot in so many is kept for critical calls.
const CRITICAL_ONE_IN: u32 = 5;
/// What a refusal may say of waiting: soon, but not at once, and never "go away".
const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(30);
const PRIORITIES: [Priority; 4] =
    [Priority::Critical, Priority::Default, Priority::Batch, Priority::Sheddable];

impl Queue {
    /// Nobody runs, nobody waits.
    pub fn new(bounds: Bounds) -> Self {
        let waiting_max = bounds.waiting_max.min(WAITING_MAX);
        Self {
            bounds: Bounds { slots: bounds.slots.max(1), waiting_max, ..bounds },
            held: 0,
            held_plain: 0,
            classes: Default::default(),
            waiters: HashMap::default(),
            bytes: 0,
            next: 0,
            usual: Duration::ZERO,
            gap: Duration::ZERO,
            finished: None,
        }
    }

    /// A call asks for a place. Others may have to give up theirs in the queue for it.
    pub fn enter(&mut self, ticket: Ticket, now: Instant, moves: &mut Moves) -> Entry {
        if self.may_start(ticket.priority) {
            debug_assert_eq!(self.class(ticket.priority).len(), 0, "places wait for nobody");
            self.start(ticket.priority);
            return Entry::Started;
        }
        if self.is_late(ticket.deadline, now) {
            return Entry::Refused(Shed::Late);
        }
        let refused = cfg!(debug_assertions) && self.refuses(ticket.priority, &ticket.line, now);
        if !self.make_room(&ticket, now, moves) {
            return Entry::Refused(Shed::Full);
        }
        debug_assert!(!refused, "whoever is refused unseen is refused");
        let id = WaiterId(self.next);
        self.next += 1;
        self.bytes += ticket.bytes;
        self.classes[index(ticket.priority)].join(id, &ticket, now);
        self.waiters.insert(id, ticket);
        debug_assert!(self.waiters.len() <= self.bounds.waiting_max);
        debug_assert!(self.bytes <= self.bounds.waiting_bytes_max);
        Entry::Waiting(id)
    }

    /// Whether a call of that line would be refused, however little it weighs and for however long
    /// it would wait. Changes nothing.
    pub fn refuses(&self, priority: Priority, line: &Str, now: Instant) -> bool {
        let late = now.checked_add(self.usual).unwrap_or(now);
        !self.may_start(priority)
            && self.waiters.len() >= self.bounds.waiting_max
            && self.victim(priority, line, late).is_none()
    }

    /// A caller does not want to wait any longer. `false`: it does not wait any more.
    pub fn leave(&mut self, id: WaiterId) -> bool {
        let Some(ticket) = self.waiters.remove(&id) else { return false };
        self.bytes -= ticket.bytes;
        self.classes[index(ticket.priority)].leave(id, &ticket);
        self.rest();
        true
    }

    /// A running call has ended: the next ones' turn.
    pub fn finish(&mut self, priority: Priority, now: Instant, moves: &mut Moves) {
        debug_assert!(self.held > 0, "more have ended than began");
        self.held = self.held.saturating_sub(1);
        if priority != Priority::Critical {
            debug_assert!(self.held_plain > 0, "more have ended than began");
            self.held_plain = self.held_plain.saturating_sub(1);
        }
        if let Some(last) = self.finished.replace(now) {
            self.gap = (self.gap * 7 + now.saturating_duration_since(last).min(WAIT_MAX)) / 8;
        }
        self.grant(now, moves);
        self.rest();
    }

    /// More places, or fewer.
    pub fn set_slots(&mut self, slots: u32, now: Instant, moves: &mut Moves) {
        self.bounds.slots = slots.max(1);
        self.grant(now, moves);
    }

    /// How long a call usually takes to its first token.
    pub fn set_usual(&mut self, usual: Duration) {
        self.usual = usual;
    }

    /// Calls that run.
    pub fn held(&self) -> u32 {
        self.held
    }

    /// Calls that may run.
    pub fn slots(&self) -> u32 {
        self.bounds.slots
    }

    /// Calls that wait.
    pub fn waiting(&self) -> usize {
        self.waiters.len()
    }

    /// How long a newcomer would wait as things go.
    pub fn wait_estimate(&self) -> Duration {
        let ahead = u32::try_from(self.waiters.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.gap.saturating_mul(ahead).clamp(WAIT_MIN, WAIT_MAX)
    }

    fn grant(&mut self, now: Instant, moves: &mut Moves) {
        for priority in PRIORITIES {
            while self.may_start(priority) {
                let Some(id) = self.classes[index(priority)].next(now) else { break };
                let Some(ticket) = self.waiters.get(&id) else { break };
                // Who cannot be answered in time pays nothing for the place it did not get.
                let late = self.is_late(ticket.deadline, now);
                if late {
                    self.leave(id);
                    moves.push((id, Err(Shed::Late)));
                    continue;
                }
                if let Some(ticket) = self.waiters.remove(&id) {
                    self.bytes -= ticket.bytes;
                    self.classes[index(priority)].serve(id, &ticket);
                    self.start(priority);
                    moves.push((id, Ok(priority)));
                }
            }
        }
    }

    /// The lowest class goes first, and in it who cannot meet its deadline, then the newest of
    /// whoever waits with most: a noisy line must not keep a quiet one out of the queue.
    fn make_room(&mut self, ticket: &Ticket, now: Instant, moves: &mut Moves) -> bool {
        let Some(mut over) =
            self.bytes.checked_add(ticket.bytes).filter(|_| self.bounds.waiting_max > 0)
        else {
            return false;
        };
        over = over.saturating_sub(self.bounds.waiting_bytes_max);
        if over > 0 {
            // Bytes are made by lower classes alone, and only if they are enough: to shed many
            // and refuse the one they were shed for would help nobody.
            let lower = PRIORITIES.iter().filter(|p| **p > ticket.priority);
            if lower.map(|p| self.class(*p).bytes()).sum::<usize>() < over {
                return false;
            }
        }
        while self.bytes + ticket.bytes > self.bounds.waiting_bytes_max
            || self.waiters.len() >= self.bounds.waiting_max
        {
            let late = now.checked_add(self.usual).unwrap_or(now);
            let Some(id) = self.victim(ticket.priority, &ticket.line, late) else { return false };
            let why = match self.waiters.get(&id) {
                Some(victim) if victim.deadline < late => Shed::Late,
                Some(_) | None => Shed::Overtaken,
            };
            let left = self.leave(id);
            debug_assert!(left, "a victim waits");
            moves.push((id, Err(why)));
        }
        true
    }

    /// Who makes room for a newcomer; `None` when it would have to be the newcomer.
    fn victim(&self, priority: Priority, line: &Str, late: Instant) -> Option<WaiterId> {
        let lowest = PRIORITIES.into_iter().rev().find(|p| self.class(*p).len() > 0)?;
        let class = self.class(lowest);
        if lowest < priority {
            return None;
        }
        let first = class.first_due().filter(|(due, _)| *due < late).map(|(_, id)| id);
        let newcomer = (lowest == priority).then_some(line);
        first.or_else(|| class.newest_of_most(newcomer))
    }

    fn may_start(&self, priority: Priority) -> bool {
        let plain = self.bounds.slots - self.bounds.slots / CRITICAL_ONE_IN;
        match priority {
            Priority::Critical => self.held < self.bounds.slots,
            Priority::Default | Priority::Batch | Priority::Sheddable => {
                self.held < self.bounds.slots && self.held_plain < plain
            }
        }
    }

    fn start(&mut self, priority: Priority) {
        debug_assert!(self.may_start(priority));
        self.held += 1;
        self.held_plain += u32::from(priority != Priority::Critical);
        debug_assert!(self.held <= self.bounds.slots && self.held_plain <= self.held);
    }

    fn is_late(&self, deadline: Instant, now: Instant) -> bool {
        deadline.saturating_duration_since(now) < self.usual || deadline <= now
    }

    fn class(&self, priority: Priority) -> &Class {
        &self.classes[index(priority)]
    }

    /// With nobody running and nobody waiting, a busy interval has ended, and its debts with it.
    fn rest(&mut self) {
        if self.held == 0 && self.waiters.is_empty() {
            self.classes.iter_mut().for_each(Class::forget);
            debug_assert_eq!(self.bytes, 0);
        }
    }
}

fn index(priority: Priority) -> usize {
    match priority {
        Priority::Critical => 0,
        Priority::Default => 1,
        Priority::Batch => 2,
        Priority::Sheddable => 3,
    }
}

#[cfg(test)]
mod tests;
