//! Tools, and whether one must be called.

use llm_core::Str;
use llm_core::dialect::DialectId;
use llm_core::extra::Losses;
use llm_core::prompt::{Opaque, Request, Tool, ToolChoice, ToolKind};

use super::tool::{DECLARATIONS, FIRST, JSON_PARAMETERS, OWN_PARAMETERS};
use super::{ALLOWED, CALLING, EMPTY_TOOL_CONFIG, LONE_TOOL, NUMBERS, TOOL_CONFIG, VALIDATED};
use crate::gemini::names::{self, CALLING_MODE};
use crate::gemini::notation::{ME, Name, rest, restore, restore_remainder};
use crate::gemini::schema;
use crate::json::{ArrayWriter, Bad, Field, JsonKind, Object, ObjectWriter};

/// A custom tool takes text where this dialect takes an object.
const TEXT_PARAMETERS: &str =
    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;

/// Reads `tools`: objects of which each may hold functions and Google's own tools.
pub(super) fn read(o: &mut Object<'_>, bits: &mut u32) -> Result<Vec<Tool>, Bad> {
    // An empty list stays where it is.
    if o.see("tools").is_some_and(|f| f.text().trim_matches(['[', ']', ' ', '\n']).is_empty()) {
        return Ok(Vec::new());
    }
    let Some(field) = o.take("tools")? else { return Ok(Vec::new()) };
    let list = if field.kind() == JsonKind::Object {
        *bits |= LONE_TOOL;
        vec![field]
    } else {
        field.array()?
    };
    let mut tools = Vec::new();
    for field in list {
        let start = tools.len();
        read_object(field.object()?, &mut tools)?;
        if let Some(first) = tools.get_mut(start) {
            let extra = std::mem::take(&mut first.extra);
            first.extra = extra.noted(FIRST);
        }
    }
    Ok(tools)
}

fn read_object(mut o: Object<'_>, tools: &mut Vec<Tool>) -> Result<(), Bad> {
    let mut bits = 0;
    let some =
        DECLARATIONS.see(&o).is_some_and(|f| f.kind() == JsonKind::Array && f.text() != "[]");
    if some && let Some(list) = DECLARATIONS.take(&mut o, &mut bits)? {
        for declaration in list.array()? {
            tools.push(function(declaration, bits)?);
        }
    }
    let mut any = some;
    for (name, value) in o.members() {
        any = true;
        let kind = Str::from(name.to_string());
        let opaque = Opaque { origin: ME, kind: kind.clone(), value: value.raw() };
        tools.push(native(kind, opaque));
    }
    if !any {
        let nothing = Opaque { origin: ME, kind: Str::new(), value: o.field().raw() };
        tools.push(native(Str::new(), nothing));
    }
    Ok(())
}

fn native(name: Str, opaque: Opaque) -> Tool {
    let extra = llm_core::extra::Extra::new(ME);
    Tool { name, description: None, kind: ToolKind::Native(opaque), cache: None, extra }
}

fn function(field: Field<'_>, mut bits: u32) -> Result<Tool, Bad> {
    let mut o = field.object()?;
    let name = o.need_str("name")?;
    let description = o.str("description")?;
    let mut own = None;
    let schema = match JSON_PARAMETERS.take(&mut o, &mut bits)? {
        Some(schema) => Some(schema.raw()),
        None => {
            own = o.raw("parameters")?;
            own.clone()
        }
    };
    bits |= if own.is_some() { OWN_PARAMETERS } else { 0 };
    let mut extra = rest(o, bits);
    let schema = match own {
        Some(own) => Some(schema::read(&own, &mut extra)),
        None => schema,
    };
    let kind = ToolKind::Function { schema, strict: None };
    Ok(Tool { name, description, kind, cache: None, extra })
}

/// Reads `toolConfig`; what is left of it is the remainder.
pub(super) fn read_choice<'a>(
    o: &mut Object<'a>,
    r: &mut Request,
    bits: &mut u32,
) -> Result<Option<Object<'a>>, Bad> {
    let Some(field) = TOOL_CONFIG.take(o, bits)? else { return Ok(None) };
    let mut config = field.object()?;
    let understood = match CALLING.see(&config) {
        Some(calling) => choice(calling, bits)?,
        None => None,
    };
    match understood {
        // Understood as a whole or not at all.
        Some(choice) => {
            CALLING.take(&mut config, bits)?;
            r.tool_choice = Some(choice);
        }
        None if config.names().next().is_none() => *bits |= EMPTY_TOOL_CONFIG,
        None => {}
    }
    Ok(Some(config))
}

fn choice(field: Field<'_>, bits: &mut u32) -> Result<Option<ToolChoice>, Bad> {
    let mut o = field.object()?;
    let Some(mode) = o.take("mode")? else { return Ok(None) };
    let Some((mode, number)) = names::word(mode, CALLING_MODE) else { return Ok(None) };
    let mut noted = if number { NUMBERS } else { 0 };
    let names: Option<Vec<Str>> = match ALLOWED.take(&mut o, &mut noted)? {
        Some(list) => Some(list.array()?.iter().map(Field::str).collect::<Result<_, _>>()?),
        None => None,
    };
    let choice = match (&*mode, names) {
        ("AUTO", None) => ToolChoice::Auto,
        ("NONE", None) => ToolChoice::Never,
        ("ANY", None) => ToolChoice::Required,
        ("VALIDATED", None) => {
            noted |= VALIDATED;
            ToolChoice::Auto
        }
        ("VALIDATED", Some(names)) if !names.is_empty() => {
            ToolChoice::Among { names, required: false }
        }
        ("ANY", Some(names)) => match <[Str; 1]>::try_from(names) {
            Ok([name]) => ToolChoice::Named(name),
            Err(names) if names.is_empty() => return Ok(None),
            Err(names) => ToolChoice::Among { names, required: true },
        },
        _ => return Ok(None),
    };
    if o.names().next().is_some() {
        return Ok(None);
    }
    *bits |= noted;
    Ok(Some(choice))
}

/// Writes `tools`, if there are any.
pub(super) fn write(o: &mut ObjectWriter<'_>, r: &Request, losses: &mut Losses) -> bool {
    let groups = groups(&r.tools, losses);
    let bits = r.extra.notation(ME);
    // An empty list that stood there is among what was not read.
    if groups.is_empty() {
        return false;
    }
    match (&groups[..], bits.has(LONE_TOOL)) {
        ([group], true) => write_group(&mut o.object("tools"), group, losses),
        _ => {
            let mut list = o.array("tools");
            groups.iter().for_each(|g| write_group(&mut list.object(), g, losses));
        }
    }
    true
}

/// Tools that share an object, each with its place in the list.
type Group<'a> = Vec<(usize, &'a Tool)>;

/// Functions of other dialects go into one object: the API reads several, but not every model
/// does.
fn groups<'a>(tools: &'a [Tool], losses: &mut Losses) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (at, tool) in tools.iter().enumerate() {
        if let ToolKind::Native(opaque) = &tool.kind
            && opaque.origin != DialectId::Gemini
        {
            losses.dropped(format!("tools.{at}"));
            continue;
        }
        let first = tool.extra.notation(ME).has(FIRST);
        match groups.last_mut() {
            Some(group) if !first => group.push((at, tool)),
            _ => groups.push(vec![(at, tool)]),
        }
    }
    groups
}

fn write_group(o: &mut ObjectWriter<'_>, group: &Group<'_>, losses: &mut Losses) {
    let functions = || group.iter().filter(|(_, t)| !matches!(t.kind, ToolKind::Native(_)));
    if let Some((_, first)) = functions().next() {
        let mut list = o.array(DECLARATIONS.spelled(first.extra.notation(ME)));
        functions().for_each(|(at, tool)| write_function(&mut list, *at, tool, losses));
    }
    for (_, tool) in group {
        if let ToolKind::Native(opaque) = &tool.kind
            && !opaque.kind.is_empty()
        {
            o.under(&opaque.kind).raw(&opaque.value);
        }
    }
}

fn write_function(list: &mut ArrayWriter<'_>, at: usize, tool: &Tool, losses: &mut Losses) {
    let path = |what: &str| format!("tools.{at}.{what}");
    let notation = tool.extra.notation(ME);
    let mut o = list.object();
    o.str("name", &tool.name).opt_str("description", tool.description.as_ref());
    match &tool.kind {
        ToolKind::Function { schema, strict } => {
            if *strict == Some(true) {
                losses.dropped(path("strict"));
            }
            if let Some(schema) = schema {
                let own = notation.has(OWN_PARAMETERS);
                match schema::own(schema, &tool.extra).filter(|_| own) {
                    Some(own) => o.raw("parameters", &own),
                    None => o.raw(JSON_PARAMETERS.spelled(notation), schema),
                };
            }
        }
        ToolKind::Custom => {
            losses.approximated(path("kind"));
            o.json(JSON_PARAMETERS.camel, TEXT_PARAMETERS);
        }
        ToolKind::Native(_) => {}
    }
    if tool.cache.is_some() {
        losses.dropped(path("cache"));
    }
    restore(&mut o, &tool.extra, &[]);
    tool.extra.lose(ME, format_args!("tools.{at}"), losses);
}

/// Writes `toolConfig`, if there is anything in it.
pub(super) fn write_choice(o: &mut ObjectWriter<'_>, r: &Request) -> bool {
    let bits = r.extra.notation(ME);
    let kept = r.extra.get_from(ME, TOOL_CONFIG.camel).is_some_and(|v| !v.is_null());
    // Without tools there is nothing to choose, and the API refuses a choice.
    let ours = r.extra.origin() == Some(ME);
    let function = |t: &Tool| matches!(t.kind, ToolKind::Function { .. } | ToolKind::Custom);
    let idle = !ours && !r.tools.iter().any(function);
    if idle || r.tool_choice.is_none() && !kept && !bits.has(EMPTY_TOOL_CONFIG) {
        return false;
    }
    let mut config = o.object(TOOL_CONFIG.spelled(bits));
    if let Some(choice) = &r.tool_choice {
        let mut calling = config.object(CALLING.spelled(bits));
        let (mode, names): (&str, &[Str]) = match choice {
            ToolChoice::Auto if bits.has(VALIDATED) => ("VALIDATED", &[]),
            ToolChoice::Auto => ("AUTO", &[]),
            ToolChoice::Never => ("NONE", &[]),
            ToolChoice::Required => ("ANY", &[]),
            ToolChoice::Named(name) => ("ANY", std::slice::from_ref(name)),
            ToolChoice::Among { names, required: true } => ("ANY", names),
            // The one mode that takes names without forcing a call.
            ToolChoice::Among { names, required: false } => ("VALIDATED", names),
        };
        write_word(&mut calling, "mode", mode, CALLING_MODE, bits.has(NUMBERS));
        if !names.is_empty() {
            calling.strs(spelled(&ALLOWED, r), names);
        }
    }
    restore_remainder(&mut config, &r.extra, TOOL_CONFIG.camel);
    true
}

fn spelled(name: &Name, r: &Request) -> &'static str {
    name.spelled(r.extra.notation(ME))
}

/// Writes an enum as its word or its number.
pub(super) fn write_word(
    o: &mut ObjectWriter<'_>,
    name: &'static str,
    word: &str,
    table: &[&'static str],
    as_number: bool,
) {
    match names::number(word, table).filter(|_| as_number) {
        Some(number) => o.u64(name, number),
        None => o.str(name, word),
    };
}
