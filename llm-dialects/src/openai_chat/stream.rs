//! Streams of a conversation's next turn, both ways.

mod calls;
mod decode;
mod details;
mod encode;
mod parts;
mod sound;
mod transcript;

pub(super) use decode::Decoder;
pub(super) use encode::Encoder;
pub(super) use parts::string;
pub(super) use transcript::TranscriptDecoder;
