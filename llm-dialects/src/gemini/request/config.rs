//! `generationConfig`: how tokens are drawn, what the answer looks like, how long to think.

use llm_core::Str;
use llm_core::capability::Capability;
use llm_core::extra::{Losses, Notation};
use llm_core::prompt::{JsonSchema, OutputFormat, ReasoningSpec, Request};
use llm_core::raw::{Raw, RawNumber};

use super::{
    BUDGET, CANDIDATES, CONFIG, EMPTY_CONFIG, FREQUENCY, IN_OWN_SCHEMA, JSON_SCHEMA, LEVEL,
    LEVEL_CAPITALS, LOGPROBS, MIME, MODALITIES, NO_MIME, NUMBERS, OWN_SCHEMA, PRESENCE, STOP,
    THINKING, THOUGHTS, TOKENS_MAX, TOP_K, TOP_P,
};
use crate::gemini::names::{self, MODALITY};
use crate::gemini::notation::{ME, Name, restore_remainder};
use crate::gemini::schema;
use crate::json::{Bad, Field, JsonKind, Object, ObjectWriter};

pub(super) mod thinking;

const TEMPERATURE: Name = Name::new("temperature", "temperature_", 0);
const SEED: Name = Name::new("seed", "seed_", 0);
const TOP_LOGPROBS: Name = Name::new("logprobs", "logprobs_", 0);
/// The API takes so many, and refuses more.
const STOP_MAX: usize = 5;
const JSON_MIME: &str = "application/json";
const TEXT_MIME: &str = "text/plain";

/// Reads the configuration; what is left of it is the remainder.
pub(super) fn read<'a>(
    o: &mut Object<'a>,
    r: &mut Request,
    bits: &mut u32,
) -> Result<Option<Object<'a>>, Bad> {
    let Some(field) = CONFIG.take(o, bits)? else { return Ok(None) };
    let mut c = field.object()?;
    if c.names().next().is_none() {
        *bits |= EMPTY_CONFIG;
    }
    let s = &mut r.sampling;
    s.temperature = number(&mut c, &TEMPERATURE, bits)?;
    s.top_p = number(&mut c, &TOP_P, bits)?;
    s.top_k = number(&mut c, &TOP_K, bits)?;
    s.presence_penalty = number(&mut c, &PRESENCE, bits)?;
    s.frequency_penalty = number(&mut c, &FREQUENCY, bits)?;
    s.seed = number(&mut c, &SEED, bits)?;
    s.logprobs = LOGPROBS.take(&mut c, bits)?.map(|f| f.bool()).transpose()?;
    s.top_logprobs = number(&mut c, &TOP_LOGPROBS, bits)?;
    r.output.tokens_max = number(&mut c, &TOKENS_MAX, bits)?;
    r.output.candidates = candidates(&mut c, bits)?;
    if STOP.see(&c).is_some_and(|f| f.kind() == JsonKind::Array && !is_empty(f)) {
        let list = STOP.take(&mut c, bits)?.map_or(Ok(Vec::new()), |f| f.array())?;
        r.output.stop = list.iter().map(Field::str).collect::<Result<_, _>>()?;
    }
    modalities(&mut c, r, bits)?;
    format(&mut c, r, bits)?;
    r.reasoning = thinking::read(&mut c, bits)?;
    Ok(Some(c))
}

/// A number. Text is a number to the API as well; it stays where it is.
fn number(c: &mut Object<'_>, name: &Name, bits: &mut u32) -> Result<Option<RawNumber>, Bad> {
    if name.see(c).is_some_and(|f| f.kind() == JsonKind::String) {
        return Ok(None);
    }
    name.take(c, bits)?.map(|f| f.number()).transpose()
}

fn candidates(c: &mut Object<'_>, bits: &mut u32) -> Result<Option<u16>, Bad> {
    // `1.0` must return as written, and the words have only the number.
    let plain = |f: &Field<'_>| f.text().parse::<u16>().is_ok();
    match CANDIDATES.see(c).filter(plain) {
        Some(field) => {
            CANDIDATES.take(c, bits)?;
            Ok(field.text().parse().ok())
        }
        None => Ok(None),
    }
}

fn is_empty(field: Field<'_>) -> bool {
    field.array().is_ok_and(|list| list.is_empty())
}

fn modalities(c: &mut Object<'_>, r: &mut Request, bits: &mut u32) -> Result<(), Bad> {
    let Some(field) = MODALITIES.see(c).filter(|f| f.kind() == JsonKind::Array) else {
        return Ok(());
    };
    let mut found: Vec<Str> = Vec::new();
    let mut numbers = 0;
    for item in field.array()? {
        // Only what would be written again as it stands is read.
        match names::word(item, MODALITY) {
            Some((word, number)) if *word == *word.to_ascii_uppercase() => {
                numbers += usize::from(number);
                found.push(word.to_ascii_lowercase().into());
            }
            _ => return Ok(()),
        }
    }
    if found.is_empty() || (numbers != 0 && numbers != found.len()) {
        return Ok(());
    }
    MODALITIES.take(c, bits)?;
    *bits |= if numbers > 0 { NUMBERS } else { 0 };
    r.output.modalities = found;
    Ok(())
}

fn format(c: &mut Object<'_>, r: &mut Request, bits: &mut u32) -> Result<(), Bad> {
    let mime = MIME.see(c).map(|f| f.cow()).transpose()?;
    let some = |f: &Field<'_>| f.kind() == JsonKind::Object;
    let json = JSON_SCHEMA.see(c).filter(some);
    let own = OWN_SCHEMA.see(c).filter(some);
    let schema = match (mime.as_deref(), json, own) {
        (Some(JSON_MIME) | None, Some(schema), _) => {
            JSON_SCHEMA.take(c, bits)?;
            schema.raw()
        }
        (Some(JSON_MIME) | None, None, Some(schema)) => {
            OWN_SCHEMA.take(c, bits)?;
            *bits |= IN_OWN_SCHEMA;
            schema::read(&schema.raw(), &mut r.extra)
        }
        (Some(JSON_MIME), None, None) => {
            MIME.take(c, bits)?;
            r.output.format = Some(OutputFormat::Json);
            return Ok(());
        }
        (Some(TEXT_MIME), None, None) => {
            MIME.take(c, bits)?;
            r.output.format = Some(OutputFormat::Text);
            return Ok(());
        }
        // Enums as plain text are this dialect's alone.
        _ => return Ok(()),
    };
    *bits |= if mime.is_none() { NO_MIME } else { 0 };
    MIME.take(c, bits)?;
    let schema = JsonSchema { name: None, description: None, schema, strict: None };
    r.output.format = Some(OutputFormat::Schema(schema));
    Ok(())
}

/// Writes the configuration, if there is anything in it, and says whether.
pub(super) fn write(
    o: &mut ObjectWriter<'_>,
    r: &Request,
    model: &str,
    capability: &Capability,
    losses: &mut Losses,
) -> bool {
    let bits = r.extra.notation(ME);
    let reasoning = r.reasoning.as_ref().filter(|_| {
        // A model that does not think refuses to be told how.
        let can = capability.reasoning || r.extra.origin() == Some(ME);
        if !can {
            losses.dropped("reasoning");
        }
        can
    });
    let kept = r.extra.get_from(ME, CONFIG.camel).is_some_and(|v| !v.is_null());
    let quiet = !kept && !bits.has(EMPTY_CONFIG) && reasoning.is_none() && is_default(r);
    if quiet {
        return false;
    }
    let mut c = o.object(CONFIG.spelled(bits));
    write_sampling(&mut c, r, bits, losses);
    let out = &r.output;
    c.opt_number(TOKENS_MAX.spelled(bits), out.tokens_max.as_ref());
    c.opt_u64(CANDIDATES.spelled(bits), out.candidates.map(u64::from));
    if !out.stop.is_empty() {
        let own = r.extra.origin() == Some(ME);
        let taken = if own { out.stop.len() } else { out.stop.len().min(STOP_MAX) };
        if taken < out.stop.len() {
            losses.approximated("output.stop");
        }
        c.strs(STOP.spelled(bits), out.stop.get(..taken).unwrap_or_default());
    }
    write_modalities(&mut c, r, bits);
    if let Some(format) = &out.format {
        write_format(&mut c, format, r, bits);
    }
    if out.verbosity.is_some() {
        losses.dropped("output.verbosity");
    }
    if let Some(spec) = reasoning {
        thinking::write(&mut c, spec, r, model, losses);
    }
    restore_remainder(&mut c, &r.extra, CONFIG.camel);
    true
}

fn is_default(r: &Request) -> bool {
    r.sampling == llm_core::prompt::Sampling::default()
        && r.output == llm_core::prompt::OutputSpec::default()
}

fn write_sampling(c: &mut ObjectWriter<'_>, r: &Request, bits: Notation, losses: &mut Losses) {
    let s = &r.sampling;
    c.opt_number(TEMPERATURE.camel, s.temperature.as_ref());
    c.opt_number(TOP_P.spelled(bits), s.top_p.as_ref());
    c.opt_number(TOP_K.spelled(bits), s.top_k.as_ref());
    c.opt_number(PRESENCE.spelled(bits), s.presence_penalty.as_ref());
    c.opt_number(FREQUENCY.spelled(bits), s.frequency_penalty.as_ref());
    // A seed has 32 bits here; OpenAI's may have more.
    let fits = |n: &&RawNumber| n.get().parse::<i32>().is_ok() || r.extra.origin() == Some(ME);
    let seed = s.seed.as_ref().filter(fits);
    if seed.is_none() && s.seed.is_some() {
        losses.dropped("sampling.seed");
    }
    c.opt_number(SEED.camel, seed);
    c.opt_bool(LOGPROBS.spelled(bits), s.logprobs);
    c.opt_number(TOP_LOGPROBS.camel, s.top_logprobs.as_ref());
}

fn write_modalities(c: &mut ObjectWriter<'_>, r: &Request, bits: Notation) {
    if r.output.modalities.is_empty() {
        return;
    }
    let mut list = c.array(MODALITIES.spelled(bits));
    for modality in &r.output.modalities {
        let word = modality.to_ascii_uppercase();
        match names::number(&word, MODALITY).filter(|_| bits.has(NUMBERS)) {
            Some(number) => list.u64(number),
            None => list.str(&word),
        }
    }
}

fn write_format(c: &mut ObjectWriter<'_>, format: &OutputFormat, r: &Request, bits: Notation) {
    match format {
        OutputFormat::Text => {
            c.str(MIME.spelled(bits), TEXT_MIME);
        }
        OutputFormat::Json => {
            c.str(MIME.spelled(bits), JSON_MIME);
        }
        OutputFormat::Schema(schema) => {
            if !bits.has(NO_MIME) {
                c.str(MIME.spelled(bits), JSON_MIME);
            }
            let json: &Raw = &schema.schema;
            match schema::own(json, &r.extra).filter(|_| bits.has(IN_OWN_SCHEMA)) {
                Some(own) => c.raw(OWN_SCHEMA.spelled(bits), &own),
                None => c.raw(JSON_SCHEMA.spelled(bits), json),
            };
        }
    }
}

/// A level in lower case, when it would be written again as it stood.
fn level(field: Field<'_>, bits: &mut u32) -> Option<Str> {
    let word = field.cow().ok()?;
    let lower = word.to_ascii_lowercase();
    if *word == lower {
        return Some(lower.into());
    }
    if *word != word.to_ascii_uppercase() {
        return None;
    }
    *bits |= LEVEL_CAPITALS;
    Some(lower.into())
}

/// Whether nothing at all was said.
fn says_nothing(spec: &ReasoningSpec) -> bool {
    *spec == ReasoningSpec::default()
}
