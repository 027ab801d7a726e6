//! Who asks, and so who pays.

use crate::Str;

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
    /// Which models the key may use.
    pub scope: Scope,
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
    /// A purpose with a plan, a priority and a price tag: chat, boost, analysis …
    FeatureId;
}
