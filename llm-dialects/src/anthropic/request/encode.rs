//! Words to a request.

use llm_core::dialect::{BadRequest, Encoded, SendCx};
use llm_core::extra::Losses;
use llm_core::prompt::Request;
use llm_core::raw::RawNumber;

use super::thinking::Plan;
use super::turns::Conversation;
use super::{output, sampling, tools};
use crate::anthropic::nested::{restore, restore_outer};
use crate::anthropic::{ID, note};
use crate::json::{ObjectWriter, write};

/// Paths of inner objects whose unknown fields are restored inside them.
const INNER: &[&str] = &["thinking", "metadata", "tool_choice", "output_config", "output_format"];
/// Longer names of end users are refused.
const USER_CHARS_MAX: usize = 256;

/// A body of `/v1/messages`, or of `/v1/messages/count_tokens` when only `counted`.
pub(super) fn request(
    request: &Request,
    cx: &SendCx<'_>,
    counted: bool,
) -> Result<Encoded, BadRequest> {
    let mut losses = Losses::default();
    let own = request.extra.origin() == Some(ID);
    let tokens_max = output::tokens_max(request, cx, &mut losses);
    let plan = Plan::of(request, tokens_max, cx, &mut losses);
    let instruction = output::instruction(request, cx, &mut losses);
    let conversation = Conversation::of(request, instruction, &mut losses);
    let mut said = Ok(());
    let body = write::object(|o| {
        o.str("model", cx.model);
        if !counted {
            let usual = RawNumber::from(output::tokens_max_usual(plan.budget()));
            let number = tokens_max.map(RawNumber::from);
            // A number that is none is the API's to refuse, in the caller's own spelling.
            let written = request.output.tokens_max.clone();
            let same = written.as_ref().is_some_and(|w| w.as_u64() == tokens_max);
            let number = if same { written } else { number };
            o.number("max_tokens", number.as_ref().unwrap_or(&usual));
        } else if own {
            o.opt_number("max_tokens", request.output.tokens_max.as_ref());
        }
        said = conversation.write(o, &mut losses);
        tools::write(o, request, &mut losses);
        tools::write_choice(o, request, &mut losses);
        plan.write(o, request);
        output::write(o, request, plan.effort.as_deref(), cx, &mut losses);
        // A count does not depend on the rest, and the API refuses it there.
        if !counted || own {
            rest(o, request, &plan, cx, &mut losses);
        }
        restore_outer(o, &request.extra, INNER);
    });
    said?;
    request.extra.lose(ID, "", &mut losses);
    Ok(Encoded::json(body, losses))
}

fn rest(
    o: &mut ObjectWriter<'_>,
    request: &Request,
    plan: &Plan,
    cx: &SendCx<'_>,
    losses: &mut Losses,
) {
    sampling::write(o, request, plan, cx, losses);
    output::write_stop(o, request, losses);
    output::lose(&request.output, losses);
    let own = request.extra.origin() == Some(ID);
    match &request.user {
        Some(user) if own || user.chars().count() <= USER_CHARS_MAX => {
            let mut metadata = o.object("metadata");
            metadata.str("user_id", user);
            restore(&mut metadata, &request.extra, "metadata");
        }
        Some(_) => losses.dropped("user"),
        None => {}
    }
    if cx.stream || request.extra.notation(ID).has(note::STREAM_SAID) {
        o.bool("stream", cx.stream);
    }
}
