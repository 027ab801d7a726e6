//! The parts of a whole answer as blocks.

use llm_core::extra::Losses;
use llm_core::prompt::{Part, PartKind, Text};
use llm_core::raw::Raw;

use crate::anthropic::ID;
use crate::anthropic::block::{self, At, Sealed};
use crate::json::ArrayWriter;

/// Writes `content`.
pub(super) fn write(list: &mut ArrayWriter<'_>, parts: &[Part], losses: &mut Losses) {
    for (n, part) in parts.iter().enumerate() {
        let at = At::new("candidates", 0, n);
        block(list, part, at, losses);
        part.extra.lose(ID, at, losses);
    }
}

fn block(list: &mut ArrayWriter<'_>, part: &Part, at: At, losses: &mut Losses) {
    match &part.kind {
        PartKind::Text(t) | PartKind::Refusal(t) => text(list, part, t, at, losses),
        PartKind::Reasoning(t) => return reasoning(list, part, t),
        PartKind::ToolCall(call) => {
            let mut o = list.object();
            let id = if call.id.is_empty() {
                format!("toolu_{}", at.part).into()
            } else {
                call.id.clone()
            };
            o.str("type", "tool_use").str("id", &id).str("name", &call.name);
            if !block::arguments(&mut o, call) {
                losses.approximated(at.of("arguments"));
            }
            block::cache(&mut o, part.cache.as_ref(), &part.extra);
        }
        PartKind::Opaque(opaque) if opaque.origin == ID => list.raw(&opaque.value),
        // Assistants of this dialect say nothing but text, thoughts and calls.
        PartKind::Opaque(_)
        | PartKind::Image(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::File(_)
        | PartKind::ToolResult(_) => return losses.dropped(at.to_string()),
    }
    if let Some(state) = &part.state {
        block::redacted(&mut list.object(), state, true);
    }
}

fn text(list: &mut ArrayWriter<'_>, part: &Part, t: &Text, at: At, losses: &mut Losses) {
    if t.text.is_empty() && part.extra.origin() != Some(ID) && part.state.is_none() {
        // Blank blocks are refused when they come back.
        return;
    }
    let mut o = list.object();
    block::text(&mut o, &t.text);
    if !block::citations(&mut o, &t.citations, block::said_citation) {
        losses.dropped(at.of("citations"));
    }
    if !t.logprobs.is_empty() {
        losses.dropped(at.of("logprobs"));
    }
    block::cache(&mut o, part.cache.as_ref(), &part.extra);
}

fn reasoning(list: &mut ArrayWriter<'_>, part: &Part, t: &str) {
    let sealed = part.state.as_ref().map(|s| (s, block::sealed(s, t.is_empty())));
    let mut o;
    match sealed {
        Some((_, Sealed::Redacted(data))) => {
            o = list.object();
            o.str("type", "redacted_thinking").raw("data", data);
        }
        Some((state, Sealed::Token(_))) if t.is_empty() => {
            o = list.object();
            block::redacted(&mut o, state, false);
        }
        Some((_, Sealed::Token(token))) => {
            o = list.object();
            block::thinking(&mut o, t, Raw::of(&token).ok().as_ref());
        }
        Some((_, Sealed::Signature(signature))) => {
            o = list.object();
            block::thinking(&mut o, t, Some(signature));
        }
        None => {
            // Clients read the field even where there is nothing to sign.
            o = list.object();
            if part.extra.origin() == Some(ID) {
                block::thinking(&mut o, t, None);
                o.str("signature", "");
            } else {
                block::thinking(&mut o, t, Some(&block::UNSIGNED));
            }
        }
    }
    block::cache(&mut o, part.cache.as_ref(), &part.extra);
}
