//! Pages of a PDF as text.
//!
//! Whoever sends one may mean harm: what a stream unpacks to is bounded before it is unpacked, by
//! the library for each stream and here for all of them, and between pages the clock is asked. What
//! the library says of a broken file is not passed on, since it may quote the file. Letters of fonts
//! that do not say what they mean are left out.

mod letters;

use std::collections::BTreeMap;
use std::io::Read;

use llm_core::Str;
use lopdf::content::{Content, Operation};
use lopdf::{Dictionary, Document, Encoding, LoadOptions, Object, ObjectId};

use letters::Letters;

use super::{PAGES_MAX, TEXT_MAX, Unreadable};

/// What one stream may unpack to: the drawing of a dense page has a tenth of it.
const STREAM_MAX: usize = 8 << 20;
/// What all streams of a file may unpack to, pictures included as far as they are packed like text.
const UNPACKED_MAX: u64 = 256 << 20;
/// The same for those that hold objects, which are read at once: a byte of them is fifty in memory.
const OBJECTS_MAX: u64 = 12 << 20;
/// What the drawing of a page may unpack to.
const DRAWN_MAX: usize = 4 << 20;
/// So often the clock is asked within a page.
const ASKED_EVERY: usize = 4_096;
/// Fonts of a page whose letters are looked up.
const FONTS_MAX: usize = 64;
/// A gap between letters, in thousandths of their size, that is a space.
const GAP: f32 = -200.0;

/// Its pages, the first one first.
pub(super) fn pages(bytes: &[u8], late: &dyn Fn() -> bool) -> Result<Vec<Str>, Unreadable> {
    if !bytes.starts_with(b"%PDF-") {
        return Err(Unreadable::Pdf);
    }
    weigh(bytes, late)?;
    let options = LoadOptions::with_max_decompressed_size(STREAM_MAX);
    let file = Document::load_mem_with_options(bytes, options).map_err(|_| Unreadable::Pdf)?;
    if file.is_encrypted() {
        return Err(Unreadable::Encrypted);
    }
    let ids: Vec<ObjectId> = file.page_iter().take(PAGES_MAX + 1).collect();
    if ids.len() > PAGES_MAX {
        return Err(Unreadable::TooMuch);
    }
    if ids.is_empty() {
        return Err(Unreadable::Pdf);
    }
    let (mut pages, mut size) = (Vec::with_capacity(ids.len()), 0);
    for id in ids {
        if late() {
            return Err(Unreadable::TooLong);
        }
        let text = page(&file, id, late)?;
        size += text.len();
        if size > TEXT_MAX {
            return Err(Unreadable::TooMuch);
        }
        pages.push(Str::from(text));
    }
    Ok(pages)
}

/// Unpacks every stream once, without keeping it, before anything is read: a file of many small
/// bombs is as bad as one of a large one.
fn weigh(bytes: &[u8], late: &dyn Fn() -> bool) -> Result<(), Unreadable> {
    const WORD: &[u8] = b"stream";
    let (mut rest, mut left, mut objects) = (bytes, UNPACKED_MAX, OBJECTS_MAX);
    let mut scrap = vec![0; 64 << 10];
    while let Some(at) = memchr::memmem::find(rest, WORD) {
        let before = &rest[..at];
        // A name can be written in other letters, behind this mark.
        let holds = memchr::memchr(b'#', before).is_some()
            || memchr::memmem::find(before, b"ObjStm").is_some();
        rest = &rest[at + WORD.len()..];
        // Something that is packed badly is read far, and gives nothing.
        if late() {
            return Err(Unreadable::TooLong);
        }
        let skipped = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        // What is packed begins with this byte, whatever the dictionary says.
        if rest.get(skipped) != Some(&0x78) {
            continue;
        }
        let mut unpacked = flate2::read::ZlibDecoder::new(&rest[skipped..]);
        while let Ok(read @ 1..) = unpacked.read(&mut scrap) {
            left = left.checked_sub(read as u64).ok_or(Unreadable::TooMuch)?;
            if holds {
                objects = objects.checked_sub(read as u64).ok_or(Unreadable::TooMuch)?;
            }
            if late() {
                return Err(Unreadable::TooLong);
            }
        }
    }
    Ok(())
}

/// The text of a page; one whose drawing cannot be read has none.
fn page(file: &Document, id: ObjectId, late: &dyn Fn() -> bool) -> Result<String, Unreadable> {
    let drawn = match file.get_page_content_with_limit(id, DRAWN_MAX) {
        Ok(drawn) => drawn,
        Err(why) if is_bomb(&why) => return Err(Unreadable::TooMuch),
        Err(_) => return Ok(String::new()),
    };
    let mut fonts = BTreeMap::new();
    for (name, font) in file.get_page_fonts(id).unwrap_or_default().into_iter().take(FONTS_MAX) {
        if let Some(font) = Font::of(file, font)? {
            fonts.insert(name, font);
        }
    }
    let mut written = Written { fonts: &fonts, font: None, text: String::new() };
    // One after the other: all of them at once have fifty times the size of the drawing.
    for (number, operation) in Content::<Vec<Operation>>::decode_iter(&drawn).enumerate() {
        // What comes behind something that is broken cannot be read.
        let Ok(operation) = operation else { break };
        written.does(&operation.operator, &operation.operands);
        if written.text.len() > TEXT_MAX {
            return Err(Unreadable::TooMuch);
        }
        if number % ASKED_EVERY == ASKED_EVERY - 1 && late() {
            return Err(Unreadable::TooLong);
        }
    }
    Ok(written.text.trim().replace('\0', ""))
}

fn is_bomb(why: &lopdf::Error) -> bool {
    matches!(why, lopdf::Error::Decompress(_))
}

/// What the codes of a font mean.
enum Font<'d> {
    /// As its own table says.
    Own(Letters),
    /// As one of the usual ones does.
    Usual(Encoding<'d>),
}

impl<'d> Font<'d> {
    /// `None` where nobody can tell.
    fn of(file: &'d Document, font: &'d Dictionary) -> Result<Option<Self>, Unreadable> {
        // Its own table first: names of letters are often made up.
        let table = font.get_deref(b"ToUnicode", file).and_then(Object::as_stream);
        if let Ok(table) = table {
            match table.get_plain_content_with_limit(STREAM_MAX) {
                Ok(table) => {
                    if let Some(letters) = Letters::read(&table) {
                        return Ok(Some(Self::Own(letters)));
                    }
                }
                Err(why) if is_bomb(&why) => return Err(Unreadable::TooMuch),
                Err(_) => {}
            }
        }
        // Codes of several bytes are numbers of drawings, and say nothing by themselves.
        if font.get(b"Subtype").and_then(Object::as_name).is_ok_and(|kind| kind == b"Type0") {
            return Ok(None);
        }
        match font.get_font_encoding_with_limit(file, STREAM_MAX) {
            Ok(encoding) => Ok(Some(Self::Usual(encoding))),
            Err(why) if is_bomb(&why) => Err(Unreadable::TooMuch),
            Err(_) => Ok(None),
        }
    }

    fn decode(&self, codes: &[u8], text: &mut String) {
        match self {
            Self::Own(letters) => letters.decode(codes, text),
            Self::Usual(encoding) => {
                text.push_str(&Document::decode_text(encoding, codes).unwrap_or_default());
            }
        }
    }
}

/// A page as it is being written.
struct Written<'d> {
    fonts: &'d BTreeMap<Vec<u8>, Font<'d>>,
    font: Option<&'d Font<'d>>,
    text: String,
}

impl Written<'_> {
    fn does(&mut self, operator: &str, operands: &[Object]) {
        match operator {
            "Tf" => {
                let name = operands.first().and_then(|name| name.as_name().ok());
                self.font = name.and_then(|name| self.fonts.get(name));
            }
            "Tj" | "TJ" => operands.iter().for_each(|operand| self.show(operand, true)),
            "'" | "\"" => {
                self.line();
                operands.iter().for_each(|operand| self.show(operand, false));
            }
            "T*" | "ET" => self.line(),
            // Down, or to another place altogether.
            "Td" | "TD" => match operands.get(1).and_then(|by| by.as_float().ok()) {
                Some(by) if by.abs() > f32::EPSILON => self.line(),
                Some(_) | None => self.space(),
            },
            "Tm" => self.line(),
            _ => {}
        }
    }

    fn show(&mut self, operand: &Object, gaps: bool) {
        match operand {
            Object::String(bytes, _) => {
                if let Some(font) = self.font {
                    font.decode(bytes, &mut self.text);
                }
            }
            // The library refuses what is nested deeper than it can follow.
            Object::Array(several) => several.iter().for_each(|one| self.show(one, gaps)),
            number @ (Object::Integer(_) | Object::Real(_))
                if gaps && number.as_float().is_ok_and(|gap| gap < GAP) =>
            {
                self.space();
            }
            _ => {}
        }
    }

    fn line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn space(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(char::is_whitespace) {
            self.text.push(' ');
        }
    }
}
