//! Same dialect in and out: the caller's bytes, with another model name.

use bytes::Bytes;
use llm_core::call::Peek;
use llm_core::dialect::{BadRequest, Body, Chunks, SendCx};
use memchr::memmem;

use super::request;
use crate::json::splice::{Edit, splice};

/// How a token of ours stands in a request.
const TOKEN: &[u8] = b"\"Z3cx";

/// The caller's bytes with the upstream's name of the model. A request that carries state of
/// another provider is read and written anew instead: no other place can take that state out
/// again, and OpenAI refuses what it did not seal.
pub(super) fn relay(body: &Bytes, peek: &Peek, cx: &SendCx<'_>) -> Result<Chunks, BadRequest> {
    if memmem::find(body, TOKEN).is_some() {
        let words = request::decode(Body::json(body))?;
        return Ok(Chunks::from_iter([request::encode(&words, cx, false).body]));
    }
    Ok(splice(body, &mut Edit::relayed(peek, cx))?)
}
