//! Streamed answers, both ways: `message_start`, blocks one after the other, `message_delta`,
//! `message_stop`.

mod decode;
mod encode;
mod open;

pub(super) use decode::Decoder;
pub(super) use encode::Encoder;
