//! Whole answers, both ways.

mod decode;
mod encode;
mod finish;

pub(super) use decode::{Outline, answer as decode_answer, failed_silently, outline};
pub(super) use encode::{
    Ending, Head, RESPONSE_PREFIX, answer as encode_answer, response_fields, response_id, tail,
};
pub(super) use finish::{failed_by_word, finish, word};
