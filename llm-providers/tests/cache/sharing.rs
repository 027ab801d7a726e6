//! One upstream call for all who ask the same at once.

use std::time::Duration;

use futures_util::future::join_all;
use llm_core::call::{CacheUse, Deadline};
use llm_core::error::Kind;
use llm_providers::reply::CacheState;
use llm_sim::upstream::Vendor::OpenAi;

use crate::lab::{global, lab, question, wish, words};

const CALLS: usize = 1_000;
const SLOW: &str = r#"{"times":"always","do":{"first_byte_ms":300,"chunk_ms":50}}"#;

#[tokio::test(start_paused = true)]
async fn a_thousand_who_ask_at_once_are_one_upstream_call() {
    for forms in [[false; 2], [true; 2], [false, true], [true, false]] {
        let lab = lab(global());
        lab.script(OpenAi, SLOW);
        let calls = (0..CALLS).map(|n| {
            let lab = lab.clone();
            tokio::spawn(async move { lab.say(&question(forms[n % 2])).await })
        });
        let told = join_all(calls).await;
        let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
        assert_eq!(lab.asked(OpenAi), 1);
        let said = words(&told[0].text);
        assert_eq!(said.split_whitespace().count(), 20, "{said}");
        for (n, one) in told.iter().enumerate() {
            assert_eq!(words(&one.text), said);
            assert_eq!(one.text.contains("[DONE]"), forms[n % 2]);
        }
        let led = told.iter().filter(|t| t.cache == CacheState::Miss).count();
        let went = told.iter().filter(|t| t.cache == CacheState::Coalesced).count();
        assert_eq!((led, went), (1, CALLS - 1));
        lab.assert_settled().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn so_are_they_on_several_threads_in_real_time() {
    for _ in 0..5 {
        let lab = lab(global());
        lab.script(OpenAi, r#"{"times":"always","do":{"first_byte_ms":5,"chunk_ms":1}}"#);
        let calls = (0..300).map(|n| {
            let lab = lab.clone();
            tokio::spawn(async move { lab.say(&question(n % 3 > 0)).await })
        });
        let told = tokio::time::timeout(Duration::from_secs(60), join_all(calls)).await.unwrap();
        let said = words(&told[0].as_ref().unwrap().text);
        assert!(told.iter().all(|t| words(&t.as_ref().unwrap().text) == said));
        assert_eq!(lab.asked(OpenAi), 1);
        lab.assert_settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_late_reads_from_the_beginning() {
    let lab = lab(global());
    lab.script(OpenAi, SLOW);
    let first = tokio::spawn({
        let lab = lab.clone();
        async move { lab.say(&question(true)).await }
    });
    tokio::time::sleep(Duration::from_millis(600)).await;
    let late = lab.say(&question(true)).await;
    assert_eq!(late.cache, CacheState::Coalesced);
    assert_eq!(late.text, first.await.unwrap().text);
    assert_eq!(lab.asked(OpenAi), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_holds_nobody_up_and_gets_everything() {
    use futures_util::StreamExt;
    let lab = lab(global());
    lab.script(OpenAi, SLOW);
    // The first caller has its head and then reads nothing.
    let slow = lab.send(lab.call(&question(true))).await.unwrap();
    let fast = lab.say(&question(true)).await;
    assert_eq!(fast.cache, CacheState::Coalesced);
    assert_eq!(words(&fast.text).split_whitespace().count(), 20);
    let mut body = slow.body;
    let mut text = Vec::new();
    while let Some(bytes) = body.next().await {
        text.extend_from_slice(&bytes.unwrap());
    }
    assert_eq!(String::from_utf8(text).unwrap(), fast.text);
    drop(body);
    lab.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_the_questions_own_is_shared() {
    let lab = lab(global());
    lab.script(OpenAi, r#"{"times":"always","do":{"first_byte_ms":300,"error":"bad_request"}}"#);
    let calls = (0..50).map(|_| lab.ask(lab.call(&question(true))));
    for told in join_all(calls).await {
        assert_eq!(told.unwrap_err().kind(), Kind::BadRequest);
    }
    assert_eq!(lab.asked(OpenAi), 1);
    lab.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn another_failure_has_one_of_those_who_wait_ask_again() {
    let lab = lab(global());
    lab.script(OpenAi, r#"{"times":1,"do":{"first_byte_ms":300,"error":"server_error"}}"#);
    let calls = (0..50).map(|_| lab.ask(lab.call(&question(false))));
    let told = join_all(calls).await;
    assert_eq!(told.iter().filter(|t| t.is_err()).count(), 1, "the first caller's own");
    assert_eq!(lab.asked(OpenAi), 2);
    lab.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_is_not_stormed() {
    let lab = lab(global());
    lab.script(OpenAi, r#"{"times":"always","do":{"first_byte_ms":300,"error":"overloaded"}}"#);
    let calls = (0..50).map(|_| lab.ask(lab.call(&question(false))));
    for told in join_all(calls).await {
        assert_eq!(told.unwrap_err().kind(), Kind::UpstreamOverloaded);
    }
    assert_eq!(lab.asked(OpenAi), 2);
    lab.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_breaks_for_all_and_is_not_kept() {
    let lab = lab(global());
    lab.script(
        OpenAi,
        r#"{"times":1,"do":{"first_byte_ms":300,"chunk_ms":9,"cut":{"after_frames":5}}}"#,
    );
    let body = question(true);
    let calls = (0..20).map(|_| lab.say(&body));
    for told in join_all(calls).await {
        assert!(told.text.contains("\"error\""), "{}", told.text);
        assert!(!told.text.contains("[DONE]"));
    }
    assert_eq!(lab.asked(OpenAi), 1);
    lab.assert_settled().await;
    let again = lab.say(&question(true)).await;
    assert_eq!(again.cache, CacheState::Miss);
    assert_eq!(words(&again.text).split_whitespace().count(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_follower_has_its_own_deadline() {
    let lab = lab(global());
    lab.script(OpenAi, SLOW);
    let within = |ms| {
        let mut call = lab.call(&question(true));
        call.deadline = Deadline(lab.gateway.clock().now() + Duration::from_millis(ms));
        call
    };
    let (long, head, body) =
        tokio::join!(lab.ask(within(60_000)), lab.ask(within(100)), lab.ask(within(700)),);
    assert_eq!(words(&long.unwrap().text).split_whitespace().count(), 20);
    assert_eq!(head.unwrap_err().kind(), Kind::DeadlinePassed);
    assert!(body.unwrap().text.contains("deadline"));
    lab.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_before_a_refresh_does_not_replace_it() {
    let lab = lab(global());
    lab.script(
        OpenAi,
        r#"[{"times":1,"do":{"first_byte_ms":900,"text":"old"}},
            {"times":1,"do":{"first_byte_ms":100,"text":"new"}}]"#,
    );
    let later = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        lab.ask(wish(lab.call(&question(false)), CacheUse::Refresh)).await.unwrap()
    };
    let (old, new) = tokio::join!(lab.ask(lab.call(&question(false))), later);
    assert_eq!((words(&old.unwrap().text), words(&new.text)), ("old".into(), "new".into()));
    assert_eq!(words(&lab.say(&question(false)).await.text), "new");
    assert_eq!(lab.asked(OpenAi), 2);
}

#[tokio::test(start_paused = true)]
async fn callers_say_how_the_cache_is_used() {
    let lab = lab(global());
    let ask = |cache| lab.ask(wish(lab.call(&question(false)), cache));
    assert_eq!(ask(CacheUse::Off).await.unwrap().cache, CacheState::Bypass);
    assert_eq!(ask(CacheUse::NoStore).await.unwrap().cache, CacheState::Miss);
    assert_eq!(ask(CacheUse::Use).await.unwrap().cache, CacheState::Miss);
    assert_eq!(lab.asked(OpenAi), 3);
    for cache in [CacheUse::Use, CacheUse::NoStore] {
        assert!(matches!(ask(cache).await.unwrap().cache, CacheState::Hit { .. }));
    }
    assert_eq!(lab.asked(OpenAi), 3);
    lab.script(OpenAi, r#"{"times":1,"do":{"text":"something else"}}"#);
    assert_eq!(ask(CacheUse::Refresh).await.unwrap().cache, CacheState::Miss);
    assert_eq!(words(&ask(CacheUse::Use).await.unwrap().text), "something else");
    assert_eq!(lab.asked(OpenAi), 4);
}
