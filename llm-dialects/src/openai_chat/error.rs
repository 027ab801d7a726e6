//! What upstreams say went wrong: as an answer, inside a whole answer, inside a stream.

use bytes::Bytes;
use llm_core::Str;
use llm_core::error::Error;
use llm_core::fault::Fault;

use crate::classify::{self, Said};
use crate::json::{Field, JsonKind, Object};
use crate::openai_error::{self, ErrorBody};

/// Reads an error answer.
pub(crate) fn answer(head: &http::response::Parts, body: &Bytes) -> Fault {
    let words = openai_error::read(body);
    let mut fault = classify::fault(filled(Said::answer(head, body), words));
    if fault.message.is_empty() {
        let reason = head.status.canonical_reason().unwrap_or("the upstream refused");
        fault.message = Str::from_static(reason);
    }
    fault
}

/// An error inside an answer of status 200, whose member `error` it is (or that is one as a whole,
/// as vLLM writes them).
pub(super) fn inside(o: &mut Object<'_>, body: &Bytes) -> Option<Error> {
    let field = o.see("error").filter(|f| says_something(*f));
    if field.is_some() {
        let whole = o.field();
        o.take_if("error", JsonKind::Object);
        return Some(of_field(whole, body));
    }
    let whole = o.see("object").is_some_and(|f| f.text() == "\"error\"");
    let other = o.see("choices").is_none() && o.see("message").is_some() && o.see("code").is_some();
    (whole || other).then(|| of_field(o.field(), body))
}

/// Whether the member `error` means one: hosts write `null`, `{}` and `""` where all is well.
pub(super) fn says_something(field: Field<'_>) -> bool {
    !matches!(field.text(), "null" | "{}" | "\"\"" | "false" | "[]")
}

/// An error inside an answer, from the object that holds it.
pub(crate) fn of_field(field: Field<'_>, body: &Bytes) -> Error {
    let words = openai_error::read_field(field);
    let mut said = filled(Said::inside(body), words);
    if said.message.as_ref().is_none_or(|m| m.is_empty()) {
        said.message = Some(Str::from_static("the upstream failed inside its answer"));
    }
    Error::upstream(classify::fault(said))
}

fn filled<'a>(said: Said<'a>, words: ErrorBody) -> Said<'a> {
    let status = match said.status {
        0 => words.number.filter(|n| *n >= 400).unwrap_or(0),
        status => status,
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
