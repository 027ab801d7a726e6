//! Vectors: `/api/embed`, and `/api/embeddings` of older servers, which takes one text under
//! `prompt` and gives one vector under `embedding`. The latter is the shape of `/api/generate`.

use bytes::Bytes;
use llm_core::answer::{Embeddings, Vector, VectorSet};
use llm_core::dialect::{BadRequest, Corrupt, Encoded, RenderCx, Rendered, SendCx};
use llm_core::extra::Losses;
use llm_core::prompt::{EmbedInput, EmbedRequest, Part, PartKind};

use super::reply;
use super::wire::{ID, Shape, note};
use crate::json::{JsonKind, Object, object, write};

/// Reads a question.
pub(super) fn decode(shape: Shape, body: &Bytes) -> Result<EmbedRequest, BadRequest> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let mut request = EmbedRequest { model: o.need_str("model")?, ..EmbedRequest::default() };
    let mut bits = 0;
    let field = o.need(match shape {
        Shape::Chat => "input",
        Shape::Generate => "prompt",
    })?;
    if field.kind() == JsonKind::String {
        bits |= note::INPUT_TEXT;
        request.input.push(EmbedInput::Text(field.str()?));
    } else {
        for item in field.array()? {
            request.input.push(EmbedInput::Text(item.str()?));
        }
    }
    request.dimensions = o.u32("dimensions")?;
    // A boolean here and a word elsewhere.
    if o.see("truncate").is_some_and(|f| f.kind() == JsonKind::Bool) {
        request.truncate = o.take("truncate")?.map(|f| f.text().to_owned().into());
    }
    request.extra = o.rest(ID).noted(bits);
    Ok(request)
}

/// Writes a question.
pub(super) fn encode(
    shape: Shape,
    request: &EmbedRequest,
    cx: &SendCx<'_>,
) -> Result<Encoded, BadRequest> {
    let mut losses = Losses::default();
    request.extra.lose(ID, "", &mut losses);
    let mut texts = Vec::with_capacity(request.input.len());
    for (at, input) in request.input.iter().enumerate() {
        texts.push(text_of(at, input)?);
    }
    if request.purpose.is_some() {
        losses.dropped("purpose");
    }
    if request.user.is_some() {
        losses.dropped("user");
    }
    if request.encodings.iter().any(|e| e != "float" && e != "base64") {
        losses.dropped("encodings");
    }
    let mut bad = None;
    let body = write::object(|o| {
        o.str("model", cx.model);
        let one = request.extra.notation(ID).has(note::INPUT_TEXT);
        match (shape, &texts[..]) {
            (Shape::Chat, [text]) if one => {
                o.str("input", text);
            }
            (Shape::Chat, all) => {
                let mut list = o.array("input");
                all.iter().for_each(|text| list.str(text));
            }
            (Shape::Generate, [text]) => {
                o.str("prompt", text);
            }
            (Shape::Generate, _) => {
                let message = "this endpoint takes exactly one text";
                bad = Some(BadRequest::unsupported(Some("input".into()), message));
            }
        }
        o.opt_u64("dimensions", request.dimensions.map(u64::from));
        match request.truncate.as_deref() {
            Some(word @ ("true" | "false")) => {
                o.json("truncate", word);
            }
            // Cohere's and Gemini's words: at which end to cut.
            Some(word) => {
                o.bool("truncate", !word.eq_ignore_ascii_case("none"));
                losses.approximated("truncate");
            }
            None => {}
        }
        o.extra(&request.extra, ID);
    });
    bad.map_or(Ok(Encoded::json(body.freeze(), losses)), Err)
}

fn text_of(at: usize, input: &EmbedInput) -> Result<&str, BadRequest> {
    let refuse = |what: &str| {
        let message = format!("the model takes text only, and input {at} is {what}");
        Err(BadRequest::unsupported(Some(format!("input.{at}").into()), message))
    };
    match input {
        EmbedInput::Text(text) => Ok(text),
        EmbedInput::Tokens(_) => refuse("a list of tokens"),
        EmbedInput::Parts(parts) => match &parts[..] {
            [Part { kind: PartKind::Text(text), .. }] => Ok(&text.text),
            _ => refuse("more than text"),
        },
    }
}

/// Reads an answer.
pub(super) fn decode_answer(body: &Bytes) -> Result<Embeddings, Corrupt> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let mut bits = 0;
    let floats: Vec<Vec<f64>> = if let Some(one) = o.take("embedding")? {
        bits |= note::ONE_VECTOR;
        vec![one.parse()?]
    } else {
        o.need("embeddings")?.parse()?
    };
    let vectors = floats.into_iter().map(Vector::Float).collect();
    let sets = vec![VectorSet { encoding: "float".into(), vectors }];
    let usage = reply::usage(&mut o);
    let model = o.str("model")?;
    Ok(Embeddings { id: None, model, sets, usage, extra: o.rest(ID).noted(bits) })
}

/// Writes an answer.
pub(super) fn encode_answer(shape: Shape, answer: &Embeddings, cx: &RenderCx) -> Rendered {
    let mut losses = Losses::default();
    answer.extra.lose(ID, "", &mut losses);
    if answer.sets.len() > 1 {
        losses.dropped("sets.1");
    }
    let set = answer.sets.iter().find(|s| s.encoding == "float").or(answer.sets.first());
    let vectors = set.map_or(&[][..], |s| &s.vectors);
    let own = answer.extra.origin() == Some(ID);
    let one = if own {
        answer.extra.notation(ID).has(note::ONE_VECTOR)
    } else {
        shape == Shape::Generate
    };
    let body = write::object(|o| {
        o.opt_str("model", cx.model.as_ref().filter(|_| !one).or(answer.model.as_ref()));
        if one {
            let mut list = o.array("embedding");
            vectors.first().into_iter().for_each(|v| write_vector(&mut list, v));
        } else {
            let mut list = o.array("embeddings");
            vectors.iter().for_each(|v| write_vector(&mut list.array(), v));
        }
        if let Some(usage) = answer.usage.as_ref().filter(|u| !one || u.extra.origin() == Some(ID))
        {
            reply::write_usage(o, usage, &mut losses);
        }
        o.extra(&answer.extra, ID);
    });
    Rendered::json(body.freeze(), losses)
}

fn write_vector(list: &mut crate::json::ArrayWriter<'_>, vector: &Vector) {
    match vector {
        Vector::Float(numbers) => numbers.iter().for_each(|n| list.f64(*n)),
        Vector::Int(numbers) => numbers.iter().for_each(|n| list.i64(i64::from(*n))),
        Vector::Base64(text) => floats(text).for_each(|n| list.f64(n)),
    }
}

/// Little-endian `f32` in base64. Each prints with its own few digits.
fn floats(base64: &str) -> impl Iterator<Item = f64> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64).unwrap_or_default();
    let mut at = 0;
    std::iter::from_fn(move || {
        let four = bytes.get(at..at + 4)?.try_into().ok()?;
        at += 4;
        f32::from_le_bytes(four).to_string().parse().ok()
    })
}
