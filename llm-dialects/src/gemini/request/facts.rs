//! The few facts of a request that a gateway must know, and the bytes of a relay.

use bytes::Bytes;
use llm_core::Str;
use llm_core::call::{Has, Operation, Peek, Spanned};
use llm_core::dialect::{BadRequest, Chunks, Route, SendCx};
use memchr::memmem;

use crate::gemini::names::bare;
use crate::gemini::route::prefixed;
use crate::json::peek::{Layout, Member, Members, peek};
use crate::json::splice::{Edit, splice};
use crate::json::{Field, JsonKind, Object};

/// What a conversation looks like from far away, in both spellings.
const CHAT: Layout = Layout::new(&[
    ("model", Member::Once),
    ("contents", Member::Mentions(MEDIA)),
    ("systemInstruction", Member::Once),
    ("system_instruction", Member::Once),
    ("tools", Member::Has(Has::TOOLS)),
    ("cachedContent", Member::Has(Has::SERVER_STATE)),
    ("cached_content", Member::Has(Has::SERVER_STATE)),
    ("generationConfig", Member::Within(CONFIG)),
    ("generation_config", Member::Within(CONFIG)),
])
.model_elsewhere();

const CONFIG: Members = &[
    ("maxOutputTokens", Member::Cap),
    ("max_output_tokens", Member::Cap),
    ("candidateCount", Member::Candidates),
    ("candidate_count", Member::Candidates),
    ("responseMimeType", Member::Mentions(JSON)),
    ("response_mime_type", Member::Mentions(JSON)),
    ("responseSchema", Member::Has(Has::JSON_SCHEMA)),
    ("response_schema", Member::Has(Has::JSON_SCHEMA)),
    ("responseJsonSchema", Member::Has(Has::JSON_SCHEMA)),
    ("response_json_schema", Member::Has(Has::JSON_SCHEMA)),
    ("responseLogprobs", Member::Has(Has::LOGPROBS)),
    ("response_logprobs", Member::Has(Has::LOGPROBS)),
    ("thinkingConfig", Member::Has(Has::REASONING)),
    ("thinking_config", Member::Has(Has::REASONING)),
];

const JSON: &[(&str, u16)] = &[("\"application/json\"", Has::JSON)];

/// The types that people send. A type that stands nowhere here is one that no table of models
/// knows either.
const MEDIA: &[(&str, u16)] = &[
    ("\"image/png\"", Has::IMAGES),
    ("\"image/jpeg\"", Has::IMAGES),
    ("\"image/webp\"", Has::IMAGES),
    ("\"image/heic\"", Has::IMAGES),
    ("\"image/heif\"", Has::IMAGES),
    ("\"image/gif\"", Has::IMAGES),
    ("\"audio/wav\"", Has::AUDIO),
    ("\"audio/mp3\"", Has::AUDIO),
    ("\"audio/mpeg\"", Has::AUDIO),
    ("\"audio/ogg\"", Has::AUDIO),
    ("\"audio/flac\"", Has::AUDIO),
    ("\"audio/aac\"", Has::AUDIO),
    ("\"video/mp4\"", Has::VIDEO),
    ("\"video/webm\"", Has::VIDEO),
    ("\"video/quicktime\"", Has::VIDEO),
    ("\"application/pdf\"", Has::FILES),
    ("\"fileData\"", Has::FILES),
    ("\"file_data\"", Has::FILES),
];

/// Inputs of embeddings: only what stands once.
const EMBED: Layout =
    Layout::new(&[("requests", Member::Once), ("content", Member::Once)]).model_elsewhere();

/// Reads the facts. The path says what others say in the body.
pub(in crate::gemini) fn facts(route: &Route, body: &Bytes) -> Result<Peek, BadRequest> {
    let layout = match route.operation {
        Operation::Embed => &EMBED,
        _ => &CHAT,
    };
    let mut facts = match route.operation {
        // There is no body.
        Operation::ListModels => Peek::default(),
        _ => peek(body, layout)?,
    };
    facts.model = Spanned { value: route.model.clone().unwrap_or_default(), span: None };
    facts.stream = route.stream.unwrap_or(false);
    Ok(facts)
}

/// The caller's bytes. A conversation needs no change at all, since the path names its model; a
/// batch of inputs to embed names it with each of them.
pub(in crate::gemini) fn relay(
    body: &Bytes,
    peek: &Peek,
    cx: &SendCx<'_>,
) -> Result<Chunks, BadRequest> {
    let same = || Chunks::from_iter([body.clone()]);
    if memmem::find(body, b"\"contents\"").is_some() {
        return Ok(same());
    }
    let text = crate::json::object::text(body)?;
    let mut o = Object::root(&text)?;
    if o.see("content").is_some() && o.see("requests").is_none() {
        // The upstream is asked in the other form, and answers in it.
        let message = "a single embedding is written as a batch";
        return Err(BadRequest::unsupported(Some(Str::from_static("content")), message));
    }
    if bare(cx.model) == &*peek.model.value {
        return Ok(same());
    }
    let mut edits = Vec::new();
    let mut rename = |o: &Object<'_>| {
        if let Some(model) = o.see("model").filter(|f| f.kind() == JsonKind::String) {
            edits.push(Edit::string(span(&text, model), &prefixed(bare(cx.model))));
        }
    };
    rename(&o);
    for request in o.array("requests")? {
        rename(&request.object()?);
    }
    splice(body, &mut edits).map_err(|e| BadRequest::syntax(e.to_string()))
}

fn span(body: &Str, field: Field<'_>) -> std::ops::Range<usize> {
    let start = field.text().as_ptr().addr().saturating_sub(body.as_ptr().addr());
    start..start + field.text().len()
}
