//! A tier is down for everyone: few are asked in vain, nobody waits for long, and it is used again
//! as soon as it is well.

use std::time::Duration;

use llm_sim::upstream::Vendor;

use crate::world::{Small, ask};

#[tokio::test(start_paused = true)]
async fn a_total_outage_of_the_first_tier() {
    let small = Small::new();
    small.script(Vendor::OpenAi, r#"[{"times": "always", "do": {"error": "server_error"}}]"#);
    small.script(Vendor::Anthropic, r#"[{"times": "always", "do": {"first_byte_ms": 40}}]"#);
    let clock = small.gateway.clock().clone();
    let (mut calls, mut slowest) = (0u32, Duration::ZERO);
    // A minute of ten calls a second.
    for tick in 0..600 {
        let began = clock.now();
        small.gateway.chat(ask("smart", "Say hello.")).await.unwrap();
        calls += 1;
        if tick > 20 {
            slowest = slowest.max(clock.now() - began);
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let asked = small.upstream(Vendor::OpenAi).requests().len();
    let served = small.upstream(Vendor::Anthropic).requests().len();
    println!("{calls} calls: {asked} asked in vain, {served} served, slowest {slowest:?}");
    assert!(asked as f64 <= 1.1 * f64::from(calls), "{asked} for {calls} calls");
    assert_eq!(served, calls as usize);
    // What the second tier takes itself, and 50 ms at the most beside it.
    assert!(slowest <= Duration::from_millis(40 + 50), "{slowest:?}");
    // It heals.
    small.script(Vendor::OpenAi, "[]");
    let before = small.upstream(Vendor::OpenAi).requests().len();
    let healed = clock.now();
    let mut back = None;
    while back.is_none() && clock.now() - healed < Duration::from_secs(10) {
        small.gateway.chat(ask("smart", "Say hello.")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
        let requests = small.upstream(Vendor::OpenAi).requests();
        let well = requests.iter().skip(before).filter(|r| r.status == Some(200)).count();
        if well >= 6 {
            back = Some(clock.now() - healed);
        }
    }
    println!("used again after {back:?}");
    assert!(back.is_some_and(|b| b <= Duration::from_secs(5)), "{back:?}");
}

#[tokio::test(start_paused = true)]
async fn when_everybody_is_down_each_is_asked_and_the_caller_hears_soon() {
    let small = Small::new();
    for vendor in Vendor::ALL {
        small.script(vendor, r#"[{"times": "always", "do": {"error": "overloaded"}}]"#);
    }
    let clock = small.gateway.clock().clone();
    let mut worst = Duration::ZERO;
    for _ in 0..100 {
        let began = clock.now();
        let error = small.gateway.chat(ask("smart", "Say hello.")).await.unwrap_err();
        assert_eq!(error.kind().status(), 503, "{error:?}");
        worst = worst.max(clock.now() - began);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(worst < Duration::from_secs(3), "{worst:?}");
    assert_eq!(small.ledger.holds_open(), 0);
    for vendor in Vendor::ALL {
        small.script(vendor, "[]");
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    small.gateway.chat(ask("smart", "Say hello.")).await.unwrap();
}

/// A single target that fails now and then is asked again, and the caller never knows.
#[tokio::test(start_paused = true)]
async fn one_failure_of_an_only_target_is_not_the_callers() {
    let small = Small::with_one(Vendor::OpenAi);
    small.script(Vendor::OpenAi, r#"[{"times": 1, "do": {"error": "server_error"}}]"#);
    small.gateway.chat(ask("faulty", "Say hello.")).await.unwrap();
    assert_eq!(small.upstream(Vendor::OpenAi).requests().len(), 2);
    // But a request that is wrong is wrong the second time too.
    small.script(Vendor::OpenAi, r#"[{"times": "always", "do": {"error": "bad_request"}}]"#);
    small.gateway.chat(ask("faulty", "Say hello.")).await.unwrap_err();
    assert_eq!(small.upstream(Vendor::OpenAi).requests().len(), 3);
}
