//! What the fuzz targets check, apart from the fuzzer: the committed seeds are replayed through
//! the very same functions by `cargo test`, with the stable compiler.
//!
//! A body takes any bytes and panics where a law is broken. Laws that need no second opinion
//! (nothing panics, nothing is lost, a cut changes nothing) are checked against the code itself;
//! JSON is checked against the trees of `serde_json`.

use llm_core::dialect::{DialectId, Framing};

mod dialect;
mod form;
mod frame;
mod request;

/// Checks one input.
pub(crate) type Body = fn(&[u8]);

/// Every target by its name, which is also the name of its folder of seeds.
pub(crate) const TARGETS: &[(&str, Body)] = &[
    ("frame_sse", |input| frame::split(Framing::Sse, input)),
    ("frame_ndjson", |input| frame::split(Framing::Ndjson, input)),
    ("frame_json_array", |input| frame::split(Framing::JsonArray, input)),
    ("peek_splice", request::peek_splice),
    ("multipart", form::parse_write),
    ("decode_anthropic", |input| dialect::decode(DialectId::Anthropic, input)),
    ("decode_gemini", |input| dialect::decode(DialectId::Gemini, input)),
    ("decode_ollama", |input| dialect::decode(DialectId::Ollama, input)),
    ("decode_cohere", |input| dialect::decode(DialectId::Cohere, input)),
    ("decode_openai_chat", |input| dialect::decode(DialectId::OpenaiChat, input)),
    ("decode_openai_responses", |input| dialect::decode(DialectId::OpenaiResponses, input)),
    ("stream_anthropic", |input| dialect::stream(DialectId::Anthropic, input)),
    ("stream_gemini", |input| dialect::stream(DialectId::Gemini, input)),
    ("stream_ollama", |input| dialect::stream(DialectId::Ollama, input)),
    ("stream_cohere", |input| dialect::stream(DialectId::Cohere, input)),
    ("stream_openai_chat", |input| dialect::stream(DialectId::OpenaiChat, input)),
    ("stream_openai_responses", |input| dialect::stream(DialectId::OpenaiResponses, input)),
];

/// Checks one input of the target of that name.
pub(crate) fn run(target: &str, input: &[u8]) {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    assert!(found.is_some(), "no target {target}");
    if let Some((_, body)) = found {
        body(input);
    }
}
