//! Streams: one JSON line a step, in both directions and both shapes.

mod decode;
mod encode;

pub(super) use decode::Decoder;
pub(super) use encode::Encoder;
