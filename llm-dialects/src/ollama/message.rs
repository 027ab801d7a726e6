//! One Ollama message, as questions and answers both have it: thinking, text, pictures, calls.
//!
//! In the shape of `/api/generate` the same fields stand in the answer itself, and the text is
//! called `response`.

use llm_core::Str;
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::{Media, MediaSource, Part, PartKind, ToolCall};

use super::signatures;
use super::wire::{FUNCTION, ID, note};
use crate::json::{ArrayWriter, Bad, Field, JsonKind, Object, ObjectWriter, nested};
use crate::state::{self, call_id};

/// Reads what a message says. `make_id` names calls that have no id.
pub(super) fn read(
    o: &mut Object<'_>,
    text_name: &str,
    bits: &mut u32,
    make_id: &mut dyn FnMut() -> Str,
) -> Result<Vec<Part>, Bad> {
    let mut parts = thinking(o, bits)?;
    match o.str(text_name)? {
        None => *bits |= note::CONTENT_UNSAID,
        Some(text) if text.is_empty() => {}
        Some(text) => {
            let mut part = Part::text(text);
            let token = o.see(signatures::CONTENT).and_then(|f| f.cow().ok());
            if let Some(token) = token.and_then(|t| state::read(&t)) {
                o.take(signatures::CONTENT)?;
                part.state = Some(token);
            }
            parts.push(part);
        }
    }
    parts.extend(images(o, bits)?);
    if let Some(list) = o.take("tool_calls")? {
        let list = list.array()?;
        *bits |= if list.is_empty() { note::NO_CALLS } else { 0 };
        for field in list {
            parts.push(call(field, make_id)?);
        }
    }
    Ok(parts)
}

fn thinking(o: &mut Object<'_>, bits: &mut u32) -> Result<Vec<Part>, Bad> {
    let said = o.str("thinking")?;
    if said.as_ref().is_some_and(|t| t.is_empty()) {
        *bits |= note::NO_THINKING;
    }
    let text = said.unwrap_or_default();
    let field = o.see(signatures::THINKING).and_then(|f| f.cow().ok());
    if let Some(parts) = field.and_then(|f| signatures::read_thinking(&f, &text)) {
        o.take(signatures::THINKING)?;
        return Ok(parts);
    }
    Ok(if text.is_empty() { Vec::new() } else { vec![Part::new(PartKind::Reasoning(text))] })
}

/// The pictures of a message or of a prompt.
pub(super) fn images(o: &mut Object<'_>, bits: &mut u32) -> Result<Vec<Part>, Bad> {
    let Some(list) = o.take("images")? else { return Ok(Vec::new()) };
    let list = list.array()?;
    *bits |= if list.is_empty() { note::NO_IMAGES } else { 0 };
    list.into_iter().map(|f| Ok(Part::new(PartKind::Image(image(f.str()?))))).collect()
}

/// A picture. Ollama does not name its type, which other dialects want: the first bytes tell.
pub(super) fn image(base64: Str) -> Media {
    let starts = [
        ("iVBORw0KGgo", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
    ];
    let mime = starts.iter().find(|(start, _)| base64.starts_with(start));
    let mime = mime.map(|(_, mime)| Str::from_static(mime));
    Media { mime, ..Media::new(MediaSource::Base64(base64)) }
}

/// Arguments that are no JSON: of a tool that takes free text, or of a call that was cut short.
/// Ollama's are objects, and so the text stands beside one.
const FREE_TEXT: &str = "arguments_text";

/// One tool call.
pub(super) fn call(field: Field<'_>, make_id: &mut dyn FnMut() -> Str) -> Result<Part, Bad> {
    let mut o = field.object()?;
    let mut function = o.need("function")?.object()?;
    let mut bits = 0;
    let name = function.need_str("name")?;
    let arguments = match function.take("arguments")? {
        None => {
            bits |= note::ARGUMENTS_UNSAID;
            Str::new()
        }
        Some(f) if f.kind() == JsonKind::Object => f.raw().text().clone(),
        // Some hosts write them as OpenAI does. Text that is no JSON is a value like any other.
        Some(f) if f.kind() == JsonKind::String && Field::root(&f.str()?).is_ok() => {
            bits |= note::ARGUMENTS_TEXT;
            f.str()?
        }
        Some(f) => {
            bits |= note::ARGUMENTS_ODD;
            f.raw().text().clone()
        }
    };
    let free = function.see(FREE_TEXT).filter(|f| f.kind() == JsonKind::String);
    let arguments = match free {
        Some(text) => {
            function.take(FREE_TEXT)?;
            bits = 0;
            text.str()?
        }
        None => arguments,
    };
    let (id, state) = match (o.str("id")?, function.see("id").map(|f| f.kind())) {
        (Some(shown), _) => call_id::split(&shown),
        (None, Some(JsonKind::String)) => {
            bits |= note::ID_INSIDE;
            call_id::split(&function.need_str("id")?)
        }
        (None, _) => {
            bits |= note::ID_UNSAID;
            (make_id(), None)
        }
    };
    let mut extra = nested::rest(o, ID, &[FUNCTION]).noted(bits);
    nested::keep(&mut extra, FUNCTION, function, ID);
    let call = ToolCall { id, name, arguments, custom: free.is_some() };
    Ok(Part { state, extra, ..Part::new(PartKind::ToolCall(call)) })
}

/// Writes the calls of a message. A call's state goes along in answers (`shown`), where a client
/// keeps it for us; a provider has no use for it.
pub(super) fn write_calls<'a>(
    o: &mut ObjectWriter<'_>,
    calls: impl Iterator<Item = (&'a Part, &'a ToolCall)>,
    shown: bool,
    lose: &mut dyn FnMut(&Part),
) {
    let mut calls = calls.peekable();
    if calls.peek().is_none() {
        return;
    }
    let mut list = o.array("tool_calls");
    for (part, call) in calls {
        write_call(&mut list, part, call, shown, lose);
    }
}

fn write_call(
    list: &mut ArrayWriter<'_>,
    part: &Part,
    call: &ToolCall,
    shown: bool,
    lose: &mut dyn FnMut(&Part),
) {
    let notation = part.extra.notation(ID);
    let id = call_id::join(&call.id, part.state.as_ref().filter(|_| shown));
    let mut o = list.object();
    if !notation.has(note::ID_UNSAID) && !notation.has(note::ID_INSIDE) {
        o.str("id", &id);
    }
    nested::write_outer(&mut o, &part.extra, ID, &[FUNCTION]);
    let mut function = o.object("function");
    if notation.has(note::ID_INSIDE) {
        function.str("id", &id);
    }
    function.str("name", &call.name);
    if !write_arguments(&mut function, part, call) {
        lose(part);
        if shown {
            function.str(FREE_TEXT, &call.arguments);
        }
    }
    nested::write_inner(&mut function, &part.extra, ID, FUNCTION);
}

/// Writes the arguments, which must be an object here. False when they are none, and stand in one
/// of ours.
fn write_arguments(o: &mut ObjectWriter<'_>, part: &Part, call: &ToolCall) -> bool {
    let notation = part.extra.notation(ID);
    let text = &call.arguments;
    if notation.has(note::ARGUMENTS_TEXT) {
        o.str("arguments", text);
        return true;
    }
    let kind = Field::root(text).map(|f| f.kind()).ok().filter(|_| !call.custom);
    match kind {
        Some(JsonKind::Object) => {
            o.json("arguments", text);
        }
        Some(_) if notation.has(note::ARGUMENTS_ODD) => {
            o.json("arguments", text);
        }
        // A tool that takes nothing is called with nothing, in several spellings.
        Some(JsonKind::Null) => {
            o.object("arguments");
        }
        _ if text.trim().is_empty() && !call.custom => {
            if !notation.has(note::ARGUMENTS_UNSAID) {
                o.object("arguments");
            }
        }
        _ => {
            o.object("arguments").str("input", text);
            return false;
        }
    }
    true
}

/// The words of a message, in the places that Ollama has for them.
#[derive(Debug, Default)]
pub(super) struct Words<'a> {
    pub(super) thinking: Vec<&'a Str>,
    pub(super) text: Vec<&'a Str>,
    pub(super) images: Vec<&'a Str>,
    pub(super) calls: Vec<(&'a Part, &'a ToolCall)>,
}

/// What happens to a part on its way into a message.
pub(super) enum Fate {
    /// It is said.
    Said,
    /// It is said in another form.
    Changed,
    /// There is no place for it.
    Lost,
}

impl<'a> Words<'a> {
    /// Adds a part.
    pub(super) fn add(&mut self, part: &'a Part) -> Fate {
        match &part.kind {
            PartKind::Text(text) => self.text.push(&text.text),
            PartKind::Reasoning(text) => self.thinking.push(text),
            PartKind::ToolCall(call) => self.calls.push((part, call)),
            PartKind::Refusal(text) => {
                self.text.push(&text.text);
                return Fate::Changed;
            }
            PartKind::Image(media) => match &media.source {
                MediaSource::Base64(base64) => self.images.push(base64),
                MediaSource::Text(_) | MediaSource::Url(_) | MediaSource::Id(_) => {
                    return Fate::Lost;
                }
            },
            PartKind::File(media) => match &media.source {
                MediaSource::Text(text) => {
                    self.text.push(text);
                    return Fate::Changed;
                }
                MediaSource::Base64(_) | MediaSource::Url(_) | MediaSource::Id(_) => {
                    return Fate::Lost;
                }
            },
            PartKind::Audio(audio) => match &audio.transcript {
                Some(transcript) => {
                    self.text.push(transcript);
                    return Fate::Changed;
                }
                None => return Fate::Lost,
            },
            PartKind::Video(_) | PartKind::ToolResult(_) | PartKind::Opaque(_) => {
                return Fate::Lost;
            }
        }
        Fate::Said
    }

    /// The text, pieces joined by `between`.
    pub(super) fn text(&self, between: &str) -> Str {
        join(&self.text, between)
    }

    /// The thinking.
    pub(super) fn thinking(&self) -> Str {
        join(&self.thinking, "")
    }

    /// Writes thinking and pictures, which stand beside the text.
    pub(super) fn write_beside(&self, o: &mut ObjectWriter<'_>, extra: &Extra) {
        let notation = extra.notation(ID);
        let thinking = self.thinking();
        if !thinking.is_empty() || notation.has(note::NO_THINKING) {
            o.str("thinking", &thinking);
        }
        if !self.images.is_empty() || notation.has(note::NO_IMAGES) {
            let mut list = o.array("images");
            self.images.iter().for_each(|image| list.str(image));
        }
    }
}

fn join(pieces: &[&Str], between: &str) -> Str {
    match pieces {
        [] => Str::new(),
        [one] => (*one).clone(),
        many => many.iter().map(|s| &***s).collect::<Vec<&str>>().join(between).into(),
    }
}

/// Reports that a call's arguments stand in an object of ours.
pub(super) fn changed_arguments(losses: &mut Losses, path: &str) {
    losses.approximated(format!("{path}.arguments"));
}
