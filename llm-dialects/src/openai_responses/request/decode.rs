//! Reads a request.

use llm_core::dialect::{BadRequest, Body};
use llm_core::extra::Extra;
use llm_core::prompt::PartKind;
use llm_core::prompt::{
    JsonSchema, Message, OutputFormat, Part, ReasoningSpec, Request, Role, Text,
};

use super::super::content;
use super::super::items::{self, Turn};
use super::super::notation::{
    FORMAT, ME, REASONING, TEXT, message as message_bit, noted, part as part_bit, put_below,
    request as bit,
};
use super::{INCLUDE_LOGPROBS, INCLUDE_REASONING, tools};
use crate::json::{Bad, Field, JsonKind, Object, object};

/// Reads a request, of either path.
pub(crate) fn decode(body: Body<'_>) -> Result<Request, BadRequest> {
    let text = object::text(body.bytes)?;
    Ok(read(Object::root(&text)?)?)
}

fn read(mut o: Object<'_>) -> Result<Request, Bad> {
    let mut bits = 0;
    let mut below = Extra::new(ME);
    let mut request = Request { model: o.need_str("model")?, ..Request::default() };
    if let Some(instructions) = o.str("instructions")? {
        request.system.push(Message {
            extra: noted(message_bit::INSTRUCTIONS),
            ..Message::text(Role::System, instructions)
        });
    }
    match o.take("input")? {
        Some(input) if input.kind() == JsonKind::String => {
            bits |= bit::INPUT_STRING;
            let extra = noted(0);
            request.messages.push(Message { extra, ..Message::text(Role::User, input.str()?) });
        }
        Some(input) => {
            for item in input.array()? {
                self::item(item, &mut request)?;
            }
        }
        None => bits |= bit::NO_INPUT,
    }
    if let Some(list) = o.take("tools")? {
        bits |= bit::TOOLS;
        request.tools = list.array()?.into_iter().map(tools::read).collect::<Result<_, _>>()?;
    }
    bits |= tools::read_choice(&mut o, &mut request)?;
    request.parallel_tools = o.bool("parallel_tool_calls")?;
    let sampling = &mut request.sampling;
    sampling.temperature = o.number("temperature")?;
    sampling.top_p = o.number("top_p")?;
    sampling.top_logprobs = o.number("top_logprobs")?;
    request.output.tokens_max = o.number("max_output_tokens")?;
    if let Some(text) = o.object("text")? {
        bits |= bit::TEXT;
        self::text(text, &mut request, &mut below)?;
    }
    if let Some(reasoning) = o.object("reasoning")? {
        request.reasoning = Some(self::reasoning(reasoning, &mut below)?);
    }
    bits |= user(&mut o, &mut request)?;
    if let Some(stream) = o.bool("stream")? {
        bits |= bit::STREAM;
        request.stream = stream;
    }
    bits |= include(&mut o, &mut request)?;
    if o.see("store").is_some_and(|f| f.text() == "false") {
        o.take("store")?;
        bits |= bit::STORE_FALSE;
    }
    request.extra = o.rest(ME).noted(bits);
    for (name, value) in below.fields() {
        request.extra.push(name.clone(), value.clone());
    }
    Ok(request)
}

/// One item of the conversation. Neighbouring items of the model's are one turn.
fn item(item: Field<'_>, request: &mut Request) -> Result<(), Bad> {
    match items::turn(item)? {
        Turn::Said(role) => {
            let message = said(item, role)?;
            let before = request.messages.is_empty() && role != Role::User;
            let list = if before { &mut request.system } else { &mut request.messages };
            list.push(message);
        }
        Turn::Tool => {
            let parts = vec![items::tool_item(item)?];
            request.messages.push(Message { role: Role::Tool, parts, extra: noted(0) });
        }
        Turn::Model => {
            let goes_on = request.messages.last().is_some_and(|m| m.role == Role::Assistant);
            if !goes_on {
                let extra = noted(0);
                request.messages.push(Message { role: Role::Assistant, parts: Vec::new(), extra });
            }
            if let Some(message) = request.messages.last_mut() {
                items::model_item(item, true, &mut message.parts)?;
            }
        }
    }
    Ok(())
}

/// A message of a person or an operator.
fn said(item: Field<'_>, role: Role) -> Result<Message, Bad> {
    let mut o = item.object()?;
    o.need("role")?;
    let mut bits = if o.take("type")?.is_none() { message_bit::NO_TYPE } else { 0 };
    let content = o.need("content")?;
    let parts = if content.kind() == JsonKind::String {
        bits |= message_bit::STRING;
        let text = PartKind::Text(Text::new(content.str()?));
        vec![Part { extra: noted(part_bit::INSIDE), ..Part::new(text) }]
    } else {
        content::list(content)?
    };
    Ok(Message { role, parts, extra: o.rest(ME).noted(bits) })
}

fn text(mut o: Object<'_>, request: &mut Request, below: &mut Extra) -> Result<(), Bad> {
    request.output.verbosity = o.str("verbosity")?;
    if let Some(format) = o.see("format") {
        let mut inner = match format.kind() {
            JsonKind::Object => format.object()?,
            JsonKind::Null => {
                put_below(TEXT, &o.rest(ME), below);
                return Ok(());
            }
            _ => return Err(format.bad("must be an object")),
        };
        let kind = inner.need_str("type")?;
        let known = match &*kind {
            "text" => Some(OutputFormat::Text),
            "json_object" => Some(OutputFormat::Json),
            "json_schema" => Some(OutputFormat::Schema(JsonSchema {
                name: inner.str("name")?,
                description: inner.str("description")?,
                schema: inner.need("schema")?.raw(),
                strict: inner.bool("strict")?,
            })),
            // Grammars and the like stay as written.
            _ => None,
        };
        if known.is_some() {
            o.take("format")?;
            put_below(FORMAT, &inner.rest(ME), below);
            request.output.format = known;
        }
    }
    put_below(TEXT, &o.rest(ME), below);
    Ok(())
}

fn reasoning(mut o: Object<'_>, below: &mut Extra) -> Result<ReasoningSpec, Bad> {
    let effort = o.str("effort")?;
    let summary = o.str("summary")?;
    let visible = summary.as_ref().map(|_| true);
    put_below(REASONING, &o.rest(ME), below);
    Ok(ReasoningSpec { enabled: None, effort, budget: None, visible, summary })
}

/// The end user has an old name and a new one. Where both stand, the old one is meant for people.
fn user(o: &mut Object<'_>, request: &mut Request) -> Result<u32, Bad> {
    request.user = o.str("user")?;
    if request.user.is_some() {
        return Ok(0);
    }
    request.user = o.str("safety_identifier")?;
    Ok(if request.user.is_some() { bit::SAFETY } else { 0 })
}

/// What `include` asks for. Two of its words need no field: state is always carried, and log
/// probabilities have a place among our words. A list of other things stays as written.
fn include(o: &mut Object<'_>, request: &mut Request) -> Result<u32, Bad> {
    let Some(list) = o.see("include").filter(|f| f.kind() == JsonKind::Array) else { return Ok(0) };
    let words = list.array()?.iter().map(Field::cow).collect::<Result<Vec<_>, _>>()?;
    let words: Vec<&str> = words.iter().map(|w| &**w).collect();
    if words.contains(&INCLUDE_LOGPROBS) {
        request.sampling.logprobs = Some(true);
    }
    let bits = match words.as_slice() {
        [w] if *w == INCLUDE_REASONING => bit::INCLUDE_REASONING,
        [w] if *w == INCLUDE_LOGPROBS => bit::INCLUDE_LOGPROBS,
        [a, b] if *a == INCLUDE_REASONING && *b == INCLUDE_LOGPROBS => {
            bit::INCLUDE_REASONING | bit::INCLUDE_LOGPROBS
        }
        [a, b] if *a == INCLUDE_LOGPROBS && *b == INCLUDE_REASONING => {
            bit::INCLUDE_REASONING | bit::INCLUDE_LOGPROBS | bit::LOGPROBS_FIRST
        }
        _ => return Ok(0),
    };
    o.take("include")?;
    Ok(bits)
}
