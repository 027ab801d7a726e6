//! A recording answers in either form, in each dialect.

use llm_core::call::CacheUse;
use llm_core::dialect::DialectId;
use llm_providers::reply::CacheState;

use crate::lab::{DIALECTS, global, lab, question, wish, words};

fn is_hit(cache: CacheState) -> bool {
    matches!(cache, CacheState::Hit { .. })
}

/// A question to a model, in OpenAI's words.
fn to(model: &str, stream: bool) -> String {
    question(stream).replace("\"openai\"", &format!("{model:?}"))
}

#[tokio::test(start_paused = true)]
async fn each_dialect_is_replayed_in_both_forms() {
    for (model, vendor, _) in DIALECTS {
        for recorded in [false, true] {
            let lab = lab(global());
            let first = lab.say(&to(model, recorded)).await;
            assert_eq!(first.cache, CacheState::Miss, "{model}");
            let said = words(&first.text);
            assert!(!said.is_empty(), "{model}: {}", first.text);
            for wanted in [recorded, !recorded, recorded] {
                let again = lab.say(&to(model, wanted)).await;
                assert!(is_hit(again.cache), "{model} {recorded} {wanted}: {:?}", again.cache);
                assert_eq!(words(&again.text), said, "{model} {recorded} {wanted}");
                assert_eq!(again.text.contains("data: [DONE]"), wanted, "{}", again.text);
                if wanted == recorded {
                    assert_eq!(again.text, first.text, "{model}: as it was recorded");
                }
                // A whole answer has its usage, whichever form was recorded.
                assert_eq!(again.text.contains("\"total_tokens\""), !wanted, "{}", again.text);
            }
            assert_eq!(lab.asked(vendor), 1, "{model}");
            lab.assert_settled().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn usage_is_shown_to_whoever_asked_for_it_and_to_nobody_else() {
    let with = question(true)
        .replace("\"stream\":true", "\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    for (first, then) in [(question(true), with.clone()), (with.clone(), question(true))] {
        let lab = lab(global());
        for body in [&first, &then, &first] {
            let told = lab.say(body).await;
            let wanted = body.contains("include_usage");
            assert_eq!(told.text.contains("\"total_tokens\""), wanted, "{}", told.text);
            assert!(told.text.ends_with("data: [DONE]\n\n"), "{}", told.text);
        }
        assert_eq!(lab.asked(llm_sim::upstream::Vendor::OpenAi), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn another_callers_dialect_is_another_question_and_is_answered_in_its_own_words() {
    let lab = lab(global());
    let body = r#"{"model":"openai","max_tokens":200,"messages":[{"role":"user","content":"Write 9 words"}]}"#;
    let ask = || lab.ask(lab.call_to(DialectId::Anthropic, "/v1/messages", body));
    let first = ask().await.unwrap();
    lab.say(&question(false)).await;
    let again = ask().await.unwrap();
    assert!(is_hit(again.cache));
    assert_eq!(again.text, first.text);
    assert!(first.text.contains("\"type\":\"message\""), "{}", first.text);
}

#[tokio::test(start_paused = true)]
async fn another_dialect_that_always_says_usage_says_it_with_and_without_the_cache() {
    let lab = lab(global());
    let body = r#"{"model":"openai","stream":true,"max_tokens":200,"messages":[{"role":"user","content":"Write 3 words"}]}"#;
    for cache in [CacheUse::Off, CacheUse::Use, CacheUse::Use] {
        let call = wish(lab.call_to(DialectId::Anthropic, "/v1/messages", body), cache);
        let text = lab.ask(call).await.unwrap().text;
        assert!(text.contains("\"output_tokens\":3"), "{cache:?}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn embeddings_are_kept() {
    let lab = lab(global());
    let body = r#"{"model":"openai","input":["one","two"]}"#;
    let first = lab.say(body).await;
    let again = lab.say(r#"{ "input" : [ "one", "two" ], "model":"openai", "user":"x" }"#).await;
    assert!(is_hit(again.cache));
    assert_eq!(again.text, first.text);
}
