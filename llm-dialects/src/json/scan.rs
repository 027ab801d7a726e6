//! One pass over JSON text that keeps nothing: for whoever wants a few members of a body and no
//! more of the rest than that it is JSON.
//!
//! Texts are passed over by words of eight bytes, and by blocks that fill the widest registers once
//! they turn out to be long. Everything is checked (escapes, numbers, control characters), so that
//! what is passed here no other reader refuses. Deliberately absent: what exactly is wrong, and
//! where. Whoever must say so asks a parser; nearly nobody must.
//!
//! A place is kept as what is left of the text, and not as a number: to take one byte or one word
//! off the front of a slice is one comparison, to look something up in it is two.

use std::borrow::Cow;

use super::limits::DEPTH_MAX;

mod plain;

pub(crate) use plain::{HIGHS, ONES, told};

/// Why a scan stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It is no JSON, or not of the shape that was asked for.
    Syntax,
    /// It nests deeper than anybody means to.
    Deep,
}

/// A place in a text. What is before it was JSON.
#[derive(Clone, Debug)]
pub(crate) struct Scan<'a> {
    text: &'a str,
    /// What comes next: the end of the text.
    rest: &'a [u8],
}

/// A string as it stands, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    /// As it is written.
    pub(crate) raw: &'a [u8],
    /// Whether anything in it is escaped; what is not says what it is written as.
    pub(crate) escaped: bool,
}

/// Who looks at the strings that are passed over.
pub(crate) trait See<'a> {
    /// The name of a member, whose value comes next.
    fn name(&mut self, name: Text<'a>);
    /// A string that is a value: of the last name that was seen, or else an item of a list.
    fn string(&mut self, text: Text<'a>, named: bool);
}

/// Nobody.
impl See<'_> for () {
    fn name(&mut self, _: Text<'_>) {}
    fn string(&mut self, _: Text<'_>, _: bool) {}
}

/// One bit for each level: whether it is an object.
type Kinds = u64;
const _: () = assert!(DEPTH_MAX <= Kinds::BITS as usize);

impl<'a> Scan<'a> {
    /// At the beginning.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, rest: text.as_bytes() }
    }

    /// Enters an object.
    pub(crate) fn object(&mut self) -> Result<Members, Broken> {
        self.open(b'{')?;
        Ok(Members { first: true })
    }

    /// Enters a list.
    pub(crate) fn list(&mut self) -> Result<Items, Broken> {
        self.open(b'[')?;
        Ok(Items { first: true })
    }

    /// The end of the text, with nothing but space before it.
    pub(crate) fn end(&mut self) -> Result<(), Broken> {
        match self.next_byte() {
            None => Ok(()),
            Some(_) => Err(Broken::Syntax),
        }
    }

    /// What comes next; nothing where that is space alone.
    pub(crate) fn rest(&mut self) -> Option<&'a str> {
        self.next_byte()?;
        self.text.get(self.at()..)
    }

    /// How much has not been passed.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The first byte of what comes next.
    #[inline]
    pub(crate) fn next_byte(&mut self) -> Option<u8> {
        match self.rest.first() {
            // Most of what programs write has no space in it.
            Some(byte) if *byte > b' ' => Some(*byte),
            _ => self.behind_space(),
        }
    }

    fn behind_space(&mut self) -> Option<u8> {
        while let [b' ' | b'\n' | b'\t' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    /// What a text of this scan says; `None` where that is no text.
    pub(crate) fn read(&self, text: Text<'a>) -> Option<Cow<'a, str>> {
        if text.escaped {
            return text.read();
        }
        // Where it stands, and not its letters again: they are known to be some.
        let start = (text.raw.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize)?;
        self.text.get(start..start + text.raw.len()).map(Cow::Borrowed)
    }

    /// Passes over a value, and gives it as it stands.
    pub(crate) fn value(&mut self, see: &mut impl See<'a>) -> Result<&'a str, Broken> {
        self.next_byte();
        let start = self.at();
        self.skip(see)?;
        self.text.get(start..self.at()).ok_or(Broken::Syntax)
    }

    /// The same of a value that was found to be JSON elsewhere, however deep it is.
    pub(crate) fn known(&mut self) -> Result<&'a str, Broken> {
        let before = self.clone();
        let passed = self.value(&mut ());
        if passed != Err(Broken::Deep) {
            return passed;
        }
        *self = before;
        let (mut start, mut depth) = (None, 0_usize);
        loop {
            let next = self.next_byte().ok_or(Broken::Syntax)?;
            let start = *start.get_or_insert(self.at());
            match next {
                b'"' => _ = self.text()?,
                byte => {
                    self.pass();
                    depth += usize::from(matches!(byte, b'{' | b'['));
                    depth = match byte {
                        b'}' | b']' => depth.checked_sub(1).ok_or(Broken::Syntax)?,
                        _ => depth,
                    };
                }
            }
            if depth == 0 {
                return self.text.get(start..self.at()).ok_or(Broken::Syntax);
            }
        }
    }

    /// A string.
    #[inline(always)]
    pub(crate) fn text(&mut self) -> Result<Text<'a>, Broken> {
        self.open(b'"')?;
        self.string()
    }

    /// A count that comes next and is written in digits alone; `None` is `null`.
    pub(crate) fn count(&mut self) -> Result<Option<u64>, Broken> {
        if self.next_byte() == Some(b'n') {
            return self.word(b"null").map(|()| None);
        }
        let [first @ b'0'..=b'9', rest @ ..] = self.rest else { return Err(Broken::Syntax) };
        let mut count = u64::from(first - b'0');
        self.rest = rest;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
            let more = count.checked_mul(10).and_then(|n| n.checked_add(u64::from(digit - b'0')));
            // No number begins with a zero that more digits follow.
            count = more.filter(|_| *first != b'0').ok_or(Broken::Syntax)?;
            self.rest = rest;
        }
        match self.rest.first() {
            Some(b'.' | b'e' | b'E') => Err(Broken::Syntax),
            _ => Ok(Some(count)),
        }
    }

    /// Passes over a value.
    pub(crate) fn skip(&mut self, see: &mut impl See<'a>) -> Result<(), Broken> {
        let (mut kinds, mut depth) = (0 as Kinds, 0);
        loop {
            if kinds & 1 == 1 {
                see.name(self.name()?);
            }
            match self.next_byte().ok_or(Broken::Syntax)? {
                b'"' => see.string(self.text()?, kinds & 1 == 1 || depth == 0),
                b'-' | b'0'..=b'9' => self.number()?,
                open @ (b'{' | b'[') => {
                    self.pass();
                    if self.next_byte() != Some(open + 2) {
                        if depth == DEPTH_MAX {
                            return Err(Broken::Deep);
                        }
                        (kinds, depth) = (kinds << 1 | Kinds::from(open == b'{'), depth + 1);
                        continue;
                    }
                    self.pass();
                }
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => return Err(Broken::Syntax),
            }
            // Behind a value: the next one of its level, or the end of one level and another.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                match (self.next_byte(), kinds & 1 == 1) {
                    (Some(b','), _) => break self.pass(),
                    (Some(b'}'), true) | (Some(b']'), false) => self.pass(),
                    (Some(_) | None, _) => return Err(Broken::Syntax),
                }
                (kinds, depth) = (kinds >> 1, depth - 1);
            }
        }
    }

    /// How much of the text has been passed.
    fn at(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    /// Passes over a byte that has been looked at.
    #[inline]
    fn pass(&mut self) {
        if let [_, rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    #[inline]
    fn open(&mut self, byte: u8) -> Result<(), Broken> {
        if self.next_byte() != Some(byte) {
            return Err(Broken::Syntax);
        }
        self.pass();
        Ok(())
    }

    // This and the next are in place wherever they are needed: to hand a text over costs more than
    // to find its end.
    #[inline(always)]
    fn name(&mut self) -> Result<Text<'a>, Broken> {
        let name = self.text()?;
        self.open(b':')?;
        Ok(name)
    }

    /// From behind the quote that opens it to behind the one that closes it.
    #[inline(always)]
    fn string(&mut self) -> Result<Text<'a>, Broken> {
        let (start, mut left) = (self.rest, self.rest);
        if let Some(block) = start.first_chunk::<{ plain::NAME }>() {
            let (raw, behind) = start.split_at(plain::first(block));
            // Nearly all names, and most of the words that are values.
            if let [b'"', rest @ ..] = behind {
                self.rest = rest;
                return Ok(Text { raw, escaped: false });
            }
            left = behind;
        }
        let escaped = self.string_on(left)?;
        let raw = start.get(..start.len() - self.rest.len() - 1).unwrap_or_default();
        Ok(Text { raw, escaped })
    }

    /// The same, of which all but what is `left` has been looked at: whether anything of that is
    /// escaped.
    #[inline(never)]
    fn string_on(&mut self, mut left: &'a [u8]) -> Result<bool, Broken> {
        let mut escaped = false;
        loop {
            left = plain::plain(left);
            match left {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    return Ok(escaped);
                }
                [b'\\', behind @ ..] => {
                    escaped = true;
                    left = escape(behind)?;
                }
                [..] => return Err(Broken::Syntax),
            }
        }
    }

    fn number(&mut self) -> Result<(), Broken> {
        let mut rest = self.rest;
        if let [b'-', behind @ ..] = rest {
            rest = behind;
        }
        rest = match rest {
            [b'0', behind @ ..] => behind,
            _ => digits(rest)?,
        };
        if let [b'.', behind @ ..] = rest {
            rest = digits(behind)?;
        }
        if let [b'e' | b'E', b'+' | b'-', behind @ ..] | [b'e' | b'E', behind @ ..] = rest {
            rest = digits(behind)?;
        }
        self.rest = rest;
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Broken> {
        self.rest = self.rest.strip_prefix(word).ok_or(Broken::Syntax)?;
        Ok(())
    }
}

/// Where in an object one is.
#[derive(Debug)]
pub(crate) struct Members {
    first: bool,
}

impl Members {
    /// The name of the next member; its value comes next. `None` is the end of the object.
    #[inline(always)]
    pub(crate) fn next<'a>(&mut self, scan: &mut Scan<'a>) -> Result<Option<Text<'a>>, Broken> {
        match (scan.next_byte(), std::mem::take(&mut self.first)) {
            (Some(b'}'), _) => {
                scan.pass();
                Ok(None)
            }
            (_, true) => scan.name().map(Some),
            (Some(b','), false) => {
                scan.pass();
                scan.name().map(Some)
            }
            (Some(_) | None, false) => Err(Broken::Syntax),
        }
    }
}

/// Where in a list one is.
#[derive(Debug)]
pub(crate) struct Items {
    first: bool,
}

impl Items {
    /// Whether another item comes next.
    pub(crate) fn next(&mut self, scan: &mut Scan<'_>) -> Result<bool, Broken> {
        match (scan.next_byte(), std::mem::take(&mut self.first)) {
            (Some(b']'), _) => {
                scan.pass();
                Ok(false)
            }
            (Some(_), true) => Ok(true),
            (Some(b','), false) => {
                scan.pass();
                // A comma promises an item.
                if scan.next_byte() == Some(b']') { Err(Broken::Syntax) } else { Ok(true) }
            }
            (Some(_) | None, _) => Err(Broken::Syntax),
        }
    }
}

/// What stands behind an escape, of which the backslash has been passed.
fn escape(behind: &[u8]) -> Result<&[u8], Broken> {
    match behind {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => Ok(rest),
        [b'u', a, b, c, d, rest @ ..] if [a, b, c, d].iter().all(|x| x.is_ascii_hexdigit()) => {
            Ok(rest)
        }
        [..] => Err(Broken::Syntax),
    }
}

/// What stands behind digits, of which there is at least one.
fn digits(text: &[u8]) -> Result<&[u8], Broken> {
    let mut rest = text;
    while let [b'0'..=b'9', behind @ ..] = rest {
        rest = behind;
    }
    if rest.len() == text.len() { Err(Broken::Syntax) } else { Ok(rest) }
}

impl<'a> Text<'a> {
    /// Whether it says that.
    pub(crate) fn says(&self, word: &[u8]) -> bool {
        match self.escaped {
            false => self.raw == word,
            true => self.read().is_some_and(|text| text.as_bytes() == word),
        }
    }

    /// What it says; `None` where that is no text.
    pub(crate) fn read(&self) -> Option<Cow<'a, str>> {
        let raw = std::str::from_utf8(self.raw).ok()?;
        if !self.escaped {
            return Some(raw.into());
        }
        serde_json::from_str::<String>(&format!("\"{raw}\"")).ok().map(Into::into)
    }
}

#[cfg(test)]
mod tests;
