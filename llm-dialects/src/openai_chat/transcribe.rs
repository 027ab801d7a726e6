//! Speech to text. The request is a form; the answer is JSON, or a file as it was asked for.

use bytes::Bytes;
use llm_core::Str;
use llm_core::answer::{Transcript, UsageReport};
use llm_core::dialect::{BadRequest, Body, Corrupt, Encoded, RenderCx, Rendered, SendCx};
use llm_core::extra::Losses;
use llm_core::prompt::{TranscribeRequest, Upload};
use llm_core::raw::RawNumber;
use llm_core::usage::{Unknown, Usage};

use super::notation::ME;
use super::reply::take_str;
use crate::json::{Field, JsonKind, Object, object, write};
use crate::multipart::{self, Part};

/// Reads a form.
pub(super) fn decode(body: Body<'_>, model: Option<&Str>) -> Result<TranscribeRequest, BadRequest> {
    let mut request = TranscribeRequest::default();
    let mut has_file = false;
    for part in multipart::parse(body.content_type.unwrap_or_default(), body.bytes)? {
        if &*part.name == "file" {
            has_file = true;
            let Part { filename, content_type, bytes, .. } = part;
            request.file = Upload { name: filename, mime: content_type, bytes };
            continue;
        }
        let name = part.name;
        let value = Str::try_from(part.bytes)
            .map_err(|_| BadRequest::invalid(name.clone(), format!("{name} is not UTF-8")))?;
        match &*name {
            "model" => request.model = value,
            "language" => request.language = Some(value),
            "prompt" => request.prompt = Some(value),
            "response_format" => request.format = Some(value),
            "temperature" => {
                let number = RawNumber::parse(value)
                    .ok_or_else(|| BadRequest::invalid(name, "temperature must be a number"))?;
                request.temperature = Some(number);
            }
            "stream" => request.stream = value.eq_ignore_ascii_case("true"),
            _ => request.fields.push((name, value)),
        }
    }
    if !has_file {
        return Err(BadRequest::invalid("file", "file is required"));
    }
    if request.model.is_empty() {
        request.model =
            model.cloned().ok_or_else(|| BadRequest::invalid("model", "model is required"))?;
    }
    Ok(request)
}

/// Writes a form.
pub(super) fn encode(request: &TranscribeRequest, cx: &SendCx<'_>) -> Encoded {
    let text = |name: &'static str, value: &str| Part {
        name: Str::from_static(name),
        bytes: Bytes::copy_from_slice(value.as_bytes()),
        ..Part::default()
    };
    let mut parts = vec![text("model", cx.model)];
    let said = [
        ("language", request.language.as_deref()),
        ("prompt", request.prompt.as_deref()),
        ("response_format", request.format.as_deref()),
        ("temperature", request.temperature.as_ref().map(RawNumber::get)),
        ("stream", cx.stream.then_some("true")),
    ];
    parts.extend(said.into_iter().filter_map(|(name, value)| Some(text(name, value?))));
    parts.extend(request.fields.iter().map(|(name, value)| Part {
        name: name.clone(),
        bytes: value.clone().into_bytes(),
        ..Part::default()
    }));
    // Last, so that a reader of the form knows what to do with it when it comes.
    parts.push(Part {
        name: Str::from_static("file"),
        // The provider tells the format by the name's ending, and refuses a part without one.
        filename: Some(request.file.name.clone().unwrap_or(Str::from_static("audio.wav"))),
        content_type: request.file.mime.clone(),
        bytes: request.file.bytes.clone(),
    });
    let multipart::Form { body, content_type } = multipart::write(&parts);
    Encoded { body, content_type, losses: Losses::default() }
}

/// Reads an answer.
pub(super) fn read(body: Body<'_>) -> Result<Transcript, Corrupt> {
    let text = object::text(body.bytes)?;
    let json = body.content_type.is_none_or(|t| t.contains("json"));
    let root = Field::root(&text);
    // Servers call a subtitle file `application/json` at times, and JSON `text/plain`.
    let object = root.ok().filter(|f| f.kind() == JsonKind::Object);
    let Some(field) = object.filter(|f| json || f.text().contains("\"text\"")) else {
        return Ok(Transcript { text, plain: true, ..Transcript::default() });
    };
    let mut o: Object<'_> = field.object()?;
    let Some(text) = take_str(&mut o, "text") else { return Err(o.missing("text").into()) };
    let duration = o.see("duration").and_then(|f| f.number().ok());
    if duration.is_some() {
        o.take("duration")?;
    }
    Ok(Transcript {
        text,
        plain: false,
        language: take_str(&mut o, "language"),
        duration,
        usage: o.take_if("usage", JsonKind::Object).and_then(usage),
        extra: o.rest(ME),
    })
}

/// Counted in tokens, or in seconds.
pub(super) fn usage(field: Field<'_>) -> Option<UsageReport> {
    let o = field.object().ok()?;
    let seconds = o.see("seconds").and_then(|f| f.f64().ok());
    match seconds {
        Some(seconds) => {
            let unknown = Unknown { input: true, output: true };
            let audio_ms = (seconds.max(0.0) * 1000.0) as u64;
            let usage = Usage { audio_ms, unknown, ..Usage::default() };
            Some(UsageReport { usage, extra: o.rest(ME) })
        }
        None => super::usage::read(field),
    }
}

/// Writes an answer.
pub(super) fn render(answer: &Transcript, _cx: &RenderCx) -> Rendered {
    let mut losses = Losses::default();
    if answer.plain {
        return Rendered {
            body: answer.text.clone().into_bytes(),
            content_type: Str::from_static("text/plain; charset=utf-8"),
            losses,
        };
    }
    let body = write::object(|o| {
        o.str("text", &answer.text).opt_str("language", answer.language.as_ref());
        o.opt_number("duration", answer.duration.as_ref());
        if let Some(report) = &answer.usage {
            let mut inner = o.object("usage");
            if report.extra.origin() == Some(ME) {
                inner.extra(&report.extra, ME);
            } else if report.usage.audio_ms > 0 {
                inner.str("type", "duration").f64("seconds", report.usage.audio_ms as f64 / 1000.0);
            } else {
                inner.str("type", "tokens");
                super::usage::write_tokens(&mut inner, report);
            }
        }
        o.extra(&answer.extra, ME);
        answer.extra.lose(ME, "", &mut losses);
    });
    Rendered::json(body.freeze(), losses)
}
