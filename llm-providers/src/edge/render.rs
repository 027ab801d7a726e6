//! An answer in the caller's dialect: as it came where that is the same, translated where not.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::StreamExt;
use llm_core::Str;
use llm_core::answer::Answer;
use llm_core::dialect::{CallerDialect, Framing, RenderCx, StreamEncoder};
use llm_core::error::Error;
use llm_core::event::Event;
use llm_core::extra::Losses;
use llm_core::seam::Clock;

use super::events::{EventStream, answer, gather};
use crate::reply::{Reply, ReplyBody};
use crate::seam::Doze;

/// How an answer is to be written.
pub struct Render {
    /// In which dialect.
    pub caller: &'static dyn CallerDialect,
    /// What it must know.
    pub cx: RenderCx,
    /// Whether the caller wants a stream.
    pub stream: bool,
    /// Time, for signs of life in a silent stream.
    pub clock: Arc<dyn Clock>,
}

/// An answer, written.
#[derive(Debug)]
pub struct Rendered {
    /// Its type.
    pub content_type: Str,
    /// What the caller's dialect could not say; complete for whole answers only.
    pub losses: Losses,
    /// Its bytes.
    pub body: RenderedBody,
}

/// The bytes of a written answer. What goes wrong in it is said in it.
pub struct RenderedBody(Inner);

enum Inner {
    Whole(Option<Bytes>),
    Relayed(Box<Relayed>),
    Translated(Box<Translated>),
}

/// In memory what each piece passes by lies together.
#[repr(C)]
struct Relayed {
    body: ReplyBody,
    over: bool,
    broke: bool,
    quiet: Quiet,
    how: Render,
}

struct Translated {
    events: EventStream,
    encoder: Box<dyn StreamEncoder>,
    out: BytesMut,
    quiet: Quiet,
    over: bool,
    broke: bool,
}

/// Writes an answer. A whole answer that cannot be had is an error; a stream says it inside.
pub async fn render(mut reply: Reply, how: Render) -> Result<Rendered, Error> {
    let same = reply.head.dialect == how.caller.id();
    match (how.stream, reply.head.framing) {
        (false, None) if same => {
            let bytes = gather(&mut reply.body).await?;
            let content_type = reply.head.content_type.clone();
            let body = RenderedBody(Inner::Whole(Some(bytes)));
            Ok(Rendered { content_type, losses: Losses::default(), body })
        }
        (true, Some(framing)) if same && how.cx.framing.is_none_or(|f| f == framing) => {
            let (content_type, quiet) = (reply.head.content_type.clone(), Quiet::new(&how));
            let relayed = Relayed { body: reply.body, how, quiet, over: false, broke: false };
            let body = RenderedBody(Inner::Relayed(Box::new(relayed)));
            Ok(Rendered { content_type, losses: Losses::default(), body })
        }
        (true, _) => {
            let content_type = how.caller.stream_content_type(how.cx.framing).into();
            let encoder = how.caller.stream_encoder(&how.cx);
            let events = EventStream::new(reply)?;
            let (out, quiet) = (BytesMut::new(), Quiet::new(&how));
            let (over, broke) = (false, false);
            let translated = Translated { events, encoder, out, quiet, over, broke };
            let body = RenderedBody(Inner::Translated(Box::new(translated)));
            Ok(Rendered { content_type, losses: Losses::default(), body })
        }
        (false, _) => {
            // Boxed: what relays need not carry it.
            let answer: Answer = Box::pin(answer(reply)).await?;
            let written = how.caller.encode_answer(&answer, &how.cx);
            let body = RenderedBody(Inner::Whole(Some(written.body)));
            let (content_type, losses) = (written.content_type, written.losses);
            Ok(Rendered { content_type, losses, body })
        }
    }
}

impl Stream for RenderedBody {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let bytes = match &mut self.0 {
            Inner::Whole(bytes) => return Poll::Ready(bytes.take().map(Ok)),
            Inner::Relayed(relayed) => ready!(relayed.poll(cx)),
            Inner::Translated(translated) => ready!(translated.poll(cx)),
        };
        Poll::Ready(bytes.map(Ok))
    }
}

impl RenderedBody {
    /// How many bytes it has, where that is known.
    pub fn bytes(&self) -> Option<usize> {
        match &self.0 {
            Inner::Whole(bytes) => Some(bytes.as_ref().map_or(0, Bytes::len)),
            Inner::Relayed(_) | Inner::Translated(_) => None,
        }
    }
}

impl RenderedBody {
    /// Whether it says inside that the answer broke off: known once it has ended.
    pub fn broke(&self) -> bool {
        match &self.0 {
            Inner::Whole(_) => false,
            Inner::Relayed(relayed) => relayed.broke,
            Inner::Translated(translated) => translated.broke,
        }
    }
}

impl Relayed {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.over {
            return Poll::Ready(None);
        }
        match self.body.poll_next_unpin(cx) {
            Poll::Ready(Some(Ok(bytes))) => {
                self.quiet.spoke();
                Poll::Ready(Some(bytes))
            }
            Poll::Ready(Some(Err(error))) => {
                (self.over, self.broke) = (true, true);
                let mut encoder = self.how.caller.stream_encoder(&self.how.cx);
                let mut out = BytesMut::new();
                encoder.feed(&Event::Failure(error), &mut out);
                Poll::Ready(Some(out.freeze()))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => self.quiet.poll(cx).map(Some),
        }
    }
}

impl Translated {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            match self.events.poll_next_unpin(cx) {
                Poll::Ready(Some(event)) => {
                    self.broke |= matches!(event, Event::Failure(_));
                    self.encoder.feed(&event, &mut self.out);
                }
                Poll::Ready(None) => {
                    self.over = true;
                    let out = self.out.split().freeze();
                    return Poll::Ready((!out.is_empty()).then_some(out));
                }
                // Everything that is there goes out in one piece; nothing waits for more.
                Poll::Pending if !self.out.is_empty() => {
                    self.quiet.spoke();
                    return Poll::Ready(Some(self.out.split().freeze()));
                }
                Poll::Pending if self.over => return Poll::Ready(None),
                Poll::Pending => return self.quiet.poll(cx).map(Some),
            }
            if self.out.len() >= PIECE_BYTES {
                return Poll::Ready(Some(self.out.split().freeze()));
            }
        }
    }
}

/// What is written at once; more would only wait in memory.
const PIECE_BYTES: usize = 32 << 10;
/// Proxies on the way close what is silent for half a minute or a minute.
const QUIET_MAX: Duration = Duration::from_secs(15);
/// A comment, which every reader of server-sent events leaves out.
const STILL_THERE: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// Says now and then that a silent stream is alive, in framings that have a word for it. One sleep
/// serves many frames: it is not renewed with each of them, but goes on when it wakes too early.
struct Quiet {
    clock: Option<Arc<dyn Clock>>,
    since: Option<Instant>,
    sleep: Option<Doze>,
}

impl Quiet {
    fn new(how: &Render) -> Self {
        let framing = how.caller.stream_content_type(how.cx.framing);
        let sse = how.cx.framing.is_none_or(|f| f == Framing::Sse)
            && framing.starts_with("text/event-stream");
        let clock = (sse && how.stream).then(|| Arc::clone(&how.clock));
        Self { clock, since: None, sleep: None }
    }

    fn spoke(&mut self) {
        self.since = None;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let Some(clock) = &self.clock else { return Poll::Pending };
        loop {
            let now = clock.now();
            let until = *self.since.get_or_insert(now) + QUIET_MAX;
            if now >= until {
                self.since = None;
                self.sleep = None;
                return Poll::Ready(STILL_THERE);
            }
            let left = || until.saturating_duration_since(now);
            let sleep = self.sleep.get_or_insert_with(|| Doze::new(&**clock, now, left()));
            ready!(sleep.poll(now, cx));
            self.sleep = None;
        }
    }
}

impl fmt::Debug for RenderedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Inner::Whole(_) => "RenderedBody(whole)",
            Inner::Relayed(_) => "RenderedBody(relayed)",
            Inner::Translated(_) => "RenderedBody(translated)",
        })
    }
}

impl fmt::Debug for Render {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Render").field("caller", &self.caller).finish_non_exhaustive()
    }
}
