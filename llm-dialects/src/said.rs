//! How much a passing frame says, in tokens: the values behind a dialect's words for text, counted
//! where they stand.
//!
//! What stands around them does not count: a signature, the logarithms of tokens that were not
//! chosen, ids. A key can be searched for with its quotes on, since inside a text they are escaped.

mod alike;

use llm_core::usage::count;
use memchr::memmem::Finder;

use alike::quoted;
pub(crate) use alike::{Alike, value};

/// Tokens behind any of the keys.
pub(crate) fn tokens(data: &[u8], keys: &[Finder<'static>]) -> u64 {
    let of = |key: &Finder<'static>| -> u64 {
        let ends = key.find_iter(data).map(|at| at + key.needle().len());
        ends.map(|end| behind(data.get(end..).unwrap_or_default())).sum()
    };
    keys.iter().map(of).sum()
}

/// Tokens of the value behind a key: a text, or the arguments of a call. A list is no text.
fn behind(rest: &[u8]) -> u64 {
    let Some(rest) = rest.trim_ascii_start().strip_prefix(b":") else { return 0 };
    let rest = rest.trim_ascii_start();
    match rest.first() {
        Some(b'"') => count::piece(&rest[1..1 + string(&rest[1..])]),
        Some(b'{') => count::piece(&rest[..object(rest)]),
        _ => 0,
    }
}

/// Bytes of a text, from behind its first quote to its last; of one that is cut off, all.
fn string(text: &[u8]) -> usize {
    quoted(text).unwrap_or(text.len())
}

/// Where an object ends.
fn object(text: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => at += string(text.get(at..).unwrap_or_default()) + 1,
            b'{' => depth += 1,
            b'}' if depth == 1 => return at,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_said_counts() {
        let keys = [Finder::new("\"content\""), Finder::new("\"args\"")];
        let of = |data: &str| tokens(data.as_bytes(), &keys);
        assert_eq!(
            of(r#"{"delta":{"content":" hi"},"logprobs":{"content":[{"a":"long, long"}]}}"#),
            1
        );
        assert_eq!(of(r#"{"content" : "so \"much\" said, at once"}"#), 8);
        assert_eq!(of(r#"{"type":"content","signature":"AAAAAAAAAAAAAAAAAAAAAAAAA"}"#), 0);
        assert_eq!(of(r#"{"args":{"city":"Pa}ris","x":{"y":1}},"content":"a"}"#), 23 + 1);
        assert_eq!(of(r#"{"content":"it is cut in the mid\"#), 7);
        assert_eq!(of(r#"{"args":{"it":"is cut \"in the"#), 11);
        assert_eq!(of(r#"{"content":null}"#), 0);
    }
}
