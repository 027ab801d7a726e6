//! Paths, and what is read of a body or changed in it without reading the words.

use bytes::Bytes;
use llm_core::Str;
use llm_core::call::{Has, Operation, Peek};
use llm_core::dialect::{BadRequest, Chunks, Endpoint, Route, SendCx};

use super::models::{name_in_path, path_of};
use crate::json::peek::{self, Layout, Member};
use crate::json::splice::{Edit, splice};
use crate::multipart;

/// Where clients find this API: OpenAI's own place, OpenRouter's, Groq's, and none at all.
const BASES: [&str; 4] = ["/api/v1/", "/openai/v1/", "/v1/", "/"];
/// Azure's old form names the model in the path.
const AZURE: &str = "/openai/deployments/";

/// What a request line asks for.
pub(super) fn read(method: &http::Method, path: &str) -> Option<Route> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if let Some(rest) = path.strip_prefix(AZURE) {
        let (model, rest) = rest.split_once('/')?;
        let mut route = posted(method, rest)?;
        route.model = Some(name_in_path(model)?);
        return Some(route);
    }
    let rest = BASES.iter().find_map(|base| path.strip_prefix(base))?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if *method == http::Method::GET {
        let model = match rest.strip_prefix("models") {
            Some("") => None,
            Some(name) => Some(name_in_path(name.strip_prefix('/')?)?),
            None => return None,
        };
        return Some(Route { model, ..Route::new(Operation::ListModels) });
    }
    posted(method, rest)
}

fn posted(method: &http::Method, rest: &str) -> Option<Route> {
    if *method != http::Method::POST {
        return None;
    }
    let operation = match rest {
        "chat/completions" => Operation::Chat,
        "embeddings" => Operation::Embed,
        "rerank" => Operation::Rerank,
        "moderations" => Operation::Moderate,
        "audio/transcriptions" => Operation::Transcribe,
        "audio/translations" => Operation::Translate,
        "audio/speech" => Operation::Speech,
        "images/generations" => Operation::Image,
        _ => return None,
    };
    Some(Route::new(operation))
}

/// Where a request goes below the base URL, which ends in `/v1`.
pub(super) fn endpoint(operation: Operation, model: &str) -> Option<Endpoint> {
    Some(match operation {
        Operation::Chat => Endpoint::post("/chat/completions"),
        Operation::Embed => Endpoint::post("/embeddings"),
        Operation::Rerank => Endpoint::post("/rerank"),
        Operation::Moderate => Endpoint::post("/moderations"),
        Operation::Transcribe => Endpoint::post("/audio/transcriptions"),
        Operation::Translate => Endpoint::post("/audio/translations"),
        Operation::Speech => Endpoint::post("/audio/speech"),
        Operation::Image => Endpoint::post("/images/generations"),
        Operation::ListModels if model.is_empty() => Endpoint::get("/models"),
        Operation::ListModels => Endpoint::get(format!("/models/{}", path_of(model))),
        _ => return None,
    })
}

const MEDIA: Member = Member::Mentions(&[
    ("\"image_url\"", Has::IMAGES),
    ("\"input_audio\"", Has::AUDIO),
    ("\"file\"", Has::FILES),
    ("\"video_url\"", Has::VIDEO),
]);

const FORMAT: Member = Member::Mentions(&[
    ("\"json_object\"", Has::JSON),
    ("\"json_schema\"", Has::JSON | Has::JSON_SCHEMA),
]);

const CHAT: Layout = Layout::new(&[
    ("model", Member::Model),
    ("messages", MEDIA),
    ("stream", Member::Stream),
    ("stream_options", Member::UsageOption),
    ("max_completion_tokens", Member::Cap),
    ("max_tokens", Member::Cap),
    ("n", Member::Candidates),
    ("user", Member::User),
    ("safety_identifier", Member::User),
    ("tools", Member::Has(Has::TOOLS)),
    ("functions", Member::Has(Has::TOOLS)),
    ("response_format", FORMAT),
    ("reasoning_effort", Member::Has(Has::REASONING)),
    ("reasoning", Member::Has(Has::REASONING)),
    ("logprobs", Member::Has(Has::LOGPROBS)),
    ("temperature", Member::Once),
    ("top_p", Member::Once),
    ("stop", Member::Once),
    ("seed", Member::Once),
    ("tool_choice", Member::Once),
])
.model_elsewhere();

/// Every other call: nothing of it streams, and nothing of it is counted by the caller's cap.
const OTHER: Layout = Layout::new(&[
    ("model", Member::Model),
    ("user", Member::User),
    ("n", Member::Candidates),
    ("input", Member::Mentions(&[("\"image_url\"", Has::IMAGES)])),
    ("documents", Member::Once),
    ("query", Member::Once),
    ("prompt", Member::Once),
])
.model_elsewhere();

/// Reads the few facts a gateway must know.
pub(super) fn peek(route: &Route, body: &Bytes) -> Result<Peek, BadRequest> {
    let mut found = match route.operation {
        Operation::Chat => peek::peek(body, &CHAT)?,
        Operation::ListModels => Peek::default(),
        Operation::Transcribe | Operation::Translate => form(body),
        _ => peek::peek(body, &OTHER)?,
    };
    if found.model.value.is_empty() {
        // A moderation may leave the model to the provider.
        let free = matches!(
            route.operation,
            Operation::ListModels
                | Operation::Moderate
                | Operation::Transcribe
                | Operation::Translate
        );
        match &route.model {
            Some(model) => found.model.value = model.clone(),
            None if free || found.asides.iter().any(|aside| aside.name == peek::MODELS) => {}
            None => return Err(BadRequest::invalid("model", "model is required")),
        }
    }
    Ok(found)
}

/// A form names its boundary in a header that is not at hand here, but also in its first line.
fn form(body: &Bytes) -> Peek {
    let mut found = Peek { has: Has(Has::AUDIO), ..Peek::default() };
    found.input_tokens_estimate = u32::try_from(body.len() / 3).unwrap_or(u32::MAX);
    let start = body.strip_prefix(b"--").unwrap_or_default();
    let end = memchr::memchr2(b'\r', b'\n', start).unwrap_or(0);
    let boundary = start.get(..end).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default();
    let content_type = format!("multipart/form-data; boundary=\"{boundary}\"");
    for part in multipart::parse(&content_type, body).unwrap_or_default() {
        let value = || Str::try_from(part.bytes.clone()).unwrap_or_default();
        match &*part.name {
            "model" => found.model.value = value(),
            "stream" => found.stream = value().eq_ignore_ascii_case("true"),
            _ => {}
        }
    }
    found
}

/// The caller's bytes with at most a few changes: the model's name, whether to stream, and the
/// wish for usage.
pub(super) fn relay(body: &Bytes, peek: &Peek, cx: &SendCx<'_>) -> Result<Chunks, BadRequest> {
    let renamed = cx.model != &*peek.model.value && !cx.model.is_empty();
    // What the path names is written anew by `endpoint`; what a form names is not.
    if renamed && peek.model.span.is_none() && !(body.starts_with(b"{") || body.is_empty()) {
        return Err(form_unchanged());
    }
    let mut edits = Edit::relayed(peek, cx);
    // Refused where no stream is asked for.
    if let (true, false, Some(option)) = (peek.stream, cx.stream, &peek.usage_option) {
        edits.push(Edit::value(option.clone(), "null"));
    }
    if cx.stream && cx.usage_frame && cx.capability.stream_options {
        edits.extend(Edit::usage_frame(peek, body));
    }
    Ok(splice(body, &mut edits)?)
}

fn form_unchanged() -> BadRequest {
    let message = "a form with another model's name cannot be relayed";
    BadRequest::unsupported(Some(Str::from_static("model")), message)
}
