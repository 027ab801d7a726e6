//! How many tokens a conversation has.

use bytes::Bytes;
use llm_core::answer::TokenCount;
use llm_core::dialect::{Corrupt, Rendered};
use llm_core::extra::Losses;

use super::notation::{ME, rest};
use crate::json::{Object, object, write};

/// Reads a count.
pub(super) fn decode_answer(body: &Bytes) -> Result<TokenCount, Corrupt> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let tokens = o.need("totalTokens")?.u64()?;
    Ok(TokenCount { tokens, extra: rest(o, 0) })
}

/// Writes a count.
pub(super) fn encode_answer(count: &TokenCount) -> Rendered {
    let mut losses = Losses::default();
    let body = write::object(|o| {
        o.u64("totalTokens", count.tokens).extra(&count.extra, ME);
    });
    count.extra.lose(ME, "", &mut losses);
    Rendered::json(body, losses)
}
