//! What a proxy is told, checked and resolved: nothing here is a name of a variable or of a file
//! with a secret in it any more.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use llm_core::principal::Grant;
use llm_core::secret::Secret;
use llm_core::store::KeyHash;
use llm_providers::settings::Settings;
use llm_store::journal::Durability;
use llm_store::keys::Peppers;

use super::keys::AdminKey;

/// All of it.
#[derive(Debug)]
pub(crate) struct Given {
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Bytes of a request's body.
    pub(crate) bytes_max: u64,
    /// Where state is kept.
    pub(crate) store: StoreGiven,
    /// Who can be asked, and for what.
    pub(crate) settings: Settings,
    /// What prints of keys are made with.
    pub(crate) peppers: Peppers,
    /// Who may ask about everything.
    pub(crate) admin: AdminKey,
    /// Keys of the configuration.
    pub(crate) keys: Vec<(KeyHash, Arc<Grant>)>,
}

/// Where state is kept.
#[derive(Clone, Debug)]
pub(crate) struct StoreGiven {
    /// Which kind, and where.
    pub(crate) place: Place,
    /// This machine's folder: its journal is there, whatever the store.
    pub(crate) data: PathBuf,
    /// When something counts as written.
    pub(crate) durability: Durability,
}

/// A kind of store.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Nowhere: accounts are gone with the process.
    Memory,
    /// One file.
    Sqlite(PathBuf),
    /// A server that replicas share, by its address.
    Postgres(Secret<String>),
}
