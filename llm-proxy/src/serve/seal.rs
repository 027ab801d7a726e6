//! What secrets and bodies are sealed with in the store: lines of the configuration, or a file that
//! the first start makes in the folder of this process. Never in the store itself.

use std::sync::Arc;

use llm_core::secret::Secret;
use llm_providers::settings::Problem;
use llm_store::directory::Freshness;
use llm_store::seal::{Chest, Fresh, Keyring, Sealer};

use super::store::{NotOpened, at, make};
use crate::config::Config;
use crate::secrets;

/// The file, for processes that share their store with nobody: one line of base64 for each key
/// that is still known.
const FILE: &str = "seal-keys";

/// The sealer of this process.
pub(super) fn sealer(config: &Config) -> Result<Sealer, NotOpened> {
    let data = &config.store.data;
    let path = data.join(FILE);
    let text = match &config.store.seal_keys {
        Some(hidden) => hidden.secret.clone(),
        None => {
            make(data)?;
            let text = secrets::kept(&path, secrets::base64::<32>);
            Secret::new(text.map_err(|error| at(&path, error))?)
        }
    };
    let said = |why| match &config.store.seal_keys {
        Some(_) => {
            NotOpened::Problems(vec![Problem::new("store.seal_keys", format!("{why}"))].into())
        }
        None => at(&path, std::io::Error::other(format!("{why}"))),
    };
    let keyring = Keyring::parse(&text).map_err(said)?;
    Ok(Sealer::new(Arc::new(keyring)))
}

/// What bodies are kept in, under the same keys.
pub(super) fn chest(config: &Config) -> Result<Chest, NotOpened> {
    let fresh = freshness();
    Ok(Chest::new(sealer(config)?, move || fresh()))
}

/// Randomness for each sealing.
pub(super) fn freshness() -> Freshness {
    Arc::new(|| match secrets::random() {
        Ok(random) => Fresh::new(random),
        // A machine that has no randomness left can keep no secret: better no proxy than one that
        // seals under something that can be guessed.
        Err(error) => {
            tracing::error!(%error, "the system gives no random bytes");
            std::process::abort()
        }
    })
}
