//! The conversation, written for an upstream.
//!
//! Words of this dialect return as they were spelled. Words of any other are fitted to what the
//! API takes: results of tools stand in messages of their own, directly behind the calls; what an
//! assistant cannot have said here (pictures, thoughts of another model) is left out with a loss.

use llm_core::capability::Capability;
use llm_core::extra::{Extra, LossReason, Losses};
use llm_core::prompt::{MediaSource, Message, Part, PartKind, Request, Role, ToolCall, ToolResult};

use super::super::content::{Place, can_say, write_part};
use super::super::notation::{ME, kept, of_message, of_part, others, own};
use super::super::reasoning;
use super::encode::call_id;
use crate::json::{ArrayWriter, ObjectWriter};
use crate::state;

/// Writes `messages`.
pub(super) fn write(
    o: &mut ObjectWriter<'_>,
    request: &Request,
    capability: &Capability,
    losses: &mut Losses,
) {
    let mut array = o.array("messages");
    let lists = [("system", &request.system), ("messages", &request.messages)];
    for (list, messages) in lists {
        let mut at = 0;
        while let Some(message) = messages.get(at) {
            let place = format!("{list}.{at}");
            let joined = results(&messages[at..]);
            at += joined.as_ref().map_or(1, |(_, count)| *count);
            let message = joined.as_ref().map_or(message, |(joined, _)| joined);
            let mut speaker = Speaker { place: &place, message, losses };
            match message.role {
                Role::System | Role::Developer => speaker.instructions(&mut array, capability),
                Role::User | Role::Tool => speaker.heard(&mut array),
                Role::Assistant => speaker.said(&mut array),
            }
        }
    }
}

/// Results of one turn's tools as one message, where other dialects have several, and how many they
/// were. Pictures in them are said behind the last: between two results the API takes nothing else.
fn results(messages: &[Message]) -> Option<(Message, usize)> {
    let is_result = |p: &Part| matches!(p.kind, PartKind::ToolResult(_));
    let only = |m: &&Message| {
        m.role == Role::Tool
            && !own(&m.extra)
            && !m.parts.is_empty()
            && m.parts.iter().all(is_result)
    };
    let run = messages.iter().take_while(only);
    let count = run.clone().count();
    let shows = run.clone().flat_map(|m| &m.parts).any(|p| match &p.kind {
        PartKind::ToolResult(result) => result.content.iter().any(|c| !is_text(c)),
        _ => false,
    });
    if count < 2 || !shows {
        return None;
    }
    let parts = run.flat_map(|m| m.parts.iter().cloned()).collect();
    Some((Message { role: Role::Tool, parts, extra: messages[0].extra.clone() }, count))
}

/// One message and where to report what it loses.
struct Speaker<'a> {
    place: &'a str,
    message: &'a Message,
    losses: &'a mut Losses,
}

impl<'a> Speaker<'a> {
    fn own(&self) -> bool {
        own(&self.message.extra)
    }

    fn lose(&mut self, part: usize, what: &str, reason: LossReason) {
        Place { message: self.place, part }.lose(self.losses, what, reason);
    }

    fn instructions(&mut self, array: &mut ArrayWriter<'_>, capability: &Capability) {
        let role = match self.message.role {
            // Every model of every host reads `system`; only some read `developer`.
            Role::Developer if self.own() || capability.developer_role => "developer",
            _ => "system",
        };
        let parts: Vec<_> = self.message.parts.iter().enumerate().collect();
        self.plain(array, role, &parts);
    }

    /// What the model hears: results of tools first, in messages of their own.
    fn heard(&mut self, array: &mut ArrayWriter<'_>) {
        let parts = self.message.parts.iter().enumerate();
        let mut rest = Vec::new();
        let (mut results, mut others) = (0, 0);
        for (at, part) in parts {
            let PartKind::ToolResult(result) = &part.kind else {
                rest.push((at, part));
                others += 1;
                continue;
            };
            if others > 0 {
                self.lose(at, "", LossReason::Reordered);
            }
            results += 1;
            self.tool_result(array, at, part, result);
            if !self.own() {
                self.carry(at, &result.content, &mut rest);
            }
        }
        if !rest.is_empty() || results == 0 {
            self.plain(array, "user", &rest);
        }
    }

    /// Pictures in a result go into the message of the user behind it: here a result is text.
    fn carry(&mut self, at: usize, content: &'a [Part], rest: &mut Vec<(usize, &'a Part)>) {
        for part in content {
            if is_text(part) {
                continue;
            }
            if can_say(part) {
                self.lose(at, ".content", LossReason::Reordered);
                rest.push((at, part));
            } else {
                self.lose(at, ".content", LossReason::Dropped);
            }
        }
    }

    fn tool_result(
        &mut self,
        array: &mut ArrayWriter<'_>,
        at: usize,
        part: &Part,
        result: &ToolResult,
    ) {
        let own = self.own();
        let notation = self.message.extra.notation(ME);
        let old = notation.has(of_message::FUNCTION_ROLE);
        let mut o = array.object();
        o.str("role", if old { "function" } else { "tool" });
        if !old {
            o.str("tool_call_id", &call_id(&result.call_id, own));
        }
        if own {
            o.opt_str("name", result.name.as_ref());
        }
        let mut written = vec!["role", "tool_call_id", "name"];
        if own {
            let parts: Vec<_> = result.content.iter().enumerate().collect();
            self.content(&mut o, &parts, &mut written);
        } else {
            let texts: Vec<_> = result.content.iter().filter(|p| is_text(p)).collect();
            match texts.as_slice() {
                [] => _ = o.str("content", ""),
                [one] => _ = o.str("content", text_of(one)),
                many => {
                    let mut list = o.array("content");
                    for text in many {
                        list.object().str("type", "text").str("text", text_of(text));
                    }
                }
            }
        }
        if result.is_error.is_some() {
            // The text says it, as a rule; there is no field for it.
            self.lose(at, ".is_error", LossReason::Dropped);
        }
        if part.cache.is_some() {
            self.lose(at, ".cache", LossReason::Dropped);
        }
        part.extra.lose(ME, format_args!("{}.parts.{at}", self.place), self.losses);
        self.rest(&mut o, &written);
    }

    /// A message that has nothing but content.
    fn plain(&mut self, array: &mut ArrayWriter<'_>, role: &str, parts: &[(usize, &Part)]) {
        let mut said = Vec::new();
        for (at, part) in parts {
            if can_say(part) {
                said.push((*at, *part));
            } else {
                self.lose(*at, "", LossReason::Dropped);
            }
        }
        let mut o = array.object();
        o.str("role", role);
        let mut written = vec!["role"];
        self.content(&mut o, &said, &mut written);
        self.rest(&mut o, &written);
    }

    /// Writes `content`.
    fn content(
        &mut self,
        o: &mut ObjectWriter<'_>,
        parts: &[(usize, &Part)],
        written: &mut Vec<&'static str>,
    ) {
        let notation = self.message.extra.notation(ME);
        let list = notation.has(of_message::CONTENT_LIST);
        let empty = notation.has(of_message::CONTENT_EMPTY) || !self.own();
        match parts {
            [] if list => _ = o.array("content"),
            [] if empty => _ = o.str("content", ""),
            // As it was: `null`, or not there.
            [] => return,
            [(at, part)] if !list && is_bare_text(part) => {
                let place = Place { message: self.place, part: *at };
                report_text(part, place, self.losses);
                o.str("content", text_of(part));
            }
            many => {
                let mut array = o.array("content");
                for (at, part) in many {
                    let place = Place { message: self.place, part: *at };
                    write_part(&mut array, part, place, self.losses);
                }
            }
        }
        written.push("content");
    }

    /// What the model said.
    fn said(&mut self, array: &mut ArrayWriter<'_>) {
        let message = self.message;
        let mut o = array.object();
        o.str("role", "assistant");
        let mut written = vec!["role"];
        let (place, losses) = (self.place, &mut *self.losses);
        reasoning::write_back(&mut o, &message.parts, &mut written, |part, what| {
            reasoning::lose_at(losses, place, part, what);
        });
        let parts = message.parts.iter().enumerate();
        let in_content: Vec<_> =
            parts.clone().filter(|(_, p)| is_text(p) || is_content(p)).collect();
        let calls: Vec<_> = parts.clone().filter(|(_, p)| is_call(p)).collect();
        if self.own() {
            self.content(&mut o, &in_content, &mut written);
        } else {
            self.joined(&mut o, &in_content, calls.is_empty());
            written.push("content");
        }
        let refusals = parts.clone().filter_map(|(_, p)| match &p.kind {
            PartKind::Refusal(t) if !is_content(p) => Some(&*t.text),
            _ => None,
        });
        let refusals: Vec<_> = refusals.collect();
        if !refusals.is_empty() {
            o.str("refusal", &refusals.concat());
            written.push("refusal");
        }
        for (at, part) in parts {
            self.other(&mut o, at, part, &mut written);
        }
        self.calls(&mut o, &calls, &mut written);
        self.rest(&mut o, &written);
    }

    /// Another dialect's text in several parts is one string: hosts take nothing else from an
    /// assistant, and citations cut sentences into pieces.
    fn joined(&mut self, o: &mut ObjectWriter<'_>, parts: &[(usize, &Part)], alone: bool) {
        let mut text = String::new();
        for (at, part) in parts {
            let place = Place { message: self.place, part: *at };
            report_text(part, place, self.losses);
            text.push_str(text_of(part));
        }
        if text.is_empty() && !alone {
            o.null("content");
        } else {
            o.str("content", &text);
        }
    }

    /// What has neither text nor a call.
    fn other(
        &mut self,
        o: &mut ObjectWriter<'_>,
        at: usize,
        part: &Part,
        written: &mut Vec<&'static str>,
    ) {
        match &part.kind {
            PartKind::Audio(audio) if own(&part.extra) => {
                if let MediaSource::Id(id) = &audio.media.source {
                    others(o.object("audio").str("id", id), &part.extra, &[]);
                    written.push("audio");
                }
            }
            PartKind::Opaque(opaque) if opaque.origin == ME => {}
            PartKind::Image(_) | PartKind::Video(_) | PartKind::File(_) if is_content(part) => {}
            PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::File(_)
            | PartKind::ToolResult(_)
            | PartKind::Opaque(_) => self.lose(at, "", LossReason::Dropped),
            // Written with the content, the refusal, the calls and the thinking.
            PartKind::Text(_)
            | PartKind::Refusal(_)
            | PartKind::ToolCall(_)
            | PartKind::Reasoning(_) => {}
        }
    }

    fn calls(
        &mut self,
        o: &mut ObjectWriter<'_>,
        calls: &[(usize, &Part)],
        written: &mut Vec<&'static str>,
    ) {
        let old = |p: &Part| p.extra.notation(ME).has(of_part::LEGACY_CALL);
        if calls.iter().any(|(_, p)| !old(p)) {
            let mut array = o.array("tool_calls");
            for (at, part) in calls.iter().filter(|(_, p)| !old(p)) {
                match &part.kind {
                    PartKind::ToolCall(call) => {
                        let mut o = array.object();
                        write_call(&mut o, part, call, own(&part.extra));
                        self.call_losses(*at, part);
                    }
                    PartKind::Opaque(opaque) => array.raw(&opaque.value),
                    _ => {}
                }
            }
            drop(array);
            written.push("tool_calls");
        }
        if let Some((_, part)) = calls.iter().find(|(_, p)| old(p))
            && let PartKind::ToolCall(call) = &part.kind
        {
            let mut inner = o.object("function_call");
            inner.str("name", &call.name).str("arguments", &call.arguments);
            others(&mut inner, &part.extra, &[]);
            drop(inner);
            written.push("function_call");
        }
    }

    fn call_losses(&mut self, at: usize, part: &Part) {
        part.extra.lose(ME, format_args!("{}.parts.{at}", self.place), self.losses);
        if part.cache.is_some() {
            self.lose(at, ".cache", LossReason::Dropped);
        }
        let restored = own(&part.extra) && part.state.as_ref().is_some_and(state::is_signature);
        if part.state.is_some() && !restored {
            self.lose(at, ".state", LossReason::Dropped);
        }
    }

    fn rest(&mut self, o: &mut ObjectWriter<'_>, written: &[&str]) {
        others(o, &self.message.extra, written);
        self.message.extra.lose(ME, self.place, self.losses);
    }
}

fn write_call(o: &mut ObjectWriter<'_>, part: &Part, call: &ToolCall, own: bool) {
    let notation = part.extra.notation(ME);
    o.str("id", &call_id(&call.id, own));
    let custom = call.custom && !notation.has(of_part::SHOWN_AS_FUNCTION);
    let member = if custom { "custom" } else { "function" };
    if !notation.has(of_part::NO_TYPE) {
        o.str("type", member);
    }
    let mut inner = o.object(member);
    inner.str("name", &call.name);
    if custom {
        inner.str("input", &call.arguments);
    } else if notation.has(of_part::RAW_ARGUMENTS) && is_json(&call.arguments) {
        inner.json("arguments", &call.arguments);
    } else if call.arguments.is_empty() && !own {
        // The API wants JSON text.
        inner.str("arguments", "{}");
    } else {
        inner.str("arguments", &call.arguments);
    }
    others(&mut inner, &kept(&part.extra, member), &[]);
    drop(inner);
    if own && let Some(signature) = part.state.as_ref().filter(|s| state::is_signature(s)) {
        let mut content = o.object("extra_content");
        content.object("google").raw("thought_signature", &signature.value);
    }
    others(o, &part.extra, &[member]);
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn is_text(part: &Part) -> bool {
    matches!(part.kind, PartKind::Text(_))
}

/// Stood in the list `content` of this dialect.
fn is_content(part: &Part) -> bool {
    let media = matches!(part.kind, PartKind::Image(_) | PartKind::Video(_) | PartKind::File(_));
    part.extra.notation(ME).has(of_part::IN_CONTENT) || (media && own(&part.extra))
}

fn is_call(part: &Part) -> bool {
    match &part.kind {
        PartKind::ToolCall(_) => true,
        PartKind::Opaque(opaque) => {
            opaque.origin == ME && !part.extra.notation(ME).has(of_part::IN_CONTENT)
        }
        _ => false,
    }
}

fn text_of(part: &Part) -> &str {
    match &part.kind {
        PartKind::Text(text) => &text.text,
        _ => "",
    }
}

/// Text that a plain string says entirely.
fn is_bare_text(part: &Part) -> bool {
    let marked = own(&part.extra) && part.cache.is_some();
    is_text(part) && !marked && (part.extra.is_empty() || !own(&part.extra))
}

fn report_text(part: &Part, place: Place<'_>, losses: &mut Losses) {
    lose_extra(&part.extra, place, losses);
    if part.cache.is_some() {
        place.lose(losses, ".cache", LossReason::Dropped);
    }
    if part.state.is_some() {
        place.lose(losses, ".state", LossReason::Dropped);
    }
    if matches!(&part.kind, PartKind::Text(t) if !t.citations.is_empty()) {
        place.lose(losses, ".citations", LossReason::Dropped);
    }
}

fn lose_extra(extra: &Extra, place: Place<'_>, losses: &mut Losses) {
    extra.lose(ME, format_args!("{}.parts.{}", place.message, place.part), losses);
}
