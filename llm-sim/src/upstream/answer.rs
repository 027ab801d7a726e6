//! From a request to the vendor's good answer, or to its refusal.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use llm_core::Str;
use llm_core::answer::Answer;
use llm_core::call::{Operation, Peek};
use llm_core::dialect::{Body, CallerDialect, DialectId, Framing, RenderCx, Route};
use llm_core::prompt::Prompt;
use serde_json::Value;

use super::faults::Reply;
use super::refusal::{Problem, Refusal, put};
use super::{Request, Upstream, frames, strict};
use crate::model::{CREATED, Wish, input, stream};
use crate::script::Act;

/// What every simulated model can read.
pub(super) const CONTEXT_TOKENS: u64 = 200_000;
/// A script's `output_tokens` may be an endless answer; it is held in memory, so it has an end.
const OUTPUT_TOKENS_MAX: usize = 200_000;

/// A request that found its dialect.
pub(super) struct Routed<'a> {
    pub(super) request: &'a Request,
    pub(super) dialect: &'static dyn CallerDialect,
    pub(super) route: &'a Route,
    pub(super) peek: Peek,
    pub(super) model: &'a str,
}

impl Upstream {
    /// Lets a request in, checks it, and answers it.
    pub(super) fn answer(&self, routed: &Routed<'_>, act: &Act) -> Result<Reply, Refusal> {
        let Request { path, headers, body, .. } = routed.request;
        let dialect = routed.dialect.id();
        self.vendor.authorise(headers, path)?;
        strict::check_headers(dialect, headers)?;
        let content_type = headers.get("content-type").and_then(|v| v.to_str().ok());
        if is_json(content_type) && !body.is_empty() {
            let value: Value = serde_json::from_slice(body).map_err(|e| unreadable(dialect, &e))?;
            self.known(routed)?;
            strict::check(self.vendor, dialect, routed.route.operation, headers, &value)?;
        }
        self.known(routed)?;
        if routed.route.operation == Operation::Speech {
            return spoken(body);
        }
        let prompt = routed
            .dialect
            .decode(routed.route, Body { bytes: body, content_type })
            .map_err(|bad| Refusal {
                param: bad.param.map(|p| p.to_string()),
                ..Refusal::new(Problem::BadRequest, bad.message.to_string())
            })?;
        fits(&prompt, dialect)?;
        let wish = Wish {
            text: act.text.clone(),
            output_tokens: act.output_tokens.map(|n| n.min(OUTPUT_TOKENS_MAX)),
            ignore_max_tokens: act.ignore_max_tokens,
            cache: Some(&self.cache),
        };
        let answer = crate::model::answer(&prompt, dialect, self.vendor.models(), &wish);
        Ok(written(routed, &prompt, &answer))
    }

    fn known(&self, routed: &Routed<'_>) -> Result<(), Refusal> {
        let model = routed.model;
        if self.vendor.knows(model) {
            return Ok(());
        }
        let mut refusal = Refusal::new(Problem::UnknownModel, unknown_model(routed));
        if self.vendor == super::Vendor::OpenAi && routed.route.operation == Operation::ListModels {
            refusal.param = Some("model".to_owned());
        }
        Err(refusal)
    }
}

/// A sound as long as its text: nobody listens to it, but it is no JSON and no UTF-8.
fn spoken(body: &Bytes) -> Result<Reply, Refusal> {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let missing = |name: &str| Refusal {
        param: Some(name.to_owned()),
        ..Refusal::new(Problem::BadRequest, format!("you must provide the {name} parameter"))
    };
    let text = value["input"].as_str().ok_or_else(|| missing("input"))?;
    value["voice"].as_str().ok_or_else(|| missing("voice"))?;
    let mut sound = b"ID3\x04\xff\xfb".to_vec();
    sound.extend(text.bytes().map(|byte| !byte));
    Ok(Reply::whole(200, "audio/mpeg", Bytes::from(sound)))
}

fn is_json(content_type: Option<&str>) -> bool {
    content_type.is_none_or(|t| !t.starts_with("multipart/"))
}

fn unreadable(dialect: DialectId, error: &serde_json::Error) -> Refusal {
    let message = match dialect {
        DialectId::OpenaiChat | DialectId::OpenaiResponses | DialectId::OpenaiCompletions => {
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't \
             using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was \
             sent was not valid JSON.)"
                .to_owned()
        }
        DialectId::Gemini => format!("Invalid JSON payload received. {error}"),
        _ => format!("invalid JSON: {error}"),
    };
    Refusal::new(Problem::BadRequest, message)
}

fn unknown_model(routed: &Routed<'_>) -> String {
    let model = routed.model;
    match routed.dialect.id() {
        DialectId::OpenaiChat | DialectId::OpenaiResponses | DialectId::OpenaiCompletions => {
            format!("The model `{model}` does not exist or you do not have access to it.")
        }
        DialectId::Anthropic => format!("model: {model}"),
        DialectId::Gemini => {
            let version = routed.request.path.trim_start_matches('/').split('/').next();
            format!(
                "models/{model} is not found for API version {}, or is not supported for \
                 generateContent. Call ListModels to see the list of available models and their \
                 supported methods.",
                version.unwrap_or("v1beta")
            )
        }
        DialectId::Cohere | DialectId::CohereV1 => format!(
            "model '{model}' not found, make sure the correct model ID was used and that you have \
             access to the model."
        ),
        DialectId::Ollama | DialectId::OllamaGenerate => format!("model '{model}' not found"),
    }
}

/// Refuses a prompt that is longer than the model's context.
fn fits(prompt: &Prompt, dialect: DialectId) -> Result<(), Refusal> {
    let Prompt::Chat(request) = prompt else { return Ok(()) };
    let count = input::input_tokens(request);
    if count <= CONTEXT_TOKENS {
        return Ok(());
    }
    let message = match dialect {
        DialectId::Anthropic => {
            format!("prompt is too long: {count} tokens > {CONTEXT_TOKENS} maximum")
        }
        DialectId::Gemini => format!(
            "The input token count ({count}) exceeds the maximum number of tokens allowed \
             ({CONTEXT_TOKENS})."
        ),
        DialectId::Cohere => format!(
            "too many tokens: total number of tokens in the prompt cannot exceed {CONTEXT_TOKENS} - \
             received {count}."
        ),
        _ => format!(
            "This model's maximum context length is {CONTEXT_TOKENS} tokens. However, your messages \
             resulted in {count} tokens. Please reduce the length of the messages."
        ),
    };
    Err(Refusal { param: Some("messages".into()), ..Refusal::new(Problem::ContextLength, message) })
}

fn written(routed: &Routed<'_>, prompt: &Prompt, answer: &Answer) -> Reply {
    let dialect = routed.dialect;
    let cx = RenderCx {
        id: Str::from_static("simulated"),
        model: None,
        created: CREATED,
        include_usage: routed.peek.wants_usage_frame,
        framing: routed.route.framing,
        format: prompt.answer_format(),
    };
    if let (Answer::Chat(whole), true) = (answer, wants_stream(prompt)) {
        let usage = whole.usage.as_ref().map(|u| u.usage.output + u.usage.reasoning);
        let content_type = dialect.stream_content_type(cx.framing);
        let framing = framing_of(content_type);
        let mut frames = Vec::new();
        let mut encoder = dialect.stream_encoder(&cx);
        for event in stream::events(whole, dialect.id()) {
            let mut out = BytesMut::new();
            encoder.feed(&event, &mut out);
            frames::cut(&out.freeze(), framing, &mut frames);
        }
        let headers = headers(content_type, dialect.id());
        let output_tokens = usage.unwrap_or(0);
        return Reply { status: 200, headers, frames, framing: Some(framing), output_tokens };
    }
    let rendered = dialect.encode_answer(answer, &cx);
    let mut reply = Reply::whole(200, &rendered.content_type, rendered.body);
    reply.headers = headers(&rendered.content_type, dialect.id());
    if let Answer::Chat(whole) = answer {
        reply.output_tokens =
            whole.usage.as_ref().map_or(0, |u| u.usage.output + u.usage.reasoning);
    }
    reply
}

fn wants_stream(prompt: &Prompt) -> bool {
    matches!(prompt, Prompt::Chat(request) if request.stream)
}

fn framing_of(content_type: &str) -> Framing {
    if content_type.starts_with("text/event-stream") {
        Framing::Sse
    } else if content_type.contains("ndjson") {
        Framing::Ndjson
    } else {
        Framing::JsonArray
    }
}

/// Headers that the vendors send with every answer and that clients look at.
fn headers(content_type: &str, dialect: DialectId) -> HeaderMap {
    let mut out = HeaderMap::new();
    put(&mut out, "content-type", content_type);
    match dialect {
        DialectId::OpenaiChat | DialectId::OpenaiResponses | DialectId::OpenaiCompletions => {
            put(&mut out, "x-request-id", "req_simulated");
            put(&mut out, "openai-processing-ms", "12");
            put(&mut out, "x-ratelimit-limit-requests", "10000");
            put(&mut out, "x-ratelimit-remaining-requests", "9999");
            put(&mut out, "x-ratelimit-reset-requests", "6ms");
        }
        DialectId::Anthropic => {
            put(&mut out, "request-id", "req_simulated");
            put(&mut out, "anthropic-ratelimit-requests-limit", "4000");
            put(&mut out, "anthropic-ratelimit-requests-remaining", "3999");
        }
        _ => {}
    }
    out
}

/// The model a request names: in its path, or in its body.
pub(super) fn model_of(route: &Route, peek: &Peek, body: &Bytes) -> String {
    let named = route.model.as_ref().unwrap_or(&peek.model.value);
    if !named.is_empty() {
        return named.to_string();
    }
    // A body that could not be peeked at may still name its model, for scripts and records.
    let value: Option<Value> = serde_json::from_slice(body).ok();
    value.and_then(|v| v.get("model")?.as_str().map(str::to_owned)).unwrap_or_default()
}
