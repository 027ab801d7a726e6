//! A server that does exactly what it is told, byte by byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What to do with a request once its head and body have come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Do {
    /// Writes this and keeps the connection.
    Say(&'static [u8]),
    /// Writes this and closes it.
    SayAndClose(&'static [u8]),
    /// Writes this and resets it.
    SayAndReset(&'static [u8]),
    /// Writes this and says no more.
    SayAndHang(&'static [u8]),
}

/// A server.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    pub(crate) accepted: Arc<AtomicUsize>,
    /// Connections that their client has closed.
    pub(crate) closed: Arc<AtomicUsize>,
    /// Bytes of the last request.
    pub(crate) last: Arc<std::sync::Mutex<Vec<u8>>>,
}

impl Server {
    pub(crate) async fn start(what: Do) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            at: listener.local_addr().unwrap(),
            accepted: Arc::default(),
            closed: Arc::default(),
            last: Arc::default(),
        };
        let (accepted, closed, last) =
            (server.accepted.clone(), server.closed.clone(), server.last.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                let (closed, last) = (closed.clone(), last.clone());
                tokio::spawn(async move {
                    serve(socket, what, last).await;
                    closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    pub(crate) fn uri(&self, path: &str) -> http::Uri {
        format!("http://{}{path}", self.at).parse().unwrap()
    }
}

async fn serve(mut socket: TcpStream, what: Do, last: Arc<std::sync::Mutex<Vec<u8>>>) {
    while let Some(request) = request(&mut socket).await {
        *last.lock().unwrap() = request;
        match what {
            Do::Say(bytes) => socket.write_all(bytes).await.unwrap(),
            Do::SayAndClose(bytes) => {
                let _ = socket.write_all(bytes).await;
                let _ = socket.shutdown().await;
                return;
            }
            Do::SayAndReset(bytes) => {
                let _ = socket.write_all(bytes).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
                socket.set_zero_linger().unwrap();
                return;
            }
            Do::SayAndHang(bytes) => {
                let _ = socket.write_all(bytes).await;
                // Until the client has gone.
                let mut rest = [0u8; 64];
                while !matches!(socket.read(&mut rest).await, Ok(0) | Err(_)) {}
                return;
            }
        }
    }
}

/// Head and body of the next request; `None` when the client has closed.
async fn request(socket: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut all, mut piece) = (Vec::new(), [0u8; 4096]);
    loop {
        let read = socket.read(&mut piece).await.ok().filter(|n| *n > 0)?;
        all.extend_from_slice(&piece[..read]);
        let Some(end) = all.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&all[..end]).to_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
        if all.len() >= end + 4 + length.unwrap_or(0usize) {
            return Some(all);
        }
    }
}

/// A server of a thread of its own, which closes each of two connections a moment after it has
/// answered there, without having said that it would.
pub(crate) fn closing(after: Duration) -> (http::Uri, std::thread::JoinHandle<usize>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let server = std::thread::spawn(move || {
        let connections = listener.incoming().take(2);
        let served = connections.map(|socket| {
            let (mut socket, mut request) = (socket.unwrap(), [0; 4_096]);
            assert!(socket.read(&mut request).unwrap() > 0);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            socket.write_all(answer).unwrap();
            std::thread::sleep(after);
        });
        served.count()
    });
    (uri, server)
}
