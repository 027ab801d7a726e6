//! Bytes over a socket as they are, and what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Whoever is answered later than this hangs.
const WITHIN: Duration = Duration::from_secs(5);

/// Who has sent half a request says by then that there is no more.
pub(super) const HALF: Duration = Duration::from_millis(250);
/// To whom has sent a whole one, that would mean that nobody waits for its answer.
pub(super) const WHOLE: Duration = Duration::from_secs(10);

/// What comes of a request.
#[derive(Debug)]
pub(super) enum Sent {
    Answered(Answer),
    Closed,
    Hung,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

/// Sends bytes and reads to the end.
pub(super) async fn send(to: SocketAddr, bytes: &[u8], pause: Duration) -> Sent {
    let Ok(stream) = TcpStream::connect(to).await else { return Sent::Closed };
    let (mut from, mut out) = stream.into_split();
    let mut read = Vec::new();
    let reading = async {
        // A connection that is reset has said what it had to say.
        let mut piece = vec![0; 16 << 10];
        while let Ok(n @ 1..) = from.read(&mut piece).await {
            read.extend_from_slice(&piece[..n]);
        }
    };
    let writing = async {
        // Who is refused in the middle of a body may not be able to send the rest.
        let sent = out.write_all(bytes).await.is_ok();
        tokio::time::sleep(pause).await;
        if sent {
            let _ = out.shutdown().await;
        }
        std::future::pending::<()>().await;
    };
    let both = async {
        tokio::select! {
            () = reading => {}
            () = writing => {}
        }
    };
    let ended = timeout(WITHIN, both).await.is_ok();
    match answer(&read) {
        Some(answer) => Sent::Answered(answer),
        None if !ended => Sent::Hung,
        None => Sent::Closed,
    }
}

fn answer(read: &[u8]) -> Option<Answer> {
    let at = read.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&read[..at]).to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = read[at + 4..].to_vec();
    let body = if head.contains("transfer-encoding: chunked") { whole(&body)? } else { body };
    Some(Answer { status, head, body })
}

/// A body that came in chunks.
fn whole(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let at = body.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&body[..at]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(body.get(at + 2..at + 2 + size)?);
        body = body.get(at + 4 + size..)?;
    }
}
