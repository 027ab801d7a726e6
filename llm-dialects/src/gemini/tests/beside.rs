//! What is no conversation: vectors, counts and models.

use bytes::Bytes;
use llm_core::answer::{Answer, Embeddings, ModelInfo, Models, Vector, VectorSet};
use llm_core::call::Operation;
use llm_core::dialect::{Body, CallerDialect, RenderCx, SendCx, UpstreamDialect};
use llm_core::prompt::{EmbedInput, EmbedRequest, Prompt};
use serde_json::json;

use super::{Gemini, decode, encode_for, json as parsed, sent};

#[test]
fn inputs_return_as_they_came() {
    for (verb, body) in [
        (
            "embedContent",
            r#"{"content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY","title":"t"}"#,
        ),
        (
            "embedContent",
            r#"{"model":"models/gemini-2.5-flash","content":{"role":"user","parts":[{"text":"a"},{"text":"b"}]},"output_dimensionality":8}"#,
        ),
        (
            "batchEmbedContents",
            r#"{"requests":[{"model":"models/gemini-2.5-flash","content":{"parts":[{"text":"a"}],"role":"user"},"taskType":5},{"model":"models/gemini-2.5-flash","content":{"parts":[{"inline_data":{"mime_type":"image/png","data":"QUJD"}}]},"taskType":2,"title":"x"}],"y":1}"#,
        ),
        (
            "batchEmbedContents",
            r#"{"model":"models/gemini-2.5-flash","requests":[{"content":{"parts":[{"text":"a"}]},"outputDimensionality":3},{"content":{"parts":[{"text":"b"}]},"outputDimensionality":4},{"model":"models/other","content":{"parts":[{"text":"c"}]}}]}"#,
        ),
        ("batchEmbedContents", r#"{"requests":[]}"#),
    ] {
        let encoded = encode_for(&decode(verb, body), "gemini-2.5-flash");
        // The settings of the first input would be written to the third as well.
        if body.contains("models/other") {
            continue;
        }
        assert!(encoded.losses.is_empty(), "{:?}", encoded.losses);
        assert_eq!(parsed(&encoded.body), parsed(body.as_bytes()), "{body}");
    }
}

#[test]
fn inputs_of_others() {
    let request = EmbedRequest {
        input: vec![EmbedInput::Text("a".into()), EmbedInput::Text("b".into())],
        dimensions: Some(64),
        purpose: Some("search_query".into()),
        truncate: Some("END".into()),
        ..EmbedRequest::default()
    };
    let (body, losses) = sent(&Prompt::Embed(request), "gemini-embedding-001");
    let one = |t| {
        json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": t}]},
            "outputDimensionality": 64, "taskType": "RETRIEVAL_QUERY"})
    };
    assert_eq!(body, json!({"requests": [one("a"), one("b")]}));
    assert_eq!(losses, ["truncate Dropped"]);
}

#[test]
fn vectors_both_ways() {
    for body in [
        r#"{"embedding":{"values":[0.1,-2.5e-7]}}"#,
        r#"{"embeddings":[{"values":[1.0]},{"values":[2.0],"shape":[1]}],"usageMetadata":{"promptTokenCount":3,"promptTokenDetails":[]},"x":null}"#,
    ] {
        let bytes = Bytes::from(body);
        let answer = Gemini.decode_answer(Operation::Embed, Body::json(&bytes)).unwrap();
        let back = Gemini.encode_answer(&answer, &RenderCx::default());
        assert!(back.losses.is_empty());
        assert_eq!(parsed(&back.body), parsed(body.as_bytes()));
    }
    let base64 = Vector::Base64("zczMPQAAgD8=".into());
    let sets = vec![VectorSet { encoding: "base64".into(), vectors: vec![base64] }];
    let answer = Answer::Embed(Embeddings { sets, ..Embeddings::default() });
    let shown = |format: Option<&'static str>| {
        let cx = RenderCx { format: format.map(Into::into), ..RenderCx::default() };
        parsed(&Gemini.encode_answer(&answer, &cx).body)
    };
    assert_eq!(shown(None), json!({"embeddings": [{"values": [0.1, 1.0]}]}));
    assert_eq!(shown(Some("embedContent")), json!({"embedding": {"values": [0.1, 1.0]}}));
}

#[test]
fn counts_and_models_both_ways() {
    for (operation, body) in [
        (
            Operation::CountTokens,
            r#"{"totalTokens":7,"promptTokensDetails":[{"modality":"TEXT","tokenCount":7}]}"#,
        ),
        (
            Operation::ListModels,
            r#"{"models":[{"name":"models/a","displayName":"A","topK":1},{"name":"tunedModels/b","displayName":null}],"nextPageToken":"t"}"#,
        ),
        (Operation::ListModels, r#"{"name":"models/a","version":"1"}"#),
    ] {
        let bytes = Bytes::from(body);
        let answer = Gemini.decode_answer(operation, Body::json(&bytes)).unwrap();
        let back = Gemini.encode_answer(&answer, &RenderCx::default());
        assert!(back.losses.is_empty());
        assert_eq!(parsed(&back.body), parsed(body.as_bytes()));
    }
    let model = ModelInfo { id: "gpt-x".into(), ..ModelInfo::default() };
    let list = Answer::ListModels(Models { models: vec![model], ..Models::default() });
    assert_eq!(
        parsed(&Gemini.encode_answer(&list, &RenderCx::default()).body),
        json!({"models": [{"name": "models/gpt-x",
            "supportedGenerationMethods": ["generateContent", "countTokens"]}]})
    );
}

#[test]
fn a_relay_renames_a_batch_and_nothing_else() {
    let capability = llm_core::capability::Capability::ALL;
    let cx = SendCx { model: "other", stream: false, usage_frame: false, capability: &capability };
    let relay = |verb: &str, body: &'static str| {
        let body = Bytes::from(body);
        let peek = Gemini.peek(&super::route(verb), &body).unwrap();
        Gemini.relay(&body, &peek, &cx).map(|c| String::from_utf8(c.concat()).unwrap())
    };
    let chat = r#"{"model":"models/x","contents":[]}"#;
    assert_eq!(relay("generateContent", chat).unwrap(), chat);
    let batch =
        r#"{"requests":[{"model":"models/x","content":{"parts":[{"text":"\"contents\""}]}}]}"#;
    assert_eq!(
        relay("batchEmbedContents", batch).unwrap(),
        batch.replace("models/x", "models/other")
    );
    assert!(relay("embedContent", r#"{"content":{"parts":[]}}"#).is_err());
}

#[test]
fn facts_are_seen_from_far_away() {
    use llm_core::call::Has;
    let body = Bytes::from(
        r#"{"contents":[{"parts":[{"inline_data":{"mime_type":"image/png","data":""}}]}],"tools":[{"googleSearch":{}}],
            "generation_config":{"max_output_tokens":5,"candidateCount":2,"response_mime_type":"application/json","thinkingConfig":{"thinkingBudget":1}}}"#,
    );
    let peek = Gemini.peek(&super::route("streamGenerateContent"), &body).unwrap();
    assert_eq!(peek.model.value, "gemini-2.5-flash");
    assert!(peek.stream);
    assert_eq!((peek.output_tokens_max, peek.candidates), (Some(5), 2));
    assert!(peek.has.all(Has::IMAGES | Has::TOOLS | Has::JSON | Has::REASONING));
    assert!(!peek.has.all(Has::AUDIO) && !peek.has.all(Has::JSON_SCHEMA));
}
