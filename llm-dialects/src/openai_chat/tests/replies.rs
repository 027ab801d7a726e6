use llm_core::completion::FinishReason;
use llm_core::prompt::PartKind;

use super::*;

const WHOLE: &str = r#"{"id":"c1","object":"chat.completion","created":5,"model":"m","choices":[{"index":0,"message":{
    "role":"assistant","content":"hi","refusal":null,"annotations":[{"type":"url_citation","url_citation":{"start_index":0,"end_index":2,"url":"https://a","title":"A"}}],
    "reasoning":"r","reasoning_details":[{"type":"reasoning.text","text":"r","format":null}],"x":1},
    "logprobs":{"content":[{"token":"hi","logprob":-0.10,"bytes":[104,105],"top_logprobs":[{"token":"hi","logprob":-0.10,"bytes":null}]}],"refusal":null},
    "finish_reason":"stop","native_finish_reason":"STOP"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"cost":0.1},"system_fingerprint":null,"service_tier":"default"}"#;

#[test]
fn whole_answers_return_as_they_were_written() {
    for body in [
        WHOLE,
        r#"{"id":"c","object":"chat.completion","created":5,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"","refusal":"no"},"logprobs":null,"finish_reason":"content_filter"},
            {"index":1,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"},"index":0}]},"finish_reason":"tool_calls"}]}"#,
        r#"{"id":"c","object":"chat.completion","created":5,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"},
            "audio":{"id":"au","data":"QUJD","expires_at":9,"transcript":"t"}},"finish_reason":"function_call"}]}"#,
    ] {
        let done = complete(body);
        assert!(done.ended);
        let rendered = OpenaiChat.encode_answer(&Answer::Chat(done.clone()), &RenderCx::default());
        assert_eq!(json(&rendered.body), json(body.as_bytes()), "{done:?}");
        assert!(rendered.losses.is_empty(), "{:?}", rendered.losses);
    }
}

#[test]
fn callers_are_sent_the_official_form() {
    let body = r#"{"id":"c","model":"m","choices":[{"message":{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"a"},{"type":"text","text":"b"}],
        "tool_calls":null},"finish_reason":"eos"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":8,"completion_tokens_details":{"reasoning_tokens":5}}}"#;
    let done = complete(body);
    assert_eq!(
        done.candidates[0].finish.as_ref().unwrap().reason,
        FinishReason::Other("eos".into())
    );
    let body = shown(&done, &RenderCx { model: Some("alias".into()), ..cx() });
    let choice = &body["choices"][0];
    assert_eq!(choice["message"]["content"], "ab");
    assert_eq!(choice["message"]["reasoning_content"], "t");
    assert!(choice["message"].get("tool_calls").is_none());
    assert_eq!(choice["finish_reason"], "stop");
    assert_eq!((&body["model"], &body["created"]), (&"alias".into(), &7.into()));
    assert_eq!(
        (&body["usage"]["completion_tokens"], &body["usage"]["total_tokens"]),
        (&7.into(), &8.into())
    );
}

#[test]
fn slips_of_hosts_do_not_cost_the_answer() {
    let done = complete(
        r#"{"id":7,"created":"now","model":null,"object":"x","choices":[{"index":0,"message":{"content":"a","reasoning_content":"","audio":null,"annotations":null,
        "tool_calls":[{"function":{"name":"f","arguments":{"x":1}}},{"id":"","type":"function","function":{"name":"g"}}]},"finish_reason":"stop","logprobs":[]}],"usage":null,"error":null}"#,
    );
    assert_eq!(done.id, None);
    let candidate = &done.candidates[0];
    assert_eq!(candidate.finish.as_ref().unwrap().reason, FinishReason::ToolCalls);
    let calls = candidate.parts.iter().filter_map(|p| match &p.kind {
        PartKind::ToolCall(call) => Some(call),
        _ => None,
    });
    let calls: Vec<_> = calls.collect();
    assert_eq!(&*calls[0].arguments, "{\"x\":1}");
    assert!(crate::state::call_id::is_made(&calls[0].id) && calls[0].id != calls[1].id);
}

#[test]
fn an_error_in_an_answer_is_a_failure() {
    for body in [
        r#"{"error":{"message":"busy","code":503}}"#,
        r#"{"error":"Rate limit exceeded: try again in 2s","code":429}"#,
        r#"{"object":"error","message":"busy","type":"overloaded_error","code":503}"#,
    ] {
        let body = Bytes::from(body.to_owned());
        let Ok(Answer::Chat(done)) = OpenaiChat.decode_answer(Operation::Chat, Body::json(&body))
        else {
            panic!()
        };
        let fault = done.failure.as_ref().unwrap().fault().unwrap();
        assert!(fault.retryable && fault.status == 200, "{fault:?}");
        assert!(!done.ended);
        assert!(shown(&done, &cx())["error"]["message"].is_string());
    }
    let odd = Bytes::from_static(b"{\"x\":1}");
    assert!(OpenaiChat.decode_answer(Operation::Chat, Body::json(&odd)).is_err());
}

#[test]
fn a_whole_answer_and_its_stream_say_the_same() {
    let done = complete(WHOLE);
    let chunks = streamed(&done.explode(), &cx());
    let again = collect(&events(&chunks));
    assert_eq!(again.text(0), done.text(0));
    assert_eq!(again.usage.as_ref().unwrap().usage, done.usage.as_ref().unwrap().usage);
    let parts = |c: &Completion| {
        c.candidates[0].parts.iter().map(|p| (p.kind.clone(), p.state.clone())).collect::<Vec<_>>()
    };
    assert_eq!(parts(&again), parts(&done));
}
