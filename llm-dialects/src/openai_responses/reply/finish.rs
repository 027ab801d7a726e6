//! How a response ended: `status` and `incomplete_details`, and our word for both.

use llm_core::Str;
use llm_core::completion::{Finish, FinishReason};
use llm_core::error::{Error, Kind};
use llm_core::raw::Raw;

use super::super::notation::{ME, noted, own};
use crate::json::{Field, JsonKind};

/// What a status means; `None` while the response is not over. `calls` says whether the model
/// wants a tool run.
pub(crate) fn finish(status: &Str, details: Option<Field<'_>>, calls: bool) -> Option<Finish> {
    let reason = match &**status {
        "completed" if calls => FinishReason::ToolCalls,
        "completed" => FinishReason::Stop,
        "incomplete" => incomplete(details),
        "failed" => FinishReason::Failed,
        "queued" | "in_progress" => return None,
        other => FinishReason::Other(status.slice_ref(other)),
    };
    let mut extra = noted(0);
    if let Some(details) = details {
        extra.push("incomplete_details", details.raw());
    }
    Some(Finish { reason, word: Some(status.clone()), extra })
}

fn incomplete(details: Option<Field<'_>>) -> FinishReason {
    let why = details
        .filter(|d| d.kind() == JsonKind::Object)
        .and_then(|d| d.object().ok()?.take_if("reason", JsonKind::String)?.str().ok());
    match why.as_deref() {
        Some("max_output_tokens") => FinishReason::Length,
        Some("content_filter") => FinishReason::ContentFilter,
        Some(_) => FinishReason::Other(why.unwrap_or_default()),
        None => FinishReason::Other(Str::from_static("incomplete")),
    }
}

/// The status of an ending, and why it is incomplete.
pub(crate) fn word(finish: &Finish) -> (Str, Option<&'static str>) {
    if let (true, Some(word)) = (own(&finish.extra), &finish.word) {
        return (word.clone(), None);
    }
    let (status, why) = match &finish.reason {
        FinishReason::Stop | FinishReason::ToolCalls => ("completed", None),
        // Whoever wants to be asked again has not said everything.
        FinishReason::Length | FinishReason::Paused => ("incomplete", Some("max_output_tokens")),
        FinishReason::ContentFilter | FinishReason::Refusal => {
            ("incomplete", Some("content_filter"))
        }
        FinishReason::Failed => ("failed", None),
        FinishReason::Other(_) => ("completed", None),
    };
    (Str::from_static(status), why)
}

/// The error of an ending that is a failure without having said one: this dialect has no failed
/// response without an error.
pub(crate) fn failed_by_word(finish: &Finish) -> Option<Error> {
    (finish.reason == FinishReason::Failed)
        .then(|| Error::new(Kind::UpstreamFailed, "The provider failed to complete the answer."))
}

/// `incomplete_details` as it was written.
pub(super) fn details(finish: &Finish) -> Option<&Raw> {
    finish.extra.get_from(ME, "incomplete_details")
}
