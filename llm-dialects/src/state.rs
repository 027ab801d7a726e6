//! Provider state in foreign clothes.
//!
//! Signatures of reasoning must come back to the provider that made them, whatever dialect the
//! caller speaks in between. Each caller dialect has some string of its own that clients return
//! untouched (Anthropic `signature`, Gemini `thoughtSignature`, OpenAI `reasoning_details`, a tool
//! call's id). State of the dialect itself travels there as it is; state of any other travels as
//! a token that this module writes and reads. Its alphabet is base64's, because Gemini's field
//! takes nothing else.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use llm_core::call::{Peek, Signs};
use llm_core::dialect::DialectId;
use llm_core::prompt::Opaque;
use llm_core::raw::Raw;
use memchr::memmem::Finder;

pub mod call_id;

/// The first bytes inside a token. Three, so that every token starts with the same four
/// characters and nothing else is ever decoded.
const MARK: &str = "gw1";
const MARK_BASE64: &str = "Z3cx";
const SEPARATOR: char = '\0';

/// No token is shorter: what it says is longer than its mark, the shortest dialect's name and two
/// separators.
const TOKEN_BYTES_MIN: usize = 16;

/// Built once: asked of many strings.
static FIND: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARK_BASE64));

/// Whether a body may have a token in it. No provider but the one that a token speaks of can read
/// it, and some refuse the whole request for it: such a body is not passed on as it came.
pub fn carries_token(body: &[u8], peek: &Peek) -> bool {
    match peek.signs {
        Some(signs) => signs.has(Signs::TOKEN),
        None => FIND.find(body).is_some(),
    }
}

/// Whether a string of a body may carry a token: at its beginning, or behind an id or a count.
/// Prose never has one but at its beginning, and is not searched through.
pub(crate) fn may_carry(text: &[u8], prose: bool) -> bool {
    text.len() >= TOKEN_BYTES_MIN
        && (text.starts_with(MARK_BASE64.as_bytes()) || !prose && FIND.find(text).is_some())
}

/// Writes state as a token: base64 with padding.
pub fn token(state: &Opaque) -> String {
    let Opaque { origin, kind, value } = state;
    let text = format!("{MARK}{origin}{SEPARATOR}{kind}{SEPARATOR}{}", value.get());
    STANDARD.encode(text)
}

/// Reads a token; `None` when the text is none, and so is the dialect's own state.
pub fn read(text: &str) -> Option<Opaque> {
    if !text.starts_with(MARK_BASE64) {
        return None;
    }
    // Clients strip padding, and URL-safe spellings come from SDKs that normalise base64.
    let standard: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        })
        .collect();
    let bytes = STANDARD_NO_PAD.decode(standard).ok()?;
    let inner = std::str::from_utf8(&bytes).ok()?.strip_prefix(MARK)?;
    let (origin, rest) = inner.split_once(SEPARATOR)?;
    // From the end: a kind is a provider's word and may hold anything, JSON text no such character.
    let (kind, value) = rest.rsplit_once(SEPARATOR)?;
    Some(Opaque {
        origin: DialectId::parse(origin)?,
        kind: kind.to_owned().into(),
        value: Raw::parse(value.to_owned()).ok()?,
    })
}

/// What Gemini calls the state of its tool calls. Google's own OpenAI endpoint carries it, too.
pub const THOUGHT_SIGNATURE: &str = "thoughtSignature";

/// Whether the state is Gemini's, in the form in which its own OpenAI endpoint carries it.
pub fn is_signature(state: &Opaque) -> bool {
    state.origin == DialectId::Gemini && state.value.get().starts_with('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_nothing_else_is_one() {
        let state = Opaque {
            origin: DialectId::Anthropic,
            kind: "signature".into(),
            value: Raw::parse(r#""EqQB/+==""#).unwrap(),
        };
        let token = token(&state);
        assert!(token.starts_with(MARK_BASE64));
        assert_eq!(read(&token), Some(state.clone()));
        let stripped = token.trim_end_matches('=').replace('+', "-").replace('/', "_");
        assert_eq!(read(&stripped), Some(state));
        assert_eq!(read("EqQBCkYIBRgCKkA"), None);
        assert_eq!(read("Z3cxZZZZ"), None);
        let odd =
            Opaque { origin: DialectId::Gemini, kind: "a\0b".into(), value: Raw::of("").unwrap() };
        assert_eq!(read(&super::token(&odd)), Some(odd));
    }
}
