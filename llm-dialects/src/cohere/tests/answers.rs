//! Whole answers return as they came, and mean what they say.

use llm_core::completion::FinishReason;
use llm_core::error::{Error, Kind};
use llm_core::fault::FaultClass;
use llm_core::usage::{Unknown, Usage};

use super::*;
use crate::cohere::usage;

pub(super) const FULL: &str = r#"{"id":"a","message":{"role":"assistant","tool_plan":"Plan.",
  "content":[{"type":"thinking","thinking":"Hm.","x":1},{"type":"text","text":"Seoul.","y":2},{"type":"new","z":3}],
  "tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"null"}}],
  "citations":[{"start":0,"end":5,"text":"Seoul","sources":[],"content_index":1}],"x_message":1},
  "finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":3,"output_tokens":5},
  "tokens":{"input_tokens":497,"output_tokens":7,"reasoning_tokens":2},"cached_tokens":400,"x_usage":1},
  "logprobs":[{"token_ids":[1],"text":"Seoul","logprobs":[-0.010]}],"x_top":null}"#;

#[test]
fn an_answer_returns_as_it_came() {
    for body in [
        FULL,
        r#"{"message":{"content":"plain"},"finish_reason":"COMPLETE","usage":{}}"#,
        r#"{"id":"a","message":{"role":"assistant","content":[{"type":"text","text":""}],"tool_plan":"",
            "tool_calls":[],"citations":[]},"finish_reason":"ERROR","error":"why"}"#,
        r#"{"id":"a","message":{"role":"assistant"}}"#,
        r#"{"id":"a","message":{"role":"assistant","content":[{"type":"text","text":"a"}],
            "citations":[{"content_index":7}]},"finish_reason":"WHO_KNOWS","logprobs":[]}"#,
    ] {
        let completion = completion(body);
        let answer = Answer::Chat(completion.clone());
        let rendered = caller().encode_answer(&answer, &RenderCx::default());
        assert_eq!(json(&rendered.body), json(body.as_bytes()));
        assert_eq!(shown(&rendered.losses), [""; 0]);
        assert_eq!(collect(&completion.explode()), completion);
        laws::check(&completion.explode()).unwrap();
    }
}

#[test]
fn the_other_answers_return_as_they_came() {
    for (operation, body) in [
        (
            Operation::Embed,
            r#"{"id":"e","texts":["a"],"embeddings":{"float":[[0.1,-3e-05]],"int8":[[-128,127]],
            "ubinary":[[255]],"base64":["AAAA"],"new":null},"meta":{"api_version":{"version":"2"},
            "billed_units":{"input_tokens":2,"image_tokens":0}},"response_type":"embeddings_by_type"}"#,
        ),
        (
            Operation::Embed,
            r#"{"id":"e","embeddings":[[0.1],[0.2]],"response_type":"embeddings_floats"}"#,
        ),
        (
            Operation::Rerank,
            r#"{"id":"r","results":[{"index":1,"relevance_score":0.90,"document":{"text":"b"}}],
            "meta":{"billed_units":{"search_units":1}}}"#,
        ),
        (Operation::CountTokens, r#"{"tokens":[1,2,3],"token_strings":["a","b","c"],"meta":{}}"#),
        (
            Operation::ListModels,
            r#"{"models":[{"name":"a","endpoints":["chat"]}],"next_page_token":"t"}"#,
        ),
        (Operation::ListModels, r#"{"name":"a","context_length":1}"#),
    ] {
        let rendered = caller().encode_answer(&said(operation, body), &RenderCx::default());
        assert_eq!(json(&rendered.body), json(body.as_bytes()));
        assert_eq!(shown(&rendered.losses), [""; 0]);
    }
    let Answer::Rerank(ranking) = said(
        Operation::Rerank,
        r#"{"results":[{"index":1,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":2}}}"#,
    ) else {
        panic!()
    };
    assert_eq!(ranking.usage.unwrap().usage.calls, 2);
    let Answer::CountTokens(count) = said(Operation::CountTokens, r#"{"tokens":[1,2,3]}"#) else {
        panic!()
    };
    assert_eq!(count.tokens, 3);
}

#[test]
fn counts_are_disjoint() {
    let counted = |text: &str| {
        let text = Str::from(text);
        usage::report(Field::root(&text).unwrap()).map(|r| r.usage)
    };
    let usage = Usage::default;
    for (body, want) in [
        (
            r#"{"tokens":{"input_tokens":497,"output_tokens":7,"image_tokens":3,"reasoning_tokens":2},
            "billed_units":{"input_tokens":3,"output_tokens":5},"cached_tokens":400}"#,
            Some(Usage { input: 100, cache_read: 400, output: 5, reasoning: 2, ..usage() }),
        ),
        (
            r#"{"billed_units":{"input_tokens":3,"output_tokens":5}}"#,
            Some(Usage { input: 3, output: 5, ..usage() }),
        ),
        (
            r#"{"tokens":{"input_tokens":3.0},"cached_tokens":9}"#,
            Some(Usage {
                cache_read: 3,
                unknown: Unknown { input: false, output: true },
                ..usage()
            }),
        ),
        (
            r#"{"billed_units":{"search_units":2},"tokens":{}}"#,
            Some(Usage { calls: 2, unknown: Unknown { input: true, output: true }, ..usage() }),
        ),
        ("{}", None),
        (r#"{"tokens":{},"cached_tokens":1}"#, None),
        ("[]", None),
    ] {
        assert_eq!(counted(body), want, "{body}");
    }
}

#[test]
fn reasons_are_understood() {
    for (word, reason) in [
        ("COMPLETE", FinishReason::Stop),
        ("STOP_SEQUENCE", FinishReason::Stop),
        ("MAX_TOKENS", FinishReason::Length),
        ("ERROR_LIMIT", FinishReason::Length),
        ("TOOL_CALL", FinishReason::ToolCalls),
        ("ERROR_TOXIC", FinishReason::ContentFilter),
        ("TIMEOUT", FinishReason::Failed),
        ("USER_CANCEL", FinishReason::Other("USER_CANCEL".into())),
    ] {
        let body = format!(r#"{{"message":{{"content":[]}},"finish_reason":"{word}"}}"#);
        assert_eq!(completion(&body).candidates[0].finish.as_ref().unwrap().reason, reason);
    }
}

#[test]
fn errors_are_understood_and_shown() {
    let fault = |status: u16, body: &'static str| {
        let head = http::Response::builder().status(status).body(()).unwrap().into_parts().0;
        upstream().decode_error(&head, &Bytes::from_static(body.as_bytes()))
    };
    let limit = fault(429, r#"{"id":"x","message":"limited to 20 calls"}"#);
    assert_eq!((limit.class, limit.retryable), (FaultClass::RateLimited, true));
    assert_eq!(&*limit.message, "limited to 20 calls");
    assert_eq!(fault(422, r#"{"message":"unknown field"}"#).class, FaultClass::InvalidRequest);
    assert_eq!(fault(401, r#"{"message":"no"}"#).class, FaultClass::Authentication);
    assert_eq!(fault(498, "").class, FaultClass::InvalidRequest);
    let long = fault(400, r#"{"message":"too many tokens: total must be at most 100"}"#);
    assert_eq!(long.class, FaultClass::ContextOverflow);
    let error = Error::new(Kind::CreditExhausted, "your credit is used up");
    let cx = RenderCx { id: "gw".into(), ..RenderCx::default() };
    let response = caller().encode_error(&error, &cx);
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["x-should-retry"], "false");
    let want = serde_json::json!({"id": "gw", "message": "your credit is used up"});
    assert_eq!(json(response.body()), want);
}
