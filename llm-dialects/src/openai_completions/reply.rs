//! A whole answer in the old shape.

use llm_core::completion::{Candidate, Completion};
use llm_core::dialect::{RenderCx, Rendered};
use llm_core::extra::Losses;
use llm_core::prompt::{PartKind, TokenLogprob};

use super::ME;
use crate::json::{ObjectWriter, write};
use crate::openai_chat::{finish_word, write_usage};
use crate::openai_error;

/// Writes an answer.
pub(super) fn render(done: &Completion, cx: &RenderCx) -> Rendered {
    if let Some(failure) = &done.failure {
        return Rendered::json(openai_error::body(failure).freeze(), Losses::default());
    }
    let mut losses = Losses::default();
    let body = write::object(|o| {
        let (id, model) = (done.id.as_deref(), done.model.as_deref());
        head(o, id, done.created, model, cx);
        let mut choices = o.array("choices");
        for (number, candidate) in (0u64..).zip(&done.candidates) {
            choice(&mut choices.object(), number, candidate, &mut losses);
        }
        drop(choices);
        if let Some(report) = &done.usage {
            write_usage(&mut o.object("usage"), report);
        }
        done.extra.lose(ME, "", &mut losses);
    });
    Rendered::json(body.freeze(), losses)
}

/// What every answer, and every chunk of one, begins with.
pub(super) fn head(
    o: &mut ObjectWriter<'_>,
    id: Option<&str>,
    created: Option<u64>,
    model: Option<&str>,
    cx: &RenderCx,
) {
    o.str("id", id.filter(|id| !id.is_empty()).unwrap_or(&cx.id));
    o.str("object", "text_completion").u64("created", created.unwrap_or(cx.created));
    o.str("model", cx.model.as_deref().or(model).unwrap_or("unknown"));
}

fn choice(o: &mut ObjectWriter<'_>, number: u64, candidate: &Candidate, losses: &mut Losses) {
    let mut text = String::new();
    let mut tokens: Vec<&TokenLogprob> = Vec::new();
    for (at, part) in candidate.parts.iter().enumerate() {
        match &part.kind {
            PartKind::Text(t) | PartKind::Refusal(t) => {
                text.push_str(&t.text);
                tokens.extend(&t.logprobs);
            }
            // The old shape is text and nothing else.
            PartKind::Reasoning(_)
            | PartKind::Image(_)
            | PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::File(_)
            | PartKind::ToolCall(_)
            | PartKind::ToolResult(_)
            | PartKind::Opaque(_) => losses.dropped(format!("candidates.{number}.parts.{at}")),
        }
    }
    o.str("text", &text).u64("index", number);
    if tokens.is_empty() {
        o.null("logprobs");
    } else {
        logprobs(&mut o.object("logprobs"), tokens.iter().copied(), 0);
    }
    o.str("finish_reason", finish_word(candidate.finish.as_ref(), false));
}

/// Probabilities as this API has them: lists side by side. `offset` counts the characters before.
pub(super) fn logprobs<'t>(
    o: &mut ObjectWriter<'_>,
    tokens: impl Iterator<Item = &'t TokenLogprob> + Clone,
    offset: u64,
) {
    let mut list = o.array("tokens");
    tokens.clone().for_each(|t| list.str(&t.token));
    drop(list);
    let mut list = o.array("token_logprobs");
    tokens.clone().for_each(|t| list.number(&t.logprob));
    drop(list);
    let mut list = o.array("top_logprobs");
    for token in tokens.clone() {
        let mut map = list.object();
        // Two alternatives that print the same would be one member twice.
        let mut names: Vec<&str> = Vec::new();
        for top in &token.top {
            if !names.contains(&&*top.token) {
                names.push(&top.token);
                map.under(&top.token).number(&top.logprob);
            }
        }
    }
    drop(list);
    let mut list = o.array("text_offset");
    let mut at = offset;
    for token in tokens {
        list.u64(at);
        at += u64::try_from(token.token.chars().count()).unwrap_or(0);
    }
}
