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

use llm_core::seam::Transport;
use llm_providers::transport::{Connections, HyperTransport, ReqwestTransport};

fn hyper(connections: &Connections) -> Option<Arc<dyn Transport>> {
    Some(Arc::new(HyperTransport::new(connections).unwrap()))
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
async fn hyper_passes() {
    suite::run(hyper).await;
}

#[tokio::test]
async fn reqwest_passes() {
    suite::run(reqwest).await;
}

#[tokio::test]
async fn hyper_trusts_whom_it_should() {
    tls::run(hyper).await;
}

#[tokio::test]
async fn reqwest_trusts_whom_it_should() {
    tls::run(reqwest).await;
}
