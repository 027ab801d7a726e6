//! The two processes and their vault, what may happen next, and what holds whatever happened.

use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_core::ledger::rules::Account;
use llm_core::money::Money;
use llm_core::seam::Clock;
use llm_core::store::Audit;
use llm_core::store::vault::Vault;

use super::super::clock::HandClock;
use super::super::key;
use super::site::{AMOUNT, Call, Flight, LIMIT, Site, at_once};
use crate::memory::MemoryVault;

/// Calls of each process.
const CALLS: u128 = 2;
const SITES: usize = 2;

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Reserve(usize, u128),
    Seat(usize, u128),
    Write(usize, u128),
    Settle(usize, u128),
    Ask(usize),
    Fold(usize, bool),
    Arrive(usize),
    Hear(usize),
    Lose(usize),
    Crash(usize),
    Bury(usize),
    /// A request of the dead arrives.
    Late,
    /// Long enough for refusals to be forgotten and for what is idle to be given back.
    Pass,
}

pub(super) struct World {
    vault: MemoryVault,
    sites: Vec<Site>,
    ghost: Option<Flight>,
    crashes: u32,
    buried: Option<usize>,
    forfeit: i64,
    passed: u32,
    now: Instant,
    pub(super) refused: u32,
}

impl World {
    pub(super) fn new() -> Self {
        let clock = HandClock::new();
        let now = clock.now();
        let vault = MemoryVault::new(Arc::new(clock));
        at_once(vault.set_limit(&key("a"), Some(LIMIT))).unwrap();
        let sites = ["one", "other"].map(|name| Site::new(name, &vault)).into();
        let (ghost, buried) = (None, None);
        let (crashes, forfeit, passed, refused) = (0, 0, 0, 0);
        Self { vault, sites, ghost, crashes, buried, forfeit, passed, now, refused }
    }

    /// One process has made both of its calls, which is all that the account can pay.
    pub(super) fn begun() -> Self {
        let mut world = Self::new();
        for hold in [Self::fresh(0, 0), Self::fresh(0, 1)] {
            world.step(Step::Reserve(0, hold));
            if let Call::Waits(_) = world.sites[0].calls[&hold] {
                world.step(Step::Ask(0));
                world.deliver(0);
                world.step(Step::Seat(0, hold));
            }
            world.step(Step::Write(0, hold));
            world.check();
        }
        world
    }

    pub(super) fn fork(&self) -> Self {
        let (sites, ghost) = (self.sites.clone(), self.ghost.clone());
        Self { vault: self.vault.fork(), sites, ghost, ..*self }
    }

    pub(super) fn told(&self) -> String {
        let sites: Vec<String> = self.sites.iter().map(Site::told).collect();
        let ghost = self.ghost.as_ref().map(Flight::told);
        let counts = (self.crashes, self.buried, self.passed);
        format!("{} {sites:?} {ghost:?} {counts:?}", self.vault.told())
    }

    fn fresh(site: usize, nth: u128) -> u128 {
        10 * (site as u128 + 1) + nth
    }

    /// Whatever may be next.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (at, site) in self.sites.iter().enumerate() {
            let asked = site.calls.len() as u128;
            if asked < CALLS && site.serves() {
                steps.push(Step::Reserve(at, Self::fresh(at, asked)));
            }
            for (hold, call) in &site.calls {
                match call {
                    Call::Waits(_) => steps.push(Step::Seat(at, *hold)),
                    Call::Made => steps.push(Step::Write(at, *hold)),
                    Call::Written => steps.push(Step::Settle(at, *hold)),
                    Call::Over => {}
                }
            }
            match &site.flight {
                Some(flight) if flight.answered() => {
                    steps.extend([Step::Hear(at), Step::Lose(at)]);
                }
                Some(_) => steps.extend([Step::Arrive(at), Step::Lose(at)]),
                None if !site.serves() => {}
                None if site.in_doubt() => steps.push(Step::Fold(at, false)),
                None => {
                    steps.extend([Step::Ask(at), Step::Fold(at, false), Step::Fold(at, true)]);
                }
            }
            if self.crashes < 2 && self.buried != Some(at) && self.ghost.is_none() {
                steps.push(Step::Crash(at));
            }
            if self.buried.is_none() {
                steps.push(Step::Bury(at));
            }
        }
        if self.ghost.is_some() {
            steps.push(Step::Late);
        }
        if self.passed < 2 {
            steps.push(Step::Pass);
        }
        steps
    }

    pub(super) fn step(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Reserve(at, hold) => {
                self.refused += u32::from(self.sites[at].reserve(hold, now));
            }
            Step::Seat(at, hold) => {
                let Call::Waits(ticket) = self.sites[at].calls[&hold] else { return };
                self.refused += u32::from(self.sites[at].seat(hold, ticket, now));
            }
            Step::Write(at, hold) => self.sites[at].open(hold),
            Step::Settle(at, hold) => self.sites[at].settle(hold, now),
            Step::Ask(at) => _ = self.sites[at].ask(now),
            Step::Fold(at, sweep) => _ = self.sites[at].fold(sweep, now),
            Step::Arrive(at) => {
                self.sites[at].flight.as_mut().unwrap().arrive(&self.vault);
            }
            Step::Hear(at) => self.sites[at].hear(false, now),
            Step::Lose(at) => {
                // Lost on its way, or late: it may arrive yet when its sender is gone.
                self.sites[at].hear(true, now);
            }
            Step::Crash(at) => {
                self.crashes += 1;
                self.ghost = self.sites[at].crash(&self.vault, now);
            }
            Step::Bury(at) => {
                let before = self.account().settled;
                at_once(self.vault.bury(&self.sites[at].who, true)).unwrap();
                self.forfeit += self.account().settled.0 - before.0;
                self.buried = Some(at);
            }
            Step::Late => {
                let before = self.vault.told();
                self.ghost.take().unwrap().arrive(&self.vault);
                assert_eq!(self.vault.told(), before, "the dead are heard");
            }
            Step::Pass => {
                self.passed += 1;
                self.now += Duration::from_secs(31);
            }
        }
    }

    fn account(&self) -> Account<Money> {
        at_once(self.vault.balance(&key("a"))).unwrap().unwrap()
    }

    /// What holds in every state.
    pub(super) fn check(&self) {
        let account = self.account();
        assert_eq!(account.within(), Ok(()), "the limit is passed");
        assert_eq!(at_once(self.vault.verify()).unwrap().problems, []);
        let (mut used, mut folded) = (0, 0);
        for site in &self.sites {
            let mut audit = Audit::default();
            site.table.verify(&mut audit);
            assert_eq!(audit.problems, []);
            for row in site.table.rows.iter() {
                assert!(row.free() >= Money(0), "more is used than leased");
            }
            used += site.table.holds.len() as i64 * AMOUNT.0;
            for (hold, settlement) in &site.ended {
                used += settlement.tenant.0;
                let told = at_once(self.vault.ended(*hold)).unwrap();
                assert!(told.is_none_or(|told| told == *settlement), "another end");
                folded += told.map_or(0, |told| told.tenant.0);
            }
        }
        assert!(used <= account.settled.0 + account.held.0, "{used} of {account:?}");
        assert_eq!(account.settled.0, folded + self.forfeit, "paid is what ended and was folded");
    }

    /// Nothing fails any more and everybody finishes: everything is accounted for.
    pub(super) fn quiet(mut self) {
        if self.ghost.is_some() {
            self.step(Step::Late);
        }
        for _ in 0..4 {
            self.now += Duration::from_secs(31);
            for at in 0..SITES {
                self.finish(at);
                self.check();
            }
        }
        assert_eq!(self.account().held, Money(0), "something is leased that nobody uses");
        for (at, site) in self.sites.iter().enumerate() {
            if self.buried != Some(at) {
                for hold in site.ended.keys() {
                    let end = at_once(self.vault.ended(*hold)).unwrap();
                    assert!(end.is_some(), "an end that was not folded");
                }
            }
        }
    }

    fn finish(&mut self, at: usize) {
        let now = self.now;
        self.deliver(at);
        for (hold, call) in self.sites[at].calls.clone() {
            if let Call::Waits(ticket) = call {
                self.sites[at].seat(hold, ticket, now);
            }
            if self.sites[at].calls[&hold] == Call::Made {
                self.sites[at].open(hold);
            }
            if self.sites[at].calls[&hold] == Call::Written {
                self.sites[at].settle(hold, now);
            }
        }
        for _ in 0..3 {
            if self.sites[at].serves() {
                self.sites[at].fold(true, now);
                self.deliver(at);
            }
        }
    }

    fn deliver(&mut self, at: usize) {
        let now = self.now;
        if let Some(flight) = &mut self.sites[at].flight {
            if !flight.answered() {
                flight.arrive(&self.vault);
            }
            self.sites[at].hear(false, now);
        }
    }
}
