//! What the answer must look like: `output_config`, `max_tokens`, `stop_sequences`.

use llm_core::Str;
use llm_core::dialect::SendCx;
use llm_core::extra::Losses;
use llm_core::prompt::{JsonSchema, OutputFormat, OutputSpec, Request};

use crate::anthropic::nested::{Left, restore, take_kind};
use crate::anthropic::{ID, note};
use crate::json::{Bad, JsonKind, Object, ObjectWriter};
use crate::schema::{self, Refs, Subset};

/// What structured outputs and strict tools take of JSON Schema: no bounds of numbers and lengths,
/// closed objects, no recursion.
pub(super) const STRUCTURED: Subset = Subset {
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
        "default",
        "format",
        "pattern",
        "minItems",
    ],
    formats: &[
        "date-time",
        "time",
        "date",
        "duration",
        "email",
        "hostname",
        "uri",
        "ipv4",
        "ipv6",
        "uuid",
    ],
    at_most: &[("minItems", 1)],
    refs: Refs::Acyclic,
    closed: true,
    ..Subset::STANDARD
};

/// The API wants `max_tokens`; the oldest models write no more than this.
const MAX_TOKENS_USUAL: u64 = 4096;
/// There is no JSON mode but one with a schema.
const SOME_JSON: &str = "Answer with a single JSON object and nothing else.";
const JSON_LIKE: &str =
    "Answer with a single JSON value that follows this JSON schema, and nothing else:\n";

/// The form of the answer, and how hard to work on it.
pub(super) fn decode(
    o: &mut Object<'_>,
    left: &mut Left,
    bits: &mut u32,
) -> Result<(OutputSpec, Option<Str>), Bad> {
    let (mut format, effort) = config(o, left)?;
    if format.is_none() {
        format = schema_at(o, "output_format", left)?;
        if format.is_some() {
            *bits |= note::FORMAT_ON_TOP;
        }
    }
    let stop = o.see("stop_sequences").filter(|f| f.kind() == JsonKind::Array);
    let stop = stop.map(|f| f.array()).transpose()?.unwrap_or_default();
    let stop = stop.iter().map(|f| f.str()).collect::<Result<Vec<_>, _>>()?;
    // An empty list stays among the rest, to return as it came.
    if !stop.is_empty() {
        o.take("stop_sequences")?;
    }
    let tokens_max = o.number("max_tokens")?;
    Ok((OutputSpec { format, tokens_max, stop, ..OutputSpec::default() }, effort))
}

fn config(o: &mut Object<'_>, left: &mut Left) -> Result<(Option<OutputFormat>, Option<Str>), Bad> {
    let said = o.see("output_config").filter(|f| f.kind() == JsonKind::Object);
    let Some(mut inner) = said.map(|f| f.object()).transpose()? else { return Ok((None, None)) };
    let effort = inner.str("effort")?;
    let format = schema_at(&mut inner, "format", left)?;
    // An object that says nothing we know stays whole among the rest.
    if effort.is_some() || format.is_some() {
        o.take("output_config")?;
        left.keep("output_config", inner);
    }
    Ok((format, effort))
}

fn schema_at(o: &mut Object<'_>, name: &str, left: &mut Left) -> Result<Option<OutputFormat>, Bad> {
    let Some((_, mut inner)) = take_kind(o, name, &["json_schema"])? else { return Ok(None) };
    let schema = inner.need("schema")?.raw();
    left.keep("output_format", inner);
    let format = JsonSchema { name: None, description: None, schema, strict: None };
    Ok(Some(OutputFormat::Schema(format)))
}

/// What must be said in the system text, because the API has no field for it.
pub(super) fn instruction(
    request: &Request,
    cx: &SendCx<'_>,
    losses: &mut Losses,
) -> Option<String> {
    match request.output.format.as_ref()? {
        OutputFormat::Text => None,
        OutputFormat::Json => {
            losses.approximated("output.format");
            Some(SOME_JSON.to_owned())
        }
        OutputFormat::Schema(_) if cx.capability.json_schema => None,
        OutputFormat::Schema(schema) => {
            losses.approximated("output.format");
            Some(format!("{JSON_LIKE}{}", schema.schema.get()))
        }
    }
}

/// Writes `output_config` (and the beta's `output_format`).
pub(super) fn write(
    o: &mut ObjectWriter<'_>,
    request: &Request,
    effort: Option<&str>,
    cx: &SendCx<'_>,
    losses: &mut Losses,
) {
    let extra = &request.extra;
    let schema = match &request.output.format {
        Some(OutputFormat::Schema(schema)) if cx.capability.json_schema => Some(schema),
        Some(OutputFormat::Schema(_) | OutputFormat::Json | OutputFormat::Text) | None => None,
    };
    let on_top = extra.notation(ID).has(note::FORMAT_ON_TOP);
    if effort.is_some() || (schema.is_some() && !on_top) {
        let mut config = o.object("output_config");
        if let Some(effort) = effort {
            config.str("effort", effort);
        }
        if let Some(schema) = schema.filter(|_| !on_top) {
            let inner = config.object("format");
            write_schema(inner, request, schema, losses);
        }
        restore(&mut config, extra, "output_config");
    }
    if let Some(schema) = schema.filter(|_| on_top) {
        write_schema(o.object("output_format"), request, schema, losses);
    }
}

fn write_schema(
    mut o: ObjectWriter<'_>,
    request: &Request,
    format: &JsonSchema,
    losses: &mut Losses,
) {
    o.str("type", "json_schema");
    if request.extra.origin() == Some(ID) {
        o.raw("schema", &format.schema);
    } else {
        let fitted = schema::fit(&format.schema, &STRUCTURED, "output.format.schema", losses);
        o.raw("schema", &fitted);
        // Its name is a label and no more; a description would have helped the model.
        if format.description.is_some() {
            losses.dropped("output.format.description");
        }
    }
    restore(&mut o, &request.extra, "output_format");
}

/// The number of tokens to ask for: what the caller said, as far as the model goes.
pub(super) fn tokens_max(request: &Request, cx: &SendCx<'_>, losses: &mut Losses) -> Option<u64> {
    let most = u64::from(cx.capability.output_tokens_max);
    let said = request.output.tokens_max.as_ref().map(llm_core::raw::RawNumber::as_u64);
    match said {
        None if most > 0 => Some(most),
        None => None,
        Some(Some(said)) if most > 0 && said > most => {
            losses.approximated("output.tokens_max");
            Some(most)
        }
        Some(said) => said,
    }
}

/// Where neither the caller nor the catalogue says a number: room for an answer behind `thoughts`.
pub(super) fn tokens_max_usual(thoughts: u64) -> u64 {
    thoughts.saturating_add(MAX_TOKENS_USUAL)
}

/// Writes `stop_sequences`.
pub(super) fn write_stop(o: &mut ObjectWriter<'_>, request: &Request, losses: &mut Losses) {
    let own = request.extra.origin() == Some(ID);
    // One of white space alone is refused.
    let sayable = |stop: &&Str| own || !stop.trim().is_empty();
    let stop: Vec<&Str> = request.output.stop.iter().filter(sayable).collect();
    if stop.len() < request.output.stop.len() {
        losses.dropped("output.stop");
    }
    if !stop.is_empty() {
        let mut list = o.array("stop_sequences");
        stop.into_iter().for_each(|s| list.str(s));
    }
}

/// Reports what an answer of this API cannot be.
pub(super) fn lose(output: &OutputSpec, losses: &mut Losses) {
    if output.candidates.is_some_and(|n| n > 1) {
        losses.dropped("output.candidates");
    }
    if output.modalities.iter().any(|m| m != "text") {
        losses.dropped("output.modalities");
    }
    if output.verbosity.is_some() {
        losses.dropped("output.verbosity");
    }
}
