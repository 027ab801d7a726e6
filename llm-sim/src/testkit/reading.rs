//! What the product's own codecs read out of a recorded answer, in the neutral words of the
//! corpus's judge (its `EXPECT.md` is the contract).

use bytes::Bytes;
use llm_core::answer::{Answer, Embeddings, Moderation, Transcript, UsageReport, Vector};
use llm_core::completion::{Candidate, Completion, FinishReason, collect};
use llm_core::dialect::{Body, UpstreamDialect};
use llm_core::error::Error;
use llm_core::event::Event;
use llm_core::fault::{Fault, FaultClass};
use llm_core::prompt::{PartKind, ToolCall};
use llm_dialects::drive::Driver;
use serde_json::{Map, Value, json};

use super::corpus::Case;

/// How a stream is cut before it is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// As it came, where that is known; whole otherwise.
    AsRecorded,
    /// In one piece.
    Whole,
    /// In pieces of so many bytes.
    Every(usize),
}

/// What came of reading an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// An answer; streamed ones folded.
    Answer(Answer),
    /// A refusal.
    Fault(Fault),
    /// Bytes that are not what the dialect says.
    Corrupt(String),
}

/// Reads the answer of a case with the codecs of its dialect.
pub fn read(case: &Case, cut: Cut) -> Reading {
    let Some(upstream) = llm_dialects::upstream(case.dialect) else {
        return Reading::Corrupt(format!("no upstream half for {}", case.dialect));
    };
    let response = &case.response;
    if response.status >= 400 {
        return Reading::Fault(upstream.decode_error(&response.head(), &response.bytes()));
    }
    if response.framing.is_some() {
        let completion = collect(&events(case, upstream, cut));
        if case.operation == llm_core::call::Operation::Transcribe {
            let text = completion.text(0).into();
            let transcript = Transcript { text, usage: completion.usage, ..Transcript::default() };
            return Reading::Answer(Answer::Transcribe(transcript));
        }
        return Reading::Answer(Answer::Chat(completion));
    }
    let bytes = response.bytes();
    let content_type = response.headers.get("content-type").map(String::as_str);
    match upstream.decode_answer(case.operation, Body { bytes: &bytes, content_type }) {
        Ok(answer) => Reading::Answer(answer),
        Err(corrupt) => Reading::Corrupt(corrupt.message.to_string()),
    }
}

/// The events of a streamed answer.
pub fn events(case: &Case, upstream: &dyn UpstreamDialect, cut: Cut) -> Vec<Event> {
    let framing = case.response.framing.unwrap_or(llm_core::dialect::Framing::Sse);
    let mut driver = Driver::new(framing, upstream.stream_decoder(case.operation));
    let mut out = Vec::new();
    for chunk in chunks(case, cut) {
        driver.feed(chunk, &mut out);
    }
    driver.finish(&mut out);
    out
}

fn chunks(case: &Case, cut: Cut) -> Vec<Bytes> {
    match cut {
        Cut::AsRecorded => case.response.chunks.clone(),
        Cut::Whole => vec![case.response.bytes()],
        Cut::Every(size) => {
            let whole = case.response.bytes();
            let starts = (0..whole.len()).step_by(size.max(1));
            // Copied, so that no decoder can look past the end of a piece.
            starts
                .map(|at| Bytes::copy_from_slice(&whole[at..whole.len().min(at + size.max(1))]))
                .collect()
        }
    }
}

/// The line of a case.
pub fn line(case: &Case, cut: Cut) -> Value {
    let mut line = match read(case, cut) {
        Reading::Answer(answer) => answer_line(&answer),
        Reading::Fault(fault) => json!({"kind": "error", "error": fault_object(&fault)}),
        Reading::Corrupt(message) => json!({"kind": "corrupt", "message": message}),
    };
    line["case"] = case.name.as_str().into();
    line
}

fn answer_line(answer: &Answer) -> Value {
    match answer {
        Answer::Chat(completion) => completion_line(completion),
        Answer::Embed(embeddings) => embeddings_line(embeddings),
        Answer::Rerank(ranking) => {
            let results = ranking
                .results
                .iter()
                .map(|r| json!({"index": r.index, "score": rounded(r.score.as_f64())}));
            json!({"kind": "rerank", "results": results.collect::<Vec<_>>()})
        }
        Answer::Moderate(moderation) => moderation_line(moderation),
        Answer::Transcribe(transcript) => json!({
            "kind": "transcription",
            "text": &*transcript.text,
            "usage": transcript_usage(transcript),
        }),
        Answer::Image(images) => json!({"kind": "images", "count": images.images.len()}),
        Answer::CountTokens(count) => json!({"kind": "tokens", "count": count.tokens}),
        Answer::ListModels(models) => {
            let mut ids: Vec<&str> = models.models.iter().map(|m| &*m.id).collect();
            ids.sort_unstable();
            json!({"kind": "models", "ids": ids})
        }
    }
}

fn completion_line(completion: &Completion) -> Value {
    let failure = completion.failure.as_ref();
    let truncated = failure.is_some_and(is_truncation);
    let empty = Candidate::default();
    let finish = |candidate: &Candidate| match failure {
        Some(_) if truncated => "none".to_owned(),
        Some(_) => "error".to_owned(),
        None => finish_word(candidate),
    };
    let first = completion.candidates.first().unwrap_or(&empty);
    let mut line = Value::Object(choice(first, finish(first)));
    line["kind"] = "completion".into();
    if completion.candidates.len() > 1 {
        let all = completion.candidates.iter().map(|c| Value::Object(choice(c, finish(c))));
        line["choices"] = all.collect();
    }
    line["usage"] = completion.usage.as_ref().map_or(Value::Null, usage_object);
    line["truncated"] = truncated.into();
    line["error"] = match failure {
        Some(error) if !truncated => error_object(error),
        _ => Value::Null,
    };
    line
}

/// Whether an answer broke off, as against having failed in words.
pub fn is_truncation(error: &Error) -> bool {
    error.fault().is_some_and(|f| f.class == FaultClass::Truncated)
}

fn choice(candidate: &Candidate, finish: String) -> Map<String, Value> {
    let (mut text, mut refusal, mut reasoning) = (String::new(), String::new(), Vec::new());
    let mut calls = Vec::new();
    for part in &candidate.parts {
        match &part.kind {
            PartKind::Text(t) => text.push_str(&t.text),
            PartKind::Refusal(t) => refusal.push_str(&t.text),
            PartKind::Reasoning(t) if !t.is_empty() => reasoning.push(&**t),
            PartKind::ToolCall(call) => calls.push(tool_call(call)),
            PartKind::Reasoning(_)
            | PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::File(_)
            | PartKind::ToolResult(_)
            | PartKind::Opaque(_) => {}
        }
    }
    let some = |text: String| if text.is_empty() { Value::Null } else { text.into() };
    let mut out = Map::new();
    out.insert("text".into(), text.into());
    out.insert("reasoning".into(), some(reasoning.concat()));
    out.insert("refusal".into(), some(refusal));
    out.insert("tool_calls".into(), calls.into());
    out.insert("finish".into(), finish.into());
    out
}

fn tool_call(call: &ToolCall) -> Value {
    let text = call.arguments.trim();
    let arguments = match text {
        "" => json!({}),
        _ => serde_json::from_str(text).unwrap_or_else(|_| Value::from(&*call.arguments)),
    };
    json!({"name": &*call.name, "arguments": arguments, "id": &*call.id})
}

fn finish_word(candidate: &Candidate) -> String {
    let Some(finish) = &candidate.finish else { return "none".to_owned() };
    match &finish.reason {
        FinishReason::Stop => "stop".to_owned(),
        FinishReason::Length => "length".to_owned(),
        FinishReason::ToolCalls => "tool_calls".to_owned(),
        FinishReason::ContentFilter => "content_filter".to_owned(),
        FinishReason::Refusal => "refusal".to_owned(),
        FinishReason::Paused => "paused".to_owned(),
        FinishReason::Failed => "error".to_owned(),
        FinishReason::Other(word) => format!("other:{word}"),
    }
}

fn usage_object(report: &UsageReport) -> Value {
    let usage = &report.usage;
    json!({
        "input_total": usage.input_total(),
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write_total(),
        "output_total": usage.output_total(),
        "reasoning": reasoning_said(report).unwrap_or(usage.reasoning),
    })
}

/// Some hosts claim more reasoning than output. Our counts are disjoint and cannot hold that; what
/// was said is kept beside them.
fn reasoning_said(report: &UsageReport) -> Option<u64> {
    let details = report.extra.get("completion_tokens_details")?;
    let details: Value = serde_json::from_str(details.get()).ok()?;
    details.get("reasoning_tokens")?.as_u64()
}

fn transcript_usage(transcript: &Transcript) -> Value {
    match &transcript.usage {
        Some(report) if report.usage.audio_ms > 0 => {
            json!({"seconds": report.usage.audio_ms as f64 / 1000.0})
        }
        Some(report) => json!({
            "input_total": report.usage.input_total(),
            "output_total": report.usage.output_total(),
        }),
        None => Value::Null,
    }
}

fn embeddings_line(embeddings: &Embeddings) -> Value {
    // Several number formats may come at once; the first is the one asked for.
    let vectors = embeddings.sets.first().map_or(&[][..], |s| &s.vectors);
    let first: Vec<Value> = vectors.iter().map(|v| first_values(v).into()).collect();
    let dims = vectors.first().map_or(0, dimensions);
    let input = embeddings.usage.as_ref().and_then(|u| u.usage.input_total());
    json!({
        "kind": "embeddings",
        "count": vectors.len(),
        "dims": dims,
        "first_values": first,
        "usage": input.map(|n| json!({"input_total": n})),
    })
}

const FIRST_VALUES: usize = 3;

fn first_values(vector: &Vector) -> Vec<Value> {
    match vector {
        Vector::Float(v) => v.iter().take(FIRST_VALUES).map(|x| rounded(*x)).collect(),
        Vector::Int(v) => v.iter().take(FIRST_VALUES).map(|x| (*x).into()).collect(),
        Vector::Base64(text) => {
            floats(text).iter().take(FIRST_VALUES).map(|x| rounded(f64::from(*x))).collect()
        }
    }
}

fn dimensions(vector: &Vector) -> usize {
    match vector {
        Vector::Float(v) => v.len(),
        Vector::Int(v) => v.len(),
        Vector::Base64(text) => floats(text).len(),
    }
}

fn floats(text: &str) -> Vec<f32> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
    bytes.chunks_exact(4).filter_map(|c| c.try_into().ok().map(f32::from_le_bytes)).collect()
}

fn rounded(x: f64) -> Value {
    ((x * 1e6).round() / 1e6).into()
}

fn moderation_line(moderation: &Moderation) -> Value {
    let flagged: Vec<bool> = moderation.results.iter().map(|r| r.flagged).collect();
    let categories: Vec<Vec<&str>> = moderation
        .results
        .iter()
        .map(|r| {
            let mut names: Vec<&str> =
                r.categories.iter().filter(|(_, on)| *on).map(|(name, _)| &**name).collect();
            names.sort_unstable();
            names
        })
        .collect();
    json!({"kind": "moderation", "flagged": flagged, "categories": categories})
}

fn error_object(error: &Error) -> Value {
    match error.fault() {
        Some(fault) => fault_object(fault),
        None => json!({"message": error.message()}),
    }
}

fn fault_object(fault: &Fault) -> Value {
    json!({
        "http": fault.status,
        "class": fault.class.name(),
        "retryable_same_key": fault.retryable,
        "retry_after_s": fault.retry_after.map(|d| d.as_secs_f64()),
        "message": &*fault.message,
    })
}
