//! Words to bytes.

use llm_core::dialect::{Encoded, SendCx};
use llm_core::extra::Losses;
use llm_core::prompt::Request;

use super::super::wire::{GENERATE, ID, REQUEST_PLACES, Shape, note};
use super::{messages, options, prompt, tools};
use crate::json::{ObjectWriter, nested, write};

/// Writes a question.
pub(in crate::ollama) fn encode(shape: Shape, request: &Request, cx: &SendCx<'_>) -> Encoded {
    let mut losses = Losses::default();
    lose(request, shape, &mut losses);
    let body = write::object(|o| {
        o.str("model", cx.model);
        // A stream is what a request gets that does not say.
        if !(cx.stream && request.extra.notation(ID).has(note::STREAM_UNSAID)) {
            o.bool("stream", cx.stream);
        }
        options::write(o, request, cx, &mut losses);
        match shape {
            Shape::Chat => {
                tools::write(o, request, &mut losses);
                messages::write(o, request, &mut losses);
            }
            Shape::Generate => prompt::write(o, request, &mut losses),
        }
        restore(o, request, shape);
    });
    Encoded::json(body.freeze(), losses)
}

/// Everything that was kept. What only `/api/generate` has is no field of the other.
fn restore(o: &mut ObjectWriter<'_>, request: &Request, shape: Shape) {
    nested::write_outer(o, &request.extra, ID, &REQUEST_PLACES);
    if shape == Shape::Generate {
        nested::write_inner(o, &request.extra, ID, GENERATE);
    }
}

/// Reports what neither shape has.
fn lose(request: &Request, shape: Shape, losses: &mut Losses) {
    request.extra.lose(ID, "", losses);
    if shape == Shape::Chat && request.extra.origin() == Some(ID) {
        for (name, value) in request.extra.fields() {
            let mine = name.strip_prefix(GENERATE).is_some_and(|rest| rest.starts_with('.'));
            // Old clients send every field, empty.
            let empty = matches!(value.get(), "null" | "false" | "\"\"" | "[]" | "{}");
            if mine && !empty {
                losses.dropped(name.clone());
            }
        }
    }
    let output = &request.output;
    if output.candidates.is_some_and(|n| n > 1) {
        losses.dropped("output.candidates");
    }
    if output.modalities.iter().any(|m| m != "text") {
        losses.dropped("output.modalities");
    }
    if output.verbosity.is_some() {
        losses.dropped("output.verbosity");
    }
    if request.user.is_some() {
        losses.dropped("user");
    }
}
