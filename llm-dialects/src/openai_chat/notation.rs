//! How this dialect spelled what it could have spelled in several ways, and fields inside fields.
//!
//! The bits are private to the dialect (see [`llm_core::extra::Notation`]); each group belongs to
//! the extras of one kind of thing, so that numbers repeat between groups.

use llm_core::dialect::DialectId;
use llm_core::extra::Extra;
use llm_core::raw::Raw;

use crate::json::{Field, ObjectWriter, write};

/// This dialect.
pub(crate) const ME: DialectId = DialectId::OpenaiChat;

/// Spellings of a whole request.
pub(super) mod of_request {
    /// The cap stood in `max_completion_tokens`, not in `max_tokens`.
    pub(crate) const MAX_COMPLETION: u32 = 1;
    /// `stop` was a string.
    pub(crate) const STOP_STRING: u32 = 1 << 1;
    /// `stop` was there, and empty.
    pub(crate) const STOP_EMPTY: u32 = 1 << 2;
    /// `stream` was there, though it may have said `false`.
    pub(crate) const STREAM_SAID: u32 = 1 << 3;
    /// The end user stood in `safety_identifier`, not in `user`.
    pub(crate) const USER_SAFETY: u32 = 1 << 4;
    /// `tools` was there, and empty.
    pub(crate) const TOOLS_EMPTY: u32 = 1 << 5;
    /// `functions` was there, and empty.
    pub(crate) const FUNCTIONS_EMPTY: u32 = 1 << 6;
    /// "At least one tool" was said with Mistral's `any`, not with `required`.
    pub(crate) const CHOICE_ANY: u32 = 1 << 7;
    /// The choice stood in the old `function_call`.
    pub(crate) const CHOICE_LEGACY: u32 = 1 << 8;
    /// Reasoning was asked for by OpenRouter's object `reasoning`, not by `reasoning_effort`.
    pub(crate) const REASONING_OBJECT: u32 = 1 << 9;
    /// Reasoning was asked for by the object `thinking` of DeepSeek and others.
    pub(crate) const THINKING_OBJECT: u32 = 1 << 10;
    /// The cap stood in `max_tokens`. Where neither is said, a cap that is set later is spelled as
    /// the model wants it.
    pub(crate) const MAX_TOKENS: u32 = 1 << 12;
    /// OpenRouter's `reasoning` spelled "not shown" as `exclude`.
    pub(crate) const EXCLUDE_SAID: u32 = 1 << 11;
}

/// Spellings of a message, and of an answer's choice.
pub(super) mod of_message {
    /// `content` was a list where a string would have done.
    pub(crate) const CONTENT_LIST: u32 = 1;
    /// `content` was an empty string that no part stands for.
    pub(crate) const CONTENT_EMPTY: u32 = 1 << 1;
    /// The result of the old `function_call`, with the role `function`.
    pub(crate) const FUNCTION_ROLE: u32 = 1 << 2;
}

/// Spellings of a part.
pub(super) mod of_part {
    /// Reasoning in `reasoning_content`.
    pub(crate) const REASONING_CONTENT: u32 = 1;
    /// Reasoning in `reasoning`.
    pub(crate) const REASONING: u32 = 1 << 1;
    /// Reasoning or a refusal in the list `content`, not in a field of its own.
    pub(crate) const IN_CONTENT: u32 = 1 << 2;
    /// `image_url` was a string, not an object.
    pub(crate) const URL_STRING: u32 = 1 << 3;
    /// A tool call in the old `function_call`.
    pub(crate) const LEGACY_CALL: u32 = 1 << 4;
    /// A tool, or a call of one, without `type`.
    pub(crate) const NO_TYPE: u32 = 1 << 5;
    /// Arguments as an object, not as a string.
    pub(crate) const RAW_ARGUMENTS: u32 = 1 << 6;
    /// A tool in the old `functions`.
    pub(crate) const LEGACY_TOOL: u32 = 1 << 7;
    /// A custom tool's call in the form of a function's.
    pub(crate) const SHOWN_AS_FUNCTION: u32 = 1 << 9;
    /// Mistral's thinking as a string, not as a list of texts.
    pub(crate) const THINKING_STRING: u32 = 1 << 8;
}

/// Keeps what an inner object said besides, under the name of that object.
pub(super) fn keep(outer: &mut Extra, name: &'static str, inner: &Extra) {
    if !inner.is_empty() {
        let text = write::object(|o| _ = o.extra(inner, ME));
        if let Ok(text) = llm_core::Str::try_from(text.freeze()) {
            outer.push(name, Raw::from_parsed(text));
        }
    }
}

/// What [`keep`] kept; nothing where words come from elsewhere.
pub(super) fn kept(outer: &Extra, name: &str) -> Extra {
    let object = outer.get_from(ME, name).and_then(|raw| {
        let field = Field::root(raw.text()).ok()?;
        field.object().ok().map(|o| o.rest(ME))
    });
    object.unwrap_or_else(|| Extra::new(ME))
}

/// Restores all fields but those that were written already.
pub(super) fn others(o: &mut ObjectWriter<'_>, extra: &Extra, written: &[&str]) {
    if extra.origin() != Some(ME) {
        return;
    }
    for (name, value) in extra.fields() {
        if !written.contains(&&**name) {
            o.kept(name, value);
        }
    }
}

/// Whether the words are this dialect's own.
pub(super) fn own(extra: &Extra) -> bool {
    extra.origin() == Some(ME)
}
