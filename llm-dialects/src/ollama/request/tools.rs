//! What the model may call.

use llm_core::extra::Losses;
use llm_core::prompt::{Request, Tool, ToolChoice, ToolKind};

use super::super::wire::{ID, note};
use crate::function_tool::{FREE_TEXT, NOTHING, Spelling};
use crate::json::{Bad, Field, ObjectWriter};

/// How a tool is spelled here.
const TOOL: Spelling = Spelling { dialect: ID, type_unsaid: note::TYPE_UNSAID };

/// Reads one tool.
pub(super) fn read(field: Field<'_>) -> Result<Tool, Bad> {
    TOOL.read(field)
}

/// Writes the tools. Ollama's models always choose freely, so a narrower choice becomes a shorter
/// list.
pub(super) fn write(o: &mut ObjectWriter<'_>, request: &Request, losses: &mut Losses) {
    let offered = |tool: &Tool| match &request.tool_choice {
        None | Some(ToolChoice::Auto | ToolChoice::Required) => true,
        Some(ToolChoice::Never) => false,
        Some(ToolChoice::Named(name)) => tool.name == name,
        Some(ToolChoice::Among { names, .. }) => names.contains(&tool.name),
    };
    match &request.tool_choice {
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::Required) => losses.dropped("tool_choice"),
        Some(ToolChoice::Never | ToolChoice::Named(_) | ToolChoice::Among { .. }) => {
            losses.approximated("tool_choice");
        }
    }
    if request.parallel_tools == Some(false) {
        losses.dropped("parallel_tools");
    }
    if !request.tools.iter().any(offered) {
        if request.extra.notation(ID).has(note::NO_TOOLS) {
            o.array("tools");
        }
        return;
    }
    let mut list = o.array("tools");
    for (at, tool) in request.tools.iter().enumerate().filter(|(_, t)| offered(t)) {
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
            ToolKind::Function { schema, strict } => {
                if *strict == Some(true) {
                    losses.dropped(format!("{path}.strict"));
                }
                let own = tool.extra.origin() == Some(ID);
                let schema = schema.as_ref().map(|s| s.get());
                let schema = schema.or(if own { None } else { Some(NOTHING) });
                TOOL.write(&mut list.object(), tool, schema);
            }
        }
    }
}
