//! Bytes of a text file as letters: UTF-8, UTF-16, or what Korean spreadsheets write (CP949, of which
//! EUC-KR is a part), with or without a mark at the beginning.
//!
//! A mark is believed. Without one UTF-8 comes first, since nothing else is taken for it by accident;
//! then UTF-16, whose zeros betray it; then Korean, which has to decode to its last byte and to look
//! like it. Whatever else it may be is not guessed: a table read in the wrong letters is worse than
//! none. Deliberately absent: other countries' old letters.

use std::borrow::Cow;

use encoding_rs::{EUC_KR, Encoding, UTF_16BE, UTF_16LE};

/// What a text begins with that says how it is written.
const MARKS: [(&[u8], Option<&Encoding>); 3] =
    [(b"\xef\xbb\xbf", None), (b"\xff\xfe", Some(UTF_16LE)), (b"\xfe\xff", Some(UTF_16BE))];

/// The letters, where there is no doubt about them.
pub(super) fn decode(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let marked = MARKS.iter().find_map(|(mark, how)| Some((bytes.strip_prefix(*mark)?, *how)));
    let found = match marked {
        Some((rest, None)) => str::from_utf8(rest).ok().map(Cow::Borrowed),
        Some((rest, Some(how))) => strictly(how, rest),
        None => unmarked(bytes),
    };
    // Bytes of a program are letters here and there.
    found.filter(|text| !text.contains('\0'))
}

fn unmarked(bytes: &[u8]) -> Option<Cow<'_, str>> {
    if bytes.contains(&0) {
        // Of what is common to all tables, ends of lines and commas, one half is zero; of letters
        // hardly ever the other.
        let zeros = |odd| bytes.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
        let (even, odd) = (zeros(0), zeros(1));
        let how = match (even.saturating_mul(4) <= odd, odd.saturating_mul(4) <= even) {
            (true, _) => UTF_16LE,
            (false, true) => UTF_16BE,
            (false, false) => return None,
        };
        return strictly(how, bytes).filter(|text| !text.chars().any(is_odd));
    }
    match str::from_utf8(bytes) {
        Ok(text) => Some(Cow::Borrowed(text)),
        Err(_) if !is_korean(bytes) => None,
        Err(_) => strictly(EUC_KR, bytes).filter(|text| !text.chars().any(is_odd)),
    }
}

fn strictly<'b>(how: &'static Encoding, bytes: &'b [u8]) -> Option<Cow<'b, str>> {
    how.decode_without_bom_handling_and_without_replacement(bytes)
}

/// What no text has.
fn is_odd(letter: char) -> bool {
    let control = letter.is_control() && !matches!(letter, '\t' | '\n' | '\r' | '\u{c}');
    control || matches!(letter, '\u{e000}'..='\u{f8ff}')
}

/// Whether Korean was meant: other countries' letters decode as well now and then, to Chinese
/// characters and to syllables that hardly anybody writes.
fn is_korean(bytes: &[u8]) -> bool {
    let (mut usual, mut rare) = (0usize, 0usize);
    let mut rest = bytes.iter().copied();
    while let Some(lead) = rest.next() {
        if lead < 0x80 {
            continue;
        }
        match (lead, rest.next().unwrap_or_default()) {
            // The 2,350 syllables that are typed.
            (0xb0..=0xc8, 0xa1..) => usual += 1,
            // Signs, and letters of other alphabets.
            (0xa1..=0xaf, 0xa1..) => {}
            _ => rare += 1,
        }
    }
    usual > 0 && usual >= rare.saturating_mul(4)
}
