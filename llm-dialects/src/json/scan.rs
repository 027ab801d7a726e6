//! One pass over JSON text that keeps nothing: for whoever wants a few members of a body and no
//! more of the rest than that it is JSON.
//!
//! Texts are passed over by words of eight bytes, and by the widest registers there are once they
//! turn out to be long. Everything is checked (escapes, numbers, control characters), so that what is
//! passed here no other reader refuses. Deliberately absent: what exactly is wrong, and where. Whoever
//! must say so asks a parser; nearly nobody must.

use memchr::memchr2;

use super::limits::DEPTH_MAX;

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
    at: usize,
}

/// A string as it stands, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    /// As it is written.
    pub(crate) raw: &'a str,
    /// Whether anything in it is escaped; what is not says what it is written as.
    pub(crate) escaped: bool,
}

/// Who looks at each string that is passed over, the names of members too.
pub(crate) type Seeing<'s, 'a> = Option<&'s mut dyn FnMut(Text<'a>)>;

/// One bit for each level: whether it is an object.
type Kinds = u64;
const _: () = assert!(DEPTH_MAX <= Kinds::BITS as usize);

/// Strings that go on behind so many bytes are long.
const SHORT: usize = 64;
const WORD: usize = 8;

impl<'a> Scan<'a> {
    /// At the beginning.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
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

    /// The first byte of what comes next.
    pub(crate) fn next_byte(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Passes over a value, and gives it as it stands.
    pub(crate) fn value(&mut self, see: Seeing<'_, 'a>) -> Result<&'a str, Broken> {
        self.next_byte();
        let start = self.at;
        self.skip(see)?;
        self.text.get(start..self.at).ok_or(Broken::Syntax)
    }

    /// A string.
    pub(crate) fn text(&mut self) -> Result<Text<'a>, Broken> {
        match self.next_byte() {
            Some(b'"') => self.string(),
            Some(_) | None => Err(Broken::Syntax),
        }
    }

    /// Passes over a value.
    pub(crate) fn skip(&mut self, mut see: Seeing<'_, 'a>) -> Result<(), Broken> {
        let (mut kinds, mut depth) = (0 as Kinds, 0);
        loop {
            let mut entered = false;
            match self.next_byte().ok_or(Broken::Syntax)? {
                b'"' => {
                    let text = self.string()?;
                    if let Some(see) = &mut see {
                        see(text);
                    }
                }
                b'-' | b'0'..=b'9' => self.number()?,
                open @ (b'{' | b'[') => {
                    self.at += 1;
                    let (object, close) = (open == b'{', open + 2);
                    if self.next_byte() == Some(close) {
                        self.at += 1;
                    } else {
                        if depth == DEPTH_MAX {
                            return Err(Broken::Deep);
                        }
                        (kinds, depth) = (kinds << 1 | Kinds::from(object), depth + 1);
                        if object {
                            self.name(&mut see)?;
                        }
                        entered = true;
                    }
                }
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => return Err(Broken::Syntax),
            }
            // Behind a value: the next one of its level, or the end of one level and another.
            while !entered {
                if depth == 0 {
                    return Ok(());
                }
                let object = kinds & 1 == 1;
                match (self.next_byte(), object) {
                    (Some(b','), _) => {
                        self.at += 1;
                        if object {
                            self.name(&mut see)?;
                        }
                        entered = true;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.at += 1;
                        (kinds, depth) = (kinds >> 1, depth - 1);
                    }
                    (Some(_) | None, _) => return Err(Broken::Syntax),
                }
            }
        }
    }

    fn open(&mut self, byte: u8) -> Result<(), Broken> {
        if self.next_byte() != Some(byte) {
            return Err(Broken::Syntax);
        }
        self.at += 1;
        Ok(())
    }

    fn name(&mut self, see: &mut Seeing<'_, 'a>) -> Result<Text<'a>, Broken> {
        let name = self.text()?;
        if let Some(see) = see {
            see(name);
        }
        self.open(b':')?;
        Ok(name)
    }

    /// From the quote that opens it to behind the one that closes it.
    fn string(&mut self) -> Result<Text<'a>, Broken> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let (mut at, mut escaped) = (start, false);
        loop {
            at = plain(bytes, at);
            match bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    let raw = self.text.get(start..at).ok_or(Broken::Syntax)?;
                    return Ok(Text { raw, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    at += escape(bytes.get(at + 1..).unwrap_or_default())?;
                }
                Some(_) | None => return Err(Broken::Syntax),
            }
        }
    }

    fn number(&mut self) -> Result<(), Broken> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let mut at = usize::from(rest.first() == Some(&b'-'));
        at += match rest.get(at) {
            Some(b'0') => 1,
            _ => digits(rest, at)?,
        };
        if rest.get(at) == Some(&b'.') {
            at += 1 + digits(rest, at + 1)?;
        }
        if let Some(b'e' | b'E') = rest.get(at) {
            at += 1 + usize::from(matches!(rest.get(at + 1), Some(b'+' | b'-')));
            at += digits(rest, at)?;
        }
        self.at += at;
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), Broken> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(Broken::Syntax);
        }
        self.at += word.len();
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
    pub(crate) fn next<'a>(&mut self, scan: &mut Scan<'a>) -> Result<Option<Text<'a>>, Broken> {
        match (scan.next_byte(), std::mem::take(&mut self.first)) {
            (Some(b'}'), _) => {
                scan.at += 1;
                Ok(None)
            }
            (_, true) => scan.name(&mut None).map(Some),
            (Some(b','), false) => {
                scan.at += 1;
                scan.name(&mut None).map(Some)
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
                scan.at += 1;
                Ok(false)
            }
            (Some(_), true) => Ok(true),
            (Some(b','), false) => {
                scan.at += 1;
                // A comma promises an item.
                if scan.next_byte() == Some(b']') { Err(Broken::Syntax) } else { Ok(true) }
            }
            (Some(_) | None, _) => Err(Broken::Syntax),
        }
    }
}

/// Where the first byte stands that says something in a string: a quote, a backslash, a control
/// character; else the end.
fn plain(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let short = at + SHORT;
    while at < short {
        let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<WORD>()) else { break };
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * 0x20);
        let quote = (word ^ (ONES * u64::from(b'"'))).wrapping_sub(ONES);
        let escape = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
        let told = (control | quote | escape) & !word & HIGHS;
        if told != 0 {
            return at + told.trailing_zeros() as usize / 8;
        }
        at += WORD;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let tells = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    let up_to = match rest.len() >= WORD {
        true => memchr2(b'"', b'\\', rest).unwrap_or(rest.len()),
        false => rest.len(),
    };
    let rest = rest.get(..up_to).unwrap_or_default();
    // All of them at once first: that is a few instructions for sixteen bytes.
    let (words, last) = rest.as_chunks::<WORD>();
    let controls = words.iter().fold(0, |any, word| {
        let word = u64::from_le_bytes(*word);
        any | (word.wrapping_sub(ONES * 0x20) & !word & HIGHS)
    });
    if controls == 0 {
        let last = last.iter().position(tells).unwrap_or(last.len());
        return at + words.len() * WORD + last;
    }
    at + rest.iter().position(tells).unwrap_or(up_to)
}

/// How long an escape is, its backslash included.
fn escape(behind: &[u8]) -> Result<usize, Broken> {
    match behind.first() {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
        Some(b'u') => {
            let code = behind.get(1..5).ok_or(Broken::Syntax)?;
            if code.iter().all(u8::is_ascii_hexdigit) { Ok(6) } else { Err(Broken::Syntax) }
        }
        Some(_) | None => Err(Broken::Syntax),
    }
}

/// How many digits stand there: at least one.
fn digits(bytes: &[u8], from: usize) -> Result<usize, Broken> {
    let rest = bytes.get(from..).unwrap_or_default();
    let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    if count == 0 { Err(Broken::Syntax) } else { Ok(count) }
}

impl<'a> Text<'a> {
    /// Whether it says that.
    pub(crate) fn says(&self, word: &str) -> bool {
        match self.escaped {
            false => self.raw == word,
            true => self.read().is_some_and(|text| text == word),
        }
    }

    /// What it says; `None` where that is no text.
    pub(crate) fn read(&self) -> Option<std::borrow::Cow<'a, str>> {
        if !self.escaped {
            return Some(self.raw.into());
        }
        serde_json::from_str::<String>(&format!("\"{}\"", self.raw)).ok().map(Into::into)
    }
}

#[cfg(test)]
mod tests;
