use llm_core::completion::FinishReason;
use llm_core::dialect::{FrameKind, TapCx};
use llm_core::event::{Delta, PartHead};
use llm_core::prompt::PartKind;

use super::*;
use crate::frame::Splitter;

/// One response as a stream: thoughts, a message of two pieces, two calls at once, a native tool.
fn stream() -> String {
    let end = r#"{"type":"response.completed","response":{"id":"resp_1","model":"m","created_at":5,
        "status":"completed","output":[],"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}}"#;
    [
        r#"{"type":"response.created","response":{"id":"resp_1","model":"m","created_at":5,"status":"in_progress","output":[]}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]}}"#,
        r#"{"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":0,"part":{}}"#,
        r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"why"}"#,
        r#"{"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":1,"part":{}}"#,
        r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":1,"delta":"how"}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"id":"rs_1","type":"reasoning",
            "summary":[{"type":"summary_text","text":"why"},{"type":"summary_text","text":"how"}],"encrypted_content":"gAAA"}}"#,
        r#"{"type":"response.web_search_call.in_progress","output_index":1,"item_id":"ws_1"}"#,
        r#"{"type":"response.output_item.done","output_index":1,"item":{"id":"ws_1","type":"web_search_call","status":"completed"}}"#,
        r#"{"type":"response.output_item.added","output_index":2,"item":{"id":"msg_1","type":"message","role":"assistant","content":[]}}"#,
        r#"{"type":"response.content_part.added","output_index":2,"content_index":0,"part":{"type":"output_text","text":""}}"#,
        r#"{"type":"response.output_text.delta","output_index":2,"content_index":0,"delta":"안녕 \"you\"","logprobs":[]}"#,
        r#"{"type":"response.output_text.annotation.added","output_index":2,"content_index":0,"annotation":{"type":"url_citation","url":"u"}}"#,
        r#"{"type":"response.content_part.added","output_index":2,"content_index":1,"part":{"type":"refusal"}}"#,
        r#"{"type":"response.refusal.delta","output_index":2,"content_index":1,"delta":"no"}"#,
        r#"{"type":"response.output_item.done","output_index":2,"item":{"id":"msg_1","type":"message","status":"completed","role":"assistant",
            "content":[{"type":"output_text","text":"안녕 \"you\"","annotations":[{"type":"url_citation","url":"u"}]},{"type":"refusal","refusal":"no"}]}}"#,
        r#"{"type":"response.output_item.added","output_index":3,"item":{"id":"fc_1","type":"function_call","call_id":"c1","name":"f","arguments":""}}"#,
        r#"{"type":"response.output_item.added","output_index":4,"item":{"id":"ctc_1","type":"custom_tool_call","call_id":"c2","name":"g","input":""}}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":3,"delta":"{\"a\""}"#,
        r#"{"type":"response.custom_tool_call_input.delta","output_index":4,"delta":"free"}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":3,"delta":":1}"}"#,
        r#"{"type":"response.output_item.done","output_index":3,"item":{"id":"fc_1","type":"function_call","call_id":"c1","name":"f","arguments":"{\"a\":1}"}}"#,
        r#"{"type":"response.output_item.done","output_index":4,"item":{"id":"ctc_1","type":"custom_tool_call","call_id":"c2","name":"g","input":"free"}}"#,
        end,
    ]
    .iter()
    .map(|data| format!("data: {}\n\n", data.replace('\n', " ")))
    .collect()
}

#[test]
fn a_stream_reads_as_its_whole_does() {
    let streamed = collect(&events(stream().as_bytes(), usize::MAX));
    let whole = reply(
        r#"{"id":"resp_1","model":"m","created_at":5,"status":"completed","output":[
        {"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"why"},{"type":"summary_text","text":"how"}],"encrypted_content":"gAAA"},
        {"id":"ws_1","type":"web_search_call","status":"completed"},
        {"id":"msg_1","type":"message","status":"completed","role":"assistant",
         "content":[{"type":"output_text","text":"안녕 \"you\"","annotations":[{"type":"url_citation","url":"u"}]},{"type":"refusal","refusal":"no"}]},
        {"id":"fc_1","type":"function_call","call_id":"c1","name":"f","arguments":"{\"a\":1}"},
        {"id":"ctc_1","type":"custom_tool_call","call_id":"c2","name":"g","input":"free"}],
        "usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}"#,
    );
    assert_eq!(streamed.candidates, whole.candidates);
    assert_eq!((&streamed.usage, streamed.ended), (&whole.usage, whole.ended));
    assert_eq!((streamed.id, streamed.created), (whole.id, whole.created));
}

#[test]
fn cuts_change_nothing() {
    let stream = stream();
    let whole = events(stream.as_bytes(), usize::MAX);
    for cut in [1, 2, 3, 7, 64, 1000] {
        assert_eq!(events(stream.as_bytes(), cut), whole, "cut {cut}");
    }
}

#[test]
fn what_never_streamed_comes_with_the_end() {
    let stream = "event: response.completed\ndata: {\"response\":{\"status\":\"completed\",\"output\":[\
        {\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"all\"}]}]}}\n\n";
    let words = collect(&events(stream.as_bytes(), usize::MAX));
    assert_eq!((&*words.text(0), words.ended), ("all", true));
    let begun = stream.replace("event: response.completed", concat!(
        "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"all\"}\n\n",
        "event: response.completed"
    ));
    assert_eq!(collect(&events(begun.as_bytes(), usize::MAX)).text(0), "all");
}

#[test]
fn failures_inside_a_stream() {
    let created =
        "data: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"output\":[]}}\n\n";
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"slow\"}}\n\n";
    let failed = "data: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"broke\"},\"output\":[]}}\n\n";
    let class = |stream: String| {
        let words = collect(&events(stream.as_bytes(), usize::MAX));
        assert!(!words.ended);
        words.failure.unwrap().fault().unwrap().class.name()
    };
    assert_eq!(class(format!("{created}{error}{failed}")), "rate_limited");
    assert_eq!(class(format!("{created}{failed}")), "server");
    assert_eq!(class(error.to_owned()), "rate_limited");
    assert_eq!(class(created.to_owned()), "truncated");
    assert_eq!(
        class(format!("{created}data: {{\"type\":\"response.output_text.delta\"}}\n\n")),
        "corrupt"
    );
    let flat = "data: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"x\",\"param\":null,\"sequence_number\":1}\n\n";
    assert_eq!(class(format!("{created}{flat}")), "server");
}

#[test]
fn an_unknown_frame_is_kept_and_a_known_one_must_be_whole() {
    let stream =
        "data: {\"type\":\"response.new_thing\",\"x\":1}\n\ndata: {\"type\":\"keepalive\"}\n\n";
    let kinds = events(stream.as_bytes(), usize::MAX);
    assert!(matches!(&kinds[1], Event::Unmodelled(raw) if raw.get().contains("new_thing")));
    assert!(matches!(kinds[2], Event::Notice(_)));
    for broken in [
        "data: {\"type\":\"response.output_item.added\",\"item\":{}}\n\n",
        "data: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":9,\"delta\":\"x\"}\n\n",
        "data: {\"type\":\"response.completed\"}\n\n",
        "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"output_index\":1}\n\n",
        "data: not json\n\n",
    ] {
        let words = collect(&events(broken.as_bytes(), usize::MAX));
        assert_eq!(words.failure.unwrap().fault().unwrap().class.name(), "corrupt", "{broken}");
    }
}

#[test]
fn what_is_written_has_every_step_in_order() {
    let words = collect(&events(stream().as_bytes(), usize::MAX));
    let text = streamed(&words);
    let frames = frames(&text);
    for (n, (name, data)) in frames.iter().enumerate() {
        assert_eq!((data["type"].as_str(), &data["sequence_number"]), (Some(&**name), &n.into()));
    }
    let names: Vec<_> =
        frames.iter().map(|(n, _)| n.strip_prefix("response.").unwrap_or(n)).collect();
    let message = [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
        "content_part.added",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
    ];
    assert_eq!(names[..3], ["created", "in_progress", "output_item.added"]);
    assert!(names.windows(message.len()).any(|w| w == message), "{names:?}");
    assert_eq!(names.last(), Some(&"completed"));
    let (_, last) = frames.last().unwrap();
    let done: Vec<_> = frames
        .iter()
        .filter(|(n, _)| n == "response.output_item.done")
        .map(|(_, data)| data["item"].clone())
        .collect();
    assert_eq!(last["response"]["output"].as_array(), Some(&done));
    let usage = &last["response"]["usage"];
    assert_eq!(usage["total_tokens"], 7);
}

#[test]
fn what_is_written_reads_back() {
    let words = collect(&events(stream().as_bytes(), usize::MAX));
    let again = back(&words);
    let said = |words: &Completion| {
        let parts = &words.candidates[0].parts;
        parts.iter().map(|p| p.kind.clone()).collect::<Vec<_>>()
    };
    assert_eq!(said(&again), said(&words));
    assert_eq!(again.candidates[0].finish, words.candidates[0].finish);
    assert_eq!((again.usage, again.ended), (words.usage, true));
}

#[test]
fn a_failure_is_told_and_nothing_after_it() {
    let mut words = collect(&events(stream().as_bytes(), usize::MAX));
    let error = llm_core::error::Error::new(llm_core::error::Kind::BrokenStream, "It broke off.");
    (words.failure, words.ended, words.candidates[0].finish) = (Some(error), false, None);
    let text = streamed(&words);
    let frames = frames(&text);
    let names: Vec<_> = frames.iter().rev().take(2).map(|(n, _)| &**n).collect();
    assert_eq!(names, ["response.failed", "error"]);
    let (_, error) = &frames[frames.len() - 2];
    assert_eq!(
        (&error["message"], &error["error"]["code"]),
        (&"It broke off.".into(), &"stream_broken".into())
    );
    assert_eq!(collect(&events(text.as_bytes(), 50)).text(0), words.text(0));
}

#[test]
fn parts_that_interleave_keep_their_places() {
    let id = |index| llm_core::event::PartId { candidate: 0, index };
    let cx = RenderCx { id: "gw".into(), ..RenderCx::default() };
    let mut encoder = Responses.stream_encoder(&cx);
    let mut out = BytesMut::new();
    let call = |n: &'static str| PartHead::ToolCall { id: n.into(), name: n.into(), custom: false };
    let grow =
        |i, t: &'static str| Event::PartDelta { part: id(i), delta: Delta::Arguments(t.into()) };
    let end = |i| Event::PartEnd { part: id(i), extra: Default::default() };
    let finish = llm_core::completion::Finish::new(FinishReason::ToolCalls);
    for event in [
        Event::Start(Box::default()),
        Event::PartStart { part: id(0), head: PartHead::Text },
        Event::PartDelta { part: id(0), delta: Delta::Text("hi".into()) },
        Event::PartStart { part: id(1), head: call("a") },
        Event::PartStart { part: id(2), head: call("b") },
        grow(1, "{\"x\""),
        grow(2, "{}"),
        grow(1, ":1}"),
        end(2),
        end(1),
        end(0),
        Event::Finish { candidate: 0, finish },
        Event::End,
    ] {
        encoder.feed(&event, &mut out);
    }
    let words = collect(&events(&out, 11));
    let calls: Vec<_> = words.candidates[0]
        .parts
        .iter()
        .filter_map(|p| match &p.kind {
            PartKind::ToolCall(c) => Some((c.id.to_string(), c.arguments.to_string())),
            _ => None,
        })
        .collect();
    assert_eq!(calls, [("a".into(), "{\"x\":1}".into()), ("b".into(), "{}".into())]);
    assert_eq!(words.text(0), "hi");
}

#[test]
fn a_tap_sees_what_matters() {
    let mut splitter = Splitter::new(Framing::Sse);
    let mut frames = Vec::new();
    splitter.feed(&stream().into(), &mut frames).unwrap();
    splitter.finish(&mut frames);
    let mut tap = Responses.tap(TapCx::default());
    for frame in &frames {
        tap.see(frame);
        assert!(frame.kind == FrameKind::Event || frame.kind == FrameKind::Padding);
    }
    let seen = tap.observed();
    assert_eq!((seen.deltas, seen.ended), (7, true));
    assert_eq!(seen.usage.unwrap().input_total(), Some(3));
    assert!(seen.written >= 7 && seen.failure.is_none());
}
