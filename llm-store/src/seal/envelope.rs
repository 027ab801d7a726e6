//! The bytes of a sealed secret.
//!
//! ```text
//!   4  "SEAL"
//!   1  version of the layout and its ciphers: 1
//!   8  name of the sealing key
//!  24  nonce of the wrapping
//!  48  wrapped data key: 32 bytes and their tag
//!  24  nonce of the sealing
//!   n  the secret, sealed
//!  16  its tag
//! ```
//!
//! The version stands in what both layers are bound to, so that no later, weaker or stronger layout
//! can be read as this one.

use std::fmt;

use bytes::Bytes;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use llm_core::secret::Secret;

use super::keyring::{SealKey, SealKeyId};
use super::place::Place;

pub(super) const KEY_BYTES: usize = 32;
pub(super) const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const WRAPPED_BYTES: usize = KEY_BYTES + TAG_BYTES;

const MAGIC: &[u8; 4] = b"SEAL";
const VERSION: u8 = 1;
const HEAD_BYTES: usize = MAGIC.len() + 1 + 8;
const FRAME_BYTES: usize = HEAD_BYTES + NONCE_BYTES + WRAPPED_BYTES + NONCE_BYTES + TAG_BYTES;

const WRAP_DOMAIN: &[u8] = b"llm-store seal 1: data key\0";
const BODY_DOMAIN: &[u8] = b"llm-store seal 1: secret\0";

/// The longest secret. A service account's file is a few KiB; an answer that is kept for whoever
/// asks again has a MiB.
pub const SECRET_MAX: usize = 1 << 20;
/// The longest envelope.
pub const SEALED_MAX: usize = FRAME_BYTES + SECRET_MAX;

/// A sealed secret, as a store keeps it. Shows its sealing key and its length.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Bytes);

/// Why a secret was not sealed or opened. None of these says anything about a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The bytes are no envelope: cut, or something else altogether.
    #[error("this is no sealed secret")]
    NotSealed,
    /// The envelope is of a layout that this program does not know, or knows no more.
    #[error("layout {0} of sealed secrets is not known")]
    UnknownVersion(u8),
    /// Nobody has its sealing key.
    #[error("sealing key {0} is not there: the key file is another one than it was sealed with")]
    UnknownKey(SealKeyId),
    /// The data key does not come out: the envelope was altered, or belongs to another place.
    #[error("the sealed secret was altered, or belongs to another place")]
    Foreign,
    /// The data key came out and the secret does not: the envelope was altered behind its head.
    #[error("the sealed secret was altered")]
    Altered,
    /// The secret is longer than [`SECRET_MAX`].
    #[error("a secret has {SECRET_MAX} bytes at the most")]
    TooLong,
}

impl Sealed {
    /// Reads what a store has kept. Whether it opens is seen when it is opened.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, SealError> {
        let sealed = Self(bytes);
        sealed.parts()?;
        Ok(sealed)
    }

    /// What a store keeps.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Under which sealing key: what is to be wrapped anew is found by it.
    pub fn key(&self) -> Result<SealKeyId, SealError> {
        Ok(self.parts()?.key)
    }

    pub(super) fn parts(&self) -> Result<Parts<'_>, SealError> {
        let bytes = &self.0[..];
        // The version first: a layout to come may be shorter than this one.
        let (magic, rest) = bytes.split_first_chunk().ok_or(SealError::NotSealed)?;
        let (version, rest) = rest.split_first().ok_or(SealError::NotSealed)?;
        if magic != MAGIC {
            return Err(SealError::NotSealed);
        }
        if *version != VERSION {
            return Err(SealError::UnknownVersion(*version));
        }
        if !(FRAME_BYTES..=SEALED_MAX).contains(&bytes.len()) {
            return Err(SealError::NotSealed);
        }
        let (key, rest) = rest.split_first_chunk().ok_or(SealError::NotSealed)?;
        let (wrap_nonce, rest) = rest.split_first_chunk().ok_or(SealError::NotSealed)?;
        let (wrapped, rest) = rest.split_first_chunk().ok_or(SealError::NotSealed)?;
        let (body_nonce, rest) = rest.split_first_chunk().ok_or(SealError::NotSealed)?;
        let (body, tag) = rest.split_last_chunk().ok_or(SealError::NotSealed)?;
        let key = SealKeyId(u64::from_be_bytes(*key));
        Ok(Parts { key, wrap_nonce, wrapped, body_nonce, body, tag })
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Sealed");
        if let Ok(parts) = self.parts() {
            out.field("key", &parts.key);
        }
        out.field("bytes", &self.0.len()).finish()
    }
}

pub(super) struct Parts<'a> {
    pub(super) key: SealKeyId,
    wrap_nonce: &'a [u8; NONCE_BYTES],
    wrapped: &'a [u8; WRAPPED_BYTES],
    body_nonce: &'a [u8; NONCE_BYTES],
    body: &'a [u8],
    tag: &'a [u8; TAG_BYTES],
}

impl Parts<'_> {
    pub(super) fn rewrapped(&self, key: SealKeyId, wrapped: Wrapped) -> Sealed {
        assemble(key, &wrapped, self.body_nonce, self.body, self.tag)
    }
}

/// A data key under a sealing key.
pub(super) struct Wrapped {
    nonce: [u8; NONCE_BYTES],
    bytes: [u8; WRAPPED_BYTES],
}

fn cipher(key: &Secret<[u8; KEY_BYTES]>) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.expose().into())
}

/// The sealing key's name is bound to what it wraps: no envelope is said to be under another.
fn wrap_place(key: SealKeyId, place: &Place<'_>) -> Vec<u8> {
    let mut out = place.bytes(WRAP_DOMAIN);
    out.extend_from_slice(&key.0.to_be_bytes());
    out
}

pub(super) fn wrap(
    key: &SealKey,
    place: &Place<'_>,
    data_key: &Secret<[u8; KEY_BYTES]>,
    nonce: [u8; NONCE_BYTES],
) -> Result<Wrapped, SealError> {
    let mut bytes = [0; WRAPPED_BYTES];
    let (plain, end) = bytes.split_at_mut(KEY_BYTES);
    plain.copy_from_slice(data_key.expose());
    let tag = cipher(key.secret())
        .encrypt_inout_detached(&XNonce::from(nonce), &wrap_place(key.id(), place), plain.into())
        .map_err(|_| SealError::TooLong)?;
    end.copy_from_slice(&tag);
    Ok(Wrapped { nonce, bytes })
}

pub(super) fn unwrap(
    key: &SealKey,
    place: &Place<'_>,
    parts: &Parts<'_>,
) -> Result<Secret<[u8; KEY_BYTES]>, SealError> {
    let (sealed, tag) = parts.wrapped.split_last_chunk::<TAG_BYTES>().ok_or(SealError::Foreign)?;
    let mut data_key = [0; KEY_BYTES];
    data_key.copy_from_slice(sealed);
    cipher(key.secret())
        .decrypt_inout_detached(
            &XNonce::from(*parts.wrap_nonce),
            &wrap_place(key.id(), place),
            data_key.as_mut_slice().into(),
            &Tag::from(*tag),
        )
        .map_err(|_| SealError::Foreign)?;
    let secret = Secret::new(data_key);
    zeroize::Zeroize::zeroize(&mut data_key);
    Ok(secret)
}

pub(super) fn close(
    key: SealKeyId,
    wrapped: Wrapped,
    place: &Place<'_>,
    data_key: &Secret<[u8; KEY_BYTES]>,
    nonce: [u8; NONCE_BYTES],
    secret: &Secret<Vec<u8>>,
) -> Result<Sealed, SealError> {
    if secret.expose().len() > SECRET_MAX {
        return Err(SealError::TooLong);
    }
    // The secret is written once, where it is sealed, so that no copy of it stays behind.
    let mut sealed = assemble_open(key, &wrapped, &nonce, secret.expose());
    let at = FRAME_BYTES - TAG_BYTES;
    let body = sealed.get_mut(at..).unwrap_or_default();
    let done = cipher(data_key).encrypt_inout_detached(
        &XNonce::from(nonce),
        &place.bytes(BODY_DOMAIN),
        body.into(),
    );
    let Ok(tag) = done else {
        zeroize::Zeroize::zeroize(&mut sealed);
        return Err(SealError::TooLong);
    };
    sealed.extend_from_slice(&tag);
    Ok(Sealed(sealed.into()))
}

pub(super) fn open(
    place: &Place<'_>,
    data_key: &Secret<[u8; KEY_BYTES]>,
    parts: &Parts<'_>,
) -> Result<Secret<Vec<u8>>, SealError> {
    // Decrypted in place: where the tag is wrong nothing was decrypted.
    let mut secret = parts.body.to_vec();
    cipher(data_key)
        .decrypt_inout_detached(
            &XNonce::from(*parts.body_nonce),
            &place.bytes(BODY_DOMAIN),
            secret.as_mut_slice().into(),
            &Tag::from(*parts.tag),
        )
        .map_err(|_| SealError::Altered)?;
    Ok(Secret::new(secret))
}

fn assemble(
    key: SealKeyId,
    wrapped: &Wrapped,
    nonce: &[u8; NONCE_BYTES],
    body: &[u8],
    tag: &[u8; TAG_BYTES],
) -> Sealed {
    let mut out = assemble_open(key, wrapped, nonce, body);
    out.extend_from_slice(tag);
    Sealed(out.into())
}

/// An envelope up to its tag. Its capacity is the whole: it never moves.
fn assemble_open(
    key: SealKeyId,
    wrapped: &Wrapped,
    nonce: &[u8; NONCE_BYTES],
    body: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(FRAME_BYTES + body.len());
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.extend_from_slice(&key.0.to_be_bytes());
    out.extend_from_slice(&wrapped.nonce);
    out.extend_from_slice(&wrapped.bytes);
    out.extend_from_slice(nonce);
    out.extend_from_slice(body);
    out
}
