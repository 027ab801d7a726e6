//! Function calls, their results, and the ids that pair them.
//!
//! Gemini pairs by name and order; ids are there or not, in one conversation even both. The words
//! need an id for each call, so one is made where the wire has none: `call_gw` and sixteen hex
//! digits, a hash of where the call stands (the answer's id, or the message's number), which part
//! it is, its name and its arguments. The same bytes give the same id, two calls of a conversation
//! give two, and no other provider's ids look so. Going back to Gemini such an id is left out
//! again.

use std::collections::VecDeque;

use llm_core::Str;
use llm_core::extra::Losses;
use llm_core::prompt::{Part, PartKind, ToolCall, ToolResult};

use super::{CALL, Place, RESPONSE};
use crate::gemini::notation::{ME, restore_remainder};
use crate::json::{Bad, Field, JsonKind, Object, ObjectWriter};

/// The id was made by us.
const NO_ID: u32 = 1 << 4;
const NO_NAME: u32 = 1 << 5;
const NO_ARGS: u32 = 1 << 6;
/// The result stood under `result`, as old clients write it, not under `output`.
const UNDER_RESULT: u32 = 1 << 7;
/// The whole response is the result.
const WHOLE: u32 = 1 << 8;
/// The result was JSON and no string.
const JSON: u32 = 1 << 9;
const NO_RESPONSE: u32 = 1 << 10;

/// How every id of our own begins.
const MADE: &str = "call_gw";

/// Whether an id is one of ours, which the provider has never seen.
pub(in crate::gemini) fn is_made(id: &str) -> bool {
    id.strip_prefix(MADE).is_some_and(|h| h.len() == 16 && h.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The calls of a conversation so far.
#[derive(Debug, Default)]
pub(in crate::gemini) struct Calls {
    scope: Str,
    outer: usize,
    part: usize,
    /// Name and id of calls that no response has answered.
    open: VecDeque<(Str, Str)>,
}

/// Calls that wait for a response. A conversation with more is not one that pairs by order.
const OPEN_MAX: usize = 1024;

impl Calls {
    /// For an answer of that id, or a request.
    pub(in crate::gemini) fn new(scope: Str) -> Self {
        Self { scope, ..Self::default() }
    }

    /// What is read next is this part of this message or candidate.
    pub(in crate::gemini) fn at(&mut self, outer: usize, part: usize) {
        (self.outer, self.part) = (outer, part);
    }

    /// An id for a call without one.
    fn made(&self, name: &str, arguments: &str) -> Str {
        let mut hash = Fnv::new();
        hash.eat(self.scope.as_bytes());
        hash.eat(&self.outer.to_le_bytes());
        hash.eat(&self.part.to_le_bytes());
        hash.eat(name.as_bytes());
        hash.eat(arguments.as_bytes());
        format!("{MADE}{:016x}", hash.0).into()
    }

    fn called(&mut self, name: &Str, id: &Str) {
        if self.open.len() < OPEN_MAX {
            self.open.push_back((name.clone(), id.clone()));
        }
    }

    /// The id of the first open call of that name.
    fn answered(&mut self, name: &str) -> Option<Str> {
        let at = self.open.iter().position(|(n, _)| n == name)?;
        self.open.remove(at).map(|(_, id)| id)
    }

    fn close(&mut self, id: &str) {
        if let Some(at) = self.open.iter().position(|(_, i)| i == id) {
            self.open.remove(at);
        }
    }
}

/// FNV-1a, with a mark between the pieces so that they cannot run into each other.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn eat(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Reads `functionCall`; what is left of it is the remainder.
pub(super) fn read_call<'a>(
    field: Field<'a>,
    calls: &mut Calls,
    bits: &mut u32,
) -> Result<(ToolCall, Object<'a>), Bad> {
    let mut o = field.object()?;
    let name = o.str("name")?.unwrap_or_else(|| {
        *bits |= NO_NAME;
        Str::new()
    });
    let arguments = match o.take_if("args", JsonKind::Object) {
        Some(args) => args.raw().text().clone(),
        None => {
            *bits |= NO_ARGS;
            Str::new()
        }
    };
    let id = o.str("id")?.filter(|id| !id.is_empty()).unwrap_or_else(|| {
        *bits |= NO_ID;
        calls.made(&name, &arguments)
    });
    calls.called(&name, &id);
    Ok((ToolCall { id, name, arguments, custom: false }, o))
}

/// Reads `functionResponse`.
pub(super) fn read_response<'a>(
    field: Field<'a>,
    calls: &mut Calls,
    bits: &mut u32,
) -> Result<(ToolResult, Object<'a>), Bad> {
    let mut o = field.object()?;
    let name = o.str("name")?;
    let call_id = match o.str("id")?.filter(|id| !id.is_empty()) {
        Some(id) => {
            calls.close(&id);
            id
        }
        None => {
            *bits |= NO_ID;
            let name = name.as_deref().unwrap_or_default();
            calls.answered(name).unwrap_or_else(|| calls.made(name, ""))
        }
    };
    let mut content = Vec::new();
    let mut is_error = None;
    match o.take_if("response", JsonKind::Object) {
        None => *bits |= NO_RESPONSE,
        Some(response) => {
            let (text, failed) = read_output(response, bits)?;
            is_error = failed;
            content.push(Part::text(text));
        }
    }
    // An empty list says nothing and stays where it is.
    if o.see("parts").is_some_and(|f| f.kind() == JsonKind::Array && f.text() != "[]") {
        for part in o.array("parts")? {
            content.push(super::read(part, calls)?);
        }
    }
    Ok((ToolResult { call_id, name, content, is_error }, o))
}

/// What the tool said. The API reads `output` and `error`, and takes any other object as the
/// output as a whole; clients of the first hour write `result`.
fn read_output(response: Field<'_>, bits: &mut u32) -> Result<(Str, Option<bool>), Bad> {
    let mut o = response.object()?;
    let mut names = o.names();
    let only = match (names.next(), names.next()) {
        (Some("output"), None) => Some(("output", 0, None)),
        (Some("result"), None) => Some(("result", UNDER_RESULT, None)),
        (Some("error"), None) => Some(("error", 0, Some(true))),
        _ => None,
    };
    drop(names);
    let Some((name, under, failed)) = only else {
        *bits |= WHOLE;
        return Ok((response.raw().text().clone(), None));
    };
    let Some(value) = o.take(name)? else {
        *bits |= WHOLE;
        return Ok((response.raw().text().clone(), None));
    };
    *bits |= under;
    match value.kind() {
        JsonKind::String => Ok((value.str()?, failed)),
        _ => {
            *bits |= JSON;
            Ok((value.raw().text().clone(), failed))
        }
    }
}

/// Writes a call. Arguments are an object here; anything else is put into one.
pub(super) fn write_call(
    o: &mut ObjectWriter<'_>,
    part: &Part,
    call: &ToolCall,
    place: Place,
    losses: &mut Losses,
) {
    let notation = part.extra.notation(ME);
    let mut out = o.object(CALL.spelled(notation));
    if !(call.name.is_empty() && notation.has(NO_NAME)) {
        out.str("name", &call.name);
    }
    let arguments = call.arguments.trim();
    if is_object(arguments) {
        out.json("args", arguments);
    } else if !arguments.is_empty() {
        losses.approximated(place.path("arguments"));
        out.object("args").str("input", &call.arguments);
    } else if !notation.has(NO_ARGS) {
        out.object("args");
    }
    if !(notation.has(NO_ID) || is_made(&call.id) || call.id.is_empty()) {
        out.str("id", &call.id);
    }
    restore_remainder(&mut out, &part.extra, CALL.camel);
}

fn is_object(text: &str) -> bool {
    text.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Media of a result that must stand beside it, since the model does not take them inside.
pub(super) fn media_of(result: &ToolResult) -> impl Iterator<Item = (usize, &Part)> {
    result.content.iter().enumerate().filter(|(_, p)| {
        matches!(
            p.kind,
            PartKind::Image(_) | PartKind::Audio(_) | PartKind::Video(_) | PartKind::File(_)
        )
    })
}

/// Writes a result. `name` is that of the call it answers, where the result does not say.
pub(super) fn write_response(
    o: &mut ObjectWriter<'_>,
    part: &Part,
    result: &ToolResult,
    name: &str,
    media_inside: bool,
    place: Place,
    losses: &mut Losses,
) {
    let notation = part.extra.notation(ME);
    let own = part.extra.origin() == Some(ME);
    let mut out = o.object(RESPONSE.spelled(notation));
    if !own || result.name.is_some() {
        out.str("name", result.name.as_deref().unwrap_or(name));
    }
    let unnamed = notation.has(NO_ID) || is_made(&result.call_id) || result.call_id.is_empty();
    if !unnamed {
        out.str("id", &result.call_id);
    }
    let text = text_of(result, place, losses);
    if !(notation.has(NO_RESPONSE) && text.is_empty()) {
        write_output(&mut out.object("response"), &text, part, result);
    }
    if media_inside && media_of(result).next().is_some() {
        let mut parts = out.array("parts");
        for (child, media) in media_of(result) {
            let place = Place { child: Some(child), ..place };
            super::write::write_media(&mut parts.object(), media, place, losses);
        }
    }
    restore_remainder(&mut out, &part.extra, RESPONSE.camel);
}

fn write_output(o: &mut ObjectWriter<'_>, text: &str, part: &Part, result: &ToolResult) {
    let notation = part.extra.notation(ME);
    let failed = result.is_error == Some(true);
    if notation.has(WHOLE) && is_object(text.trim()) {
        return members(o, text);
    }
    let name = match (failed, notation.has(UNDER_RESULT)) {
        (true, _) => "error",
        (false, true) => "result",
        (false, false) => "output",
    };
    let is_json = |t: &str| serde_json::from_str::<serde::de::IgnoredAny>(t).is_ok();
    if notation.has(JSON) && is_json(text) {
        o.json(name, text);
    } else if !failed && part.extra.origin() != Some(ME) && says_output(text) {
        // An object is what the API would rather have than the text of one.
        members(o, text);
    } else {
        o.str(name, text);
    }
}

/// Whether the text is an object that the API takes as an output as a whole.
fn says_output(text: &str) -> bool {
    let text = Str::from(text.trim().to_owned());
    let object = Object::root(&text);
    object.is_ok_and(|o| o.names().all(|n| n != "output" && n != "error") && o.names().count() > 0)
}

fn members(o: &mut ObjectWriter<'_>, text: &str) {
    let text = Str::from(text.trim().to_owned());
    if let Ok(object) = Object::root(&text) {
        for (name, value) in object.members() {
            o.under(name).json(value.text());
        }
    }
}

/// The text of a result. What is neither text nor media has no place in a response.
fn text_of(result: &ToolResult, place: Place, losses: &mut Losses) -> String {
    let mut out = String::new();
    for (child, part) in result.content.iter().enumerate() {
        let place = Place { child: Some(child), ..place };
        match &part.kind {
            PartKind::Text(t) | PartKind::Refusal(t) => {
                out.push_str(&t.text);
                part.extra.lose(ME, place.path(""), losses);
            }
            PartKind::Image(_) | PartKind::Audio(_) | PartKind::Video(_) | PartKind::File(_) => {}
            PartKind::Reasoning(_)
            | PartKind::ToolCall(_)
            | PartKind::ToolResult(_)
            | PartKind::Opaque(_) => losses.dropped(place.path("")),
        }
    }
    out
}
