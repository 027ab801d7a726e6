//! Enums as words and as numbers, and what model names say.
//!
//! Clients generated from the proto (Go, Rust) send numbers, and ask for numbers in the answer with
//! `$alt=json;enum-encoding=int`.

use std::borrow::Cow;

use crate::json::{Field, JsonKind};

/// `Candidate.FinishReason` by number.
pub(super) const FINISH_REASON: &[&str] = &[
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_OTHER",
    "NO_IMAGE",
    "IMAGE_RECITATION",
];

/// `PromptFeedback.BlockReason` by number.
pub(super) const BLOCK_REASON: &[&str] = &[
    "BLOCK_REASON_UNSPECIFIED",
    "SAFETY",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "IMAGE_SAFETY",
];

/// `FunctionCallingConfig.Mode` by number.
pub(super) const CALLING_MODE: &[&str] = &["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"];

/// `GenerationConfig.Modality` by number.
pub(super) const MODALITY: &[&str] = &["MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "AUDIO"];

/// `Modality` of a token count by number.
pub(super) const COUNT_MODALITY: &[&str] =
    &["MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT"];

/// `Type` of a schema by number.
pub(super) const SCHEMA_TYPE: &[&str] =
    &["TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"];

/// `TaskType` of an embedding by number.
pub(super) const TASK_TYPE: &[&str] = &[
    "TASK_TYPE_UNSPECIFIED",
    "RETRIEVAL_QUERY",
    "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
];

/// The word of an enum's value, and whether it was written as a number. A number that no table
/// knows is its own word.
pub(super) fn word<'a>(field: Field<'a>, table: &[&'static str]) -> Option<(Cow<'a, str>, bool)> {
    match field.kind() {
        JsonKind::String => Some((field.cow().ok()?, false)),
        JsonKind::Number => Some((of_number(field.text(), table), true)),
        JsonKind::Null | JsonKind::Bool | JsonKind::Array | JsonKind::Object => None,
    }
}

/// The word of a number in a table, or the number itself.
pub(super) fn of_number<'a>(text: &'a str, table: &[&'static str]) -> Cow<'a, str> {
    let known = text.parse().ok().and_then(|n: usize| table.get(n).copied());
    Cow::Borrowed(known.unwrap_or(text))
}

/// The number of a word.
pub(super) fn number(word: &str, table: &[&'static str]) -> Option<u64> {
    table.iter().position(|w| *w == word).and_then(|n| u64::try_from(n).ok())
}

/// The name of a model without the collection it lives in; `models/` alone is implied in all
/// paths.
pub(super) fn bare(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}

/// Whether the model is of the third generation or a later one, which thinks in levels, checks
/// the signatures of function calls and takes media in function responses. The `-latest` names
/// without a number point there by now.
pub(super) fn is_third_generation(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let Some(rest) = name.strip_prefix("gemini-") else { return false };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    match rest.get(..digits).and_then(|d| d.parse::<u32>().ok()) {
        Some(generation) => generation >= 3,
        None => rest.ends_with("-latest"),
    }
}

/// Whether the model is one of the large ones, which cannot stop thinking altogether.
pub(super) fn is_pro(model: &str) -> bool {
    model.contains("-pro")
}
