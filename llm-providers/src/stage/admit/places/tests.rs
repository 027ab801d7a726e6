use std::collections::BTreeMap;

use llm_core::Str;
use llm_core::ledger::Owner;
use llm_core::principal::{Grant, KeyId, Level, Principal, Priority, Scope, TenantId};
use llm_core::quota::{Limit, Plan, Verdict, Zone};
use llm_core::store::{Correction, Counters, SlotVerdict, StoreError, Stored};

use super::*;
use crate::stage::admit::fair::Bounds;
use crate::stage::admit::hand_clock::RuntimeClock;
use crate::stage::admit::{Admission, AdmissionBounds, Entrant, Lines, OwnerRules, Slot};

/// A store of places for several replicas, that can be switched off and can forget.
#[derive(Debug)]
struct Hall {
    clock: Arc<dyn Clock>,
    out: AtomicBool,
    until: Mutex<BTreeMap<(AccountId, u128), std::time::Instant>>,
}

impl Hall {
    fn running(&self) -> usize {
        let now = self.clock.now();
        self.until.lock().values().filter(|until| **until > now).count()
    }

    fn answer<T: Send + 'static>(&self, value: impl FnOnce() -> T) -> Stored<'_, T> {
        let out = self.out.load(Ordering::Relaxed);
        let answer = match out {
            true => Err(StoreError::Unavailable(Str::from_static("out"))),
            false => Ok(value()),
        };
        Box::pin(std::future::ready(answer))
    }
}

impl Slots for Hall {
    fn take<'a>(
        &'a self,
        owner: &'a AccountId,
        max: u32,
        call: CallId,
        ttl: Duration,
    ) -> Stored<'a, SlotVerdict> {
        self.answer(|| {
            let (mut all, now) = (self.until.lock(), self.clock.now());
            all.retain(|_, until| *until > now);
            let place = (owner.clone(), call.as_u128());
            let others = all.keys().filter(|known| known.0 == *owner && **known != place).count();
            let granted = others < max as usize;
            if granted {
                all.insert(place, now + ttl);
            }
            let held = others as u64 + u64::from(granted);
            SlotVerdict { granted, held, max, until: None }
        })
    }

    fn renew<'a>(&'a self, owner: &'a AccountId, call: CallId, ttl: Duration) -> Stored<'a, bool> {
        self.answer(|| {
            let (mut all, now) = (self.until.lock(), self.clock.now());
            let known = all.get_mut(&(owner.clone(), call.as_u128()));
            known.filter(|until| **until > now).map(|until| *until = now + ttl).is_some()
        })
    }

    fn give_back<'a>(&'a self, owner: &'a AccountId, call: CallId) -> Stored<'a, bool> {
        let place = (owner.clone(), call.as_u128());
        self.answer(|| self.until.lock().remove(&place).is_some())
    }
}

/// Nobody has a limit that is counted.
impl Counters for Hall {
    fn take<'a>(&'a self, _: &'a AccountId, _: &'a [(Limit, u64)]) -> Stored<'a, Vec<Verdict>> {
        unreachable!()
    }

    fn correct<'a>(&'a self, _: &'a AccountId, _: &'a [Correction]) -> Stored<'a, ()> {
        unreachable!()
    }
}

fn replicas() -> (Arc<Hall>, [Admission; 3]) {
    let clock = RuntimeClock::new();
    let (out, until) = Default::default();
    let hall = Arc::new(Hall { clock: clock.clone(), out, until });
    let replica = |seed: u128| {
        let queue = Bounds { slots: 100, waiting_max: 100, waiting_bytes_max: 1 << 20 };
        let wait_max = Duration::from_secs(10);
        let bounds = AdmissionBounds { queue, wait_max, lines: Lines::Key, zone: Zone::UTC };
        let house = Admission::new(bounds, clock.clone());
        let three = NonZeroU32::new(3).unwrap();
        house.sharing(Arc::clone(&hall) as _, three).placing(Arc::clone(&hall) as _, seed << 40)
    };
    let replicas = [replica(1), replica(2), replica(3)];
    (hall, replicas)
}

fn grant(most: u32, limits: Vec<Limit>) -> Grant {
    let principal = Principal {
        key: KeyId::from("k"),
        tenant: TenantId::from("t"),
        user: None,
        team: None,
        org: None,
        scope: Scope::all(),
    };
    let plan = Arc::new(Plan { models: Scope::all(), ..Plan::default() });
    let level = Level::new(Owner::Key, "k").in_flight(most).limits(limits);
    Grant::compose(principal, plan, Owner::Key, [level], &Zone::UTC)
}

async fn enter(house: &Admission, clock: &Arc<dyn Clock>, most: u32) -> Result<Slot, (Str, u64)> {
    enter_by(house, clock, grant(most, Vec::new())).await
}

async fn enter_by(
    house: &Admission,
    clock: &Arc<dyn Clock>,
    grant: Grant,
) -> Result<Slot, (Str, u64)> {
    static MODEL: Str = Str::from_static("fast");
    let rules = OwnerRules::default();
    let entrant = Entrant {
        grant: &grant,
        rules: &rules,
        model: &MODEL,
        priority: Priority::Default,
        deadline: clock.now() + Duration::from_secs(60),
        tokens: 0,
        body_bytes: 10,
    };
    house.enter(entrant).await.map_err(|error| {
        let refusal = error.refusal().unwrap();
        (refusal.rule.clone(), refusal.used)
    })
}

/// The tasks have had their turn.
async fn told() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_cap_is_one_cap_for_all_replicas() {
    let (hall, replicas) = replicas();
    let clock = Arc::clone(&hall.clock);
    let mut running = Vec::new();
    for n in 0..9 {
        match enter(&replicas[n % 3], &clock, 5).await {
            Ok(slot) => running.push(slot),
            Err(why) => assert_eq!(why, (Str::from_static("key calls in flight"), 5)),
        }
    }
    assert_eq!((running.len(), hall.running()), (5, 5));
    assert_eq!(replicas[0].shares_places(), Some(true));
    drop(running.pop());
    told().await;
    assert_eq!(hall.running(), 4);
    let again = enter(&replicas[1], &clock, 5).await.unwrap();
    assert!(enter(&replicas[2], &clock, 5).await.is_err());
    drop((running, again));
    told().await;
    assert_eq!(hall.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_long_call_keeps_its_place_and_a_dead_one_loses_it() {
    let (hall, replicas) = replicas();
    let clock = Arc::clone(&hall.clock);
    let long = enter(&replicas[0], &clock, 2).await.unwrap();
    // One that nobody renews any more.
    let dead = AccountId::new(Owner::Key, "k");
    let left = Slots::take(&*hall, &dead, 2, CallId::new(0, 7), TTL).await.unwrap();
    assert!(left.granted);
    assert!(enter(&replicas[1], &clock, 2).await.is_err());
    tokio::time::sleep(10 * TTL).await;
    assert_eq!(hall.running(), 1, "ten lives later only the one that runs");
    // A store that has lost its memory hears of it again.
    hall.until.lock().clear();
    tokio::time::sleep(RENEW_EVERY).await;
    told().await;
    assert_eq!(hall.running(), 1);
    let other = enter(&replicas[1], &clock, 2).await.unwrap();
    assert!(enter(&replicas[2], &clock, 2).await.is_err());
    drop((long, other));
}

#[tokio::test(start_paused = true)]
async fn without_the_store_each_lets_in_its_part() {
    let (hall, replicas) = replicas();
    let clock = Arc::clone(&hall.clock);
    hall.out.store(true, Ordering::Relaxed);
    let mut running = Vec::new();
    for replica in &replicas {
        for _ in 0..5 {
            running.extend(enter(replica, &clock, 5).await);
        }
    }
    assert_eq!(running.len(), 6, "two of five in each: nobody is shut out");
    assert_eq!(replicas[0].shares_places(), Some(false));
    hall.out.store(false, Ordering::Relaxed);
    // What nobody could be told of is told when somebody listens again.
    tokio::time::sleep(RENEW_EVERY).await;
    told().await;
    assert_eq!(hall.running(), 6);
    assert!(enter(&replicas[0], &clock, 5).await.is_err());
    drop(running);
    told().await;
    assert!(enter(&replicas[0], &clock, 5).await.is_ok());
}

/// Places come first: where they are silent, windows are not even asked for, and are as alone.
#[tokio::test(start_paused = true)]
async fn windows_that_are_not_asked_for_are_said_to_be_gone_without() {
    let (hall, replicas) = replicas();
    let clock = Arc::clone(&hall.clock);
    hall.out.store(true, Ordering::Relaxed);
    drop(enter_by(&replicas[0], &clock, grant(5, vec![])).await.unwrap());
    assert!(!replicas[0].sharing_health().unwrap().is_degraded(), "there was nothing to ask");
    drop(
        enter_by(&replicas[0], &clock, grant(5, vec!["30/minute".parse().unwrap()])).await.unwrap(),
    );
    assert!(replicas[0].sharing_health().unwrap().is_degraded());
}
