//! The letters of a string that say nothing but themselves.

use memchr::memchr2;

/// What of a string is looked at where it is needed: nearly all names are shorter.
pub(super) const NAME: usize = 3 * WORD;
/// What is looked at in one go further on.
const BLOCK: usize = 2 * WORD;
const WORD: usize = 8;
/// The lowest bit of each byte of a word, and the highest.
pub(crate) const ONES: u64 = u64::MAX / 255;
pub(crate) const HIGHS: u64 = ONES << 7;
/// Strings that go on behind so many blocks are long.
const SHORT: usize = 2;

/// What stands from the first byte on that says something in a string: a quote, a backslash, a
/// control character; nothing, where none does.
pub(super) fn plain(mut rest: &[u8]) -> &[u8] {
    for _ in 0..SHORT {
        let Some(block) = rest.first_chunk::<BLOCK>() else { return last(rest) };
        let (passed, behind) = rest.split_at(first(block));
        if passed.len() < BLOCK {
            return behind;
        }
        rest = behind;
    }
    long(rest)
}

/// The same of a string that is long, for which it is worth asking for the widest registers that
/// this machine has.
fn long(rest: &[u8]) -> &[u8] {
    let up_to = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
    let (passed, behind) = rest.split_at_checked(up_to).unwrap_or((rest, &[]));
    // The lowest byte of all, as many at once as a register holds, and whoever sends a control character
    // pays for the search.
    if lowest(passed) >= b' ' {
        return behind;
    }
    let at = passed.iter().position(|byte| *byte < b' ').unwrap_or(up_to);
    rest.get(at..).unwrap_or_default()
}

/// The lowest of some bytes. By blocks: a loop over bytes is one over bytes where the binary is made
/// small, and one over a block is none.
fn lowest(bytes: &[u8]) -> u8 {
    let (blocks, last) = bytes.as_chunks::<LANES>();
    let of = |bytes: &[u8]| bytes.iter().fold(u8::MAX, |lowest, byte| lowest.min(*byte));
    let all = |lowest: u8, block: &[u8; LANES]| {
        lowest.min(block.iter().fold(u8::MAX, |lowest, byte| lowest.min(*byte)))
    };
    blocks.iter().fold(of(last), all)
}

const LANES: usize = 128;

/// The same of the end of a text, which fills no block.
fn last(rest: &[u8]) -> &[u8] {
    let mut block = [b'"'; BLOCK];
    block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    rest.get(first(&block)..).unwrap_or_default()
}

/// Where in some words the first byte stands that says something; behind them, where none does.
#[inline]
pub(super) fn first<const N: usize>(block: &[u8; N]) -> usize {
    let (words, _) = block.as_chunks::<WORD>();
    for (at, word) in words.iter().enumerate() {
        let told = told(u64::from_le_bytes(*word));
        if told != 0 {
            return at * WORD + told.trailing_zeros() as usize / WORD;
        }
    }
    N
}

/// The highest bits of the bytes of a word that say something. Behind the first of them others may
/// be set as well: subtracting borrows.
#[inline]
pub(crate) fn told(word: u64) -> u64 {
    // What lies below `!` once its second bit is turned over are the control characters and the
    // quote: two of three questions in one.
    let low = (word ^ (ONES * 2)).wrapping_sub(ONES * u64::from(b'!'));
    let escape = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    (low | escape) & !word & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_character_is_found_wherever_a_long_text_has_it() {
        for length in [1, 63, 64, 65, 1_000] {
            for at in 0..length {
                let mut text = vec![b'a'; length];
                text[at] = 0x1f;
                assert_eq!(long(&text).len(), length - at, "{length} {at}");
            }
            let text = vec![b' '; length];
            assert!(long(&text).is_empty());
        }
    }

    #[test]
    fn every_byte_is_judged_at_every_place() {
        for around in [b'a', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
            for byte in 0..=u8::MAX {
                for at in 0..NAME {
                    let mut block = [around; NAME];
                    block[at] = byte;
                    let tells = matches!(byte, b'"' | b'\\' | 0..0x20);
                    assert_eq!(first(&block), if tells { at } else { NAME }, "{byte} {at}");
                    // The first of several.
                    block[at..].fill(byte);
                    assert_eq!(first(&block), if tells { at } else { NAME }, "{byte} {at}");
                }
            }
        }
    }
}
