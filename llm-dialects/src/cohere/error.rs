//! Errors, in both directions: flat `{"id","message"}`, or a `message-end` that says `ERROR`.

use bytes::Bytes;
use llm_core::Str;
use llm_core::dialect::RenderCx;
use llm_core::error::Error;
use llm_core::fault::Fault;

use crate::classify::{self, Said};
use crate::json::{Object, write};
use crate::openai_error::{self, ErrorBody};

/// Reads an error answer.
pub(super) fn decode(head: &http::response::Parts, body: &Bytes) -> Fault {
    classify::fault(said(Said::answer(head, body), openai_error::read(body)))
}

/// An error that stands in a stream in the form of an error answer.
pub(super) fn inside(frame: &Bytes) -> Fault {
    classify::fault(said(Said::inside(frame), openai_error::read(frame)))
}

/// The end of an answer that failed.
pub(super) fn at_end(word: &Str, mut delta: Object<'_>, frame: &Bytes) -> Fault {
    let mut text = |name: &str| delta.str(name).ok().flatten();
    let message = text("error");
    let kind = text("error_type");
    let mut said = Said { message, kind, ..Said::inside(frame) };
    if said.kind.is_none() {
        // Nothing says more than the word: out of time, or broken.
        said.status = if word == "TIMEOUT" { 504 } else { 500 };
    }
    classify::fault(said)
}

fn said(frame: Said<'_>, read: ErrorBody) -> Said<'_> {
    let ErrorBody { message, kind, code, param, number: _, status, retry_after_s } = read;
    let retry_delay = retry_after_s.map(std::time::Duration::from_secs);
    Said { code, kind, word: status, message: Some(message), param, retry_delay, ..frame }
}

/// An error that comes before any byte of an answer.
pub(super) fn encode(error: &Error, cx: &RenderCx) -> http::Response<Bytes> {
    let body = write::object(|o| {
        o.str("id", &cx.id).str("message", &message(error));
    });
    openai_error::response(error).map(|_| body.freeze())
}

/// What a caller is told.
pub(super) fn message(error: &Error) -> Str {
    match error.message() {
        "" => Str::from_static("the provider failed"),
        message => message.into(),
    }
}
