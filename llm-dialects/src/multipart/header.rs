//! What stands before the bytes of a part, and the boundary in the content type.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use llm_core::Str;
use llm_core::dialect::BadRequest;
use memchr::memmem;

use super::{HEADER_BYTES_MAX, Part, broken};

/// What RFC 2046 allows.
const BOUNDARY_BYTES_MAX: usize = 70;

/// The boundary that a content type names.
pub(super) fn boundary(content_type: &str) -> Result<Cow<'_, str>, BadRequest> {
    let boundary = parameter(content_type, "boundary")
        .ok_or_else(|| BadRequest::syntax("the content type names no boundary"))?;
    let fits = (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len());
    if !fits || boundary.bytes().any(|b| b.is_ascii_control()) {
        return Err(BadRequest::syntax("the content type names a boundary that is none"));
    }
    Ok(boundary)
}

/// What a name, a file name or a type may hold; file systems allow half of it. Each byte may be
/// three when it is written again, and then they must still fit into one part's headers.
const TEXT_BYTES_MAX: usize = 512;

/// Reads the headers that begin at `start`: a part that lacks its bytes, and where these begin.
pub(super) fn read(body: &Bytes, start: usize) -> Result<(Part, usize), BadRequest> {
    let limit = body.len().min(start + HEADER_BYTES_MAX);
    let head = &body[start..limit];
    let (end, next) = match (head.starts_with(b"\r\n"), memmem::find(head, b"\r\n\r\n")) {
        (true, _) => (0, 2),
        (false, Some(end)) => (end, end + 4),
        (false, None) if limit < body.len() => {
            let message = format!("the headers of a part are longer than {HEADER_BYTES_MAX} bytes");
            return Err(BadRequest::too_large(message));
        }
        (false, None) => return Err(broken("ends inside the headers of a part")),
    };
    let head = str::from_utf8(&head[..end]).map_err(|_| broken("has a header that is no UTF-8"))?;
    let (mut part, mut named) = (Part::default(), false);
    for line in head.split("\r\n").filter(|l| !l.is_empty()) {
        if line.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return Err(broken("has a header with a line break in it"));
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err(broken("has a header without a colon"));
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-disposition") {
            if named {
                // Whoever reads the other one would see another field.
                return Err(broken("has a part with two names"));
            }
            let field = parameter(value, "name");
            part.name = unescape(field.ok_or_else(|| broken("has a part without a name"))?).into();
            part.filename = filename(value);
            named = true;
        } else if name.eq_ignore_ascii_case("content-type") {
            part.content_type = Some(value.into());
        }
    }
    if !named {
        return Err(broken("has a part without a name"));
    }
    let texts = [Some(&part.name), part.filename.as_ref(), part.content_type.as_ref()];
    if texts.into_iter().flatten().any(|text| text.len() > TEXT_BYTES_MAX) {
        let message = format!("a name or type of a part is longer than {TEXT_BYTES_MAX} bytes");
        return Err(BadRequest::too_large(message));
    }
    Ok((part, start + next))
}

/// Writes the headers of a part, blank line included.
pub(super) fn write(part: &Part, out: &mut BytesMut) {
    out.put_slice(b"Content-Disposition: form-data; name=\"");
    escape(&part.name, out);
    if let Some(filename) = &part.filename {
        out.put_slice(b"\"; filename=\"");
        escape(filename, out);
    }
    out.put_slice(b"\"\r\n");
    // A type with a line break in it would be a header of somebody else's making.
    let kind = part.content_type.as_ref().filter(|t| !t.bytes().any(|b| b.is_ascii_control()));
    if let Some(kind) = kind {
        out.put_slice(b"Content-Type: ");
        out.put_slice(kind.as_bytes());
        out.put_slice(b"\r\n");
    }
    out.put_slice(b"\r\n");
}

/// The file name. RFC 7578 forbids the starred spelling, but older clients write it for names
/// that are not ASCII.
fn filename(value: &str) -> Option<Str> {
    if let Some(plain) = parameter(value, "filename") {
        return Some(unescape(plain).into());
    }
    let starred = parameter(value, "filename*")?;
    let (charset, rest) = starred.split_once('\'')?;
    let (_, text) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    String::from_utf8(percent_decoded(text.as_bytes(), |_| true)).ok().map(Into::into)
}

/// A parameter of a header's value, quotes off.
fn parameter<'a>(value: &'a str, wanted: &str) -> Option<Cow<'a, str>> {
    let (_, mut rest) = value.split_once(';')?;
    loop {
        let (name, after) = rest.split_once('=')?;
        // A parameter without a value may stand before this one.
        let name = name.rsplit(';').next().unwrap_or_default().trim();
        let (text, after) = text(after.trim_start());
        if name.eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = after;
    }
}

/// A quoted string or a token, and what follows it.
fn text(value: &str) -> (Cow<'_, str>, &str) {
    let Some(quoted) = value.strip_prefix('"') else {
        let end = value.find(';').unwrap_or(value.len());
        return (value[..end].trim_end().into(), &value[end..]);
    };
    let mut unescaped = String::new();
    let mut rest = quoted;
    while let Some(at) = rest.find(['"', '\\']) {
        let (before, special) = rest.split_at(at);
        let escapes = special.starts_with("\\\"") || special.starts_with("\\\\");
        if let Some(after) = special.strip_prefix('"') {
            if unescaped.is_empty() {
                return (before.into(), after);
            }
            unescaped.push_str(before);
            return (unescaped.into(), after);
        }
        // A lone backslash is one: Windows paths are written so.
        unescaped.push_str(before);
        unescaped.push_str(&special[usize::from(escapes)..][..1]);
        rest = &special[1 + usize::from(escapes)..];
    }
    unescaped.push_str(rest);
    (unescaped.into(), "")
}

/// Takes back what browsers do to names, and nothing else: a file may be called `100%25.wav`.
fn unescape(text: Cow<'_, str>) -> String {
    if !text.contains('%') {
        return text.into_owned();
    }
    let plain = percent_decoded(text.as_bytes(), |byte| matches!(byte, b'"' | b'\r' | b'\n'));
    String::from_utf8(plain).unwrap_or_else(|_| text.into_owned())
}

fn percent_decoded(text: &[u8], wanted: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let code = text.get(at + 1..at + 3).and_then(|d| str::from_utf8(d).ok());
        let code = code.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = code.and_then(|d| u8::from_str_radix(d, 16).ok()).filter(|c| wanted(*c));
        match code {
            Some(code) if *byte == b'%' => {
                out.push(code);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

/// As browsers write names, with the backslash as `httpx` writes it.
fn escape(text: &str, out: &mut BytesMut) {
    for byte in text.bytes() {
        match byte {
            b'"' => out.put_slice(b"%22"),
            b'\r' => out.put_slice(b"%0D"),
            b'\n' => out.put_slice(b"%0A"),
            b'\\' => out.put_slice(b"\\\\"),
            _ => out.put_u8(byte),
        }
    }
}
