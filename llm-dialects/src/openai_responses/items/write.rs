//! Writes parts as items.

use llm_core::Str;
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::{MediaSource, Part, PartKind, Role, ToolCall, ToolResult};

use super::super::carry;
use super::super::content::{self, Side};
use super::super::notation::{
    ITEM, ITEM_ID, ME, has, message as message_bit, own, part as bit, write_below, write_plain,
};
use super::super::place::Place;
use super::{ENCRYPTED, MESSAGE};
use crate::json::{ArrayWriter, ObjectWriter};
use crate::state;

/// Who reads the items.
#[derive(Clone, Copy, Debug)]
pub(crate) enum To<'a> {
    /// A provider, who refuses what it did not make. Names of calls whose tools are custom.
    Upstream(&'a [Str]),
    /// A caller, who wants an id on everything; made from this one.
    Caller(&'a str),
}

/// What a caller is told of an item besides its content.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ident<'a> {
    /// Its id.
    pub(crate) id: Option<&'a str>,
    /// Its status.
    pub(crate) status: Option<&'a str>,
}

/// Writes items one after the other.
pub(crate) struct Items<'a> {
    to: To<'a>,
    made: u32,
    /// The status of items that are made here.
    status: &'static str,
    /// What could not be said.
    pub(crate) losses: &'a mut Losses,
}

impl<'a> Items<'a> {
    /// A writer for a reader.
    pub(crate) fn new(to: To<'a>, losses: &'a mut Losses) -> Self {
        Self { to, made: 0, status: "completed", losses }
    }

    /// For an answer that was cut off.
    pub(crate) fn cut(mut self) -> Self {
        self.status = "incomplete";
        self
    }

    /// Writes the parts of one message. `extra` is a message's own, where it was one item.
    pub(crate) fn parts(
        &mut self,
        list: &mut ArrayWriter<'_>,
        role: Role,
        parts: &[Part],
        extra: Option<&Extra>,
        place: Place,
    ) {
        let mut at = 0;
        while let Some(first) = parts.get(at) {
            let end = at + run(parts.get(at..).unwrap_or_default(), self.to);
            let run = parts.get(at..end).unwrap_or_default();
            match &first.kind {
                _ if is_content(first, self.to) => {
                    self.message(list, role, run, extra, place, at);
                }
                PartKind::Reasoning(_) => self.reasoning(list, run, place, at),
                PartKind::ToolCall(call) => self.call(list, first, call, place.part(at)),
                PartKind::ToolResult(result) => self.result(list, first, result, place.part(at)),
                PartKind::Opaque(opaque) if opaque.origin == ME => list.raw(&opaque.value),
                PartKind::Image(_) => self.picture(list, first, place.part(at)),
                PartKind::Text(_)
                | PartKind::Refusal(_)
                | PartKind::Audio(_)
                | PartKind::Video(_)
                | PartKind::File(_)
                | PartKind::Opaque(_) => place.part(at).dropped("", self.losses),
            }
            at = end;
        }
    }

    fn message(
        &mut self,
        list: &mut ArrayWriter<'_>,
        role: Role,
        run: &[Part],
        extra: Option<&Extra>,
        place: Place,
        at: usize,
    ) {
        let side = if role == Role::Assistant { Side::Output } else { Side::Input };
        if !run.iter().any(|p| is_sayable(p, side)) {
            (at..).zip(run).for_each(|(n, _)| place.part(n).dropped("", self.losses));
            return;
        }
        let id = self.made_id("msg", run);
        let status = id.as_ref().map(|_| self.status);
        let ident = Ident { id: id.as_deref(), status };
        message_fields(&mut list.object(), role, run, extra, ident, (place, at), self.losses);
        for (n, part) in (at..).zip(run) {
            self.state_of(list, part, None, place.part(n));
        }
    }

    fn reasoning(&mut self, list: &mut ArrayWriter<'_>, run: &[Part], place: Place, at: usize) {
        let state = run.iter().rev().find_map(|p| p.state.as_ref());
        let native = state.and_then(carry::as_native);
        let said = run.iter().any(|p| own(&p.extra));
        (at..).zip(run).for_each(|(n, p)| place.part(n).lose(&p.extra, self.losses));
        match self.to {
            // A provider refuses thoughts that it did not seal, or cannot find.
            To::Upstream(_)
                if (state.is_none() && !said) || (state.is_some() && native.is_none()) =>
            {
                (at..).zip(run).for_each(|(n, _)| place.part(n).dropped("", self.losses));
            }
            To::Upstream(_) | To::Caller(_) => {
                // The id that the bytes are bound to, whatever the item was called in between.
                let known = native.as_ref().and_then(|n| n.id.as_deref());
                let made = if known.is_some() { None } else { self.made_id("rs", run) };
                let ident = Ident { id: known.or(made.as_deref()), status: None };
                let sealed = match (&native, state) {
                    (Some(native), _) => Some(native.encrypted.clone()),
                    (None, Some(state)) => Some(state::token(state).into()),
                    (None, None) => None,
                };
                reasoning_fields(&mut list.object(), run, ident, sealed.as_deref());
            }
        }
    }

    fn call(&mut self, list: &mut ArrayWriter<'_>, part: &Part, call: &ToolCall, place: Place) {
        place.lose(&part.extra, self.losses);
        if part.cache.is_some() {
            place.dropped("cache", self.losses);
        }
        let id = self.made_id(if call.custom { "ctc" } else { "fc" }, std::slice::from_ref(part));
        let status = id.as_ref().map(|_| self.status);
        call_fields(&mut list.object(), part, call, Ident { id: id.as_deref(), status });
        self.state_of(list, part, Some(&call.id), place);
    }

    /// State of something that is no thought goes in a thought of its own, or nowhere.
    fn state_of(
        &mut self,
        list: &mut ArrayWriter<'_>,
        part: &Part,
        call: Option<&str>,
        place: Place,
    ) {
        let Some(state) = &part.state else { return };
        match self.to {
            To::Upstream(_) => place.dropped("state", self.losses),
            To::Caller(_) => {
                let id = self.id("rs");
                let ident = Ident { id: Some(&id), status: None };
                reasoning_fields(&mut list.object(), &[], ident, Some(&carry::send(call, state)));
            }
        }
    }

    fn result(
        &mut self,
        list: &mut ArrayWriter<'_>,
        part: &Part,
        result: &ToolResult,
        place: Place,
    ) {
        let To::Upstream(custom) = self.to else { return place.dropped("", self.losses) };
        place.lose(&part.extra, self.losses);
        if result.is_error == Some(true) {
            place.dropped("is_error", self.losses);
        }
        if part.cache.is_some() {
            place.dropped("cache", self.losses);
        }
        let custom = has(&part.extra, bit::CUSTOM) || custom.contains(&result.call_id);
        let mut o = list.object();
        o.str("type", if custom { "custom_tool_call_output" } else { "function_call_output" });
        o.str("call_id", &result.call_id);
        // Whose result it is follows from the call; only OpenAI's own words keep the name.
        if own(&part.extra) {
            o.opt_str("name", result.name.as_ref());
        }
        self.output(&mut o, part, result, place);
        write_plain(&part.extra, &[], &mut o);
    }

    fn output(&mut self, o: &mut ObjectWriter<'_>, part: &Part, result: &ToolResult, place: Place) {
        let as_string = has(&part.extra, bit::STRING) || !own(&part.extra);
        match result.content.as_slice() {
            [only] if as_string && is_bare(only) => {
                place.inside(0).lose(&only.extra, self.losses);
                o.str("output", text_of(only));
            }
            content if !own(&part.extra) && !content.iter().any(|p| is_sayable(p, Side::Input)) => {
                for n in 0..content.len() {
                    place.inside(n).dropped("", self.losses);
                }
                o.str("output", "");
            }
            content => {
                let mut list = o.array("output");
                for (n, piece) in content.iter().enumerate() {
                    content::write_part(
                        &mut list,
                        piece,
                        Side::Input,
                        place.inside(n),
                        self.losses,
                    );
                }
            }
        }
    }

    /// A picture that the model made.
    fn picture(&mut self, list: &mut ArrayWriter<'_>, part: &Part, place: Place) {
        let PartKind::Image(media) = &part.kind else { return };
        place.lose(&part.extra, self.losses);
        let MediaSource::Base64(data) = &media.source else {
            return place.dropped("", self.losses);
        };
        let id = self.made_id("ig", std::slice::from_ref(part));
        let mut o = list.object();
        o.str("type", "image_generation_call");
        if let Some(id) = &id {
            o.str("id", id).str("status", "completed");
            let format = media.mime.as_deref().and_then(|m| m.strip_prefix("image/"));
            o.str("output_format", format.unwrap_or("png"));
        }
        o.str("result", data);
        write_plain(&part.extra, &[], &mut o);
        drop(o);
        self.state_of(list, part, None, place);
    }

    /// An id for what has none, when somebody wants one.
    fn made_id(&mut self, prefix: &str, run: &[Part]) -> Option<String> {
        let said = run.iter().any(|p| own(&p.extra));
        let wanted = matches!(self.to, To::Caller(_)) && !said;
        wanted.then(|| self.id(prefix))
    }

    fn id(&mut self, prefix: &str) -> String {
        let tail = match self.to {
            To::Caller(tail) => tail,
            To::Upstream(_) => "",
        };
        self.made += 1;
        format!("{prefix}_{tail}_{}", self.made)
    }
}

/// How many of the parts make one item.
fn run(parts: &[Part], to: To<'_>) -> usize {
    let Some(first) = parts.first() else { return 0 };
    let thinks = |p: &Part| matches!(p.kind, PartKind::Reasoning(_));
    let goes_on = |before: &Part, p: &Part| {
        let joined =
            if own(&p.extra) { has(&p.extra, bit::GOES_ON) } else { before.state.is_none() };
        joined && if thinks(first) { thinks(p) } else { is_content(p, to) }
    };
    if !thinks(first) && !is_content(first, to) {
        return 1;
    }
    let pairs = parts.iter().zip(parts.iter().skip(1));
    1 + pairs.take_while(|(before, p)| goes_on(before, p)).count()
}

/// Whether a part stands in a message, and is no item by itself.
fn is_content(part: &Part, to: To<'_>) -> bool {
    let inside = has(&part.extra, bit::INSIDE);
    match &part.kind {
        PartKind::Text(_) | PartKind::Refusal(_) => true,
        PartKind::Audio(_) | PartKind::Video(_) | PartKind::File(_) => true,
        PartKind::Image(_) if own(&part.extra) => inside,
        PartKind::Image(_) => matches!(to, To::Upstream(_)),
        PartKind::Opaque(_) => inside,
        PartKind::Reasoning(_) | PartKind::ToolCall(_) | PartKind::ToolResult(_) => false,
    }
}

fn is_sayable(part: &Part, side: Side) -> bool {
    if has(&part.extra, bit::INSIDE) {
        return true;
    }
    match &part.kind {
        PartKind::Text(_) | PartKind::Refusal(_) => true,
        PartKind::Audio(audio) => side == Side::Input || audio.transcript.is_some(),
        PartKind::Image(_) | PartKind::File(_) => side == Side::Input,
        PartKind::Opaque(opaque) => opaque.origin == ME,
        PartKind::Video(_)
        | PartKind::Reasoning(_)
        | PartKind::ToolCall(_)
        | PartKind::ToolResult(_) => false,
    }
}

/// Whether a part is nothing but text.
pub(crate) fn is_bare(part: &Part) -> bool {
    let PartKind::Text(text) = &part.kind else { return false };
    let rest = own(&part.extra) && part.extra.fields().iter().any(|(n, _)| !n.starts_with(ITEM));
    !rest && part.cache.is_none() && text.citations.is_empty() && text.logprobs.is_empty()
}

fn text_of(part: &Part) -> &str {
    match &part.kind {
        PartKind::Text(text) => &text.text,
        _ => "",
    }
}

/// The members of a message item. `extra` is the message's own, where the item was one.
pub(crate) fn message_fields(
    o: &mut ObjectWriter<'_>,
    role: Role,
    run: &[Part],
    extra: Option<&Extra>,
    ident: Ident<'_>,
    (place, at): (Place, usize),
    losses: &mut Losses,
) {
    let none = Extra::default();
    let last = run.iter().rev().map(|p| &p.extra).find(|e| own(e)).unwrap_or(&none);
    let (no_type, string) = match extra {
        Some(extra) => (has(extra, message_bit::NO_TYPE), has(extra, message_bit::STRING)),
        None => (has(last, bit::NO_TYPE), has(last, bit::STRING)),
    };
    if let Some(id) = ident.id {
        o.str("id", id);
    }
    if !no_type {
        o.str("type", MESSAGE);
    }
    if let Some(status) = ident.status {
        o.str("status", status);
    }
    o.str("role", role_name(role));
    match run {
        [only] if string && is_bare(only) => {
            o.str("content", text_of(only));
        }
        _ => {
            let side = if role == Role::Assistant { Side::Output } else { Side::Input };
            let mut list = o.array("content");
            for (n, part) in (at..).zip(run) {
                content::write_part(&mut list, part, side, place.part(n), losses);
            }
        }
    }
    match extra {
        Some(extra) => write_plain(extra, &[], o),
        None => write_below(ITEM, "", last, o),
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::Developer => "developer",
        // What a tool says without a call can only be a person's word.
        Role::User | Role::Tool => "user",
        Role::Assistant => "assistant",
    }
}

/// The members of a reasoning item.
pub(crate) fn reasoning_fields(
    o: &mut ObjectWriter<'_>,
    run: &[Part],
    ident: Ident<'_>,
    sealed: Option<&str>,
) {
    let none = Extra::default();
    let last = run.iter().rev().map(|p| &p.extra).find(|e| own(e)).unwrap_or(&none);
    if let Some(id) = ident.id {
        o.str("id", id);
    }
    o.str("type", "reasoning");
    if let Some(status) = ident.status {
        o.str("status", status);
    }
    let is_thought = |p: &&Part| has(&p.extra, bit::THOUGHT);
    if !own(last) || has(last, bit::SUMMARY) || run.iter().any(|p| !is_thought(&p) && has_text(p)) {
        texts(o, "summary", "summary_text", run.iter().filter(|p| !is_thought(p)));
    }
    if has(last, bit::CONTENT) || run.iter().any(|p| is_thought(&p)) {
        texts(o, "content", "reasoning_text", run.iter().filter(is_thought));
    }
    if let Some(sealed) = sealed {
        o.str(ENCRYPTED, sealed);
    }
    write_below(ITEM, if ident.id.is_some() { ITEM_ID } else { "" }, last, o);
}

fn has_text(part: &Part) -> bool {
    matches!(&part.kind, PartKind::Reasoning(text) if !text.is_empty())
}

fn texts<'p>(
    o: &mut ObjectWriter<'_>,
    name: &'static str,
    kind: &str,
    parts: impl Iterator<Item = &'p Part>,
) {
    let mut list = o.array(name);
    for part in parts {
        let PartKind::Reasoning(text) = &part.kind else { continue };
        // An empty text is one only where it was said.
        if text.is_empty() && (!own(&part.extra) || has(&part.extra, bit::NO_TEXT)) {
            continue;
        }
        let mut o = list.object();
        o.str("type", kind).str("text", text);
        write_plain(&part.extra, &[ITEM], &mut o);
    }
}

/// The status of an item that has begun.
pub(crate) const IN_PROGRESS: &str = "in_progress";

/// The members of a call.
pub(crate) fn call_fields(
    o: &mut ObjectWriter<'_>,
    part: &Part,
    call: &ToolCall,
    ident: Ident<'_>,
) {
    if let Some(id) = ident.id {
        o.str("id", id);
    }
    o.str("type", if call.custom { "custom_tool_call" } else { "function_call" });
    if let Some(status) = ident.status {
        o.str("status", status);
    }
    o.str("call_id", &call.id).str("name", &call.name);
    let arguments = match &*call.arguments {
        // A tool that takes nothing still takes an object.
        // In a call that only begins, they are what its deltas are added to.
        "" if !call.custom && !own(&part.extra) && ident.status != Some(IN_PROGRESS) => "{}",
        arguments => arguments,
    };
    o.str(if call.custom { "input" } else { "arguments" }, arguments);
    write_plain(&part.extra, &[], o);
}
