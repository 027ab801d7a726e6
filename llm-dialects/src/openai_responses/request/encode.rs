//! Writes a request.

use llm_core::Str;
use llm_core::dialect::{Encoded, SendCx};
use llm_core::extra::Losses;
use llm_core::prompt::{
    JsonSchema, Message, OutputFormat, OutputSpec, PartKind, ReasoningSpec, Request, Role, Sampling,
};

use super::super::items::{Ident, Items, To, is_bare, message_fields};
use super::super::notation::{
    FORMAT, ME, REASONING, TEXT, any_below, has, message as message_bit, own, request as bit,
    write_below, write_plain,
};
use super::super::place::Place;
use super::tools::{self, STRICT};
use super::{INCLUDE_LOGPROBS, INCLUDE_REASONING};
use crate::json::{ArrayWriter, ObjectWriter, write};
use crate::schema;

/// Writes a request. `counting` is true for `/responses/input_tokens`, which takes nothing that
/// does not change the count.
pub(crate) fn encode(request: &Request, cx: &SendCx<'_>, counting: bool) -> Encoded {
    let mut losses = Losses::default();
    let body = write::object(|o| {
        o.str("model", cx.model);
        conversation(o, request, &mut losses);
        if !request.tools.is_empty() || has(&request.extra, bit::TOOLS) {
            tools::write(&mut o.array("tools"), request, &mut losses);
        }
        tools::write_choice(o, request, &mut losses);
        o.opt_bool("parallel_tool_calls", request.parallel_tools);
        text(o, request, &mut losses);
        reasoning(o, request, cx, &mut losses);
        if own(&request.extra) || !counting {
            answer(o, request, cx, counting, &mut losses);
        }
        write_plain(&request.extra, &[TEXT, REASONING], o);
        request.extra.lose(ME, "", &mut losses);
    });
    Encoded::json(body, losses)
}

/// What shapes the answer and not the prompt.
fn answer(
    o: &mut ObjectWriter<'_>,
    request: &Request,
    cx: &SendCx<'_>,
    counting: bool,
    losses: &mut Losses,
) {
    sampling(o, &request.sampling, cx, losses);
    output(o, request, losses);
    let user = if has(&request.extra, bit::SAFETY) { "safety_identifier" } else { "user" };
    o.opt_str(user, request.user.as_ref());
    // A program's words never asked to be kept; this API keeps them unless told.
    if has(&request.extra, bit::STORE_FALSE) || (!own(&request.extra) && !counting) {
        o.bool("store", false);
    }
    include(o, request);
    if cx.stream || has(&request.extra, bit::STREAM) {
        o.bool("stream", cx.stream);
    }
}

/// `instructions` and `input`.
fn conversation(o: &mut ObjectWriter<'_>, request: &Request, losses: &mut Losses) {
    let mut before = request.system.as_slice();
    if let (Some(text), Some((first, rest))) = (instructions(request), before.split_first()) {
        o.str("instructions", text);
        before = rest;
        let place = Place::message("system", 0);
        place.lose(&first.extra, losses);
        first.parts.iter().enumerate().for_each(|(n, p)| place.part(n).lose(&p.extra, losses));
    }
    if let ([], [only]) = (before, request.messages.as_slice())
        && has(&request.extra, bit::INPUT_STRING)
        && let Some(text) = lone_text(only)
    {
        o.str("input", text);
        return;
    }
    if before.is_empty() && request.messages.is_empty() && has(&request.extra, bit::NO_INPUT) {
        return;
    }
    let custom = custom_calls(request);
    let mut list = o.array("input");
    let mut items = Items::new(To::Upstream(&custom), losses);
    let taken = request.system.len() - before.len();
    for (n, message) in (taken..).zip(before) {
        self::message(&mut list, &mut items, message, Place::message("system", n));
    }
    for (n, message) in request.messages.iter().enumerate() {
        self::message(&mut list, &mut items, message, Place::message("messages", n));
    }
}

fn message(list: &mut ArrayWriter<'_>, items: &mut Items<'_>, message: &Message, place: Place) {
    place.lose(&message.extra, items.losses);
    if message.role == Role::Tool && message.parts.iter().any(|p| is_said(&p.kind)) {
        place.approximated("role", items.losses);
    }
    let person = matches!(message.role, Role::User | Role::System | Role::Developer);
    let extra = (own(&message.extra) && person).then_some(&message.extra);
    if extra.is_some() && message.parts.is_empty() {
        // Said, though nothing is in it.
        let (mut o, ident) = (list.object(), Ident::default());
        return message_fields(&mut o, message.role, &[], extra, ident, (place, 0), items.losses);
    }
    items.parts(list, message.role, &message.parts, extra, place);
}

fn is_said(kind: &PartKind) -> bool {
    matches!(kind, PartKind::Text(_) | PartKind::Image(_) | PartKind::File(_))
}

/// The text for `instructions`, which stands for the first system message. What stood there
/// returns there; of another dialect's words only those go there that are one plain text, because
/// messages keep pieces and cache marks apart.
fn instructions(request: &Request) -> Option<&str> {
    let first = request.system.first()?;
    let stood = has(&first.extra, message_bit::INSTRUCTIONS);
    let alone = !own(&first.extra) && request.system.len() == 1;
    lone_text(first).filter(|_| stood || alone)
}

/// The text of a message that is nothing else.
fn lone_text(message: &Message) -> Option<&str> {
    match message.parts.as_slice() {
        [part] if is_bare(part) && part.state.is_none() => match &part.kind {
            PartKind::Text(text) => Some(&text.text),
            _ => None,
        },
        _ => None,
    }
}

/// Ids of the calls whose tools take free text: their results are items of another kind.
fn custom_calls(request: &Request) -> Vec<Str> {
    let parts = request.messages.iter().flat_map(|m| &m.parts);
    parts
        .filter_map(|p| match &p.kind {
            PartKind::ToolCall(call) if call.custom => Some(call.id.clone()),
            _ => None,
        })
        .collect()
}

fn sampling(o: &mut ObjectWriter<'_>, s: &Sampling, cx: &SendCx<'_>, losses: &mut Losses) {
    for (name, value) in [("temperature", &s.temperature), ("top_p", &s.top_p)] {
        if cx.capability.sampling {
            o.opt_number(name, value.as_ref());
        } else if value.is_some() {
            losses.dropped(format!("sampling.{name}"));
        }
    }
    if cx.capability.logprobs {
        o.opt_number("top_logprobs", s.top_logprobs.as_ref());
    } else if s.top_logprobs.is_some() {
        losses.dropped("sampling.top_logprobs");
    }
    let none = [
        ("top_k", &s.top_k),
        ("frequency_penalty", &s.frequency_penalty),
        ("presence_penalty", &s.presence_penalty),
        ("seed", &s.seed),
    ];
    for (name, value) in none {
        if value.is_some() {
            losses.dropped(format!("sampling.{name}"));
        }
    }
}

fn output(o: &mut ObjectWriter<'_>, request: &Request, losses: &mut Losses) {
    let output = &request.output;
    match &output.tokens_max {
        Some(max)
            if !own(&request.extra) && max.as_u64().is_some_and(|n| n < OUTPUT_TOKENS_MIN) =>
        {
            // Fewer are refused; a little more is nearer to what was meant than an error.
            losses.approximated("output.tokens_max");
            o.u64("max_output_tokens", OUTPUT_TOKENS_MIN);
        }
        max => {
            o.opt_number("max_output_tokens", max.as_ref());
        }
    }
    if !output.stop.is_empty() {
        losses.dropped("output.stop");
    }
    if output.candidates.is_some_and(|n| n > 1) {
        losses.dropped("output.candidates");
    }
    if output.modalities.iter().any(|m| m != "text") {
        losses.dropped("output.modalities");
    }
}

/// The API's least value of `max_output_tokens`.
const OUTPUT_TOKENS_MIN: u64 = 16;

fn include(o: &mut ObjectWriter<'_>, request: &Request) {
    let mut words = Vec::new();
    if own(&request.extra) {
        if has(&request.extra, bit::INCLUDE_REASONING) {
            words.push(INCLUDE_REASONING);
        }
        if has(&request.extra, bit::INCLUDE_LOGPROBS) {
            words.push(INCLUDE_LOGPROBS);
        }
        if has(&request.extra, bit::LOGPROBS_FIRST) {
            words.reverse();
        }
    } else {
        // Models that do not reason refuse to be asked for it.
        if request.reasoning.is_some() {
            words.push(INCLUDE_REASONING);
        }
        if request.sampling.logprobs == Some(true) {
            words.push(INCLUDE_LOGPROBS);
        }
    }
    if !words.is_empty() {
        let mut list = o.array("include");
        words.into_iter().for_each(|w| list.str(w));
    }
}

fn text(o: &mut ObjectWriter<'_>, request: &Request, losses: &mut Losses) {
    let OutputSpec { format, verbosity, .. } = &request.output;
    let stood = has(&request.extra, bit::TEXT) || any_below(TEXT, &request.extra);
    if format.is_none() && verbosity.is_none() && !stood {
        return;
    }
    let mut o = o.object("text");
    o.opt_str("verbosity", verbosity.as_ref());
    if let Some(format) = format {
        let mut o = o.object("format");
        match format {
            OutputFormat::Text => o.str("type", "text"),
            OutputFormat::Json => o.str("type", "json_object"),
            OutputFormat::Schema(schema) => json_schema(&mut o, schema, request, losses),
        };
        write_below(FORMAT, "", &request.extra, &mut o);
    }
    write_below(TEXT, FORMAT, &request.extra, &mut o);
}

fn json_schema<'o, 'b>(
    o: &'o mut ObjectWriter<'b>,
    json: &JsonSchema,
    request: &Request,
    losses: &mut Losses,
) -> &'o mut ObjectWriter<'b> {
    let said = own(&request.extra);
    o.str("type", "json_schema");
    match &json.name {
        Some(name) => o.str("name", name),
        None if said => o,
        None => o.str("name", SCHEMA_NAME),
    };
    o.opt_str("description", json.description.as_ref()).opt_bool("strict", json.strict);
    if !said && json.strict == Some(true) {
        o.raw("schema", &schema::fit(&json.schema, &STRICT, "output.format.schema", losses))
    } else {
        o.raw("schema", &json.schema)
    }
}

/// Required here, and unknown to dialects that have no name for a schema.
const SCHEMA_NAME: &str = "answer";

fn reasoning(o: &mut ObjectWriter<'_>, request: &Request, cx: &SendCx<'_>, losses: &mut Losses) {
    let Some(spec) = &request.reasoning else { return };
    if !cx.capability.reasoning {
        losses.dropped("reasoning");
        return;
    }
    let effort = effort(spec, losses);
    let summary = match (&spec.summary, spec.visible) {
        (Some(summary), _) => Some(summary.clone()),
        (None, Some(true)) => Some(Str::from_static("auto")),
        (None, _) => None,
    };
    if effort.is_none() && summary.is_none() && !own(&request.extra) {
        return;
    }
    let mut o = o.object("reasoning");
    o.opt_str("effort", effort.as_ref()).opt_str("summary", summary.as_ref());
    write_below(REASONING, "", &request.extra, &mut o);
}

/// How hard to think. A budget has no place here; the efforts that usually spend as much do.
fn effort(spec: &ReasoningSpec, losses: &mut Losses) -> Option<Str> {
    if spec.effort.is_some() {
        if spec.budget.is_some() {
            losses.dropped("reasoning.budget");
        }
        return spec.effort.clone();
    }
    if spec.enabled == Some(false) {
        return Some(Str::from_static("none"));
    }
    if let Some(budget) = &spec.budget {
        losses.approximated("reasoning.budget");
        return Some(Str::from_static(match budget.as_f64() {
            // Gemini's word for "as you like".
            n if n < 0.0 => "medium",
            n if n < 1.0 => "none",
            n if n <= LOW_MAX => "low",
            n if n <= MEDIUM_MAX => "medium",
            _ => "high",
        }));
    }
    (spec.enabled == Some(true)).then(|| Str::from_static("medium"))
}

/// Budgets up to here are what `low` usually spends.
const LOW_MAX: f64 = 2048.0;
/// And up to here `medium`.
const MEDIUM_MAX: f64 = 8192.0;
