//! Errors, both ways: `{"type":"error","error":{"type","message"},"request_id"}`.

use bytes::{Bytes, BytesMut};
use llm_core::dialect::RenderCx;
use llm_core::error::{Error, Kind};
use llm_core::fault::Fault;
use llm_core::secret::redact;

use crate::classify::{self, Said};
use crate::json::write;
use crate::openai_error;

/// An upstream's text for a caller is no longer than this.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Reads an error answer.
pub(super) fn decode(head: &http::response::Parts, body: &Bytes) -> Fault {
    classify::fault(words(Said::answer(head, body), body))
}

/// Reads an error inside an answer that began well.
pub(super) fn inside(body: &Bytes) -> Error {
    Error::upstream(classify::fault(words(Said::inside(body), body)))
}

/// The body is OpenAI's, one level further out, and hosts mix the two.
fn words<'a>(said: Said<'a>, body: &Bytes) -> Said<'a> {
    let read = openai_error::read(body);
    let message = Some(read.message).filter(|m| !m.is_empty());
    Said { code: read.code, kind: read.kind, word: read.status, message, param: read.param, ..said }
}

/// Writes an error that comes before any byte of an answer.
pub(super) fn encode(error: &Error, cx: &RenderCx) -> http::Response<Bytes> {
    // Status and hints are the same in each dialect; only the body is ours.
    openai_error::response(error).map(|_| body(error, cx).freeze())
}

/// The body, and the data of an error event.
pub(super) fn body(error: &Error, cx: &RenderCx) -> BytesMut {
    write::object(|o| {
        o.str("type", "error");
        o.object("error").str("type", kind(error.kind())).str("message", &message(error));
        if !cx.id.is_empty() {
            o.str("request_id", &cx.id);
        }
    })
}

fn message(error: &Error) -> String {
    // Whole pages of HTML come as errors, too.
    let said = error.message();
    let said = redact(said.get(..said.floor_char_boundary(MESSAGE_BYTES_MAX)).unwrap_or_default());
    if said.is_empty() {
        error.kind().user_message(Default::default()).to_owned()
    } else {
        said.into_owned()
    }
}

/// One of the API's own error types: its clients know no other.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::BadRequest
        | Kind::Unsupported
        | Kind::ContextOverflow
        | Kind::ContentFiltered
        | Kind::Cancelled => "invalid_request_error",
        Kind::TooLarge => "request_too_large",
        Kind::Unauthenticated => "authentication_error",
        Kind::Forbidden => "permission_error",
        Kind::UnknownModel => "not_found_error",
        Kind::CreditExhausted => "billing_error",
        Kind::QuotaExceeded | Kind::RateLimited | Kind::UpstreamRateLimited => "rate_limit_error",
        Kind::Busy | Kind::LedgerUnavailable | Kind::UpstreamOverloaded => "overloaded_error",
        Kind::Timeout | Kind::DeadlinePassed => "timeout_error",
        Kind::UpstreamKeyRejected
        | Kind::UpstreamQuota
        | Kind::UpstreamFailed
        | Kind::ConnectFailed
        | Kind::BrokenStream
        | Kind::CorruptReply
        | Kind::Internal => "api_error",
    }
}
