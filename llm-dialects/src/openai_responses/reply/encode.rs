//! Writes a whole answer.

use llm_core::Str;
use llm_core::answer::{Answer, UsageReport};
use llm_core::completion::{Candidate, Completion, Finish, FinishReason};
use llm_core::dialect::{RenderCx, Rendered};
use llm_core::error::Error;
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::Role;

use super::super::items::{Items, To};
use super::super::notation::{ME, own, write_except};
use super::super::place::Place;
use super::super::{tokens, usage};
use super::finish::{details, failed_by_word, word};
use crate::json::{ObjectWriter, write};
use crate::openai_error;

/// Writes an answer of either path. What this dialect has no operation for becomes an empty
/// response, and a loss: routes keep it from happening.
pub(crate) fn answer(answer: &Answer, cx: &RenderCx) -> Rendered {
    match answer {
        Answer::Chat(completion) => response(completion, cx),
        Answer::CountTokens(count) => tokens::encode(count),
        Answer::Embed(_)
        | Answer::Rerank(_)
        | Answer::Moderate(_)
        | Answer::Transcribe(_)
        | Answer::Image(_)
        | Answer::ListModels(_) => {
            let mut losses = Losses::default();
            losses.dropped("answer");
            Rendered::json(write::object(|_| {}), losses)
        }
    }
}

fn response(completion: &Completion, cx: &RenderCx) -> Rendered {
    let mut losses = Losses::default();
    let empty = Candidate::default();
    let candidate = completion.candidates.first().unwrap_or(&empty);
    let head = Head {
        id: completion.id.as_ref(),
        model: completion.model.as_ref(),
        created: completion.created,
        extra: &completion.extra,
    };
    let id = response_id(&head, cx);
    let body = write::object(|o| {
        response_fields(o, &head, &id, cx);
        {
            let tail = id.strip_prefix(RESPONSE_PREFIX).unwrap_or(&id);
            let mut list = o.array("output");
            let mut items = Items::new(To::Caller(tail), &mut losses);
            let cut =
                |f: &Finish| matches!(f.reason, FinishReason::Length | FinishReason::ContentFilter);
            if candidate.finish.as_ref().is_some_and(cut) {
                items = items.cut();
            }
            let place = Place::message("candidates", 0);
            items.parts(&mut list, Role::Assistant, &candidate.parts, None, place);
        }
        let failed = candidate.finish.as_ref().and_then(failed_by_word);
        let ending = Ending {
            finish: candidate.finish.as_ref(),
            usage: completion.usage.as_ref(),
            failure: completion.failure.as_ref().or(failed.as_ref()),
        };
        tail(o, &completion.extra, &ending);
    });
    completion.extra.lose(ME, "", &mut losses);
    for n in 1..completion.candidates.len() {
        losses.dropped(format!("candidates.{n}"));
    }
    if let Some(finish) = &candidate.finish {
        finish.extra.lose(ME, "candidates.0.finish", &mut losses);
    }
    Rendered::json(body, losses)
}

/// What a response begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    /// The provider's id.
    pub(crate) id: Option<&'a Str>,
    /// The provider's name of the model.
    pub(crate) model: Option<&'a Str>,
    /// When it began.
    pub(crate) created: Option<u64>,
    /// Everything else.
    pub(crate) extra: &'a Extra,
}

/// What a response ends with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ending<'a> {
    /// How.
    pub(crate) finish: Option<&'a Finish>,
    /// What it used.
    pub(crate) usage: Option<&'a UsageReport>,
    /// What went wrong.
    pub(crate) failure: Option<&'a Error>,
}

/// How ids of responses begin.
pub(crate) const RESPONSE_PREFIX: &str = "resp_";

/// An id as clients of this dialect know it.
pub(crate) fn response_id(head: &Head<'_>, cx: &RenderCx) -> Str {
    match head.id.unwrap_or(&cx.id) {
        id if id.starts_with(RESPONSE_PREFIX) || (own(head.extra) && head.id.is_some()) => {
            id.clone()
        }
        id => format!("{RESPONSE_PREFIX}{id}").into(),
    }
}

/// Everything of a response object but its items and its ending. What OpenAI said is said again;
/// to what others said is added what official clients require.
pub(crate) fn response_fields(o: &mut ObjectWriter<'_>, head: &Head<'_>, id: &str, cx: &RenderCx) {
    let said = own(head.extra);
    if !said || head.id.is_some() {
        o.str("id", id);
    }
    if !said {
        o.str("object", "response");
    }
    // A date with a fraction stays among the rest.
    if !said || (head.created.is_some() && head.extra.get("created_at").is_none()) {
        o.u64("created_at", head.created.unwrap_or(cx.created));
    }
    match cx.model.as_ref().or(head.model) {
        Some(model) => o.str("model", model),
        None if said => o,
        None => o.str("model", ""),
    };
    write_except(head.extra, &["status", "incomplete_details", "error", "usage"], o);
    if said {
        return;
    }
    o.null("instructions").null("max_output_tokens").null("previous_response_id");
    o.object("metadata");
    o.bool("parallel_tool_calls", true).null("temperature").null("top_p");
    o.str("tool_choice", "auto");
    o.array("tools");
}

/// The code of a failed response, of which the API has a closed list.
fn failure_code(failure: &Error) -> &'static str {
    match openai_error::code(failure) {
        "rate_limit_exceeded" => "rate_limit_exceeded",
        "invalid_image_url" => "invalid_image_url",
        "invalid_image_format" => "invalid_image_format",
        "image_parse_error" => "image_parse_error",
        "content_policy_violation" | "context_length_exceeded" | "invalid_request" => {
            "invalid_prompt"
        }
        _ => "server_error",
    }
}

/// The ending of a response object.
pub(crate) fn tail(o: &mut ObjectWriter<'_>, extra: &Extra, ending: &Ending<'_>) {
    let kept = |name: &str| extra.get_from(ME, name);
    let said = own(extra);
    match ending.finish {
        Some(finish) => {
            let (status, why) = match ending.failure {
                Some(_) => (Str::from_static("failed"), None),
                None => word(finish),
            };
            o.str("status", &status);
            match (details(finish), why) {
                (Some(details), _) => {
                    o.raw("incomplete_details", details);
                }
                (None, Some(why)) => {
                    o.object("incomplete_details").str("reason", why);
                }
                (None, None) if said => {}
                (None, None) => {
                    o.null("incomplete_details");
                }
            }
        }
        None => {
            match kept("status") {
                Some(status) => o.raw("status", status),
                None if ending.failure.is_some() => o.str("status", "failed"),
                None => o.str("status", "incomplete"),
            };
            match kept("incomplete_details") {
                Some(details) => o.raw("incomplete_details", details),
                None if said => o,
                None => o.null("incomplete_details"),
            };
        }
    }
    match (kept("error"), ending.failure) {
        (Some(error), failure) if failure.is_none() || !error.is_null() => {
            o.raw("error", error);
        }
        (_, Some(failure)) => {
            let message = failure.message();
            o.object("error").str("code", failure_code(failure)).str("message", message);
        }
        (None, None) if said => {}
        (_, None) => {
            o.null("error");
        }
    }
    match (ending.usage, kept("usage")) {
        (Some(report), _) => usage::write(report, &mut o.object("usage")),
        (None, Some(usage)) => {
            o.raw("usage", usage);
        }
        (None, None) if said => {}
        (None, None) => {
            o.null("usage");
        }
    }
}
