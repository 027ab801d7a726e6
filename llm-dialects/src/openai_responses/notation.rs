//! How the caller or the provider spelled what it said: bits that return the spelling to this
//! dialect and mean nothing to any other, and names under which fields of a nested object rest in
//! a flat [`Extra`].

use llm_core::dialect::DialectId;
use llm_core::extra::Extra;

use crate::json::ObjectWriter;

/// Whose notation this is.
pub(super) const ME: DialectId = DialectId::OpenaiResponses;

/// On a part. What is true of a whole item stands on the item's last part, because a stream tells
/// it last.
pub(super) mod part {
    /// It belongs to the same item as the part before it.
    pub(crate) const GOES_ON: u32 = 1;
    /// Its message has no `type`.
    pub(crate) const NO_TYPE: u32 = 1 << 1;
    /// Its message's content is a string.
    pub(crate) const STRING: u32 = 1 << 2;
    /// Its text is called `input_text`.
    pub(crate) const INPUT_TEXT: u32 = 1 << 3;
    /// Its text is called `output_text`.
    pub(crate) const OUTPUT_TEXT: u32 = 1 << 4;
    /// Its text is called `text`.
    pub(crate) const PLAIN_TEXT: u32 = 1 << 5;
    /// It has a list of annotations.
    pub(crate) const ANNOTATIONS: u32 = 1 << 6;
    /// It has a list of log probabilities.
    pub(crate) const LOGPROBS: u32 = 1 << 7;
    /// It stands in the content of a message or a result, and is no item by itself.
    pub(crate) const INSIDE: u32 = 1 << 8;
    /// Its text stands in `content`, not in `summary`.
    pub(crate) const THOUGHT: u32 = 1 << 9;
    /// Its item has a `summary`.
    pub(crate) const SUMMARY: u32 = 1 << 10;
    /// Its item has a `content`.
    pub(crate) const CONTENT: u32 = 1 << 11;
    /// It stands for an item that has no text at all.
    pub(crate) const NO_TEXT: u32 = 1 << 12;
    /// It is the result of a custom tool.
    pub(crate) const CUSTOM: u32 = 1 << 13;
}

/// On a message of a person or an operator.
pub(super) mod message {
    /// It has no `type`.
    pub(crate) const NO_TYPE: u32 = 1;
    /// Its content is a string.
    pub(crate) const STRING: u32 = 1 << 1;
    /// It stands in `instructions`.
    pub(crate) const INSTRUCTIONS: u32 = 1 << 2;
}

/// On a request.
pub(super) mod request {
    /// `input` is a string.
    pub(crate) const INPUT_STRING: u32 = 1;
    /// There is no `input`.
    pub(crate) const NO_INPUT: u32 = 1 << 1;
    /// `stream` is written even where it is false.
    pub(crate) const STREAM: u32 = 1 << 2;
    /// There is a `text`.
    pub(crate) const TEXT: u32 = 1 << 3;
    /// There is a `tools`.
    pub(crate) const TOOLS: u32 = 1 << 4;
    /// The user stands in `safety_identifier`.
    pub(crate) const SAFETY: u32 = 1 << 5;
    /// `store` is false: every dialect can do that.
    pub(crate) const STORE_FALSE: u32 = 1 << 6;
    /// `include` asks for encrypted reasoning, which is always carried.
    pub(crate) const INCLUDE_REASONING: u32 = 1 << 7;
    /// `include` asks for log probabilities.
    pub(crate) const INCLUDE_LOGPROBS: u32 = 1 << 8;
    /// In that order: log probabilities first.
    pub(crate) const LOGPROBS_FIRST: u32 = 1 << 9;
    /// The tool named by `tool_choice` is a custom one.
    pub(crate) const CHOICE_CUSTOM: u32 = 1 << 10;
}

/// The id of the item a part belongs to.
pub(super) const ITEM_ID: &str = "item.id";
/// Fields of the item a part belongs to, in the part's own [`Extra`].
pub(super) const ITEM: &str = "item.";
/// Fields of `text`, in the request's.
pub(super) const TEXT: &str = "text.";
/// Fields of `text.format`.
pub(super) const FORMAT: &str = "text.format.";
/// Fields of `reasoning`.
pub(super) const REASONING: &str = "reasoning.";

/// Whether the words were said in this dialect, and nothing is to be added to them.
pub(super) fn own(extra: &Extra) -> bool {
    extra.origin() == Some(ME)
}

/// Whether the words were said in this dialect, and in this spelling.
pub(super) fn has(extra: &Extra, bits: u32) -> bool {
    extra.notation(ME).has(bits)
}

/// Nothing extra, in the spelling `bits`.
pub(super) fn noted(bits: u32) -> Extra {
    Extra::new(ME).noted(bits)
}

/// Moves fields below a prefix.
pub(super) fn put_below(prefix: &str, rest: &Extra, into: &mut Extra) {
    for (name, value) in rest.fields() {
        into.push(format!("{prefix}{name}"), value.clone());
    }
}

/// Restores the fields that stand below no prefix.
pub(super) fn write_plain(extra: &Extra, prefixes: &[&str], o: &mut ObjectWriter<'_>) {
    if !own(extra) {
        return;
    }
    for (name, value) in extra.fields() {
        if !prefixes.iter().any(|p| name.starts_with(p)) {
            o.under(name).raw(value);
        }
    }
}

/// Restores all fields but those of these names.
pub(super) fn write_except(extra: &Extra, names: &[&str], o: &mut ObjectWriter<'_>) {
    if !own(extra) {
        return;
    }
    for (name, value) in extra.fields().iter().filter(|(n, _)| !names.contains(&&**n)) {
        o.under(name).raw(value);
    }
}

/// Restores the fields that stand below a prefix, but for one, or for those below a longer one.
pub(super) fn write_below(prefix: &str, but: &str, extra: &Extra, o: &mut ObjectWriter<'_>) {
    if !own(extra) {
        return;
    }
    let stays = |name: &str| name == but || (but.ends_with('.') && name.starts_with(but));
    for (name, value) in extra.fields().iter().filter(|(n, _)| !stays(n)) {
        if let Some(below) = name.strip_prefix(prefix) {
            o.under(below).raw(value);
        }
    }
}

/// Whether any field stands below the prefix.
pub(super) fn any_below(prefix: &str, extra: &Extra) -> bool {
    own(extra) && extra.fields().iter().any(|(name, _)| name.starts_with(prefix))
}
