//! Requests for a conversation's next turn.

mod decode;
mod encode;
mod messages;
mod options;
mod speak;
mod tools;

pub(crate) use decode::{decode, finish};
pub(super) use encode::encode;
pub(super) use messages::{read_calls, signature_in};
