//! The lines of one priority class, and whose turn it is.
//!
//! Deficit round robin with a quantum of one token, computed instead of iterated: each line owes
//! what it was served, and the line that owes least is next. So two lines that both wait never
//! differ by more than one call. A line that comes back does not find its debt forgiven, and one
//! that comes late does not find the others' past to its credit: it starts where they are.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use foldhash::HashMap;
use llm_core::Str;

use super::queue::{Ticket, WaiterId};

/// Waiting calls of one class.
#[derive(Debug, Default)]
pub(super) struct Class {
    lines: HashMap<Str, Line>,
    /// Lines that wait, the next one first.
    order: BTreeSet<(u64, u64, Str)>,
    /// Lines that do not wait but owe; at most [`DEBTORS_MAX`].
    debtors: BTreeSet<(u64, Str)>,
    /// All that wait, by deadline.
    due: BTreeSet<(Instant, WaiterId)>,
    bytes: usize,
    /// What the line owed that was served last: where newcomers start.
    level: u64,
    turns: u64,
}

#[derive(Debug, Default)]
struct Line {
    /// Tokens served, from where it started.
    owes: u64,
    /// Breaks ties: who was served earlier, or came earlier, is next.
    turn: u64,
    waiting: VecDeque<(WaiterId, Instant)>,
}

/// Lines whose debt is remembered while they are away. Beyond that the smallest is forgiven.
const DEBTORS_MAX: usize = 4096;
/// A line whose eldest has waited longer is served newest first: in an overload that lasts, those
/// who just came can still be answered in time, and the eldest most likely cannot.
const CALM_MAX: Duration = Duration::from_millis(100);

impl Class {
    pub(super) fn len(&self) -> usize {
        self.due.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn join(&mut self, id: WaiterId, ticket: &Ticket, now: Instant) {
        let line = self.lines.entry(ticket.line.clone()).or_default();
        if line.waiting.is_empty() {
            self.debtors.remove(&(line.owes, ticket.line.clone()));
            line.owes = line.owes.max(self.level);
            line.turn = self.turns;
            self.turns += 1;
            self.order.insert((line.owes, line.turn, ticket.line.clone()));
        }
        line.waiting.push_back((id, now));
        self.due.insert((ticket.deadline, id));
        self.bytes += ticket.bytes;
        debug_assert!(self.order.len() <= self.due.len(), "a line in turn has somebody waiting");
    }

    /// Whose turn it is.
    pub(super) fn next(&self, now: Instant) -> Option<WaiterId> {
        let (_, _, name) = self.order.first()?;
        let line = self.lines.get(name)?;
        let (eldest, since) = line.waiting.front()?;
        if now.saturating_duration_since(*since) > CALM_MAX {
            line.waiting.back().map(|(newest, _)| *newest)
        } else {
            Some(*eldest)
        }
    }

    /// It goes, and its line owes what it weighs.
    pub(super) fn serve(&mut self, id: WaiterId, ticket: &Ticket) {
        if let Some(line) = self.lines.get(&ticket.line) {
            debug_assert!(line.owes >= self.level, "the level never falls");
            self.level = line.owes;
        }
        self.remove(id, ticket, ticket.tokens.max(1));
        while let Some((owes, name)) = self.debtors.first().cloned() {
            if owes > self.level && self.debtors.len() <= DEBTORS_MAX {
                break;
            }
            self.debtors.pop_first();
            self.lines.remove(&name);
        }
    }

    /// It goes unserved, and its line owes nothing for it.
    pub(super) fn leave(&mut self, id: WaiterId, ticket: &Ticket) {
        self.remove(id, ticket, 0);
    }

    fn remove(&mut self, id: WaiterId, ticket: &Ticket, tokens: u64) {
        self.due.remove(&(ticket.deadline, id));
        self.bytes -= ticket.bytes;
        let Some(line) = self.lines.get_mut(&ticket.line) else { return };
        let place = match line.waiting.back() {
            Some((newest, _)) if *newest == id => Some(line.waiting.len() - 1),
            Some(_) | None => line.waiting.iter().position(|(waiter, _)| *waiter == id),
        };
        let removed = place.and_then(|at| line.waiting.remove(at));
        debug_assert!(removed.is_some(), "who leaves a line stood in it");
        if tokens == 0 && !line.waiting.is_empty() {
            return;
        }
        let (owed, turn) = (line.owes, line.turn);
        line.owes = owed.saturating_add(tokens);
        line.turn = self.turns;
        self.turns += 1;
        let (owes, again) = (line.owes, line.turn);
        let waits = !line.waiting.is_empty();
        self.order.remove(&(owed, turn, ticket.line.clone()));
        if waits {
            self.order.insert((owes, again, ticket.line.clone()));
        } else if owes > self.level {
            self.debtors.insert((owes, ticket.line.clone()));
        } else {
            self.lines.remove(&ticket.line);
        }
    }

    /// Whose deadline is next.
    pub(super) fn first_due(&self) -> Option<(Instant, WaiterId)> {
        self.due.first().copied()
    }

    /// The newest of the line that waits with most. A newcomer counts with its own line; `None`
    /// when that is the one.
    pub(super) fn newest_of_most(&self, newcomer: Option<&Str>) -> Option<WaiterId> {
        let own = newcomer
            .map_or(0, |name| 1 + self.lines.get(name).map_or(0, |line| line.waiting.len()));
        // All lines of one: no need to look at each, which is what a crowd would cost.
        if own > 0 && self.order.len() == self.due.len() {
            return None;
        }
        let waiting = self.order.iter().filter_map(|(_, _, name)| self.lines.get(name));
        let most = waiting.max_by_key(|line| line.waiting.len())?;
        if most.waiting.len() > own { most.waiting.back().map(|(id, _)| *id) } else { None }
    }

    /// Forgets all debts; nobody may be waiting.
    pub(super) fn forget(&mut self) {
        debug_assert!(self.due.is_empty() && self.order.is_empty());
        self.lines.clear();
        self.debtors.clear();
        self.level = 0;
        self.turns = 0;
    }
}
