//! What people upload, as pages of text.
//!
//! A page is what its format calls one: of a PDF a page, of a text what stands between form feeds. A
//! format without pages is cut where its lines or records end, so that whoever reads a citation has
//! little to look through. Deliberately absent: pictures, and what is written in them.

mod letters;
mod pdf;
mod records;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use llm_core::Str;

use super::chunk::cut;

/// Bytes of an upload.
pub const BYTES_MAX: usize = 20 << 20;
/// Bytes of text that are read of one: a thousand pages of a dense book.
pub const TEXT_MAX: usize = 4 << 20;
/// Pages of one.
pub const PAGES_MAX: usize = 2_000;
/// Letters of a page, where the format has no pages.
const PAGE_LETTERS: usize = 3_000;
/// Records of a page of a table.
const PAGE_RECORDS: usize = 50;

/// What an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// Text.
    Text,
    /// Text with marks.
    Markdown,
    /// A table in lines.
    Csv,
    /// JSON.
    Json,
    /// A PDF file.
    Pdf,
}

/// Why an upload cannot be read. Never says what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is nothing in it.
    #[error("it has no text")]
    Empty,
    /// Letters that are none.
    #[error("it is no text in UTF-8, UTF-16 or CP949 (EUC-KR): save it in one of these")]
    NotText,
    /// A field that is never closed, at this record.
    #[error("record {0} of the table is not closed")]
    Record(usize),
    /// Records of a thousand columns.
    #[error("record {0} of the table has too many fields")]
    Wide(usize),
    /// Not JSON, behind this line.
    #[error("it is no JSON, at line {0}")]
    Json(usize),
    /// Not a PDF, or one that is broken.
    #[error("it is no PDF that can be read")]
    Pdf,
    /// A PDF that only its owner opens.
    #[error("it is encrypted")]
    Encrypted,
    /// More than is taken.
    #[error("it has more than {PAGES_MAX} pages, or more than {TEXT_MAX} bytes of text")]
    TooMuch,
    /// Reading takes too long.
    #[error("reading it takes too long")]
    TooLong,
}

impl Media {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Text, Self::Markdown, Self::Csv, Self::Json, Self::Pdf];

    /// Its media type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Markdown => "text/markdown",
            Self::Csv => "text/csv",
            Self::Json => "application/json",
            Self::Pdf => "application/pdf",
        }
    }

    /// Reads a media type; what follows it, such as a charset, is not looked at.
    pub fn parse(text: &str) -> Option<Self> {
        let word = text.split(';').next().unwrap_or_default().trim();
        Self::ALL.into_iter().find(|media| media.as_str().eq_ignore_ascii_case(word))
    }

    /// What a file of that name is, by its end.
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, end) = name.rsplit_once('.')?;
        let ends = [
            ("txt", Self::Text),
            ("md", Self::Markdown),
            ("markdown", Self::Markdown),
            ("csv", Self::Csv),
            ("json", Self::Json),
            ("pdf", Self::Pdf),
        ];
        let known = ends.into_iter().find(|(known, _)| end.eq_ignore_ascii_case(known));
        known.map(|(_, media)| media)
    }
}

/// Its pages, the first one first. `late` says when reading has taken too long.
pub fn read(media: Media, bytes: &[u8], late: &dyn Fn() -> bool) -> Result<Vec<Str>, Unreadable> {
    if bytes.len() > BYTES_MAX {
        return Err(Unreadable::TooMuch);
    }
    let pages = match media {
        Media::Pdf => pdf::pages(bytes, late)?,
        Media::Text | Media::Markdown => paged(&text(bytes)?),
        Media::Csv => records::pages(&text(bytes)?, PAGE_RECORDS)?,
        Media::Json => {
            let text = &*text(bytes)?;
            // Looked at and not read: a tree of it would have many times its size.
            let looked: Result<serde::de::IgnoredAny, _> = serde_json::from_str(text);
            looked.map_err(|error| Unreadable::Json(error.line()))?;
            cut(text, PAGE_LETTERS).map(Str::from).collect()
        }
    };
    let size: usize = pages.iter().map(|page| page.len()).sum();
    if pages.len() > PAGES_MAX || size > TEXT_MAX {
        return Err(Unreadable::TooMuch);
    }
    match pages.iter().all(|page| page.trim().is_empty()) {
        true => Err(Unreadable::Empty),
        false => Ok(pages),
    }
}

fn text(bytes: &[u8]) -> Result<Cow<'_, str>, Unreadable> {
    let text = letters::decode(bytes).ok_or(Unreadable::NotText)?;
    if text.len() > TEXT_MAX { Err(Unreadable::TooMuch) } else { Ok(text) }
}

/// What stands between form feeds; without any, pieces of a page's size.
fn paged(text: &str) -> Vec<Str> {
    match text.contains('\u{c}') {
        true => text.split('\u{c}').map(Str::from).collect(),
        false => cut(text, PAGE_LETTERS).map(Str::from).collect(),
    }
}
