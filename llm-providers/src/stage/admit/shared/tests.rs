use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use llm_core::principal::{Grant, KeyId, Level, Principal, Priority, Scope, TeamId, TenantId};
use llm_core::quota::{Counter, Plan, Zone};
use llm_core::seam::Clock;
use llm_core::store::{StoreError, Stored};
use parking_lot::Mutex;

use super::*;
use crate::stage::admit::fair::Bounds;
use crate::stage::admit::hand_clock::RuntimeClock;
use crate::stage::admit::meter::Now;
use crate::stage::admit::{Admission, AdmissionBounds, Entrant, Lines, OwnerRules, Slot};

/// A store for several replicas that can be switched off.
#[derive(Debug)]
struct Hall {
    clock: Arc<dyn Clock>,
    out: AtomicBool,
    counters: Mutex<HashMap<(AccountId, String), Counter>>,
}

impl Hall {
    fn used(&self, owner: Owner, name: &'static str, limit: &str) -> u64 {
        let limit: Limit = limit.parse().unwrap();
        let place = (AccountId::new(owner, name), limit.span());
        let now = Now::of(&*self.clock).wall;
        self.counters.lock().get(&place).map_or(0, |counter| counter.ask(0, now).used)
    }

    fn answer<T>(&self, value: impl FnOnce() -> T) -> Result<T, StoreError> {
        match self.out.load(Ordering::Relaxed) {
            true => Err(StoreError::Unavailable(Str::from_static("out"))),
            false => Ok(value()),
        }
    }
}

fn amount(limit: &Limit) -> u64 {
    match limit.quantity {
        Quantity::Requests(n) | Quantity::Tokens(n) => n,
        Quantity::Money(_) | Quantity::Credits(_) => unreachable!(),
    }
}

impl Counters for Hall {
    fn take<'a>(
        &'a self,
        owner: &'a AccountId,
        asks: &'a [(Limit, u64)],
    ) -> Stored<'a, Vec<Verdict>> {
        let answer = self.answer(|| {
            let now = Now::of(&*self.clock).wall;
            let mut counters = self.counters.lock();
            for (limit, n) in asks {
                let window = limit.window(&Zone::UTC).unwrap();
                let counter = counters
                    .entry((owner.clone(), limit.span()))
                    .or_insert_with(|| Counter::new("", 0, window));
                counter.resize(limit.to_string(), amount(limit));
                let verdict = counter.ask(*n, now);
                if !verdict.allowed {
                    return vec![verdict];
                }
            }
            let place = |limit: &Limit| (owner.clone(), limit.span());
            let take =
                |(limit, n): &(Limit, u64)| counters.get_mut(&place(limit)).unwrap().take(*n, now);
            asks.iter().map(take).collect()
        });
        Box::pin(std::future::ready(answer))
    }

    fn correct<'a>(
        &'a self,
        owner: &'a AccountId,
        corrections: &'a [Correction],
    ) -> Stored<'a, ()> {
        let answer = self.answer(|| {
            let mut counters = self.counters.lock();
            for c in corrections {
                let place = (owner.clone(), c.limit.span());
                counters.get_mut(&place).unwrap().correct(c.slice, c.by);
            }
        });
        Box::pin(std::future::ready(answer))
    }
}

fn replica(hall: &Arc<Hall>) -> Admission {
    let queue = Bounds { slots: 100, waiting_max: 100, waiting_bytes_max: 1 << 20 };
    let wait_max = Duration::from_secs(10);
    let bounds = AdmissionBounds { queue, wait_max, lines: Lines::Key, zone: Zone::UTC };
    let three = NonZeroU32::new(3).unwrap();
    Admission::new(bounds, Arc::clone(&hall.clock)).sharing(Arc::clone(hall) as _, three)
}

fn house() -> (Arc<Hall>, [Admission; 3]) {
    let (clock, out) = (RuntimeClock::new(), AtomicBool::new(false));
    let hall = Arc::new(Hall { clock, out, counters: Mutex::default() });
    let replicas = [replica(&hall), replica(&hall), replica(&hall)];
    (hall, replicas)
}

fn grant(key: &'static str, own: &[&str], team: &[&str]) -> Grant {
    let principal = Principal {
        key: KeyId::from(key),
        tenant: TenantId::from("t"),
        user: None,
        team: Some(TeamId::from("a")),
        org: None,
        scope: Scope::all(),
    };
    let limits =
        |texts: &[&str]| -> Vec<Limit> { texts.iter().map(|t| t.parse().unwrap()).collect() };
    let levels = [
        Level::new(Owner::Key, key).limits(limits(own)),
        Level::new(Owner::Team, "a").limits(limits(team)),
    ];
    let plan = Arc::new(Plan { models: Scope::all(), ..Plan::default() });
    Grant::compose(principal, plan, Owner::Key, levels, &Zone::UTC)
}

async fn enter(house: &Admission, grant: &Grant) -> Result<Slot, String> {
    static MODEL: Str = Str::from_static("fast");
    let rules = OwnerRules::default();
    let entrant = Entrant {
        grant,
        rules: &rules,
        model: &MODEL,
        priority: Priority::Default,
        deadline: house.clock.now() + Duration::from_secs(60),
        tokens: 100,
        body_bytes: 10,
    };
    house.enter(entrant).await.map_err(|error| error.refusal().unwrap().rule.to_string())
}

/// The task that corrects has had its turn.
async fn told() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn replicas_let_in_what_one_would() {
    let (hall, replicas) = house();
    let grant = grant("k", &["10/hour"], &["2000 tokens/hour"]);
    let mut slots = Vec::new();
    for n in 0..30 {
        match enter(&replicas[n % 3], &grant).await {
            Ok(slot) => slots.push(slot),
            Err(rule) => assert_eq!(rule, "key 10/hour"),
        }
    }
    assert_eq!(slots.len(), 10);
    assert_eq!(slots[9].requests().unwrap().remaining, 0);
    assert_eq!(slots[9].tokens().unwrap().remaining, 1_000);
    assert!(slots.iter().all(|slot| !slot.is_alone()));
    // More than was set aside, less, and nothing at all: a call counts whatever it used.
    slots[0].settle(350);
    slots[1].settle(20);
    drop(slots);
    told().await;
    assert_eq!(hall.used(Owner::Team, "t/a", "2000 tokens/hour"), 370);
    assert_eq!(hall.used(Owner::Key, "k", "10/hour"), 10);
}

#[tokio::test(start_paused = true)]
async fn what_a_wider_owner_refuses_is_given_back_to_the_narrower() {
    let (hall, replicas) = house();
    let grant = grant("k", &["10/hour"], &["2/hour"]);
    for n in 0..8 {
        let entered = enter(&replicas[n % 3], &grant).await;
        assert_eq!(entered.err().as_deref(), (n >= 2).then_some("team 2/hour"));
        told().await;
    }
    assert_eq!(hall.used(Owner::Key, "k", "10/hour"), 2);
    assert_eq!(hall.used(Owner::Team, "t/a", "2/hour"), 2);
}

#[tokio::test(start_paused = true)]
async fn without_the_store_each_has_its_part_and_no_call_fails_for_it() {
    let (hall, replicas) = house();
    let (grant, small) = (grant("k", &["12/hour"], &[]), grant("s", &["1/hour"], &[]));
    for _ in 0..3 {
        assert!(enter(&replicas[0], &grant).await.is_ok());
    }
    hall.out.store(true, Ordering::Relaxed);
    // Four each; the first has let in three of its four already.
    for (replica, expected) in replicas.iter().zip([1, 4, 4]) {
        let mut entered = 0;
        for _ in 0..12 {
            match enter(replica, &grant).await {
                Ok(slot) => {
                    assert!(slot.is_alone());
                    entered += 1;
                }
                Err(rule) => assert_eq!(rule, "key 12/hour"),
            }
        }
        assert_eq!(entered, expected);
        assert!(enter(replica, &small).await.is_ok(), "one at the least");
        assert!(enter(replica, &small).await.is_err());
        assert!(replica.sharing_health().unwrap().is_degraded());
    }
    hall.out.store(false, Ordering::Relaxed);
    assert!(!enter(&replicas[0], &grant).await.unwrap().is_alone());
    assert!(!replicas[0].sharing_health().unwrap().is_degraded());
    assert_eq!(replicas[0].sharing_health().unwrap().lost(), 0);
}
