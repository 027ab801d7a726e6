//! What must never be printed.

use std::borrow::Cow;
use std::fmt;

use zeroize::Zeroize;

/// A value without `Display` and without `Serialize`, whose `Debug` says nothing, and whose
/// memory is wiped when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Hides a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, named so that a reviewer finds every place that reads it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// How a provider's key begins. Providers quote keys in error texts, so texts that go out to
/// callers or logs pass through [`redact`].
const KEY_PREFIXES: [&str; 7] = ["sk-", "sk_", "pk-", "AIza", "gsk_", "xai-", "Bearer "];
/// Shorter runs are words of the message itself (`sk-REDACTED`, `Bearer token`).
const KEY_TAIL_MIN: usize = 16;

/// Replaces what looks like a key by its first characters and `…`.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut out: Option<String> = None;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let Some((start, prefix)) = next_key(rest) else { break };
        let tail = &rest[start + prefix.len()..];
        let len =
            tail.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"-_".contains(b)).count();
        let out = out.get_or_insert_with(String::new);
        out.push_str(&rest[..start + prefix.len()]);
        if len >= KEY_TAIL_MIN {
            out.push('…');
        } else {
            out.push_str(&tail[..len]);
        }
        at += start + prefix.len() + len;
    }
    match out {
        None => Cow::Borrowed(text),
        Some(mut s) => {
            s.push_str(&text[at..]);
            Cow::Owned(s)
        }
    }
}

fn next_key(text: &str) -> Option<(usize, &'static str)> {
    KEY_PREFIXES
        .iter()
        .filter_map(|p| text.find(p).map(|at| (at, *p)))
        .min_by_key(|(at, p)| (*at, std::cmp::Reverse(p.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_says_nothing() {
        let key = Secret::new(String::from("sk-abcdef"));
        assert_eq!(format!("{key:?}"), "Secret(…)");
    }

    #[test]
    fn a_quoted_key_is_cut_and_the_rest_stays() {
        let text = "Incorrect API key provided: sk-proj-0123456789abcdef0123. See Bearer token.";
        assert_eq!(redact(text), "Incorrect API key provided: sk-…. See Bearer token.");
        assert!(matches!(redact("no key: sk-short"), Cow::Owned(s) if s == "no key: sk-short"));
        assert!(matches!(redact("plain"), Cow::Borrowed("plain")));
    }
}
