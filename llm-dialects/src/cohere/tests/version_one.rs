//! Version 1 is read.

use llm_core::completion::FinishReason;
use llm_core::prompt::PartKind;

use super::*;
use crate::cohere::v1;

const STREAM: &str = r#"{"is_finished":false,"event_type":"stream-start","generation_id":"g"}
{"is_finished":false,"event_type":"text-generation","text":"Ho"}
{"is_finished":false,"event_type":"text-generation","text":"la."}
{"is_finished":false,"event_type":"search-queries-generation","search_queries":[]}
{"is_finished":true,"event_type":"stream-end","finish_reason":"COMPLETE","response":{"response_id":"r","text":"Hola.","tool_calls":[{"name":"f","parameters":{"a":1}}],"finish_reason":"COMPLETE","meta":{"tokens":{"input_tokens":9,"output_tokens":3}}}}
"#;

fn read(text: &str, cut: usize) -> Vec<Event> {
    let upstream = v1::UPSTREAM.unwrap();
    let mut driver = Driver::new(Framing::Ndjson, upstream.stream_decoder(Operation::Chat));
    let mut out = Vec::new();
    text.as_bytes().chunks(cut).for_each(|c| driver.feed(Bytes::copy_from_slice(c), &mut out));
    driver.finish(&mut out);
    laws::check(&out).unwrap();
    out
}

#[test]
fn a_stream_and_an_answer_say_the_same() {
    let upstream = v1::UPSTREAM.unwrap();
    let streamed = collect(&read(STREAM, usize::MAX));
    for cut in 1..20 {
        assert_eq!(collect(&read(STREAM, cut)), streamed);
    }
    let last = json(STREAM.trim().rsplit('\n').next().unwrap().as_bytes());
    let body = Bytes::from(last["response"].to_string());
    let Answer::Chat(whole) = upstream.decode_answer(Operation::Chat, Body::json(&body)).unwrap()
    else {
        panic!()
    };
    assert_eq!(whole.candidates, streamed.candidates);
    assert_eq!(whole.usage, streamed.usage);
    let candidate = &whole.candidates[0];
    assert_eq!(candidate.finish.as_ref().unwrap().reason, FinishReason::ToolCalls);
    let PartKind::ToolCall(call) = &candidate.parts[1].kind else { panic!() };
    assert_eq!((&*call.id, &*call.arguments), ("call_gwr_0", r#"{"a":1}"#));
    assert_eq!(whole.text(0), "Hola.");
}

#[test]
fn nobody_is_called_in_it() {
    let upstream = v1::UPSTREAM.unwrap();
    let cx = SendCx { model: "m", stream: false, usage_frame: false, capability: &CAPABLE };
    assert!(upstream.encode(&Prompt::Chat(Request::default()), &cx).is_err());
    assert_eq!(upstream.endpoint(Operation::Chat, "m", false), None);
    assert_eq!(upstream.framing("application/stream+json"), Some(Framing::Ndjson));
}

#[test]
fn an_end_is_never_made_up() {
    let cut: String = STREAM.split_inclusive('\n').take(3).collect();
    assert!(matches!(read(&cut, 9).last(), Some(Event::Failure(_))));
    let failed = r#"{"event_type":"stream-end","finish_reason":"ERROR","error":"broke","response":{"text":""}}"#;
    let failure = collect(&read(failed, 9)).failure.unwrap();
    assert_eq!(failure.message(), "broke");
}
