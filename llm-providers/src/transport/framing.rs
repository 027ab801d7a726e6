//! Answers of HTTP/1.1 as bytes: where the head ends, and which of the bytes behind it are the body.
//!
//! Nothing here reads or waits. Deliberately absent: trailers, which say nothing that anyone here
//! reads, and leniency: an answer whose length can be read in two ways is no answer, since whatever
//! follows on its connection would be taken for the answer to somebody else's call.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version};
use smallvec::SmallVec;

/// What a head may hold. Providers send a few kilobytes.
pub(super) const HEAD_BYTES_MAX: usize = 64 << 10;
/// Lines of a head. Providers send a few dozen.
const HEADERS_MAX: usize = 128;
/// What stands around the pieces of a body: a size with its extensions, or all trailers.
const FRAME_BYTES_MAX: u32 = 16 << 10;

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wrong(pub(super) &'static str);

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) framing: Framing,
    /// Whether the connection may be used again once the body has ended.
    pub(super) keep: bool,
}

/// How the end of a body is known, and how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes are left.
    Length(u64),
    /// In pieces that say how long they are.
    Chunked(Chunked),
    /// By the end of the connection.
    Close,
}

/// What comes next in a body that comes in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// The size of a piece, of which so much was read.
    Size {
        size: u64,
        digits: u8,
    },
    /// What stands behind a size.
    Extension {
        size: u64,
        seen: u32,
    },
    /// The line end behind a size.
    SizeEnd {
        size: u64,
    },
    /// Bytes of a piece.
    Data {
        left: u64,
    },
    /// The two bytes behind a piece.
    DataCr,
    DataLf,
    /// A line of trailers: its beginning, its rest, its end.
    Trailer {
        seen: u32,
    },
    TrailerRest {
        seen: u32,
    },
    TrailerLf {
        seen: u32,
    },
    /// The last line end.
    EndLf,
    /// Nothing.
    End,
}

/// What a body had to give.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Data(Bytes),
    /// More bytes are needed.
    More,
    End,
}

/// A name and a value, as places in a head.
type Places = SmallVec<[[u32; 4]; 24]>;

/// Takes a head off the front of what has come, if all of it has. Heads of the kind that another one
/// follows are passed over.
pub(super) fn head(buffer: &mut BytesMut, asked: &Method) -> Result<Option<Head>, Wrong> {
    loop {
        let mut lines = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut []);
        let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut response,
            buffer,
            &mut lines,
        );
        let length = match parsed {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if buffer.len() < HEAD_BYTES_MAX => return Ok(None),
            Ok(httparse::Status::Partial) => return Err(Wrong("its head is too long")),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Wrong("its head has too many lines"));
            }
            Err(_) => return Err(Wrong("its head is no HTTP")),
        };
        if length > HEAD_BYTES_MAX {
            return Err(Wrong("its head is too long"));
        }
        let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.ok_or(Wrong("its status is none"))?;
        let version = if response.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
        let mut places = Places::new();
        find(&mut places, buffer, response.headers);
        let bytes = buffer.split_to(length).freeze();
        if status.is_informational() {
            if status == StatusCode::SWITCHING_PROTOCOLS {
                return Err(Wrong("it changes the protocol"));
            }
            continue;
        }
        let headers = headers(&bytes, &places)?;
        let framing = framing(&headers, status, asked)?;
        let keep = version == Version::HTTP_11 && framing != Framing::Close && !closes(&headers);
        return Ok(Some(Head { status, headers, framing, keep }));
    }
}

/// Where names and values stand: what they are sliced from is cut off only after they are found.
fn find(places: &mut Places, buffer: &[u8], headers: &[httparse::Header<'_>]) {
    let start = buffer.as_ptr().addr();
    // A head is shorter than what 32 bits count.
    let place = |bytes: &[u8]| {
        let from = u32::try_from(bytes.as_ptr().addr().saturating_sub(start)).unwrap_or(u32::MAX);
        [from, from.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX))]
    };
    let line = |header: &httparse::Header<'_>| {
        let ([a, b], [c, d]) = (place(header.name.as_bytes()), place(header.value));
        [a, b, c, d]
    };
    places.extend(headers.iter().map(line));
}

fn headers(head: &Bytes, places: &Places) -> Result<HeaderMap, Wrong> {
    let mut headers = HeaderMap::with_capacity(places.len());
    for [a, b, c, d] in places.iter().map(|place| place.map(|at| at as usize)) {
        let name = head.get(a..b).and_then(|name| HeaderName::from_bytes(name).ok());
        let name = name.ok_or(Wrong("a name in its head is none"))?;
        // An empty one may point anywhere.
        let value = if c < d && d <= head.len() { head.slice(c..d) } else { Bytes::new() };
        let value = HeaderValue::from_maybe_shared(value);
        headers.append(name, value.map_err(|_| Wrong("a value in its head is none"))?);
    }
    Ok(headers)
}

fn framing(headers: &HeaderMap, status: StatusCode, asked: &Method) -> Result<Framing, Wrong> {
    let empty = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if empty || *asked == Method::HEAD {
        return Ok(Framing::Length(0));
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") || codings.next().is_some() {
            return Err(Wrong("its body comes in a way that nobody asked for"));
        }
        if length.is_some() {
            return Err(Wrong("its body has two lengths"));
        }
        return Ok(Framing::Chunked(Chunked::Size { size: 0, digits: 0 }));
    }
    let Some(length) = length else { return Ok(Framing::Close) };
    if lengths.any(|other| other != length) {
        return Err(Wrong("its body has two lengths"));
    }
    let digits = length.as_bytes();
    let number = digits.iter().all(u8::is_ascii_digit).then(|| length.to_str().ok());
    let number = number.flatten().and_then(|digits| digits.parse().ok());
    number.map(Framing::Length).ok_or(Wrong("its length is no number"))
}

fn closes(headers: &HeaderMap) -> bool {
    let words = headers.get_all(CONNECTION).iter();
    let mut words = words.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"))
}

impl Framing {
    /// Takes what the body has in the buffer, and what stands behind it there: after the last piece
    /// [`Framing::has_ended`] is true at once.
    pub(super) fn take(&mut self, buffer: &mut BytesMut) -> Result<Taken, Wrong> {
        match self {
            _ if self.has_ended() => Ok(Taken::End),
            _ if buffer.is_empty() => Ok(Taken::More),
            Self::Length(left) => {
                let some = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
                *left -= some as u64;
                Ok(Taken::Data(buffer.split_to(some).freeze()))
            }
            Self::Close => Ok(Taken::Data(buffer.split().freeze())),
            Self::Chunked(chunked) => {
                chunked.pass(buffer)?;
                let Chunked::Data { left } = *chunked else {
                    return Ok(if *chunked == Chunked::End { Taken::End } else { Taken::More });
                };
                if buffer.is_empty() {
                    return Ok(Taken::More);
                }
                let some = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                let data = buffer.split_to(some).freeze();
                let left = left - some as u64;
                *chunked = if left == 0 { Chunked::DataCr } else { Chunked::Data { left } };
                // What is wrong behind a piece is found again, and said, when the next is asked for.
                let _ = chunked.pass(buffer);
                Ok(Taken::Data(data))
            }
        }
    }

    /// Whether nothing more is to come.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunked::End))
    }
}

impl Chunked {
    /// Passes over what stands between pieces.
    fn pass(&mut self, buffer: &mut BytesMut) -> Result<(), Wrong> {
        let (mut passed, mut result) = (0, Ok(()));
        for byte in buffer.iter() {
            if matches!(self, Self::Data { .. } | Self::End) {
                break;
            }
            match self.after(*byte) {
                Ok(next) => (*self, passed) = (next, passed + 1),
                Err(wrong) => {
                    result = Err(wrong);
                    break;
                }
            }
        }
        // Once for all of them: it costs more than a byte.
        buffer.advance(passed);
        result
    }

    fn after(self, byte: u8) -> Result<Self, Wrong> {
        const WRONG: Wrong = Wrong("a piece of its body has no size");
        const LONG: Wrong = Wrong("what stands between the pieces of its body is too long");
        let longer = |seen: u32| Some(seen + 1).filter(|seen| *seen <= FRAME_BYTES_MAX).ok_or(LONG);
        Ok(match (self, byte) {
            (Self::Size { digits: 1.., size }, b'\r') => Self::SizeEnd { size },
            (Self::Size { digits: 1.., size }, b';' | b' ' | b'\t') => {
                Self::Extension { size, seen: 0 }
            }
            (Self::Size { size, digits }, byte) => {
                let digit = char::from(byte).to_digit(16).ok_or(WRONG)?;
                // Sixteen digits fill the number.
                if digits == 16 {
                    return Err(WRONG);
                }
                Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (Self::Extension { size, .. }, b'\r') => Self::SizeEnd { size },
            (Self::Extension { .. }, b'\n') => return Err(WRONG),
            (Self::Extension { size, seen }, _) => Self::Extension { size, seen: longer(seen)? },
            (Self::SizeEnd { size: 0 }, b'\n') => Self::Trailer { seen: 0 },
            (Self::SizeEnd { size }, b'\n') => Self::Data { left: size },
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Size { size: 0, digits: 0 },
            (Self::Trailer { .. }, b'\r') => Self::EndLf,
            (Self::TrailerRest { seen }, b'\r') => Self::TrailerLf { seen },
            (Self::Trailer { seen } | Self::TrailerRest { seen }, _) => {
                Self::TrailerRest { seen: longer(seen)? }
            }
            (Self::TrailerLf { seen }, b'\n') => Self::Trailer { seen },
            (Self::EndLf, b'\n') => Self::End,
            (
                Self::SizeEnd { .. }
                | Self::DataCr
                | Self::DataLf
                | Self::TrailerLf { .. }
                | Self::EndLf
                | Self::Data { .. }
                | Self::End,
                _,
            ) => return Err(WRONG),
        })
    }
}

#[cfg(test)]
mod tests;
