//! Blocks of a stream that are open.

use llm_core::Str;
use llm_core::dialect::Corrupt;
use llm_core::event::{Delta, Event, PartHead, PartId};
use llm_core::extra::Extra;
use llm_core::prompt::{Opaque, PartKind};
use llm_core::raw::Raw;
use serde::de::IgnoredAny;

use crate::anthropic::ID;
use crate::anthropic::block;
use crate::anthropic::nested::Left;
use crate::anthropic::wire;
use crate::json::{Field, JsonKind, Object, ObjectWriter, write};

/// Slices of a frame's text, for the strings that are kept.
pub(super) fn kept(frame: &Str, text: &wire::Text<'_>) -> Str {
    match &text.0 {
        std::borrow::Cow::Borrowed(slice) => frame.slice_ref(slice),
        std::borrow::Cow::Owned(text) => text.clone().into(),
    }
}

/// A block between its start and its stop.
pub(super) struct Block {
    /// Its number on the wire.
    pub index: u32,
    /// The part it is; a block that comes whole has none until its stop.
    pub part: Option<PartId>,
    pub grows: Grows,
    /// What its start said besides.
    pub extra: Extra,
}

/// What a block grows by.
pub(super) enum Grows {
    Text,
    Thinking,
    /// `redacted_thinking`: nothing more.
    Redacted,
    /// A call of the caller's tool. The pieces are joined only to see whether they are JSON.
    ToolUse {
        start: Raw,
        joined: String,
    },
    /// Any other: kept whole.
    Other {
        start: Raw,
        kind: Str,
        grown: Vec<(String, String)>,
    },
}

impl Block {
    /// Reads the start of a block. Gives the head of its part, and what it says already.
    pub(super) fn start(
        index: u32,
        block: Field<'_>,
    ) -> Result<(Self, Option<PartHead>, Vec<Delta>), Corrupt> {
        let mut o = block.object()?;
        let kind = o.need_str("type")?;
        let mut said = Vec::new();
        let (head, grows) = match &*kind {
            "text" => {
                push_text(&mut o, "text", &mut said)?;
                let list = o.take_if("citations", JsonKind::Array);
                for field in list.map(|f| f.array()).transpose()?.unwrap_or_default() {
                    said.push(Delta::Citation(Box::new(block::citation(field)?)));
                }
                (Some(PartHead::Text), Grows::Text)
            }
            "thinking" => {
                push_text(&mut o, "thinking", &mut said)?;
                if let Some(field) = o.take("signature")? {
                    said.extend(signature(field)?);
                }
                (Some(PartHead::Reasoning), Grows::Thinking)
            }
            "redacted_thinking" => (Some(PartHead::Reasoning), Grows::Redacted),
            "tool_use" => {
                let (id, name) = (o.need_str("id")?, o.need_str("name")?);
                let start = o.raw("input")?.unwrap_or_else(empty);
                let head = PartHead::ToolCall { id, name, custom: false };
                (Some(head), Grows::ToolUse { start, joined: String::new() })
            }
            _ => {
                let start = block.raw();
                let grows = Grows::Other { start, kind, grown: Vec::new() };
                return Ok((Self { index, part: None, grows, extra: Extra::new(ID) }, None, said));
            }
        };
        let extra = Left::default().rest(o);
        Ok((Self { index, part: None, grows, extra }, head, said))
    }

    /// What the block says last, before its part ends.
    pub(super) fn last_words(&self) -> Option<Delta> {
        match &self.grows {
            // The start holds the arguments of a call that has no pieces.
            Grows::ToolUse { start, joined } if joined.is_empty() => {
                Some(Delta::Arguments(start.text().clone()))
            }
            _ => None,
        }
    }

    /// Whether the arguments, if it is a call, are JSON so far.
    pub(super) fn is_sound(&self) -> bool {
        match &self.grows {
            Grows::ToolUse { joined, .. } => {
                joined.trim().is_empty() || serde_json::from_str::<IgnoredAny>(joined).is_ok()
            }
            Grows::Text | Grows::Thinking | Grows::Redacted | Grows::Other { .. } => true,
        }
    }

    /// The part of a block that comes whole.
    pub(super) fn whole(&self) -> Option<PartHead> {
        let Grows::Other { start, kind, grown } = &self.grows else { return None };
        let value = if grown.is_empty() { start.clone() } else { joined(start, grown)? };
        let opaque = Opaque { origin: ID, kind: kind.clone(), value };
        Some(PartHead::Whole(Box::new(PartKind::Opaque(opaque))))
    }
}

fn empty() -> Raw {
    Raw::from_parsed(Str::from_static("{}"))
}

fn push_text(o: &mut Object<'_>, name: &str, said: &mut Vec<Delta>) -> Result<(), Corrupt> {
    if let Some(text) = o.str(name)?
        && !text.is_empty()
    {
        said.push(Delta::Text(text));
    }
    Ok(())
}

/// The state in a signature; none when it is empty.
pub(super) fn signature(field: Field<'_>) -> Result<Option<Delta>, Corrupt> {
    let text = field.cow()?;
    let state =
        if text.is_empty() { None } else { block::signature_state(&text, || Some(field.raw())) };
    Ok(state.map(|s| Delta::State(Box::new(s))))
}

/// Adds a delta of any type to a block that is kept whole: pieces of JSON are its `input`, other
/// strings grow the member of their name.
pub(super) fn grow(grown: &mut Vec<(String, String)>, delta: Field<'_>) -> Result<(), Corrupt> {
    for (name, value) in delta.object()?.members() {
        if name == "type" || value.kind() != JsonKind::String {
            continue;
        }
        let piece = value.cow()?;
        match grown.iter_mut().find(|(n, _)| n == name) {
            Some((_, text)) => text.push_str(&piece),
            None => grown.push((name.to_string(), piece.into_owned())),
        }
    }
    Ok(())
}

/// The block with what it grew by.
fn joined(start: &Raw, grown: &[(String, String)]) -> Option<Raw> {
    let members = Field::root(start.text()).ok()?.object().ok()?;
    let grown_by = |name: &str| grown.iter().find(|(n, _)| n == name).map(|(_, text)| &**text);
    let input = grown_by("partial_json").filter(|text| block::is_object(text.trim()));
    let out = write::object(|o| {
        for (name, value) in members.members() {
            match (&**name, input, grown_by(name)) {
                ("input", Some(input), _) => _ = o.json("input", input),
                (_, _, Some(more)) => push_string(o, name, value, more),
                _ => o.under(name).raw(&value.raw()),
            }
        }
        for (name, text) in grown {
            let new = name != "partial_json" && members.see(name).is_none();
            if new {
                o.under(name).str(text);
            }
        }
    });
    Raw::parse(Str::try_from(out.freeze()).ok()?).ok()
}

fn push_string(o: &mut ObjectWriter<'_>, name: &str, start: Field<'_>, more: &str) {
    let start = start.cow().unwrap_or_default();
    o.under(name).str(&format!("{start}{more}"));
}

/// The end of a part.
pub(super) fn end(part: PartId, extra: Extra) -> Event {
    Event::PartEnd { part, extra }
}
