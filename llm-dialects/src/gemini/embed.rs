//! Vectors: `embedContent` for one input, `batchEmbedContents` for several.
//!
//! Upstream only the batch form is used, since one input is a batch of one; a caller may use
//! either. The batch repeats the model and the settings with each input. The words have them once;
//! where inputs differ in them, the odd ones stay in the remainders of the inputs.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use llm_core::Str;
use llm_core::answer::{Embeddings, UsageReport, Vector, VectorSet};
use llm_core::dialect::{
    BadReason, BadRequest, Corrupt, Encoded, RenderCx, Rendered, Route, SendCx,
};
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::{EmbedInput, EmbedRequest, Part, PartKind, Prompt};
use llm_core::raw::Raw;
use llm_core::usage::{Unknown, Usage};

use super::names::{self, TASK_TYPE, bare};
use super::notation::{ME, Name, keep_remainder, rest, restore, restore_remainder};
use super::part::write::{StateFor, Writing, write as write_part};
use super::part::{self, Place, function::Calls};
use super::route::prefixed;
use crate::json::{Bad, Field, JsonKind, Object, ObjectWriter, object, write};

const SNAKE_DIMENSIONS: u32 = 1;
const SNAKE_TASK: u32 = 1 << 1;
/// One input, not in a batch.
const SINGLE: u32 = 1 << 2;
/// Each input names the model.
const NAMES_MODEL: u32 = 1 << 3;
/// It does so with its collection.
const PREFIXED: u32 = 1 << 4;
/// The task is a number.
const NUMBER: u32 = 1 << 5;
/// The batch names the model as well.
const BATCH_NAMES_MODEL: u32 = 1 << 6;
/// What single inputs said besides is kept as this.
const REQUESTS: &str = "requests";

const DIMENSIONS: Name =
    Name::new("outputDimensionality", "output_dimensionality", SNAKE_DIMENSIONS);
const TASK: Name = Name::new("taskType", "task_type", SNAKE_TASK);

/// Reads the words of either form.
pub(super) fn decode(route: &Route, body: &Bytes) -> Result<Prompt, BadRequest> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let mut r =
        EmbedRequest { model: route.model.clone().unwrap_or_default(), ..Default::default() };
    let mut bits = 0;
    if o.see("requests").is_none() {
        bits |= SINGLE;
        let mut besides = Extra::new(ME);
        let one = Object::root(&text)?;
        input(one, &mut r, &mut bits, true, &mut besides)?;
        r.extra = besides.noted(bits);
        return Ok(Prompt::Embed(r));
    }
    if let Some(model) = o.see("model").and_then(|f| f.str().ok())
        && *model == *prefixed(&r.model)
    {
        o.take("model")?;
        bits |= BATCH_NAMES_MODEL;
    }
    let mut all = Vec::new();
    for (at, field) in o.array("requests")?.into_iter().enumerate() {
        let mut besides = Extra::new(ME);
        input(field.object()?, &mut r, &mut bits, at == 0, &mut besides)?;
        all.push(besides);
    }
    r.extra = rest(o, bits);
    if all.iter().any(|b| !b.is_empty()) {
        r.extra.push(Str::from_static(REQUESTS), listed(&all));
    }
    Ok(Prompt::Embed(r))
}

fn listed(all: &[Extra]) -> Raw {
    let mut out = BytesMut::new();
    let mut list = crate::json::ArrayWriter::begin(&mut out);
    for besides in all {
        list.object().extra(besides, ME);
    }
    drop(list);
    Raw::from_parsed(Str::try_from(out.freeze()).unwrap_or_else(|_| Str::from_static("[]")))
}

/// Reads one input. Settings are those of the first; others that differ stay beside their input.
fn input(
    mut o: Object<'_>,
    r: &mut EmbedRequest,
    bits: &mut u32,
    first: bool,
    besides: &mut Extra,
) -> Result<(), Bad> {
    if let Some(model) = o.see("model").and_then(|f| f.str().ok()) {
        let prefixed = model.starts_with("models/");
        let named = NAMES_MODEL | if prefixed { PREFIXED } else { 0 };
        if first && (r.model.is_empty() || r.model == bare(&model)) {
            *bits |= named;
            r.model = bare(&model).to_owned().into();
        }
        // Whoever names another model for one input is told so by Google, not corrected by us.
        if *bits & (NAMES_MODEL | PREFIXED) == named && r.model == bare(&model) {
            o.take("model")?;
        }
    }
    dimensions(&mut o, r, bits, first)?;
    task(&mut o, r, bits, first)?;
    let content = o.need("content")?;
    r.input.push(read_input(content, besides)?);
    let kept = rest(o, 0);
    kept.fields().iter().for_each(|(n, v)| besides.push(n.clone(), v.clone()));
    Ok(())
}

fn dimensions(
    o: &mut Object<'_>,
    r: &mut EmbedRequest,
    bits: &mut u32,
    first: bool,
) -> Result<(), Bad> {
    let Some(field) = DIMENSIONS.see(o) else { return Ok(()) };
    let value: Option<u32> = field.text().parse().ok();
    if value.is_some() && (first || (value == r.dimensions && spelled_alike(o, &DIMENSIONS, *bits)))
    {
        DIMENSIONS.take(o, bits)?;
        r.dimensions = value;
    }
    Ok(())
}

fn task(o: &mut Object<'_>, r: &mut EmbedRequest, bits: &mut u32, first: bool) -> Result<(), Bad> {
    let Some(field) = TASK.see(o) else { return Ok(()) };
    let Some((word, number)) = names::word(field, TASK_TYPE) else { return Ok(()) };
    let same = r.purpose.as_deref() == Some(&*word)
        && spelled_alike(o, &TASK, *bits)
        && number == (*bits & NUMBER != 0);
    if first || same {
        let word: Cow<'_, str> = Cow::Owned(word.into_owned());
        TASK.take(o, bits)?;
        *bits |= if number { NUMBER } else { 0 };
        r.purpose = Some(word.into_owned().into());
    }
    Ok(())
}

fn spelled_alike(o: &Object<'_>, name: &Name, bits: u32) -> bool {
    o.see(name.snake).is_some() == (bits & name.bit != 0)
}

/// Reads the content of one input: a text, where it is nothing else.
fn read_input(field: Field<'_>, besides: &mut Extra) -> Result<EmbedInput, Bad> {
    let mut content = field.object()?;
    let mut calls = Calls::new(Str::new());
    let parts: Vec<Part> = match content.take("parts")? {
        None => Vec::new(),
        Some(list) if list.kind() == JsonKind::Object => vec![part::read(list, &mut calls)?],
        Some(list) => {
            let list = list.array()?.into_iter();
            list.map(|f| part::read(f, &mut calls)).collect::<Result<_, _>>()?
        }
    };
    keep_remainder(besides, "content", content);
    match &parts[..] {
        [Part { kind: PartKind::Text(text), state: None, extra, .. }]
            if *extra == Extra::new(ME) =>
        {
            Ok(EmbedInput::Text(text.text.clone()))
        }
        _ => Ok(EmbedInput::Parts(parts)),
    }
}

/// Writes the batch form, or the form it came in.
pub(super) fn encode(r: &EmbedRequest, cx: &SendCx<'_>) -> Result<Encoded, BadRequest> {
    let mut losses = Losses::default();
    if r.input.iter().any(|i| matches!(i, EmbedInput::Tokens(_))) {
        let message = "Gemini embeds texts and media, not tokens";
        let (reason, param) = (BadReason::Unsupported, Some(Str::from_static("input")));
        return Err(BadRequest { reason, message: message.into(), param });
    }
    if r.encodings.iter().any(|e| !matches!(&**e, "float" | "base64")) {
        losses.dropped("encodings");
    }
    if r.truncate.is_some() {
        losses.dropped("truncate");
    }
    if r.user.is_some() {
        losses.dropped("user");
    }
    let body = write::object(|o| {
        if r.extra.notation(ME).has(SINGLE)
            && let [one] = &r.input[..]
        {
            write_input(o, r, one, 0, None, cx, &mut losses);
            restore_besides(o, &r.extra);
            return;
        }
        if r.extra.notation(ME).has(BATCH_NAMES_MODEL) {
            o.str("model", &prefixed(bare(cx.model)));
        }
        let kept = r.extra.get_from(ME, REQUESTS).map(|raw| raw.text().clone());
        let kept = kept.as_ref().and_then(|t| Field::root(t).ok()?.array().ok());
        let mut list = o.array("requests");
        for (at, input) in r.input.iter().enumerate() {
            let besides = kept.as_ref().and_then(|k| k.get(at)).copied();
            write_input(&mut list.object(), r, input, at, besides, cx, &mut losses);
        }
        drop(list);
        restore(o, &r.extra, &[REQUESTS]);
    });
    r.extra.lose(ME, "", &mut losses);
    Ok(Encoded::json(body, losses))
}

fn restore_besides(o: &mut ObjectWriter<'_>, extra: &Extra) {
    restore(o, extra, &["content"]);
}

fn write_input(
    o: &mut ObjectWriter<'_>,
    r: &EmbedRequest,
    input: &EmbedInput,
    at: usize,
    besides: Option<Field<'_>>,
    cx: &SendCx<'_>,
    losses: &mut Losses,
) {
    let bits = r.extra.notation(ME);
    let own = r.extra.origin() == Some(ME);
    let besides = besides.and_then(|f| f.object().ok()).map_or_else(Extra::default, |o| rest(o, 0));
    let besides = if bits.has(SINGLE) { &r.extra } else { &besides };
    let says = |name: &Name| besides.get(name.camel).or(besides.get(name.snake)).is_some();
    if (!own || bits.has(NAMES_MODEL)) && besides.get("model").is_none() {
        let model = bare(cx.model);
        o.str(
            "model",
            &if own && !bits.has(PREFIXED) { model.to_owned() } else { prefixed(model) },
        );
    }
    let mut content = o.object("content");
    let mut parts = content.array("parts");
    match input {
        EmbedInput::Text(text) => {
            parts.object().str("text", text);
        }
        EmbedInput::Parts(all) => {
            let mut w = Writing::new(StateFor::Upstream);
            for (i, part) in all.iter().enumerate() {
                write_part(&mut parts, part, false, Place::new("input", at, i), &mut w);
            }
            w.losses.iter().for_each(|l| losses.push(l.path.clone(), l.reason));
        }
        EmbedInput::Tokens(_) => {}
    }
    drop(parts);
    restore_remainder(&mut content, besides, "content");
    drop(content);
    if let Some(dimensions) = r.dimensions.filter(|_| !says(&DIMENSIONS)) {
        o.u64(DIMENSIONS.spelled(bits), u64::from(dimensions));
    }
    if let Some(purpose) = r.purpose.as_ref().filter(|_| !says(&TASK)) {
        write_task(o, TASK.spelled(bits), purpose, bits.has(NUMBER), losses);
    }
    if !bits.has(SINGLE) {
        restore(o, besides, &["content"]);
    }
}

/// Cohere names purposes as well; what it means is the same.
fn write_task(
    o: &mut ObjectWriter<'_>,
    name: &'static str,
    purpose: &str,
    number: bool,
    losses: &mut Losses,
) {
    let word = match purpose {
        "search_document" => "RETRIEVAL_DOCUMENT",
        "search_query" => "RETRIEVAL_QUERY",
        "classification" => "CLASSIFICATION",
        "clustering" => "CLUSTERING",
        own if own.bytes().any(|b| b.is_ascii_lowercase()) => {
            losses.dropped("purpose");
            return;
        }
        own => own,
    };
    match names::number(word, TASK_TYPE).filter(|_| number) {
        Some(number) => o.u64(name, number),
        None => o.str(name, word),
    };
}

/// One vector, not in a batch.
const ALONE: u32 = 1;

/// Reads vectors of either form.
pub(super) fn decode_answer(body: &Bytes) -> Result<Embeddings, Corrupt> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let mut bits = 0;
    let list = match o.take_if("embedding", JsonKind::Object) {
        Some(one) => {
            bits |= ALONE;
            vec![one]
        }
        None => o.need("embeddings")?.array()?,
    };
    let mut vectors = Vec::with_capacity(list.len());
    let mut besides = Vec::with_capacity(list.len());
    for field in list {
        let mut one = field.object()?;
        let values = one.need("values")?;
        vectors.push(Vector::Float(values.parse()?));
        besides.push(one.rest(ME));
    }
    let usage = o.see("usageMetadata").and_then(report);
    if usage.is_some() {
        o.take("usageMetadata")?;
    }
    let mut extra = rest(o, bits);
    if besides.iter().any(|b| !b.is_empty()) {
        extra.push(Str::from_static(BESIDES), listed(&besides));
    }
    let sets = vec![VectorSet { encoding: Str::from_static("float"), vectors }];
    Ok(Embeddings { sets, usage, extra, ..Embeddings::default() })
}

/// What single vectors said besides.
const BESIDES: &str = "embeddings";

/// Only what was read is counted.
fn report(field: Field<'_>) -> Option<UsageReport> {
    let object = field.object().ok()?;
    let input = object.see("promptTokenCount")?.u64().ok()?;
    let unknown = Unknown { output: true, ..Unknown::default() };
    let usage = Usage { input, unknown, ..Usage::default() };
    Some(UsageReport { usage, extra: object.rest(ME) })
}

/// Writes vectors. A caller of the single form wants one, named so.
pub(super) fn encode_answer(e: &Embeddings, cx: &RenderCx) -> Rendered {
    let mut losses = Losses::default();
    let own = e.extra.origin() == Some(ME);
    let set = e.sets.iter().find(|s| s.encoding == "float").or(e.sets.first());
    if e.sets.len() > 1 {
        losses.dropped("sets");
    }
    let vectors = set.map_or(&[][..], |s| &s.vectors);
    let alone = match cx.format.as_deref() {
        Some("embedContent") => true,
        Some("batchEmbedContents") => false,
        _ => e.extra.notation(ME).has(ALONE),
    };
    let body = write::object(|o| {
        let kept = e.extra.get_from(ME, BESIDES).map(|raw| raw.text().clone());
        let kept = kept.as_ref().and_then(|t| Field::root(t).ok()?.array().ok());
        let besides = |at: usize| kept.as_ref().and_then(|k| k.get(at)).copied();
        if alone && let Some(first) = vectors.first() {
            write_vector(&mut o.object("embedding"), first, besides(0));
        } else {
            let mut list = o.array("embeddings");
            for (at, vector) in vectors.iter().enumerate() {
                write_vector(&mut list.object(), vector, besides(at));
            }
        }
        if let Some(report) = &e.usage {
            let mut usage = o.object("usageMetadata");
            let same = |r: &Raw| r.get().parse() == Ok(report.usage.input);
            if report.extra.get_from(ME, "promptTokenCount").is_some_and(same) {
                usage.extra(&report.extra, ME);
            } else {
                usage.opt_u64("promptTokenCount", report.usage.input_total());
            }
        }
        restore(o, &e.extra, &[BESIDES]);
    });
    if !own {
        e.extra.lose(ME, "", &mut losses);
    }
    Rendered::json(body, losses)
}

fn write_vector(o: &mut ObjectWriter<'_>, vector: &Vector, besides: Option<Field<'_>>) {
    let mut list = o.array("values");
    match vector {
        Vector::Float(values) => values.iter().for_each(|v| list.f64(*v)),
        Vector::Int(values) => values.iter().for_each(|v| list.i64(i64::from(*v))),
        Vector::Base64(text) => floats(text).for_each(|v| list.f64(v)),
    }
    drop(list);
    for (name, value) in besides.and_then(|f| f.object().ok()).iter().flat_map(Object::members) {
        o.under(name).json(value.text());
    }
}

/// The numbers in little-endian `f32`, as OpenAI writes vectors. Each as the shortest decimal that
/// means the same `f32`, not as the long one that the double beside it has.
fn floats(text: &str) -> impl Iterator<Item = f64> + use<> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
    let chunks = bytes.chunks_exact(4).filter_map(|c| c.try_into().ok().map(f32::from_le_bytes));
    let values: Vec<f64> =
        chunks.map(|f: f32| f.to_string().parse().unwrap_or(f64::from(f))).collect();
    values.into_iter()
}
