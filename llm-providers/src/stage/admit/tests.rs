mod glance;
mod path;

use std::num::NonZeroU32;

use llm_core::principal::{KeyId, Principal, Scope, TeamId, TenantId, UserId};
use llm_core::quota::Plan;

use super::hand_clock::RuntimeClock;
use super::meter::{Of, Pace};
use super::*;

fn grant(key: &'static str, limits: &[&str]) -> Grant {
    let principal = Principal {
        key: KeyId::from(key),
        tenant: TenantId::from("t"),
        user: Some(UserId::from("u")),
        team: Some(TeamId::from("g")),
        org: None,
        scope: Scope::all(),
    };
    let limits = limits.iter().map(|limit| limit.parse().unwrap()).collect();
    let plan = Arc::new(Plan { limits: vec!["1000000/day".parse().unwrap()], ..Plan::default() });
    Grant::new(principal, plan, limits, &Zone::UTC)
}

fn rules(window: &str, in_flight_max: Option<u32>) -> Rules {
    Rules { rules: vec![Rule::Window(window.parse().unwrap())], in_flight_max }
}

fn admission(slots: u32, clock: Arc<dyn Clock>) -> Admission {
    let queue = Bounds { slots, waiting_max: 100, waiting_bytes_max: 1 << 20 };
    let wait_max = Duration::from_secs(10);
    let bounds = AdmissionBounds { queue, wait_max, lines: Lines::Key, zone: Zone::UTC };
    Admission::new(bounds, clock)
}

static MODEL: Str = Str::from_static("fast");

fn entrant<'a>(house: &Admission, grant: &'a Grant, rules: &'a OwnerRules) -> Entrant<'a> {
    Entrant {
        grant,
        rules,
        model: &MODEL,
        priority: Priority::Default,
        deadline: house.clock.now() + Duration::from_secs(60),
        tokens: 100,
        body_bytes: 1_000,
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_at_once_and_exactly_the_limit_comes_in() {
    let house = Arc::new(admission(10_000, RuntimeClock::new()));
    let grant = Arc::new(grant("k", &["10/minute"]));
    let calls: Vec<_> = (0..1_000)
        .map(|_| {
            let (house, grant) = (Arc::clone(&house), Arc::clone(&grant));
            let rules = OwnerRules::default();
            tokio::spawn(async move { house.enter(entrant(&house, &grant, &rules)).await.err() })
        })
        .collect();
    let mut refused = Vec::new();
    for call in calls {
        refused.extend(call.await.unwrap());
    }
    assert_eq!(refused.len(), 990);
    let error = &refused[0];
    let refusal = error.refusal().unwrap();
    assert_eq!((error.kind(), &*refusal.rule), (Kind::RateLimited, "key 10/minute"));
    assert_eq!((refusal.limit, refusal.used + refusal.reserved), (10, 10));
    let wait = refusal.retry_after.unwrap();
    assert!(wait > Duration::from_secs(59) && wait < Duration::from_secs(61), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn every_owner_is_asked_and_none_counts_what_another_refuses() {
    let house = admission(100, RuntimeClock::new());
    let grant = grant("k", &["50/hour"]);
    let mut rules = OwnerRules {
        user: rules("5/hour", None),
        team: rules("6/hour", None),
        ..OwnerRules::default()
    };
    rules.models.insert(MODEL.clone(), super::tests::rules("3/hour", None));
    let mut kept = Vec::new();
    for n in 0..10 {
        match house.enter(entrant(&house, &grant, &rules)).await {
            Ok(slot) => kept.push(slot),
            Err(error) => assert!(n >= 3 && &*error.refusal().unwrap().rule == "model 3/hour"),
        }
    }
    assert_eq!((kept.len(), house.limits().len()), (3, 4));
    let hint = kept[2].requests().unwrap();
    assert_eq!((&*hint.rule, hint.remaining), ("model 3/hour", 0));
    rules.models.clear();
    let slot = house.enter(entrant(&house, &grant, &rules)).await.unwrap();
    assert_eq!(slot.requests().unwrap().remaining, 1, "user: three and this of five");
}

#[tokio::test(start_paused = true)]
async fn calls_in_flight_are_capped_by_owner_and_come_back_with_the_slot() {
    let house = admission(100, RuntimeClock::new());
    let (a, b) = (grant("a", &[]), grant("b", &[]));
    let rules = OwnerRules {
        key: rules("9/hour", Some(2)),
        user: rules("100/hour", Some(3)),
        ..OwnerRules::default()
    };
    let one = house.enter(entrant(&house, &a, &rules)).await.unwrap();
    let _two = house.enter(entrant(&house, &a, &rules)).await.unwrap();
    for _ in 0..100 {
        let error = house.enter(entrant(&house, &a, &rules)).await.unwrap_err();
        assert_eq!(&*error.refusal().unwrap().rule, "key calls in flight");
        assert_eq!(error.refusal().unwrap().retry_after, Some(FLIGHT_WAIT));
    }
    let _other = house.enter(entrant(&house, &b, &rules)).await.unwrap();
    let error = house.enter(entrant(&house, &b, &rules)).await.unwrap_err();
    assert_eq!(&*error.refusal().unwrap().rule, "user calls in flight");
    drop(one);
    let slot = house.enter(entrant(&house, &a, &rules)).await.unwrap();
    assert_eq!(slot.requests().unwrap().remaining, 6, "refused calls are not counted");
}

#[tokio::test(start_paused = true)]
async fn tokens_are_given_back_once_and_charged_as_they_flowed() {
    let house = admission(100, RuntimeClock::new());
    let grant = grant("k", &["250 tokens/hour"]);
    let rules = OwnerRules::default();
    let mut slot = house.enter(entrant(&house, &grant, &rules)).await.unwrap();
    let second = house.enter(entrant(&house, &grant, &rules)).await.unwrap();
    assert_eq!(second.tokens().unwrap().remaining, 50);
    assert!(house.enter(entrant(&house, &grant, &rules)).await.is_err());
    slot.settle(140);
    slot.settle(1_000);
    drop(slot);
    drop(second);
    let third = house.enter(entrant(&house, &grant, &rules)).await.unwrap();
    assert_eq!(third.tokens().unwrap().remaining, 10);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_queue_has_counted_nothing() {
    let house = Arc::new(admission(1, RuntimeClock::new()));
    let (busy, waiting) =
        (grant("busy", &[]), Arc::new(grant("k", &["1/hour", "100 tokens/hour"])));
    let rules = OwnerRules::default();
    let running = house.enter(entrant(&house, &busy, &rules)).await.unwrap();
    for _ in 0..100 {
        let call = tokio::spawn({
            let (house, grant) = (Arc::clone(&house), Arc::clone(&waiting));
            async move {
                let rules = OwnerRules::default();
                house.enter(entrant(&house, &grant, &rules)).await.map(drop)
            }
        });
        tokio::task::yield_now().await;
        assert_eq!(house.fair().load(), (1, 1));
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    }
    let error = house.enter(entrant(&house, &waiting, &rules)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    drop(running);
    assert!(house.enter(entrant(&house, &waiting, &rules)).await.is_ok());
    assert!(house.enter(entrant(&house, &waiting, &rules)).await.is_err());
    assert_eq!(house.fair().load(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_can_never_fit_is_not_to_be_tried_again() {
    let house = admission(10, RuntimeClock::new());
    let rules = OwnerRules::default();
    let refuse = async |limit: &str| {
        let grant = grant("k", &[limit]);
        let error = house.enter(entrant(&house, &grant, &rules)).await.unwrap_err();
        assert_eq!(error.refusal().unwrap().retry_after, None);
        (error.kind(), error.refusal().unwrap().resets_at.is_some())
    };
    assert_eq!(refuse("99 tokens/hour").await, (Kind::TooLarge, false));
    assert_eq!(refuse("0/hour").await, (Kind::QuotaExceeded, false));
    let grant = grant("month", &["1/month"]);
    drop(house.enter(entrant(&house, &grant, &rules)).await.unwrap());
    let error = house.enter(entrant(&house, &grant, &rules)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::QuotaExceeded);
    assert!(error.refusal().unwrap().resets_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_smooth_pace_of_tokens_is_corrected_by_what_was_used() {
    let clock = RuntimeClock::new();
    let house = admission(10, clock);
    let grant = grant("k", &[]);
    let (rate, burst) = (60.try_into().unwrap(), 200.try_into().unwrap());
    let pace = Pace { of: Of::Tokens, rate, period: Duration::from_secs(60), burst };
    let key = Rules { rules: vec![Rule::Smooth(pace)], in_flight_max: None };
    let rules = OwnerRules { key, ..OwnerRules::default() };
    let mut one = house.enter(entrant(&house, &grant, &rules)).await.unwrap();
    let _two = house.enter(entrant(&house, &grant, &rules)).await.unwrap();
    let error = house.enter(entrant(&house, &grant, &rules)).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().retry_after, Some(Duration::from_secs(100)));
    one.settle(40);
    let error = house.enter(entrant(&house, &grant, &rules)).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().retry_after, Some(Duration::from_secs(40)));
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert!(house.enter(entrant(&house, &grant, &rules)).await.is_ok());
}

/// More or less may be allowed from now on; what was counted stays counted.
#[tokio::test(start_paused = true)]
async fn a_changed_number_keeps_the_count() {
    let house = admission(100, RuntimeClock::new());
    let none = OwnerRules::default();
    let come = async |limit: &'static str| {
        let grant = grant("k", &[limit]);
        house.enter(entrant(&house, &grant, &none)).await.map(|mut slot| slot.settle(100)).is_ok()
    };
    for _ in 0..6 {
        assert!(come("10/day").await);
    }
    assert!(!come("6/day").await, "six were used");
    for _ in 0..2 {
        assert!(come("8/day").await);
    }
    assert!(!come("8/day").await);
    assert!(come("9/day").await);
}

/// A key that is full is told so before it uses up what it shares with others.
#[tokio::test(start_paused = true)]
async fn a_full_key_does_not_use_up_its_teams_pace() {
    let house = admission(100, RuntimeClock::new());
    let ten = NonZeroU32::new(10).unwrap();
    let pace = Pace { of: Of::Requests, rate: ten, period: Duration::from_secs(60), burst: ten };
    let shared = OwnerRules {
        key: Rules { rules: Vec::new(), in_flight_max: Some(1) },
        team: Rules { rules: vec![Rule::Smooth(pace)], in_flight_max: None },
        ..OwnerRules::default()
    };
    let (busy, other) = (grant("busy", &[]), grant("other", &[]));
    let held = house.enter(entrant(&house, &busy, &shared)).await.unwrap();
    for _ in 0..50 {
        house.enter(entrant(&house, &busy, &shared)).await.unwrap_err();
    }
    for _ in 0..9 {
        drop(house.enter(entrant(&house, &other, &shared)).await.unwrap());
    }
    drop(held);
}
