//! Tools and the choice among them, both ways.

use llm_core::Str;
use llm_core::dialect::DialectId;
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::{Opaque, Request, Tool, ToolChoice, ToolKind};
use llm_core::raw::Raw;

use super::output::STRUCTURED;
use crate::anthropic::nested::{Left, restore, take_kind};
use crate::anthropic::{ID, block, note};
use crate::json::{ArrayWriter, Bad, Field, JsonKind, Object, ObjectWriter};
use crate::schema::{self, Subset};

/// A tool of the caller's (`type` absent or `custom`), or one that Anthropic defines.
pub(super) fn tool(field: Field<'_>) -> Result<Tool, Bad> {
    let mut o = field.object()?;
    let kind = o.see("type").filter(|f| f.kind() == JsonKind::String);
    let kind = kind.map(|f| f.str()).transpose()?;
    if let Some(kind) = kind.filter(|k| k != "custom") {
        let name = o.see("name").and_then(|f| f.str().ok()).unwrap_or_else(|| kind.clone());
        let native = Opaque { origin: ID, kind, value: field.raw() };
        let extra = Extra::new(ID);
        let kind = ToolKind::Native(native);
        return Ok(Tool { name, description: None, kind, cache: None, extra });
    }
    let bits = if o.str("type")?.is_some() { note::TYPE_CUSTOM } else { 0 };
    let mut left = Left::default();
    let name = o.need_str("name")?;
    let description = o.str("description")?;
    let cache = block::read_cache(&mut o, &mut left)?;
    let kind = ToolKind::Function { schema: o.raw("input_schema")?, strict: o.bool("strict")? };
    Ok(Tool { name, description, kind, cache, extra: left.rest(o).noted(bits) })
}

/// `tool_choice`, and whether several tools may be called at once.
pub(super) fn choice(
    o: &mut Object<'_>,
    left: &mut Left,
) -> Result<(Option<ToolChoice>, Option<bool>), Bad> {
    let kinds = ["auto", "any", "tool", "none"];
    let Some((kind, mut inner)) = take_kind(o, "tool_choice", &kinds)? else {
        return Ok((None, None));
    };
    let choice = match &*kind {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "tool" => ToolChoice::Named(inner.need_str("name")?),
        _ => ToolChoice::Never,
    };
    let alone = inner.bool("disable_parallel_tool_use")?;
    left.keep("tool_choice", inner);
    Ok((Some(choice), alone.map(|alone| !alone)))
}

/// Writes `tools`.
pub(super) fn write(o: &mut ObjectWriter<'_>, request: &Request, losses: &mut Losses) {
    let among = match &request.tool_choice {
        Some(ToolChoice::Among { names, .. }) => Some(names),
        _ => None,
    };
    if !sayable(request) {
        for (n, tool) in request.tools.iter().enumerate() {
            lose_native(tool, n, losses);
        }
        return;
    }
    let mut list = o.array("tools");
    for (n, tool) in request.tools.iter().enumerate() {
        // There is no choice among some, but what is not offered is not chosen.
        if among.is_some_and(|names| !names.contains(&tool.name)) {
            losses.approximated("tool_choice");
            continue;
        }
        write_tool(&mut list, tool, n, losses);
    }
}

/// Whether any tool of the request can be said.
pub(super) fn sayable(request: &Request) -> bool {
    request.tools.iter().any(|t| !is_foreign(t))
}

fn is_foreign(tool: &Tool) -> bool {
    matches!(&tool.kind, ToolKind::Native(o) if o.origin != ID)
}

fn lose_native(tool: &Tool, n: usize, losses: &mut Losses) {
    if is_foreign(tool) {
        losses.dropped(format!("tools.{n}"));
    }
}

fn write_tool(list: &mut ArrayWriter<'_>, tool: &Tool, n: usize, losses: &mut Losses) {
    let (schema, strict) = match &tool.kind {
        ToolKind::Native(native) if native.origin == ID => return list.raw(&native.value),
        ToolKind::Native(_) => return lose_native(tool, n, losses),
        ToolKind::Function { schema, strict } => (schema.as_ref(), *strict),
        ToolKind::Custom => (None, None),
    };
    let own = tool.extra.origin() == Some(ID);
    let mut o = list.object();
    if tool.extra.notation(ID).has(note::TYPE_CUSTOM) {
        o.str("type", "custom");
    }
    o.str("name", &tool.name).opt_str("description", tool.description.as_ref());
    match (&tool.kind, schema) {
        (ToolKind::Custom, _) => {
            // Free text has no other way here than in an object with one member.
            losses.approximated(format!("tools.{n}.kind"));
            o.json("input_schema", FREE_TEXT);
        }
        (_, Some(schema)) if own => _ = o.raw("input_schema", schema),
        (_, None) if own => {}
        (_, None) => _ = o.json("input_schema", NO_ARGUMENTS),
        (_, Some(schema)) => {
            let path = format!("tools.{n}.schema");
            let strict = strict == Some(true);
            let fitted = fitted(schema, strict, tool.extra.origin(), &path, losses);
            write_schema(&mut o, &fitted, &path, losses);
        }
    }
    // `false` is what its absence means, and older hosts do not know the word.
    o.opt_bool("strict", strict.filter(|strict| own || *strict));
    block::cache(&mut o, tool.cache.as_ref(), &tool.extra);
    tool.extra.lose(ID, format_args!("tools.{n}"), losses);
}

const FREE_TEXT: &str =
    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;
const NO_ARGUMENTS: &str = r#"{"type":"object","properties":{}}"#;

fn fitted(
    schema: &Raw,
    strict: bool,
    origin: Option<DialectId>,
    path: &str,
    losses: &mut Losses,
) -> Raw {
    if strict {
        schema::fit(schema, &STRUCTURED, path, losses)
    } else if origin == Some(DialectId::Gemini) {
        // Type names in capitals are no JSON Schema.
        schema::fit(schema, &Subset::STANDARD, path, losses)
    } else {
        schema.clone()
    }
}

/// A tool's schema must say that it is an object, and must not be a choice of several.
fn write_schema(o: &mut ObjectWriter<'_>, schema: &Raw, path: &str, losses: &mut Losses) {
    const CHOICES: [&str; 3] = ["anyOf", "oneOf", "allOf"];
    let members = Field::root(schema.text()).and_then(|f| f.object());
    let Ok(members) = members else {
        losses.dropped(path);
        o.json("input_schema", NO_ARGUMENTS);
        return;
    };
    let is_object = members.see("type").is_some_and(|f| f.cow().is_ok_and(|t| t == "object"));
    let choices = members.names().any(|n| CHOICES.contains(&n));
    if is_object && !choices {
        o.raw("input_schema", schema);
        return;
    }
    let mut inner = o.object("input_schema");
    inner.str("type", "object");
    for (name, value) in members.members() {
        if CHOICES.contains(&&**name) {
            losses.dropped(format!("{path}.{name}"));
        } else if name != "type" {
            inner.under(name).raw(&value.raw());
        }
    }
}

/// Writes `tool_choice`.
pub(super) fn write_choice(o: &mut ObjectWriter<'_>, request: &Request, losses: &mut Losses) {
    let own = request.extra.origin() == Some(ID);
    let alone = request.parallel_tools.map(|parallel| !parallel);
    if !own && !sayable(request) {
        // Refused where there is nothing to choose from.
        if request.tool_choice.as_ref().is_some_and(|c| !is_harmless(c)) {
            losses.dropped("tool_choice");
        }
        return;
    }
    let (kind, name): (_, Option<&Str>) = match &request.tool_choice {
        None if alone == Some(true) => ("auto", None),
        None => return,
        Some(ToolChoice::Auto | ToolChoice::Among { required: false, .. }) => ("auto", None),
        Some(ToolChoice::Required | ToolChoice::Among { required: true, .. }) => ("any", None),
        Some(ToolChoice::Named(name)) => ("tool", Some(name)),
        Some(ToolChoice::Never) => ("none", None),
    };
    let mut inner = o.object("tool_choice");
    inner.str("type", kind).opt_str("name", name);
    // Without tools there are no parallel ones, and the field is refused there.
    let said = if own { alone } else { alone.filter(|a| *a && kind != "none") };
    inner.opt_bool("disable_parallel_tool_use", said);
    restore(&mut inner, &request.extra, "tool_choice");
}

fn is_harmless(choice: &ToolChoice) -> bool {
    matches!(choice, ToolChoice::Auto | ToolChoice::Never)
}
