//! Streams of a conversation.

pub(super) mod decode;
pub(super) mod encode;
