//! Streams, both ways.

mod decode;
mod encode;
mod ending;
mod frames;
mod growing;
mod open;

pub(super) use decode::Decoder;
pub(super) use encode::Encoder;
