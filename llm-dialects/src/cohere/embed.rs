//! Vectors: several number formats at once, of texts, pictures, or mixtures of both.

use bytes::Bytes;
use llm_core::answer::{Embeddings, Vector, VectorSet};
use llm_core::dialect::{BadRequest, Corrupt, Encoded, RenderCx, Rendered, SendCx};
use llm_core::extra::Losses;
use llm_core::prompt::{EmbedInput, EmbedRequest, Part, PartKind};

use super::wire::{ID, note};
use super::{content, usage};
use crate::json::{ArrayWriter, Bad, Field, JsonKind, Object, ObjectWriter, nested, object, write};

/// What vectors are for when nobody says: Cohere wants to know, and OpenAI's callers have no word
/// for it. Most vectors are of documents; a query's is one for which an approximation is reported.
const PURPOSE: &str = "search_document";
/// Where unknown fields of an input are kept, on its first part.
const INPUT: &str = "input";

/// Reads a question.
pub(super) fn decode(body: &Bytes) -> Result<EmbedRequest, BadRequest> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let mut request = EmbedRequest { model: o.need_str("model")?, ..EmbedRequest::default() };
    let mut bits = 0;
    if let Some(list) = o.take("texts")? {
        for field in list.array()? {
            request.input.push(EmbedInput::Text(field.str()?));
        }
    } else if let Some(list) = o.take("images")? {
        bits |= note::IMAGES;
        for field in list.array()? {
            let picture = PartKind::Image(content::media_of(&field.str()?));
            request.input.push(EmbedInput::Parts(vec![Part::new(picture)]));
        }
    } else {
        bits |= note::INPUTS;
        for field in o.need("inputs")?.array()? {
            request.input.push(EmbedInput::Parts(input(field)?));
        }
    }
    request.purpose = o.str("input_type")?;
    request.truncate = o.str("truncate")?;
    request.dimensions = o.u32("output_dimension")?;
    if o.see("embedding_types").is_some_and(|f| f.text() != "[]") {
        let list = o.array("embedding_types")?;
        request.encodings = list.iter().map(|f| f.str()).collect::<Result<_, _>>()?;
    }
    request.extra = o.rest(ID).noted(bits);
    Ok(request)
}

fn input(field: Field<'_>) -> Result<Vec<Part>, Bad> {
    let mut o = field.object()?;
    let list = o.need("content")?;
    let mut parts = list.array()?.into_iter().map(content::part).collect::<Result<Vec<_>, _>>()?;
    match parts.first_mut() {
        None => return Err(list.bad("must not be empty")),
        Some(first) => nested::keep(&mut first.extra, INPUT, o, ID),
    }
    Ok(parts)
}

/// Writes a question.
pub(super) fn encode(request: &EmbedRequest, cx: &SendCx<'_>) -> Result<Encoded, BadRequest> {
    let mut losses = Losses::default();
    request.extra.lose(ID, "", &mut losses);
    if request.user.is_some() {
        losses.dropped("user");
    }
    let own = request.extra.origin() == Some(ID);
    if let Some(at) = request.input.iter().position(|i| matches!(i, EmbedInput::Tokens(_))) {
        let message = format!("the model takes text, and input {at} is a list of tokens");
        return Err(BadRequest::unsupported(Some(format!("input.{at}").into()), message));
    }
    let body = write::object(|o| {
        o.str("model", cx.model);
        write_input(o, request, &mut losses);
        match purpose(request, &mut losses) {
            Some(purpose) => o.str("input_type", purpose),
            None => o,
        };
        match request.truncate.as_deref() {
            // Ollama's words.
            Some("true") => o.str("truncate", "END"),
            Some("false") => o.str("truncate", "NONE"),
            Some(word) => o.str("truncate", word),
            None => o,
        };
        o.opt_u64("output_dimension", request.dimensions.map(u64::from));
        if !request.encodings.is_empty() {
            o.strs("embedding_types", &request.encodings);
        } else if !own {
            o.array("embedding_types").str("float");
        }
        o.extra(&request.extra, ID);
    });
    Ok(Encoded::json(body.freeze(), losses))
}

fn write_input(o: &mut ObjectWriter<'_>, request: &EmbedRequest, losses: &mut Losses) {
    let notation = request.extra.notation(ID);
    let texts: Option<Vec<&str>> = request
        .input
        .iter()
        .map(|input| match input {
            EmbedInput::Text(text) => Some(&**text),
            EmbedInput::Tokens(_) | EmbedInput::Parts(_) => None,
        })
        .collect();
    if let Some(texts) =
        texts.filter(|_| !notation.has(note::INPUTS) && !notation.has(note::IMAGES))
    {
        let mut list = o.array("texts");
        texts.iter().for_each(|text| list.str(text));
        return;
    }
    if notation.has(note::IMAGES) {
        let mut list = o.array("images");
        for input in &request.input {
            let EmbedInput::Parts(parts) = input else { continue };
            let urls = parts.iter().filter_map(|p| match &p.kind {
                PartKind::Image(media) => content::url_of(media),
                _ => None,
            });
            urls.for_each(|url| list.str(&url));
        }
        return;
    }
    let mut list = o.array("inputs");
    for (at, input) in request.input.iter().enumerate() {
        let mut one = list.object();
        match input {
            EmbedInput::Tokens(_) => {}
            EmbedInput::Text(text) => {
                let part = Part::text(text.clone());
                content::write_text(&mut one.array("content"), text, &part, false);
            }
            EmbedInput::Parts(parts) => {
                let mut content = one.array("content");
                for (inner, part) in parts.iter().enumerate() {
                    write_part(&mut content, part, at, inner, losses);
                }
                drop(content);
                if let Some(first) = parts.first() {
                    nested::write_inner(&mut one, &first.extra, ID, INPUT);
                }
            }
        }
    }
}

fn write_part(
    list: &mut ArrayWriter<'_>,
    part: &Part,
    at: usize,
    inner: usize,
    losses: &mut Losses,
) {
    let mut own = part.clone();
    if own.extra.origin() == Some(ID) {
        // Those stand beside the content.
        own.extra = strip(&part.extra);
    }
    match &part.kind {
        PartKind::Text(text) => content::write_text(list, &text.text, &own, false),
        PartKind::Image(media) => match content::url_of(media) {
            Some(url) => content::write_image(list, &url, media, &own.extra),
            None => losses.dropped(format!("input.{at}.parts.{inner}")),
        },
        PartKind::Opaque(opaque) if opaque.origin == ID => list.raw(&opaque.value),
        _ => losses.dropped(format!("input.{at}.parts.{inner}")),
    }
}

fn strip(extra: &llm_core::extra::Extra) -> llm_core::extra::Extra {
    let mut out = llm_core::extra::Extra::new(ID).noted(extra.notation(ID).0);
    for (name, value) in extra.fields() {
        if !name.strip_prefix(INPUT).is_some_and(|rest| rest.starts_with('.')) {
            out.push(name.clone(), value.clone());
        }
    }
    out
}

/// What the vectors are for. Gemini has the same notion in other words.
fn purpose<'a>(request: &'a EmbedRequest, losses: &mut Losses) -> Option<&'a str> {
    let own = request.extra.origin() == Some(ID);
    Some(match request.purpose.as_deref() {
        None if own => return None,
        None => {
            losses.approximated("purpose");
            PURPOSE
        }
        Some("RETRIEVAL_DOCUMENT") => "search_document",
        Some(
            "RETRIEVAL_QUERY" | "QUESTION_ANSWERING" | "FACT_VERIFICATION" | "CODE_RETRIEVAL_QUERY",
        ) => "search_query",
        Some("CLASSIFICATION") => "classification",
        Some("CLUSTERING") => "clustering",
        Some("SEMANTIC_SIMILARITY") => {
            losses.approximated("purpose");
            "clustering"
        }
        Some(word) => word,
    })
}

/// Reads an answer.
pub(super) fn decode_answer(body: &Bytes) -> Result<Embeddings, Corrupt> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let id = o.str("id")?;
    let field = o.need("embeddings")?;
    let mut bits = 0;
    let mut kept = None;
    let sets = if field.kind() == JsonKind::Array {
        bits |= note::ONE_FORMAT;
        vec![set("float", field)?]
    } else {
        let mut formats = field.object()?;
        let names: Vec<String> = formats.names().map(str::to_owned).collect();
        let mut sets = Vec::with_capacity(names.len());
        for name in names {
            if let Some(field) = formats.take(&name)? {
                sets.push(set(&name, field)?);
            }
        }
        kept = Some(formats);
        sets
    };
    let usage = usage::of_meta(&mut o);
    let mut extra = nested::rest(o, ID, &["embeddings"]).noted(bits);
    if let Some(formats) = kept {
        nested::keep(&mut extra, "embeddings", formats, ID);
    }
    Ok(Embeddings { id, model: None, sets, usage, extra })
}

fn set(encoding: &str, field: Field<'_>) -> Result<VectorSet, Bad> {
    let vectors = match encoding {
        "base64" => field
            .array()?
            .iter()
            .map(|f| Ok(Vector::Base64(f.str()?)))
            .collect::<Result<_, Bad>>()?,
        "int8" | "uint8" | "binary" | "ubinary" => {
            let all: Vec<Vec<i16>> = field.parse()?;
            all.into_iter().map(Vector::Int).collect()
        }
        _ => {
            let all: Vec<Vec<f64>> = field.parse()?;
            all.into_iter().map(Vector::Float).collect()
        }
    };
    Ok(VectorSet { encoding: encoding.to_owned().into(), vectors })
}

/// Writes an answer.
pub(super) fn encode_answer(answer: &Embeddings, cx: &RenderCx) -> Rendered {
    let mut losses = Losses::default();
    answer.extra.lose(ID, "", &mut losses);
    let own = answer.extra.origin() == Some(ID);
    let body = write::object(|o| {
        match &answer.id {
            Some(id) => o.str("id", id),
            None if own => o,
            None => o.str("id", &cx.id),
        };
        if answer.extra.notation(ID).has(note::ONE_FORMAT) {
            let mut list = o.array("embeddings");
            answer.sets.iter().for_each(|set| write_set(&mut list, set));
        } else {
            let mut formats = o.object("embeddings");
            for set in &answer.sets {
                write_set(&mut formats.under(&set.encoding).array(), set);
            }
            nested::write_inner(&mut formats, &answer.extra, ID, "embeddings");
        }
        if !own {
            o.str("response_type", "embeddings_by_type");
        }
        usage::write_meta(o, answer.usage.as_ref());
        nested::write_outer(o, &answer.extra, ID, &["embeddings"]);
    });
    Rendered::json(body.freeze(), losses)
}

fn write_set(list: &mut ArrayWriter<'_>, set: &VectorSet) {
    for vector in &set.vectors {
        match vector {
            Vector::Base64(text) => list.str(text),
            Vector::Float(numbers) => {
                let mut out = list.array();
                numbers.iter().for_each(|n| out.f64(*n));
            }
            Vector::Int(numbers) => {
                let mut out = list.array();
                numbers.iter().for_each(|n| out.i64(i64::from(*n)));
            }
        }
    }
}
