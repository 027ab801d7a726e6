//! Messages as contents.
//!
//! Google knows two roles in a conversation and instructions before it. Results of tools are
//! parts of the user's turn, and all results of one turn of calls must stand in one content right
//! behind it; what comes from other dialects is gathered so.

use std::collections::HashMap;

use llm_core::prompt::{Message, Part, PartKind, Request, Role};

use super::message::{FUNCTION_ROLE, LONE_PART, NO_PARTS, NO_ROLE, STRING, SYSTEM};
use crate::gemini::names::is_third_generation;
use crate::gemini::notation::{ME, restore};
use crate::gemini::part::Place;
use crate::gemini::part::write::{Writing, own_signature, write};
use crate::json::{ArrayWriter, ObjectWriter};

/// A conversation as Google wants it.
pub(super) struct Contents<'a> {
    system: &'a [Message],
    turns: Vec<Turn<'a>>,
    names: HashMap<&'a str, &'a str>,
}

/// Messages that become one content, each with its number.
struct Turn<'a> {
    role: &'static str,
    /// What the messages are counted in: `messages`, or `system` for instructions without one.
    list: &'static str,
    messages: Vec<(usize, &'a Message)>,
}

impl<'a> Contents<'a> {
    /// Those of a request.
    pub(super) fn of(r: &'a Request) -> Self {
        let mut turns: Vec<Turn<'a>> = Vec::new();
        for (at, message) in r.messages.iter().enumerate() {
            let own = message.extra.origin() == Some(ME);
            if !own && is_silent(message) {
                continue;
            }
            let role = if message.role == Role::Assistant { "model" } else { "user" };
            match turns.last_mut() {
                Some(turn) if !own && turn.takes(message) => turn.messages.push((at, message)),
                _ => turns.push(Turn { role, list: "messages", messages: vec![(at, message)] }),
            }
        }
        let mut system = &r.system[..];
        // Instructions alone are no conversation; said by the user they are one.
        if turns.is_empty() && !system.is_empty() && r.extra.origin() != Some(ME) {
            let messages = system.iter().enumerate().collect();
            turns.push(Turn { role: "user", list: "system", messages });
            system = &[];
        }
        Self { system, turns, names: call_names(r) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Writes `systemInstruction`, if there is any.
    pub(super) fn write_system(&self, o: &mut ObjectWriter<'_>, w: &mut Writing<'a>) -> bool {
        let Some(first) = self.system.first() else { return false };
        let bits = first.extra.notation(ME);
        let name = SYSTEM.spelled(bits);
        if bits.has(STRING)
            && let [Part { kind: PartKind::Text(text), .. }] = &first.parts[..]
        {
            o.str(name, &text.text);
            return true;
        }
        let all: Vec<(usize, &Message)> = self.system.iter().enumerate().collect();
        let mut content = o.object(name);
        write_parts(&mut content, "system", &all, None, w);
        for (at, message) in &all {
            restore(&mut content, &message.extra, &[]);
            message.extra.lose(ME, format_args!("system.{at}"), &mut w.losses);
        }
        true
    }

    /// Writes `contents`.
    pub(super) fn write(
        &self,
        o: &mut ObjectWriter<'_>,
        lone: bool,
        model: &str,
        w: &mut Writing<'a>,
    ) {
        w.names.clone_from(&self.names);
        // Signatures are checked from the last thing the user said on.
        let checked = if is_third_generation(model) { self.current_turn() } else { usize::MAX };
        if lone && let [turn] = &self.turns[..] {
            return turn.write(&mut o.object("contents"), checked == 0, w);
        }
        let mut list = o.array("contents");
        for (at, turn) in self.turns.iter().enumerate() {
            turn.write(&mut list.object(), at >= checked, w);
        }
    }

    /// Where the current turn begins: at the last content of the user's that is no result.
    fn current_turn(&self) -> usize {
        let asks = |t: &Turn<'_>| {
            let mut parts = t.messages.iter().flat_map(|(_, m)| &m.parts);
            t.role == "user" && !parts.any(|p| matches!(p.kind, PartKind::ToolResult(_)))
        };
        self.turns.iter().rposition(asks).unwrap_or(0)
    }
}

/// Whether a message says nothing at all; the API refuses contents without parts.
fn is_silent(message: &Message) -> bool {
    message.parts.iter().all(|p| {
        let empty = match &p.kind {
            PartKind::Text(t) | PartKind::Refusal(t) => t.text.is_empty(),
            PartKind::Reasoning(t) => t.is_empty(),
            PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::File(_)
            | PartKind::ToolCall(_)
            | PartKind::ToolResult(_)
            | PartKind::Opaque(_) => false,
        };
        // State that is not ours cannot be said either.
        empty && p.state.as_ref().is_none_or(|s| own_signature(s).is_none())
    })
}

fn call_names(r: &Request) -> HashMap<&str, &str> {
    let parts = r.messages.iter().flat_map(|m| &m.parts);
    let calls = parts.filter_map(|p| match &p.kind {
        PartKind::ToolCall(call) => Some((&*call.id, &*call.name)),
        _ => None,
    });
    calls.collect()
}

impl Turn<'_> {
    /// Whether a message of another dialect belongs into this content: pieces of one answer, and
    /// results of one turn of calls.
    fn takes(&self, message: &Message) -> bool {
        let Some((_, last)) = self.messages.last() else { return false };
        match message.role {
            Role::Assistant => last.role == Role::Assistant,
            Role::Tool => last.role == Role::Tool,
            Role::User | Role::System | Role::Developer => false,
        }
    }

    fn write(&self, content: &mut ObjectWriter<'_>, checked: bool, w: &mut Writing<'_>) {
        let first = self.messages.first().map(|(_, m)| *m);
        let bits = first.map(|m| m.extra.notation(ME)).unwrap_or_default();
        let stays = first.is_some_and(|m| m.extra.get_from(ME, "role").is_some());
        if bits.has(FUNCTION_ROLE) {
            content.str("role", "function");
        } else if !bits.has(NO_ROLE) && !stays {
            content.str("role", self.role);
        }
        let list = self.list;
        let signed = checked && self.role == "model";
        write_parts(content, list, &self.messages, signed.then_some(()), w);
        for (at, message) in &self.messages {
            // Instructions in the middle become words of the user's where they stand.
            match message.role {
                Role::System | Role::Developer if list == "messages" => {
                    w.losses.approximated(format!("messages.{at}.role"));
                }
                Role::System | Role::Developer => w.losses.reordered(format!("system.{at}")),
                Role::User | Role::Assistant | Role::Tool => {}
            }
            restore(content, &message.extra, &[]);
            message.extra.lose(ME, format_args!("{list}.{at}"), &mut w.losses);
        }
    }
}

/// Writes the parts of all messages as those of one content. `checked`: the first call of it must
/// have a signature.
fn write_parts(
    content: &mut ObjectWriter<'_>,
    list: &'static str,
    messages: &[(usize, &Message)],
    checked: Option<()>,
    w: &mut Writing<'_>,
) {
    let bits = messages.first().map(|(_, m)| m.extra.notation(ME)).unwrap_or_default();
    let mut parts = messages.iter().flat_map(|(at, m)| {
        m.parts.iter().enumerate().map(move |(i, part)| (Place::new(list, *at, i), part))
    });
    let only = || {
        let mut all = messages.iter().flat_map(|(_, m)| &m.parts);
        all.next().is_some() && all.next().is_none()
    };
    if bits.has(NO_PARTS) && messages.iter().all(|(_, m)| m.parts.is_empty()) {
        return;
    }
    if bits.has(LONE_PART) && only() {
        let mut bytes = bytes::BytesMut::new();
        if let Some((place, part)) = parts.next() {
            write(&mut ArrayWriter::begin(&mut bytes), part, false, place, w);
        }
        // One part, written as an element, without the brackets around it.
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        content.json("parts", text.trim_start_matches('[').trim_end_matches(']'));
        return;
    }
    let mut out = content.array("parts");
    let mut unsigned = checked.is_some();
    for (place, part) in parts {
        let call = matches!(part.kind, PartKind::ToolCall(_));
        write(&mut out, part, unsigned && call, place, w);
        // Calls made at once need one signature, on the first.
        unsigned &= !call;
    }
}
