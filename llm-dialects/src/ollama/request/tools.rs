//! What the model may call.

use llm_core::extra::Losses;
use llm_core::prompt::{Opaque, Request, Tool, ToolChoice, ToolKind};

use super::super::wire::{FUNCTION, ID, note};
use crate::json::{Bad, Field, JsonKind, ObjectWriter, nested};

/// The schema of a tool that takes nothing.
const NOTHING: &str = r#"{"type":"object","properties":{}}"#;
/// The schema of a tool that takes free text.
const FREE_TEXT: &str =
    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;

/// Reads one tool.
pub(super) fn read(field: Field<'_>) -> Result<Tool, Bad> {
    let mut o = field.object()?;
    let kind = o.see("type").map(|f| (f.kind(), f.text()));
    let is_function = matches!(kind, None | Some((_, "\"function\"")));
    if !is_function || o.see("function").is_none_or(|f| f.kind() != JsonKind::Object) {
        let kind = o.see("type").and_then(|f| f.str().ok()).unwrap_or_default();
        let native = Opaque { origin: ID, kind: kind.clone(), value: field.raw() };
        let kind_ = ToolKind::Native(native);
        let extra = llm_core::extra::Extra::new(ID);
        return Ok(Tool { name: kind, description: None, kind: kind_, cache: None, extra });
    }
    o.take("type")?;
    let mut function = o.need("function")?.object()?;
    let name = function.need_str("name")?;
    let description = function.str("description")?;
    let schema = match function.see("parameters").map(|f| f.kind()) {
        Some(JsonKind::Object) => function.raw("parameters")?,
        _ => None,
    };
    let bits = if kind.is_none() { note::TYPE_UNSAID } else { 0 };
    let mut extra = nested::rest(o, ID, &[FUNCTION]).noted(bits);
    nested::keep(&mut extra, FUNCTION, function, ID);
    let kind = ToolKind::Function { schema, strict: None };
    Ok(Tool { name, description, kind, cache: None, extra })
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
                write_function(&mut list.object(), tool, Some(FREE_TEXT));
            }
            ToolKind::Function { schema, strict } => {
                if *strict == Some(true) {
                    losses.dropped(format!("{path}.strict"));
                }
                let own = tool.extra.origin() == Some(ID);
                let schema = schema.as_ref().map(|s| s.get());
                let schema = schema.or(if own { None } else { Some(NOTHING) });
                write_function(&mut list.object(), tool, schema);
            }
        }
    }
}

fn write_function(o: &mut ObjectWriter<'_>, tool: &Tool, schema: Option<&str>) {
    if !tool.extra.notation(ID).has(note::TYPE_UNSAID) {
        o.str("type", "function");
    }
    nested::write_outer(o, &tool.extra, ID, &[FUNCTION]);
    let mut function = o.object(FUNCTION);
    function.str("name", &tool.name).opt_str("description", tool.description.as_ref());
    if let Some(schema) = schema {
        function.json("parameters", schema);
    }
    nested::write_inner(&mut function, &tool.extra, ID, FUNCTION);
}
