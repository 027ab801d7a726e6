//! Whole answers, packed for whoever asks for it. A stream is never packed: its parts would wait for
//! each other.

use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Body as _;

use super::super::body::{Body, gathered};

/// What is larger is rare, and its packing would cost more time than the line saves.
const BYTES_MAX: u64 = 8 << 20;
/// So much is packed in half a millisecond; what is longer is done where nobody waits for a thread.
const AT_ONCE_MAX: usize = 32 << 10;
/// Both give most of what there is to be had for little of the time.
const GZIP_LEVEL: u32 = 4;
const BROTLI_LEVEL: i32 = 4;
/// Bytes that an encoder of brotli works on at once, and its window, as a power of two.
const BROTLI_BUFFER: usize = 4_096;
const BROTLI_WINDOW: i32 = 19;

/// How an answer is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// gzip.
    Gzip,
    /// Brotli.
    Brotli,
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        }
    }
}

/// What a client would like best; `None` is as it is.
pub(super) fn wanted(headers: &HeaderMap) -> Option<Coding> {
    let said = headers.get(ACCEPT_ENCODING)?.to_str().ok()?;
    let mut best = None;
    for part in said.split(',') {
        let (name, weight) = part.split_once(';').unwrap_or((part, ""));
        let coding = match name.trim() {
            "br" => Coding::Brotli,
            "gzip" | "x-gzip" => Coding::Gzip,
            _ => continue,
        };
        let weight = thousandths(weight);
        // Of two that are liked equally, the smaller one.
        let better = best
            .is_none_or(|(known, than)| weight > than || weight == than && known == Coding::Gzip);
        if weight > 0 && better {
            best = Some((coding, weight));
        }
    }
    best.map(|(coding, _)| coding)
}

/// `q=0.5` as 500; what cannot be read is not wanted.
pub(crate) fn thousandths(weight: &str) -> u32 {
    let Some(text) = weight.trim().strip_prefix("q=") else {
        return if weight.trim().is_empty() { 1_000 } else { 0 };
    };
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    match whole {
        "1" => 1_000,
        "0" if part.len() <= 3 => format!("{part:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

/// Whether there is something to gain.
pub(super) fn fits(response: &Response<Body>, over: u64) -> bool {
    let headers = response.headers();
    let long = response.body().size_hint().exact().is_some_and(|n| n >= over && n <= BYTES_MAX);
    long && response.status() == StatusCode::OK
        && !headers.contains_key(CONTENT_ENCODING)
        && headers.get(CONTENT_TYPE).is_some_and(is_text)
        && !headers
            .get(CACHE_CONTROL)
            .is_some_and(|said| said.to_str().is_ok_and(|said| said.contains("no-transform")))
}

/// Pictures and sounds are packed already.
fn is_text(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default().to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind != "text/event-stream"
        && (kind.starts_with("text/")
            || kind.ends_with("json")
            || kind.ends_with("xml")
            || kind.ends_with("javascript"))
}

/// Packs an answer that is there whole.
pub(super) async fn pack(response: Response<Body>, coding: Coding) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let bytes = match body {
        Body::Whole(bytes) => bytes.unwrap_or_default(),
        Body::Answer(answer) => gathered(answer).await,
        stream @ (Body::Kept(_) | Body::Pieces(_)) => return Response::from_parts(head, stream),
    };
    let packed = if bytes.len() <= AT_ONCE_MAX {
        packed(&bytes, coding)
    } else {
        let bytes = bytes.clone();
        let elsewhere = tokio::task::spawn_blocking(move || packed(&bytes, coding)).await;
        elsewhere.unwrap_or_else(|error| Err(io::Error::other(error)))
    };
    head.headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    match packed {
        Ok(packed) if packed.len() < bytes.len() => {
            head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            Response::from_parts(head, Body::from(packed))
        }
        // It is as good unpacked.
        Ok(_) | Err(_) => Response::from_parts(head, Body::from(bytes)),
    }
}

fn packed(bytes: &Bytes, coding: Coding) -> io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len() / 4);
    match coding {
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(out, Compression::new(GZIP_LEVEL));
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Coding::Brotli => {
            let params = brotli::enc::BrotliEncoderParams {
                quality: BROTLI_LEVEL,
                lgwin: BROTLI_WINDOW,
                size_hint: bytes.len(),
                ..Default::default()
            };
            let mut encoder =
                brotli::CompressorWriter::with_params(&mut out, BROTLI_BUFFER, &params);
            encoder.write_all(bytes)?;
            // It ends when it is dropped, and then writes to what cannot fail.
            drop(encoder);
            Ok(out)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_liked_best_is_taken() {
        let of = |said: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, said.parse().unwrap());
            wanted(&headers)
        };
        assert_eq!(of("gzip, deflate"), Some(Coding::Gzip));
        assert_eq!(of("gzip, deflate, br, zstd"), Some(Coding::Brotli));
        assert_eq!(of("br, gzip"), Some(Coding::Brotli));
        assert_eq!(of("br;q=0.5, gzip;q=0.8"), Some(Coding::Gzip));
        assert_eq!(of("br;q=0, gzip;q=0.000"), None);
        assert_eq!(of("identity"), None);
        assert_eq!(of("gzip;q=2"), None);
        assert_eq!(wanted(&HeaderMap::new()), None);
    }
}
