//! `POST /responses/input_tokens`: how many tokens a conversation has. The request is the one of
//! `/responses`.

use bytes::Bytes;
use llm_core::answer::{Answer, TokenCount};
use llm_core::dialect::{Corrupt, Rendered};
use llm_core::extra::Losses;

use super::notation::{ME, own, write_plain};
use crate::json::{Object, object, write};

/// Reads a count.
pub(super) fn decode(body: &Bytes) -> Result<Answer, Corrupt> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let tokens = o.need("input_tokens")?.u64()?;
    Ok(Answer::CountTokens(TokenCount { tokens, extra: o.rest(ME) }))
}

/// Writes a count.
pub(super) fn encode(count: &TokenCount) -> Rendered {
    let mut losses = Losses::default();
    count.extra.lose(ME, "", &mut losses);
    let body = write::object(|o| {
        o.u64("input_tokens", count.tokens);
        if !own(&count.extra) {
            o.str("object", "response.input_tokens");
        }
        write_plain(&count.extra, &[], o);
    });
    Rendered::json(body, losses)
}
