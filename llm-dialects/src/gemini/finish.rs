//! Why an answer ended, both ways.

use std::borrow::Cow;

use llm_core::completion::{Finish, FinishReason};

use super::notation::ME;

/// What a `finishReason` means; `None` for the word that says that there is none. The word for
/// "done" stands behind tool calls as well.
pub(super) fn reason(word: &str, calls: bool) -> Option<FinishReason> {
    Some(match word {
        "" | "FINISH_REASON_UNSPECIFIED" => return None,
        "STOP" if calls => FinishReason::ToolCalls,
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" => FinishReason::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => FinishReason::ContentFilter,
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" => {
            FinishReason::Failed
        }
        other => FinishReason::Other(other.to_owned().into()),
    })
}

/// The word to write, and whether it says as much as the reason does.
pub(super) fn word(finish: &Finish, calls: bool) -> (Cow<'_, str>, bool) {
    if finish.extra.origin() == Some(ME)
        && let Some(word) = &finish.word
        && reason(word, calls).as_ref() == Some(&finish.reason)
    {
        return (Cow::Borrowed(word), true);
    }
    let (word, same) = match &finish.reason {
        FinishReason::Stop | FinishReason::ToolCalls => ("STOP", true),
        FinishReason::Length => ("MAX_TOKENS", true),
        FinishReason::ContentFilter => ("SAFETY", true),
        FinishReason::Refusal => ("SAFETY", false),
        FinishReason::Paused | FinishReason::Failed | FinishReason::Other(_) => ("OTHER", false),
    };
    (Cow::Borrowed(word), same)
}
