//! What a response carries: bytes that are there, or an answer as it comes.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http_body::{Frame, SizeHint};
use llm_providers::edge::RenderedBody;
use llm_providers::edge::once::KeptBody;

/// A piece of a body, or why there are no more: a body that breaks off must not look whole.
pub(crate) type Piece = Result<Bytes, io::Error>;

/// A response's body. Dropping it is how a call learns that its caller has left.
pub(crate) enum Body {
    /// Bytes that are there.
    Whole(Option<Bytes>),
    /// An answer, in the caller's dialect.
    Answer(RenderedBody),
    /// The same, written down as it passes.
    Kept(Box<KeptBody>),
    /// Pieces as they come from somewhere else.
    Pieces(Pin<Box<dyn Stream<Item = Piece> + Send>>),
}

/// The bytes of an answer of the pipeline, which says within them how it went.
pub(crate) type Passing = Result<Bytes, Infallible>;

/// All of an answer in one piece.
pub(crate) async fn gathered(mut answer: impl Stream<Item = Passing> + Unpin) -> Bytes {
    let (mut first, mut whole) = (Bytes::new(), BytesMut::new());
    while let Some(piece) = std::future::poll_fn(|cx| Pin::new(&mut answer).poll_next(cx)).await {
        match piece {
            // Nearly all come in one.
            Ok(bytes) if first.is_empty() && whole.is_empty() => first = bytes,
            Ok(bytes) => {
                whole.extend_from_slice(&std::mem::take(&mut first));
                whole.extend_from_slice(&bytes);
            }
            Err(never) => match never {},
        }
    }
    if whole.is_empty() { first } else { whole.freeze() }
}

/// A piece that is there, as one that might not be.
fn unfailing(piece: Passing) -> Piece {
    piece.map_err(|never| match never {})
}

/// Pieces of which none is missing.
struct Unfailing<S>(S);

impl<S: Stream<Item = Passing> + Unpin> Stream for Unfailing<S> {
    type Item = Piece;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        Pin::new(&mut self.get_mut().0).poll_next(cx).map(|next| next.map(unfailing))
    }
}

impl Body {
    /// An answer of the pipeline, whatever it has passed through.
    pub(crate) fn passing(answer: impl Stream<Item = Passing> + Send + Unpin + 'static) -> Self {
        Self::Pieces(Box::pin(Unfailing(answer)))
    }

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
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Answer(answer) => {
                let next = std::task::ready!(Pin::new(answer).poll_next(cx));
                Poll::Ready(next.map(|piece| unfailing(piece).map(Frame::data)))
            }
            Self::Pieces(pieces) => {
                let next = std::task::ready!(pieces.as_mut().poll_next(cx));
                Poll::Ready(next.map(|piece| piece.map(Frame::data)))
            }
            Self::Kept(answer) => {
                let next = std::task::ready!(Pin::new(answer).poll_next(cx));
                Poll::Ready(next.map(|piece| unfailing(piece).map(Frame::data)))
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
            // The end of the one waits for a store, and that of the other for somebody else.
            Self::Kept(_) | Self::Pieces(_) => None,
        };
        bytes.map_or_else(SizeHint::default, |bytes| SizeHint::with_exact(bytes as u64))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => f.debug_tuple("Whole").field(bytes).finish(),
            Self::Answer(answer) => f.debug_tuple("Answer").field(answer).finish(),
            Self::Kept(answer) => f.debug_tuple("Kept").field(answer).finish(),
            Self::Pieces(_) => f.write_str("Pieces"),
        }
    }
}
