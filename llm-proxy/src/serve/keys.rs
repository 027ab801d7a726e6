//! Who may ask: keys of the configuration, and keys of the store.
//!
//! A key is looked up by its print, and what it gives is remembered for as long as the directory
//! says that it holds. Deliberately absent: permission. What a key may do is in its grant.

use std::collections::HashMap;
use std::sync::Arc;

use llm_core::error::{Error, Kind};
use llm_core::principal::Grant;
use llm_core::store::{KeyHash, Shown, StoreError};
use llm_store::directory::KnownKeys;
use llm_store::keys::{KeyPrint, Peppers};

/// The keys there are.
#[derive(Debug)]
pub(crate) struct Keys {
    peppers: Peppers,
    fixed: HashMap<KeyHash, Arc<Grant>>,
    known: Option<Arc<KnownKeys>>,
}

impl Keys {
    /// Keys of the configuration, and those of a store beside them.
    pub(crate) fn new(
        peppers: Peppers,
        fixed: impl IntoIterator<Item = (KeyHash, Arc<Grant>)>,
        known: Option<Arc<KnownKeys>>,
    ) -> Self {
        Self { peppers, fixed: fixed.into_iter().collect(), known }
    }

    /// What a key gives.
    pub(crate) async fn grant(&self, key: &str) -> Result<Arc<Grant>, Error> {
        for print in self.peppers.prints(key) {
            if let Some(grant) = self.of(&print.hash).await? {
                return Ok(grant);
            }
        }
        Err(stranger())
    }

    /// The print under which a key is known here: for work that goes on when its request is over.
    pub(crate) async fn print(&self, key: &str) -> Result<KeyHash, Error> {
        for print in self.peppers.prints(key) {
            if self.of(&print.hash).await?.is_some() {
                return Ok(print.hash);
            }
        }
        Err(stranger())
    }

    /// What the key of a print gives now.
    pub(crate) async fn grant_of(&self, print: &KeyHash) -> Result<Arc<Grant>, Error> {
        self.of(print).await?.ok_or_else(stranger)
    }

    async fn of(&self, print: &KeyHash) -> Result<Option<Arc<Grant>>, Error> {
        if let Some(grant) = self.fixed.get(print) {
            return Ok(Some(Arc::clone(grant)));
        }
        let Some(known) = &self.known else { return Ok(None) };
        match known.grant(print).await.map_err(unavailable)? {
            Shown::Known { grant, .. } => Ok(Some(grant)),
            Shown::Barred => {
                let text = "this key may not ask models: it rests, or is for administration";
                Err(Error::new(Kind::Forbidden, text))
            }
            Shown::Unknown => Ok(None),
        }
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

fn stranger() -> Error {
    Error::new(Kind::Unauthenticated, "the API key is not known here")
}

/// Nobody could say: the caller's key may be right.
fn unavailable(error: StoreError) -> Error {
    Error::new(Kind::Busy, "the store of keys is not available").because(error)
}
