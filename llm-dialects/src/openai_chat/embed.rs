//! Vectors for texts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use llm_core::Str;
use llm_core::answer::{Embeddings, Vector, VectorSet};
use llm_core::dialect::{BadRequest, Corrupt, Encoded, RenderCx, Rendered, SendCx};
use llm_core::extra::Losses;
use llm_core::prompt::{EmbedInput, EmbedRequest, PartKind};

use super::notation::{ME, own};
use super::reply::{take_str, take_u64};
use super::usage;
use crate::json::{ArrayWriter, Bad, Field, JsonKind, Object, ObjectWriter, object, write};

/// The input was a string, not a list.
const ONE_STRING: u32 = 1;
/// The input was one list of tokens.
const ONE_TOKENS: u32 = 1 << 1;

/// Reads a request.
pub(super) fn decode(body: &Bytes, model: Option<&Str>) -> Result<EmbedRequest, BadRequest> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let (input, bits) = read_input(o.need("input")?)?;
    Ok(EmbedRequest {
        model: super::model_of(&mut o, model)?,
        input,
        dimensions: o.u32("dimensions")?,
        encodings: o.str("encoding_format")?.into_iter().collect(),
        purpose: None,
        truncate: None,
        user: o.str("user")?,
        extra: o.rest(ME).noted(bits),
    })
}

/// A string, strings, tokens, or lists of tokens.
fn read_input(field: Field<'_>) -> Result<(Vec<EmbedInput>, u32), Bad> {
    if field.kind() == JsonKind::String {
        return Ok((vec![EmbedInput::Text(field.str()?)], ONE_STRING));
    }
    let items = field.array()?;
    if items.first().is_some_and(|f| f.kind() == JsonKind::Number) {
        return Ok((vec![EmbedInput::Tokens(field.parse()?)], ONE_TOKENS));
    }
    let one = |item: Field<'_>| match item.kind() {
        JsonKind::String => item.str().map(EmbedInput::Text),
        JsonKind::Array => item.parse().map(EmbedInput::Tokens),
        JsonKind::Null | JsonKind::Bool | JsonKind::Number | JsonKind::Object => {
            Err(item.bad("must be a string or a list of tokens"))
        }
    };
    Ok((items.into_iter().map(one).collect::<Result<_, _>>()?, 0))
}

/// Writes a request.
pub(super) fn encode(request: &EmbedRequest, cx: &SendCx<'_>) -> Result<Encoded, BadRequest> {
    let mut losses = Losses::default();
    let notation = request.extra.notation(ME);
    let mut out = bytes::BytesMut::with_capacity(1024);
    let mut o = ObjectWriter::begin(&mut out);
    o.str("model", cx.model);
    match request.input.as_slice() {
        [EmbedInput::Text(text)] if notation.has(ONE_STRING) => _ = o.str("input", text),
        [EmbedInput::Tokens(tokens)] if notation.has(ONE_TOKENS) => {
            write_tokens(&mut o.array("input"), tokens);
        }
        many => {
            let mut array = o.array("input");
            for (at, input) in many.iter().enumerate() {
                write_input(&mut array, input, at)?;
            }
        }
    }
    o.opt_u64("dimensions", request.dimensions.map(u64::from));
    let encoding = request.encodings.iter().find(|e| own(&request.extra) || knows(e));
    o.opt_str("encoding_format", encoding);
    if request.encodings.len() > usize::from(encoding.is_some()) {
        losses.dropped("encodings");
    }
    for (name, value) in [("purpose", &request.purpose), ("truncate", &request.truncate)] {
        if value.is_some() {
            losses.dropped(name);
        }
    }
    o.opt_str("user", request.user.as_ref());
    o.extra(&request.extra, ME);
    request.extra.lose(ME, "", &mut losses);
    drop(o);
    Ok(Encoded::json(out.freeze(), losses))
}

fn knows(encoding: &Str) -> bool {
    matches!(&**encoding, "float" | "base64")
}

fn write_input(
    array: &mut ArrayWriter<'_>,
    input: &EmbedInput,
    at: usize,
) -> Result<(), BadRequest> {
    match input {
        EmbedInput::Text(text) => array.str(text),
        EmbedInput::Tokens(tokens) => write_tokens(&mut array.array(), tokens),
        EmbedInput::Parts(parts) => {
            // Several texts of one input are one text here; anything else has no way.
            let texts = parts.iter().map(|p| match &p.kind {
                PartKind::Text(text) => Some(&*text.text),
                _ => None,
            });
            let Some(texts) = texts.collect::<Option<Vec<_>>>() else {
                let param = format!("input.{at}").into();
                return Err(BadRequest::unsupported(
                    Some(param),
                    "this provider embeds nothing but text",
                ));
            };
            array.str(&texts.concat());
        }
    }
    Ok(())
}

fn write_tokens(array: &mut ArrayWriter<'_>, tokens: &[u32]) {
    tokens.iter().for_each(|t| array.u64(u64::from(*t)));
}

/// Reads an answer.
pub(super) fn read(body: &Bytes) -> Result<Embeddings, Corrupt> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let mut rows = Vec::new();
    for (at, item) in o.need("data")?.array()?.into_iter().enumerate() {
        let mut row = item.object()?;
        let index = take_u64(&mut row, "index").unwrap_or(at as u64);
        rows.push((index, vector(row.need("embedding")?)?));
    }
    // The order of the inputs, whatever the order of the answer.
    rows.sort_by_key(|(index, _)| *index);
    let vectors: Vec<Vector> = rows.into_iter().map(|(_, vector)| vector).collect();
    let base64 = matches!(vectors.first(), Some(Vector::Base64(_)));
    let encoding = Str::from_static(if base64 { "base64" } else { "float" });
    if o.see("object").is_some_and(|f| f.text() == "\"list\"") {
        o.take("object")?;
    }
    Ok(Embeddings {
        id: take_str(&mut o, "id"),
        model: take_str(&mut o, "model"),
        sets: vec![VectorSet { encoding, vectors }],
        usage: o.take_if("usage", JsonKind::Object).and_then(usage::read),
        extra: o.rest(ME),
    })
}

fn vector(field: Field<'_>) -> Result<Vector, Bad> {
    match field.kind() {
        JsonKind::String => field.str().map(Vector::Base64),
        // Whole numbers stay whole: hosts quantise.
        _ => match field.parse::<Vec<i16>>() {
            Ok(whole) if !whole.is_empty() => Ok(Vector::Int(whole)),
            _ => field.parse().map(Vector::Float),
        },
    }
}

/// Writes an answer.
pub(super) fn render(answer: &Embeddings, cx: &RenderCx) -> Rendered {
    let mut losses = Losses::default();
    let base64 = match cx.format.as_deref() {
        Some("base64") => Some(true),
        Some("float") => Some(false),
        // Nothing said: as it came.
        _ => None,
    };
    let set = pick(&answer.sets, base64);
    if answer.sets.len() > 1 {
        losses.dropped("sets");
    }
    let body = write::object(|o| {
        o.str("object", "list").opt_str("id", answer.id.as_ref());
        let mut data = o.array("data");
        for (at, vector) in (0u64..).zip(set.map_or(&[][..], |s| &s.vectors)) {
            let mut row = data.object();
            row.str("object", "embedding").u64("index", at);
            write_vector(&mut row, vector, base64);
        }
        drop(data);
        // Official clients require both, where other vendors leave them out.
        let foreign = answer.extra.origin() != Some(ME);
        match cx.model.as_ref().or(answer.model.as_ref()) {
            Some(model) => _ = o.str("model", model),
            None if foreign => _ = o.str("model", "unknown"),
            None => {}
        }
        match &answer.usage {
            Some(report) => usage::write_input(&mut o.object("usage"), report),
            None if foreign => {
                o.object("usage").u64("prompt_tokens", 0).u64("total_tokens", 0);
            }
            None => {}
        }
        o.extra(&answer.extra, ME);
        answer.extra.lose(ME, "", &mut losses);
    });
    Rendered::json(body.freeze(), losses)
}

/// The set that the caller can read: real numbers, if there are any.
fn pick(sets: &[VectorSet], base64: Option<bool>) -> Option<&VectorSet> {
    let wanted = if base64 == Some(true) { "base64" } else { "float" };
    let real = |s: &&VectorSet| !matches!(s.vectors.first(), Some(Vector::Int(_)));
    sets.iter().find(|s| &*s.encoding == wanted).or(sets.iter().find(real)).or(sets.first())
}

fn write_vector(row: &mut ObjectWriter<'_>, vector: &Vector, base64: Option<bool>) {
    match (vector, base64) {
        (Vector::Float(numbers), Some(true)) => {
            let bytes: Vec<u8> = numbers.iter().flat_map(|n| (*n as f32).to_le_bytes()).collect();
            row.str("embedding", &STANDARD.encode(bytes));
        }
        (Vector::Base64(text), Some(false)) => {
            let bytes = STANDARD.decode(&**text).unwrap_or_default();
            let mut array = row.array("embedding");
            for four in bytes.as_chunks::<4>().0 {
                // By way of text, so that 0.1 stays 0.1 and does not grow digits.
                let number = f32::from_le_bytes(*four).to_string();
                array.f64(number.parse().unwrap_or(f64::NAN));
            }
        }
        (Vector::Base64(text), _) => _ = row.str("embedding", text),
        (Vector::Float(numbers), _) => {
            let mut array = row.array("embedding");
            numbers.iter().for_each(|n| array.f64(*n));
        }
        (Vector::Int(numbers), _) => {
            let mut array = row.array("embedding");
            numbers.iter().for_each(|n| array.i64(i64::from(*n)));
        }
    }
}
