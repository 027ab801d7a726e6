//! Answers of features that come bit by bit, as server-sent events.
//!
//! Each event has a name and a line of JSON, and may have an id, by which a client that was cut off
//! says where it was (`Last-Event-ID`). A comment goes out when there was nothing for a while, so that
//! nobody in between takes the silence for the end. Deliberately absent: what is behind an id, which
//! is each feature's own to know.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response};
use llm_core::seam::{BoxFuture, Clock};
use serde::Serialize;

use super::body::{Body, Piece};

/// How long nothing is said before a comment is.
const QUIET: Duration = Duration::from_secs(15);
const COMMENT: Bytes = Bytes::from_static(b": still here\n\n");
/// The longest id that a client hands back; ours are shorter.
const ID_BYTES_MAX: usize = 128;

/// One event, as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told(Bytes);

impl Told {
    /// What happened, as JSON. What has no line breaks in its id has one line of each.
    pub(crate) fn new(id: Option<&str>, name: &str, data: &impl Serialize) -> Self {
        let data = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
        let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        Self(Bytes::from(format!("{id}event: {name}\ndata: {data}\n\n")))
    }
}

/// Where a client says it was.
pub(crate) fn last_seen(headers: &HeaderMap) -> Option<&str> {
    let said = headers.get("last-event-id")?.to_str().ok()?.trim();
    (!said.is_empty() && said.len() <= ID_BYTES_MAX).then_some(said)
}

/// An answer of these events.
pub(crate) fn streamed(
    events: impl Stream<Item = Told> + Send + 'static,
    clock: &Arc<dyn Clock>,
) -> Response<Body> {
    let quiet = clock.sleep(QUIET);
    let stream = Lively { events: Box::pin(events), clock: Arc::clone(clock), quiet };
    let mut response = Response::new(Body::Pieces(Box::pin(stream)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Events, and comments where there are none.
struct Lively {
    events: Pin<Box<dyn Stream<Item = Told> + Send>>,
    clock: Arc<dyn Clock>,
    quiet: BoxFuture<'static, ()>,
}

impl Stream for Lively {
    type Item = Piece;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let this = self.get_mut();
        let next = match this.events.as_mut().poll_next(cx) {
            Poll::Ready(next) => next.map(|Told(bytes)| Ok(bytes)),
            Poll::Pending => {
                std::task::ready!(this.quiet.as_mut().poll(cx));
                Some(Ok(COMMENT))
            }
        };
        this.quiet = this.clock.sleep(QUIET);
        Poll::Ready(next)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use serde_json::json;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_filled_with_comments() {
        let clock: Arc<dyn Clock> = Arc::new(llm_providers::seam::SystemClock);
        let first = Told::new(Some("7"), "delta", &json!({"text": "두 줄\n"}));
        let events = futures_util::stream::iter([first]).chain(futures_util::stream::pending());
        let response = streamed(events, &clock);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        let Body::Pieces(mut pieces) = response.into_body() else { panic!("a stream") };
        let piece = pieces.next().await.unwrap().unwrap();
        assert_eq!(piece, "id: 7\nevent: delta\ndata: {\"text\":\"두 줄\\n\"}\n\n");
        assert_eq!(pieces.next().await.unwrap().unwrap(), COMMENT);
        assert_eq!(pieces.next().await.unwrap().unwrap(), COMMENT);
    }

    #[test]
    fn where_a_client_was_is_read() {
        let mut headers = HeaderMap::new();
        assert_eq!(last_seen(&headers), None);
        headers.insert("last-event-id", HeaderValue::from_static(" 12-3 "));
        assert_eq!(last_seen(&headers), Some("12-3"));
    }
}
