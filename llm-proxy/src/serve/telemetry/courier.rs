//! Whoever carries what is told to where it is taken: one letter at a time, each within its time,
//! tried once more where the other end is busy.

use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri};
use llm_core::dialect::Chunks;
use llm_core::seam::{Clock, Transport};
use llm_providers::transport::{Connections, DirectTransport};
use smallvec::smallvec;

/// Nobody who takes letters takes longer for one.
const WITHIN: Duration = Duration::from_secs(10);
/// Before a letter is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// Connections that are kept.
const IDLE_MAX: usize = 1;

/// Who carries.
pub(super) struct Courier {
    way: DirectTransport,
    to: Uri,
    headers: HeaderMap,
    clock: Arc<dyn Clock>,
}

impl Courier {
    /// To an address, with a type and further headers.
    pub(super) fn new(
        to: Uri,
        kind: &'static str,
        more: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let connections = Connections { idle_max: IDLE_MAX, ..Connections::default() };
        let way = DirectTransport::new(&connections).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.extend(more);
        Ok(Self { way, to, headers, clock })
    }

    /// Carries a letter; why it was not taken, without the address, which may be a secret.
    pub(super) async fn carry(&self, letter: Vec<u8>) -> Result<(), String> {
        let letter = bytes::Bytes::from(letter);
        match self.once(letter.clone()).await {
            Err(Some(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) | None) => {
                self.clock.sleep(AGAIN).await;
                self.once(letter).await.map_err(told)
            }
            other => other.map_err(told),
        }
    }

    async fn once(&self, letter: bytes::Bytes) -> Result<(), Option<StatusCode>> {
        let letter: Chunks = smallvec![letter];
        let mut request = Request::new(letter);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.to.clone();
        *request.headers_mut() = self.headers.clone();
        let answer = async {
            let response = self.way.send(request).await.map_err(|_| None)?;
            let status = response.status();
            // To its end, so that the connection is good for the next one.
            let mut body = response.into_body();
            while let Some(piece) = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await {
                if piece.is_err() {
                    break;
                }
            }
            if status.is_success() { Ok(()) } else { Err(Some(status)) }
        };
        tokio::select! {
            taken = answer => taken,
            () = self.clock.sleep(WITHIN) => Err(None),
        }
    }
}

fn told(status: Option<StatusCode>) -> String {
    status
        .map_or_else(|| "nobody answers there".to_owned(), |status| format!("it answers {status}"))
}
