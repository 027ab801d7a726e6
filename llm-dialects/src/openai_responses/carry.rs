//! State of providers in reasoning items.
//!
//! Clients of this dialect return reasoning items untouched, `encrypted_content` and all. OpenAI's
//! own bytes stand there as they are. State of any other provider stands there as a token, and so
//! does OpenAI's where the item could not keep the id that its bytes are bound to. State that
//! belongs to something else than a thought (Gemini signs tool calls and texts) has no place in
//! this dialect: it travels in a reasoning item of its own, behind what it belongs to, without any
//! text, whose token names the call. Behind, because a stream knows it only when the call is
//! complete.

use llm_core::Str;
use llm_core::prompt::{Opaque, Part, PartKind};
use llm_core::raw::Raw;

use super::notation::{ME, noted, part as bit};
use crate::json::{JsonKind, Object, write};
use crate::state;

/// What our own state is called: a reasoning item's id and its encrypted content.
const THOUGHT: &str = "reasoning";
/// What state is called that travels for another part.
const ERRAND: &str = "part_state";

/// OpenAI's bytes, with the id they are bound to.
pub(super) struct Native {
    /// `rs_…`
    pub(super) id: Option<Str>,
    /// The bytes.
    pub(super) encrypted: Str,
}

/// What an `encrypted_content` turned out to be.
pub(super) enum Carried {
    /// State of the thought it stands in.
    State(Opaque),
    /// State of another part.
    Of(Errand),
}

/// State on its way back to the part it belongs to.
pub(super) struct Errand {
    call_id: Option<Str>,
    state: Opaque,
}

/// Makes state of OpenAI's own bytes.
pub(super) fn native(id: Option<&Str>, encrypted: &str) -> Option<Opaque> {
    let value = write::object(|o| {
        o.opt_str("id", id).str("encrypted_content", encrypted);
    });
    let value = Raw::from_parsed(Str::try_from(value.freeze()).ok()?);
    Some(Opaque { origin: ME, kind: Str::from_static(THOUGHT), value })
}

/// Reads OpenAI's own bytes out of state; `None` when it is another's.
pub(super) fn as_native(state: &Opaque) -> Option<Native> {
    if state.origin != ME {
        return None;
    }
    let mut o = Object::root(state.value.text()).ok()?;
    let id = o.take_if("id", JsonKind::String).and_then(|f| f.str().ok());
    let encrypted = o.take_if("encrypted_content", JsonKind::String)?.str().ok()?;
    Some(Native { id, encrypted })
}

/// Reads an `encrypted_content`. Only a caller can have `tokens` of ours: what an upstream sends
/// is its own business.
pub(super) fn read(id: Option<&Str>, text: &Str, tokens: bool) -> Carried {
    let token = if tokens { state::read(text) } else { None };
    match token {
        Some(token) if token.origin == ME && token.kind == ERRAND => match errand(&token) {
            Some(errand) => Carried::Of(errand),
            None => Carried::State(token),
        },
        Some(token) => Carried::State(token),
        None => Carried::State(native(id, text).unwrap_or_else(|| Opaque {
            origin: ME,
            kind: Str::from_static(THOUGHT),
            value: Raw::from_parsed(Str::from_static("{}")),
        })),
    }
}

fn errand(token: &Opaque) -> Option<Errand> {
    let mut o = Object::root(token.value.text()).ok()?;
    let call_id = o.take_if("call_id", JsonKind::String).and_then(|f| f.str().ok());
    let inner = o.take_if("state", JsonKind::String)?.str().ok()?;
    Some(Errand { call_id, state: state::read(&inner)? })
}

/// Writes state for another part as an `encrypted_content`. `call_id` names the tool call; without
/// one it belongs to what stands before.
pub(super) fn send(call_id: Option<&str>, state: &Opaque) -> String {
    let value = write::object(|o| {
        if let Some(call_id) = call_id {
            o.str("call_id", call_id);
        }
        o.str("state", &state::token(state));
    });
    let value = Str::try_from(value.freeze()).unwrap_or_default();
    let kind = Str::from_static(ERRAND);
    state::token(&Opaque { origin: ME, kind, value: Raw::from_parsed(value) })
}

/// Gives state back to its part, which stands among those already read. What has lost its part
/// becomes a thought without words, so that it is not lost in turn.
pub(super) fn return_to(errand: Errand, parts: &mut Vec<Part>) {
    let Errand { call_id, state } = errand;
    let target = parts.iter_mut().rev().find(|p| match (&p.kind, &call_id) {
        (PartKind::ToolCall(call), Some(id)) => call.id == *id,
        (PartKind::Reasoning(_) | PartKind::Opaque(_), _) | (_, Some(_)) => false,
        (_, None) => true,
    });
    match target {
        Some(part) => part.state = Some(state),
        None => {
            let lone = Part::new(PartKind::Reasoning(Str::new()));
            parts.push(Part { state: Some(state), extra: noted(bit::NO_TEXT), ..lone });
        }
    }
}
