//! Who asks, and so who pays.
//!
//! A [`Principal`] is who shows a key; a [`Grant`] is what that gives: the [`Level`]s from the key
//! up to its tenant, each with limits of its own, and the [`Payer`]s that follow from them.

mod grant;

use crate::Str;
use crate::ledger::Owner;

pub use grant::{Grant, Level, Payer, account_name};

/// The authenticated caller. Everything here was decided by us, nothing by the request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The virtual key's public id (never the key).
    pub key: KeyId,
    /// Whose data this is: the first component of every cache key and of every query.
    pub tenant: TenantId,
    /// The person or service the key belongs to.
    pub user: Option<UserId>,
    /// The team, when keys are grouped.
    pub team: Option<TeamId>,
    /// The part of the tenant.
    pub org: Option<OrgId>,
    /// Which models the key may use.
    pub scope: Scope,
}

impl Principal {
    /// The id of its owner of a kind.
    pub fn id(&self, owner: Owner) -> Option<&Str> {
        match owner {
            Owner::Key => Some(&self.key.0),
            Owner::User => self.user.as_ref().map(|id| &id.0),
            Owner::Team => self.team.as_ref().map(|id| &id.0),
            Owner::Org => self.org.as_ref().map(|id| &id.0),
            Owner::Tenant => Some(&self.tenant.0),
            // A purpose is the call's, and the operator is everybody's.
            Owner::Feature | Owner::Operator => None,
        }
    }
}

/// What a key may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Names and `prefix*` patterns; empty means none.
    pub models: Vec<Str>,
}

impl Scope {
    /// Everything that is configured.
    pub fn all() -> Self {
        Self { models: vec![Str::from_static("*")] }
    }

    /// Whether a model may be used. Checked at each attempt, so that no alias and no fallback
    /// tier leads to a model the key may not use.
    pub fn allows(&self, model: &str) -> bool {
        self.models.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => model.starts_with(prefix),
            None => *pattern == model,
        })
    }

    /// Whether everything that a name or pattern means may be used.
    pub fn covers(&self, pattern: &str) -> bool {
        self.models.iter().any(|outer| contains(outer, pattern))
    }

    /// What both allow: of each pair the narrower one, if one is. Of two patterns either one
    /// contains the other or they have nothing in common, so that this is exact; and no list grows
    /// beyond the sum of both.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let mut models: Vec<Str> = Vec::new();
        let inside = |from: &Self, other: &Self| -> Vec<Str> {
            from.models.iter().filter(|p| other.covers(p)).cloned().collect()
        };
        for pattern in inside(self, other).into_iter().chain(inside(other, self)) {
            if !models.contains(&pattern) {
                models.push(pattern);
            }
        }
        Self { models }
    }
}

/// Whether everything that `inner` means, `outer` means, too.
fn contains(outer: &str, inner: &str) -> bool {
    match outer.strip_suffix('*') {
        Some(prefix) => inner.strip_suffix('*').unwrap_or(inner).starts_with(prefix),
        None => outer == inner,
    }
}

/// Who waits when not all can be served; earlier ones first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A person waits and nothing else will do.
    Critical,
    /// Interactive work.
    #[default]
    Default,
    /// Work that may wait.
    Batch,
    /// Work that may be refused at any time.
    Sheddable,
}

impl Priority {
    /// Reads the word of the `x-gw-priority` header.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "critical" => Some(Self::Critical),
            "default" => Some(Self::Default),
            "batch" => Some(Self::Batch),
            "sheddable" => Some(Self::Sheddable),
            _ => None,
        }
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Str);

        impl From<&'static str> for $name {
            fn from(name: &'static str) -> Self {
                Self(Str::from_static(name))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

names! {
    /// A virtual key's public id.
    KeyId;
    /// Whose data it is.
    TenantId;
    /// A person or service.
    UserId;
    /// A group of keys.
    TeamId;
    /// A part of a tenant: several teams.
    OrgId;
    /// A purpose with a plan, a priority and a price tag: chat, boost, analysis …
    FeatureId;
}

#[cfg(test)]
mod tests;
