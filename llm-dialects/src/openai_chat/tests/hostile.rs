use proptest::prelude::*;

use super::*;

/// Bodies to break.
const SEEDS: &[&str] = &[
    r#"{"model":"m","messages":[{"role":"assistant","content":[{"type":"text","text":"a"}],"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}],"reasoning_details":[{"type":"x","signature":"Z3cx"}]}],"tools":[{"type":"function","function":{"name":"f"}}],"stop":"x","response_format":{"type":"json_schema","json_schema":{"schema":{}}}}"#,
    r#"{"id":"c","choices":[{"index":0,"message":{"content":"a","tool_calls":[{"function":{"name":"f"}}]},"logprobs":{"content":[{"token":"a","logprob":-1,"bytes":[97],"top_logprobs":[]}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}"#,
    r#"{"id":"c","choices":[{"index":0,"delta":{"content":"a","reasoning_details":[{"index":0,"text":"x"}],"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{"}}],"audio":{"data":"x"},"annotations":[{}],"images":[{}]},"logprobs":{"content":[]},"finish_reason":"stop"}],"error":null}"#,
    r#"{"object":"list","data":[{"index":0,"embedding":[0.1,2],"id":"m"}],"results":[{"index":0,"relevance_score":0.5,"flagged":true}],"text":"x","input":["a"],"query":"q","documents":["d"]}"#,
];

fn broken() -> impl Strategy<Value = Vec<u8>> {
    let seed = prop::sample::select(SEEDS.to_vec());
    let piece = prop::sample::select(vec![
        "null",
        "\"\"",
        "[]",
        "{}",
        "1e999",
        "-1",
        "99999999999999999999",
        "[[[[",
        "\"\\ud800\"",
        "true",
        "\u{0}",
        ",",
        "\"",
    ]);
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..12usize, piece), 0..4);
    (seed, edits).prop_map(|(seed, edits)| {
        let mut bytes = seed.as_bytes().to_vec();
        for (at, len, piece) in edits {
            let at = at.index(bytes.len() + 1);
            let end = (at + len).min(bytes.len());
            bytes.splice(at..end, piece.bytes());
        }
        bytes
    })
}

proptest! {
    #[test]
    fn no_bytes_make_us_panic(body in broken()) {
        let body = Bytes::from(body);
        for path in ["/chat/completions", "/embeddings", "/rerank", "/moderations", "/images/generations"] {
            let route = OpenaiChat.route(&http::Method::POST, path).unwrap();
            let _ = OpenaiChat.peek(&route, &body);
            if let Ok(prompt) = OpenaiChat.decode(&route, Body::json(&body)) {
                let cx = SendCx { model: "m", stream: true, usage_frame: true, capability: &Capability::ALL };
                if let Ok(sent) = OpenaiChat.encode(&prompt, &cx) {
                    // By the grammar alone: half of a pair in a field that nobody here knows goes
                    // on as the caller wrote it, and a tree of values would not take it.
                    let valid = serde_json::from_slice::<serde::de::IgnoredAny>(&sent.body);
                    prop_assert!(valid.is_ok(), "{valid:?}: {:?}", sent.body);
                    prop_assert!(std::str::from_utf8(&sent.body).is_ok(), "{:?}", sent.body);
                }
            }
        }
        for operation in [Operation::Chat, Operation::Embed, Operation::Rerank, Operation::Moderate,
            Operation::ListModels, Operation::Image, Operation::Transcribe] {
            if let Ok(answer) = OpenaiChat.decode_answer(operation, Body::json(&body)) {
                if let Answer::Chat(done) = &answer {
                    prop_assert!(laws::check(&done.explode()).is_ok() || !done.ended || has_cut_call(done));
                }
                let _ = OpenaiChat.encode_answer(&answer, &cx());
            }
        }
        let head = http::Response::builder().status(400).body(()).unwrap().into_parts().0;
        let _ = OpenaiChat.decode_error(&head, &body);
    }

    #[test]
    fn any_stream_ends_in_an_end_or_a_failure(frames in prop::collection::vec(broken(), 1..4)) {
        let text: Vec<u8> = frames.iter().flat_map(|f| {
            let line: Vec<u8> = f.iter().copied().filter(|b| !matches!(b, b'\n' | b'\r')).collect();
            [b"data: ", line.as_slice(), b"\n\n"].concat()
        }).collect();
        for operation in [Operation::Chat, Operation::Transcribe] {
            let mut decoder = OpenaiChat.stream_decoder(operation);
            let mut splitter = crate::frame::Splitter::new(Framing::Sse);
            let (mut cut, mut out) = (Vec::new(), Vec::new());
            let _ = splitter.feed(&Bytes::from(text.clone()), &mut cut);
            for frame in &cut {
                if decoder.feed(frame, &mut out).is_err() {
                    break;
                }
            }
            decoder.finish(&mut out);
            let lawful = laws::check(&out);
            let cut_call = matches!(lawful, Err(laws::Violation::Arguments(_)));
            prop_assert!(lawful.is_ok() || cut_call, "{lawful:?} {out:?}");
            let _ = streamed(&out, &cx());
        }
    }
}

/// A host that says `stop` behind half a call breaks a law that no decoder can mend.
fn has_cut_call(done: &Completion) -> bool {
    matches!(laws::check(&done.explode()), Err(laws::Violation::Arguments(_)))
}
