//! Whole answers.

use llm_core::completion::{Candidate, Completion, Finish, FinishReason, collect};
use llm_core::dialect::{DialectId, RenderCx};
use llm_core::event::laws;
use llm_core::prompt::{Opaque, Part, PartKind};
use llm_core::raw::Raw;
use llm_core::usage::Usage;
use serde_json::json;

use super::{answer, shown};

const ANSWERS: &[&str] = &[
    r#"{"candidates":[{"content":{"parts":[{"text":"hi"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3,"totalTokenCount":4,"candidatesTokenCount":1,"x":[]},"modelVersion":"m","responseId":"r"}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"a"},{"text":"b","thoughtSignature":"QQ=="},{"text":"t","thought":true},{"functionCall":{"name":"f","args":{"x":1}}},{"inlineData":{"mimeType":"image/png","data":"QUJD"}},{"toolCall":{"toolType":"X","id":"1"}}],"role":"model","more":1},"finishReason":1,"avgLogprobs":-0.10,"safetyRatings":[]}],"createTime":"2026-11-21T03:11:00Z","new":{}}"#,
    r#"{"promptFeedback":{"blockReason":"SAFETY","safetyRatings":[]}}"#,
    r#"{"candidates":[],"promptFeedback":{"blockReason":3},"usageMetadata":{}}"#,
    r#"{"candidates":[{"content":{},"finishReason":"RECITATION","index":0}]}"#,
    r#"{"candidates":[{"finishReason":"OTHER","finishMessage":"m"}]}"#,
    r#"{"candidates":[{"content":{"role":"model"},"finishReason":99},{"content":{"parts":[],"role":"odd"},"finishReason":"MAX_TOKENS","index":1}]}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"cut"}]},"index":0,"safetyRatings":[1]},{"content":{"role":"model"},"finishReason":"STOP"},{"index":2,"x":1}]}"#,
    r#"{"candidates":[{"content":{"role":"model"}}],"modelVersion":null}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"x"}],"role":"model"},"finishReason":"FINISH_REASON_UNSPECIFIED"}]}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"x"}],"role":"model"},"finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a","title":"A"}}],"groundingSupports":[{"segment":{"endIndex":1,"text":"x"},"groundingChunkIndices":[0,9]}]},"logprobsResult":{"chosenCandidates":[{"token":"x","logProbability":-0.5}],"topCandidates":[{"candidates":[{"token":"y","logProbability":-1}]}]}}]}"#,
];

#[test]
fn answers_return_as_they_came() {
    for body in ANSWERS {
        let done = answer(body);
        assert_eq!(collect(&done.explode()), done, "{body}");
        laws::check(&done.explode()).expect(body);
        let (back, losses) = shown(&done, &RenderCx::default());
        assert!(losses.is_empty(), "{body}: {losses:?}");
        assert_eq!(back, super::json(body.as_bytes()), "{body}");
    }
}

#[test]
fn answers_mean_what_they_say() {
    let done = answer(ANSWERS[1]);
    let candidate = &done.candidates[0];
    assert_eq!(candidate.finish.as_ref().unwrap().reason, FinishReason::ToolCalls);
    assert_eq!(done.text(0), "ab");
    assert_eq!(done.created, Some(1_795_230_660));
    let PartKind::ToolCall(call) = &candidate.parts[3].kind else { panic!() };
    assert!(call.id.starts_with("call_gw") && call.arguments == r#"{"x":1}"#);
    assert!(done.ended);
    for blocked in [ANSWERS[2], ANSWERS[3]] {
        let done = answer(blocked);
        let finish = done.candidates[0].finish.as_ref().unwrap();
        assert_eq!(finish.reason, FinishReason::ContentFilter, "{blocked}");
    }
    assert!(!answer(ANSWERS[7]).ended && !answer(ANSWERS[8]).ended && !answer(ANSWERS[9]).ended);
    let PartKind::Text(text) = &answer(ANSWERS[10]).candidates[0].parts[0].kind else { panic!() };
    assert_eq!(text.citations.len(), 1);
    assert_eq!(text.citations[0].title.as_deref(), Some("A"));
    assert_eq!(text.logprobs[0].top[0].token, "y");
}

#[test]
fn an_error_inside_is_a_failure() {
    for body in [
        r#"{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}"#,
        r#"[{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}]"#,
    ] {
        let done = answer(body);
        let fault = done.failure.as_ref().unwrap().fault().unwrap();
        assert_eq!((fault.status, fault.class.name()), (200, "overloaded"));
    }
}

#[test]
fn usage_of_every_kind() {
    let usage = |text: &str| {
        let body = format!(r#"{{"candidates":[],"usageMetadata":{text}}}"#);
        answer(&body).usage.map(|u| u.usage)
    };
    let of = |f: fn(&mut Usage)| {
        let mut usage = Usage::default();
        f(&mut usage);
        Some(usage)
    };
    assert_eq!(usage("{}"), None);
    assert_eq!(usage(r#"{"promptTokenCount":7}"#), of(|u| u.input = 7));
    assert_eq!(
        usage(
            r#"{"promptTokenCount":100,"cachedContentTokenCount":40,"toolUsePromptTokenCount":10,
                "candidatesTokenCount":5,"thoughtsTokenCount":20,"totalTokenCount":135,
                "promptTokensDetails":[{"modality":"TEXT","tokenCount":70},{"modality":"AUDIO","tokenCount":30}],
                "cacheTokensDetails":[{"modality":4,"tokenCount":10}],
                "candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":2}]}"#
        ),
        of(|u| {
            (u.input, u.cache_read, u.audio_in) = (50, 40, 20);
            (u.output, u.reasoning, u.audio_out) = (3, 20, 2);
        })
    );
    // More from the cache than was read, counts as strings and below nothing.
    assert_eq!(
        usage(r#"{"promptTokenCount":"5","cachedContentTokenCount":9,"candidatesTokenCount":-1}"#),
        of(|u| u.cache_read = 5)
    );
    assert_eq!(usage(r#"{"promptTokenCount":[]}"#), None);
}

#[test]
fn words_of_others_are_shown_to_gemini_clients() {
    let state = Opaque {
        origin: DialectId::Anthropic,
        kind: "signature".into(),
        value: Raw::parse(r#""EqQB/+==""#).unwrap(),
    };
    let thought =
        Part { state: Some(state.clone()), ..Part::new(PartKind::Reasoning("hm".into())) };
    let done = Completion {
        candidates: vec![Candidate {
            parts: vec![thought, Part::text("hi")],
            finish: Some(Finish::new(FinishReason::Length)),
        }],
        usage: Some(llm_core::answer::UsageReport {
            usage: Usage { input: 5, cache_read: 2, output: 3, reasoning: 1, ..Usage::default() },
            ..Default::default()
        }),
        ended: true,
        ..Completion::default()
    };
    let cx = RenderCx { id: "gw-1".into(), model: Some("alias".into()), ..RenderCx::default() };
    let (body, losses) = shown(&done, &cx);
    assert!(losses.is_empty(), "{losses:?}");
    let token = crate::state::token(&state);
    assert_eq!(
        body,
        json!({
            "candidates": [{"content": {"parts": [
                {"text": "hm", "thought": true, "thoughtSignature": token},
                {"text": "hi"}], "role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}],
            "usageMetadata": {"promptTokenCount": 7, "cachedContentTokenCount": 2,
                "candidatesTokenCount": 3, "thoughtsTokenCount": 1, "totalTokenCount": 11},
            "modelVersion": "alias", "responseId": "gw-1",
        })
    );
    // The client returns it, and it is the other provider's again.
    let history = format!(
        r#"{{"contents":[{{"role":"model","parts":[{{"text":"hm","thought":true,"thoughtSignature":"{token}"}}]}}]}}"#
    );
    let llm_core::prompt::Prompt::Chat(r) = super::decode("generateContent", &history) else {
        panic!()
    };
    assert_eq!(r.messages[0].parts[0].state, Some(state));
}
