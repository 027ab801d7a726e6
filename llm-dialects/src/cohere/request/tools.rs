//! What the model may call.

use llm_core::dialect::DialectId;
use llm_core::extra::Losses;
use llm_core::prompt::{Request, Tool, ToolChoice, ToolKind};
use llm_core::raw::Raw;

use super::super::wire::{ID, note};
use crate::function_tool::{FREE_TEXT, NOTHING, Spelling};
use crate::json::{Bad, Field, ObjectWriter};
use crate::schema::{self, Subset};

/// How a tool is spelled here.
const TOOL: Spelling = Spelling { dialect: ID, type_unsaid: note::TYPE_UNSAID };

/// Reads one tool.
pub(super) fn read(field: Field<'_>) -> Result<Tool, Bad> {
    TOOL.read(field)
}

/// Writes the tools and the choice among them. Cohere can force a call, but not which: a narrower
/// choice becomes a shorter list.
pub(super) fn write(o: &mut ObjectWriter<'_>, request: &Request, losses: &mut Losses) {
    let (word, offered): (_, &[_]) = match &request.tool_choice {
        None | Some(ToolChoice::Auto) => (None, &[]),
        Some(ToolChoice::Required) => (Some("REQUIRED"), &[]),
        Some(ToolChoice::Never) => (Some("NONE"), &[]),
        Some(ToolChoice::Named(name)) => (Some("REQUIRED"), std::slice::from_ref(name)),
        Some(ToolChoice::Among { names, required }) => (required.then_some("REQUIRED"), names),
    };
    let said = |t: &Tool| match &t.kind {
        ToolKind::Native(native) => native.origin == ID,
        ToolKind::Function { .. } | ToolKind::Custom => true,
    };
    let own = request.extra.origin() == Some(ID);
    let left = |t: &&Tool| said(t) && (offered.is_empty() || offered.contains(&t.name));
    if !own && !request.tools.is_empty() && !request.tools.iter().any(|t| left(&t)) {
        // No tool that could be said is left, and a choice among none is refused.
        (0..request.tools.len()).for_each(|at| losses.dropped(format!("tools.{at}")));
        if request.tool_choice.is_some() {
            losses.dropped("tool_choice");
        }
        return;
    }
    if !offered.is_empty() && request.tools.len() > offered.len() {
        losses.approximated("tool_choice");
    }
    if let Some(word) = word {
        o.str("tool_choice", word);
    }
    if request.parallel_tools == Some(false) {
        losses.dropped("parallel_tools");
    }
    strict(o, request, losses);
    let mut tools = (0..).zip(&request.tools);
    let mut offered =
        std::iter::from_fn(|| tools.find(|(_, t)| offered.is_empty() || offered.contains(&t.name)))
            .peekable();
    if offered.peek().is_none() {
        if request.extra.notation(ID).has(note::NO_TOOLS) {
            o.array("tools");
        }
        return;
    }
    let mut list = o.array("tools");
    for (at, tool) in offered {
        let path = format!("tools.{at}");
        tool.extra.lose(ID, &path, losses);
        if tool.cache.is_some() {
            losses.dropped(format!("{path}.cache"));
        }
        match &tool.kind {
            ToolKind::Native(native) if native.origin == ID => list.raw(&native.value),
            ToolKind::Native(_) => losses.dropped(path),
            ToolKind::Custom => {
                losses.approximated(path);
                TOOL.write(&mut list.object(), tool, Some(FREE_TEXT));
            }
            ToolKind::Function { schema, .. } => {
                let schema = schema.as_ref().map(|s| standard(s, tool, &path, losses));
                let own = tool.extra.origin() == Some(ID);
                let schema = schema.as_ref().map(|s| s.get());
                let schema = schema.or(if own { None } else { Some(NOTHING) });
                TOOL.write(&mut list.object(), tool, schema);
            }
        }
    }
}

/// Gemini spells its schemas in another way than the standard.
fn standard(schema: &Raw, tool: &Tool, path: &str, losses: &mut Losses) -> Raw {
    if tool.extra.origin() != Some(DialectId::Gemini) {
        return schema.clone();
    }
    schema::fit(schema, &Subset::STANDARD, &format!("{path}.schema"), losses)
}

/// One flag for all: it is set when each tool wants it, for it refuses schemas that are fine
/// without it.
fn strict(o: &mut ObjectWriter<'_>, request: &Request, losses: &mut Losses) {
    let wishes = || {
        (0..).zip(&request.tools).filter_map(|(at, tool)| match &tool.kind {
            ToolKind::Function { strict, .. } => Some((at, *strict == Some(true))),
            ToolKind::Custom | ToolKind::Native(_) => None,
        })
    };
    if !wishes().any(|(_, strict)| strict) {
        return;
    }
    if wishes().all(|(_, strict)| strict) {
        o.bool("strict_tools", true);
        return;
    }
    for (at, _) in wishes().filter(|(_, strict)| *strict) {
        let at: usize = at;
        losses.dropped(format!("tools.{at}.strict"));
    }
}
