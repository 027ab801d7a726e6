//! Anything that owners may do, in any order, beside the vault in memory: the same answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use llm_core::ledger::{AccountId, HoldId, Owner};
use llm_core::store::vault::{Ended, Fold, LeaseAsk, Tenure, Vault};
use llm_store::memory::MemoryVault;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::clocks::HandClock;
use crate::suite::{Place, Shared, ask, ended, key, tenant, usd, window};

/// A step; numbers choose among what there is at that time.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Enter(usize),
    Beat(usize, u64),
    Lease(usize, Vec<(usize, Option<i64>, Has, [i64; 2])>),
    Fold(usize, Vec<End>, Vec<(usize, i64)>),
    Bury(usize, bool),
    Silent(u64),
    Limit(usize, Option<i64>),
    Look(usize, u128),
    Pass(u64),
    Verify,
    Reopen,
}

/// A hold, what was set aside for it, what tenant and operator pay, and its path.
type End = (u128, i64, (i64, i64), Vec<usize>);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Has {
    Told,
    Off(i64),
}

fn account(index: usize) -> AccountId {
    match index % 6 {
        0 => key("k1"),
        1 => window(1),
        2 => window(9),
        3 => AccountId::new(Owner::Team, "team's \"'; x"),
        4 => tenant(),
        _ => AccountId::loss(),
    }
}

fn limit() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![1 => Just(None), 6 => (0..2_000_i64).prop_map(Some), 1 => Just(Some(-5))]
}

fn step() -> impl Strategy<Value = Step> {
    // The loss account is asked for seldom: it refuses everything beside it.
    let place = || prop_oneof![30 => 0..5_usize, 1 => Just(5_usize)];
    let has = prop_oneof![4 => Just(Has::Told), 1 => (-80..80_i64).prop_map(Has::Off)];
    let ask = (place(), limit(), has, [0..120_i64, 0..300_i64]);
    let amount = prop_oneof![Just(0_i64), 0..40_i64];
    let end =
        (0..24_u128, 40..60_i64, (amount, prop_oneof![Just(0), 0..9_i64]), vec(place(), 0..4));
    prop_oneof![
        2 => (0..3_usize).prop_map(Step::Enter),
        1 => (any::<usize>(), 0..2_000_u64).prop_map(|(who, lives)| Step::Beat(who, lives)),
        8 => (any::<usize>(), vec(ask, 0..4)).prop_map(|(who, asks)| Step::Lease(who, asks)),
        8 => (any::<usize>(), vec(end, 0..4), vec((place(), 0..150_i64), 0..2))
            .prop_map(|(who, ends, keeps)| Step::Fold(who, ends, keeps)),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(who, used)| Step::Bury(who, used)),
        1 => (0..2_000_u64).prop_map(Step::Silent),
        1 => (place(), limit()).prop_map(|(id, limit)| Step::Limit(id, limit)),
        2 => (0..6_usize, 0..24_u128).prop_map(|(id, hold)| Step::Look(id, hold)),
        1 => (0..1_500_u64).prop_map(Step::Pass),
        1 => Just(Step::Verify),
        1 => Just(Step::Reopen),
    ]
}

pub(crate) fn script() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..60)
}

struct Run<'a> {
    place: &'a dyn Place,
    model: MemoryVault,
    clock: Arc<HandClock>,
    owners: Vec<Tenure>,
    told: BTreeMap<(Tenure, AccountId), i64>,
}

/// The model's clock is the place's, where that is ours to move.
pub(crate) async fn run(place: &dyn Place, clock: Arc<HandClock>, script: Vec<Step>) {
    let mut vault = place.open().await;
    let (model, owners, told) = (MemoryVault::new(clock.clone()), Vec::new(), BTreeMap::new());
    let mut run = Run { place, model, clock, owners, told };
    for step in script {
        if matches!(step, Step::Reopen) && place.lasts() {
            drop(vault);
            vault = place.open().await;
        }
        run.step(&vault, step).await;
    }
    run.step(&vault, Step::Verify).await;
    for index in 0..6 {
        run.step(&vault, Step::Look(index, 0)).await;
    }
}

impl Run<'_> {
    fn who(&self, index: usize) -> Tenure {
        // Mostly the last ones: those before are fenced.
        let count = self.owners.len();
        match count {
            0 => Tenure { replica: "r0".into(), epoch: 1 },
            _ if index.is_multiple_of(7) => self.owners[index % count].clone(),
            _ => self.owners[count - 1 - index % count.min(3)].clone(),
        }
    }

    async fn step(&mut self, vault: &Shared, step: Step) {
        let said = format!("{step:?}");
        match step {
            Step::Enter(index) => {
                let replica = format!("r{index}");
                let entered = vault.enter(&replica).await;
                assert_eq!(entered, self.model.enter(&replica).await, "{said}");
                self.owners.push(entered.unwrap().0);
            }
            Step::Beat(who, lives) => {
                let (who, lives) = (self.who(who), Duration::from_millis(lives));
                let beaten = vault.beat(&who, lives).await;
                assert_eq!(beaten, self.model.beat(&who, lives).await, "{said}");
            }
            Step::Lease(who, asks) => self.lease(vault, self.who(who), asks).await,
            Step::Fold(who, ends, keeps) => {
                let who = self.who(who);
                let ended: Vec<Ended> = ends
                    .iter()
                    .map(|(hold, amount, paid, path)| {
                        let path: Vec<_> = path.iter().map(|index| account(*index)).collect();
                        ended(*hold, *amount, *paid, &path)
                    })
                    .collect();
                let keeps = keeps.iter().map(|(id, keep)| (account(*id), usd(*keep))).collect();
                let batch = Fold { ended, keeps };
                let folded = vault.fold(&who, &batch).await;
                assert_eq!(folded, self.model.fold(&who, &batch).await, "{said} {batch:?}");
            }
            Step::Bury(who, used) => {
                let who = self.who(who);
                let buried = vault.bury(&who, used).await;
                assert_eq!(buried, self.model.bury(&who, used).await, "{said}");
            }
            Step::Silent(since) => {
                let since = Duration::from_millis(since);
                if self.place.clock().is_some() {
                    let silent = vault.silent(since).await;
                    assert_eq!(silent, self.model.silent(since).await, "{said}");
                }
            }
            Step::Limit(id, limit) => {
                let (id, limit) = (account(id), limit.map(usd));
                if id != AccountId::loss() {
                    let set = vault.set_limit(&id, limit).await;
                    assert_eq!(set, self.model.set_limit(&id, limit).await, "{said}");
                }
            }
            Step::Look(id, hold) => {
                let (id, hold) = (account(id), HoldId(hold));
                assert_eq!(vault.balance(&id).await, self.model.balance(&id).await, "{said}");
                assert_eq!(vault.ended(hold).await, self.model.ended(hold).await, "{said}");
            }
            Step::Pass(millis) => self.clock.pass(millis),
            Step::Verify => {
                let audit = vault.verify().await;
                assert_eq!(audit, self.model.verify().await, "{said}");
                assert_eq!(audit.unwrap().problems, Vec::new());
            }
            Step::Reopen => {}
        }
    }

    async fn lease(
        &mut self,
        vault: &Shared,
        who: Tenure,
        asks: Vec<(usize, Option<i64>, Has, [i64; 2])>,
    ) {
        let mut all: Vec<LeaseAsk> = Vec::new();
        for (id, limit, has, [least, like]) in asks {
            let id = account(id);
            let told = self.told.get(&(who.clone(), id.clone())).copied().unwrap_or_default();
            let has = match has {
                Has::Told => told,
                Has::Off(by) => (told + by).max(0),
            };
            all.push(ask(id, limit, [has, least, like]));
        }
        let leased = vault.lease(&who, &all).await;
        assert_eq!(leased, self.model.lease(&who, &all).await, "{who:?} {all:?}");
        for (ask, has) in all.into_iter().zip(leased.into_iter().flatten()) {
            self.told.insert((who.clone(), ask.account), has.0);
        }
    }
}
