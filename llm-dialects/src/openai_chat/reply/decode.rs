//! An upstream's whole answer into words. Lenient: what has an unexpected type stays among the
//! rest, because a host's slip must not cost the caller the answer.

use bytes::Bytes;
use llm_core::Str;
use llm_core::completion::{Candidate, Completion, Finish, FinishReason};
use llm_core::dialect::Corrupt;
use llm_core::extra::Extra;
use llm_core::prompt::{Audio, Media, MediaSource, Part, PartKind, Text, ToolCall};

use super::super::notation::{ME, keep, of_message, of_part};
use super::super::{CANDIDATES_MAX, citations, content, error, logprobs, reasoning, usage};
use crate::json::{Bad, Field, JsonKind, Object, object};
use crate::state::call_id;

/// Reads an answer.
pub(crate) fn completion(body: &Bytes) -> Result<Completion, Corrupt> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let failure = error::inside(&mut o, body);
    let has_choices = o.see("choices").is_some_and(|f| f.kind() == JsonKind::Array);
    if !has_choices {
        return match failure {
            Some(failure) => Ok(Completion { failure: Some(failure), ..Completion::default() }),
            None => Err(Corrupt::new("choices is missing")),
        };
    }
    let id = take_str(&mut o, "id");
    let mut done = Completion {
        model: take_str(&mut o, "model"),
        created: take_u64(&mut o, "created"),
        usage: o.take_if("usage", JsonKind::Object).and_then(usage::read),
        failure,
        ..Completion::default()
    };
    if o.see("object").is_some_and(|f| f.text() == "\"chat.completion\"") {
        o.take("object")?;
    }
    for (at, item) in o.array("choices")?.into_iter().enumerate() {
        choice(item, at, id.as_deref().unwrap_or_default(), &mut done)?;
    }
    done.id = id;
    done.extra = o.rest(ME);
    // Hosts say `usage: null` when they did not count; a count that is added later must not stand
    // beside it.
    done.extra.take("usage");
    let finished = done.candidates.iter().all(|c| c.finish.is_some());
    done.ended = done.failure.is_none() && finished && !done.candidates.is_empty();
    Ok(done)
}

/// A string member, unless it is something else.
pub(crate) fn take_str(o: &mut Object<'_>, name: &str) -> Option<Str> {
    let field = o.see(name).filter(|f| f.kind() == JsonKind::String)?;
    let text = field.str().ok()?;
    o.take_if(name, JsonKind::String);
    Some(text)
}

/// A member that is a whole number, unless it is something else.
pub(crate) fn take_u64(o: &mut Object<'_>, name: &str) -> Option<u64> {
    let n = o.see(name)?.u64().ok()?;
    o.take_if(name, JsonKind::Number);
    Some(n)
}

fn choice(item: Field<'_>, at: usize, id: &str, done: &mut Completion) -> Result<(), Bad> {
    let mut o = item.object()?;
    let number = take_u64(&mut o, "index").and_then(|n| usize::try_from(n).ok()).unwrap_or(at);
    if number >= CANDIDATES_MAX {
        return Err(item.bad("has too large an index"));
    }
    let mut parts = Vec::new();
    let mut bits = 0;
    let mut inner = Extra::new(ME);
    if let Some(message) = o.take_if("message", JsonKind::Object) {
        let made = |call: usize| made_id(id, number, call);
        (bits, inner) = read_message(message.object()?, &made, &mut parts)?;
    }
    let probabilities = read_logprobs(&mut o, &mut parts)?;
    let finish = finish(&mut o, &parts);
    let mut extra = o.rest(ME).noted(bits);
    keep(&mut extra, "message", &inner);
    keep(&mut extra, "logprobs", &probabilities);
    if done.candidates.len() <= number {
        done.candidates.resize_with(number + 1, Candidate::default);
    }
    if let Some(candidate) = done.candidates.get_mut(number) {
        let finish = finish.map(|f| Finish { extra, ..f });
        *candidate = Candidate { parts, finish };
    }
    Ok(())
}

/// The id of a call that the host gave none.
pub(crate) fn made_id(answer: &str, candidate: usize, call: usize) -> Str {
    call_id::make(&[answer.as_bytes(), &candidate.to_le_bytes(), &call.to_le_bytes()])
}

fn finish(o: &mut Object<'_>, parts: &[Part]) -> Option<Finish> {
    let field = o.see("finish_reason").filter(|f| !f.is_null())?;
    let word = match field.kind() {
        JsonKind::String => field.str().ok()?,
        _ => Str::from(field.text()),
    };
    o.take("finish_reason").ok()?;
    let calls = parts.iter().any(|p| matches!(p.kind, PartKind::ToolCall(_)));
    let reason = finish_reason(&word, calls);
    Some(Finish { word: Some(word), ..Finish::new(reason) })
}

/// What a word of `finish_reason` means.
pub(crate) fn finish_reason(word: &str, calls: bool) -> FinishReason {
    match word {
        // Some hosts say `stop` where tools must run.
        "stop" if calls => FinishReason::ToolCalls,
        "stop" => FinishReason::Stop,
        "length" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        _ => FinishReason::Other(word.into()),
    }
}

fn read_message(
    mut o: Object<'_>,
    made: &dyn Fn(usize) -> Str,
    parts: &mut Vec<Part>,
) -> Result<(u32, Extra), Bad> {
    let mut bits = 0;
    if o.see("role").is_some_and(|f| f.text() == "\"assistant\"") {
        o.take("role")?;
    }
    reasoning::read(&mut o, parts)?;
    for part in parts.iter_mut().filter(|p| p.state.is_none()) {
        part.state = reasoning::field_state(part.extra.notation(ME).0);
    }
    let content = o.take_if("content", JsonKind::String);
    if let Some(field) = content.or_else(|| o.take_if("content", JsonKind::Array)) {
        bits |= content::read(field, false, parts)?;
    }
    if let Some(refusal) = take_str(&mut o, "refusal") {
        let extra = Extra::new(ME);
        parts.push(Part { extra, ..Part::new(PartKind::Refusal(Text::new(refusal))) });
    }
    read_annotations(&mut o, parts)?;
    if let Some(images) = o.take_if("images", JsonKind::Array) {
        read_images(images, parts)?;
    }
    if let Some(field) = o.take_if("audio", JsonKind::Object) {
        parts.push(read_audio(field.object()?));
    }
    if let Some(field) = o.take_if("tool_calls", JsonKind::Array) {
        super::super::request::read_calls(field, Some(made), parts)?;
    }
    if let Some(field) = o.take_if("function_call", JsonKind::Object) {
        parts.push(old_call(field.object()?, made));
    }
    let mut rest = o.rest(ME);
    // Official clients take an empty list or `null` here for an answer with tool calls.
    rest.take("tool_calls");
    let list = of_message::CONTENT_LIST;
    // A caller of this dialect is always sent a string.
    Ok((bits & !list, rest))
}

fn old_call(mut o: Object<'_>, made: &dyn Fn(usize) -> Str) -> Part {
    let name = take_str(&mut o, "name").unwrap_or_default();
    let arguments = take_str(&mut o, "arguments").unwrap_or_default();
    let call = ToolCall { id: made(0), name, arguments, custom: false };
    let extra = o.rest(ME).noted(of_part::LEGACY_CALL);
    Part { extra, ..Part::new(PartKind::ToolCall(call)) }
}

/// Sources belong to the text; without one they stay where they stood.
fn read_annotations(o: &mut Object<'_>, parts: &mut [Part]) -> Result<(), Bad> {
    let Some(field) = o.see("annotations").filter(|f| f.kind() == JsonKind::Array) else {
        return Ok(());
    };
    let items = field.array()?;
    let text = parts.iter_mut().rev().find_map(|p| match &mut p.kind {
        PartKind::Text(text) => Some(text),
        _ => None,
    });
    if let Some(text) = text
        && !items.is_empty()
    {
        o.take("annotations")?;
        text.citations = items.into_iter().map(citations::read).collect();
    }
    Ok(())
}

/// Pictures that a model made, as OpenRouter sends them.
pub(crate) fn read_images(field: Field<'_>, parts: &mut Vec<Part>) -> Result<(), Bad> {
    for item in field.array()? {
        let mut o = item.object()?;
        let url = o.take_if("image_url", JsonKind::Object).and_then(|f| f.object().ok());
        let Some(url) = url.and_then(|mut o| take_str(&mut o, "url")) else { continue };
        let media = content::from_url(&url);
        o.take_if("type", JsonKind::String);
        parts.push(Part { extra: o.rest(ME), ..Part::new(PartKind::Image(media)) });
    }
    Ok(())
}

fn read_audio(mut o: Object<'_>) -> Part {
    let data = take_str(&mut o, "data").unwrap_or_default();
    let transcript = take_str(&mut o, "transcript");
    let audio = Audio { media: Media::new(MediaSource::Base64(data)), transcript };
    Part { extra: o.rest(ME), ..Part::new(PartKind::Audio(audio)) }
}

/// Moves `logprobs` to the parts they belong to; what has no such part is left.
fn read_logprobs(o: &mut Object<'_>, parts: &mut [Part]) -> Result<Extra, Bad> {
    let Some(mut inner) =
        o.take_if("logprobs", JsonKind::Object).map(|f| f.object()).transpose()?
    else {
        return Ok(Extra::new(ME));
    };
    for part in parts {
        let (name, text) = match &mut part.kind {
            PartKind::Text(text) => ("content", text),
            PartKind::Refusal(text) => ("refusal", text),
            _ => continue,
        };
        if inner.see(name).is_some_and(|f| f.kind() == JsonKind::Array && f.text() != "[]")
            && let Some(field) = inner.take(name)?
        {
            text.logprobs = logprobs::read(field)?;
        }
    }
    Ok(inner.rest(ME))
}
