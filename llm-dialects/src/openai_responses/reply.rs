//! Whole answers, both ways.

mod decode;
mod encode;
mod finish;

pub(super) use decode::{answer as decode_answer, outline, Outline};
pub(super) use encode::{Ending, Head, answer as encode_answer, response_fields, response_id, tail};
pub(super) use finish::{finish, word};
