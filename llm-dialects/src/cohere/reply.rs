//! Whole answers, in both directions.

use bytes::Bytes;
use llm_core::completion::{Candidate, Completion, Finish, FinishReason};
use llm_core::dialect::{Corrupt, RenderCx, Rendered};
use llm_core::error::Error;
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::{Part, PartKind, TokenLogprob};

use super::wire::{ID, MESSAGE, note};
use super::{citations, content, error, message, usage};
use crate::json::{ArrayWriter, Field, JsonKind, Object, ObjectWriter, nested, object, write};

/// Reads an answer.
pub(super) fn decode(body: &Bytes) -> Result<Completion, Corrupt> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let id = o.str("id")?;
    let mut bits = 0;
    let mut inner = o.need(MESSAGE)?.object()?;
    if inner.see("role").is_some_and(|f| f.text() == "\"assistant\"") {
        inner.take("role")?;
    } else {
        bits |= note::ROLE_UNSAID;
    }
    let mut parts = message::read(&mut inner, &mut bits)?;
    if let Some(list) = o.see("logprobs").and_then(logprobs) {
        let text = parts.iter_mut().find_map(|p| match &mut p.kind {
            PartKind::Text(text) => Some(text),
            _ => None,
        });
        // What is kept says more (token ids), so that both stand.
        if let Some(text) = text {
            text.logprobs = list;
        }
    }
    let called = parts.iter().any(|p| matches!(p.kind, PartKind::ToolCall(_)));
    let finish = o.str("finish_reason")?.map(|word| Finish {
        reason: reason(&word, called),
        word: Some(word),
        extra: Extra::new(ID),
    });
    let unsound = |p: &Part| match &p.kind {
        PartKind::ToolCall(call) => !call.custom && !message::is_json(&call.arguments),
        _ => false,
    };
    if finish.as_ref().is_some_and(|f| message::is_whole(&f.reason)) && parts.iter().any(unsound) {
        return Err(Corrupt::new(message::UNSOUND));
    }
    // A model that gave up says so as an end. It is none, and whoever reads it must know.
    let failed = finish.as_ref().filter(|f| f.reason == FinishReason::Failed);
    let failure = match failed.and_then(|f| f.word.as_ref()) {
        Some(word) => Some(Error::upstream(error::at_end(word, Object::root(&text)?, body))),
        None => None,
    };
    let report = o.see("usage").and_then(usage::report);
    if report.is_some() {
        o.take("usage")?;
    }
    let mut extra = nested::rest(o, ID, &[MESSAGE]).noted(bits);
    nested::keep(&mut extra, MESSAGE, inner, ID);
    // An answer that says nothing and does not end is none.
    let silent = parts.is_empty() && finish.is_none();
    Ok(Completion {
        id,
        model: None,
        created: None,
        ended: finish.is_some() && failure.is_none(),
        candidates: if silent { Vec::new() } else { vec![Candidate { parts, finish }] },
        usage: report,
        failure,
        extra,
    })
}

/// Why an answer ended. Some models say that they are done when they are done calling tools.
pub(super) fn reason(word: &str, called: bool) -> FinishReason {
    match word {
        "COMPLETE" if called => FinishReason::ToolCalls,
        "COMPLETE" | "STOP_SEQUENCE" => FinishReason::Stop,
        "MAX_TOKENS" | "ERROR_LIMIT" => FinishReason::Length,
        "TOOL_CALL" => FinishReason::ToolCalls,
        "ERROR_TOXIC" => FinishReason::ContentFilter,
        "ERROR" | "TIMEOUT" => FinishReason::Failed,
        other => FinishReason::Other(other.into()),
    }
}

/// The word for why an answer ended.
pub(super) fn word(finish: &Finish, losses: &mut Losses) -> llm_core::Str {
    let own = finish.extra.origin() == Some(ID);
    if let Some(word) = finish.word.as_ref().filter(|_| own) {
        return word.clone();
    }
    if !own && !finish.extra.is_empty() {
        finish.extra.lose(ID, "finish", losses);
    }
    let word = match &finish.reason {
        FinishReason::Stop => "COMPLETE",
        FinishReason::Length => "MAX_TOKENS",
        FinishReason::ToolCalls => "TOOL_CALL",
        FinishReason::ContentFilter => "ERROR_TOXIC",
        FinishReason::Failed => "ERROR",
        FinishReason::Refusal | FinishReason::Paused => {
            losses.approximated("finish");
            "COMPLETE"
        }
        FinishReason::Other(word) => return word.clone(),
    };
    word.into()
}

/// How sure the model was: `[{token_ids, text, logprobs}]`, each entry one token with its text;
/// `None` when the list is anything else.
fn logprobs(field: Field<'_>) -> Option<Vec<TokenLogprob>> {
    if field.kind() != JsonKind::Array {
        return None;
    }
    field.array().ok()?.into_iter().map(logprob).collect()
}

/// One entry of it.
pub(super) fn logprob(field: Field<'_>) -> Option<TokenLogprob> {
    let o = field.object().ok()?;
    let token = o.see("text")?.str().ok()?;
    let list = o.see("logprobs")?.array().ok()?;
    let [one] = list[..] else { return None };
    Some(TokenLogprob { token, logprob: one.number().ok()?, bytes: None, top: Vec::new() })
}

/// Writes one entry.
pub(super) fn write_logprob(o: &mut ObjectWriter<'_>, token: &TokenLogprob) {
    o.array("token_ids");
    o.str("text", &token.token);
    // A number is JSON as it is written.
    o.json("logprobs", &format!("[{}]", token.logprob));
}

/// Writes an answer.
pub(super) fn encode(completion: &Completion, cx: &RenderCx) -> Rendered {
    let mut losses = Losses::default();
    completion.extra.lose(ID, "", &mut losses);
    if completion.candidates.len() > 1 {
        losses.dropped("candidates.1");
    }
    let none = Candidate::default();
    let candidate = completion.candidates.first().unwrap_or(&none);
    let own = completion.extra.origin() == Some(ID);
    let body = write::object(|o| {
        match &completion.id {
            Some(id) => o.str("id", id),
            None if own => o,
            None => o.str("id", &cx.id),
        };
        write_message(&mut o.object(MESSAGE), candidate, &completion.extra, &mut losses);
        if let Some(finish) = &candidate.finish {
            o.str("finish_reason", &word(finish, &mut losses));
        }
        if let Some(report) = &completion.usage {
            usage::write(&mut o.object("usage"), report);
        }
        if !own {
            write_logprobs(o, &candidate.parts);
        }
        nested::write_outer(o, &completion.extra, ID, &[MESSAGE]);
        if let Some(finish) = &candidate.finish {
            o.extra(&finish.extra, ID);
        }
    });
    Rendered::json(body.freeze(), losses)
}

fn write_logprobs(o: &mut ObjectWriter<'_>, parts: &[Part]) {
    let texts = parts.iter().filter_map(|p| match &p.kind {
        PartKind::Text(text) => Some(text),
        _ => None,
    });
    let mut all = texts.flat_map(|t| &t.logprobs).peekable();
    if all.peek().is_some() {
        let mut list = o.array("logprobs");
        all.for_each(|token| write_logprob(&mut list.object(), token));
    }
}

fn write_message(
    o: &mut ObjectWriter<'_>,
    candidate: &Candidate,
    extra: &Extra,
    losses: &mut Losses,
) {
    let notation = extra.notation(ID);
    if !notation.has(note::ROLE_UNSAID) {
        o.str("role", "assistant");
    }
    message::write_plan(o, &candidate.parts, notation.has(note::NO_PLAN));
    let in_content = |part: &Part| match &part.kind {
        PartKind::ToolCall(_) => false,
        PartKind::Reasoning(_) => !part.extra.notation(ID).has(note::PLAN),
        _ => true,
    };
    if extra.origin() == Some(ID) && !notation.has(note::CONTENT_LIST) {
        // An answer whose content was a string, or nothing.
        if !notation.has(note::CONTENT_UNSAID) || candidate.parts.iter().any(in_content) {
            let texts = candidate.parts.iter().filter_map(|p| match &p.kind {
                PartKind::Text(text) => Some(&*text.text),
                _ => None,
            });
            o.str("content", &texts.collect::<String>());
        }
    } else if notation.has(note::CONTENT_LIST) || candidate.parts.iter().any(in_content) {
        let mut list = o.array("content");
        for (at, part) in candidate.parts.iter().enumerate().filter(|(_, p)| in_content(p)) {
            write_part(&mut list, part, at, losses);
        }
    }
    let mut calls = candidate.parts.iter().enumerate().filter_map(|(at, p)| match &p.kind {
        PartKind::ToolCall(call) => Some((at, p, call)),
        _ => None,
    });
    let first = calls.next();
    if first.is_some() || notation.has(note::NO_CALLS) {
        let mut list = o.array("tool_calls");
        for (at, part, call) in first.into_iter().chain(calls) {
            if message::write_call(&mut list, part, call, true) {
                losses.approximated(format!("parts.{at}.arguments"));
            }
        }
    }
    citations::write(o, &candidate.parts, notation.has(note::NO_CITATIONS));
    nested::write_inner(o, extra, ID, MESSAGE);
}

fn write_part(list: &mut ArrayWriter<'_>, part: &Part, at: usize, losses: &mut Losses) {
    if part.extra.origin() != Some(ID) && !part.extra.is_empty() {
        part.extra.lose(ID, format_args!("parts.{at}"), losses);
    }
    match &part.kind {
        PartKind::Text(text) => content::write_text(list, &text.text, part, true),
        PartKind::Reasoning(text) => content::write_thinking(list, text, part, true),
        PartKind::Refusal(text) => {
            losses.approximated(format!("parts.{at}"));
            content::write_text(list, &text.text, part, true);
        }
        PartKind::Opaque(opaque) if opaque.origin == ID => list.raw(&opaque.value),
        PartKind::Audio(audio) if audio.transcript.is_some() => {
            losses.approximated(format!("parts.{at}"));
            content::write_text(list, audio.transcript.as_deref().unwrap_or_default(), part, true);
        }
        PartKind::Image(media) if content::url_of(media).is_some() => {
            let url = content::url_of(media).unwrap_or_default();
            content::write_image(list, &url, media, &part.extra);
        }
        PartKind::Image(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::File(_)
        | PartKind::ToolCall(_)
        | PartKind::ToolResult(_)
        | PartKind::Opaque(_) => losses.dropped(format!("parts.{at}")),
    }
}
