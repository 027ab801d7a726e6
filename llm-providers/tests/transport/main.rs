//! What every way to an upstream must do, over real sockets: the same suite for both.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]

#[cfg(test)]
mod server;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tls;

use std::sync::Arc;
use std::time::Duration;

use llm_core::seam::Transport;
use llm_providers::transport::{Connections, DirectTransport, ReqwestTransport};

fn direct(connections: &Connections) -> Option<Arc<dyn Transport>> {
    Some(Arc::new(DirectTransport::new(connections).unwrap()))
}

fn direct_http2(connections: &Connections) -> Option<Arc<dyn Transport>> {
    direct(&Connections { http2: true, ..connections.clone() })
}

fn reqwest(connections: &Connections) -> Option<Arc<dyn Transport>> {
    match ReqwestTransport::new(connections) {
        Ok(transport) => Some(Arc::new(transport)),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

#[tokio::test]
async fn direct_passes() {
    suite::run(direct).await;
}

/// The runtime has no turn between the two calls, and so has not heard that the server hung up.
#[tokio::test]
async fn a_rested_connection_that_was_closed_is_not_used() {
    let transport = direct(&Connections::default()).unwrap();
    let (uri, server) = server::closing(Duration::from_millis(50));
    suite::answered(&transport, &uri).await;
    std::thread::sleep(Duration::from_millis(300));
    suite::answered(&transport, &uri).await;
    assert_eq!(server.join().unwrap(), 2, "each on a connection of its own");
}

#[tokio::test]
async fn direct_with_http2_passes() {
    suite::run(direct_http2).await;
}

#[tokio::test]
async fn reqwest_passes() {
    suite::run(reqwest).await;
}

#[tokio::test]
async fn direct_trusts_whom_it_should() {
    tls::run(direct).await;
}

#[tokio::test]
async fn direct_with_http2_trusts_whom_it_should() {
    tls::run(direct_http2).await;
}

#[tokio::test]
async fn reqwest_trusts_whom_it_should() {
    tls::run(reqwest).await;
}
