//! Whole answers, in both directions and both shapes.

use bytes::Bytes;
use llm_core::Str;
use llm_core::answer::UsageReport;
use llm_core::completion::{Candidate, Completion, Finish, FinishReason};
use llm_core::dialect::{Corrupt, RenderCx, Rendered};
use llm_core::error::Error;
use llm_core::extra::{Extra, Losses, Notation};
use llm_core::prompt::{Part, PartKind};
use llm_core::usage::Usage;

use super::ids::AnswerIds;
use super::message::{self, Fate, Words};
use super::wire::{ID, MESSAGE, Shape, note};
use super::{error, logprobs, signatures, time};
use crate::json::{JsonKind, Object, ObjectWriter, nested, object, write};
use crate::state;

/// Reads an answer. The field `message` tells its shape.
pub(super) fn decode(body: &Bytes) -> Result<Completion, Corrupt> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    if let Some(field) = o.see("error").filter(|f| !f.is_null()) {
        let failure = Some(Error::upstream(error::inside(field, body)));
        return Ok(Completion { failure, ..Completion::default() });
    }
    let mut extra = Extra::new(ID);
    let created_at = o.take_if("created_at", JsonKind::String);
    let created_text = created_at.map(|f| f.str()).transpose()?;
    if let Some(field) = created_at {
        extra.push("created_at", field.raw());
    }
    let mut ids = AnswerIds::new(created_text.as_deref().unwrap_or_default());
    let mut bits = 0;
    let mut parts = match o.take_if(MESSAGE, JsonKind::Object) {
        Some(field) => {
            let mut message = field.object()?;
            if message.see("role").is_some_and(|f| f.text() == "\"assistant\"") {
                message.take("role")?;
            } else {
                bits |= note::ROLE_UNSAID;
            }
            let parts = message::read(&mut message, "content", &mut bits, &mut || ids.next())?;
            nested::keep(&mut extra, MESSAGE, message, ID);
            parts
        }
        None => {
            bits |= note::MESSAGE_UNSAID;
            message::read(&mut o, "response", &mut bits, &mut || ids.next())?
        }
    };
    take_logprobs(&mut o, &mut parts);
    let done = o.bool("done")?;
    bits |= if done.is_none() { note::DONE_UNSAID } else { 0 };
    let model = o.str("model")?;
    let usage = usage(&mut o);
    let calls = parts.iter().any(|p| matches!(p.kind, PartKind::ToolCall(_)));
    let finish = match done {
        Some(true) => Some(finish(o, calls)?),
        _ => {
            for (name, value) in o.rest(ID).fields() {
                extra.push(name.clone(), value.clone());
            }
            None
        }
    };
    // An answer that says nothing and does not end is none.
    let silent = parts.is_empty() && finish.is_none();
    Ok(Completion {
        id: None,
        model,
        created: created_text.as_deref().and_then(time::seconds),
        ended: finish.is_some(),
        candidates: if silent { Vec::new() } else { vec![Candidate { parts, finish }] },
        usage,
        failure: None,
        extra: extra.noted(bits),
    })
}

/// Probabilities belong to the text. Where there is none, or they say more than we have words
/// for, they stay as they are.
fn take_logprobs(o: &mut Object<'_>, parts: &mut [Part]) {
    let Some(field) = o.see("logprobs").filter(|f| f.kind() == JsonKind::Array) else { return };
    let text = parts.iter_mut().find_map(|p| match &mut p.kind {
        PartKind::Text(text) => Some(text),
        _ => None,
    });
    if let (Some(text), Some(list)) = (text, logprobs::read(field))
        && !list.is_empty()
        && o.take_if("logprobs", JsonKind::Array).is_some()
    {
        text.logprobs = list;
    }
}

/// How an answer ended; everything not taken before is kept with it.
pub(super) fn finish(mut o: Object<'_>, calls: bool) -> Result<Finish, Corrupt> {
    let word = o.take_if("done_reason", JsonKind::String).map(|f| f.str()).transpose()?;
    let reason = match word.as_deref() {
        // Whether tools are to be run is not said: the calls say it.
        None | Some("stop" | "") if calls => FinishReason::ToolCalls,
        None | Some("stop" | "") => FinishReason::Stop,
        Some("length") => FinishReason::Length,
        Some(other) => FinishReason::Other(other.into()),
    };
    Ok(Finish { reason, word, extra: o.rest(ID) })
}

/// The fields of an answer that count something.
const COUNTS: [&str; 6] = [
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
];

/// Ollama's counts: what was evaluated of the prompt, and what was written, thinking included. A
/// prompt that was still in memory is not evaluated, and then not counted at all.
pub(super) fn usage(o: &mut Object<'_>) -> Option<UsageReport> {
    let count = |name: &str| o.see(name).and_then(|f| f.u64().ok());
    let (input, output) = (count("prompt_eval_count"), count("eval_count"));
    if input.is_none() && output.is_none() {
        return None;
    }
    let mut usage = Usage {
        input: input.unwrap_or_default(),
        output: output.unwrap_or_default(),
        ..Usage::default()
    };
    usage.unknown.input = input.is_none();
    usage.unknown.output = output.is_none();
    let mut extra = Extra::new(ID);
    for name in COUNTS {
        if let Some(field) = o.take_if(name, JsonKind::Number) {
            extra.push(name, field.raw());
        }
    }
    Some(UsageReport { usage, extra })
}

/// Writes the counts.
pub(super) fn write_usage(o: &mut ObjectWriter<'_>, report: &UsageReport, losses: &mut Losses) {
    if report.extra.origin() == Some(ID) {
        o.extra(&report.extra, ID);
        return;
    }
    let usage = &report.usage;
    o.opt_u64("prompt_eval_count", usage.input_total());
    o.opt_u64("eval_count", usage.output_total());
    for (name, count) in [
        ("usage.cache_read", usage.cache_read),
        ("usage.cache_write", usage.cache_write_total()),
        ("usage.reasoning", usage.reasoning),
    ] {
        if count > 0 {
            losses.approximated(name);
        }
    }
}

/// The head of every line and body: who answers, and when.
pub(super) fn write_head(
    o: &mut ObjectWriter<'_>,
    model: Option<&Str>,
    extra: &Extra,
    created: Option<u64>,
    cx: &RenderCx,
) {
    o.opt_str("model", cx.model.as_ref().or(model));
    match extra.get_from(ID, "created_at") {
        Some(as_written) => o.raw("created_at", as_written),
        // An answer of ours that said nothing of its time.
        None if extra.origin() == Some(ID) => o,
        None => o.str("created_at", &time::text(created.unwrap_or(cx.created))),
    };
}

/// Writes `done_reason`.
pub(super) fn write_reason(o: &mut ObjectWriter<'_>, finish: &Finish, losses: &mut Losses) {
    if finish.extra.origin() == Some(ID) {
        o.opt_str("done_reason", finish.word.as_ref());
        return;
    }
    let word = match &finish.reason {
        FinishReason::Stop | FinishReason::ToolCalls => "stop",
        FinishReason::Length => "length",
        FinishReason::ContentFilter
        | FinishReason::Refusal
        | FinishReason::Paused
        | FinishReason::Failed => {
            losses.approximated("finish");
            "stop"
        }
        FinishReason::Other(word) => word,
    };
    o.str("done_reason", word);
    finish.extra.lose(ID, "finish", losses);
}

/// Writes an answer.
pub(super) fn encode(shape: Shape, completion: &Completion, cx: &RenderCx) -> Rendered {
    let mut losses = Losses::default();
    completion.extra.lose(ID, "", &mut losses);
    if completion.candidates.len() > 1 {
        losses.dropped("candidates.1");
    }
    let none = Candidate::default();
    let candidate = completion.candidates.first().unwrap_or(&none);
    let notation = completion.extra.notation(ID);
    let body = write::object(|o| {
        write_head(o, completion.model.as_ref(), &completion.extra, completion.created, cx);
        match shape {
            Shape::Generate => write_said(o, "response", candidate, &completion.extra, &mut losses),
            Shape::Chat if silent(candidate, notation) => {}
            Shape::Chat => {
                let mut message = o.object(MESSAGE);
                if !notation.has(note::ROLE_UNSAID) {
                    message.str("role", "assistant");
                }
                write_said(&mut message, "content", candidate, &completion.extra, &mut losses);
                nested::write_inner(&mut message, &completion.extra, ID, MESSAGE);
            }
        }
        if let Some(finish) = &candidate.finish {
            write_reason(o, finish, &mut losses);
        }
        if !notation.has(note::DONE_UNSAID) {
            o.bool("done", candidate.finish.is_some() || completion.ended);
        }
        if let Some(usage) = &completion.usage {
            write_usage(o, usage, &mut losses);
        }
        logprobs::write_all(o, candidate.parts.iter());
        for (name, value) in completion.extra.fields() {
            let elsewhere = name == "created_at" || name.starts_with("message.");
            if completion.extra.origin() == Some(ID) && !elsewhere {
                o.kept(name, value);
            }
        }
        if let Some(finish) = &candidate.finish {
            o.extra(&finish.extra, ID);
        }
    });
    Rendered::json(body.freeze(), losses)
}

/// Whether there was no message, and still is nothing to put into one.
fn silent(candidate: &Candidate, notation: Notation) -> bool {
    candidate.parts.is_empty() && notation.has(note::MESSAGE_UNSAID | note::CONTENT_UNSAID)
}

fn write_said(
    o: &mut ObjectWriter<'_>,
    text_name: &'static str,
    candidate: &Candidate,
    extra: &Extra,
    losses: &mut Losses,
) {
    let mut words = Words::default();
    for (at, part) in candidate.parts.iter().enumerate() {
        let path = || format!("parts.{at}");
        match words.add(part) {
            Fate::Said => {}
            Fate::Changed => losses.approximated(path()),
            Fate::Lost => losses.dropped(path()),
        }
        if part.extra.origin() != Some(ID) && !part.extra.is_empty() {
            part.extra.lose(ID, path(), losses);
        }
        if let PartKind::Text(text) = &part.kind
            && !text.citations.is_empty()
        {
            losses.dropped(format!("parts.{at}.citations"));
        }
    }
    let text = words.text("");
    if !text.is_empty() || !extra.notation(ID).has(note::CONTENT_UNSAID) {
        o.str(text_name, &text);
    }
    words.write_beside(o, extra);
    if let Some(field) = signatures::of_thinking(candidate.parts.iter()) {
        o.str(signatures::THINKING, &field);
    }
    let of_text = candidate.parts.iter().rev().filter(|p| matches!(p.kind, PartKind::Text(_)));
    if let Some(state) = of_text.filter_map(|p| p.state.as_ref()).next() {
        o.str(signatures::CONTENT, &state::token(state));
    }
    if words.calls.is_empty() && extra.notation(ID).has(note::NO_CALLS) {
        o.array("tool_calls");
    }
    message::write_calls(o, words.calls.into_iter(), true, &mut |part| {
        let at = candidate.parts.iter().position(|p| std::ptr::eq(p, part)).unwrap_or_default();
        message::changed_arguments(losses, &format!("parts.{at}"));
    });
}
