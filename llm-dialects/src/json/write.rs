//! Writes JSON straight into the bytes that go out.
//!
//! A guard is an open object or array: dropping it writes the closing bracket, so that what was
//! opened is always closed. Nothing is collected first, and values kept as written go out as
//! written.

use std::collections::HashSet;

use bytes::BytesMut;
use llm_core::Str;
use llm_core::dialect::DialectId;
use llm_core::extra::Extra;
use llm_core::raw::{Raw, RawNumber};
use memchr::memchr2;

use super::place;
use super::scan::{HIGHS, ONES, told};

/// An open object.
pub struct ObjectWriter<'a> {
    out: &'a mut BytesMut,
    any: bool,
    /// Where its opening brace stands.
    start: usize,
    /// The names written so far, quotes and all, once somebody asked for them.
    said: Option<HashSet<Vec<u8>>>,
}

/// An open array.
pub struct ArrayWriter<'a> {
    out: &'a mut BytesMut,
    any: bool,
}

/// A member that has its name and no value yet.
#[must_use = "a name alone is no JSON"]
pub struct ValueWriter<'a> {
    out: &'a mut BytesMut,
}

/// Writes one object into a body of its own.
pub fn object(write: impl FnOnce(&mut ObjectWriter<'_>)) -> BytesMut {
    let mut out = BytesMut::with_capacity(1024);
    write(&mut ObjectWriter::begin(&mut out));
    out
}

impl<'a> ObjectWriter<'a> {
    /// Opens an object.
    pub fn begin(out: &'a mut BytesMut) -> Self {
        let start = out.len();
        out.extend_from_slice(b"{");
        Self { out, any: false, start, said: None }
    }

    /// A name of a dialect's own, which says nothing that has to be escaped.
    fn name(&mut self, name: &'static str) -> &mut BytesMut {
        debug_assert!(!name.bytes().any(tells), "{name}");
        // A comma, two quotes and a colon.
        self.out.reserve(name.len() + 4);
        self.next();
        let at = self.out.len();
        self.out.extend_from_slice(b"\"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\"");
        self.noted(at)
    }

    /// A name that somebody else chose.
    fn any_name(&mut self, name: &str) -> &mut BytesMut {
        self.next();
        let at = self.out.len();
        string(self.out, name);
        self.noted(at)
    }

    fn next(&mut self) {
        if std::mem::replace(&mut self.any, true) {
            self.out.extend_from_slice(b",");
        }
    }

    /// A name has been written, from a place on.
    fn noted(&mut self, at: usize) -> &mut BytesMut {
        if let Some(said) = &mut self.said {
            said.insert(self.out[at..].to_vec());
        }
        self.out.extend_from_slice(b":");
        self.out
    }

    /// A string member.
    pub fn str(&mut self, name: &'static str, value: &str) -> &mut Self {
        string(self.name(name), value);
        self
    }

    /// A string member, when there is one.
    pub fn opt_str(&mut self, name: &'static str, value: Option<&Str>) -> &mut Self {
        if let Some(value) = value {
            self.str(name, value);
        }
        self
    }

    /// A string member, or `null`.
    pub fn str_or_null(&mut self, name: &'static str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.str(name, value),
            None => self.null(name),
        }
    }

    /// A whole number.
    pub fn u64(&mut self, name: &'static str, value: u64) -> &mut Self {
        integer(self.name(name), value);
        self
    }

    /// A whole number, when there is one.
    pub fn opt_u64(&mut self, name: &'static str, value: Option<u64>) -> &mut Self {
        if let Some(value) = value {
            self.u64(name, value);
        }
        self
    }

    /// A double; `null` when it is no number.
    pub fn f64(&mut self, name: &'static str, value: f64) -> &mut Self {
        double(self.name(name), value);
        self
    }

    /// A number, as written.
    pub fn number(&mut self, name: &'static str, value: &RawNumber) -> &mut Self {
        self.name(name).extend_from_slice(value.get().as_bytes());
        self
    }

    /// A number, as written, when there is one.
    pub fn opt_number(&mut self, name: &'static str, value: Option<&RawNumber>) -> &mut Self {
        if let Some(value) = value {
            self.number(name, value);
        }
        self
    }

    /// A boolean.
    pub fn bool(&mut self, name: &'static str, value: bool) -> &mut Self {
        self.name(name).extend_from_slice(boolean(value));
        self
    }

    /// A boolean, when there is one.
    pub fn opt_bool(&mut self, name: &'static str, value: Option<bool>) -> &mut Self {
        if let Some(value) = value {
            self.bool(name, value);
        }
        self
    }

    /// `null`.
    pub fn null(&mut self, name: &'static str) -> &mut Self {
        self.name(name).extend_from_slice(b"null");
        self
    }

    /// A value, as written.
    pub fn raw(&mut self, name: &'static str, value: &Raw) -> &mut Self {
        raw(self.name(name), value.get());
        self
    }

    /// A value, as written, when there is one.
    pub fn opt_raw(&mut self, name: &'static str, value: Option<&Raw>) -> &mut Self {
        if let Some(value) = value {
            self.raw(name, value);
        }
        self
    }

    /// JSON text that the caller vouches for (the arguments of a tool call, once checked).
    pub fn json(&mut self, name: &'static str, text: &str) -> &mut Self {
        raw(self.name(name), text);
        self
    }

    /// An array of strings.
    pub fn strs(&mut self, name: &'static str, values: &[Str]) -> &mut Self {
        let mut array = self.array(name);
        values.iter().for_each(|v| array.str(v));
        drop(array);
        self
    }

    /// Opens a member that is an object.
    pub fn object(&mut self, name: &'static str) -> ObjectWriter<'_> {
        ObjectWriter::begin(self.name(name))
    }

    /// Opens a member that is an array.
    pub fn array(&mut self, name: &'static str) -> ArrayWriter<'_> {
        ArrayWriter::begin(self.name(name))
    }

    /// A member whose name somebody else chose.
    pub fn under(&mut self, name: &str) -> ValueWriter<'_> {
        ValueWriter { out: self.any_name(name) }
    }

    /// Restores what the same dialect said besides. Another dialect's extras are not written; the
    /// caller reports them with [`Extra::lose`].
    pub fn extra(&mut self, extra: &Extra, dialect: DialectId) -> &mut Self {
        if extra.origin() == Some(dialect) {
            for (name, value) in extra.fields() {
                self.kept(name, value);
            }
        }
        self
    }

    /// A field that was kept as written. A known field that said `null` is among those; when its
    /// words have been edited since, the words stand already and must not be contradicted.
    pub fn kept(&mut self, name: &str, value: &Raw) -> &mut Self {
        if !(value.is_null() && self.says(name)) {
            self.under(name).raw(value);
        }
        self
    }

    /// Whether a member of that name has been written. What is there is read at the first
    /// question only: a hostile request asks as often as it has members.
    pub(crate) fn says(&mut self, name: &str) -> bool {
        let mut quoted = BytesMut::new();
        string(&mut quoted, name);
        let written = self.out.get(self.start..).unwrap_or_default();
        self.said.get_or_insert_with(|| names(written)).contains(&*quoted)
    }
}

/// The names of the members of an object that is being written, quotes and all.
fn names(bytes: &[u8]) -> HashSet<Vec<u8>> {
    let mut found = HashSet::new();
    let (mut depth, mut at, mut key_next) = (0_usize, 0, true);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => key_next = true,
            b'"' => {
                let end = place::string_end(bytes, at);
                if depth == 1 && std::mem::take(&mut key_next) {
                    found.insert(bytes[at..end].to_vec());
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

impl Drop for ObjectWriter<'_> {
    fn drop(&mut self) {
        self.out.extend_from_slice(b"}");
    }
}

impl<'a> ValueWriter<'a> {
    /// A string.
    pub fn str(self, value: &str) {
        string(self.out, value);
    }

    /// A whole number.
    pub fn u64(self, value: u64) {
        integer(self.out, value);
    }

    /// A boolean.
    pub fn bool(self, value: bool) {
        self.out.extend_from_slice(boolean(value));
    }

    /// A number, as written.
    pub fn number(self, value: &RawNumber) {
        self.out.extend_from_slice(value.get().as_bytes());
    }

    /// A value, as written.
    pub fn raw(self, value: &Raw) {
        self.json(value.get());
    }

    /// JSON text that the caller vouches for.
    pub fn json(self, text: &str) {
        raw(self.out, text);
    }

    /// Opens an object.
    pub fn object(self) -> ObjectWriter<'a> {
        ObjectWriter::begin(self.out)
    }

    /// Opens an array.
    pub fn array(self) -> ArrayWriter<'a> {
        ArrayWriter::begin(self.out)
    }
}

impl<'a> ArrayWriter<'a> {
    /// Opens an array.
    pub fn begin(out: &'a mut BytesMut) -> Self {
        out.extend_from_slice(b"[");
        Self { out, any: false }
    }

    fn next(&mut self) -> &mut BytesMut {
        if std::mem::replace(&mut self.any, true) {
            self.out.extend_from_slice(b",");
        }
        self.out
    }

    /// A string.
    pub fn str(&mut self, value: &str) {
        string(self.next(), value);
    }

    /// A whole number.
    pub fn u64(&mut self, value: u64) {
        integer(self.next(), value);
    }

    /// A whole number with a sign.
    pub fn i64(&mut self, value: i64) {
        if value < 0 {
            self.next().extend_from_slice(b"-");
            integer(self.out, value.unsigned_abs());
        } else {
            integer(self.next(), value.unsigned_abs());
        }
    }

    /// A double; `null` when it is no number.
    pub fn f64(&mut self, value: f64) {
        double(self.next(), value);
    }

    /// A number, as written.
    pub fn number(&mut self, value: &RawNumber) {
        self.next().extend_from_slice(value.get().as_bytes());
    }

    /// A value, as written.
    pub fn raw(&mut self, value: &Raw) {
        raw(self.next(), value.get());
    }

    /// Opens an element that is an object.
    pub fn object(&mut self) -> ObjectWriter<'_> {
        ObjectWriter::begin(self.next())
    }

    /// Opens an element that is an array.
    pub fn array(&mut self) -> ArrayWriter<'_> {
        ArrayWriter::begin(self.next())
    }
}

impl Drop for ArrayWriter<'_> {
    fn drop(&mut self) {
        self.out.extend_from_slice(b"]");
    }
}

/// Writes a JSON string, quotes included.
pub fn string(out: &mut BytesMut, text: &str) {
    out.reserve(text.len() + 2);
    out.extend_from_slice(b"\"");
    escaped(out, text);
    out.extend_from_slice(b"\"");
}

/// Writes the inside of a JSON string. Control characters are always escaped, so that no text of
/// a model can end a line of an event stream. So are the three characters beyond ASCII that end a
/// line in Unicode: JSON allows them, but clients that split a stream as text (`httpx`, and with it
/// the Python clients of Ollama and Cohere) would cut a frame there.
pub fn escaped(out: &mut BytesMut, text: &str) {
    let mut rest = text.as_bytes();
    loop {
        let (clean, special) = rest.split_at(plain(rest));
        out.extend_from_slice(clean);
        let Some(byte) = special.first() else { return };
        let (short, width) = match byte {
            b'"' => (b"\\\"".as_slice(), 1),
            b'\\' => (b"\\\\".as_slice(), 1),
            b'\n' => (b"\\n".as_slice(), 1),
            b'\r' => (b"\\r".as_slice(), 1),
            b'\t' => (b"\\t".as_slice(), 1),
            0..0x20 => {
                let hex = b"0123456789abcdef";
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex[high], hex[low]]);
                (b"".as_slice(), 1)
            }
            _ if special.starts_with(NEXT_LINE) => (b"\\u0085".as_slice(), 2),
            _ if special.starts_with(LINE_SEPARATOR) => (b"\\u2028".as_slice(), 3),
            _ if special.starts_with(PARAGRAPH_SEPARATOR) => (b"\\u2029".as_slice(), 3),
            _ => (special.get(..1).unwrap_or_default(), 1),
        };
        out.extend_from_slice(short);
        rest = special.get(width..).unwrap_or_default();
    }
}

/// How many bytes may stand as they are, up to the first of which that is not known.
fn plain(bytes: &[u8]) -> usize {
    // Much at once first: this loop has no way out within a block, and is done in wide registers.
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let told = |block: &[u8; BLOCK]| block.iter().fold(false, |any, byte| any | tells(*byte));
    let mut at = BLOCK * blocks.iter().position(told).unwrap_or(blocks.len());
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let first = first(*word);
        at += first;
        if first < WORD {
            return at;
        }
    }
    // The rest again with what is before it, which is known to be plain.
    match (bytes.last_chunk(), bytes.get(at..)) {
        (_, None | Some([])) => at,
        (Some(word), Some(_)) => bytes.len() - WORD + first(*word),
        (None, Some(few)) => at + few.iter().position(|byte| tells(*byte)).unwrap_or(few.len()),
    }
}

const BLOCK: usize = 32;
const WORD: usize = 8;

/// Whether a byte has to be escaped, or begins one of the characters that may have to be.
fn tells(byte: u8) -> bool {
    const _: () = assert!(NEXT_LINE[0] | 0x20 == 0xe2 && LINE_SEPARATOR[0] == 0xe2);
    (byte < b' ') | (byte == b'"') | (byte == b'\\') | (byte | 0x20 == 0xe2)
}

/// The first byte of a word that does; behind it, where none does.
fn first(word: [u8; WORD]) -> usize {
    let word = u64::from_le_bytes(word);
    let begins = (word | (ONES * 0x20)) ^ (ONES * 0xe2);
    let told = told(word) | (begins.wrapping_sub(ONES) & !begins & HIGHS);
    told.trailing_zeros() as usize / WORD
}

const NEXT_LINE: &[u8] = "\u{85}".as_bytes();
const LINE_SEPARATOR: &[u8] = "\u{2028}".as_bytes();
const PARAGRAPH_SEPARATOR: &[u8] = "\u{2029}".as_bytes();

/// Writes JSON text as it is, but for line ends: between tokens they are white space, which would
/// cut a line of an event stream, and inside strings they cannot stand.
fn raw(out: &mut BytesMut, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = memchr2(b'\n', b'\r', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b" ");
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

fn boolean(value: bool) -> &'static [u8] {
    if value { b"true" } else { b"false" }
}

/// Writes a whole number.
pub fn integer(out: &mut BytesMut, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn double(out: &mut BytesMut, value: f64) {
    match serde_json::Number::from_f64(value) {
        Some(number) => out.extend_from_slice(number.to_string().as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_that_was_kept_does_not_contradict_words() {
        let mut extra = Extra::new(DialectId::Ollama);
        for name in ["seed", "inner", "top_k", "se\"ed"] {
            extra.push(name, Raw::parse("null").unwrap());
        }
        let out = object(|o| {
            o.u64("seed", 1).object("n").u64("inner", 1).strs("l", &["top_k".into()]);
            o.under("se\"ed").str("seed");
            o.extra(&extra, DialectId::Ollama);
        });
        let want =
            r#"{"seed":1,"n":{"inner":1,"l":["top_k"]},"se\"ed":"seed","inner":null,"top_k":null}"#;
        assert_eq!(out, want.as_bytes());
    }

    #[test]
    fn what_is_written_reads_back() {
        let hard = "quote \" back \\ line\nend\r tab\t nul\u{0} del\u{7f} sep\u{2028} 한국어 🦀";
        let raw = Raw::parse("{\n \"a\": [1,\r\n 2] }").unwrap();
        let out = object(|o| {
            o.str("hard", hard).u64("n", u64::MAX).null("nothing").bool("yes", true);
            o.raw("raw", &raw).f64("f", 0.1).f64("nan", f64::NAN);
            let mut list = o.array("list");
            list.i64(-7);
            list.object().str("in", "side");
            list.array();
        });
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["hard"], hard);
        assert_eq!(value["n"], u64::MAX);
        assert_eq!(value["raw"]["a"][1], 2);
        assert_eq!(value["f"], 0.1);
        assert!(value["nan"].is_null());
        assert_eq!(value["list"], serde_json::json!([-7, {"in": "side"}, []]));
        assert!(!out.contains(&b'\n') && !out.contains(&b'\r'));
    }

    #[test]
    fn no_character_that_ends_a_line_anywhere_is_written_bare() {
        let hard = "a\u{85}b\u{2028}c\u{2029}d …\u{84}";
        let mut out = BytesMut::new();
        string(&mut out, hard);
        assert_eq!(out, "\"a\\u0085b\\u2028c\\u2029d …\u{84}\"".as_bytes());
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), hard);
    }

    #[test]
    fn every_byte_is_judged_at_every_place() {
        for length in 0..80 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    assert_eq!(plain(&bytes), if tells(byte) { at } else { length }, "{byte} {at}");
                    // The first of several.
                    bytes[at..].fill(byte);
                    assert_eq!(plain(&bytes), if tells(byte) { at } else { length }, "{byte} {at}");
                }
            }
        }
    }

    /// Reading the object anew for each of them would take minutes.
    #[test]
    fn many_nulls_are_kept_in_linear_time() {
        let mut extra = Extra::new(DialectId::Ollama);
        for n in 0..200_000 {
            extra.push(format!("m{n}"), Raw::parse("null").unwrap());
        }
        let out = object(|o| _ = o.u64("m7", 1).extra(&extra, DialectId::Ollama));
        assert!(out.starts_with(br#"{"m7":1,"m0":null,"#) && out.ends_with(br#""m199999":null}"#));
    }
}
