//! Who may ask: keys of the configuration, and keys of the store.
//!
//! A key is looked up by its print, and what it gives is remembered for as long as the directory
//! says that it holds. Deliberately absent: permission. What a key may do is in its grant.

use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::HashMap;
use llm_core::Str;
use llm_core::error::{Error, Kind};
use llm_core::principal::Grant;
use llm_core::secret::Secret;
use llm_core::store::{KeyHash, Shown, StoreError};
use llm_store::directory::KnownKeys;
use llm_store::keys::{KeyPrint, Peppers};

use super::token::Tokens;
use crate::config::Config;

/// The keys there are.
#[derive(Debug)]
pub(crate) struct Keys {
    peppers: Peppers,
    fixed: ArcSwap<HashMap<KeyHash, Arc<Grant>>>,
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
        let fixed = ArcSwap::from_pointee(fixed.into_iter().collect());
        Self { peppers, fixed, known, tokens: None }
    }

    /// Tokens of an issuer beside them.
    pub(crate) fn believing(mut self, tokens: Option<Tokens>) -> Self {
        self.tokens = tokens;
        self
    }

    /// Who shows a token that makes an operator.
    pub(crate) async fn administers(&self, shown: &str) -> Option<Str> {
        self.tokens.as_ref()?.administers(shown).await
    }

    /// Other keys stand in the configuration from now on.
    pub(crate) fn configure(&self, config: &Config) {
        self.fixed.store(Arc::new(fixed(&self.peppers, config).collect()));
    }

    /// Keys of the configuration, by their names.
    pub(crate) fn fixed(&self) -> Vec<Arc<Grant>> {
        let mut fixed: Vec<_> = self.fixed.load().values().cloned().collect();
        fixed.sort_by(|a, b| a.principal.key.cmp(&b.principal.key));
        fixed
    }

    /// A key of the configuration, by its text or its name.
    pub(crate) fn fixed_as(&self, named: &str) -> Option<Arc<Grant>> {
        let fixed = self.fixed.load();
        let print = self.peppers.prints(named).find_map(|p| fixed.get(&p.hash));
        let named = || fixed.values().find(|grant| &*grant.principal.key.0 == named);
        print.or_else(named).cloned()
    }

    /// What a key gives.
    pub(crate) async fn grant(&self, key: &str) -> Result<Arc<Grant>, Error> {
        Ok(self.found(key).await?.1)
    }

    /// The same, and the print under which all of it is given again: for work that goes on when its
    /// request is over.
    pub(crate) async fn found(&self, key: &str) -> Result<(Option<KeyHash>, Arc<Grant>), Error> {
        if let Some(tokens) = &self.tokens
            && Tokens::is_token(key)
        {
            return Box::pin(tokens.found(key)).await;
        }
        for print in self.peppers.prints(key) {
            if let Some(grant) = self.of(&print.hash).await? {
                return Ok((Some(print.hash), grant));
            }
        }
        Err(stranger())
    }

    /// What the key of a print gives now.
    pub(crate) async fn grant_of(&self, print: &KeyHash) -> Result<Arc<Grant>, Error> {
        self.of(print).await?.ok_or_else(stranger)
    }

    async fn of(&self, print: &KeyHash) -> Result<Option<Arc<Grant>>, Error> {
        if let Some(grant) = self.fixed.load().get(print) {
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

/// What the keys of a configuration give, by their prints.
pub(crate) fn fixed<'c>(
    peppers: &'c Peppers,
    config: &'c Config,
) -> impl Iterator<Item = (KeyHash, Arc<Grant>)> + 'c {
    let zone = &config.server.time_zone.1;
    config.keys.iter().map(move |key| {
        let print = peppers.print(key.key.secret.expose());
        (print.hash, Arc::new(key.grant(zone)))
    })
}

/// The key of whoever runs the gateway, as a print: what was shown once is not kept.
#[derive(Debug)]
pub(crate) struct AdminKey {
    peppers: Peppers,
    print: ArcSwap<KeyPrint>,
}

impl AdminKey {
    /// The key with that print.
    pub(crate) fn new(peppers: Peppers, print: KeyPrint) -> Self {
        Self { peppers, print: ArcSwap::from_pointee(print) }
    }

    /// It is another one from now on.
    pub(crate) fn change(&self, key: &Secret<String>) {
        self.print.store(Arc::new(self.peppers.print(key.expose())));
    }

    /// Whether this is it, in a time that tells nothing.
    pub(crate) fn opens(&self, key: &str) -> bool {
        self.peppers.matches(&self.print.load(), key)
    }
}

fn stranger() -> Error {
    Error::new(Kind::Unauthenticated, "the API key is not known here")
}

/// Nobody could say: the caller's key may be right.
fn unavailable(error: StoreError) -> Error {
    Error::new(Kind::Busy, "the store of keys is not available").because(error)
}
