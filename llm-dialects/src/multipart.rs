//! Reads and writes `multipart/form-data`, in which sound and pictures are uploaded.
//!
//! The body is whole when it is read, and its parts are slices of it. Reading takes time linear in
//! the body whatever it contains; so does writing, which chooses a boundary that provably does not
//! stand in any part instead of trusting chance. File names are carried and never used as paths.
//! Deliberately absent: nested multipart, transfer encodings (RFC 7578 has deprecated both), and
//! streaming.

use bytes::{BufMut, Bytes, BytesMut};
use llm_core::Str;
use llm_core::dialect::BadRequest;
use memchr::memmem;

use crate::json::limits::BODY_BYTES_MAX;

mod header;

/// More fields than any operation has; a hostile form must not become a million parts.
const PARTS_MAX: usize = 64;
/// What stands before a part's bytes. A disposition and a type fit many times over.
const HEADER_BYTES_MAX: usize = 4096;

/// One field of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The field.
    pub name: Str,
    /// What the file is called, where it is one.
    pub filename: Option<Str>,
    /// The type of the bytes, where it is said.
    pub content_type: Option<Str>,
    /// The value.
    pub bytes: Bytes,
}

/// A form as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The body.
    pub body: Bytes,
    /// Its type, boundary included.
    pub content_type: Str,
}

/// Whether a `content-type` is the one this module reads.
pub fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(FORM_DATA)
}

/// Reads a form.
pub fn parse(content_type: &str, body: &Bytes) -> Result<Vec<Part>, BadRequest> {
    if body.len() > BODY_BYTES_MAX {
        return Err(BadRequest::too_large(format!(
            "the body is larger than {BODY_BYTES_MAX} bytes"
        )));
    }
    if !is_form(content_type) {
        return Err(BadRequest::syntax("the content type is not multipart/form-data"));
    }
    let boundary = header::boundary(content_type)?;
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(&delimiter);
    // The first delimiter may open the body, and then its line break is not there.
    let mut at = match body.starts_with(&delimiter.as_bytes()[2..]) {
        true => delimiter.len() - 2,
        false => next(body, 0, &finder).ok_or_else(|| broken("has no boundary"))?.1,
    };
    let mut parts = Vec::new();
    while !body[at..].starts_with(b"--") {
        let Some(start) = line_end(body, at) else {
            return Err(broken("has text behind a boundary"));
        };
        if parts.len() == PARTS_MAX {
            return Err(BadRequest::too_large(format!("the form has more than {PARTS_MAX} parts")));
        }
        let (mut part, start) = header::read(body, start)?;
        let Some((end, after)) = next(body, start, &finder) else {
            return Err(broken("ends before its last boundary"));
        };
        part.bytes = body.slice(start..end.max(start));
        parts.push(part);
        at = after;
    }
    Ok(parts)
}

/// The next delimiter: where the bytes before it end, and where it ends itself. A longer line
/// that merely begins like the delimiter is content.
fn next(body: &[u8], from: usize, finder: &memmem::Finder<'_>) -> Option<(usize, usize)> {
    // The line break in front of a delimiter may be the one that ended the headers of a part
    // without bytes.
    let from = from.saturating_sub(2);
    finder.find_iter(&body[from..]).find_map(|found| {
        let (start, end) = (from + found, from + found + finder.needle().len());
        let ends = body[end..].starts_with(b"--") || line_end(body, end).is_some();
        ends.then_some((start, end))
    })
}

/// Where the next line begins, if there is nothing but blanks on this one from `at` on.
fn line_end(body: &[u8], at: usize) -> Option<usize> {
    let rest = &body[at..];
    let blanks = rest.iter().take(BLANKS_MAX).take_while(|b| matches!(b, b' ' | b'\t')).count();
    rest[blanks..].starts_with(b"\r\n").then_some(at + blanks + 2)
}

/// Writes a form.
pub fn write(parts: &[Part]) -> Form {
    let boundary = format!("{BOUNDARY_PREFIX}{:08x}", free_number(parts));
    let size: usize = parts.iter().map(|p| p.bytes.len() + HEADER_BYTES_GUESS).sum();
    let mut body = BytesMut::with_capacity(size + HEADER_BYTES_GUESS);
    for part in parts {
        body.put_slice(format!("--{boundary}\r\n").as_bytes());
        header::write(part, &mut body);
        body.put_slice(&part.bytes);
        body.put_slice(b"\r\n");
    }
    body.put_slice(format!("--{boundary}--\r\n").as_bytes());
    Form { body: body.freeze(), content_type: format!("{FORM_DATA}; boundary={boundary}").into() }
}

/// The smallest number whose boundary stands in no part. Only bytes that contain the prefix can
/// contain a boundary, so that one pass finds all numbers that are taken; among the first
/// `taken + 1` numbers one is free. A hash of the content would need another pass whenever the
/// content had been made to contain it.
fn free_number(parts: &[Part]) -> usize {
    let finder = memmem::Finder::new(BOUNDARY_PREFIX);
    let mut taken = Vec::new();
    for part in parts {
        let head = [Some(&part.name), part.filename.as_ref(), part.content_type.as_ref()];
        let texts = head.into_iter().flatten().map(|t| t.as_bytes().as_ref());
        for text in texts.chain([&*part.bytes]) {
            for at in finder.find_iter(text) {
                let digits = &text[at + BOUNDARY_PREFIX.len()..];
                let digits = digits.get(..8).and_then(|d| str::from_utf8(d).ok());
                taken.extend(digits.and_then(|d| u32::from_str_radix(d, 16).ok()));
            }
        }
    }
    let mut free = vec![true; taken.len() + 1];
    for number in taken {
        if let Some(place) = usize::try_from(number).ok().and_then(|n| free.get_mut(n)) {
            *place = false;
        }
    }
    free.iter().position(|f| *f).unwrap_or_default()
}

fn broken(what: &str) -> BadRequest {
    BadRequest::syntax(format!("the multipart body {what}"))
}

const FORM_DATA: &str = "multipart/form-data";
const BOUNDARY_PREFIX: &str = "llm-form-boundary-";
/// Room for the headers of a part when the body is laid out.
const HEADER_BYTES_GUESS: usize = 256;
/// Blanks that RFC 2046 allows behind a boundary. Nobody writes any; the bound keeps a body of
/// blanks linear.
const BLANKS_MAX: usize = 16;

#[cfg(test)]
mod tests;
