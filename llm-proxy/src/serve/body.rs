//! What a response carries: bytes that are there, or an answer as it comes.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http_body::{Frame, SizeHint};
use llm_providers::edge::RenderedBody;

/// A piece of a body, or why there are no more: a body that breaks off must not look whole.
pub(crate) type Piece = Result<Bytes, io::Error>;

/// A response's body. Dropping it is how a call learns that its caller has left.
pub(crate) enum Body {
    /// Bytes that are there.
    Whole(Option<Bytes>),
    /// An answer, in the caller's dialect.
    Answer(RenderedBody),
    /// Pieces as they come from somewhere else.
    Pieces(Pin<Box<dyn Stream<Item = Piece> + Send>>),
}

/// All of an answer in one piece.
pub(crate) async fn gathered(mut answer: RenderedBody) -> Bytes {
    let mut whole = BytesMut::new();
    loop {
        match std::future::poll_fn(|cx| Pin::new(&mut answer).poll_next(cx)).await {
            None => return whole.freeze(),
            Some(Ok(bytes)) if whole.is_empty() && answer.bytes() == Some(0) => return bytes,
            Some(Ok(bytes)) => whole.extend_from_slice(&bytes),
            Some(Err(never)) => match never {},
        }
    }
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
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Answer(answer) => {
                let next = std::task::ready!(Pin::new(answer).poll_next(cx));
                Poll::Ready(next.map(|bytes| match bytes {
                    Ok(bytes) => Ok(Frame::data(bytes)),
                    Err(never) => match never {},
                }))
            }
            Self::Pieces(pieces) => {
                let next = std::task::ready!(pieces.as_mut().poll_next(cx));
                Poll::Ready(next.map(|piece| piece.map(Frame::data)))
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
            Self::Pieces(_) => None,
        };
        bytes.map_or_else(SizeHint::default, |bytes| SizeHint::with_exact(bytes as u64))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => f.debug_tuple("Whole").field(bytes).finish(),
            Self::Answer(answer) => f.debug_tuple("Answer").field(answer).finish(),
            Self::Pieces(_) => f.write_str("Pieces"),
        }
    }
}
