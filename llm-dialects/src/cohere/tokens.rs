//! How many tokens a text has. Cohere answers with the tokens themselves, of a text and not of a
//! conversation: its own prompt around the turns is not counted.

use bytes::Bytes;
use llm_core::answer::TokenCount;
use llm_core::dialect::{BadRequest, Corrupt, Encoded, Rendered, SendCx};
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::{Message, Part, Request, Role};

use super::request::all_text;
use super::wire::ID;
use crate::json::{Object, object, write};

/// Reads a question: a text is a conversation of one message.
pub(super) fn decode(body: &Bytes) -> Result<Request, BadRequest> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let model = o.need_str("model")?;
    let parts = vec![Part::text(o.need_str("text")?)];
    let message = Message { role: Role::User, parts, extra: Extra::new(ID) };
    Ok(Request { model, messages: vec![message], extra: o.rest(ID), ..Request::default() })
}

/// Writes a question.
pub(super) fn encode(request: &Request, cx: &SendCx<'_>) -> Encoded {
    let mut losses = Losses::default();
    request.extra.lose(ID, "", &mut losses);
    let turns = request.system.len() + request.messages.len();
    if turns > 1 || !request.tools.is_empty() {
        losses.approximated("messages");
    }
    let body = write::object(|o| {
        o.str("model", cx.model).str("text", &all_text(request)).extra(&request.extra, ID);
    });
    Encoded::json(body.freeze(), losses)
}

/// Reads an answer.
pub(super) fn decode_answer(body: &Bytes) -> Result<TokenCount, Corrupt> {
    let text = object::text(body)?;
    let o = Object::root(&text)?;
    let list = o.see("tokens").ok_or_else(|| o.missing("tokens"))?.array()?;
    Ok(TokenCount { tokens: list.len() as u64, extra: o.rest(ID) })
}

/// Writes an answer. Where nobody named the tokens, their number is all there is to say, in a
/// field of its own: a list of made-up tokens would be read as real.
pub(super) fn encode_answer(answer: &TokenCount) -> Rendered {
    let mut losses = Losses::default();
    answer.extra.lose(ID, "", &mut losses);
    let body = write::object(|o| {
        if answer.extra.origin() != Some(ID) {
            losses.dropped("tokens");
            o.array("tokens");
            o.array("token_strings");
            o.u64("token_count", answer.tokens);
        }
        o.extra(&answer.extra, ID);
    });
    Rendered::json(body.freeze(), losses)
}
