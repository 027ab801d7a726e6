use llm_core::completion::FinishReason;
use llm_core::prompt::PartKind;

use super::*;

fn chunk(rest: &str) -> String {
    format!(r#"{{"id":"c","object":"chat.completion.chunk","created":5,"model":"m",{rest}}}"#)
}

fn delta(delta: &str) -> String {
    chunk(&format!(r#""choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]"#))
}

fn stop(word: &str) -> String {
    chunk(&format!(r#""choices":[{{"index":0,"delta":{{}},"finish_reason":{word}}}]"#))
}

fn read(frames: &[String]) -> Completion {
    let frames: Vec<&str> = frames.iter().map(|f| &**f).collect();
    collect(&events(&sse(&frames)))
}

fn calls(done: &Completion) -> Vec<(String, String, String)> {
    let parts = done.candidates[0].parts.iter();
    let calls = parts.filter_map(|p| match &p.kind {
        PartKind::ToolCall(c) => {
            Some((c.id.to_string(), c.name.to_string(), c.arguments.to_string()))
        }
        _ => None,
    });
    calls.collect()
}

fn reason(done: &Completion) -> FinishReason {
    done.candidates[0].finish.clone().unwrap().reason
}

#[test]
fn an_ordinary_stream_is_read() {
    let done = read(&[
        delta(r#"{"role":"assistant","content":""}"#),
        delta(r#"{"content":"Hé\n"}"#),
        delta(r#"{"content":"llo"}"#),
        stop("\"stop\""),
        chunk(r#""choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}"#),
        "[DONE]".into(),
    ]);
    assert_eq!(
        (done.text(0).as_str(), reason(&done), done.ended),
        ("Hé\nllo", FinishReason::Stop, true)
    );
    assert_eq!(done.usage.unwrap().usage.output, 2);
}

#[test]
fn the_end_is_done_or_a_reason_for_every_choice() {
    let open = read(&[delta(r#"{"content":"a"}"#)]);
    assert!(!open.ended && open.failure.is_some());
    let closed = read(&[delta(r#"{"content":"a"}"#), stop("\"length\"")]);
    assert!(closed.ended && closed.failure.is_none());
    let half = chunk(r#""choices":[{"index":1,"delta":{"content":"b"}}]"#);
    let one = read(&[delta(r#"{"content":"a"}"#), half, stop("\"stop\"")]);
    assert!(!one.ended);
    let unsaid = read(&[delta(r#"{"content":"a"}"#), stop("\"\""), "[DONE]".into()]);
    assert!(unsaid.ended);
    assert_eq!(reason(&unsaid), FinishReason::Stop);
}

#[test]
fn what_comes_behind_a_reason_still_counts() {
    let done = read(&[
        delta(r#"{"content":"a"}"#),
        stop("\"stop\""),
        delta(r#"{"content":"b"}"#),
        stop("\"length\""),
        "[DONE]".into(),
    ]);
    assert_eq!((done.text(0).as_str(), reason(&done)), ("ab", FinishReason::Length));
}

#[test]
fn calls_are_told_apart_by_index_by_id_and_by_order() {
    let done = read(&[
        delta(
            r#"{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}"#,
        ),
        delta(
            r#"{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{"}}]}"#,
        ),
        delta(
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{}"}},{"index":1,"id":"","function":{"name":"","arguments":"}"}}]}"#,
        ),
        stop("\"stop\""),
        "[DONE]".into(),
    ]);
    let want = [("a", "f", "{}"), ("b", "g", "{}")];
    let want = want.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(calls(&done), want);
    assert_eq!(reason(&done), FinishReason::ToolCalls);
    // One index for all, as Gemini's endpoint writes it.
    let done = read(&[
        delta(
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}},{"index":0,"id":"b","function":{"name":"g","arguments":"{}"}}]}"#,
        ),
        "[DONE]".into(),
    ]);
    assert_eq!(calls(&done), want);
    // No index and no id at all.
    let done = read(&[
        delta(r#"{"tool_calls":[{"function":{"name":"f","arguments":"{"}}]}"#),
        delta(r#"{"tool_calls":[{"function":{"arguments":"}"}}]}"#),
        delta(r#"{"tool_calls":[{"function":{"name":"g","arguments":{"x":1}}}]}"#),
        "[DONE]".into(),
    ]);
    let read = calls(&done);
    assert_eq!((&*read[0].2, &*read[1].2), ("{}", "{\"x\":1}"));
    assert_ne!(read[0].0, read[1].0);
}

#[test]
fn old_calls_and_custom_ones_are_calls() {
    let done = read(&[
        delta(r#"{"function_call":{"name":"f","arguments":""}}"#),
        delta(r#"{"function_call":{"arguments":"{}"}}"#),
        stop("\"function_call\""),
    ]);
    assert_eq!((&*calls(&done)[0].1, &*calls(&done)[0].2), ("f", "{}"));
    assert!(shown(&done, &cx())["choices"][0]["message"]["function_call"].is_object());
    let done = read(&[
        delta(
            r#"{"tool_calls":[{"index":0,"id":"a","type":"custom","custom":{"name":"f","input":"a b"}}]}"#,
        ),
        stop("\"tool_calls\""),
    ]);
    assert_eq!(&*calls(&done)[0].2, "a b");
}

#[test]
fn thinking_comes_in_many_fields() {
    for (frames, text, field) in [
        (
            vec![
                delta(r#"{"content":null,"reasoning_content":"a"}"#),
                delta(r#"{"reasoning_content":"b"}"#),
            ],
            "ab",
            "reasoning_content",
        ),
        (
            vec![delta(r#"{"content":"","reasoning":"ab","reasoning_content":null}"#)],
            "ab",
            "reasoning",
        ),
        (
            vec![delta(
                r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"ab"}]}]}"#,
            )],
            "ab",
            "reasoning_content",
        ),
        (
            vec![delta(
                r#"{"reasoning_details":[{"type":"reasoning.summary","summary":"ab","index":0}]}"#,
            )],
            "ab",
            "reasoning_content",
        ),
    ] {
        let mut frames = frames;
        frames.extend([delta(r#"{"content":"hi"}"#), stop("\"stop\""), "[DONE]".into()]);
        let done = read(&frames);
        assert!(
            matches!(&done.candidates[0].parts[0].kind, PartKind::Reasoning(t) if &**t == text)
        );
        assert_eq!(done.text(0), "hi");
        assert_eq!(shown(&done, &cx())["choices"][0]["message"][field], text);
    }
}

#[test]
fn pieces_of_details_are_joined_and_kept() {
    let done = read(&[
        delta(
            r#"{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","index":0,"format":"f"}]}"#,
        ),
        delta(
            r#"{"reasoning":"b","reasoning_details":[{"type":"reasoning.text","text":"b","index":0,"format":"f"}]}"#,
        ),
        delta(r#"{"reasoning_details":[{"type":"reasoning.text","signature":"s","index":0}]}"#),
        delta(r#"{"content":"hi"}"#),
        delta(
            r#"{"content":"","reasoning_details":[{"type":"reasoning.encrypted","data":"d","id":"e"}]}"#,
        ),
        stop("\"stop\""),
    ]);
    let body = shown(&done, &cx());
    let message = &body["choices"][0]["message"];
    assert_eq!(
        message["reasoning_details"],
        serde_json::json!([
            {"text": "ab", "type": "reasoning.text", "index": 0, "format": "f", "signature": "s"},
            {"data": "d", "type": "reasoning.encrypted", "id": "e"},
        ])
    );
    assert_eq!(message["reasoning"], "ab");
}

#[test]
fn a_first_chunk_without_an_answer_is_no_start() {
    let filters =
        r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[1]}"#;
    let done =
        read(&[filters.into(), delta(r#"{"content":"a"}"#), stop("\"stop\""), "[DONE]".into()]);
    assert_eq!((done.id.as_deref(), done.model.as_deref()), (Some("c"), Some("m")));
    assert!(done.extra.get("prompt_filter_results").is_some());
}

#[test]
fn errors_end_the_stream_and_what_was_said_stands() {
    for error in [
        chunk(
            r#""choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"error"}],"error":{"code":429,"message":"slow down"}"#,
        ),
        r#"{"error":{"message":"slow down","type":"rate_limit_error","code":null}}"#.to_owned(),
        r#"{"error":"slow down","code":429}"#.to_owned(),
        r#"{"object":"error","message":"slow down","code":429}"#.to_owned(),
    ] {
        let done = read(&[
            delta(r#"{"content":"a"}"#),
            error.clone(),
            delta(r#"{"content":"no"}"#),
            "[DONE]".into(),
        ]);
        let fault = done.failure.as_ref().unwrap().fault().unwrap();
        assert_eq!(fault.class, llm_core::fault::FaultClass::RateLimited, "{error}");
        assert_eq!(&*fault.message, "slow down");
        assert!(done.text(0).starts_with('a') && !done.text(0).contains("no") && !done.ended);
    }
    let named = format!("{}event: error\ndata: {{\"message\":\"x\"}}\n\n", sse(&[&delta("{}")]));
    assert!(collect(&events(&named)).failure.is_some());
}

#[test]
fn pictures_sound_and_sources_are_read() {
    let done = read(&[
        delta(
            r#"{"content":"a","annotations":[{"type":"url_citation","url_citation":{"url":"https://a"}}]}"#,
        ),
        delta(
            r#"{"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}]}"#,
        ),
        delta(r#"{"audio":{"id":"au","transcript":"t"}}"#),
        delta(r#"{"audio":{"data":"QQ=="}}"#),
        delta(r#"{"audio":{"data":"QkNE"}}"#),
        delta(r#"{"audio":{"expires_at":5}}"#),
        stop("\"stop\""),
    ]);
    let parts = &done.candidates[0].parts;
    assert!(matches!(&parts[0].kind, PartKind::Text(t) if t.citations.len() == 1));
    assert!(matches!(&parts[1].kind, PartKind::Image(_)));
    let PartKind::Audio(audio) = &parts[2].kind else { panic!() };
    assert_eq!(audio.transcript.as_deref(), Some("t"));
    let want = llm_core::prompt::MediaSource::Base64("QUJDRA==".into());
    assert_eq!(audio.media.source, want);
    let body = shown(&done, &cx());
    assert_eq!(body["choices"][0]["message"]["audio"]["id"], "au");
}

#[test]
fn unknown_frames_are_kept_and_broken_ones_are_corrupt() {
    let odd = events(&sse(&[&delta(r#"{"content":"a"}"#), r#"{"type":"new"}"#, &stop("\"stop\"")]));
    assert!(odd.iter().any(|e| matches!(e, Event::Unmodelled(raw) if raw.get().contains("new"))));
    for broken in [
        r#"{"choices":[{"delta":{"content":5}}]}"#,
        "{",
        r#"{"choices":7}"#,
        "[]",
        r#"{"choices":[],"choices":[]}"#,
        r#"{"choices":[{"index":999999,"delta":{}}]}"#,
    ] {
        let failed = collect(&events(&sse(&[&delta(r#"{"content":"a"}"#), broken])));
        let fault = failed.failure.as_ref().and_then(|f| f.fault()).unwrap();
        assert_eq!(fault.class, llm_core::fault::FaultClass::Corrupt, "{broken}");
    }
}
