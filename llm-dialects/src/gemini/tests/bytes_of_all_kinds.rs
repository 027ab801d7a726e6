//! Any bytes: an error or words, never a panic.

use bytes::Bytes;
use llm_core::call::Operation;
use llm_core::capability::Capability;
use llm_core::dialect::{Body, CallerDialect, Framing, RenderCx, SendCx, UpstreamDialect};
use proptest::prelude::*;

use super::{Gemini, events, route};

/// Names that this dialect knows.
const NAMES: &[&str] = &[
    "contents",
    "parts",
    "text",
    "thought",
    "thoughtSignature",
    "thought_signature",
    "role",
    "functionCall",
    "functionResponse",
    "name",
    "args",
    "id",
    "response",
    "output",
    "error",
    "inlineData",
    "data",
    "mimeType",
    "fileData",
    "fileUri",
    "tools",
    "functionDeclarations",
    "parameters",
    "type",
    "properties",
    "items",
    "toolConfig",
    "functionCallingConfig",
    "mode",
    "generationConfig",
    "topK",
    "stopSequences",
    "thinkingConfig",
    "thinkingLevel",
    "responseSchema",
    "responseMimeType",
    "candidates",
    "content",
    "finishReason",
    "index",
    "usageMetadata",
    "promptTokenCount",
    "promptTokensDetails",
    "modality",
    "tokenCount",
    "promptFeedback",
    "blockReason",
    "groundingMetadata",
    "groundingChunks",
    "requests",
    "systemInstruction",
    "embedding",
    "values",
    "models",
    "totalTokens",
    "details",
    "x",
];

/// JSON made of the names that this dialect knows, in all the wrong places.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("-1".to_owned()),
        Just("1e400".to_owned()),
        Just("\"STOP\"".to_owned()),
        Just("\"\\ud83d\\ude00-_=\"".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        Just("\"image/png\"".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
    ];
    let name = prop::sample::select(NAMES);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let member = (name.clone().prop_map(str::to_owned), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|v| format!("[{}]", v.join(","))),
            prop::collection::vec(member, 0..5).prop_map(|v| {
                let all: Vec<String> = v.iter().map(|(n, v)| format!("\"{n}\":{v}")).collect();
                format!("{{{}}}", all.join(","))
            }),
        ]
    })
}

fn survive(text: &str) {
    let body = Bytes::from(text.to_owned());
    let capability = Capability::ALL;
    for verb in ["generateContent", "streamGenerateContent", "countTokens", "batchEmbedContents"] {
        let route = route(verb);
        let peek = Gemini.peek(&route, &body);
        let cx = SendCx { model: "m", stream: false, usage_frame: false, capability: &capability };
        if let Ok(peek) = &peek {
            let _ = Gemini.relay(&body, peek, &cx);
        }
        if let Ok(prompt) = Gemini.decode(&route, Body::json(&body)) {
            let encoded = Gemini.encode(&prompt, &cx).unwrap();
            let valid = serde_json::from_slice::<serde::de::IgnoredAny>(&encoded.body);
            assert!(valid.is_ok(), "{text} became {:?}", encoded.body);
        }
    }
    for operation in
        [Operation::Chat, Operation::Embed, Operation::CountTokens, Operation::ListModels]
    {
        if let Ok(answer) = Gemini.decode_answer(operation, Body::json(&body)) {
            let shown = Gemini.encode_answer(&answer, &RenderCx::default());
            let valid = serde_json::from_slice::<serde::de::IgnoredAny>(&shown.body);
            assert!(valid.is_ok(), "{text} became {:?}", shown.body);
        }
    }
    let head = http::Response::new(()).into_parts().0;
    let _ = Gemini.decode_error(&head, &body);
    // The driver checks the laws itself.
    let line = text.replace(['\n', '\r'], " ");
    let all = events(Framing::Sse, &format!("data: {line}\n\ndata: {line}\n\n"));
    super::streamed(&all, &RenderCx::default());
    events(Framing::JsonArray, text);
    events(Framing::Sse, text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn known_names_in_wrong_places(text in json()) {
        survive(&text);
    }

    #[test]
    fn inside_an_answer(text in json()) {
        survive(&format!("{{\"candidates\":[{{\"content\":{{\"parts\":[{text},{text}]}},\"finishReason\":\"STOP\",\"index\":{text}}}]}}"));
        survive(&format!("{{\"contents\":[{{\"parts\":[{text}]}}],\"tools\":{text},\"generationConfig\":{text},\"toolConfig\":{text}}}"));
    }

    #[test]
    fn any_text(text in any::<String>()) {
        survive(&text);
    }
}

#[test]
fn deep_bodies_end() {
    for (open, close) in [("[", "]"), ("{\"items\":", "}"), ("{\"parts\":[", "]}")] {
        let deep = format!("{}1{}", open.repeat(5000), close.repeat(5000));
        survive(&deep);
        survive(&format!(
            "{{\"candidates\":[{{\"content\":{{\"parts\":[{{\"functionCall\":{{\"args\":{{\"a\":{deep}}}}}}}]}}}}]}}"
        ));
        survive(&format!(
            "{{\"candidates\":[{{\"content\":{{\"parts\":[{{\"functionResponse\":{{\"parts\":{deep}}}}}]}}}}]}}"
        ));
    }
}
