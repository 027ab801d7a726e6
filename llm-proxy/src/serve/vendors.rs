//! Providers' keys while the proxy runs: those that operators store, those that calls bring, and what
//! providers say of any of them.
//!
//! The actors are the *stored* keys (sealed in the directory, opened here for the gateway alone), the
//! *watch* (looks every two seconds whether another replica has stored others), the *trial* of a key,
//! and the keys that come with calls. A provider's pool is what its configuration has and what is
//! stored beside it. Deliberately absent: any way to read a key; what is shown of one are its last
//! letters.

pub(crate) mod ollama;
pub(super) mod own;
pub(super) mod trial;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use llm_core::Str;
use llm_core::secret::Secret;
use llm_store::directory::{KeysStamp, NotDone, ProviderKey, ProviderKeys};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use self::trial::Verdict;
use super::house::House;
use super::office::Office;
use super::seal;
use super::store::NotOpened;
use crate::config::Config;

/// Between two looks at what other replicas have stored.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A shorter key is shown by none of its letters.
const SHOWN_BYTES_MIN: usize = 12;
/// So many of the last letters of a key are shown.
const SHOWN: usize = 4;

/// Stored keys by providers, opened. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Stored(Arc<BTreeMap<Str, Vec<StoredKey>>>);

/// One of them.
#[derive(Clone)]
pub(crate) struct StoredKey {
    /// What may be shown of it.
    pub(crate) about: ProviderKey,
    /// The key.
    pub(crate) secret: Secret<String>,
}

impl Stored {
    /// A provider's, by their names.
    pub(crate) fn of(&self, provider: &str) -> Vec<(Str, Secret<String>)> {
        let keys = self.keys(provider).iter();
        keys.map(|key| (key.about.name.clone(), key.secret.clone())).collect()
    }

    /// A provider's.
    pub(crate) fn keys(&self, provider: &str) -> &[StoredKey] {
        self.0.get(provider).map_or(&[], Vec::as_slice)
    }

    fn find(&self, about: &ProviderKey) -> Option<&StoredKey> {
        let same =
            |key: &&StoredKey| key.about.name == about.name && key.about.version == about.version;
        self.keys(&about.vendor).iter().find(same)
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stored({})", self.0.values().map(Vec::len).sum::<usize>())
    }
}

/// Providers' keys while the proxy runs.
#[derive(Debug)]
pub(crate) struct Vendors {
    keys: Option<ProviderKeys>,
    /// One look at a time: of two that overlap, the earlier one must not have the last word.
    looks: Semaphore,
    seen: Mutex<Option<KeysStamp>>,
    /// Keys that a provider did not accept when they were last tried, as many as there are keys.
    dead: Mutex<BTreeMap<(Str, Str), Verdict>>,
}

impl Vendors {
    /// Over a directory; without one no key can be stored.
    pub(super) fn open(config: &Config, office: Option<&Office>) -> Result<Self, NotOpened> {
        let keys = match office {
            Some(office) => {
                let directory = office.directory.clone();
                Some(ProviderKeys::new(directory, seal::sealer(config)?, seal::freshness()))
            }
            None => None,
        };
        let (seen, dead) = Default::default();
        Ok(Self { keys, looks: Semaphore::new(1), seen, dead })
    }

    /// Where keys are stored.
    pub(super) fn stored(&self) -> Option<&ProviderKeys> {
        self.keys.as_ref()
    }

    /// Has the gateway use what is stored by now.
    pub(super) async fn refresh(&self, house: &House) -> Result<(), NotDone> {
        let Some(keys) = &self.keys else { return Ok(()) };
        let Ok(_look) = self.looks.acquire().await else { return Ok(()) };
        let stamp = keys.stamp().await?;
        if *self.seen.lock() == Some(stamp) {
            return Ok(());
        }
        let stored = opened(keys, &house.board.stored()).await?;
        if let Err(problems) = house.board.take_keys(house, stored) {
            // Each was looked at before it was stored: somebody else has written there.
            tracing::error!(%problems, "stored keys of providers cannot be used");
        }
        *self.seen.lock() = Some(stamp);
        Ok(())
    }

    /// What a trial said of a key.
    pub(super) fn tried(&self, provider: &str, key: &str, verdict: Verdict) {
        let place = (Str::from(provider), Str::from(key));
        let mut dead = self.dead.lock();
        if verdict.is_dead() {
            dead.insert(place, verdict);
        } else {
            dead.remove(&place);
        }
    }

    /// Keys of pools that no provider accepts: `provider/key: why`.
    pub(super) fn dead(&self, house: &House) -> Vec<String> {
        let snapshot = house.gateway.snapshot();
        let now = house.clock.now();
        let mut dead = self.dead.lock();
        // Those that are gone are nobody's trouble.
        dead.retain(|(provider, key), _| {
            let vendor = snapshot.vendors.get(provider);
            vendor.is_some_and(|v| v.keys.states(now).iter().any(|state| state.id == *key))
        });
        dead.iter().map(|((p, key), verdict)| format!("{p}/{key}: {}", verdict.name())).collect()
    }
}

/// Goes on until it is dropped: keys that others store are used here soon after.
pub(super) async fn watch(house: Arc<House>) {
    let mut well = true;
    loop {
        house.clock.sleep(LOOK_EVERY).await;
        let looked = house.vendors.refresh(&house).await;
        if let Err(why) = &looked
            && well
        {
            tracing::warn!(%why, "it is not known which keys of providers are stored");
        }
        well = looked.is_ok();
    }
}

/// Opens all that can be opened; what is open already is not opened again.
async fn opened(keys: &ProviderKeys, known: &Stored) -> Result<Stored, NotDone> {
    let mut stored: BTreeMap<Str, Vec<StoredKey>> = BTreeMap::new();
    for about in keys.list().await? {
        let key = match known.find(&about) {
            Some(key) => StoredKey { about, secret: key.secret.clone() },
            None => match keys.open(about.vendor.clone(), about.name.clone()).await {
                Ok(secret) => {
                    let Ok(text) = String::from_utf8(secret.expose().clone()) else { continue };
                    StoredKey { about, secret: Secret::new(text) }
                }
                // Removed in between.
                Err(NotDone::Unknown { .. }) => continue,
                Err(why @ NotDone::Store(_)) => return Err(why),
                Err(why) => {
                    let (vendor, name) = (&about.vendor, &about.name);
                    tracing::error!(%why, %vendor, %name, "a stored key of a provider stays shut");
                    continue;
                }
            },
        };
        stored.entry(key.about.vendor.clone()).or_default().push(key);
    }
    Ok(Stored(Arc::new(stored)))
}

/// What is shown of a key.
pub(super) fn shown(key: &str) -> String {
    let cut = key.len().saturating_sub(SHOWN);
    match key.get(cut..).filter(|_| key.len() >= SHOWN_BYTES_MIN) {
        Some(last) => format!("…{last}"),
        None => "…".to_owned(),
    }
}
