//! Tools and the choice among them, both ways.

use llm_core::Str;
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::{Opaque, Request, Tool, ToolChoice, ToolKind};

use super::super::content::{take_cache, write_cache};
use super::super::notation::{ME, keep, kept, of_part, of_request, others, own};
use crate::json::{ArrayWriter, Bad, Field, JsonKind, Object, ObjectWriter};

/// Reads `tools`, the old `functions`, and the choice.
pub(super) fn read(
    o: &mut Object<'_>,
    bits: &mut u32,
) -> Result<(Vec<Tool>, Option<ToolChoice>), Bad> {
    let mut tools = Vec::new();
    if let Some(field) = o.take("tools")? {
        for item in field.array()? {
            tools.push(tool(item)?);
        }
        *bits |= if tools.is_empty() { of_request::TOOLS_EMPTY } else { 0 };
    }
    if let Some(field) = o.take("functions")? {
        let items = field.array()?;
        *bits |= if items.is_empty() { of_request::FUNCTIONS_EMPTY } else { 0 };
        for item in items {
            tools.push(function(item.object()?, Extra::new(ME).noted(of_part::LEGACY_TOOL))?);
        }
    }
    let mut choice = None;
    if let Some(field) = o.see("tool_choice")
        && let Some(read) = read_choice(field, &tools)?
    {
        *bits |= if field.text() == "\"any\"" { of_request::CHOICE_ANY } else { 0 };
        o.take("tool_choice")?;
        choice = Some(read);
    }
    if choice.is_none()
        && let Some(field) = o.see("function_call")
        && let Some(read) = read_old_choice(field)?
    {
        *bits |= of_request::CHOICE_LEGACY;
        o.take("function_call")?;
        choice = Some(read);
    }
    Ok((tools, choice))
}

fn tool(item: Field<'_>) -> Result<Tool, Bad> {
    let mut o = item.object()?;
    let kind = match o.see("type").filter(|f| !f.is_null()) {
        Some(field) => field.str()?,
        None => Str::new(),
    };
    let member = match &*kind {
        "function" | "" => "function",
        "custom" => "custom",
        _ => return Ok(native(item, kind)),
    };
    let Some(field) = o.take_if(member, JsonKind::Object) else {
        return if kind.is_empty() { Err(o.missing("type")) } else { Err(o.missing(member)) };
    };
    let bits = if kind.is_empty() { of_part::NO_TYPE } else { 0 };
    o.take("type")?;
    let cache = take_cache(&mut o)?;
    let outer = o.rest(ME).noted(bits);
    let mut inner = field.object()?;
    let mut tool = if member == "custom" {
        let (name, description) = (inner.need_str("name")?, inner.str("description")?);
        let mut extra = outer;
        keep(&mut extra, "custom", &inner.rest(ME));
        Tool { name, description, kind: ToolKind::Custom, cache: None, extra }
    } else {
        function(inner, outer)?
    };
    tool.cache = cache;
    Ok(tool)
}

fn function(mut o: Object<'_>, mut extra: Extra) -> Result<Tool, Bad> {
    let (name, description) = (o.need_str("name")?, o.str("description")?);
    let kind = ToolKind::Function { schema: o.raw("parameters")?, strict: o.bool("strict")? };
    keep(&mut extra, "function", &o.rest(ME));
    Ok(Tool { name, description, kind, cache: None, extra })
}

fn native(item: Field<'_>, kind: Str) -> Tool {
    let opaque = Opaque { origin: ME, kind: kind.clone(), value: item.raw() };
    Tool {
        name: kind,
        description: None,
        kind: ToolKind::Native(opaque),
        cache: None,
        extra: Extra::new(ME),
    }
}

/// Reads a choice of the official shapes; `None` for any other, which stays as written.
fn read_choice(field: Field<'_>, tools: &[Tool]) -> Result<Option<ToolChoice>, Bad> {
    match field.kind() {
        JsonKind::String => Ok(match &*field.cow()? {
            "auto" => Some(ToolChoice::Auto),
            "none" => Some(ToolChoice::Never),
            "required" | "any" => Some(ToolChoice::Required),
            _ => return Err(field.bad("must be none, auto or required")),
        }),
        JsonKind::Object => {
            let mut o = field.object()?;
            let Some(allowed) = o.take_if("allowed_tools", JsonKind::Object) else {
                return Ok(named(field, tools).map(ToolChoice::Named));
            };
            Ok(among(&o, allowed, tools))
        }
        JsonKind::Null => Ok(None),
        JsonKind::Bool | JsonKind::Number | JsonKind::Array => {
            Err(field.bad("must be none, auto or required, or name a tool"))
        }
    }
}

fn among(o: &Object<'_>, allowed: Field<'_>, tools: &[Tool]) -> Option<ToolChoice> {
    let mut allowed = allowed.object().ok()?;
    let mode = allowed.take_if("mode", JsonKind::String)?;
    let required = match mode.text() {
        "\"required\"" => true,
        "\"auto\"" => false,
        _ => return None,
    };
    let names = allowed.take_if("tools", JsonKind::Array)?.array().ok()?;
    let names = names.into_iter().map(|f| named(f, tools)).collect::<Option<Vec<_>>>()?;
    let official = o.names().eq(["type"]) && allowed.names().next().is_none();
    official.then_some(ToolChoice::Among { names, required })
}

/// `{"type":"function","function":{"name":…}}`, or the same with `custom` for a custom tool.
fn named(field: Field<'_>, tools: &[Tool]) -> Option<Str> {
    let mut o = field.object().ok()?;
    let kind = o.take_if("type", JsonKind::String)?.cow().ok()?;
    let mut inner = o.take_if(&kind, JsonKind::Object)?.object().ok()?;
    let name = inner.take_if("name", JsonKind::String)?.str().ok()?;
    let official = o.names().next().is_none() && inner.names().next().is_none();
    (official && kind == kind_word(&name, tools)).then_some(name)
}

/// What kind of tool a name is: a choice repeats it.
fn kind_word(name: &str, tools: &[Tool]) -> &'static str {
    let custom = tools.iter().any(|t| &*t.name == name && matches!(t.kind, ToolKind::Custom));
    if custom { "custom" } else { "function" }
}

fn read_old_choice(field: Field<'_>) -> Result<Option<ToolChoice>, Bad> {
    if field.kind() != JsonKind::Object {
        return Ok(match field.text() {
            "\"auto\"" => Some(ToolChoice::Auto),
            "\"none\"" => Some(ToolChoice::Never),
            _ => None,
        });
    }
    let mut o = field.object()?;
    let name = o.need_str("name")?;
    Ok(o.names().next().is_none().then_some(ToolChoice::Named(name)))
}

/// Writes tools and choice.
pub(super) fn write(o: &mut ObjectWriter<'_>, request: &Request, losses: &mut Losses) {
    let notation = request.extra.notation(ME);
    let old = |t: &Tool| t.extra.notation(ME).has(of_part::LEGACY_TOOL);
    let said = |t: &Tool| match &t.kind {
        ToolKind::Native(opaque) => opaque.origin == ME,
        ToolKind::Function { .. } | ToolKind::Custom => true,
    };
    for (at, tool) in request.tools.iter().enumerate() {
        if said(tool) {
            tool.extra.lose(ME, format_args!("tools.{at}"), losses);
            if tool.cache.is_some() && !own(&tool.extra) {
                losses.dropped(format!("tools.{at}.cache"));
            }
        } else {
            losses.dropped(format!("tools.{at}"));
        }
    }
    if request.tools.iter().any(|t| said(t) && !old(t)) || notation.has(of_request::TOOLS_EMPTY) {
        let mut array = o.array("tools");
        request.tools.iter().filter(|t| said(t) && !old(t)).for_each(|t| write_tool(&mut array, t));
    }
    if request.tools.iter().any(old) || notation.has(of_request::FUNCTIONS_EMPTY) {
        let mut array = o.array("functions");
        for tool in request.tools.iter().filter(|t| old(t)) {
            write_function(&mut array.object(), tool);
        }
    }
    if request.tools.iter().any(said) || own(&request.extra) {
        write_choice(o, request);
    } else if request.tool_choice.is_some() && !request.tools.is_empty() {
        // A choice among tools that are gone is refused.
        losses.dropped("tool_choice");
    }
}

fn write_tool(array: &mut ArrayWriter<'_>, tool: &Tool) {
    match &tool.kind {
        ToolKind::Native(opaque) => array.raw(&opaque.value),
        ToolKind::Custom => {
            let mut o = array.object();
            o.str("type", "custom");
            let mut inner = o.object("custom");
            inner.str("name", &tool.name).opt_str("description", tool.description.as_ref());
            others(&mut inner, &kept(&tool.extra, "custom"), &[]);
            drop(inner);
            finish_tool(&mut o, tool, "custom");
        }
        ToolKind::Function { .. } => {
            let mut o = array.object();
            if !tool.extra.notation(ME).has(of_part::NO_TYPE) {
                o.str("type", "function");
            }
            write_function(&mut o.object("function"), tool);
            finish_tool(&mut o, tool, "function");
        }
    }
}

fn finish_tool(o: &mut ObjectWriter<'_>, tool: &Tool, member: &str) {
    if own(&tool.extra) {
        write_cache(o, tool.cache.as_ref());
    }
    others(o, &tool.extra, &[member]);
}

fn write_function(o: &mut ObjectWriter<'_>, tool: &Tool) {
    o.str("name", &tool.name).opt_str("description", tool.description.as_ref());
    if let ToolKind::Function { schema, strict } = &tool.kind {
        o.opt_raw("parameters", schema.as_ref()).opt_bool("strict", *strict);
    }
    others(o, &kept(&tool.extra, "function"), &[]);
}

fn write_choice(o: &mut ObjectWriter<'_>, request: &Request) {
    let Some(choice) = &request.tool_choice else { return };
    let notation = request.extra.notation(ME);
    let old = notation.has(of_request::CHOICE_LEGACY);
    let name = if old { "function_call" } else { "tool_choice" };
    match choice {
        ToolChoice::Auto => _ = o.str(name, "auto"),
        ToolChoice::Never => _ = o.str(name, "none"),
        ToolChoice::Required if notation.has(of_request::CHOICE_ANY) => _ = o.str(name, "any"),
        ToolChoice::Required => _ = o.str(name, "required"),
        ToolChoice::Named(tool) if old => _ = o.object(name).str("name", tool),
        ToolChoice::Named(tool) => write_named(&mut o.object(name), tool, &request.tools),
        ToolChoice::Among { names, required } => {
            let mut outer = o.object(name);
            outer.str("type", "allowed_tools");
            let mut allowed = outer.object("allowed_tools");
            allowed.str("mode", if *required { "required" } else { "auto" });
            let mut array = allowed.array("tools");
            names.iter().for_each(|n| write_named(&mut array.object(), n, &request.tools));
        }
    }
}

fn write_named(o: &mut ObjectWriter<'_>, name: &str, tools: &[Tool]) {
    let kind = kind_word(name, tools);
    o.str("type", kind).object(kind).str("name", name);
}
