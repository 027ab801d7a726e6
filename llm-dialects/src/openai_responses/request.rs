//! Requests: `POST /responses`, and `POST /responses/input_tokens`, which has the same body.

mod decode;
mod encode;
mod tools;

pub(super) use decode::decode;
pub(super) use encode::encode;

/// What `include` calls the thoughts of stateless conversations.
const INCLUDE_REASONING: &str = "reasoning.encrypted_content";
/// What it calls log probabilities.
const INCLUDE_LOGPROBS: &str = "message.output_text.logprobs";
