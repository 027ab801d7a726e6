//! Whole answers for a conversation's next turn.

mod decode;
mod encode;

pub(super) use decode::{completion, finish_reason, made_id, read_images, take_str, take_u64};
pub(crate) use encode::finish_word;
pub(super) use encode::{audio_id, chat, shown_id, write_image};
