//! Questions, in both directions.

mod decode;
mod encode;
mod messages;
mod tools;

pub(super) use decode::decode;
pub(super) use encode::encode;
pub(super) use messages::all_text;
