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

/// How keys begin. Providers quote keys in error texts, so texts that go out to callers or logs
/// pass through [`redact`].
const KEY_PREFIXES: [&str; 16] = [
    "sk-", "sk_", "pk-", "pk_", "rk_", "AIza", "ya29.", "gsk_", "xai-", "hf_", "nvapi-", "pplx-",
    "AKIA", "ASIA", "ghp_", "eyJ",
];
/// What is said in front of a key that has no beginning of its own (Cohere, Mistral, Azure):
/// the last word before its `:`, `=` or blank.
const KEY_LABELS: [&str; 7] =
    ["key", "token", "secret", "password", "bearer", "basic", "authorization"];
/// Shorter runs are words of the message itself (`sk-REDACTED`, `Bearer token`).
const KEY_TAIL_MIN: usize = 16;

/// Replaces what looks like a key by its first characters and `…`, in one pass: the text is an
/// upstream's, and may consist of nothing but beginnings of keys.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut shown, mut at) = (0, 0);
    while at < text.len() {
        let run = text.as_bytes()[at..].iter().take_while(|b| is_key_byte(**b)).count();
        if run == 0 {
            at += 1;
            continue;
        }
        let end = at + run;
        if let Some(from) = hidden(text, at, end) {
            out.push_str(&text[shown..from]);
            out.push('…');
            // A full stop ends the sentence; base64 has signs that no name has.
            let tail = text[end..].bytes().take_while(|b| is_key_byte(*b) || b"+/=~".contains(b));
            at = end + tail.count();
            shown = at - text[from..at].bytes().rev().take_while(|b| *b == b'.').count();
        } else {
            at = end;
        }
    }
    if shown == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[shown..]);
    Cow::Owned(out)
}

/// From where on the run at `start..end` is hidden; `None` when it is no key.
fn hidden(text: &str, start: usize, end: usize) -> Option<usize> {
    let run = &text[start..end];
    let long = |from: usize| end.saturating_sub(from) >= KEY_TAIL_MIN;
    // A key may have words glued to its front: `task-` is an accident that costs nothing.
    let within = (0..run.len()).find_map(|at| {
        let rest = run.get(at..)?;
        let prefix = KEY_PREFIXES.iter().find(|p| rest.starts_with(**p))?;
        Some(start + at + prefix.len())
    });
    if let Some(from) = within.filter(|from| long(*from)) {
        return Some(from);
    }
    // A field or a model of that length is no key: `key 'messages.12.content.0'`.
    let plain = run.trim_end_matches('.').bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let digits = run.bytes().filter(u8::is_ascii_digit).count();
    (plain && digits > 1 && long(start) && is_labelled(&text[..start])).then_some(start)
}

/// Whether the text ends in a label: `api_key=`, `"x-api-key": "`, `Bearer `, `key provided: `.
fn is_labelled(before: &str) -> bool {
    let from = before.len().saturating_sub(LABEL_BYTES_MAX);
    let near = before.get(before.ceil_char_boundary(from)..).unwrap_or_default();
    let words = near.trim_end_matches([' ', '"', '\'', '`', ':', '=', '\\']);
    if words.len() == near.len() {
        return false;
    }
    let words = words.strip_suffix(" provided").unwrap_or(words).as_bytes();
    KEY_LABELS.iter().any(|label| {
        let tail = words.len().checked_sub(label.len()).map(|at| &words[at..]);
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(label.as_bytes()))
    })
}

/// How far back a label is looked for: `authorization`, a few signs, ` provided`.
const LABEL_BYTES_MAX: usize = 32;

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
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
        assert!(matches!(redact("no key: sk-short"), Cow::Borrowed("no key: sk-short")));
        assert!(matches!(redact("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn keys_of_every_make_are_cut() {
        const BARE: &str = "Zk3xVQ9bPp7LwT2mNa5RcY8d";
        for (text, shown) in [
            ("GET /v1beta/models?key=AIzaSyA0123456789abcdefg&alt=sse", "?key=AIza…&alt=sse"),
            (
                "authorization: Bearer eyJhbGciOiJ9.eyJzdWIiOiIx.c2ln-_natureee, no",
                "Bearer eyJ…, no",
            ),
            ("Authorization: Basic dXNlcjpwYXNzd29yZDEyMw/+==", "Basic …"),
            (&format!("api_key={BARE} is wrong"), "api_key=… is wrong"),
            (&format!("{{\"x-api-key\": \"{BARE}\"}}"), "key\": \"…\"}"),
            (&format!("invalid api token: {BARE}."), "token: …."),
            (&format!("Incorrect API key provided: {BARE}"), "provided: …"),
            ("키가sk-ant-api03-0123456789abcdef입니다", "키가sk-…입니다"),
            ("AKIAIOSFODNN7EXAMPLE", "AKIA…"),
        ] {
            assert!(redact(text).ends_with(shown), "{}", redact(text));
        }
        for text in [
            "Unrecognized key: messages.12.content.0.image_url",
            "Invalid token at position 12345678",
            "model claude-sonnet-4-5-20250929 in request req_011CSHoEeqs5C35K2UUqR7Fy",
            "key: 한국어 키가 없습니다 é",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    /// Looking anew for each beginning behind each other one would take hours.
    #[test]
    fn hostile_texts_take_linear_time() {
        for piece in ["sk-", "sk- ", "key: ", "Bearer ", "AIza.", "é", "key=0123456789abcdef "] {
            let text = piece.repeat(300_000);
            assert!(redact(&text).len() <= text.len());
        }
    }
}
