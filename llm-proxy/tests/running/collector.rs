//! Whoever takes what others send: keeps each letter, and says that it is fine, or that it is not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Whatever is sent is there by then.
const WITHIN: Duration = Duration::from_secs(10);

/// A letter: its first line and headers, and its body.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    taken: Arc<Mutex<Vec<Letter>>>,
}

impl Collector {
    pub(crate) async fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&kept), status));
            }
        });
        Self { address, taken }
    }

    pub(crate) fn taken(&self) -> Vec<Letter> {
        self.taken.lock().unwrap().clone()
    }

    /// Waits until what was taken fits.
    pub(crate) async fn until(&self, fits: impl Fn(&[Letter]) -> bool) -> Vec<Letter> {
        let waiting = async {
            while !fits(&self.taken()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let came = tokio::time::timeout(WITHIN, waiting).await.is_ok();
        assert!(came, "it did not come: {:?}", self.taken());
        self.taken()
    }
}

async fn serve(mut stream: TcpStream, kept: Arc<Mutex<Vec<Letter>>>, status: u16) {
    let mut read = Vec::new();
    loop {
        let head = loop {
            if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8(read[..at].to_vec()).unwrap().to_lowercase();
                read.drain(..at + 4);
                break head;
            }
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let length =
            head.split("content-length: ").nth(1).map_or("0", |rest| rest.lines().next().unwrap());
        let length: usize = length.trim().parse().unwrap();
        while read.len() < length {
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let body = String::from_utf8(read.drain(..length).collect()).unwrap();
        kept.lock().unwrap().push(Letter { head, body });
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\n{{}}");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
