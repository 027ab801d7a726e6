//! Any bytes: an error of ours or a lawful answer, never a panic.

use proptest::prelude::*;

use super::*;

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
        "\"images\"",
        "\"tool_calls\"",
        "\"function\"",
        "\"name\"",
        "\"arguments\"",
        "\"arguments_text\"",
        "\"done\"",
        "\"error\"",
        "\"options\"",
        "\"logprobs\"",
        "\"thinking_signature\"",
        "\"0:\"",
        "\"\\ud800\"",
        "\n",
        "{\"message\":{\"content\":\"a\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}\n",
        "{\"done\":true}\n",
        "{\"message\":{\"thinking\":\"t\",\"thinking_signature\":\"1:Z3cx\"}}\n",
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
        for path in ["/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/api/show"] {
            let route = caller(path).route(&Method::POST, path).unwrap();
            let _ = caller(path).peek(&route, &bytes);
            if let Ok(prompt) = caller(path).decode(&route, Body::json(&bytes)) {
                let _ = sent(path, &prompt, true);
            }
        }
        for operation in [Operation::Chat, Operation::Embed, Operation::ListModels] {
            if let Ok(answer) = upstream("/api/chat").decode_answer(operation, Body::json(&bytes)) {
                let _ = caller("/api/chat").encode_answer(&answer, &RenderCx::default());
                if let Answer::Chat(completion) = answer {
                    laws::check(&completion.explode()).unwrap();
                }
            }
        }
        events(&body, cut);
    }
}
