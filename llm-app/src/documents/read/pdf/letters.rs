//! What the codes of a font mean in letters, as its table says.
//!
//! Read token by token and leniently: programs that write such tables agree on little but on the
//! words around the codes, and a table that is read half is better than letters that nobody meant.

use std::collections::BTreeMap;

use llm_core::Str;

/// Codes of a font: all of Unicode's first plane, and some that stand for several letters.
const CODES_MAX: usize = 70_000;
/// Bytes of a code.
const CODE_BYTES_MAX: usize = 4;

/// A font's table.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// How many bytes its codes have, the fewest first.
    lengths: Vec<usize>,
    /// How many meanings were written, also of codes that have had one before.
    written: usize,
    known: BTreeMap<(usize, u32), Str>,
}

/// What such a table is made of.
#[derive(Debug, PartialEq)]
enum Token<'t> {
    Hex(Vec<u8>),
    Open,
    Close,
    Word(&'t [u8]),
}

impl Letters {
    /// Reads a table; `None` where nothing is in it.
    pub(super) fn read(table: &[u8]) -> Option<Self> {
        let mut letters = Self::default();
        let mut rest = table;
        while let Some(token) = next(&mut rest) {
            match token {
                Token::Word(b"begincodespacerange") => letters.lengths(&mut rest),
                Token::Word(b"beginbfchar") => letters.single(&mut rest),
                Token::Word(b"beginbfrange") => letters.ranges(&mut rest),
                Token::Word(_) | Token::Hex(_) | Token::Open | Token::Close => {}
            }
        }
        if letters.lengths.is_empty() {
            letters.lengths.extend(letters.known.keys().map(|(length, _)| *length));
        }
        letters.lengths.sort_unstable();
        letters.lengths.dedup();
        (!letters.known.is_empty()).then_some(letters)
    }

    fn lengths(&mut self, rest: &mut &[u8]) {
        while let Some(Token::Hex(code)) = next(rest) {
            if (1..=CODE_BYTES_MAX).contains(&code.len()) && !self.lengths.contains(&code.len()) {
                self.lengths.push(code.len());
            }
        }
    }

    fn single(&mut self, rest: &mut &[u8]) {
        while let Some(Token::Hex(code)) = next(rest) {
            match (number(&code), next(rest)) {
                (Some(number), Some(Token::Hex(text))) => self.mean(code.len(), number, &text, 0),
                (None, Some(Token::Hex(_))) => {}
                (_, _) => return,
            }
        }
    }

    fn ranges(&mut self, rest: &mut &[u8]) {
        while let Some(Token::Hex(first)) = next(rest) {
            let Some(Token::Hex(last)) = next(rest) else { return };
            let range = number(&first).zip(number(&last)).map(|(first, last)| first..=last);
            match (range, next(rest)) {
                (Some(range), Some(Token::Hex(text))) => {
                    for (step, code) in (0..).zip(range) {
                        if self.is_full() {
                            return;
                        }
                        self.mean(first.len(), code, &text, step);
                    }
                }
                (Some(mut range), Some(Token::Open)) => {
                    while let Some(Token::Hex(text)) = next(rest) {
                        if let Some(code) = range.next() {
                            self.mean(first.len(), code, &text, 0);
                        }
                    }
                }
                (None, Some(Token::Hex(_))) => {}
                (_, _) => return,
            }
        }
    }

    fn is_full(&self) -> bool {
        self.written >= CODES_MAX
    }

    /// A code means these letters, the last one so many steps further on.
    fn mean(&mut self, length: usize, code: u32, text: &[u8], step: u32) {
        if self.is_full() {
            return;
        }
        self.written += 1;
        let (pairs, _) = text.as_chunks::<2>();
        let units: Vec<u16> = match text {
            [one] => vec![u16::from(*one)],
            _ => pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect(),
        };
        let mut text = String::from_utf16_lossy(&units);
        if step > 0
            && let Some(last) = text.pop()
        {
            let next = u32::from(last).checked_add(step).and_then(char::from_u32);
            text.push(next.unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        text.retain(|letter| letter != '\0');
        self.known.insert((length, code), Str::from(text));
    }

    /// The letters of a text in codes. Codes that mean nothing are left out.
    pub(super) fn decode(&self, codes: &[u8], text: &mut String) {
        let mut rest = codes;
        while !rest.is_empty() {
            let found = self.lengths.iter().find_map(|length| {
                let code = number(rest.get(..*length)?)?;
                Some((*length, self.known.get(&(*length, code))?))
            });
            let longest = self.lengths.last().copied().unwrap_or(1);
            let length = match found {
                Some((length, letters)) => {
                    text.push_str(letters);
                    length
                }
                None => longest.min(rest.len()),
            };
            rest = rest.get(length.max(1)..).unwrap_or_default();
        }
    }
}

fn number(code: &[u8]) -> Option<u32> {
    let fits = (1..=CODE_BYTES_MAX).contains(&code.len());
    fits.then(|| code.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

/// The next token, behind whatever is none.
fn next<'t>(rest: &mut &'t [u8]) -> Option<Token<'t>> {
    loop {
        let all = *rest;
        let (first, after) = all.split_first()?;
        *rest = after;
        match first {
            b'[' => return Some(Token::Open),
            b']' => return Some(Token::Close),
            // A dictionary, in which nothing is ours.
            b'<' if after.first() == Some(&b'<') => *rest = after.get(1..)?,
            b'<' => {
                let end = after.iter().position(|byte| *byte == b'>')?;
                let (inside, behind) = after.split_at(end);
                *rest = behind.get(1..).unwrap_or_default();
                return Some(Token::Hex(hex(inside)));
            }
            b'%' => {
                let end = after.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
                *rest = after.get(end.unwrap_or(after.len())..).unwrap_or_default();
            }
            letter if letter.is_ascii_alphanumeric() => {
                let length = all.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
                let (word, behind) = all.split_at(length);
                *rest = behind;
                return Some(Token::Word(word));
            }
            _ => {}
        }
    }
}

/// Bytes in hexadecimal digits; a last digit that stands alone has a zero behind it.
fn hex(digits: &[u8]) -> Vec<u8> {
    let digits = digits.iter().filter_map(|digit| char::from(*digit).to_digit(16));
    let digits: Vec<u8> = digits.map(|digit| digit as u8).collect();
    digits.chunks(2).map(|two| two[0] << 4 | two.get(1).copied().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(table: &str, codes: &[u8]) -> String {
        let mut text = String::new();
        Letters::read(table.as_bytes()).unwrap().decode(codes, &mut text);
        text
    }

    #[test]
    fn tables_are_read_as_programs_write_them() {
        let table = "/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n\
            /CIDSystemInfo << /Registry (Adobe) >> def % a <remark>\n\
            1 begincodespacerange <0000><FFFF> endcodespacerange\n\
            2 beginbfchar <0003><0020>\n<0010> <00660069> endbfchar\n\
            2 beginbfrange <0041> <0043> <AC00>\n<0050><0051>[<C11C> <C6B8>] endbfrange endcmap";
        let codes = [0, 0x41, 0, 0x43, 0, 3, 0, 0x50, 0, 0x51, 0, 0x10, 0, 0x99];
        assert_eq!(decoded(table, &codes), "가각서울fi".replace("각서", "갂 서"));
        // Codes of one byte, without a word of how long they are.
        assert_eq!(decoded("beginbfchar <41> <0042> endbfchar", b"AxA"), "BB");
        assert!(Letters::read(b"").is_none() && Letters::read(b"begincmap endcmap").is_none());
    }

    proptest! {
        #[test]
        fn nothing_breaks_it(table in "[a-f0-9<>\\[\\] ]{0,60}", codes in prop::collection::vec(any::<u8>(), 0..40)) {
            for word in ["beginbfchar ", "beginbfrange ", "begincodespacerange "] {
                let table = format!("{word}{table} endbfchar beginbfchar <0041> <0041>");
                if let Some(letters) = Letters::read(table.as_bytes()) {
                    letters.decode(&codes, &mut String::new());
                }
            }
        }
    }
}
