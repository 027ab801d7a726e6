//! Reads a whole answer.

use bytes::Bytes;
use llm_core::Str;
use llm_core::answer::{Answer, UsageReport};
use llm_core::call::Operation;
use llm_core::completion::{Candidate, Completion, Finish};
use llm_core::dialect::{Body, Corrupt};
use llm_core::error::Error;
use llm_core::extra::Extra;
use llm_core::fault::{Fault, FaultClass};
use llm_core::prompt::{Part, PartKind};

use super::super::notation::ME;
use super::super::{error, items, tokens, usage};
use super::finish::finish;
use crate::json::{Field, JsonKind, Object, object};

/// Reads an answer of either path.
pub(crate) fn answer(operation: Operation, body: Body<'_>) -> Result<Answer, Corrupt> {
    if operation == Operation::CountTokens {
        return tokens::decode(body.bytes);
    }
    let text = object::text(body.bytes)?;
    let field = Field::root(&text)?;
    let mut o = field.object()?;
    // A host that answers a failure with 200 and an error body.
    if o.see("output").is_none() && o.see("error").is_some_and(|e| !e.is_null()) {
        let failure = Some(error::inside(field, body.bytes));
        return Ok(Answer::Chat(Completion { failure, ..Completion::default() }));
    }
    let mut parts = Vec::new();
    for item in o.need("output")?.array()? {
        items::model_item(item, false, &mut parts)?;
    }
    let outline = outline(o, &parts, body.bytes);
    // One that has not begun has no candidate: nothing could tell it from none.
    let begun = !parts.is_empty() || outline.finish.is_some();
    let candidate = Candidate { parts, finish: outline.finish };
    Ok(Answer::Chat(Completion {
        id: outline.id,
        model: outline.model,
        created: outline.created,
        candidates: if begun { vec![candidate] } else { Vec::new() },
        usage: outline.usage,
        ended: outline.ended && outline.failure.is_none(),
        failure: outline.failure,
        extra: outline.extra,
    }))
}

/// A response object but for its items.
pub(crate) struct Outline {
    /// `resp_…`
    pub(crate) id: Option<Str>,
    /// The model that answers.
    pub(crate) model: Option<Str>,
    /// When it began.
    pub(crate) created: Option<u64>,
    /// How it ended, if it did.
    pub(crate) finish: Option<Finish>,
    /// What it used.
    pub(crate) usage: Option<UsageReport>,
    /// What went wrong.
    pub(crate) failure: Option<Error>,
    /// Whether its status is a last one.
    pub(crate) ended: bool,
    /// Everything else.
    pub(crate) extra: Extra,
}

/// Reads what a response object says besides its items. Never fails: a field of an unexpected
/// type stays as written, and costs nobody the answer.
pub(crate) fn outline(mut o: Object<'_>, parts: &[Part], body: &Bytes) -> Outline {
    let calls = parts.iter().any(|p| matches!(p.kind, PartKind::ToolCall(_)));
    let failure = o.see("error").filter(|e| !e.is_null()).map(|e| error::inside(e, body));
    let mut string = |name| o.take_if(name, JsonKind::String).and_then(|f| f.str().ok());
    let (id, model) = (string("id"), string("model"));
    let (created, whole) = match o.see("created_at") {
        // Some hosts write a fraction; it stays as written.
        Some(at) => (
            at.f64().ok().filter(|s| *s >= 0.0).map(|s| s as u64),
            at.text().bytes().all(|b| b.is_ascii_digit()),
        ),
        None => (None, false),
    };
    if whole {
        o.take_if("created_at", JsonKind::Number);
    }
    let status =
        o.see("status").filter(|f| f.kind() == JsonKind::String).and_then(|f| f.str().ok());
    let finish = status.as_ref().and_then(|s| finish(s, o.see("incomplete_details"), calls));
    let failed = status.as_deref() == Some("failed");
    if finish.is_some() {
        o.take_if("status", JsonKind::String);
        for kind in [JsonKind::Null, JsonKind::Object, JsonKind::String] {
            o.take_if("incomplete_details", kind);
        }
    }
    let usage = o.see("usage").filter(|u| u.kind() == JsonKind::Object).and_then(usage::read);
    if usage.is_some() {
        o.take_if("usage", JsonKind::Object);
    }
    let failure = failure.or_else(|| failed.then(|| failed_silently(body)));
    let ended = finish.is_some();
    Outline { id, model, created, finish, usage, failure, ended, extra: o.rest(ME) }
}

/// A failed response that does not say why.
pub(crate) fn failed_silently(body: &Bytes) -> Error {
    let mut fault = Fault::new(200, FaultClass::Unknown, "the response failed");
    fault.body = body.clone();
    Error::upstream(fault)
}
