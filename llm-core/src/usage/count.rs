//! Our own count of tokens, for answers whose provider did not say what they used.
//!
//! No vocabulary: a run of up to six letters or digits is a token, and so is any other character
//! that is no white space. That is near to what vocabularies do with prose, and charges a syllable
//! of Korean as one. Where a provider says what was used, none of this is asked.

/// At most so many letters make one token.
const RUN_MAX: usize = 6;
/// Most providers stream a token a frame, and hardly any token is longer than this.
const TOKEN_BYTES_MAX: usize = 12;

/// Tokens of a text.
pub fn text(text: &str) -> u64 {
    tokens(text.as_bytes(), false)
}

/// Tokens of what a frame of a stream says, as it stands in JSON: one if it is short enough to be
/// one, since who streams sends them as they come.
pub fn piece(json: &[u8]) -> u64 {
    match json.len() {
        0 => 0,
        1..=TOKEN_BYTES_MAX => 1,
        _ => tokens(json, true).max(1),
    }
}

fn tokens(bytes: &[u8], escaped: bool) -> u64 {
    let (mut tokens, mut run, mut at) = (0, 0, 0);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte.is_ascii_alphanumeric() {
            if run == 0 {
                tokens += 1;
            }
            run = (run + 1) % RUN_MAX;
            continue;
        }
        run = 0;
        // Of a character of several bytes only the first counts.
        let continues = byte & 0xC0 == 0x80;
        tokens += u64::from(!byte.is_ascii_whitespace() && byte != 0x0B && !continues);
        if escaped && byte == b'\\' {
            match bytes.get(at) {
                Some(b'n' | b't' | b'r' | b'f') => (tokens, at) = (tokens - 1, at + 1),
                Some(b'u') => {
                    // The second half of a pair is no character of its own.
                    let low = matches!(
                        bytes.get(at + 1..at + 3),
                        Some([b'd' | b'D', b'c'..=b'f' | b'C'..=b'F'])
                    );
                    (tokens, at) = (tokens - u64::from(low), at + 5);
                }
                Some(_) => at += 1,
                None => {}
            }
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_counts_the_same_as_it_is_and_in_json() {
        let cases = [
            ("", 0),
            ("hi", 1),
            ("wonderful", 2),
            ("hi there.", 3),
            ("안녕 세계", 4),
            ("a \n\t \"b\\", 4),
            ("naïve 🦀", 4),
            ("{\"city\":\"Paris\"}", 9),
        ];
        for (plain, count) in cases {
            assert_eq!(text(plain), count, "{plain:?}");
            let json = serde_json::to_string(plain).unwrap();
            assert_eq!(tokens(&json.as_bytes()[1..json.len() - 1], true), count, "{json}");
        }
        assert_eq!(tokens(br"\ud83e\udd80 \uc548", true), 2);
        assert_eq!(tokens(br"cut\", true), 2);
        assert_eq!(tokens(br"cut\u00", true), 2);
    }

    #[test]
    fn a_short_piece_is_one() {
        assert_eq!((piece(b""), piece(b" wonderful"), piece(b" wonderful world")), (0, 1, 3));
    }
}
