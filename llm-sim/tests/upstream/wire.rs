//! A client that sees everything: raw bytes over a raw socket.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// Longer than any test waits for bytes.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came.
#[derive(Debug, Default)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Body pieces as the chunks of HTTP had them.
    pub(crate) chunks: usize,
    /// Whether the body ended as HTTP wants it to.
    pub(crate) complete: bool,
    /// Whether the connection was reset.
    pub(crate) reset: bool,
    /// Until the head was there.
    pub(crate) head_after: Duration,
    /// Until all was there.
    pub(crate) total: Duration,
}

impl Got {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

pub(crate) async fn post(at: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> Got {
    exchange(at, &request("POST", path, headers, body), PATIENCE).await
}

pub(crate) async fn get(at: SocketAddr, path: &str) -> Got {
    exchange(at, &request("GET", path, &[], ""), PATIENCE).await
}

/// The same, for those who do not want to wait: what came until then.
pub(crate) async fn post_for(
    at: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
    patience: Duration,
) -> Got {
    exchange(at, &request("POST", path, headers, body), patience).await
}

/// Reads some bytes of the answer and closes.
pub(crate) async fn leave_after(
    at: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
    bytes: usize,
) {
    let mut socket = TcpStream::connect(at).await.unwrap();
    socket.write_all(request("POST", path, headers, body).as_bytes()).await.unwrap();
    let mut some = vec![0; bytes];
    socket.read_exact(&mut some).await.unwrap();
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut out = format!("{method} {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n");
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str(&format!(
        "content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    out
}

async fn exchange(at: SocketAddr, request: &str, patience: Duration) -> Got {
    let started = Instant::now();
    let mut socket = TcpStream::connect(at).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let (mut raw, mut got) = (Vec::new(), Got::default());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match timeout(patience.saturating_sub(started.elapsed()), socket.read(&mut buffer)).await {
            Err(_) | Ok(Ok(0)) => break,
            Ok(Ok(n)) => raw.extend(&buffer[..n]),
            Ok(Err(e)) => {
                got.reset = e.kind() == std::io::ErrorKind::ConnectionReset;
                break;
            }
        }
        if got.head_after.is_zero() && raw.windows(4).any(|w| w == b"\r\n\r\n") {
            got.head_after = started.elapsed();
        }
    }
    got.total = started.elapsed();
    read(&raw, &mut got);
    got
}

fn read(raw: &[u8], got: &mut Got) {
    let Some(end) = raw.windows(4).position(|w| w == b"\r\n\r\n") else { return };
    let head = String::from_utf8_lossy(&raw[..end]).into_owned();
    let mut lines = head.lines();
    got.status = lines.next().unwrap()[9..12].parse().unwrap();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        got.headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let body = &raw[end + 4..];
    if got.header("transfer-encoding") != Some("chunked") {
        let wanted: usize = got.header("content-length").map_or(0, |l| l.parse().unwrap());
        got.complete = body.len() == wanted;
        got.body = body.to_vec();
        return;
    }
    let mut rest = body;
    while let Some(line) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = std::str::from_utf8(&rest[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            got.complete = true;
            return;
        }
        let data = &rest[line + 2..];
        got.body.extend(&data[..size.min(data.len())]);
        got.chunks += 1;
        rest = data.get(size + 2..).unwrap_or_default();
    }
}
