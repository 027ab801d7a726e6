//! Whole answers of a conversation.

pub(super) mod decode;
pub(super) mod encode;

/// Bits of a candidate's finish.
pub(super) mod candidate {
    /// No index was said.
    pub(in crate::gemini) const NO_INDEX: u32 = 1;
    /// There was no content.
    pub(in crate::gemini) const NO_CONTENT: u32 = 1 << 1;
    /// The content had no role.
    pub(in crate::gemini) const NO_ROLE: u32 = 1 << 2;
    /// The content had no parts.
    pub(in crate::gemini) const NO_PARTS: u32 = 1 << 3;
    /// The reason was a number.
    pub(in crate::gemini) const NUMBER: u32 = 1 << 4;
    /// The prompt was blocked: the reason stands in `promptFeedback`.
    pub(in crate::gemini) const BLOCKED: u32 = 1 << 5;
    /// There was no candidate at all.
    pub(in crate::gemini) const ABSENT: u32 = 1 << 6;
}

/// What candidates that never finished said besides is kept aside as this.
const UNFINISHED: &str = "candidates";
