//! A payment provider's webhook, that becomes a grant.

use jiff::Timestamp;
use llm_core::Str;
use llm_core::money::Credits;
use llm_core::principal::{TenantId, UserId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::sign::{NotVerified, Secrets, Shown};

/// Bytes of a body: who was paid what, and no more.
const BODY_MAX: usize = 16 * 1024;

/// Where payments of one tenant are told. The tenant is ours to say, not the message's: a secret of
/// one must not fill the wallets of another.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Whose users they are.
    pub tenant: TenantId,
    /// What the provider signs with.
    pub secrets: Secrets,
}

/// Somebody paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopUp {
    /// Whose data it is.
    pub tenant: TenantId,
    /// Who.
    pub user: UserId,
    /// The payment: the same one is granted once, however often and under whatever id it is told.
    pub event: Str,
    /// What was bought.
    pub credits: Credits,
    /// What came on top.
    pub bonus: Option<Credits>,
    /// When both end.
    pub expires_at: Option<Timestamp>,
}

/// Why a message is no top-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// It is not believed.
    #[error(transparent)]
    NotVerified(#[from] NotVerified),
    /// It is not what we read.
    #[error("a top-up is {{user, event_id, credits, bonus?, expires?}}")]
    Shape,
    /// What was bought is no decimal with six places at most.
    #[error("credits are a decimal with up to six places")]
    Credits,
    /// The end is no instant.
    #[error("an end is an instant such as 2026-12-31T23:59:59Z")]
    Expires,
}

/// Unknown fields are refused: a misspelt end would be credits without one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    user: String,
    event_id: String,
    #[serde(borrow)]
    credits: &'a RawValue,
    #[serde(borrow)]
    bonus: Option<&'a RawValue>,
    expires: Option<String>,
}

impl Incoming {
    /// Reads a message, once it is believed.
    pub fn read(
        &self,
        shown: Shown<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<TopUp, NotAccepted> {
        if body.len() > BODY_MAX {
            return Err(NotAccepted::Shape);
        }
        self.secrets.verify(shown, body, now)?;
        let wire: Wire<'_> = serde_json::from_slice(body).map_err(|_| NotAccepted::Shape)?;
        let expires_at = wire.expires.map(|text| text.parse()).transpose();
        Ok(TopUp {
            tenant: self.tenant.clone(),
            user: UserId(Str::from(wire.user)),
            event: Str::from(wire.event_id),
            credits: credits(wire.credits)?,
            bonus: wire.bonus.map(credits).transpose()?,
            expires_at: expires_at.map_err(|_| NotAccepted::Expires)?,
        })
    }
}

/// A number or a text, read as it is written: no float in between.
fn credits(value: &RawValue) -> Result<Credits, NotAccepted> {
    let text = value.get();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    bare.parse().map_err(|_| NotAccepted::Credits)
}

#[cfg(test)]
mod tests;
