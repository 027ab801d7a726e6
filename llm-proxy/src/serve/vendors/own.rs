//! Keys of providers that come with a call, where that may be.
//!
//! `x-gw-provider-key: PROVIDER=KEY`, again or after a comma for another provider. The key is used for
//! this call and at that provider, and stands neither in a log nor in a cache.

use std::sync::Arc;

use http::HeaderMap;
use llm_core::Str;
use llm_core::call::OwnKeys;
use llm_core::error::{Error, Kind};
use llm_core::principal::Grant;
use llm_core::provider::Credential;
use llm_core::quota::OwnKeysUse;
use llm_core::secret::Secret;
use llm_providers::provider::is_key;

use crate::serve::house::House;

/// The header.
const NAME: &str = "x-gw-provider-key";
/// Providers that one call may bring keys for: as many as answer to one name, fallbacks included.
const KEYS_MAX: usize = 8;

/// The keys that came with a call.
pub(in crate::serve) fn read(
    house: &House,
    headers: &HeaderMap,
    grant: &Grant,
) -> Result<Option<Arc<OwnKeys>>, Error> {
    let now = house.board.config();
    let policy = grant.plan.own_keys.unwrap_or(now.config.server.own_keys);
    match (policy, headers.contains_key(NAME)) {
        (OwnKeysUse::Off | OwnKeysUse::Allowed, false) => return Ok(None),
        (OwnKeysUse::Off, true) => {
            return Err(forbidden("calls bring no keys of providers here: leave the header out"));
        }
        (OwnKeysUse::Required, false) => {
            return Err(forbidden("calls bring a key of their provider here: PROVIDER=KEY"));
        }
        (OwnKeysUse::Allowed | OwnKeysUse::Required, true) => {}
    }
    let mut keys: Vec<(Str, Arc<Credential>)> = Vec::new();
    for value in headers.get_all(NAME) {
        // What cannot be read is not repeated: it is a key.
        let text = value.to_str().map_err(|_| wrong("visible ASCII is expected"))?;
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let pair = pair.split_once('=').map(|(name, key)| (name.trim(), key.trim()));
            let (name, key) = pair
                .filter(|(_, key)| is_key(key))
                .ok_or_else(|| wrong("PROVIDER=KEY is expected, the provider by its name here"))?;
            if !now.config.providers.contains_key(name) {
                return Err(wrong("there is no provider of the name that stands before the ="));
            }
            if keys.iter().any(|(known, _)| &**known == name) || keys.len() == KEYS_MAX {
                return Err(wrong("one key for a provider, and 8 of them at the most"));
            }
            let key = Credential::own(Secret::new(key.to_owned()));
            keys.push((Str::from(name), Arc::new(key)));
        }
    }
    let only = policy == OwnKeysUse::Required;
    Ok(Some(Arc::new(OwnKeys { keys, only, charged: grant.plan.own_keys_charged })))
}

fn forbidden(text: &str) -> Error {
    Error::new(Kind::Forbidden, format!("{NAME}: {text}")).in_field(NAME)
}

fn wrong(text: &str) -> Error {
    Error::new(Kind::BadRequest, format!("header {NAME}: {text}")).in_field(NAME)
}
