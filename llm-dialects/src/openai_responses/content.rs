//! Pieces of content: what stands in the content list of a message or of a tool's output.

mod read;
mod write;

pub(super) use read::{citation, list, logprobs as read_logprobs};
pub(super) use write::{Side, annotation, logprobs, part as write_part};

/// How base64 is marked where the API takes an address.
const DATA_URL: &str = "data:";
/// What stands between its type and its bytes.
const DATA_BASE64: &str = ";base64,";
