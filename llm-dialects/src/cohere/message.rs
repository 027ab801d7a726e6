//! A message of the model, as history and answers both have it: plan, content, calls, citations.

use llm_core::Str;
use llm_core::completion::FinishReason;
use llm_core::prompt::{Part, PartKind, ToolCall};

use super::wire::{FUNCTION, ID, note};
use super::{citations, content};
use crate::json::{ArrayWriter, Bad, Field, JsonKind, Object, ObjectWriter, nested};
use crate::state::call_id;

/// Arguments of a tool that takes nothing.
pub(super) const NOTHING: &str = "{}";
/// The same as some models write it, in JSON.
const NULL_TEXT: &str = "\"null\"";
/// The type of a call whose arguments are free text. Cohere has no such tools, so that none of its
/// clients asks for one; an answer of somebody else's may hold a call all the same.
pub(super) const CUSTOM: &str = "custom";
const CUSTOM_TEXT: &str = "\"custom\"";

/// What is wrong with an answer whose calls nobody can make.
pub(super) const UNSOUND: &str = "the arguments of a tool call are no JSON";

/// Whether the arguments of a call are JSON, or nothing.
pub(super) fn is_json(arguments: &str) -> bool {
    arguments.trim().is_empty() || serde_json::from_str::<serde::de::IgnoredAny>(arguments).is_ok()
}

/// Whether an answer that ended so must hold whole calls.
pub(super) fn is_whole(reason: &FinishReason) -> bool {
    matches!(reason, FinishReason::Stop | FinishReason::ToolCalls)
}

/// Reads what the model said.
pub(super) fn read(o: &mut Object<'_>, bits: &mut u32) -> Result<Vec<Part>, Bad> {
    let mut parts = Vec::new();
    match o.str("tool_plan")? {
        None => {}
        Some(plan) if plan.is_empty() => *bits |= note::NO_PLAN,
        Some(plan) => {
            let mut part = Part::new(PartKind::Reasoning(plan));
            part.extra = llm_core::extra::Extra::new(ID).noted(note::PLAN);
            parts.push(part);
        }
    }
    let content_start = parts.len();
    parts.extend(content::read(o, bits)?);
    citations::attach(o, &mut parts, content_start, bits)?;
    if let Some(list) = o.take("tool_calls")? {
        let list = list.array()?;
        *bits |= if list.is_empty() { note::NO_CALLS } else { 0 };
        for (at, field) in list.into_iter().enumerate() {
            parts.push(call(field, at)?);
        }
    }
    Ok(parts)
}

fn call(field: Field<'_>, at: usize) -> Result<Part, Bad> {
    let mut o = field.object()?;
    let mut bits = 0;
    let mut function = o.need(FUNCTION)?.object()?;
    let name = function.need_str("name")?;
    let arguments = match function.take("arguments")? {
        None => {
            bits |= note::ARGUMENTS_UNSAID;
            Str::new()
        }
        // Written for tools that take nothing. Other dialects want an object.
        Some(f) if f.text() == NULL_TEXT => {
            bits |= note::ARGUMENTS_NULL;
            Str::from_static(NOTHING)
        }
        Some(f) if f.kind() == JsonKind::String => f.str()?,
        Some(f) => {
            bits |= note::ARGUMENTS_JSON;
            f.raw().text().clone()
        }
    };
    let (id, state) = match o.str("id")? {
        Some(shown) => call_id::split(&shown),
        None => {
            bits |= note::ID_UNSAID;
            (format!("call_gw{at}").into(), None)
        }
    };
    let mut custom = false;
    match o.see("type").map(|f| f.text()) {
        Some("\"function\"") => drop(o.take("type")?),
        Some(CUSTOM_TEXT) => {
            o.take("type")?;
            custom = true;
        }
        _ => bits |= note::TYPE_UNSAID,
    }
    let mut extra = nested::rest(o, ID, &[FUNCTION]).noted(bits);
    nested::keep(&mut extra, FUNCTION, function, ID);
    let call = ToolCall { id, name, arguments, custom };
    Ok(Part { state, extra, ..Part::new(PartKind::ToolCall(call)) })
}

/// Writes one call. True when its arguments had to be put into an object of ours.
pub(super) fn write_call(
    list: &mut ArrayWriter<'_>,
    part: &Part,
    call: &ToolCall,
    shown: bool,
) -> bool {
    let notation = part.extra.notation(ID);
    let mut o = list.object();
    if !notation.has(note::ID_UNSAID) {
        o.str("id", &call_id::join(&call.id, part.state.as_ref().filter(|_| shown)));
    }
    if !notation.has(note::TYPE_UNSAID) {
        o.str("type", if shown && call.custom { CUSTOM } else { "function" });
    }
    nested::write_outer(&mut o, &part.extra, ID, &[FUNCTION]);
    let mut function = o.object(FUNCTION);
    function.str("name", &call.name);
    let (text, changed) = arguments(part, call, shown);
    if notation.has(note::ARGUMENTS_JSON) {
        function.json("arguments", &text);
    } else if !(text.is_empty() && notation.has(note::ARGUMENTS_UNSAID)) {
        function.str("arguments", &text);
    }
    nested::write_inner(&mut function, &part.extra, ID, FUNCTION);
    changed
}

/// The arguments as Cohere takes them: text that is a JSON object. In an answer (`shown`) what the
/// model wrote is passed on as it is, cut short or not.
pub(super) fn arguments(part: &Part, call: &ToolCall, shown: bool) -> (Str, bool) {
    let text = &call.arguments;
    if part.extra.notation(ID).has(note::ARGUMENTS_NULL) && text == NOTHING {
        return (Str::from_static("null"), false);
    }
    if part.extra.origin() == Some(ID) || shown && call.custom {
        return (text.clone(), false);
    }
    let kind = Field::root(text).map(|f| f.kind()).ok().filter(|_| !call.custom);
    match kind {
        Some(JsonKind::Object) => (text.clone(), false),
        Some(JsonKind::Null) => (Str::from_static(NOTHING), false),
        _ if text.trim().is_empty() && !call.custom => (Str::from_static(NOTHING), false),
        _ if shown => (text.clone(), false),
        _ => (wrapped(text), true),
    }
}

fn wrapped(text: &str) -> Str {
    let out = crate::json::write::object(|o| {
        o.str("input", text);
    });
    Str::try_from(out.freeze()).unwrap_or_default()
}

/// Writes the plan, which stands beside the content.
pub(super) fn write_plan(o: &mut ObjectWriter<'_>, parts: &[Part], empty: bool) {
    let plans = parts.iter().filter(|p| p.extra.notation(ID).has(note::PLAN));
    let plan: String = plans
        .filter_map(|p| match &p.kind {
            PartKind::Reasoning(text) => Some(&**text),
            _ => None,
        })
        .collect();
    if empty || !plan.is_empty() {
        o.str("tool_plan", &plan);
    }
}
