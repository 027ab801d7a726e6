//! The conversation in the shape the API takes.
//!
//! A caller of this dialect wrote it so already, and it goes out turn by turn as it came. What
//! comes from elsewhere is reshaped: instructions go to the front, results of tools become blocks
//! of the user's turn and stand first in it, turns of one speaker are joined, blank text is left
//! out, and the user has the first word.

use llm_core::dialect::BadRequest;
use llm_core::extra::Losses;
use llm_core::prompt::{Message, Part, PartKind, Request, Role};

use super::parts;
use crate::anthropic::block::{self, At};
use crate::anthropic::nested::restore_outer;
use crate::anthropic::{ID, note};
use crate::json::{ArrayWriter, ObjectWriter};

/// The first message must be the user's; this one asks for nothing.
const FIRST_WORD: &str = "Continue.";

/// A conversation, reshaped.
pub(super) struct Conversation<'a> {
    system: Vec<(At, &'a Message)>,
    turns: Vec<Turn<'a>>,
    instruction: Option<String>,
    /// Whether the assistant spoke first.
    opens: bool,
}

struct Turn<'a> {
    role: &'static str,
    messages: Vec<(At, &'a Message)>,
}

impl<'a> Conversation<'a> {
    pub(super) fn of(
        request: &'a Request,
        instruction: Option<String>,
        losses: &mut Losses,
    ) -> Self {
        let at = |n| At::new("system", n, 0);
        let mut system: Vec<_> = (0..).map(at).zip(&request.system).collect();
        let mut turns: Vec<Turn<'a>> = Vec::new();
        for (n, message) in request.messages.iter().enumerate() {
            let at = At::new("messages", n, 0);
            let role = match message.role {
                Role::Assistant => "assistant",
                Role::User | Role::Tool => "user",
                Role::System | Role::Developer if is_own(message) => "system",
                Role::System | Role::Developer => {
                    losses.reordered(format!("messages.{n}"));
                    system.push((at, message));
                    continue;
                }
            };
            if !is_own(message) && !message.parts.iter().any(is_said) {
                continue;
            }
            match turns.last_mut() {
                Some(turn) if turn.role == role && turn.joins(message) => {
                    turn.messages.push((at, message));
                }
                _ => turns.push(Turn { role, messages: vec![(at, message)] }),
            }
        }
        if turns.is_empty() && !system.is_empty() {
            // Instructions alone are a question elsewhere, and refused here.
            losses.reordered("system");
            turns.push(Turn { role: "user", messages: std::mem::take(&mut system) });
        }
        let first = turns.first();
        let opens = first
            .is_some_and(|t| t.role == "assistant" && t.messages.iter().any(|(_, m)| !is_own(m)));
        if opens {
            losses.approximated("messages.0");
        }
        Self { system, turns, instruction, opens }
    }

    /// Writes `system` and `messages`.
    pub(super) fn write(
        &self,
        o: &mut ObjectWriter<'_>,
        losses: &mut Losses,
    ) -> Result<(), BadRequest> {
        self.write_system(o, losses)?;
        let mut list = o.array("messages");
        if self.opens {
            list.object().str("role", "user").str("content", FIRST_WORD);
        }
        for (n, turn) in self.turns.iter().enumerate() {
            let mut o = list.object();
            o.str("role", turn.role);
            turn.write(&mut o, n + 1 == self.turns.len(), losses)?;
        }
        Ok(())
    }

    fn write_system(
        &self,
        o: &mut ObjectWriter<'_>,
        losses: &mut Losses,
    ) -> Result<(), BadRequest> {
        if let ([(_, only)], None) = (&self.system[..], &self.instruction)
            && let Some(text) = plain(only)
        {
            o.str("system", text);
            only.extra.lose(ID, "system.0", losses);
            return Ok(());
        }
        if self.system.is_empty() && self.instruction.is_none() {
            return Ok(());
        }
        let mut list = o.array("system");
        for (at, message) in &self.system {
            for (part, at) in placed(message, *at) {
                parts::instruction(&mut list, part, at, losses)?;
            }
            message.extra.lose(ID, format_args!("{}.{}", at.list, at.message), losses);
        }
        if let Some(text) = &self.instruction {
            block::text(&mut list.object(), text);
        }
        Ok(())
    }
}

impl<'a> Turn<'a> {
    /// Whether the message goes on with what was said before. Two messages of this dialect stay
    /// two, as they came.
    fn joins(&self, message: &Message) -> bool {
        !is_own(message) || self.messages.iter().any(|(_, m)| !is_own(m))
    }

    fn write(
        &self,
        o: &mut ObjectWriter<'_>,
        last: bool,
        losses: &mut Losses,
    ) -> Result<(), BadRequest> {
        for (at, message) in &self.messages {
            message.extra.lose(ID, format_args!("{}.{}", at.list, at.message), losses);
        }
        if let [(_, only)] = &self.messages[..]
            && is_own(only)
        {
            if only.extra.notation(ID).has(note::STRING)
                && let Some(text) = plain(only)
            {
                o.str("content", text);
            } else {
                self.blocks(&mut o.array("content"), false, losses)?;
            }
            restore_outer(o, &only.extra, &[]);
            return Ok(());
        }
        // An answer that is to be gone on with must not end in white space.
        let cut = last && self.role == "assistant";
        self.blocks(&mut o.array("content"), cut, losses)
    }

    fn blocks(
        &self,
        list: &mut ArrayWriter<'_>,
        cut: bool,
        losses: &mut Losses,
    ) -> Result<(), BadRequest> {
        let said = self.messages.iter().flat_map(|(at, m)| placed(m, *at));
        let said: Vec<_> = said.filter(|(p, _)| is_said(p)).collect();
        let is_result = |p: &Part| matches!(p.kind, PartKind::ToolResult(_));
        let own = self.messages.iter().all(|(_, m)| is_own(m));
        if own || self.role == "assistant" {
            let end = said.len().saturating_sub(1);
            for (n, (part, at)) in said.iter().enumerate() {
                parts::turn(list, part, *at, self.role, cut && n == end, losses)?;
            }
            return Ok(());
        }
        // Results must stand before anything else the user says.
        let mut other = false;
        for (part, at) in &said {
            if is_result(part) && other {
                losses.reordered(at.to_string());
            }
            other |= !is_result(part);
        }
        for results in [true, false] {
            for (part, at) in said.iter().filter(|(p, _)| is_result(p) == results) {
                parts::turn(list, part, *at, self.role, false, losses)?;
            }
        }
        Ok(())
    }
}

fn is_own(message: &Message) -> bool {
    message.extra.origin() == Some(ID)
}

/// Blank text is refused. Whoever speaks this dialect is not corrected.
fn is_said(part: &Part) -> bool {
    part.extra.origin() == Some(ID) || words(part).is_none_or(|text| !text.trim().is_empty())
}

/// The text of a part that is text.
fn words(part: &Part) -> Option<&str> {
    if let PartKind::Text(t) | PartKind::Refusal(t) = &part.kind { Some(&t.text) } else { None }
}

/// The parts of a message with their places.
fn placed(message: &Message, at: At) -> impl Iterator<Item = (&Part, At)> {
    message.parts.iter().enumerate().map(move |(part, p)| (p, At { part, ..at }))
}

/// The text of a message that is nothing but text.
fn plain(message: &Message) -> Option<&str> {
    let string = !is_own(message) || message.extra.notation(ID).has(note::STRING);
    let [part] = &message.parts[..] else { return None };
    let bare = part.cache.is_none() && part.state.is_none() && part.extra.is_empty();
    let PartKind::Text(t) = &part.kind else { return None };
    (string && bare && t.citations.is_empty() && is_said(part)).then_some(&*t.text)
}
