//! What stands around the conversation: options, format, thinking, probabilities.

use llm_core::dialect::SendCx;
use llm_core::extra::Losses;
use llm_core::prompt::{JsonSchema, OutputFormat, ReasoningSpec, Request};

use super::super::wire::{ID, OPTIONS, note};
use crate::json::{Bad, JsonKind, Object, ObjectWriter, nested};

/// Reads it. Gives the options, for what is left in them.
pub(super) fn read<'a>(
    o: &mut Object<'a>,
    request: &mut Request,
    bits: &mut u32,
) -> Result<Option<Object<'a>>, Bad> {
    match o.see("format").map(|f| (f.kind(), f)) {
        Some((JsonKind::Object, field)) => {
            let schema = field.raw();
            let schema = JsonSchema { name: None, description: None, schema, strict: None };
            request.output.format = Some(OutputFormat::Schema(schema));
            o.take("format")?;
        }
        Some((JsonKind::String, field)) => match &*field.cow()? {
            "json" => {
                request.output.format = Some(OutputFormat::Json);
                o.take("format")?;
            }
            "" => {
                *bits |= note::NO_FORMAT;
                o.take("format")?;
            }
            _ => {}
        },
        _ => {}
    }
    match o.see("think").map(|f| (f.kind(), f)) {
        Some((JsonKind::Bool, field)) => {
            let enabled = Some(field.bool()?);
            request.reasoning = Some(ReasoningSpec { enabled, ..ReasoningSpec::default() });
            o.take("think")?;
        }
        Some((JsonKind::String, field)) => {
            let effort = Some(field.str()?);
            request.reasoning = Some(ReasoningSpec { effort, ..ReasoningSpec::default() });
            o.take("think")?;
        }
        _ => {}
    }
    request.sampling.logprobs = o.bool("logprobs")?;
    request.sampling.top_logprobs = o.number("top_logprobs")?;
    let Some(mut options) = o.object(OPTIONS)? else { return Ok(None) };
    *bits |= note::OPTIONS;
    sampling(&mut options, request, bits)?;
    Ok(Some(options))
}

fn sampling(o: &mut Object<'_>, request: &mut Request, bits: &mut u32) -> Result<(), Bad> {
    let s = &mut request.sampling;
    s.temperature = o.number("temperature")?;
    s.top_p = o.number("top_p")?;
    s.top_k = o.number("top_k")?;
    s.frequency_penalty = o.number("frequency_penalty")?;
    s.presence_penalty = o.number("presence_penalty")?;
    s.seed = o.number("seed")?;
    // -1 and -2 mean "without end" and "until the context is full": words that nobody else has.
    if o.see("num_predict").is_some_and(|f| !f.text().starts_with('-')) {
        request.output.tokens_max = o.number("num_predict")?;
    }
    match o.take("stop")? {
        None => {}
        Some(field) if field.kind() == JsonKind::String => {
            *bits |= note::STOP_TEXT;
            request.output.stop.push(field.str()?);
        }
        Some(field) => {
            let list = field.array()?;
            *bits |= if list.is_empty() { note::NO_STOP } else { 0 };
            request.output.stop = list.iter().map(|f| f.str()).collect::<Result<_, _>>()?;
        }
    }
    Ok(())
}

/// Writes it.
pub(super) fn write(
    o: &mut ObjectWriter<'_>,
    request: &Request,
    cx: &SendCx<'_>,
    losses: &mut Losses,
) {
    let notation = request.extra.notation(ID);
    match &request.output.format {
        None if notation.has(note::NO_FORMAT) => {
            o.str("format", "");
        }
        None | Some(OutputFormat::Text) => {}
        Some(OutputFormat::Json) => {
            o.str("format", "json");
        }
        Some(OutputFormat::Schema(schema)) => {
            o.raw("format", &schema.schema);
            if schema.description.is_some() {
                losses.dropped("output.format.description");
            }
        }
    }
    if let Some(spec) = &request.reasoning {
        think(o, spec, request.extra.origin() == Some(ID), cx, losses);
    }
    if let Some(logprobs) = request.sampling.logprobs {
        o.bool("logprobs", logprobs);
    }
    o.opt_number("top_logprobs", request.sampling.top_logprobs.as_ref());
    let stop = !request.output.stop.is_empty() || notation.has(note::NO_STOP);
    let s = &request.sampling;
    let numbers = [
        ("temperature", &s.temperature),
        ("top_p", &s.top_p),
        ("top_k", &s.top_k),
        ("frequency_penalty", &s.frequency_penalty),
        ("presence_penalty", &s.presence_penalty),
        ("seed", &s.seed),
        ("num_predict", &request.output.tokens_max),
    ];
    let any = stop || notation.has(note::OPTIONS) || numbers.iter().any(|(_, n)| n.is_some());
    if !any && !nested::any(&request.extra, ID, OPTIONS) {
        return;
    }
    let mut options = o.object(OPTIONS);
    for (name, number) in numbers {
        options.opt_number(name, number.as_ref());
    }
    if stop {
        match &request.output.stop[..] {
            [one] if notation.has(note::STOP_TEXT) => options.str("stop", one),
            all => options.strs("stop", all),
        };
    }
    nested::write_inner(&mut options, &request.extra, ID, OPTIONS);
}

/// Ollama knows on, off and four levels. Its models think as long as they like, and show it.
fn think(
    o: &mut ObjectWriter<'_>,
    spec: &ReasoningSpec,
    native: bool,
    cx: &SendCx<'_>,
    losses: &mut Losses,
) {
    let ReasoningSpec { enabled, effort, budget, visible, summary } = spec;
    let off = *enabled == Some(false) || effort.as_deref() == Some("none");
    if !native && !cx.capability.reasoning && !off {
        // The server refuses `think` for a model that does not.
        losses.dropped("reasoning");
        return;
    }
    match effort.as_deref() {
        Some(level) if native => {
            o.str("think", level);
        }
        Some(_) if off => {
            o.bool("think", false);
        }
        Some(level @ ("low" | "medium" | "high" | "max")) => {
            o.str("think", level);
        }
        Some(level) => {
            o.str("think", if level == "minimal" { "low" } else { "max" });
            losses.approximated("reasoning.effort");
        }
        None if budget.is_some() => {
            o.bool("think", !off);
        }
        None => {
            if let Some(enabled) = enabled {
                o.bool("think", *enabled);
            }
        }
    }
    if budget.is_some() && !off {
        losses.approximated("reasoning.budget");
    }
    if *visible == Some(false) {
        losses.dropped("reasoning.visible");
    }
    if summary.is_some() {
        losses.dropped("reasoning.summary");
    }
}
