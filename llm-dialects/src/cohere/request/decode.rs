//! Bytes to words.

use bytes::Bytes;
use llm_core::dialect::BadRequest;
use llm_core::prompt::{
    JsonSchema, Message, OutputFormat, Part, PartKind, ReasoningSpec, Request, Role, ToolChoice,
    ToolKind, ToolResult,
};

use super::super::wire::{ID, REQUEST_PLACES, note};
use super::super::{content, message};
use super::tools;
use crate::json::{Bad, Field, JsonKind, Object, nested, object};
use crate::state::call_id;

/// Reads a question.
pub(in crate::cohere) fn decode(body: &Bytes) -> Result<Request, BadRequest> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let mut request = Request { model: o.need_str("model")?, ..Request::default() };
    let mut bits = 0;
    match o.bool("stream")? {
        None => bits |= note::STREAM_UNSAID,
        Some(stream) => request.stream = stream,
    }
    for field in o.need("messages")?.array()? {
        let message = read_message(field)?;
        if message.role == Role::System && request.messages.is_empty() {
            request.system.push(message);
        } else {
            request.messages.push(message);
        }
    }
    if let Some(list) = o.take("tools")? {
        let list = list.array()?;
        bits |= if list.is_empty() { note::NO_TOOLS } else { 0 };
        request.tools = list.into_iter().map(tools::read).collect::<Result<_, _>>()?;
    }
    strict(&mut o, &mut request, &mut bits)?;
    request.tool_choice = match o.see("tool_choice").map(|f| f.text()) {
        Some("\"REQUIRED\"") => Some(ToolChoice::Required),
        Some("\"NONE\"") => Some(ToolChoice::Never),
        _ => None,
    };
    if request.tool_choice.is_some() {
        o.take("tool_choice")?;
    }
    sampling(&mut o, &mut request, &mut bits)?;
    let format = format(&mut o, &mut request, &mut bits)?;
    let thinking = thinking(&mut o, &mut request)?;
    if o.see("documents").is_some_and(|f| is_empty_list(f)) {
        bits |= note::NO_DOCUMENTS;
        o.take("documents")?;
    }
    request.extra = nested::rest(o, ID, &REQUEST_PLACES).noted(bits);
    for (place, inner) in REQUEST_PLACES.into_iter().zip([format, thinking]) {
        if let Some(inner) = inner {
            nested::keep(&mut request.extra, place, inner, ID);
        }
    }
    Ok(request)
}

fn is_empty_list(field: Field<'_>) -> bool {
    field.kind() == JsonKind::Array && field.array().is_ok_and(|list| list.is_empty())
}

/// One flag for all tools here, one for each in words.
fn strict(o: &mut Object<'_>, request: &mut Request, bits: &mut u32) -> Result<(), Bad> {
    let functions = || request.tools.iter().any(|t| matches!(t.kind, ToolKind::Function { .. }));
    if o.see("strict_tools").is_none_or(|f| f.text() != "true") || !functions() {
        return Ok(());
    }
    o.take("strict_tools")?;
    *bits |= note::STRICT;
    for tool in &mut request.tools {
        if let ToolKind::Function { strict, .. } = &mut tool.kind {
            *strict = Some(true);
        }
    }
    Ok(())
}

fn sampling(o: &mut Object<'_>, request: &mut Request, bits: &mut u32) -> Result<(), Bad> {
    let s = &mut request.sampling;
    s.temperature = o.number("temperature")?;
    s.top_p = o.number("p")?;
    s.top_k = o.number("k")?;
    s.frequency_penalty = o.number("frequency_penalty")?;
    s.presence_penalty = o.number("presence_penalty")?;
    s.seed = o.number("seed")?;
    s.logprobs = o.bool("logprobs")?;
    request.output.tokens_max = o.number("max_tokens")?;
    if let Some(list) = o.take("stop_sequences")? {
        let list = list.array()?;
        *bits |= if list.is_empty() { note::NO_STOP } else { 0 };
        request.output.stop = list.iter().map(|f| f.str()).collect::<Result<_, _>>()?;
    }
    Ok(())
}

fn format<'a>(
    o: &mut Object<'a>,
    request: &mut Request,
    bits: &mut u32,
) -> Result<Option<Object<'a>>, Bad> {
    let Some(field) = o.see("response_format").filter(|f| f.kind() == JsonKind::Object) else {
        return Ok(None);
    };
    let mut inner = field.object()?;
    let schema_name = ["json_schema", "schema"]
        .into_iter()
        .find(|name| inner.see(name).is_some_and(|f| f.kind() == JsonKind::Object));
    let format = match (inner.see("type").map(|f| f.text()), schema_name) {
        (Some("\"text\""), _) => OutputFormat::Text,
        (Some("\"json_object\""), None) => OutputFormat::Json,
        (Some("\"json_object\""), Some(name)) => {
            *bits |= if name == "schema" { note::SCHEMA_OLD } else { 0 };
            let schema = inner.need(name)?.raw();
            OutputFormat::Schema(JsonSchema { name: None, description: None, schema, strict: None })
        }
        _ => return Ok(None),
    };
    inner.take("type")?;
    o.take("response_format")?;
    request.output.format = Some(format);
    Ok(Some(inner))
}

fn thinking<'a>(o: &mut Object<'a>, request: &mut Request) -> Result<Option<Object<'a>>, Bad> {
    let Some(field) = o.see("thinking").filter(|f| f.kind() == JsonKind::Object) else {
        return Ok(None);
    };
    let mut inner = field.object()?;
    let enabled = match inner.see("type").map(|f| f.text()) {
        Some("\"enabled\"") => true,
        Some("\"disabled\"") => false,
        _ => return Ok(None),
    };
    inner.take("type")?;
    o.take("thinking")?;
    let budget = inner.number("token_budget")?;
    let spec = ReasoningSpec { enabled: Some(enabled), budget, ..ReasoningSpec::default() };
    request.reasoning = Some(spec);
    Ok(Some(inner))
}

fn read_message(field: Field<'_>) -> Result<Message, Bad> {
    let mut o = field.object()?;
    let role_field = o.need("role")?;
    let mut bits = 0;
    let (role, parts) = match &*role_field.cow()? {
        "system" => (Role::System, content::read(&mut o, &mut bits)?),
        "user" => (Role::User, content::read(&mut o, &mut bits)?),
        "assistant" => (Role::Assistant, message::read(&mut o, &mut bits)?),
        "tool" => {
            let call_id = call_id::split(&o.need_str("tool_call_id")?).0;
            let content = content::read(&mut o, &mut bits)?;
            let result = ToolResult { call_id, name: None, content, is_error: None };
            (Role::Tool, vec![Part::new(PartKind::ToolResult(result))])
        }
        _ => return Err(role_field.bad("must be system, user, assistant or tool")),
    };
    Ok(Message { role, parts, extra: o.rest(ID).noted(bits) })
}
