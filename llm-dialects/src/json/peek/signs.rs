//! What strings give away on the way past them: names of members and short texts, in any dialect's
//! words. One look at each of them costs less than any search through the whole body.

use llm_core::call::{Has, Signs};
use memchr::memmem;

use crate::json::scan::{HIGHS, ONES, See, Text};
use crate::state;

/// No word of any dialect is so long. What is longer is somebody's prose, or a name of their own.
const WORD_BYTES_MAX: usize = 40;
/// Bytes of an escaped letter.
const ESCAPE_BYTES: usize = 6;

/// The signs that have been seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) signs: Signs,
    /// The member whose value comes next is the service tier.
    tier: bool,
    /// It holds prose.
    prose: bool,
}

impl See<'_> for Seen {
    fn name(&mut self, name: Text<'_>) {
        self.tier = false;
        self.prose = !name.escaped && is_prose(name.raw);
        self.word(name);
    }

    fn string(&mut self, text: Text<'_>, named: bool) {
        if named && self.tier && (text.says(b"priority") || text.says(b"fast")) {
            self.signs.0 |= Signs::FIRST;
        }
        if state::may_carry(text.raw, named && self.prose) {
            self.signs.0 |= Signs::TOKEN;
        }
        self.word(text);
    }
}

impl Seen {
    #[inline]
    fn word(&mut self, text: Text<'_>) {
        if text.escaped {
            self.escaped(text);
        } else if text.raw.len() <= WORD_BYTES_MAX {
            self.letters(text.raw);
        }
    }

    /// Letters that are written as numbers may hide a word: no client means anything by them. Any
    /// other escape changes nothing about the letters beside it.
    #[cold]
    fn escaped(&mut self, text: Text<'_>) {
        let near = text.raw.len() <= ESCAPE_BYTES * WORD_BYTES_MAX;
        if near && memmem::find(text.raw, br"\u00").is_some() {
            let read = text.read().filter(|read| read.len() <= WORD_BYTES_MAX);
            read.into_iter().for_each(|read| self.letters(read.as_bytes()));
        } else if text.raw.len() <= WORD_BYTES_MAX {
            self.letters(text.raw);
        }
    }

    fn letters(&mut self, word: &[u8]) {
        let Some((first, rest)) = word.split_first_chunk::<4>() else {
            self.signs.0 |= if word == b"mcp" { Signs::OWN_TOOL } else { 0 };
            return;
        };
        match first {
            b"web_" => {
                let search = rest.starts_with(b"search_options");
                self.signs.0 |= Signs::OWN_TOOL | if search { Signs::SEARCH } else { 0 };
            }
            b"code" if rest.starts_with(b"_") => self.signs.0 |= Signs::OWN_TOOL,
            b"serv" if rest == b"ice_tier" => self.tier = true,
            _ => {}
        }
        // The shortest of the others has five letters.
        if !rest.is_empty() && may_tell(word) {
            self.look(word);
        }
    }

    /// The words that may begin anywhere in a name.
    #[cold]
    fn look(&mut self, word: &[u8]) {
        for at in (0..word.len()).filter(|at| matches!(word[*at], b'h' | b'x')) {
            let (before, behind) = word.split_at(at);
            let is =
                |first: &[u8], last: &[u8]| before.ends_with(first) && behind.starts_with(last);
            self.signs.0 |= if is(b"cac", b"he") { Signs::CACHE } else { 0 };
            let own_tool = is(b"_searc", b"h")
                || is(b"Searc", b"h") && matches!(behind, b"h" | b"hRetrieval")
                || is(b"codeE", b"xecution")
                || is(b"url_conte", b"xt")
                || is(b"urlConte", b"xt");
            self.signs.0 |= if own_tool { Signs::OWN_TOOL } else { 0 };
        }
    }
}

/// Whether a word has one of two letters: each of those that [`Seen::look`] knows has one of them,
/// and most others have not.
fn may_tell(word: &[u8]) -> bool {
    let mut left = word;
    while let Some((eight, behind)) = left.split_first_chunk() {
        if has_letter(u64::from_le_bytes(*eight)) {
            return true;
        }
        left = behind;
    }
    // Of what is left some has been looked at before, or is looked at twice.
    let last = match (word.last_chunk(), word.first_chunk(), word.last_chunk()) {
        (Some(eight), ..) => u64::from_le_bytes(*eight),
        (None, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => 0,
    };
    has_letter(last)
}

/// Whether any byte is an `h` or an `x`, which differ in one bit.
fn has_letter(word: u64) -> bool {
    let word = (word | (ONES * u64::from(b'h' ^ b'x'))) ^ (ONES * u64::from(b'x'));
    word.wrapping_sub(ONES) & !word & HIGHS != 0
}

/// The members that hold what people and models say to each other. No dialect keeps state behind
/// the beginning of these.
fn is_prose(name: &[u8]) -> bool {
    matches!(
        name,
        b"content"
            | b"text"
            | b"input"
            | b"prompt"
            | b"output"
            | b"system"
            | b"arguments"
            | b"description"
            | b"instructions"
    )
}

/// Strings that count as bits, and what all strings give away.
pub(super) struct Look<'r> {
    texts: &'static [(&'static str, u16)],
    /// What those look like from far away.
    shapes: u64,
    has: &'r mut Has,
    seen: &'r mut Seen,
}

impl See<'_> for Look<'_> {
    fn name(&mut self, name: Text<'_>) {
        self.mention(name);
        self.seen.name(name);
    }

    fn string(&mut self, text: Text<'_>, named: bool) {
        self.mention(text);
        self.seen.string(text, named);
    }
}

impl<'r> Look<'r> {
    pub(super) fn new(
        texts: &'static [(&'static str, u16)],
        has: &'r mut Has,
        seen: &'r mut Seen,
    ) -> Self {
        let shapes = texts.iter().fold(0, |all, (text, _)| all | shape(within(text)));
        Self { texts, shapes, has, seen }
    }

    #[inline]
    fn mention(&mut self, text: Text<'_>) {
        if text.escaped || self.shapes & shape(text.raw) != 0 {
            self.count(text);
        }
    }

    #[cold]
    fn count(&mut self, text: Text<'_>) {
        for (said, bits) in self.texts.iter().filter(|(said, _)| is_whole(said)) {
            let word = within(said);
            // Escaped letters are longer than letters, and nobody means a word by more of them.
            let near = text.escaped && text.raw.len() <= ESCAPE_BYTES * word.len();
            let has = text.raw == word || near && text.says(word);
            self.has.add_if(has, *bits);
        }
    }
}

/// One bit of many for a text: most texts have another one than those that are looked for.
fn shape(text: &[u8]) -> u64 {
    let first = text.first().copied().map_or(0, usize::from);
    1 << ((first + 5 * text.len()) % 64)
}

/// A text without its quotes.
fn within(said: &str) -> &[u8] {
    match said.as_bytes() {
        [_, word @ .., _] => word,
        [..] => &[],
    }
}

/// Whether a text has its quotes on: it is a whole string or none.
pub(super) fn is_whole(text: &str) -> bool {
    matches!(text.as_bytes(), [b'"', .., b'"'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::scan::Scan;

    fn seen(json: &str) -> u8 {
        let mut seen = Seen::default();
        Scan::new(json).skip(&mut seen).unwrap();
        seen.signs.0
    }

    #[track_caller]
    fn check(json: &str, signs: u8) {
        assert_eq!(seen(json), signs, "{json}");
    }

    #[test]
    fn words_are_names_and_short_strings() {
        const TOOL: u8 = Signs::OWN_TOOL;
        for name in ["cache_control", "cachePoint", "cachedContent", "prompt_cache_key", "cache"] {
            check(&format!(r#"{{"a":[{{"{name}":1}}]}}"#), Signs::CACHE);
            check(&format!(r#"{{"a":["{name}"]}}"#), Signs::CACHE);
        }
        for name in [
            "web_search",
            "web_fetch_20250910",
            "file_search",
            "x_search_call",
            "googleSearch",
            "enterpriseWebSearch",
            "googleSearchRetrieval",
            "code_interpreter",
            "code_execution_20250825",
            "codeExecution",
            "url_context",
            "urlContext",
            "mcp",
            "web_search_preview_2025_03_11",
        ] {
            check(&format!(r#"{{"tools":[{{"{name}":{{}}}}]}}"#), TOOL);
            check(&format!(r#"{{"tools":[{{"type":"{name}"}}]}}"#), TOOL);
            let codes: String = name.bytes().map(|b| format!("\\u{b:04x}")).collect();
            check(&format!(r#"{{"tools":[{{"type":"{codes}"}}]}}"#), TOOL);
            check(&format!(r#"{{"tools":["speaks of \"{name}\" and of many other things"]}}"#), 0);
        }
        check(r#"{"web_search_options":{}}"#, TOOL | Signs::SEARCH);
        for name in ["search", "Searching", "research", "codec", "mcp_", "text", "exchange", "h"] {
            check(&format!(r#"{{"{name}":"{name}"}}"#), 0);
        }
    }

    #[test]
    fn a_tier_is_the_value_of_its_name() {
        for value in ["priority", "fast", r"f\u0061st"] {
            check(&format!(r#"{{"a":{{"service_tier" : "{value}"}}}}"#), Signs::FIRST);
            check(&format!(r#"{{"service\u005ftier":"{value}"}}"#), Signs::FIRST);
            check(&format!(r#"{{"service_tier":["{value}"]}}"#), 0);
            check(&format!(r#"{{"service_tier":"auto","x":"{value}"}}"#), 0);
            check(&format!(r#"{{"x":"service_tier","y":"{value}"}}"#), 0);
        }
        check(r#"{"service_tier":"fast_"}"#, 0);
    }

    #[test]
    fn a_token_is_seen_where_one_may_stand() {
        let token = "Z3cxY29oZXJlAAAx";
        assert!(state::read(token).is_some(), "the shortest there is");
        for json in [
            format!(r#"{{"signature":"{token}"}}"#),
            format!(r#"{{"id":"call 1.{token}"}}"#),
            format!(r#"{{"thinking_signature":"12:.7:{token}"}}"#),
            format!(r#"{{"text":"{token}"}}"#),
            format!(r#"{{"content":["a","b.{token}"]}}"#),
            format!(r#"{{"x":"{}.{token}{}"}}"#, "a".repeat(300), "a".repeat(300)),
        ] {
            check(&json, Signs::TOKEN);
        }
        check(&format!(r#"{{"text":"what does {token} mean?"}}"#), 0);
        check(&format!(r#"{{"{token}":"Z3cx"}}"#), 0);
    }
}
