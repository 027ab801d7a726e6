//! Streamed answers.

use llm_core::completion::FinishReason;
use llm_core::dialect::{DialectId, FrameKind, TapCx};
use llm_core::event::{Delta, PartHead, PartId, Start};
use llm_core::fault::FaultClass;

use super::*;
use crate::frame::Splitter;

/// The stream of `replies::everything`.
fn everything() -> Vec<Value> {
    let start = |n: u32, block: Value| json!({"type": "content_block_start", "index": n, "content_block": block});
    let delta =
        |n: u32, delta: Value| json!({"type": "content_block_delta", "index": n, "delta": delta});
    let stop = |n: u32| json!({"type": "content_block_stop", "index": n});
    let citation = replies::everything()["content"][4]["citations"][0].clone();
    vec![
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant",
            "model": "m", "content": [], "stop_reason": null, "stop_sequence": null,
            "usage": {"input_tokens": 3, "output_tokens": 1}}}),
        start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        json!({"type": "ping"}),
        delta(0, json!({"type": "thinking_delta", "thinking": "h"})),
        delta(0, json!({"type": "thinking_delta", "thinking": "m"})),
        delta(0, json!({"type": "signature_delta", "signature": "EqQB"})),
        stop(0),
        start(1, json!({"type": "redacted_thinking", "data": "EmwK"})),
        stop(1),
        start(2, json!({"type": "text", "text": "o"})),
        delta(2, json!({"type": "text_delta", "text": "ne"})),
        stop(2),
        start(3, json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
        delta(3, json!({"type": "input_json_delta", "partial_json": ""})),
        delta(3, json!({"type": "input_json_delta", "partial_json": "{\"q\":"})),
        delta(3, json!({"type": "input_json_delta", "partial_json": "\"x\"}"})),
        stop(3),
        start(4, json!({"type": "text", "text": "", "citations": []})),
        delta(4, json!({"type": "citations_delta", "citation": citation})),
        delta(4, json!({"type": "text_delta", "text": "two"})),
        stop(4),
        start(
            5,
            json!({"type": "tool_use", "id": "toolu_1", "name": "find", "input": {}, "caller": {"type": "direct"}}),
        ),
        delta(5, json!({"type": "input_json_delta", "partial_json": "{\"q\":1.50}"})),
        stop(5),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
            "usage": {"input_tokens": null, "output_tokens": 9}}),
        json!({"type": "message_stop"}),
    ]
}

fn failure(events: &[Event]) -> FaultClass {
    match events.last() {
        Some(Event::Failure(error)) => error.fault().unwrap().class,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stream_says_what_the_whole_answer_says() {
    let mut whole = replies::everything();
    // A number's spelling survives only where it is not parsed on the way into this test.
    whole["content"][5]["input"]["q"] = json!(1.5);
    let streamed = collect(&heard(&frames(&everything())));
    let (mut a, mut b) = (words(&streamed), words(&read(&whole)));
    for side in [&mut a, &mut b] {
        let call = side["candidates"][0]["parts"][5].as_str().unwrap().replace("1.50", "1.5");
        side["candidates"][0]["parts"][5] = call.into();
    }
    assert_eq!(a, b);
    assert!(streamed.candidates[0].parts[5].extra.get("caller").is_some());
}

#[test]
fn cuts_change_nothing() {
    let text = frames(&everything()).replace("\"one\"", "\"한국어 🦀\"");
    let whole = heard(&text);
    for at in 0..text.len() {
        let (a, b) = text.as_bytes().split_at(at);
        assert_eq!(heard_in(&[a, b]), whole, "cut at {at}");
    }
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(heard_in(&bytes), whole);
}

#[test]
fn what_is_written_reads_back() {
    let completion = collect(&heard(&frames(&everything())));
    let (text, losses) = told(&completion.explode());
    assert_eq!(losses, [""; 0]);
    let again = collect(&heard(&text));
    assert_eq!(words(&again), words(&completion));
    assert_eq!(again.usage, completion.usage);
    assert!(!text.contains("[DONE]"));
}

#[test]
fn state_of_others_reads_back() {
    let state = |kind| Some(opaque(DialectId::Gemini, kind, "\"g\""));
    let mut thought = Part::new(PartKind::Reasoning("hm".into()));
    thought.state = state("a");
    let mut hidden = Part::new(PartKind::Reasoning("".into()));
    hidden.state = state("b");
    let mut omitted = Part::new(PartKind::Reasoning("".into()));
    omitted.state = Some(opaque(ID, "signature", "\"Eq\""));
    let mut tool = call("call_1", "{\"a\":1}");
    tool.state = state("thoughtSignature");
    let mut text = Part::text("t");
    text.state = state("d");
    let parts = vec![thought, hidden, omitted, text, tool, call("call_2", "{}")];
    let finish = Some(llm_core::completion::Finish::new(FinishReason::ToolCalls));
    let candidates = vec![llm_core::completion::Candidate { parts, finish }];
    let completion = Completion { candidates, ended: true, ..Completion::default() };
    let (text, losses) = told(&completion.explode());
    assert_eq!(losses, [""; 0]);
    let again = collect(&heard(&text));
    assert_eq!(words(&again)["candidates"], words(&completion)["candidates"]);
}

#[test]
fn a_cut_stream_keeps_what_came() {
    let mut list = everything();
    list.truncate(list.len() - 1);
    let events = heard(&frames(&list));
    assert_eq!(failure(&events), FaultClass::Truncated);
    assert_eq!(collect(&events).text(0), "onetwo");
    // At the end of the tokens a call breaks off, and its block is never closed.
    list.truncate(list.len() - 2);
    list.last_mut().unwrap()["delta"]["partial_json"] = "{\"q\":".into();
    list.push(json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 9}}));
    list.push(json!({"type": "message_stop"}));
    let completion = collect(&heard(&frames(&list)));
    let PartKind::ToolCall(call) = &completion.candidates[0].parts[5].kind else { panic!() };
    assert_eq!(&*call.arguments, "{\"q\":");
    assert_eq!(completion.candidates[0].finish.as_ref().unwrap().reason, FinishReason::Length);
    let at = list.len() - 2;
    list[at]["delta"]["stop_reason"] = "tool_use".into();
    assert_eq!(failure(&heard(&frames(&list))), FaultClass::Corrupt);
}

#[test]
fn the_last_word_counts() {
    let start = &everything()[0];
    let end = |reason: &str, output: u32| json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": output}});
    let list = [
        start.clone(),
        start.clone(),
        end("max_tokens", 2),
        end("end_turn", 5),
        json!({"type": "message_stop"}),
        json!({"type": "error"}),
    ];
    let completion = collect(&heard(&frames(&list)));
    let usage = completion.usage.as_ref().unwrap().usage;
    assert_eq!((usage.input, usage.output), (3, 5));
    assert_eq!(completion.candidates[0].finish.as_ref().unwrap().reason, FinishReason::Stop);
    assert!(completion.ended);
}

#[test]
fn an_error_ends_everything() {
    let mut list = everything();
    list.truncate(11);
    list.push(
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    );
    list.push(json!({"type": "message_stop"}));
    let events = heard(&frames(&list));
    assert_eq!(failure(&events), FaultClass::Overloaded);
    let (text, _) = told(&events);
    assert!(text.ends_with("\n\n") && !text.contains("message_stop"));
    let last = text.trim_end().rsplit("data: ").next().unwrap();
    assert_eq!(parsed(last.as_bytes())["error"]["type"], "overloaded_error");
    let bare = r#"{"type":"error","error":{"type":"api_error","message":"x"}}"#;
    assert_eq!(failure(&heard(bare)), FaultClass::Server);
}

#[test]
fn the_unknown_passes_and_the_broken_does_not() {
    let with = |frame: Value| {
        let mut list = everything();
        list.insert(10, frame);
        heard(&frames(&list))
    };
    let strange = [
        json!({"type": "weather", "delta": 7}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "mood_delta", "text": {"deep": 1}}}),
    ];
    for frame in strange {
        let events = with(frame.clone());
        let kept = events.iter().filter(|e| matches!(e, Event::Unmodelled(_))).count();
        assert_eq!((kept, events.last()), (1, Some(&Event::End)), "{frame}");
        assert_eq!(told(&events).1, ["-unmodelled"]);
    }
    let broken = [
        json!({"type": "content_block_delta", "index": 9, "delta": {"type": "text_delta", "text": "x"}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": 5}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "thinking_delta", "thinking": "x"}}),
        json!({"type": "content_block_delta", "index": 2}),
        json!({"type": "content_block_start", "index": 2, "content_block": {"type": "text"}}),
        json!({"type": "content_block_start", "index": 7, "content_block": {}}),
        json!({"type": "content_block_stop"}),
        json!({"type": "message_start", "message": {"id": "msg_2"}}),
        json!({"type": "message_start"}),
    ];
    for frame in broken {
        assert_eq!(failure(&with(frame.clone())), FaultClass::Corrupt, "{frame}");
    }
    assert_eq!(failure(&heard("data: {\"type\":\"message_stop\"}\n\n")), FaultClass::Corrupt);
    assert_eq!(failure(&heard("data: nonsense\n\n")), FaultClass::Corrupt);
    assert_eq!(failure(&heard("")), FaultClass::Truncated);
}

#[test]
fn blocks_kept_whole_grow_by_any_delta() {
    let list = [
        everything()[0].clone(),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "compaction", "content": "a"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": "b"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "later_delta", "more": "c"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}),
        json!({"type": "message_stop"}),
    ];
    let completion = collect(&heard(&frames(&list)));
    let PartKind::Opaque(block) = &completion.candidates[0].parts[0].kind else { panic!() };
    let value: Value = serde_json::from_str(block.value.get()).unwrap();
    assert_eq!(value, json!({"type": "compaction", "content": "ab", "more": "c"}));
}

#[test]
fn parallel_calls_and_further_candidates_are_put_in_order() {
    let part = |index| PartId { candidate: 0, index };
    let start = |n, id: &'static str| Event::PartStart {
        part: part(n),
        head: PartHead::ToolCall { id: id.into(), name: "f".into(), custom: n == 1 },
    };
    let grow = |n, text: &'static str| Event::PartDelta {
        part: part(n),
        delta: Delta::Arguments(text.into()),
    };
    let end = |n| Event::PartEnd { part: part(n), extra: Extra::default() };
    let other = PartId { candidate: 1, index: 0 };
    let events = [
        Event::Start(Box::<Start>::default()),
        start(0, "a"),
        start(1, "b"),
        grow(0, "{"),
        grow(1, "say \"hi\"\n"),
        grow(0, "}"),
        Event::PartStart { part: other, head: PartHead::Text },
        end(1),
        end(0),
        Event::Finish {
            candidate: 0,
            finish: llm_core::completion::Finish::new(FinishReason::ToolCalls),
        },
        Event::End,
    ];
    let (text, losses) = told(&events);
    assert_eq!(losses, ["-candidates", "~candidates.0.parts.1.arguments"]);
    let calls: Vec<_> = collect(&heard(&text))
        .candidates
        .remove(0)
        .parts
        .into_iter()
        .map(|p| match p.kind {
            PartKind::ToolCall(call) => call.arguments.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(calls[0], "{}");
    assert_eq!(parsed(calls[1].as_bytes()), json!({"input": "say \"hi\"\n"}));
}

#[test]
fn a_tap_counts_deltas_and_reads_the_ends() {
    let text = frames(&everything());
    for text in [
        text.clone(),
        text.lines().filter(|l| !l.starts_with("event")).collect::<Vec<_>>().join("\n") + "\n",
    ] {
        let mut splitter = Splitter::new(Framing::Sse);
        let mut list = Vec::new();
        splitter.feed(&text.into(), &mut list).unwrap();
        let mut tap = Anthropic.tap(TapCx { hide_usage: true, ..TapCx::default() });
        for frame in &list {
            assert_eq!(tap.see(frame), llm_core::dialect::Keep::Forward);
        }
        let seen = tap.observed();
        assert_eq!((seen.deltas, seen.ended), (10, true));
        assert_eq!(seen.finish, Some(FinishReason::ToolCalls));
        let usage = seen.usage.unwrap();
        assert_eq!((usage.input, usage.output), (3, 9));
        assert!(list.iter().any(|f| f.kind == FrameKind::Event));
    }
}

/// Whatever the bytes, there is an answer or a typed error.
#[test]
fn hostile_bytes_end_in_words() {
    let text = frames(&everything());
    garbled(&text, 2000, |bytes| {
        let events = heard_in(&[bytes]);
        let (again, _) = told(&events);
        heard(&again);
    });
}
