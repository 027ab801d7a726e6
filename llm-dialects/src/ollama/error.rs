//! Errors, in both directions: `{"error":"…"}`, with a status or as a line of a stream.

use bytes::{Bytes, BytesMut};
use llm_core::error::Error;
use llm_core::fault::Fault;

use crate::classify::{self, Said};
use crate::json::{Field, write};
use crate::openai_error::{self, ErrorBody};

/// Reads an error answer. Ollama's own is a string; its OpenAI-compatible routes and the proxies
/// in front of it write objects.
pub(super) fn decode(head: &http::response::Parts, body: &Bytes) -> Fault {
    classify::fault(said(Said::answer(head, body), openai_error::read(body)))
}

/// An error inside an answer that began well: the value of the field `error`.
pub(super) fn inside(field: Field<'_>, body: &Bytes) -> Fault {
    let read = openai_error::read_field(field);
    let bare = read.kind.is_none() && read.code.is_none();
    let mut said = said(Said::inside(body), read);
    if bare {
        // A line has no status, and says nothing but a sentence: the runner behind it broke.
        said.status = 500;
    }
    classify::fault(said)
}

fn said(frame: Said<'_>, read: ErrorBody) -> Said<'_> {
    let ErrorBody { message, kind, code, param, number: _, status, retry_after_s } = read;
    let retry_delay = retry_after_s.map(std::time::Duration::from_secs);
    Said { code, kind, word: status, message: Some(message), param, retry_delay, ..frame }
}

/// An error that comes before any byte of an answer.
pub(super) fn encode(error: &Error) -> http::Response<Bytes> {
    openai_error::response(error).map(|_| line(error).freeze())
}

/// The object itself, which is also how a stream ends that fails.
pub(super) fn line(error: &Error) -> BytesMut {
    write::object(|o| {
        o.str("error", error.message());
    })
}
