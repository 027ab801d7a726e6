//! Simulated providers on real sockets, and the kit that tests the gateway against them.
//!
//! The five vendors speak through the caller halves of the dialects, refuse what the real APIs
//! refuse, and answer from a deterministic [`model`]. What goes wrong is said by a [`script`];
//! what came is kept in a [`record`]. Two doors lead to the same rooms: [`Simulator`] listens on
//! TCP ports, [`SimTransport`] takes requests in process and knows no clock but tokio's.
//!
//! Reading order: [`upstream`], then [`model`], then [`script`].

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

pub mod model;
pub mod record;
pub mod script;
#[cfg(feature = "testkit")]
pub mod testkit;
mod transport;
pub mod upstream;

pub use transport::SimTransport;
use upstream::server::Server;
use upstream::{Dialects, Upstream, Vendor};

/// How the simulated providers are started.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The address to listen at.
    pub host: IpAddr,
    /// The first vendor's port, the others behind it; 0 lets the machine choose each.
    pub port_base: u16,
    /// Whether a prompt may ask for faults: `[[sim: {"status": 503}]]`. Off, because a prompt is
    /// not to be interpreted by anyone who did not ask for it.
    pub prompt_faults: bool,
    /// Where the caller halves of the dialects come from.
    pub dialects: Dialects,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port_base: 0,
            prompt_faults: false,
            dialects: llm_dialects::caller,
        }
    }
}

impl Options {
    pub(crate) fn upstream(&self, vendor: Vendor) -> Upstream {
        Upstream::new(vendor, self.dialects, self.prompt_faults)
    }
}

/// The simulated providers, listening.
#[derive(Debug)]
pub struct Simulator {
    servers: BTreeMap<Vendor, Server>,
}

/// A port that could not be had.
#[derive(Debug, thiserror::Error)]
#[error("{vendor}: cannot listen at {address}: {source}")]
pub struct StartError {
    /// Whose port.
    pub vendor: Vendor,
    /// Which.
    pub address: String,
    /// Why.
    pub source: io::Error,
}

impl Simulator {
    /// Starts all vendors, or none.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let mut servers = BTreeMap::new();
        for (n, vendor) in (0u16..).zip(Vendor::ALL) {
            let port = match options.port_base {
                0 => Some(0),
                base => base.checked_add(n),
            };
            let failed = |source| StartError {
                vendor,
                address: format!(
                    "{}:{}",
                    options.host,
                    u32::from(options.port_base) + u32::from(n)
                ),
                source,
            };
            let Some(port) = port else {
                return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "no such port")));
            };
            let upstream = Arc::new(options.upstream(vendor));
            let address = SocketAddr::new(options.host, port);
            servers.insert(vendor, Server::start(upstream, address).await.map_err(failed)?);
        }
        Ok(Self { servers })
    }

    /// The vendor's base URL: what clients append their paths to.
    pub fn base_url(&self, vendor: Vendor) -> String {
        let address = self.servers.get(&vendor).map(|s| s.address.to_string());
        format!("http://{}{}", address.unwrap_or_default(), vendor.base_path())
    }

    /// Where the vendor listens.
    pub fn address(&self, vendor: Vendor) -> Option<SocketAddr> {
        self.servers.get(&vendor).map(|s| s.address)
    }

    /// A vendor, to script it and to read what came.
    pub fn upstream(&self, vendor: Vendor) -> Option<&Arc<Upstream>> {
        self.servers.get(&vendor).map(|s| &s.upstream)
    }

    /// Stops listening and cuts what still runs.
    pub async fn shutdown(self) {
        for (_, server) in self.servers {
            server.stop().await;
        }
    }
}
