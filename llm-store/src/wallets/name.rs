//! Whose wallet it is.

use std::borrow::Cow;
use std::fmt;

use llm_core::Str;
use llm_core::principal::{TenantId, UserId};
use llm_core::store::StoreError;

use super::NotDone;
use crate::sql::row::odd;

/// Bytes of a name: longer ones are no names but contents.
pub const NAME_MAX: usize = 256;

/// A wallet. The tenant is part of it, so that nobody reaches somebody else's by forgetting an
/// argument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalletId {
    /// Whose data it is.
    pub tenant: TenantId,
    /// Whose credits they are.
    pub holder: Holder,
}

/// Who has a wallet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// Somebody who is known.
    User(UserId),
    /// Somebody who is not, by what they came with.
    Guest(Device),
}

/// What an application makes of a stranger's device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device(pub [u8; 32]);

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const USER: &str = "user";
const GUEST: &str = "guest";

impl WalletId {
    /// Somebody's who is known.
    pub fn user(tenant: impl Into<Str>, user: impl Into<Str>) -> Self {
        Self { tenant: TenantId(tenant.into()), holder: Holder::User(UserId(user.into())) }
    }

    pub(super) fn checked(&self) -> Result<(), NotDone> {
        let fits = may_be_name(&self.tenant.0)
            && match &self.holder {
                Holder::User(user) => may_be_name(&user.0),
                Holder::Guest(_) => true,
            };
        if fits { Ok(()) } else { Err(NotDone::Name) }
    }

    pub(super) fn kind(&self) -> &'static str {
        match &self.holder {
            Holder::User(_) => USER,
            Holder::Guest(_) => GUEST,
        }
    }

    pub(super) fn name(&self) -> Cow<'_, str> {
        match &self.holder {
            Holder::User(user) => Cow::Borrowed(&user.0),
            Holder::Guest(device) => Cow::Owned(device.to_string()),
        }
    }

    pub(super) fn of_columns(tenant: String, kind: &str, name: String) -> Result<Self, StoreError> {
        let holder = match kind {
            USER => Holder::User(UserId(name.into())),
            GUEST => Holder::Guest(Device(from_hex(&name).ok_or_else(|| odd("device"))?)),
            _ => return Err(odd("kind of wallet")),
        };
        Ok(Self { tenant: TenantId(tenant.into()), holder })
    }
}

/// Whether it may be a name or the id of something outside: whatever is stored as text.
pub(super) fn may_be_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_MAX && !text.contains(|c: char| c.is_control())
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}
