//! What stored keys are sealed with: lines of the configuration, or a file that the first start makes.

use std::sync::Arc;

use llm_core::secret::Secret;
use llm_store::directory::Freshness;
use llm_store::seal::{Fresh, Keyring, Sealer};

use crate::config::Config;
use crate::secrets;
use crate::serve::store::{NotOpened, at, make};

/// The file, for processes that share their store with nobody.
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
        Some(_) => NotOpened::Problems(
            vec![llm_providers::settings::Problem::new("store.seal_keys", format!("{why}"))].into(),
        ),
        None => at(&path, std::io::Error::other(format!("{why}"))),
    };
    let keyring = Keyring::parse(&text).map_err(said)?;
    Ok(Sealer::new(Arc::new(keyring)))
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
