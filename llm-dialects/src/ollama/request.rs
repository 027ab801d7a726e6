//! Questions, in both directions and both shapes.

mod decode;
mod encode;
mod messages;
mod options;
mod prompt;
mod tools;

pub(super) use decode::decode;
pub(super) use encode::encode;
