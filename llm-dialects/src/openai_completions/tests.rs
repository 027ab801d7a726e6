use llm_core::completion::{Candidate, Completion, Finish, FinishReason};
use llm_core::dialect::BadReason;
use llm_core::prompt::{Part, PartKind};

use super::*;

fn decode(body: &'static str) -> Result<Prompt, BadRequest> {
    let route = OpenaiCompletions.route(&http::Method::POST, "/v1/completions").unwrap();
    OpenaiCompletions.decode(&route, Body::json(&Bytes::from_static(body.as_bytes())))
}

#[test]
fn a_prompt_is_one_message_of_the_user() {
    let body = r#"{"model":"m","prompt":["Say hi"],"max_tokens":9,"logprobs":2,"suffix":"!"}"#;
    let Prompt::Chat(request) = decode(body).unwrap() else { panic!() };
    assert!(
        matches!(&request.messages[0].parts[0].kind, PartKind::Text(t) if &*t.text == "Say hi")
    );
    assert_eq!(request.sampling.logprobs, Some(true));
    assert_eq!(request.output.tokens_max.unwrap().get(), "9");
    assert_eq!(request.extra.fields().len(), 1);
}

#[test]
fn what_chat_models_cannot_do_is_refused_by_name() {
    for (body, param) in [
        (r#"{"model":"m","prompt":["a","b"]}"#, "prompt"),
        (r#"{"model":"m","prompt":[1,2]}"#, "prompt"),
        (r#"{"model":"m","prompt":"a","echo":true}"#, "echo"),
    ] {
        let bad = decode(body).unwrap_err();
        assert_eq!((bad.reason, bad.param.as_deref()), (BadReason::Unsupported, Some(param)));
    }
}

#[test]
fn answers_are_text_completions() {
    let done = Completion {
        candidates: vec![Candidate {
            parts: vec![Part::new(PartKind::Reasoning("hm".into())), Part::text("hi")],
            finish: Some(Finish::new(FinishReason::Stop)),
        }],
        ended: true,
        ..Completion::default()
    };
    let cx = RenderCx { id: "gw-1".into(), ..RenderCx::default() };
    let whole = OpenaiCompletions.encode_answer(&Answer::Chat(done.clone()), &cx);
    assert_eq!(
        std::str::from_utf8(&whole.body).unwrap(),
        r#"{"id":"gw-1","object":"text_completion","created":0,"model":"unknown","choices":[{"text":"hi","index":0,"logprobs":null,"finish_reason":"stop"}]}"#
    );
    assert_eq!(whole.losses.len(), 1);
    let mut out = bytes::BytesMut::new();
    let mut encoder = OpenaiCompletions.stream_encoder(&cx);
    done.explode().iter().for_each(|e| encoder.feed(e, &mut out));
    let text = std::str::from_utf8(&out).unwrap();
    assert_eq!(text.matches("data: ").count(), 3, "{text}");
    assert!(text.contains(r#"{"text":"hi","index":0,"logprobs":null,"finish_reason":null}"#));
    assert!(text.ends_with("data: [DONE]\n\n"));
}
