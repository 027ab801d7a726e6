//! Keys that tokens are checked with. A key is good for one algorithm, which follows from what the
//! key is: a token's head chooses among keys, and never what is done with one.

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use llm_core::Str;
use serde::Deserialize;
use serde_json::Value;

use super::claims::Said;
use crate::config::edge::{Algorithm, Jwt};

/// Keys of an issuer: two while they are changed, and a few for each algorithm.
const KEYS_MAX: usize = 64;
/// Keys that a token without a key's name is tried with.
const TRIES_MAX: usize = 4;

/// Why tokens cannot be checked at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKeys {
    /// A key of the configuration is none.
    #[error("auth.jwt.keys.{0}: this is no public key of RSA, P-256 or Ed25519 in PEM")]
    Pem(usize),
    /// There is no way to where keys are published.
    #[error("auth.jwt.jwks: {0}")]
    Way(String),
}

/// Why a token was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unchecked {
    /// It is none, or wants something that nobody here does.
    Form,
    /// It is signed in a way that is not allowed.
    Algorithm,
    /// Nobody here knows the key; somebody who publishes keys might.
    UnknownKey,
    /// The signature is wrong, or what it signs is.
    Wrong,
}

/// A key, and the one thing that is done with it.
#[derive(Clone)]
struct Key {
    id: Option<Str>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Keys.
#[derive(Clone, Debug, Default)]
pub(super) struct KeySet(Vec<Key>);

impl KeySet {
    /// Those of the configuration.
    pub(super) fn configured(jwt: &Jwt) -> Result<Self, NotKeys> {
        let secret = jwt.secret.iter().map(|secret| Key {
            id: None,
            algorithm: Algorithm::Hs256,
            key: DecodingKey::from_secret(secret.secret.expose().as_bytes()),
        });
        let mut keys: Vec<Key> = secret.collect();
        for (n, pem) in jwt.keys.iter().enumerate() {
            let pem = pem.secret.expose().as_bytes();
            let rsa = DecodingKey::from_rsa_pem(pem).map(|key| (Algorithm::Rs256, key));
            let ec = || DecodingKey::from_ec_pem(pem).map(|key| (Algorithm::Es256, key));
            let ed = || DecodingKey::from_ed_pem(pem).map(|key| (Algorithm::EdDsa, key));
            let found = rsa.or_else(|_| ec()).or_else(|_| ed());
            let (algorithm, key) = found.map_err(|_| NotKeys::Pem(n))?;
            keys.push(Key { id: None, algorithm, key });
        }
        Ok(Self(keys))
    }

    /// These, and those that an issuer publishes. What nobody here can use is passed over; a
    /// secret among them is no secret.
    pub(super) fn with_published(&self, text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if set.keys.len() > KEYS_MAX {
            return Err(format!("more than {KEYS_MAX} keys"));
        }
        let mut all = self.clone();
        let published = set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
        all.0.extend(published.filter_map(|key: Jwk| usable(&key)));
        if all.0.len() == self.0.len() { Err("no key of use".to_owned()) } else { Ok(all) }
    }

    /// Checks a token's signature.
    pub(super) fn check(&self, token: &str, allowed: &[Algorithm]) -> Result<Said, Unchecked> {
        let head = decode_header(token).map_err(|_| Unchecked::Form)?;
        if head.crit.is_some() || head.enc.is_some() || head.zip.is_some() {
            return Err(Unchecked::Form);
        }
        let algorithm = ours(head.alg).filter(|a| allowed.contains(a));
        let algorithm = algorithm.ok_or(Unchecked::Algorithm)?;
        let named = head.kid.as_deref();
        let fits = |key: &&Key| {
            key.algorithm == algorithm
                && match (named, &key.id) {
                    (Some(named), Some(id)) => named == &**id,
                    // A key of the configuration has no name that anyone could say.
                    (_, None) | (None, Some(_)) => true,
                }
        };
        let mut why = Unchecked::UnknownKey;
        for key in self.0.iter().filter(fits).take(TRIES_MAX) {
            let mut validation = Validation::new(theirs(algorithm));
            // What the claims mean is read elsewhere, by our own clock.
            validation.validate_exp = false;
            validation.validate_aud = false;
            validation.required_spec_claims.clear();
            match decode::<Said>(token, &key.key, &validation) {
                Ok(read) => return Ok(read.claims),
                // A name that is known says that the key is here, and so that this is not its work.
                Err(_) if key.id.is_some() && named.is_some() => why = Unchecked::Wrong,
                Err(_) => {}
            }
        }
        Err(why)
    }
}

/// A published key that tokens can be checked with.
fn usable(jwk: &Jwk) -> Option<Key> {
    let (algorithm, word) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::Rs256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            (Algorithm::Es256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDsa, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let signs = !matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption));
    let same = jwk.common.key_algorithm.is_none_or(|said| said == word);
    let key = DecodingKey::from_jwk(jwk).ok().filter(|_| signs && same)?;
    let id = jwk.common.key_id.as_deref().map(Str::from);
    Some(Key { id, algorithm, key })
}

fn ours(theirs: jsonwebtoken::Algorithm) -> Option<Algorithm> {
    match theirs {
        jsonwebtoken::Algorithm::HS256 => Some(Algorithm::Hs256),
        jsonwebtoken::Algorithm::RS256 => Some(Algorithm::Rs256),
        jsonwebtoken::Algorithm::ES256 => Some(Algorithm::Es256),
        jsonwebtoken::Algorithm::EdDSA => Some(Algorithm::EdDsa),
        _ => None,
    }
}

fn theirs(ours: Algorithm) -> jsonwebtoken::Algorithm {
    match ours {
        Algorithm::Hs256 => jsonwebtoken::Algorithm::HS256,
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Key");
        shown.field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// What is shared while it is used.
pub(super) type Keys = Arc<KeySet>;
