//! What a response carries: bytes that are there, or an answer as it comes.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream as _;
use http_body::{Frame, SizeHint};
use llm_providers::edge::RenderedBody;
use llm_providers::edge::once::KeptBody;

/// A response's body. Dropping it is how a call learns that its caller has left.
#[derive(Debug)]
pub(crate) enum Body {
    /// Bytes that are there.
    Whole(Option<Bytes>),
    /// An answer, in the caller's dialect.
    Answer(RenderedBody),
    /// The same, written down as it passes.
    Kept(Box<KeptBody>),
}

impl Body {
    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self::Whole(None)
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        let bytes = bytes.into();
        Self::Whole((!bytes.is_empty()).then_some(bytes))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Answer(answer) => {
                let next = std::task::ready!(Pin::new(answer).poll_next(cx));
                Poll::Ready(next.map(|bytes| bytes.map(Frame::data)))
            }
            Self::Kept(answer) => {
                let next = std::task::ready!(Pin::new(answer).poll_next(cx));
                Poll::Ready(next.map(|bytes| bytes.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        let bytes = match self {
            Self::Whole(bytes) => Some(bytes.as_ref().map_or(0, Bytes::len)),
            Self::Answer(answer) => answer.bytes(),
            // Its end waits for a store, and may be held back.
            Self::Kept(_) => None,
        };
        bytes.map_or_else(SizeHint::default, |bytes| SizeHint::with_exact(bytes as u64))
    }
}
