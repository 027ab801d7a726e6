//! Any bytes: an error of ours or a lawful answer, never a panic.

use proptest::prelude::*;

use super::*;
use crate::cohere::v1;

/// Pieces that make a body likely to get far.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "null",
        "true",
        "1e999",
        "-1",
        "\"model\"",
        "\"m\"",
        "\"messages\"",
        "\"role\"",
        "\"assistant\"",
        "\"content\"",
        "\"thinking\"",
        "\"type\"",
        "\"text\"",
        "\"tool_calls\"",
        "\"function\"",
        "\"name\"",
        "\"arguments\"",
        "\"citations\"",
        "\"message\"",
        "\"delta\"",
        "\"usage\"",
        "\"logprobs\"",
        "\"embeddings\"",
        "\"\\ud800\"",
        "\n\n",
        "data: ",
        "data: {\"type\":\"tool-call-start\",\"index\":0,\"delta\":{\"message\":{\"tool_calls\":{\"function\":{\"name\":\"f\",\"arguments\":\"nu\"}}}}}\n\n",
        "data: {\"type\":\"tool-call-delta\",\"index\":0,\"delta\":{\"message\":{\"tool_calls\":{\"function\":{\"arguments\":\"ll\"}}}}}\n\n",
        "data: {\"type\":\"content-start\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"type\":\"text\"}}}}\n\n",
        "data: {\"type\":\"content-delta\",\"index\":4,\"delta\":{\"message\":{\"content\":{\"thinking\":\"x\"}}}}\n\n",
        "data: {\"type\":\"content-end\"}\n\n",
        "data: {\"type\":\"tool-plan-delta\",\"delta\":{\"message\":{\"tool_plan\":\"p\"}}}\n\n",
        "data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\"}}\n\n",
        "data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"MAX_TOKENS\"}}\n\n",
        "{\"event_type\":\"text-generation\",\"text\":\"a\"}\n",
        "{\"event_type\":\"stream-end\",\"finish_reason\":\"COMPLETE\",\"response\":{\"tool_calls\":[{\"name\":\"f\",\"parameters\":[1]}]}}\n",
    ];
    prop_oneof![proptest::sample::select(words.to_vec()).prop_map(str::to_owned), "\\PC{0,3}"]
}

fn bodies() -> impl Strategy<Value = String> {
    proptest::collection::vec(piece(), 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn nothing_panics(body in bodies(), cut in 1usize..9) {
        let bytes = Bytes::from(body.clone());
        for path in ["/v2/chat", "/v2/embed", "/v2/rerank", "/v1/tokenize"] {
            let route = caller().route(&Method::POST, path).unwrap();
            let _ = caller().peek(&route, &bytes);
            if let Ok(prompt) = caller().decode(&route, Body::json(&bytes)) {
                let _ = sent(&prompt, true);
            }
        }
        for operation in [Operation::Chat, Operation::Embed, Operation::Rerank, Operation::CountTokens, Operation::ListModels] {
            if let Ok(answer) = upstream().decode_answer(operation, Body::json(&bytes)) {
                let _ = caller().encode_answer(&answer, &RenderCx::default());
                if let Answer::Chat(completion) = answer {
                    laws::check(&completion.explode()).unwrap();
                }
            }
        }
        let events = events(&body, cut);
        let mut encoder = caller().stream_encoder(&RenderCx::default());
        let mut out = BytesMut::new();
        events.iter().for_each(|e| encoder.feed(e, &mut out));
        let mut driver = Driver::new(Framing::Ndjson, v1::UPSTREAM.unwrap().stream_decoder(Operation::Chat));
        let mut out = Vec::new();
        body.as_bytes().chunks(cut).for_each(|c| driver.feed(Bytes::copy_from_slice(c), &mut out));
        driver.finish(&mut out);
        laws::check(&out).unwrap();
    }
}
