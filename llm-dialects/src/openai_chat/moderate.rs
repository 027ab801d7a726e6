//! Whether texts and pictures break content rules.

use bytes::Bytes;
use llm_core::Str;
use llm_core::answer::{Moderation, Verdict};
use llm_core::dialect::{BadRequest, Corrupt, Encoded, RenderCx, Rendered, SendCx};
use llm_core::extra::Losses;
use llm_core::prompt::{EmbedInput, ModerateRequest, Part};

use super::content::{self, Place, can_say};
use super::notation::ME;
use super::reply::take_str;
use crate::json::{Bad, Field, JsonKind, Object, object, write};

/// The input was a string, not a list.
const ONE_STRING: u32 = 1;
/// The request named no model.
const NO_MODEL: u32 = 1 << 1;

/// Reads a request.
pub(super) fn decode(body: &Bytes, model: Option<&Str>) -> Result<ModerateRequest, BadRequest> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let (input, mut bits) = read_input(o.need("input")?)?;
    let named = o.str("model")?.or_else(|| model.cloned());
    bits |= if named.is_some() { 0 } else { NO_MODEL };
    let extra = o.rest(ME).noted(bits);
    Ok(ModerateRequest { model: named.unwrap_or_default(), input, extra })
}

/// A string, strings, or the parts of one thing.
fn read_input(field: Field<'_>) -> Result<(Vec<EmbedInput>, u32), Bad> {
    if field.kind() == JsonKind::String {
        return Ok((vec![EmbedInput::Text(field.str()?)], ONE_STRING));
    }
    let items = field.array()?;
    if items.first().is_some_and(|f| f.kind() == JsonKind::Object) {
        let mut parts = Vec::new();
        content::read(field, true, &mut parts)?;
        return Ok((vec![EmbedInput::Parts(parts)], 0));
    }
    let texts = items.iter().map(|f| f.str().map(EmbedInput::Text));
    Ok((texts.collect::<Result<_, _>>()?, 0))
}

/// Writes a request.
pub(super) fn encode(request: &ModerateRequest, cx: &SendCx<'_>) -> Result<Encoded, BadRequest> {
    let mut losses = Losses::default();
    let mut out = bytes::BytesMut::with_capacity(1024);
    let mut o = crate::json::ObjectWriter::begin(&mut out);
    let notation = request.extra.notation(ME);
    let as_unnamed = notation.has(NO_MODEL) && cx.model == &*request.model;
    if !cx.model.is_empty() && !as_unnamed {
        o.str("model", cx.model);
    }
    match request.input.as_slice() {
        [EmbedInput::Text(text)] if notation.has(ONE_STRING) => _ = o.str("input", text),
        [EmbedInput::Parts(parts)] => {
            let mut array = o.array("input");
            for (part, p) in parts.iter().enumerate() {
                if !can_say(p) {
                    return Err(unsupported("a part of the input cannot be checked here"));
                }
                let place = Place { message: "input.0", part };
                content::write_part(&mut array, p, place, &mut losses);
            }
        }
        many => {
            let mut array = o.array("input");
            for input in many {
                match input {
                    EmbedInput::Text(text) => array.str(text),
                    EmbedInput::Tokens(_) => return Err(unsupported("tokens cannot be checked")),
                    EmbedInput::Parts(parts) => array.str(&joined(parts)?),
                }
            }
        }
    }
    o.extra(&request.extra, ME);
    request.extra.lose(ME, "", &mut losses);
    drop(o);
    Ok(Encoded::json(out.freeze(), losses))
}

fn unsupported(message: &'static str) -> BadRequest {
    BadRequest::unsupported(Some(Str::from_static("input")), message)
}

/// Beside other inputs a list of parts has no place, but its text has.
fn joined(parts: &[Part]) -> Result<String, BadRequest> {
    let texts = parts.iter().map(|p| match &p.kind {
        llm_core::prompt::PartKind::Text(text) => Some(&*text.text),
        _ => None,
    });
    let texts: Option<Vec<_>> = texts.collect();
    texts.map(|t| t.concat()).ok_or_else(|| unsupported("one picture can be checked at a time"))
}

/// Reads an answer.
pub(super) fn read(body: &Bytes) -> Result<Moderation, Corrupt> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let results = o.need("results")?.array()?.into_iter().map(verdict);
    let results = results.collect::<Result<_, _>>()?;
    Ok(Moderation {
        id: take_str(&mut o, "id"),
        model: take_str(&mut o, "model"),
        results,
        extra: o.rest(ME),
    })
}

fn verdict(field: Field<'_>) -> Result<Verdict, Bad> {
    let mut o = field.object()?;
    let mut verdict = Verdict { flagged: o.need("flagged")?.bool()?, ..Verdict::default() };
    if let Some(categories) = o.object("categories")? {
        for (name, field) in categories.members() {
            // Newer categories are `null` for models that do not know them.
            verdict.categories.push((name.to_string().into(), field.text() == "true"));
        }
    }
    if let Some(scores) = o.object("category_scores")? {
        for (name, field) in scores.members() {
            verdict.scores.push((name.to_string().into(), field.number()?));
        }
    }
    verdict.extra = o.rest(ME);
    Ok(verdict)
}

/// Writes an answer.
pub(super) fn render(answer: &Moderation, cx: &RenderCx) -> Rendered {
    let mut losses = Losses::default();
    let body = write::object(|o| {
        o.str("id", answer.id.as_ref().unwrap_or(&cx.id));
        if let Some(model) = cx.model.as_ref().or(answer.model.as_ref()) {
            o.str("model", model);
        }
        let mut array = o.array("results");
        for (at, verdict) in answer.results.iter().enumerate() {
            let mut row = array.object();
            row.bool("flagged", verdict.flagged);
            let mut categories = row.object("categories");
            verdict.categories.iter().for_each(|(name, yes)| categories.under(name).bool(*yes));
            drop(categories);
            let mut scores = row.object("category_scores");
            verdict.scores.iter().for_each(|(name, score)| scores.under(name).number(score));
            drop(scores);
            row.extra(&verdict.extra, ME);
            verdict.extra.lose(ME, format_args!("results.{at}"), &mut losses);
        }
        drop(array);
        o.extra(&answer.extra, ME);
        answer.extra.lose(ME, "", &mut losses);
    });
    Rendered::json(body.freeze(), losses)
}
