//! Requests of a conversation: `generateContent`, and what `countTokens` wraps.
//!
//! Spelling is remembered in the bits below, all of them on the request's own `extra`, because
//! the configuration's fields become words that have none. The bits fill one word exactly; what is
//! spelled in a way that has no bit stays what it was, unread.

use super::notation::Name;

pub(super) mod config;
pub(super) mod decode;
pub(super) mod encode;
pub(super) mod facts;
pub(super) mod messages;
pub(super) mod tools;

pub(super) const TOOL_CONFIG: Name = Name::new("toolConfig", "tool_config", 1);
pub(super) const CALLING: Name =
    Name::new("functionCallingConfig", "function_calling_config", 1 << 1);
pub(super) const ALLOWED: Name =
    Name::new("allowedFunctionNames", "allowed_function_names", 1 << 2);
pub(super) const CONFIG: Name = Name::new("generationConfig", "generation_config", 1 << 3);
pub(super) const TOP_P: Name = Name::new("topP", "top_p", 1 << 4);
pub(super) const TOP_K: Name = Name::new("topK", "top_k", 1 << 5);
pub(super) const CANDIDATES: Name = Name::new("candidateCount", "candidate_count", 1 << 6);
pub(super) const TOKENS_MAX: Name = Name::new("maxOutputTokens", "max_output_tokens", 1 << 7);
pub(super) const STOP: Name = Name::new("stopSequences", "stop_sequences", 1 << 8);
pub(super) const PRESENCE: Name = Name::new("presencePenalty", "presence_penalty", 1 << 9);
pub(super) const FREQUENCY: Name = Name::new("frequencyPenalty", "frequency_penalty", 1 << 10);
pub(super) const MIME: Name = Name::new("responseMimeType", "response_mime_type", 1 << 11);
pub(super) const OWN_SCHEMA: Name = Name::new("responseSchema", "response_schema", SNAKE_SCHEMA);
pub(super) const JSON_SCHEMA: Name =
    Name::new("responseJsonSchema", "response_json_schema", SNAKE_SCHEMA);
/// Only one of the two schemas is ever read.
const SNAKE_SCHEMA: u32 = 1 << 12;
pub(super) const MODALITIES: Name = Name::new("responseModalities", "response_modalities", 1 << 13);
pub(super) const LOGPROBS: Name = Name::new("responseLogprobs", "response_logprobs", 1 << 14);
pub(super) const THINKING: Name = Name::new("thinkingConfig", "thinking_config", 1 << 15);
pub(super) const THOUGHTS: Name = Name::new("includeThoughts", "include_thoughts", 1 << 16);
pub(super) const BUDGET: Name = Name::new("thinkingBudget", "thinking_budget", 1 << 17);
pub(super) const LEVEL: Name = Name::new("thinkingLevel", "thinking_level", 1 << 18);

/// Enums stood as numbers. A client writes all of them so, or none.
pub(super) const NUMBERS: u32 = 1 << 19;
/// The schema stood in `responseSchema`.
pub(super) const IN_OWN_SCHEMA: u32 = 1 << 20;
/// A configuration that says nothing stood there.
pub(super) const EMPTY_CONFIG: u32 = 1 << 21;
/// A tool configuration that says nothing stood there.
pub(super) const EMPTY_TOOL_CONFIG: u32 = 1 << 22;
/// There were no contents at all.
pub(super) const NO_CONTENTS: u32 = 1 << 23;
/// The body names the model as well.
pub(super) const MODEL_IN_BODY: u32 = 1 << 24;
/// It does so with its collection: `models/x`.
pub(super) const MODEL_PREFIXED: u32 = 1 << 25;
/// The mode was `VALIDATED` where `AUTO` means the same to anybody else.
pub(super) const VALIDATED: u32 = 1 << 26;
/// The level stood in capitals.
pub(super) const LEVEL_CAPITALS: u32 = 1 << 27;
/// A schema without its type.
pub(super) const NO_MIME: u32 = 1 << 28;
/// A whole request inside a count.
pub(super) const WRAPPED: u32 = 1 << 29;
/// The contents were one object.
pub(super) const LONE_CONTENT: u32 = 1 << 30;
/// The tools were one object.
pub(super) const LONE_TOOL: u32 = 1 << 31;

/// Bits of a message.
pub(super) mod message {
    use crate::gemini::notation::Name;

    pub(in crate::gemini) const SYSTEM: Name =
        Name::new("systemInstruction", "system_instruction", 1);
    /// No role was said.
    pub(in crate::gemini) const NO_ROLE: u32 = 1 << 1;
    /// The parts were one object.
    pub(in crate::gemini) const LONE_PART: u32 = 1 << 2;
    /// There were no parts at all.
    pub(in crate::gemini) const NO_PARTS: u32 = 1 << 3;
    /// The role was `function`, as the first clients wrote it.
    pub(in crate::gemini) const FUNCTION_ROLE: u32 = 1 << 4;
    /// The instruction was a string, as some hosts take it.
    pub(in crate::gemini) const STRING: u32 = 1 << 5;
}

/// Bits of a tool.
pub(super) mod tool {
    use crate::gemini::notation::Name;

    pub(in crate::gemini) const DECLARATIONS: Name =
        Name::new("functionDeclarations", "function_declarations", 1);
    pub(in crate::gemini) const JSON_PARAMETERS: Name =
        Name::new("parametersJsonSchema", "parameters_json_schema", 1 << 1);
    /// The schema stood in `parameters`.
    pub(in crate::gemini) const OWN_PARAMETERS: u32 = 1 << 2;
    /// The first of an object of `tools`, which may hold several.
    pub(in crate::gemini) const FIRST: u32 = 1 << 3;
}
