//! Whole answers return as they came, and mean what they say.

use llm_core::completion::FinishReason;
use llm_core::error::{Error, Kind};
use llm_core::fault::FaultClass;
use llm_core::prompt::PartKind;
use llm_core::usage::{Unknown, Usage};

use super::*;

pub(super) const FULL: &str = r#"{"model":"m","created_at":"2026-01-01T00:00:00.123Z","message":{"role":"assistant",
  "content":"Hi!","thinking":"Hm.","images":["R0lGODlh"],"tool_calls":[
  {"id":"c1","function":{"index":0,"name":"f","arguments":{"a":1.0}}},{"function":{"name":"g"}}],
  "x_message":1},"done":true,"done_reason":"stop","total_duration":5,"load_duration":1,
  "prompt_eval_count":9,"prompt_eval_duration":2,"eval_count":7,"eval_duration":4,
  "logprobs":[{"token":"Hi","logprob":-0.010,"bytes":[72,105],"top_logprobs":[{"token":"H","logprob":-4}]}],
  "context":[1,2],"x_top":null}"#;

#[test]
fn an_answer_returns_as_it_came() {
    for body in [
        FULL,
        r#"{"model":"m","created_at":"odd","message":{"role":"assistant","content":""},"done_reason":"load","done":true}"#,
        r#"{"model":"m","message":{"content":null,"thinking":"","images":[],"tool_calls":[]},"done":false,"x":1}"#,
        r#"{"done":true}"#,
        r#"{"model":"m","message":{"role":"assistant","content":""},"done":true,"total_duration":3,
            "logprobs":[{"token":"a","logprob":-1,"x":1}]}"#,
    ] {
        let completion = completion(body);
        let rendered = caller("/api/chat")
            .encode_answer(&Answer::Chat(completion.clone()), &RenderCx::default());
        assert_eq!(json(&rendered.body), json(body.as_bytes()));
        assert!(rendered.losses.is_empty());
        assert_eq!(collect(&completion.explode()), completion);
        laws::check(&completion.explode()).unwrap();
    }
    let body = r#"{"model":"m","response":"Hi","thinking":"h","done":true,"done_reason":"length","context":[1]}"#;
    let answer = said("/api/generate", Operation::Chat, body);
    let rendered = caller("/api/generate").encode_answer(&answer, &RenderCx::default());
    assert_eq!(json(&rendered.body), json(body.as_bytes()));
}

#[test]
fn words_are_where_they_belong() {
    let completion = completion(FULL);
    assert_eq!((completion.created, completion.ended), (Some(1_767_225_600), true));
    let parts = &completion.candidates[0].parts;
    assert_eq!(parts.len(), 5);
    let PartKind::ToolCall(call) = &parts[4].kind else { panic!() };
    assert!(call.id.starts_with("call_gw") && call.arguments.is_empty());
    let finish = completion.candidates[0].finish.as_ref().unwrap();
    // Calls make a tool turn, though the word is `stop`.
    assert_eq!(finish.reason, FinishReason::ToolCalls);
    assert_eq!(finish.word.as_deref(), Some("stop"));
}

#[test]
fn counts_are_totals() {
    let unknown = |input, output| Unknown { input, output };
    for (body, usage) in [
        (
            r#""prompt_eval_count":9,"eval_count":7"#,
            Some(Usage { input: 9, output: 7, ..Usage::default() }),
        ),
        (
            r#""eval_count":7"#,
            Some(Usage { output: 7, unknown: unknown(true, false), ..Usage::default() }),
        ),
        (
            r#""prompt_eval_count":9,"eval_count":-1"#,
            Some(Usage { input: 9, unknown: unknown(false, true), ..Usage::default() }),
        ),
        (r#""total_duration":9"#, None),
    ] {
        let completion =
            completion(&format!(r#"{{"message":{{"content":"a"}},"done":true,{body}}}"#));
        assert_eq!(completion.usage.map(|u| u.usage), usage, "{body}");
    }
}

#[test]
fn vectors_and_models_return_as_they_came() {
    for (path, operation, body) in [
        (
            "/api/embed",
            Operation::Embed,
            r#"{"model":"m","embeddings":[[0.1,-3e-05,1.0],[]],"total_duration":1,"prompt_eval_count":8}"#,
        ),
        ("/api/embeddings", Operation::Embed, r#"{"embedding":[0.5,2.0]}"#),
        (
            "/api/chat",
            Operation::ListModels,
            r#"{"models":[{"name":"a","model":"a","modified_at":"2026-01-01T00:00:00Z","size":1},{"model":"b"}],"x":1}"#,
        ),
        ("/api/chat", Operation::ListModels, r#"{"license":"MIT","capabilities":["completion"]}"#),
    ] {
        let answer = said(path, operation, body);
        let rendered = caller(path).encode_answer(&answer, &RenderCx::default());
        assert_eq!(json(&rendered.body), json(body.as_bytes()));
        assert!(rendered.losses.is_empty());
    }
}

#[test]
fn errors_are_understood_and_shown() {
    let fault = |status: u16, body: &'static str| {
        let head = http::Response::builder().status(status).body(()).unwrap().into_parts().0;
        upstream("/api/chat").decode_error(&head, &Bytes::from_static(body.as_bytes()))
    };
    let missing = fault(404, r#"{"error":"model 'x' not found"}"#);
    assert_eq!((missing.class, &*missing.message), (FaultClass::NotFound, "model 'x' not found"));
    assert_eq!(
        fault(400, r#"{"error":"m does not support tools"}"#).class,
        FaultClass::InvalidRequest
    );
    assert_eq!(fault(503, r#"{"error":"server busy"}"#).class, FaultClass::Overloaded);
    assert_eq!(fault(502, "<html>").class, FaultClass::Server);
    let inside = completion(r#"{"error":"the runner broke"}"#).failure.unwrap();
    assert_eq!(inside.fault().map(|f| (f.status, f.class)), Some((200, FaultClass::Server)));
    let error = Error::new(Kind::UnknownModel, "there is no model x");
    let response = caller("/api/chat").encode_error(&error, &RenderCx::default());
    assert_eq!(response.status(), 404);
    assert_eq!(json(response.body()), serde_json::json!({"error": "there is no model x"}));
}
