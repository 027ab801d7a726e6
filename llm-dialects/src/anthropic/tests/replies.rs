//! Whole answers.

use llm_core::completion::{Candidate, Finish, FinishReason};
use llm_core::dialect::DialectId;
use llm_core::prompt::{Citation, Text};

use super::*;

pub(super) fn everything() -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "EqQB"},
            {"type": "redacted_thinking", "data": "EmwK"},
            {"type": "text", "text": "one", "citations": null},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": "x"}},
            {"type": "text", "text": "two", "citations": [
                {"type": "char_location", "cited_text": "c", "document_index": 0, "document_title": "T",
                 "start_char_index": 1, "end_char_index": 2}]},
            {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {"q": 1.50}, "caller": {"type": "direct"}},
        ],
        "stop_reason": "tool_use", "stop_sequence": null, "stop_details": null,
        "container": {"id": "c"}, "context_management": {"applied_edits": []},
        "usage": {"input_tokens": 3, "output_tokens": 9, "service_tier": "standard", "inference_geo": "x",
                  "cache_creation": {"ephemeral_5m_input_tokens": 0}},
        "later": [1],
    })
}

fn rendered(completion: &Completion) -> (Value, Vec<String>) {
    let answer = Anthropic.encode_answer(&Answer::Chat(completion.clone()), &cx());
    (parsed(&answer.body), said(&answer.losses))
}

#[test]
fn an_answer_returns_as_it_came() {
    let body = everything();
    let completion = read(&body);
    assert_eq!(rendered(&completion), (body, vec![]));
    let events = completion.explode();
    assert_eq!(laws::check(&events), Ok(()));
    assert_eq!(collect(&events), completion);
    assert!(completion.ended);
    assert_eq!(completion.text(0), "onetwo");
}

#[test]
fn odd_answers_are_read_or_refused() {
    let half = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}});
    let completion = read(&half);
    assert!(!completion.ended && completion.candidates[0].finish.is_none());
    assert_eq!(rendered(&completion).0, half);
    let failed = json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}});
    let completion = read(&failed);
    assert_eq!(completion.failure.as_ref().unwrap().message(), "busy");
    assert_eq!(rendered(&completion).0["error"]["type"], "overloaded_error");
    for text in ["", "<html>", "[]", "{}", r#"{"content":[{"type":"text"}]}"#, r#"{"content":{}}"#]
    {
        let body = Bytes::from_static(text.as_bytes());
        assert!(Anthropic.decode_answer(Operation::Chat, Body::json(&body)).is_err(), "{text}");
    }
}

fn foreign(parts: Vec<Part>, reason: FinishReason) -> Completion {
    let finish = Some(Finish::new(reason));
    let candidates = vec![Candidate { parts, finish }];
    Completion { id: Some("chatcmpl-1".into()), candidates, ended: true, ..Completion::default() }
}

#[test]
fn foreign_answers_are_whole_messages() {
    let cut = call("call_1", "{\"a\":");
    let (body, losses) = rendered(&foreign(vec![Part::text("t"), cut], FinishReason::Length));
    let want = json!({"id": "msg_chatcmpl-1", "type": "message", "role": "assistant", "model": "unknown",
        "content": [{"type": "text", "text": "t"},
            {"type": "tool_use", "id": "call_1", "name": "find", "input": {"input": "{\"a\":"}}],
        "stop_reason": "max_tokens", "stop_sequence": null,
        "usage": {"input_tokens": 0, "output_tokens": 0}});
    assert_eq!(body, want);
    assert_eq!(losses, ["~candidates.0.parts.1.arguments"]);
    let why = |parts: Vec<Part>, reason| rendered(&foreign(parts, reason)).0["stop_reason"].clone();
    let no = Part::new(PartKind::Refusal(Text::new("no")));
    assert_eq!(why(vec![no], FinishReason::Stop), "refusal");
    assert_eq!(why(vec![], FinishReason::ContentFilter), "refusal");
    assert_eq!(why(vec![], FinishReason::ToolCalls), "end_turn");
    assert_eq!(why(vec![call("a", "")], FinishReason::Stop), "tool_use");
    assert_eq!(why(vec![], FinishReason::Other("load".into())), "end_turn");
    assert_eq!(why(vec![], FinishReason::Paused), "pause_turn");
}

/// A conversation comes back with what the provider wants back, whoever that is.
#[test]
fn state_and_sources_of_others_survive_a_turn() {
    let state = |kind| Some(opaque(DialectId::Gemini, kind, "\"g+/=\""));
    let mut thought = Part::new(PartKind::Reasoning("hm".into()));
    thought.state = state("a");
    let mut hidden = Part::new(PartKind::Reasoning("".into()));
    hidden.state = state("b");
    let mut tool = call("call_1", "{}");
    tool.state = state("thoughtSignature");
    let mut text = Part::text("t");
    text.state = state("d");
    let PartKind::Text(t) = &mut text.kind else { panic!() };
    let wire = Some(opaque(DialectId::Gemini, "chunk", "{\"i\":1}"));
    t.citations = vec![Citation { url: Some("u".into()), wire, ..Citation::default() }];
    let sent = foreign(vec![thought, hidden, text, tool], FinishReason::Stop);
    let (body, losses) = rendered(&sent);
    assert_eq!(losses, [""; 0]);
    let turn = json!({"model": "m", "max_tokens": 1,
        "messages": [{"role": "assistant", "content": body["content"]}]});
    let got = asked(&turn).messages.remove(0).parts;
    let want = &sent.candidates[0].parts;
    assert_eq!(got.len(), want.len());
    for (a, b) in got.iter().zip(want) {
        assert_eq!(a.state, b.state);
    }
    let PartKind::Text(t) = &got[2].kind else { panic!() };
    assert_eq!(t.citations[0].wire, Some(opaque(DialectId::Gemini, "chunk", "{\"i\":1}")));
}
