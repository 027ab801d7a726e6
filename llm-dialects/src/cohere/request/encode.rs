//! Words to bytes.

use llm_core::dialect::{Encoded, SendCx};
use llm_core::extra::Losses;
use llm_core::prompt::{OutputFormat, ReasoningSpec, Request};
use llm_core::raw::RawNumber;

use super::super::wire::{ID, REQUEST_PLACES, note};
use super::{messages, tools};
use crate::json::{ObjectWriter, nested, write};
use crate::schema::{self, Refs, Subset};

/// What Cohere's structured outputs take. Ranges, lengths and compositions but `anyOf` are
/// refused, and so are formats it does not know.
const SCHEMA: Subset = Subset {
    keywords: &[
        "type",
        "properties",
        "required",
        "items",
        "enum",
        "const",
        "anyOf",
        "description",
        "format",
        "pattern",
        "additionalProperties",
        "$ref",
        "$defs",
        "definitions",
    ],
    formats: &["date-time", "uuid", "date", "time"],
    at_most: &[],
    refs: Refs::Acyclic,
    closed: false,
    all_required: false,
    nullable: false,
    capitals: false,
};

/// Writes a question.
pub(in crate::cohere) fn encode(request: &Request, cx: &SendCx<'_>) -> Encoded {
    let mut losses = Losses::default();
    lose(request, &mut losses);
    let notation = request.extra.notation(ID);
    let body = write::object(|o| {
        o.str("model", cx.model);
        if cx.stream || !notation.has(note::STREAM_UNSAID) {
            o.bool("stream", cx.stream);
        }
        sampling(o, request, &mut losses);
        if let Some(format) = &request.output.format {
            write_format(o, format, request, &mut losses);
        }
        if let Some(spec) = &request.reasoning {
            thinking(o, spec, request, cx, &mut losses);
        }
        if notation.has(note::NO_DOCUMENTS) {
            o.array("documents");
        }
        tools::write(o, request, &mut losses);
        messages::write(o, request, cx, &mut losses);
        nested::write_outer(o, &request.extra, ID, &REQUEST_PLACES);
    });
    Encoded::json(body.freeze(), losses)
}

fn lose(request: &Request, losses: &mut Losses) {
    request.extra.lose(ID, "", losses);
    let output = &request.output;
    if output.candidates.is_some_and(|n| n > 1) {
        losses.dropped("output.candidates");
    }
    if output.modalities.iter().any(|m| m != "text") {
        losses.dropped("output.modalities");
    }
    if output.verbosity.is_some() {
        losses.dropped("output.verbosity");
    }
    if request.sampling.top_logprobs.as_ref().is_some_and(|n| n.as_u64() != Some(0)) {
        losses.dropped("sampling.top_logprobs");
    }
    if request.user.is_some() {
        losses.dropped("user");
    }
}

fn sampling(o: &mut ObjectWriter<'_>, request: &Request, losses: &mut Losses) {
    let s = &request.sampling;
    let own = request.extra.origin() == Some(ID);
    o.opt_number("max_tokens", request.output.tokens_max.as_ref());
    for (name, number, place, range) in [
        ("temperature", &s.temperature, "temperature", None),
        ("p", &s.top_p, "top_p", Some((0.01, 0.99, ["0.01", "0.99"]))),
        ("k", &s.top_k, "top_k", Some((0.0, 500.0, ["0", "500"]))),
        ("frequency_penalty", &s.frequency_penalty, "frequency_penalty", PENALTY),
        ("presence_penalty", &s.presence_penalty, "presence_penalty", PENALTY),
        ("seed", &s.seed, "seed", None),
    ] {
        let Some(number) = number else { continue };
        let (value, range) = (number.as_f64(), range.filter(|_| !own));
        // Other APIs take more, and clients say `top_p: 1` where they mean nothing by it.
        let bound = range.and_then(|(least, most, words)| match value {
            _ if value < least => Some(words[0]),
            _ if value > most => Some(words[1]),
            _ => None,
        });
        match bound.and_then(RawNumber::parse) {
            Some(bound) => {
                losses.approximated(format!("sampling.{place}"));
                o.opt_number(name, Some(&bound));
            }
            None => {
                o.opt_number(name, Some(number));
            }
        }
    }
    if let Some(logprobs) = s.logprobs {
        o.bool("logprobs", logprobs);
    }
    if !request.output.stop.is_empty() || request.extra.notation(ID).has(note::NO_STOP) {
        let stops = &request.output.stop;
        let most = if own { stops.len() } else { stops.len().min(STOPS_MAX) };
        if most < stops.len() {
            losses.approximated("output.stop");
        }
        o.strs("stop_sequences", &stops[..most]);
    }
}

/// Penalties are shares here; elsewhere they may be rewards.
const PENALTY: Option<(f64, f64, [&str; 2])> = Some((0.0, 1.0, ["0", "1"]));
/// Stop sequences that the API takes.
const STOPS_MAX: usize = 5;

fn write_format(
    o: &mut ObjectWriter<'_>,
    format: &OutputFormat,
    request: &Request,
    losses: &mut Losses,
) {
    let own = request.extra.origin() == Some(ID);
    if matches!(format, OutputFormat::Text) && !own {
        // What it is anyway, and refused beside tools.
        return;
    }
    let mut inner = o.object("response_format");
    match format {
        OutputFormat::Text => {
            inner.str("type", "text");
        }
        OutputFormat::Json => {
            inner.str("type", "json_object");
        }
        OutputFormat::Schema(schema) => {
            inner.str("type", "json_object");
            let old = request.extra.notation(ID).has(note::SCHEMA_OLD);
            let name = if old { "schema" } else { "json_schema" };
            if own {
                inner.raw(name, &schema.schema);
            } else {
                let fitted = schema::fit(&schema.schema, &SCHEMA, "output.format.schema", losses);
                inner.raw(name, &fitted);
            }
            if schema.description.is_some() {
                losses.dropped("output.format.description");
            }
        }
    }
    nested::write_inner(&mut inner, &request.extra, ID, "response_format");
}

/// Cohere knows on and off, and a budget of tokens.
fn thinking(
    o: &mut ObjectWriter<'_>,
    spec: &ReasoningSpec,
    request: &Request,
    cx: &SendCx<'_>,
    losses: &mut Losses,
) {
    let ReasoningSpec { enabled, effort, budget, visible, summary } = spec;
    let off = *enabled == Some(false) || effort.as_deref() == Some("none");
    let own = request.extra.origin() == Some(ID);
    if !own && !cx.capability.reasoning {
        // Refused by a model that does not think. That it should not is no loss.
        if !off {
            losses.dropped("reasoning");
        }
        return;
    }
    if effort.as_deref().is_some_and(|e| e != "none") {
        losses.approximated("reasoning.effort");
    }
    if *visible == Some(false) {
        losses.dropped("reasoning.visible");
    }
    if summary.is_some() {
        losses.dropped("reasoning.summary");
    }
    if enabled.is_none() && effort.is_none() && budget.is_none() {
        return;
    }
    let mut inner = o.object("thinking");
    inner.str("type", if off { "disabled" } else { "enabled" });
    inner.opt_number("token_budget", budget.as_ref());
    nested::write_inner(&mut inner, &request.extra, ID, "thinking");
}
