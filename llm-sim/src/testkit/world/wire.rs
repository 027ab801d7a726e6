//! A network that is watched.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use llm_core::dialect::Chunks;
use llm_core::seam::{BoxFuture, Transport, TransportError, WireBody};

use super::audit::Audit;
use super::planted::Planted;
use crate::SimTransport;

/// The same where callers share a question.
pub(super) const SHARED_MARK: &str = "shared #";

/// Watches what goes out, and counts what stays open.
#[derive(Debug)]
pub(super) struct Watched {
    inner: SimTransport,
    audit: Arc<Audit>,
    planted: Option<Planted>,
    steps: AtomicU64,
}

/// What stands before a call's number in its question.
pub(super) const MARK: &str = "call #";

impl Watched {
    pub(super) fn new(inner: SimTransport, audit: &Arc<Audit>, planted: Option<Planted>) -> Self {
        Self { inner, audit: Arc::clone(audit), planted, steps: AtomicU64::new(0) }
    }
}

impl Transport for Watched {
    fn send(
        &self,
        request: http::Request<Chunks>,
    ) -> BoxFuture<'static, Result<http::Response<WireBody>, TransportError>> {
        let body = request.body().concat();
        if number(&body, SHARED_MARK).is_some() {
            self.audit.tally(|report| report.sends += 1);
            let (audit, sending) = (Arc::clone(&self.audit), self.inner.send(request));
            return Box::pin(async move {
                let response = sending.await?;
                audit.bodies.fetch_add(1, Ordering::SeqCst);
                Ok(response.map(|body| Box::pin(Open { body, audit, again: None }) as WireBody))
            });
        }
        let number = number(&body, MARK);
        let host = request.uri().host().unwrap_or_default().to_owned();
        let Some(n) = number else {
            self.audit.violation("a request without a call");
            return self.inner.send(request);
        };
        self.audit.sent(n, &host);
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        if step % 10 == 9 && self.planted == Some(Planted::SendsUnfunded) {
            self.audit.sent(n, &host);
        }
        let again = step % 10 == 9 && self.planted == Some(Planted::RetriesAfterCommit);
        let (audit, sending) = (Arc::clone(&self.audit), self.inner.send(request));
        Box::pin(async move {
            let response = sending.await?;
            audit.bodies.fetch_add(1, Ordering::SeqCst);
            let again = again.then_some((n, host));
            Ok(response.map(|body| Box::pin(Open { body, audit, again }) as WireBody))
        })
    }
}

/// A body that is counted while it is open.
struct Open {
    body: WireBody,
    audit: Arc<Audit>,
    again: Option<(u32, String)>,
}

impl Stream for Open {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.body.as_mut().poll_next(cx)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.audit.bodies.fetch_sub(1, Ordering::SeqCst);
        if let Some((n, host)) = self.again.take() {
            self.audit.dispatched(llm_core::ledger::HoldId(u128::from(n)));
            self.audit.sent(n, &host);
        }
    }
}

/// The number of the call whose question stands in a body.
fn number(body: &[u8], mark: &str) -> Option<u32> {
    let at = memchr::memmem::find(body, mark.as_bytes())? + mark.len();
    let digits = body[at..].iter().take_while(|b| b.is_ascii_digit());
    String::from_utf8(digits.copied().collect()).ok()?.parse().ok()
}
