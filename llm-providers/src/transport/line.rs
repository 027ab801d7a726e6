//! One connection of HTTP/1.1: a request goes out, a head comes in.
//!
//! Written and read by the task that waits for the answer. With hyper's client a connection is a task
//! of its own, and a request to it two messages and two wakings, which together cost more than all
//! the bytes.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{Method, Uri};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use llm_core::dialect::Chunks;
use smallvec::SmallVec;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::dial::Wire;
use super::framing::{self, Head, Wrong};

/// What is read at once, to begin with; an answer that fills it is read in larger pieces.
const READ_MIN: usize = 8 << 10;
const READ_MAX: usize = 64 << 10;

thread_local! {
    /// Where little is read to at first.
    static ARRIVED: RefCell<[u8; READ_MIN]> = const { RefCell::new([0; READ_MIN]) };
}

/// A connection.
pub(super) struct Line {
    way: Way,
    /// What has come and was not taken yet.
    pub(super) buffer: BytesMut,
    /// How much is read next.
    read: usize,
}

enum Way {
    Open(TcpStream),
    Sealed(Box<TokioIo<Wire>>),
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nothing of the request was taken: to send it elsewhere is no repetition.
    Unsent(io::Error),
    Io(io::Error),
    Wrong(Wrong),
}

impl Line {
    pub(super) fn new(wire: Wire) -> Self {
        let way = match wire {
            MaybeHttpsStream::Http(tcp) => Way::Open(tcp.into_inner()),
            sealed @ MaybeHttpsStream::Https(_) => Way::Sealed(Box::new(TokioIo::new(sealed))),
        };
        Self { way, buffer: BytesMut::new(), read: READ_MIN }
    }

    /// Whether nothing has come that nobody asked for, the end included. `closely` asks the system
    /// itself: a runtime with much to do hears late of what has come.
    pub(super) fn is_quiet(&mut self, closely: bool) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let quiet = self.poll_read(&mut cx).is_pending() && self.buffer.is_empty();
        quiet && (!closely || self.has_nothing())
    }

    fn has_nothing(&self) -> bool {
        let tcp = match &self.way {
            Way::Open(tcp) => tcp,
            Way::Sealed(sealed) => match sealed.inner() {
                MaybeHttpsStream::Http(tcp) => tcp.inner(),
                MaybeHttpsStream::Https(tls) => tls.inner().get_ref().0.inner().inner(),
            },
        };
        let seen = SockRef::from(tcp).peek(&mut [MaybeUninit::uninit()]);
        seen.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Keeps nothing in memory that is not needed until the next call.
    pub(super) fn rest(&mut self) {
        (self.buffer, self.read) = (BytesMut::new(), READ_MIN);
    }

    /// Sends a request and reads the head of its answer. Who answers before all was sent gets no
    /// more of it; the line is then of no further use, as the head says.
    pub(super) async fn exchange(
        &mut self,
        request: &http::Request<Chunks>,
    ) -> Result<Head, Fault> {
        let mut sending = Sending::new(written(request), request.body());
        let mut failed = None;
        let mut head = poll_fn(|cx| {
            if failed.is_none()
                && let Poll::Ready(Err(error)) = sending.poll(&mut self.way, cx)
            {
                if sending.sent == 0 {
                    return Poll::Ready(Err(Fault::Unsent(error)));
                }
                // Whoever has hung up may have said why before.
                failed = Some(error);
            }
            loop {
                let head = match self.buffer.is_empty() {
                    true => None,
                    false => {
                        framing::head(&mut self.buffer, request.method()).map_err(Fault::Wrong)?
                    }
                };
                if let Some(head) = head {
                    return Poll::Ready(Ok(head));
                }
                let read = match ready!(self.poll_read(cx)) {
                    Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                    other => other,
                };
                if let Err(error) = read {
                    return Poll::Ready(Err(Fault::Io(failed.take().unwrap_or(error))));
                }
            }
        })
        .await?;
        head.keep &= sending.is_done();
        Ok(head)
    }

    /// Reads what has come; nothing is the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = match self.read {
            READ_MIN => ready!(self.poll_little(cx)),
            room => {
                self.buffer.reserve(room);
                match &mut self.way {
                    Way::Open(tcp) => ready!(pin!(tcp.read_buf(&mut self.buffer)).poll(cx)),
                    Way::Sealed(tls) => ready!(pin!(tls.read_buf(&mut self.buffer)).poll(cx)),
                }
            }
        }?;
        self.read = match read {
            all if all >= self.read => (self.read * 2).min(READ_MAX),
            // Whatever came at once has come: what follows comes as it is written.
            little if little < READ_MIN => READ_MIN,
            _ => self.read,
        };
        Poll::Ready(Ok(read))
    }

    /// By way of a place that all lines share, so that a line that waits has no room of its own, and
    /// a piece of a stream has as much as it needs. What is copied is little, and has just been read.
    fn poll_little(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Room for much, which nobody needs any more.
        if self.buffer.is_empty() && self.buffer.capacity() >= READ_MIN {
            self.buffer = BytesMut::new();
        }
        ARRIVED.with_borrow_mut(|room| {
            let mut room = ReadBuf::new(room);
            match &mut self.way {
                Way::Open(tcp) => ready!(Pin::new(tcp).poll_read(cx, &mut room)),
                Way::Sealed(tls) => ready!(Pin::new(tls).poll_read(cx, &mut room)),
            }?;
            self.buffer.extend_from_slice(room.filled());
            Poll::Ready(Ok(room.filled().len()))
        })
    }
}

/// The head of a request, as it is sent.
fn written(request: &http::Request<Chunks>) -> Bytes {
    const USUAL: usize = 512;
    let mut head = Vec::with_capacity(USUAL);
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    for piece in [request.method().as_str(), " ", target, " HTTP/1.1\r\n"] {
        head.extend_from_slice(piece.as_bytes());
    }
    let mut line = |name: &str, value: &[u8]| {
        for piece in [name.as_bytes(), b": ", value, b"\r\n"] {
            head.extend_from_slice(piece);
        }
    };
    if !request.headers().contains_key(HOST) {
        line(HOST.as_str(), host(request.uri()).as_bytes());
    }
    for (name, value) in request.headers() {
        // What is sent is said here, and by nobody else.
        if *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING {
            line(name.as_str(), value.as_bytes());
        }
    }
    let length: usize = request.body().iter().map(Bytes::len).sum();
    let bodiless = matches!(*request.method(), Method::GET | Method::HEAD | Method::DELETE);
    if length > 0 || !bodiless {
        let mut digits = [0; 20];
        let mut rest = &mut digits[..];
        // As many digits as a number of 64 bits may have.
        let _ = write!(rest, "{length}");
        let left = rest.len();
        line(CONTENT_LENGTH.as_str(), &digits[..digits.len() - left]);
    }
    head.extend_from_slice(b"\r\n");
    head.into()
}

/// Who is asked, without what may stand before an `@`: that is a secret.
fn host(uri: &Uri) -> &str {
    let whole = uri.authority().map_or("", |authority| authority.as_str());
    whole.rsplit_once('@').map_or(whole, |(_, host)| host)
}

/// A request on its way out.
struct Sending {
    pieces: SmallVec<[Bytes; 6]>,
    /// The piece under way, and how much of it is out.
    at: (usize, usize),
    sent: usize,
    flushed: bool,
}

impl Sending {
    fn new(head: Bytes, chunks: &Chunks) -> Self {
        let chunks = chunks.iter().filter(|piece| !piece.is_empty()).cloned();
        let mut pieces = SmallVec::new();
        pieces.push(head);
        pieces.extend(chunks);
        Self { pieces, at: (0, 0), sent: 0, flushed: false }
    }

    fn is_done(&self) -> bool {
        self.at.0 == self.pieces.len() && self.flushed
    }

    fn poll(&mut self, way: &mut Way, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match way {
            Way::Open(tcp) => self.poll_into(Pin::new(tcp), cx),
            Way::Sealed(tls) => self.poll_into(Pin::new(tls), cx),
        }
    }

    fn poll_into(
        &mut self,
        mut to: Pin<&mut impl AsyncWrite>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.at.0 < self.pieces.len() {
            let out = ready!(to.as_mut().poll_write_vectored(cx, &self.left()))?;
            if out == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.went(out);
        }
        if !self.flushed {
            ready!(to.poll_flush(cx))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn left(&self) -> SmallVec<[IoSlice<'_>; 6]> {
        let (first, mut skip) = self.at;
        let left = self.pieces.iter().skip(first);
        left.map(|piece| IoSlice::new(&piece[std::mem::take(&mut skip)..])).collect()
    }

    fn went(&mut self, mut out: usize) {
        self.sent += out;
        while let Some(piece) = self.pieces.get(self.at.0) {
            let left = piece.len() - self.at.1;
            if out < left {
                self.at.1 += out;
                return;
            }
            out -= left;
            self.at = (self.at.0 + 1, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn who_had_much_to_read_has_room_for_little_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        let mut line = Line::new(MaybeHttpsStream::Http(TokioIo::new(near)));
        let (sent, mut came) = (vec![b'x'; 4 * READ_MIN], 0);
        far.write_all(&sent).await.unwrap();
        let mut most = 0;
        while came < sent.len() {
            came += poll_fn(|cx| line.poll_read(cx)).await.unwrap();
            most = line.read.max(most);
        }
        assert!(most > READ_MIN, "it was read in small pieces: {most}");
        assert_eq!(line.buffer.split().freeze(), sent);
        for _ in 0..3 {
            far.write_all(b"word").await.unwrap();
            assert_eq!(poll_fn(|cx| line.poll_read(cx)).await.unwrap(), 4);
            assert_eq!(line.buffer.split().freeze(), "word");
        }
        assert_eq!(line.read, READ_MIN);
        assert!(line.buffer.capacity() < READ_MIN, "{}", line.buffer.capacity());
    }
}
