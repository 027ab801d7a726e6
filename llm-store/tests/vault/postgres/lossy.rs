//! A network that loses answers: what was asked for has happened, and nobody hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How it loses.
#[derive(Default)]
pub(super) struct Loss {
    /// One of so many answers is lost, and its connection with it; none of none.
    pub(super) every: AtomicU64,
    pub(super) lost: AtomicU64,
    passed: AtomicU64,
}

/// A way to a server: its port.
pub(super) async fn way(to: String, loss: Arc<Loss>) -> u16 {
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = door.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = door.accept().await {
            let server = TcpStream::connect(&to).await.unwrap();
            tokio::spawn(pass(client, server, loss.clone()));
        }
    });
    port
}

async fn pass(client: TcpStream, server: TcpStream, loss: Arc<Loss>) {
    let (mut from, mut to) = client.into_split();
    let (mut answers, mut asks) = server.into_split();
    let up = async { tokio::io::copy(&mut from, &mut asks).await.map(drop) };
    let down = async {
        let mut chunk = vec![0; 1 << 16];
        loop {
            let size = answers.read(&mut chunk).await?;
            if size == 0 {
                return Ok(());
            }
            let passed = loss.passed.fetch_add(1, Ordering::SeqCst) + 1;
            let every = loss.every.load(Ordering::SeqCst);
            if every > 0 && passed.is_multiple_of(every) {
                loss.lost.fetch_add(1, Ordering::SeqCst);
                return Ok::<_, std::io::Error>(());
            }
            to.write_all(&chunk[..size]).await?;
        }
    };
    // Whichever ends, both are closed.
    let _ = tokio::select! { done = up => done, done = down => done };
}
