//! Who may ask: keys of the configuration, and keys of the store.
//!
//! A key is looked up by its print, and what it gives is remembered for as long as the directory
//! says that it holds. Deliberately absent: permission. What a key may do is in its grant.

use std::collections::HashMap;
use std::sync::Arc;

use llm_core::error::{Error, Kind};
use llm_core::principal::Grant;
use llm_core::store::{Directory, KeyHash, StoreError};
use llm_store::keys::{KeyPrint, Peppers};

/// The keys there are.
#[derive(Debug)]
pub(crate) struct Keys {
    peppers: Peppers,
    fixed: HashMap<KeyHash, Arc<Grant>>,
    directory: Option<Arc<dyn Directory>>,
}

impl Keys {
    /// Keys of the configuration, and those of a store beside them.
    pub(crate) fn new(
        peppers: Peppers,
        fixed: impl IntoIterator<Item = (KeyHash, Arc<Grant>)>,
        directory: Option<Arc<dyn Directory>>,
    ) -> Self {
        Self { peppers, fixed: fixed.into_iter().collect(), directory }
    }

    /// What a key gives.
    pub(crate) async fn grant(&self, key: &str) -> Result<Arc<Grant>, Error> {
        for print in self.peppers.prints(key) {
            if let Some(grant) = self.fixed.get(&print.hash) {
                return Ok(Arc::clone(grant));
            }
            if let Some(directory) = &self.directory
                && let Some(grant) = directory.grant(&print.hash).await.map_err(unavailable)?
            {
                return Ok(grant);
            }
        }
        Err(Error::new(Kind::Unauthenticated, "the API key is not known here"))
    }
}

/// The key of whoever runs the gateway, as a print: what was shown once is not kept.
#[derive(Debug)]
pub(crate) struct AdminKey {
    peppers: Peppers,
    print: KeyPrint,
}

impl AdminKey {
    /// The key with that print.
    pub(crate) fn new(peppers: Peppers, print: KeyPrint) -> Self {
        Self { peppers, print }
    }

    /// Whether this is it, in a time that tells nothing.
    pub(crate) fn opens(&self, key: &str) -> bool {
        self.peppers.matches(&self.print, key)
    }
}

/// Nobody could say: the caller's key may be right.
fn unavailable(error: StoreError) -> Error {
    Error::new(Kind::Busy, "the store of keys is not available").because(error)
}
