//! The way to a provider: a socket, or into this process for the simulated one.

use std::sync::Arc;

use llm_core::seam::Transport;
use llm_providers::transport::DirectTransport;
use llm_sim::{Options, SimTransport};

use crate::config::Provider;

/// Makes it; nothing is connected yet.
pub(crate) fn way(provider: &Provider) -> Result<Arc<dyn Transport>, String> {
    if provider.is_simulated() {
        return Ok(Arc::new(SimTransport::new(&Options::default())));
    }
    let way = DirectTransport::new(&provider.settings.connections).map_err(|e| e.to_string())?;
    Ok(Arc::new(way))
}
