//! A sealer that has the randomness it needs: what a store keeps bodies in.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use llm_core::Str;
use llm_core::secret::Secret;
use llm_core::store::StoreError;

use super::{Fresh, Place, SealError, Sealed, Sealer};

/// Seals what a store writes, and opens what it reads. Cheap to clone.
#[derive(Clone)]
pub struct Chest {
    sealer: Sealer,
    draw: Arc<dyn Fn() -> Fresh + Send + Sync>,
}

impl Chest {
    /// With a sealer, and the system's randomness.
    pub fn new(sealer: Sealer, draw: impl Fn() -> Fresh + Send + Sync + 'static) -> Self {
        Self { sealer, draw: Arc::new(draw) }
    }

    /// Seals a body for one place.
    pub fn close(&self, place: &Place<'_>, body: &[u8]) -> Result<Bytes, StoreError> {
        let secret = Secret::new(body.to_vec());
        let sealed = self.sealer.seal(place, &secret, (self.draw)()).map_err(understood)?;
        Ok(sealed.as_bytes().clone())
    }

    /// Opens what was sealed for that place.
    pub fn open(&self, place: &Place<'_>, sealed: Bytes) -> Result<Bytes, StoreError> {
        let sealed = Sealed::from_bytes(sealed).map_err(understood)?;
        let body = self.sealer.open(place, &sealed).map_err(understood)?;
        Ok(Bytes::copy_from_slice(body.expose()))
    }
}

/// What it means for a store. A key that is not here can be put back; what was altered cannot.
fn understood(error: SealError) -> StoreError {
    let text = Str::from(error.to_string());
    match error {
        SealError::UnknownKey(_) | SealError::UnknownVersion(_) => StoreError::Unavailable(text),
        SealError::TooLong => StoreError::Full(text),
        SealError::NotSealed | SealError::Foreign | SealError::Altered => StoreError::Corrupt(text),
    }
}

impl fmt::Debug for Chest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chest").field("sealer", &self.sealer).finish_non_exhaustive()
    }
}
