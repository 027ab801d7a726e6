//! A request's body: its pieces as they are, none of them copied.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use llm_core::dialect::Chunks;

/// The body.
#[derive(Debug)]
pub(super) struct ChunkBody {
    chunks: smallvec::IntoIter<[Bytes; 5]>,
    left: u64,
}

impl ChunkBody {
    pub(super) fn new(chunks: Chunks) -> Self {
        let left = chunks.iter().map(|c| c.len() as u64).sum();
        Self { chunks: chunks.into_iter(), left }
    }
}

impl Body for ChunkBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.chunks.find(|c| !c.is_empty());
        if let Some(chunk) = &next {
            self.left = self.left.saturating_sub(chunk.len() as u64);
        }
        Poll::Ready(next.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        // Exact, so that the request has a length and no chunked framing.
        SizeHint::with_exact(self.left)
    }
}
