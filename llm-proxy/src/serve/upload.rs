//! A request's body, within bounds of size and time.
//!
//! What is too large is refused by what its head says, where it says so, before a byte is read.
//! What comes packed is bounded here as it comes, and by [`super::web::unpack`] as it is.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, EXPECT};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use llm_core::error::{Error, Kind};
use llm_core::seam::Clock;

use super::web::unpack::unpacked;

/// Nobody who sends a body pauses for longer.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A body of ten mebibytes over a slow line comes within this.
const TOTAL_MAX: Duration = Duration::from_secs(300);
/// A head may claim any length; so much is believed before anything has come.
const BELIEVED_MAX: u64 = 64 << 10;

/// A new connection costs both sides more than this many bytes that are thrown away.
const DISCARDED_MAX: u64 = 256 << 10;
/// They are on their way when the head is there.
const DISCARD_PAUSE_MAX: Duration = Duration::from_secs(1);

/// A body that is not read yet, and the head that says how it is packed.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Incoming,
}

/// Reads a body whole, and as it is when it is unpacked.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Incoming,
    bytes_max: u64,
    clock: &dyn Clock,
) -> Result<Bytes, Error> {
    let bytes = came(body, bytes_max, clock).await?;
    if headers.contains_key(CONTENT_ENCODING) {
        // Boxed: nearly nobody packs a question, and the futures of calls stay small.
        return Box::pin(unpacked(headers, bytes, bytes_max)).await;
    }
    Ok(bytes)
}

/// Takes a body from its connection that nobody wants, so that the connection lives on and its other
/// end hears the answer: what is closed with something unread is reset. A long one is left, as is one
/// that its sender keeps back until it is asked for.
pub(crate) async fn discard(headers: &HeaderMap, mut body: Incoming, clock: &dyn Clock) {
    if headers.contains_key(EXPECT) || body.size_hint().lower() > DISCARDED_MAX {
        return;
    }
    let mut left = DISCARDED_MAX;
    while !body.is_end_stream() {
        let Ok(Some(piece)) = next(&mut body, DISCARD_PAUSE_MAX, clock).await else { return };
        let Some(rest) = left.checked_sub(piece.len() as u64) else { return };
        left = rest;
    }
}

/// A body as it comes.
async fn came(mut body: Incoming, bytes_max: u64, clock: &dyn Clock) -> Result<Bytes, Error> {
    let hint = body.size_hint();
    if hint.lower() > bytes_max {
        return Err(too_large(bytes_max));
    }
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let end = clock.now() + TOTAL_MAX;
    let first = next(&mut body, PAUSE_MAX, clock).await?.unwrap_or_default();
    // Most bodies come in one piece, and are then used as they came.
    if hint.exact() == Some(first.len() as u64) {
        return Ok(first);
    }
    let believed = hint.lower().min(BELIEVED_MAX).max(first.len() as u64);
    let mut whole = BytesMut::with_capacity(usize::try_from(believed).unwrap_or(0));
    whole.extend_from_slice(&first);
    loop {
        let left = end.saturating_duration_since(clock.now());
        let Some(piece) = next(&mut body, PAUSE_MAX.min(left), clock).await? else {
            return Ok(whole.freeze());
        };
        if (whole.len() + piece.len()) as u64 > bytes_max {
            return Err(too_large(bytes_max));
        }
        whole.extend_from_slice(&piece);
    }
}

/// The next piece; `None` at the end.
async fn next(
    body: &mut Incoming,
    patience: Duration,
    clock: &dyn Clock,
) -> Result<Option<Bytes>, Error> {
    loop {
        // Mostly it is there, and nobody's patience is needed.
        let frame = match body.frame().now_or_never() {
            Some(frame) => frame,
            None => tokio::select! {
                biased;
                frame = body.frame() => frame,
                () = clock.sleep(patience) => {
                    let text = "the request's body did not come in time";
                    return Err(Error::new(Kind::DeadlinePassed, text));
                }
            },
        };
        match frame {
            None => return Ok(None),
            Some(Err(_)) => {
                return Err(Error::new(Kind::BadRequest, "the request's body broke off"));
            }
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

fn too_large(bytes_max: u64) -> Error {
    Error::new(Kind::TooLarge, format!("a request may have {bytes_max} bytes at the most"))
}
