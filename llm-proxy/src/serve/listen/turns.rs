//! A connection that waits for its turn to write.
//!
//! What is ready at once is made ready first, and then written together: a client that sleeps is woken
//! by the first write and finds the others, where each would else wake it again, which was up to half
//! of the system's time for a call. Only the first write after something was read waits: how a long
//! answer goes on is written as it comes, since it comes when it comes, and whoever waits is asked for
//! everything a second time.
//!
//! Over the encryption, which would take what is written and say that it is out. Known and left: of a
//! client that shuts its own half within that turn, the answer is no longer written.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use llm_providers::seam::Turn;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection, and whether it is its turn.
pub(super) struct InTurn<S> {
    inner: S,
    /// What it waits for; nothing where it may write, which is until it reads again.
    turn: Option<Turn>,
}

impl<S> InTurn<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, turn: Some(Turn::default()) }
    }

    /// Whether it may write now; if not, it will be asked again.
    fn has_turn(&mut self, cx: &mut Context<'_>) -> bool {
        if self.turn.as_mut().is_none_or(|turn| turn.poll(cx).is_ready()) {
            self.turn = None;
            return true;
        }
        false
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for InTurn<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, into);
        // Who asks something new waits for everybody else who does.
        if into.filled().len() > before {
            self.turn = Some(Turn::default());
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for InTurn<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.has_turn(cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.has_turn(cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S> fmt::Debug for InTurn<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InTurn").field("turn", &self.turn).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    type Diary = Arc<Mutex<String>>;

    /// Gives a byte whenever it is asked, notes each write, and takes three bytes of it.
    struct Noting(Diary);

    impl AsyncRead for Noting {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.0.lock().unwrap().push('r');
            into.put_slice(b"?");
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Noting {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.lock().unwrap().push('w');
            Poll::Ready(Ok(bytes.len().min(3)))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn both(work: impl AsyncFn(InTurn<Noting>)) -> String {
        let diary = Diary::default();
        let socket = || InTurn::new(Noting(Arc::clone(&diary)));
        tokio::join!(work(socket()), work(socket()));
        diary.lock().unwrap().clone()
    }

    #[tokio::test]
    async fn who_is_ready_at_once_is_ready_before_anybody_writes() {
        let told = both(async |mut socket| {
            for _ in 0..2 {
                socket.read_u8().await.unwrap();
                // Two writes: whoever has a turn uses it to the end.
                socket.write_all(b"abcdef").await.unwrap();
                socket.flush().await.unwrap();
            }
        });
        // The second round waits as the first did.
        assert_eq!(told.await, "rrwwrwwrwwww");
    }

    #[tokio::test]
    async fn what_goes_on_is_written_as_it_comes() {
        let told = both(async |mut socket| {
            socket.read_u8().await.unwrap();
            for _ in 0..2 {
                socket.write_all(b"abc").await.unwrap();
                socket.flush().await.unwrap();
            }
        });
        assert_eq!(told.await, "rrwwww");
    }
}
