//! Signing what goes out and believing what comes in. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use llm_core::secret::Secret;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes that a secret has at least: fewer can be guessed.
pub const SECRET_MIN: usize = 24;
/// Secrets at once: the new one, the old one, and room for one that was forgotten.
pub const SECRETS_MAX: usize = 4;
/// How far the sender's clock may be from ours. Older messages may be somebody's recording.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
/// Signatures of one message that are looked at: its sender rotates secrets too.
const SIGNATURES_MAX: usize = 8;
/// Bytes of an id, which is signed and may be kept.
const ID_MAX: usize = 200;
const PREFIX: &str = "whsec_";
const VERSION: &str = "v1,";

/// The secrets of one endpoint. All of them sign; any of them is believed.
#[derive(Clone, Debug)]
pub struct Secrets(Vec<Secret<Vec<u8>>>);

/// A secret that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSecret {
    /// There is none at all.
    #[error("a webhook needs a secret")]
    None,
    /// There are too many.
    #[error("a webhook has up to {SECRETS_MAX} secrets")]
    Many,
    /// It is empty, or can be guessed.
    #[error("webhook secret {0} is shorter than {SECRET_MIN} bytes")]
    Short(usize),
    /// It begins as an encoded one, and is not.
    #[error("webhook secret {0} begins with whsec_ and is no base64")]
    Encoding(usize),
}

/// What a message shows beside its body: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Which event.
    pub id: &'a str,
    /// When it was sent, in seconds since 1970.
    pub timestamp: &'a str,
    /// Signatures, with a blank between them.
    pub signature: &'a str,
}

/// Why a message is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// The id is missing, too long, or could be read as part of something else.
    #[error("the webhook has no usable id")]
    Id,
    /// The instant is no number.
    #[error("the webhook has no usable timestamp")]
    Timestamp,
    /// It was sent too long ago, or by a clock that is ahead.
    #[error("the webhook's timestamp is more than five minutes from now")]
    Stale,
    /// None of its signatures was made with one of our secrets.
    #[error("no signature of the webhook fits")]
    Signature,
}

impl Secrets {
    /// Secrets as people write them: `whsec_` and base64, or any text that is long enough. They
    /// are counted from 1 in what is said of them.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, NotSecret> {
        let mut secrets = Vec::new();
        for (at, text) in texts.into_iter().enumerate() {
            let text = text.trim();
            let bytes = match text.strip_prefix(PREFIX) {
                Some(coded) => STANDARD.decode(coded).map_err(|_| NotSecret::Encoding(at + 1))?,
                None => text.as_bytes().to_vec(),
            };
            let secret = Secret::new(bytes);
            if secret.expose().len() < SECRET_MIN {
                return Err(NotSecret::Short(at + 1));
            }
            if secrets.len() == SECRETS_MAX {
                return Err(NotSecret::Many);
            }
            secrets.push(secret);
        }
        if secrets.is_empty() { Err(NotSecret::None) } else { Ok(Self(secrets)) }
    }

    /// The value of `webhook-signature`.
    pub fn sign(&self, id: &str, second: i64, body: &[u8]) -> String {
        let mut signed = String::new();
        for secret in &self.0 {
            let Some(mac) = mac(secret, id, second, body) else { continue };
            if !signed.is_empty() {
                signed.push(' ');
            }
            signed.push_str(VERSION);
            STANDARD.encode_string(mac.finalize().into_bytes(), &mut signed);
        }
        signed
    }

    /// Believes a message, or says why not. Compares in constant time.
    pub fn verify(&self, shown: Shown<'_>, body: &[u8], now: Timestamp) -> Result<(), NotVerified> {
        let Shown { id, timestamp, signature } = shown;
        // With a dot in the id, two messages could have the same signature.
        if id.is_empty() || id.len() > ID_MAX || id.contains(|c: char| c == '.' || c.is_control()) {
            return Err(NotVerified::Id);
        }
        let second: i64 = timestamp.parse().map_err(|_| NotVerified::Timestamp)?;
        let sent = Timestamp::from_second(second).map_err(|_| NotVerified::Timestamp)?;
        // `+5` and `05` are numbers too, and would be signed otherwise.
        if second.to_string() != timestamp {
            return Err(NotVerified::Timestamp);
        }
        if now.duration_since(sent).unsigned_abs() > TOLERANCE.unsigned_abs() {
            return Err(NotVerified::Stale);
        }
        for coded in signature.split(' ').take(SIGNATURES_MAX) {
            let Some(coded) = coded.strip_prefix(VERSION) else { continue };
            let Ok(tag) = STANDARD.decode(coded).map(Zeroizing::new) else { continue };
            for secret in &self.0 {
                let fits = mac(secret, id, second, body).map(|mac| mac.verify_slice(&tag).is_ok());
                if fits == Some(true) {
                    return Ok(());
                }
            }
        }
        Err(NotVerified::Signature)
    }
}

/// `None` for a key of no length that HMAC takes; it takes all.
fn mac(secret: &Secret<Vec<u8>>, id: &str, second: i64, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).ok()?;
    mac.update(id.as_bytes());
    mac.update(b".");
    mac.update(second.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
mod tests;
