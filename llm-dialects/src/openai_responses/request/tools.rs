//! Tools and the choice among them, both ways.

use llm_core::Str;
use llm_core::extra::Losses;
use llm_core::prompt::{Opaque, Request, Tool, ToolChoice, ToolKind};

use super::super::notation::{ME, has, own, request as bit, write_plain};
use crate::json::{ArrayWriter, Bad, Field, JsonKind, Object, ObjectWriter};
use crate::schema::{self, Refs, Subset};

/// What structured outputs understand in strict mode.
pub(super) const STRICT: Subset = Subset {
    keywords: &[
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "description",
        "title",
        "$ref",
        "$defs",
        "definitions",
        "pattern",
        "format",
        "multipleOf",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minItems",
        "maxItems",
    ],
    formats: &[
        "date-time",
        "time",
        "date",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "uuid",
    ],
    refs: Refs::Any,
    closed: true,
    all_required: true,
    ..Subset::STANDARD
};

/// Reads a tool.
pub(super) fn read(field: Field<'_>) -> Result<Tool, Bad> {
    let mut o = field.object()?;
    let kind = o.need_str("type")?;
    let tool =
        |name, description, kind, extra| Tool { name, description, kind, cache: None, extra };
    match &*kind {
        "function" => {
            let name = o.need_str("name")?;
            let description = o.str("description")?;
            let schema = o.raw("parameters")?;
            let strict = o.bool("strict")?;
            let kind = ToolKind::Function { schema, strict };
            Ok(tool(name, description, kind, o.rest(ME)))
        }
        "custom" => {
            let name = o.need_str("name")?;
            let description = o.str("description")?;
            Ok(tool(name, description, ToolKind::Custom, o.rest(ME)))
        }
        _ => {
            let native = Opaque { origin: ME, kind: kind.clone(), value: field.raw() };
            Ok(tool(kind, None, ToolKind::Native(native), super::super::notation::noted(0)))
        }
    }
}

/// Writes the tools.
pub(super) fn write(list: &mut ArrayWriter<'_>, request: &Request, losses: &mut Losses) {
    for (n, tool) in request.tools.iter().enumerate() {
        let place = |field: &str| format!("tools.{n}{field}");
        tool.extra.lose(ME, place(""), losses);
        if tool.cache.is_some() {
            losses.dropped(place(".cache"));
        }
        match &tool.kind {
            ToolKind::Function { schema, strict } => {
                let said = own(&tool.extra);
                let mut o = list.object();
                o.str("type", "function").str("name", &tool.name);
                o.opt_str("description", tool.description.as_ref());
                // Not saying is saying yes here, and would refuse most schemas written elsewhere.
                let strict = if said { *strict } else { Some(strict.unwrap_or(false)) };
                o.opt_bool("strict", strict);
                match schema {
                    Some(schema) if !said && strict == Some(true) => {
                        o.raw(
                            "parameters",
                            &schema::fit(schema, &STRICT, &place(".schema"), losses),
                        );
                    }
                    Some(schema) => {
                        o.raw("parameters", schema);
                    }
                    None if said => {}
                    None => {
                        o.object("parameters").str("type", "object").object("properties");
                    }
                }
                write_plain(&tool.extra, &[], &mut o);
            }
            ToolKind::Custom => {
                let mut o = list.object();
                o.str("type", "custom").str("name", &tool.name);
                o.opt_str("description", tool.description.as_ref());
                write_plain(&tool.extra, &[], &mut o);
            }
            ToolKind::Native(native) if native.origin == ME => list.raw(&native.value),
            ToolKind::Native(_) => losses.dropped(place("")),
        }
    }
}

/// Reads the choice; one among the provider's own tools stays as written.
pub(super) fn read_choice(o: &mut Object<'_>, request: &mut Request) -> Result<u32, Bad> {
    let Some(field) = o.see("tool_choice").filter(|f| !f.is_null()) else { return Ok(0) };
    let mut bits = 0;
    let choice = match field.kind() {
        JsonKind::String => match &*field.cow()? {
            "auto" => Some(ToolChoice::Auto),
            "none" => Some(ToolChoice::Never),
            "required" => Some(ToolChoice::Required),
            _ => None,
        },
        JsonKind::Object => match named(field)? {
            Some((name, custom)) => {
                if custom {
                    bits = bit::CHOICE_CUSTOM;
                }
                Some(ToolChoice::Named(name))
            }
            None => among(field, request)?,
        },
        _ => return Err(field.bad("must be a string or an object")),
    };
    if choice.is_some() {
        o.take("tool_choice")?;
    }
    request.tool_choice = choice;
    Ok(bits)
}

/// The name in `{"type": …, "name": …}`, and whether it is a custom tool's.
fn named(field: Field<'_>) -> Result<Option<(Str, bool)>, Bad> {
    let mut o = field.object()?;
    let kind = o.need_str("type")?;
    if !matches!(&*kind, "function" | "custom") {
        return Ok(None);
    }
    let name = o.need_str("name")?;
    // A field more, and it says something that we do not know.
    Ok(o.names().next().is_none().then_some((name, kind == "custom")))
}

fn among(field: Field<'_>, request: &Request) -> Result<Option<ToolChoice>, Bad> {
    let mut o = field.object()?;
    if o.need_str("type")? != "allowed_tools" {
        return Ok(None);
    }
    let required = match &*o.need_str("mode")? {
        "auto" => false,
        "required" => true,
        _ => return Ok(None),
    };
    let mut names = Vec::new();
    for tool in o.array("tools")? {
        match named(tool)? {
            Some((name, custom)) if custom == is_custom(request, &name) => names.push(name),
            _ => return Ok(None),
        }
    }
    Ok(o.names().next().is_none().then_some(ToolChoice::Among { names, required }))
}

fn is_custom(request: &Request, name: &str) -> bool {
    request.tools.iter().any(|t| t.name == name && matches!(t.kind, ToolKind::Custom))
}

/// Writes the choice.
pub(super) fn write_choice(o: &mut ObjectWriter<'_>, request: &Request, losses: &mut Losses) {
    let said = |t: &Tool| match &t.kind {
        ToolKind::Native(opaque) => opaque.origin == ME,
        ToolKind::Function { .. } | ToolKind::Custom => true,
    };
    if !own(&request.extra) && !request.tools.is_empty() && !request.tools.iter().any(said) {
        // A choice among tools that are gone is refused.
        if request.tool_choice.is_some() {
            losses.dropped("tool_choice");
        }
        return;
    }
    let kind = |name: &str| if is_custom(request, name) { "custom" } else { "function" };
    match &request.tool_choice {
        None => {}
        Some(ToolChoice::Auto) => {
            o.str("tool_choice", "auto");
        }
        Some(ToolChoice::Never) => {
            o.str("tool_choice", "none");
        }
        Some(ToolChoice::Required) => {
            o.str("tool_choice", "required");
        }
        Some(ToolChoice::Named(name)) => {
            let custom = has(&request.extra, bit::CHOICE_CUSTOM);
            let kind = if custom { "custom" } else { kind(name) };
            o.object("tool_choice").str("type", kind).str("name", name);
        }
        Some(ToolChoice::Among { names, required }) => {
            let mut o = o.object("tool_choice");
            o.str("type", "allowed_tools");
            o.str("mode", if *required { "required" } else { "auto" });
            let mut list = o.array("tools");
            for name in names {
                list.object().str("type", kind(name)).str("name", name);
            }
        }
    }
}
