//! The ways to providers: kept as long as a provider is reached in the same way, so that another
//! configuration does not close one connection.

use std::collections::HashMap;
use std::sync::Arc;

use llm_core::Str;
use llm_core::seam::Transport;
use llm_providers::transport::Connections;
use parking_lot::Mutex;

use crate::config::{Config, Provider};
use crate::way::way;

/// By the names of providers. As many as the configuration has, see [`Paths::keep`].
#[derive(Default)]
pub(super) struct Paths(Mutex<HashMap<Str, Path>>);

struct Path {
    simulated: bool,
    connections: Connections,
    transport: Arc<dyn Transport>,
}

impl Paths {
    /// The way to a provider, a new one where there is none yet.
    pub(super) fn to(&self, provider: &Provider) -> Result<Arc<dyn Transport>, String> {
        let settings = &provider.settings;
        let simulated = provider.is_simulated();
        if let Some(path) = self.0.lock().get(&settings.name)
            && path.simulated == simulated
            && path.connections == settings.connections
        {
            return Ok(Arc::clone(&path.transport));
        }
        let transport = way(provider)?;
        let connections = settings.connections.clone();
        let path = Path { simulated, connections, transport: Arc::clone(&transport) };
        self.0.lock().insert(settings.name.clone(), path);
        Ok(transport)
    }

    /// Forgets those to providers that are gone.
    pub(super) fn keep(&self, config: &Config) {
        self.0.lock().retain(|name, _| config.providers.contains_key(name));
    }
}
