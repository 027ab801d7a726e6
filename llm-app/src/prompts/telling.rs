//! Work that tells of itself while it goes on: a future and what it says, as one stream.
//!
//! The work runs while the stream is read, and is over when the stream is dropped: nobody works on
//! for a client that has left. Deliberately absent: a task of its own.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::mpsc;

/// What is told and not yet heard; beyond it the work waits for whoever listens.
const ROOM: usize = 64;

/// What is heard of some work.
pub type Hearing<E> = BoxStream<'static, E>;

/// Tells whoever listens.
pub(super) struct Teller<E>(mpsc::Sender<E>);

impl<E> Clone for Teller<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E> Teller<E> {
    /// Tells it; when nobody listens any more, the work ends here and now, with the stream.
    pub(super) async fn tell(&self, event: E) {
        let _ = self.0.send(event).await;
    }
}

impl<E> fmt::Debug for Teller<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Teller")
    }
}

type Working = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The stream of what some work tells.
pub(super) fn telling<E, F>(work: impl FnOnce(Teller<E>) -> F) -> Hearing<E>
where
    E: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, heard) = mpsc::channel::<E>(ROOM);
    let work: Working = Box::pin(work(Teller(sender)));
    let begin = (Some(work), heard);
    let next = |(mut work, mut heard): (Option<Working>, mpsc::Receiver<E>)| async move {
        let event = poll_fn(|cx| {
            let over = work.as_mut().is_some_and(|running| running.as_mut().poll(cx).is_ready());
            if over {
                // What it held goes with it, its sender too, and then nothing more is heard.
                work = None;
            }
            heard.poll_recv(cx)
        });
        let event = event.await?;
        Some((event, (work, heard)))
    };
    stream::unfold(begin, next).boxed()
}
