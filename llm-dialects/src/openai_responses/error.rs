//! Errors, both ways. The body is OpenAI's; its words are read in `openai_error`, and what they
//! mean is decided in `classify`.

use bytes::Bytes;
use llm_core::error::Error;
use llm_core::fault::Fault;

use crate::classify::{self, Said};
use crate::json::Field;
use crate::openai_error::{self, ErrorBody};

/// What an error answer means.
pub(super) fn decode(head: &http::response::Parts, body: &Bytes) -> Fault {
    classify::fault(said(Said::answer(head, body), openai_error::read(body)))
}

/// What an error inside an answer means: the object `error` of a failed response, or the event of
/// that name. `body` is what a caller of the same dialect may be shown.
pub(super) fn inside(field: Field<'_>, body: &Bytes) -> Error {
    let mut words = openai_error::read_field(field);
    if words.message.is_empty() {
        words.message = "the response failed".into();
    }
    Error::upstream(classify::fault(said(Said::inside(body), words)))
}

fn said<'a>(said: Said<'a>, words: ErrorBody) -> Said<'a> {
    let status = match words.number {
        Some(number) if said.status < 400 => number,
        _ => said.status,
    };
    Said {
        status,
        code: words.code,
        kind: words.kind,
        word: words.status,
        message: Some(words.message).filter(|m| !m.is_empty()),
        param: words.param,
        retry_delay: words.retry_after_s.map(std::time::Duration::from_secs),
        ..said
    }
}
