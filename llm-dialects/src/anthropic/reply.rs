//! Whole answers, both ways.

use bytes::Bytes;
use llm_core::answer::{Answer, TokenCount};
use llm_core::call::Operation;
use llm_core::completion::{Candidate, Completion, Finish, FinishReason};
use llm_core::dialect::{Corrupt, RenderCx, Rendered};
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::{Part, PartKind};
use llm_core::{Str, answer};

use super::usage::{self, Counts, Place};
use super::{ID, block, error, models};
use crate::json::{Bad, JsonKind, Object, ObjectWriter, object, write};

mod content;

/// What stands beside the reason for the end: in a stream these come with it, and so they are kept
/// with it here.
pub(super) const WITH_FINISH: [&str; 4] =
    ["stop_sequence", "stop_details", "container", "context_management"];

/// Reads a whole answer.
pub(super) fn decode(operation: Operation, body: &Bytes) -> Result<Answer, Corrupt> {
    let text = object::text(body)?;
    let object = Object::root(&text)?;
    match operation {
        Operation::Chat => Ok(Answer::Chat(message(object, body)?)),
        Operation::CountTokens => Ok(Answer::CountTokens(count(object)?)),
        Operation::ListModels => Ok(Answer::ListModels(models::decode(object)?)),
        other => Err(Corrupt::new(format!("no answer to {} is known", other.name()))),
    }
}

fn message(mut o: Object<'_>, body: &Bytes) -> Result<Completion, Bad> {
    if o.see("type").is_some_and(|f| f.cow().is_ok_and(|t| t == "error")) {
        let failure = Some(error::inside(body));
        return Ok(Completion { failure, ..Completion::default() });
    }
    let text =
        |o: &mut Object<'_>, name| o.take_if(name, JsonKind::String).map(|f| f.str()).transpose();
    o.take("type")?;
    o.take("role")?;
    let (id, model) = (text(&mut o, "id")?, text(&mut o, "model")?);
    let parts = block::parts(o.need("content")?)?;
    let mut extra = Extra::new(ID);
    let word = text(&mut o, "stop_reason")?;
    let usage = match o.take("usage")? {
        Some(field) => {
            let mut counts = Counts::default();
            counts.take(field)?;
            counts.report()
        }
        None => None,
    };
    let mut rest = o.rest(ID);
    for name in WITH_FINISH {
        if word.is_some()
            && let Some(value) = rest.take(name)
        {
            extra.push(name, value);
        }
    }
    let ended = word.is_some();
    let finish = word.map(|word| Finish { reason: reason(&word), word: Some(word), extra });
    let candidates = vec![Candidate { parts, finish }];
    let done = Completion { id, model, candidates, usage, ended, ..Completion::default() };
    Ok(Completion { extra: rest, ..done })
}

fn count(mut o: Object<'_>) -> Result<TokenCount, Bad> {
    let tokens = o.need("input_tokens")?.u64()?;
    Ok(TokenCount { tokens, extra: o.rest(ID) })
}

/// What a `stop_reason` means.
pub(super) fn reason(word: &str) -> FinishReason {
    match word {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::Refusal,
        "pause_turn" => FinishReason::Paused,
        other => FinishReason::Other(other.to_owned().into()),
    }
}

/// The `stop_reason` for an end. Clients look for calls when it is `tool_use`, and for none
/// otherwise.
pub(super) fn stop_reason(finish: &Finish, calls: bool, refused: bool) -> &str {
    if finish.extra.origin() == Some(ID)
        && let Some(word) = &finish.word
    {
        return word;
    }
    match &finish.reason {
        FinishReason::Stop | FinishReason::ToolCalls if calls => "tool_use",
        FinishReason::Stop if refused => "refusal",
        FinishReason::Length => "max_tokens",
        FinishReason::ContentFilter | FinishReason::Refusal => "refusal",
        FinishReason::Paused => "pause_turn",
        FinishReason::Stop
        | FinishReason::ToolCalls
        | FinishReason::Failed
        | FinishReason::Other(_) => "end_turn",
    }
}

/// Writes a whole answer.
pub(super) fn encode(answer: &Answer, cx: &RenderCx) -> Rendered {
    let mut losses = Losses::default();
    let body = match answer {
        Answer::Chat(Completion { failure: Some(failure), .. }) => error::body(failure, cx),
        Answer::Chat(completion) => {
            write::object(|o| write_message(o, completion, cx, &mut losses))
        }
        Answer::CountTokens(count) => write::object(|o| {
            o.u64("input_tokens", count.tokens).extra(&count.extra, ID);
            count.extra.lose(ID, "", &mut losses);
        }),
        Answer::ListModels(models) => models::encode(models, &mut losses),
        Answer::Embed(answer::Embeddings { extra, .. })
        | Answer::Rerank(answer::Ranking { extra, .. })
        | Answer::Moderate(answer::Moderation { extra, .. })
        | Answer::Transcribe(answer::Transcript { extra, .. })
        | Answer::Image(answer::Images { extra, .. }) => {
            // No path of this dialect asks for one of these.
            losses.dropped("answer");
            extra.lose(ID, "", &mut losses);
            write::object(|_| {})
        }
    };
    Rendered::json(body, losses)
}

/// The id a client is shown.
pub(super) fn id(id: Option<&Str>, own: bool, cx: &RenderCx) -> Str {
    match id {
        Some(id) if own || id.starts_with("msg_") => id.clone(),
        Some(id) if !id.is_empty() => format!("msg_{id}").into(),
        _ => format!("msg_{}", cx.id).into(),
    }
}

/// The model a client is shown.
pub(super) fn model<'a>(model: Option<&'a Str>, cx: &'a RenderCx) -> &'a str {
    cx.model.as_ref().or(model).filter(|m| !m.is_empty()).map_or("unknown", |m| m)
}

fn write_message(
    o: &mut ObjectWriter<'_>,
    completion: &Completion,
    cx: &RenderCx,
    losses: &mut Losses,
) {
    let own = completion.extra.origin() == Some(ID);
    o.str("id", &id(completion.id.as_ref(), own, cx)).str("type", "message");
    o.str("role", "assistant").str("model", model(completion.model.as_ref(), cx));
    let nothing = Candidate::default();
    let first = completion.candidates.first().unwrap_or(&nothing);
    if completion.candidates.len() > 1 {
        losses.dropped("candidates");
    }
    content::write(&mut o.array("content"), &first.parts, losses);
    let has = |is: fn(&PartKind) -> bool| first.parts.iter().any(|p: &Part| is(&p.kind));
    let calls = has(|k| matches!(k, PartKind::ToolCall(_)));
    let refused = has(|k| matches!(k, PartKind::Refusal(_)));
    match &first.finish {
        Some(finish) => {
            o.str("stop_reason", stop_reason(finish, calls, refused));
            o.extra(&finish.extra, ID);
            if finish.extra.get_from(ID, "stop_sequence").is_none() {
                o.null("stop_sequence");
            }
            finish.extra.lose(ID, "finish", losses);
        }
        // An answer without an end is shown as one that was not said to its end.
        // It stands among the rest.
        None if completion.extra.get_from(ID, "stop_reason").is_some() => {}
        None if own => _ = o.null("stop_reason"),
        None => _ = o.str("stop_reason", "max_tokens").null("stop_sequence"),
    }
    usage::write(&mut o.object("usage"), completion.usage.as_ref(), Place::Message);
    o.extra(&completion.extra, ID);
    completion.extra.lose(ID, "", losses);
}
