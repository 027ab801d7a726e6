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

use super::token::Tokens;

/// The keys there are.
#[derive(Debug)]
pub(crate) struct Keys {
    peppers: Peppers,
    fixed: HashMap<KeyHash, Arc<Grant>>,
    known: Option<Arc<KnownKeys>>,
    tokens: Option<Tokens>,
}

impl Keys {
    /// Keys of the configuration, and those of a store beside them.
    pub(crate) fn new(
        peppers: Peppers,
        fixed: impl IntoIterator<Item = (KeyHash, Arc<Grant>)>,
        known: Option<Arc<KnownKeys>>,
    ) -> Self {
        Self { peppers, fixed: fixed.into_iter().collect(), known, tokens: None }
    }

    /// Tokens of an issuer beside them.
    pub(crate) fn believing(mut self, tokens: Option<Tokens>) -> Self {
        self.tokens = tokens;
        self
    }

    /// Whether somebody shows a token that makes an operator.
    pub(crate) async fn administers(&self, shown: &str) -> bool {
        match &self.tokens {
            Some(tokens) => tokens.administers(shown).await,
            None => false,
        }
    }

    /// What a key gives.
    pub(crate) async fn grant(&self, key: &str) -> Result<Arc<Grant>, Error> {
        if let Some(tokens) = &self.tokens
            && Tokens::is_token(key)
        {
            return Box::pin(tokens.grant(key)).await;
        }
        for print in self.peppers.prints(key) {
            if let Some(grant) = self.fixed.get(&print.hash) {
                return Ok(Arc::clone(grant));
            }
            let Some(known) = &self.known else { continue };
            match known.grant(&print.hash).await.map_err(unavailable)? {
                Shown::Known { grant, .. } => return Ok(grant),
                Shown::Barred => {
                    let text = "this key may not ask models: it rests, or is for administration";
                    return Err(Error::new(Kind::Forbidden, text));
                }
                Shown::Unknown => {}
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
