//! Streams, both ways.

mod decode;
mod encode;
mod open;

pub(super) use decode::Decoder;
pub(super) use encode::Encoder;
