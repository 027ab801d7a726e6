//! How tokens are drawn, what the answer must look like, how long to think: both ways.

use llm_core::Str;
use llm_core::capability::Capability;
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::{JsonSchema, OutputFormat, OutputSpec, ReasoningSpec, Request, Sampling};
use llm_core::raw::RawNumber;

use super::super::notation::{ME, keep, kept, of_request, others, own};
use crate::json::{Bad, Field, JsonKind, Object, ObjectWriter};
use crate::schema;

/// Stop sequences that the API takes.
const STOPS_MAX: usize = 4;

/// What inner objects of a request said besides, until there is an [`Extra`] to keep it in.
#[derive(Default)]
pub(super) struct Nested {
    response_format: Extra,
    json_schema: Extra,
    reasoning: Extra,
}

impl Nested {
    /// Keeps it all.
    pub(super) fn keep(mut self, extra: &mut Extra) {
        if !self.json_schema.is_empty() {
            if self.response_format.origin().is_none() {
                self.response_format = Extra::new(ME);
            }
            keep(&mut self.response_format, "json_schema", &self.json_schema);
        }
        keep(extra, "response_format", &self.response_format);
        keep(extra, "reasoning", &self.reasoning);
    }
}

/// Reads how tokens are drawn.
pub(super) fn sampling(o: &mut Object<'_>) -> Result<Sampling, Bad> {
    Ok(Sampling {
        temperature: o.number("temperature")?,
        top_p: o.number("top_p")?,
        top_k: o.number("top_k")?,
        frequency_penalty: o.number("frequency_penalty")?,
        presence_penalty: o.number("presence_penalty")?,
        seed: o.number("seed")?,
        logprobs: o.bool("logprobs")?,
        top_logprobs: o.number("top_logprobs")?,
    })
}

/// Reads what the answer must look like.
pub(super) fn output(
    o: &mut Object<'_>,
    bits: &mut u32,
    nested: &mut Nested,
) -> Result<OutputSpec, Bad> {
    let mut output = OutputSpec { format: format(o, nested)?, ..OutputSpec::default() };
    output.tokens_max = o.number("max_completion_tokens")?;
    if output.tokens_max.is_some() {
        *bits |= of_request::MAX_COMPLETION;
    } else {
        output.tokens_max = o.number("max_tokens")?;
        *bits |= if output.tokens_max.is_some() { of_request::MAX_TOKENS } else { 0 };
    }
    if let Some(field) = o.take("stop")? {
        if field.kind() == JsonKind::String {
            *bits |= of_request::STOP_STRING;
            output.stop.push(field.str()?);
        } else {
            output.stop = field.array()?.iter().map(Field::str).collect::<Result<_, _>>()?;
            *bits |= if output.stop.is_empty() { of_request::STOP_EMPTY } else { 0 };
        }
    }
    if let Some(field) = o.take("n")? {
        let n = u16::try_from(field.u64()?).map_err(|_| field.bad("is too large"))?;
        output.candidates = Some(n);
    }
    if o.see("modalities").is_some_and(|f| f.kind() == JsonKind::Array && f.text() != "[]") {
        let items = o.array("modalities")?;
        output.modalities = items.iter().map(Field::str).collect::<Result<_, _>>()?;
    }
    output.verbosity = o.str("verbosity")?;
    Ok(output)
}

fn format(o: &mut Object<'_>, nested: &mut Nested) -> Result<Option<OutputFormat>, Bad> {
    let Some(field) = o.see("response_format").filter(|f| !f.is_null()) else {
        return Ok(None);
    };
    // A word for it is some hosts' own, and stays as written.
    if field.kind() == JsonKind::String {
        return Ok(None);
    }
    let mut outer = field.object()?;
    let Some(kind) = outer.str("type")? else { return Err(outer.missing("type")) };
    let format = match &*kind {
        "text" => OutputFormat::Text,
        "json_object" => OutputFormat::Json,
        "json_schema" => {
            let mut inner = outer.need("json_schema")?.object()?;
            let (name, description) = (inner.str("name")?, inner.str("description")?);
            let Some(schema) = inner.raw("schema")? else { return Ok(None) };
            let strict = inner.bool("strict")?;
            nested.json_schema = inner.rest(ME);
            OutputFormat::Schema(JsonSchema { name, description, schema, strict })
        }
        // A grammar, or a host's own: stays as written.
        _ => return Ok(None),
    };
    nested.response_format = outer.rest(ME);
    o.take("response_format")?;
    Ok(Some(format))
}

/// Reads whether and how long to think.
pub(super) fn reasoning(
    o: &mut Object<'_>,
    bits: &mut u32,
    nested: &mut Nested,
) -> Result<Option<ReasoningSpec>, Bad> {
    if let Some(effort) = o.str("reasoning_effort")? {
        return Ok(Some(ReasoningSpec { effort: Some(effort), ..ReasoningSpec::default() }));
    }
    if see_object(o, "reasoning").is_some() {
        let Some(mut inner) = o.object("reasoning")? else { return Ok(None) };
        let exclude = inner.bool("exclude")?;
        *bits |= of_request::REASONING_OBJECT;
        *bits |= if exclude.is_some() { of_request::EXCLUDE_SAID } else { 0 };
        let spec = ReasoningSpec {
            enabled: inner.bool("enabled")?,
            effort: inner.str("effort")?,
            budget: inner.number("max_tokens")?,
            visible: exclude.map(|hidden| !hidden),
            summary: inner.str("summary")?,
        };
        nested.reasoning = inner.rest(ME);
        return Ok(Some(spec));
    }
    let Some(field) = see_object(o, "thinking") else { return Ok(None) };
    let mut inner = field.object()?;
    let enabled = match inner.take_if("type", JsonKind::String).map(|f| f.text()) {
        Some("\"enabled\"") => true,
        Some("\"disabled\"") => false,
        _ => return Ok(None),
    };
    let budget =
        inner.take_if("budget_tokens", JsonKind::Number).map(|f| f.number()).transpose()?;
    if inner.names().next().is_some() {
        return Ok(None);
    }
    o.take("thinking")?;
    *bits |= of_request::THINKING_OBJECT;
    Ok(Some(ReasoningSpec { enabled: Some(enabled), budget, ..ReasoningSpec::default() }))
}

fn see_object<'a>(o: &Object<'a>, name: &str) -> Option<Field<'a>> {
    o.see(name).filter(|f| f.kind() == JsonKind::Object)
}

/// Writes how tokens are drawn.
pub(super) fn write_sampling(
    o: &mut ObjectWriter<'_>,
    request: &Request,
    capability: &Capability,
    losses: &mut Losses,
) {
    let s = &request.sampling;
    let own = own(&request.extra);
    let drawn = [
        ("temperature", &s.temperature),
        ("top_p", &s.top_p),
        ("frequency_penalty", &s.frequency_penalty),
        ("presence_penalty", &s.presence_penalty),
    ];
    let mut write = |o: &mut ObjectWriter<'_>,
                     name: &'static str,
                     value: &Option<RawNumber>,
                     may: bool| match value {
        Some(value) if own || may => _ = o.number(name, value),
        Some(_) => losses.dropped(format!("sampling.{name}")),
        None => {}
    };
    for (name, value) in drawn {
        // Reasoning models refuse the whole request for one of these.
        write(o, name, value, capability.sampling);
    }
    // OpenAI has no such parameter; hosts that have it are asked in this dialect.
    write(o, "top_k", &s.top_k, false);
    write(o, "seed", &s.seed, true);
    write(o, "top_logprobs", &s.top_logprobs, capability.logprobs);
    match s.logprobs {
        Some(yes) if own || capability.logprobs => _ = o.bool("logprobs", yes),
        Some(true) => losses.dropped("sampling.logprobs"),
        // OpenAI refuses alternatives without the flag that asks for probabilities at all.
        None if !own && capability.logprobs && s.top_logprobs.is_some() => {
            o.bool("logprobs", true);
        }
        Some(false) | None => {}
    }
}

/// Writes what the answer must look like.
pub(super) fn write_output(
    o: &mut ObjectWriter<'_>,
    request: &Request,
    capability: &Capability,
    losses: &mut Losses,
) {
    let (output, own) = (&request.output, own(&request.extra));
    let notation = request.extra.notation(ME);
    write_format(o, request, capability, losses);
    let newer = notation.has(of_request::MAX_COMPLETION)
        || (capability.max_completion_tokens && !notation.has(of_request::MAX_TOKENS));
    let cap = if newer { "max_completion_tokens" } else { "max_tokens" };
    o.opt_number(cap, output.tokens_max.as_ref());
    match output.stop.as_slice() {
        [one] if notation.has(of_request::STOP_STRING) => _ = o.str("stop", one),
        [] if !notation.has(of_request::STOP_EMPTY) => {}
        // More are refused; the caller's own API would have said so, another's takes them.
        all if all.len() > STOPS_MAX && !own => {
            losses.approximated("output.stop");
            o.strs("stop", &all[..STOPS_MAX]);
        }
        all => _ = o.strs("stop", all),
    }
    match output.candidates {
        Some(n) if own || n <= 1 || capability.candidates => _ = o.u64("n", u64::from(n)),
        Some(_) => losses.dropped("output.candidates"),
        None => {}
    }
    let plain = output.modalities.iter().all(|m| &**m == "text");
    if own && !output.modalities.is_empty() {
        o.strs("modalities", &output.modalities);
    } else if !plain {
        // Sound needs a voice, which only this dialect's own words name.
        let (said, lost): (Vec<_>, Vec<_>) =
            output.modalities.iter().cloned().partition(|m| &**m != "audio");
        if !lost.is_empty() {
            losses.dropped("output.modalities");
        }
        if said.iter().any(|m| &**m != "text") {
            o.strs("modalities", &said);
        }
    }
    o.opt_str("verbosity", output.verbosity.as_ref());
}

/// The name of a schema that has none: the API requires one.
const SCHEMA_NAME: &str = "response";

fn write_format(
    o: &mut ObjectWriter<'_>,
    request: &Request,
    capability: &Capability,
    losses: &mut Losses,
) {
    let own = own(&request.extra);
    let Some(format) = &request.output.format else { return };
    let nested = kept(&request.extra, "response_format");
    match format {
        OutputFormat::Text if own => _ = o.object("response_format").str("type", "text"),
        OutputFormat::Text => {}
        OutputFormat::Json if own || capability.json => {
            let mut outer = o.object("response_format");
            outer.str("type", "json_object");
            others(&mut outer, &nested, &["json_schema"]);
        }
        OutputFormat::Json => losses.dropped("output.format"),
        OutputFormat::Schema(_) if !own && !capability.json_schema && capability.json => {
            losses.approximated("output.format");
            o.object("response_format").str("type", "json_object");
        }
        OutputFormat::Schema(_) if !own && !capability.json_schema => {
            losses.dropped("output.format");
        }
        OutputFormat::Schema(JsonSchema { name, description, schema, strict }) => {
            let mut outer = o.object("response_format");
            outer.str("type", "json_schema");
            let mut inner = outer.object("json_schema");
            let written = name.as_deref().or((!own).then_some(SCHEMA_NAME));
            if let Some(name) = written {
                inner.str("name", name);
            }
            inner.opt_str("description", description.as_ref());
            if own {
                inner.raw("schema", schema);
            } else {
                let fitted = schema::fit(schema, subset(*strict), "output.format.schema", losses);
                inner.raw("schema", &fitted);
            }
            inner.opt_bool("strict", *strict);
            others(&mut inner, &kept(&nested, "json_schema"), &[]);
            drop(inner);
            others(&mut outer, &nested, &["json_schema"]);
        }
    }
}

/// What OpenAI understands: all of it, unless the schema must be followed to the letter.
pub(super) fn subset(strict: Option<bool>) -> &'static schema::Subset {
    const STRICT: schema::Subset =
        schema::Subset { closed: true, all_required: true, ..schema::Subset::STANDARD };
    if strict == Some(true) { &STRICT } else { &schema::Subset::STANDARD }
}

/// Writes whether and how long to think.
pub(super) fn write_reasoning(
    o: &mut ObjectWriter<'_>,
    request: &Request,
    capability: &Capability,
    losses: &mut Losses,
) {
    let Some(spec) = &request.reasoning else { return };
    let notation = request.extra.notation(ME);
    if notation.has(of_request::THINKING_OBJECT) {
        let mut inner = o.object("thinking");
        inner.str("type", if spec.enabled == Some(false) { "disabled" } else { "enabled" });
        inner.opt_number("budget_tokens", spec.budget.as_ref());
        return;
    }
    if notation.has(of_request::REASONING_OBJECT) {
        let mut inner = o.object("reasoning");
        inner.opt_bool("enabled", spec.enabled).opt_str("effort", spec.effort.as_ref());
        inner.opt_number("max_tokens", spec.budget.as_ref());
        if notation.has(of_request::EXCLUDE_SAID) {
            inner.opt_bool("exclude", spec.visible.map(|shown| !shown));
        }
        inner.opt_str("summary", spec.summary.as_ref());
        others(&mut inner, &kept(&request.extra, "reasoning"), &[]);
        return;
    }
    if !own(&request.extra) && !capability.reasoning {
        if spec.enabled != Some(false) {
            losses.dropped("reasoning");
        }
        return;
    }
    if let Some(effort) = effort(spec, own(&request.extra), losses) {
        o.str("reasoning_effort", &effort);
    }
    if spec.visible == Some(true) {
        losses.dropped("reasoning.visible");
    }
    // This API never shows thoughts, and hosts that do are not asked for them here.
    if spec.summary.is_some() {
        losses.dropped("reasoning.summary");
    }
}

/// Another dialect's word for an effort, or the nearest that this API has.
fn known_effort(effort: &Str, losses: &mut Losses) -> Str {
    match &**effort {
        "none" | "minimal" | "low" | "medium" | "high" | "xhigh" => effort.clone(),
        _ => {
            losses.approximated("reasoning.effort");
            Str::from_static(if effort == "max" { "xhigh" } else { "high" })
        }
    }
}

/// The only word this API has for it.
fn effort(spec: &ReasoningSpec, own: bool, losses: &mut Losses) -> Option<Str> {
    if let Some(effort) = &spec.effort {
        if spec.budget.is_some() {
            losses.dropped("reasoning.budget");
        }
        return Some(if own { effort.clone() } else { known_effort(effort, losses) });
    }
    if spec.enabled == Some(false) {
        return Some(Str::from_static("none"));
    }
    let budget = spec.budget.as_ref()?;
    losses.approximated("reasoning.budget");
    // Where LiteLLM and OpenRouter draw the lines, so that who moves from there finds the same.
    Some(Str::from_static(match budget.as_f64() {
        b if b <= 0.0 => "none",
        b if b < 2048.0 => "low",
        b if b < 8192.0 => "medium",
        _ => "high",
    }))
}
