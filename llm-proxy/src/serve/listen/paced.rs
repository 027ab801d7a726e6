//! A socket whose other end must go on reading, and that waits for its turn to write.
//!
//! While nothing can be written, time runs; when it is up, the connection has failed, and with it
//! goes the answer and all that its call was lent. A client that reads slowly and steadily is fine:
//! each byte that goes out starts the time anew.
//!
//! What is ready at once is made ready first, and then written together: a client that sleeps is woken
//! by the first write and finds the others, where each would else wake it again. Half of the system's
//! time for a call was that. Pieces of one answer that are there by then go out as one.

use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use llm_core::seam::{BoxFuture, Clock};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;

/// A socket with a time limit on what stands still.
pub(super) struct Paced<S> {
    inner: S,
    clock: Arc<dyn Clock>,
    patience: Duration,
    /// There only while nothing can be written.
    waiting: Option<BoxFuture<'static, ()>>,
    /// Whether it may write until all is out: everybody else who was ready has had a turn.
    turn: bool,
}

impl<S> Paced<S> {
    pub(super) fn new(inner: S, patience: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock, patience, waiting: None, turn: false }
    }

    /// Whether it may write now; if not, it will be asked again.
    fn has_turn(&mut self, cx: &mut Context<'_>) -> bool {
        std::mem::replace(&mut self.turn, true) || pin!(yield_now()).poll(cx).is_ready()
    }

    /// What a write has come to.
    fn paced<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let (clock, patience) = (&self.clock, self.patience);
        let waiting = self.waiting.get_or_insert_with(|| clock.sleep(patience));
        match waiting.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                let text = "the client does not read";
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.has_turn(cx) {
            return Poll::Pending;
        }
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.paced(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.has_turn(cx) {
            return Poll::Pending;
        }
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bytes);
        self.paced(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket keeps nothing back, so that this says nothing of what was written before: only
        // that all of it is out.
        self.turn = false;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S> fmt::Debug for Paced<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paced").field("patience", &self.patience).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    type Diary = Arc<Mutex<Vec<&'static str>>>;

    /// Notes each write, and takes three bytes of it.
    struct Noting(Diary);

    impl AsyncWrite for Noting {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.lock().unwrap().push("written");
            Poll::Ready(Ok(bytes.len().min(3)))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn socket(diary: &Diary) -> Paced<Noting> {
        let clock = Arc::new(llm_providers::seam::SystemClock);
        Paced::new(Noting(Arc::clone(diary)), Duration::from_secs(1), clock)
    }

    #[tokio::test]
    async fn who_is_ready_at_once_is_ready_before_anybody_writes() {
        let diary = Diary::default();
        let work = |mut socket: Paced<Noting>, diary: Diary| async move {
            for _ in 0..2 {
                diary.lock().unwrap().push("ready");
                // More than one write: whoever has a turn uses it to the end.
                socket.write_all(b"abcdef").await.unwrap();
                socket.flush().await.unwrap();
            }
        };
        let each = [0, 1].map(|_| tokio::spawn(work(socket(&diary), Arc::clone(&diary))));
        for one in each {
            one.await.unwrap();
        }
        let diary = diary.lock().unwrap();
        assert_eq!(diary[..4], ["ready", "ready", "written", "written"]);
        assert_eq!(diary.iter().filter(|word| **word == "written").count(), 8);
    }
}
