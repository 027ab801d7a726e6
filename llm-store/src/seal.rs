//! Secrets at rest: provider keys as a store keeps them, and what models have said to somebody.
//!
//! The actors are the *sealing keys* (from a file or the environment, never in the store), a *data
//! key* for each secret (random, used once, kept wrapped under a sealing key), the *place* where the
//! sealed secret belongs, and the *envelope* that a store writes there. Changing the sealing key
//! wraps data keys anew and does not open one secret.
//!
//! ```text
//!  sealing key ──wraps──▶ data key ──seals──▶ secret
//!       │                    │                  │
//!       └ bound to: its name, the place         └ bound to: the place
//! ```
//!
//! Both layers are XChaCha20-Poly1305, whose nonces are long enough to be random. What they are
//! bound to makes an envelope of no use anywhere but at its own place: another row, another column,
//! an earlier secret of the same row. Whoever may write the store can destroy a secret, and cannot
//! have another one used in its stead.
//!
//! Deliberately absent: randomness ([`Fresh`] is an argument, so that tests can say it, and a
//! [`Chest`] is given what draws it), the store, and any word about a secret in an error.

mod chest;
mod envelope;
mod keyring;
mod place;

pub use chest::Chest;
pub use envelope::{SEALED_MAX, SECRET_MAX, SealError, Sealed};
pub use keyring::{KeyProvider, Keyring, NotKeyFile, SealKey, SealKeyId};
pub use place::Place;

pub(crate) use keyring::{key_file, key_lines};

use std::sync::Arc;

use llm_core::secret::Secret;

use envelope::{KEY_BYTES, NONCE_BYTES};

/// Random bytes of one sealing.
pub const FRESH_BYTES: usize = KEY_BYTES + 2 * NONCE_BYTES;

/// The randomness of one sealing: used once, since it is not to be had twice. It must come from
/// the system's own source and not from the `Entropy` seam, which may be seeded.
#[derive(Debug)]
pub struct Fresh(Secret<[u8; FRESH_BYTES]>);

impl Fresh {
    /// Random bytes.
    pub fn new(random: [u8; FRESH_BYTES]) -> Self {
        Self(Secret::new(random))
    }

    /// The bytes, for whoever makes a key of them instead.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    fn parts(&self) -> (Secret<[u8; KEY_BYTES]>, [u8; NONCE_BYTES], [u8; NONCE_BYTES]) {
        let mut rest = self.0.expose().as_slice();
        let (mut key, mut wrap, mut body) = ([0; KEY_BYTES], [0; NONCE_BYTES], [0; NONCE_BYTES]);
        for part in [key.as_mut_slice(), &mut wrap, &mut body] {
            let (head, tail) = rest.split_at(part.len());
            part.copy_from_slice(head);
            rest = tail;
        }
        let secret = Secret::new(key);
        zeroize::Zeroize::zeroize(&mut key);
        (secret, wrap, body)
    }
}

/// Seals and opens.
#[derive(Clone, Debug)]
pub struct Sealer {
    keys: Arc<dyn KeyProvider>,
}

impl Sealer {
    /// With the sealing keys there are.
    pub fn new(keys: Arc<dyn KeyProvider>) -> Self {
        Self { keys }
    }

    /// Seals a secret for one place.
    pub fn seal(
        &self,
        place: &Place<'_>,
        secret: &Secret<Vec<u8>>,
        fresh: Fresh,
    ) -> Result<Sealed, SealError> {
        let (data_key, wrap_nonce, body_nonce) = fresh.parts();
        let key = self.keys.current();
        let wrapped = envelope::wrap(key, place, &data_key, wrap_nonce)?;
        envelope::close(key.id(), wrapped, place, &data_key, body_nonce, secret)
    }

    /// Opens what was sealed for that place.
    pub fn open(&self, place: &Place<'_>, sealed: &Sealed) -> Result<Secret<Vec<u8>>, SealError> {
        let parts = sealed.parts()?;
        let data_key = envelope::unwrap(self.key(parts.key)?, place, &parts)?;
        envelope::open(place, &data_key, &parts)
    }

    /// The same secret under the current sealing key; `None` where it is already. The secret stays
    /// sealed: only its data key is taken out. Of the randomness only a nonce is used.
    pub fn rewrap(
        &self,
        place: &Place<'_>,
        sealed: &Sealed,
        fresh: Fresh,
    ) -> Result<Option<Sealed>, SealError> {
        let parts = sealed.parts()?;
        let current = self.keys.current();
        if parts.key == current.id() {
            return Ok(None);
        }
        let data_key = envelope::unwrap(self.key(parts.key)?, place, &parts)?;
        let (_, nonce, _) = fresh.parts();
        let wrapped = envelope::wrap(current, place, &data_key, nonce)?;
        Ok(Some(parts.rewrapped(current.id(), wrapped)))
    }

    fn key(&self, id: SealKeyId) -> Result<&SealKey, SealError> {
        self.keys.find(id).ok_or(SealError::UnknownKey(id))
    }
}

#[cfg(test)]
mod tests;
