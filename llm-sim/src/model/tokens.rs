//! The declared tokenization of the simulator: what a client can count itself, exactly.
//!
//! A token is what this pattern matches, from left to right, leaving nothing out:
//!
//! ```text
//! \s*(?:[A-Za-z0-9]{1,6}|[^\sA-Za-z0-9])|\s+$
//! ```
//!
//! that is: the white space before it, and then at most six ASCII letters or digits, or any one
//! other character. Korean therefore counts one token a syllable, which is near to what real
//! vocabularies do. Streams carry one token a delta, so that counting deltas is counting tokens.

/// At most so many ASCII letters or digits make one token.
pub const RUN_MAX: usize = 6;

/// How many tokens a text has.
pub fn tokens(text: &str) -> u64 {
    pieces(text).fold(0, |n, _| n + 1)
}

/// The tokens of a text; joined they are the text.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, tail) = rest.split_at(first_piece(rest));
        rest = tail;
        Some(piece)
    })
}

/// The first `count` tokens of a text.
pub fn head(text: &str, count: u64) -> &str {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let len = pieces(text).take(count).map(str::len).sum();
    &text[..len]
}

fn first_piece(text: &str) -> usize {
    let space: usize = text.chars().take_while(|c| c.is_whitespace()).map(char::len_utf8).sum();
    let word = &text[space..];
    let run = word.bytes().take(RUN_MAX).take_while(u8::is_ascii_alphanumeric).count();
    let one = || word.chars().next().map_or(0, char::len_utf8);
    space + if run > 0 { run } else { one() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_text() {
        for text in ["", " ", "Hello, wonderful world!", "안녕 세계\n", "a  b\t", "naïve 🦀"]
        {
            assert_eq!(pieces(text).collect::<String>(), text);
        }
    }

    #[test]
    fn counts_are_the_declared_ones() {
        let cases =
            [("", 0), ("hi", 1), ("wonderful", 2), ("hi there.", 3), ("안녕 세계", 4), ("a ", 2)];
        for (text, count) in cases {
            assert_eq!(tokens(text), count, "{text:?}");
        }
        assert_eq!(head("one two three", 2), "one two");
    }
}
