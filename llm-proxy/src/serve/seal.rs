//! The chest that bodies are sealed in: its key is in the folder of this process, and not in the
//! store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use llm_core::secret::Secret;
use llm_store::seal::{Chest, FRESH_BYTES, Fresh, Keyring, Sealer};

use super::store::{NotOpened, at};
use crate::secrets;

/// Sealing keys, one line of base64 for each that is still known.
const SEAL: &str = "seal-keys";

/// Where they are written.
pub(crate) fn path(data: &Path) -> PathBuf {
    data.join(SEAL)
}

/// Opens the chest; at the first start its key is made.
pub(crate) fn chest(data: &Path) -> Result<Chest, NotOpened> {
    let path = path(data);
    let text = secrets::kept(&path, secrets::base64::<32>).map_err(|error| at(&path, error))?;
    let odd = |why: llm_store::seal::NotKeyFile| at(&path, std::io::Error::other(why.to_string()));
    let keys = Keyring::parse(&Secret::new(text)).map_err(odd)?;
    // Once, here: a system without randomness must say so before anything is sealed.
    fresh().map_err(|error| at(&path, error))?;
    let draw = || fresh().unwrap_or_else(|error| dry(&error));
    Ok(Chest::new(Sealer::new(Arc::new(keys)), draw))
}

fn fresh() -> std::io::Result<Fresh> {
    Ok(Fresh::new(secrets::random::<FRESH_BYTES>()?))
}

/// It had randomness when the process began. To seal without it would give every secret away.
fn dry(error: &std::io::Error) -> Fresh {
    tracing::error!(%error, "the system gives no random bytes");
    std::process::abort()
}
