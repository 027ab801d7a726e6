//! Thinking, and what providers want back with it.
//!
//! OpenAI itself shows none. Hosts show it as `reasoning_content` (DeepSeek, vLLM) or `reasoning`
//! (OpenRouter, Groq), the latter with `reasoning_details`, a list whose elements carry signatures
//! and encrypted thoughts and must come back unchanged. State that another dialect made travels in
//! the same list, as a token in `signature` or `data`, one element for each part.

use llm_core::Str;
use llm_core::dialect::DialectId;
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::{Opaque, Part, PartKind};
use llm_core::raw::Raw;

use super::notation::{ME, of_part, own};
use crate::json::{ArrayWriter, Bad, Field, JsonKind, Object, ObjectWriter};
use crate::state;

/// State of our own: elements of `reasoning_details`, as an array.
pub(super) const DETAILS: &str = "reasoning_details";
/// State of our own: nothing but the field in which the thinking came. Tells a later turn that the
/// host wrote it and so may read it again, when it has travelled through another dialect.
pub(super) const FIELD: &str = "field";

/// Takes thinking out of a message. What is no thinking stays among the rest.
pub(super) fn read(o: &mut Object<'_>, parts: &mut Vec<Part>) -> Result<(), Bad> {
    let (text, bits) = plain(o)?;
    let details = o.see(DETAILS).filter(|f| f.kind() == JsonKind::Array);
    let items = details.map(|f| f.array()).transpose()?.unwrap_or_default();
    if items.is_empty() {
        if bits != 0 {
            parts.push(part(text, None, bits));
        }
        return Ok(());
    }
    let raw = o.take(DETAILS)?.map(|f| f.raw());
    let items: Vec<Detail> = items.into_iter().map(detail).collect();
    if items.iter().any(|d| d.token.is_some()) {
        let lone = items.len() == 1;
        for (at, d) in items.into_iter().enumerate() {
            let text = if lone && d.text.is_empty() { text.clone() } else { d.text };
            let state = d.token.unwrap_or_else(|| Opaque {
                origin: ME,
                kind: Str::from_static(DETAILS),
                value: list(&[d.raw]),
            });
            parts.push(part(text, Some(state), if at == 0 { bits } else { 0 }));
        }
        return Ok(());
    }
    let joined = || items.iter().map(|d| &*d.text).collect::<String>().into();
    let state = raw.map(|value| Opaque { origin: ME, kind: Str::from_static(DETAILS), value });
    parts.push(part(if bits == 0 { joined() } else { text }, state, bits));
    Ok(())
}

/// The thinking in plain fields, and which fields those were.
fn plain(o: &mut Object<'_>) -> Result<(Str, u32), Bad> {
    let string = |o: &Object<'_>, name| match o.see(name).filter(|f| f.kind() == JsonKind::String) {
        Some(field) => field.str().map(Some),
        None => Ok(None),
    };
    let content = string(o, "reasoning_content")?.filter(|t| !t.is_empty());
    let reasoning = string(o, "reasoning")?.filter(|t| !t.is_empty());
    let (text, bits) = match (content, reasoning) {
        (None, None) => return Ok((Str::new(), 0)),
        (Some(a), Some(b)) if a == b => (a, of_part::REASONING_CONTENT | of_part::REASONING),
        // Two different texts: the second stays where it stood.
        (Some(a), _) => (a, of_part::REASONING_CONTENT),
        (None, Some(b)) => (b, of_part::REASONING),
    };
    if bits & of_part::REASONING_CONTENT != 0 {
        o.take("reasoning_content")?;
    }
    if bits & of_part::REASONING != 0 {
        o.take("reasoning")?;
    }
    Ok((text, bits))
}

fn part(text: Str, state: Option<Opaque>, bits: u32) -> Part {
    let extra = Extra::new(ME).noted(bits);
    Part { state, extra, ..Part::new(PartKind::Reasoning(text)) }
}

/// One element of `reasoning_details`.
pub(super) struct Detail {
    /// Its words: `text`, or `summary`.
    pub(super) text: Str,
    /// Another dialect's state, when it is one of ours.
    pub(super) token: Option<Opaque>,
    /// As written.
    pub(super) raw: Raw,
}

/// Reads one element of `reasoning_details`.
pub(super) fn detail(field: Field<'_>) -> Detail {
    let object = field.object().ok();
    let see = |name| {
        let field = object.as_ref()?.see(name)?;
        if field.kind() == JsonKind::String { field.str().ok() } else { None }
    };
    let token = see("signature").or_else(|| see("data")).and_then(|t| state::read(&t));
    let text = see("text").or_else(|| see("summary")).unwrap_or_default();
    Detail { text, token, raw: field.raw() }
}

/// Elements as one array.
pub(super) fn list(items: &[Raw]) -> Raw {
    let mut out = bytes::BytesMut::new();
    let mut array = ArrayWriter::begin(&mut out);
    items.iter().for_each(|raw| array.raw(raw));
    drop(array);
    Raw::from_parsed(Str::try_from(out.freeze()).unwrap_or_else(|_| Str::from_static("[]")))
}

/// Writes thinking for an upstream: only what it wrote itself. `lose` is told of the rest by the
/// part's number and what is lost of it.
pub(super) fn write_back(
    o: &mut ObjectWriter<'_>,
    parts: &[Part],
    written: &mut Vec<&'static str>,
    mut lose: impl FnMut(usize, &str),
) {
    let (mut content, mut reasoning) = (String::new(), String::new());
    let (mut bits, mut details) = (0, Vec::new());
    for (at, part) in parts.iter().enumerate() {
        let PartKind::Reasoning(text) = &part.kind else { continue };
        let notation = part.extra.notation(ME);
        if notation.has(of_part::IN_CONTENT) {
            continue;
        }
        let mut spelled = notation.0 & (of_part::REASONING_CONTENT | of_part::REASONING);
        match &part.state {
            Some(state) if state.origin == ME && &*state.kind == DETAILS => {
                details.push(&state.value);
            }
            Some(state) if state.origin == ME => spelled |= field_bits(&state.value),
            Some(_) if own(&part.extra) => lose(at, ".state"),
            Some(_) | None if !own(&part.extra) => {
                lose(at, "");
                continue;
            }
            Some(_) | None => {}
        }
        bits |= spelled;
        if spelled & of_part::REASONING_CONTENT != 0 {
            content.push_str(text);
        }
        if spelled & of_part::REASONING != 0 {
            reasoning.push_str(text);
        }
    }
    if bits & of_part::REASONING_CONTENT != 0 {
        o.str("reasoning_content", &content);
        written.push("reasoning_content");
    }
    if bits & of_part::REASONING != 0 {
        o.str("reasoning", &reasoning);
        written.push("reasoning");
    }
    if !details.is_empty() {
        let mut array = o.array(DETAILS);
        details.iter().for_each(|d| elements(&mut array, d));
        drop(array);
        written.push(DETAILS);
    }
}

/// The state that remembers the field.
pub(super) fn field_state(bits: u32) -> Option<Opaque> {
    let name = match bits & (of_part::REASONING_CONTENT | of_part::REASONING) {
        0 => return None,
        of_part::REASONING => "\"reasoning\"",
        _ => "\"reasoning_content\"",
    };
    let value = Raw::from_parsed(Str::from_static(name));
    Some(Opaque { origin: ME, kind: Str::from_static(FIELD), value })
}

fn field_bits(value: &Raw) -> u32 {
    match value.get() {
        "\"reasoning\"" => of_part::REASONING,
        _ => of_part::REASONING_CONTENT,
    }
}

/// Writes thinking for a caller: all of it.
pub(super) fn show(o: &mut ObjectWriter<'_>, parts: &[Part]) {
    let thoughts = || {
        parts.iter().filter_map(|p| match &p.kind {
            PartKind::Reasoning(text) => Some((text, p)),
            _ => None,
        })
    };
    let text: String = thoughts().map(|(text, _)| &**text).collect();
    let spelled = thoughts().fold(0, |bits, (_, p)| bits | p.extra.notation(ME).0);
    if !text.is_empty() {
        let only_reasoning = spelled & of_part::REASONING != 0;
        if !only_reasoning || spelled & of_part::REASONING_CONTENT != 0 {
            o.str("reasoning_content", &text);
        }
        if only_reasoning {
            o.str("reasoning", &text);
        }
    }
    if thoughts().any(|(_, p)| p.state.as_ref().is_some_and(is_shown)) {
        let mut array = o.array(DETAILS);
        let mut index = 0;
        for (text, p) in thoughts() {
            if let Some(state) = p.state.as_ref().filter(|s| is_shown(s)) {
                show_state(&mut array, text, state, &mut index);
            }
        }
    }
}

/// Whether state needs a place beside the text: the field's own name tells the rest.
pub(super) fn is_shown(state: &Opaque) -> bool {
    state.origin != ME || &*state.kind == DETAILS
}

/// Writes the element, or elements, that carry a part's state.
pub(super) fn show_state(array: &mut ArrayWriter<'_>, text: &str, state: &Opaque, index: &mut u64) {
    if state.origin == ME {
        elements(array, &state.value);
        return;
    }
    let mut o = array.object();
    let token = state::token(state);
    if text.is_empty() {
        o.str("type", "reasoning.encrypted").str("data", &token);
    } else {
        o.str("type", "reasoning.text").str("text", text).str("signature", &token);
    }
    o.str("format", format_word(state.origin)).u64("index", *index);
    *index += 1;
}

fn elements(array: &mut ArrayWriter<'_>, value: &Raw) {
    let items = Field::root(value.text()).and_then(|f| f.array()).unwrap_or_default();
    items.iter().for_each(|f| array.raw(&f.raw()));
}

/// OpenRouter's word for who made a thought; clients that check the field know no others.
fn format_word(origin: DialectId) -> &'static str {
    match origin {
        DialectId::Anthropic => "anthropic-claude-v1",
        DialectId::Gemini => "google-gemini-v1",
        DialectId::OpenaiResponses => "openai-responses-v1",
        DialectId::OpenaiChat
        | DialectId::OpenaiCompletions
        | DialectId::Cohere
        | DialectId::CohereV1
        | DialectId::Ollama
        | DialectId::OllamaGenerate => "unknown",
    }
}

/// Reports thinking that a dialect without any field for it cannot say.
pub(super) fn lose_at(losses: &mut Losses, place: &str, part: usize, what: &str) {
    losses.dropped(format!("{place}.parts.{part}{what}"));
}
