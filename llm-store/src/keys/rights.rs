//! What a key may do, and the order on it: *within* and *meet*.
//!
//! `a.within(&b)` is what an issuer is asked; `a.meet(&b)` is what is left when both must agree.
//! Both are exact on lists of model names and `prefix*` patterns: see [`Scope::meet`].

use llm_core::Str;
use llm_core::principal::Scope;
use llm_core::quota::Limit;

/// One thing that a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Ask models, and spend for it.
    Call,
    /// Read sums of what was used.
    ReadUsage,
    /// Read the request log.
    ReadCalls,
    /// Issue, change and revoke keys.
    ManageKeys,
    /// Change limits, grant credit.
    ManageMoney,
    /// Forget cached answers.
    ManageCache,
    /// Store and check provider keys.
    ManageProviders,
    /// Change how the gateway is set up.
    ManageSettings,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Call,
        Self::ReadUsage,
        Self::ReadCalls,
        Self::ManageKeys,
        Self::ManageMoney,
        Self::ManageCache,
        Self::ManageProviders,
        Self::ManageSettings,
    ];

    /// The word for it in stores and in admin calls.
    pub fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::ReadUsage => "read_usage",
            Self::ReadCalls => "read_calls",
            Self::ManageKeys => "manage_keys",
            Self::ManageMoney => "manage_money",
            Self::ManageCache => "manage_cache",
            Self::ManageProviders => "manage_providers",
            Self::ManageSettings => "manage_settings",
        }
    }

    /// Reads the word. An unknown one is nobody's right.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    fn administers(self) -> bool {
        match self {
            Self::Call | Self::ReadUsage | Self::ReadCalls => false,
            Self::ManageKeys
            | Self::ManageMoney
            | Self::ManageCache
            | Self::ManageProviders
            | Self::ManageSettings => true,
        }
    }
}

/// A set of actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Actions(u16);

impl Actions {
    /// None at all.
    pub const NONE: Self = Self(0);

    /// Everything.
    pub fn all() -> Self {
        Action::ALL.into_iter().collect()
    }

    /// Whether one is among them.
    pub fn has(self, action: Action) -> bool {
        self.0 & 1 << action as u16 != 0
    }

    /// Those that are in both.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// One by one.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.into_iter().filter(move |action| self.has(*action))
    }

    /// Whether a key of these is an administrator's: refused wherever models are asked, whatever
    /// else it may pass on to keys that it issues.
    pub fn administers(self) -> bool {
        self.iter().any(Action::administers)
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        Self(actions.into_iter().fold(0, |set, action| set | 1 << action as u16))
    }
}

/// What a key may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Which things.
    pub actions: Actions,
    /// With which models.
    pub models: Scope,
    /// How much of it: all of them hold at once, beside those of the plan.
    pub limits: Vec<Limit>,
}

/// What goes beyond the rights of somebody else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// An action.
    #[error("{} is not the issuer's to give", .0.name())]
    Action(Action),
    /// A model or pattern.
    #[error("the issuer may not use {0}")]
    Model(Str),
    /// A limit of the issuer's that is not kept.
    #[error("the issuer is limited to {0}")]
    Limit(Limit),
}

impl Rights {
    /// Everything, without limit.
    pub fn full() -> Self {
        Self { actions: Actions::all(), models: Scope::all(), limits: Vec::new() }
    }

    /// Whether nothing here goes beyond `other`. Each limit of `other` must be kept by one of the
    /// same kind and period: whether `10/minute` keeps `500/hour` depends on where windows begin.
    pub fn within(&self, other: &Self) -> Result<(), Excess> {
        if let Some(action) = self.actions.iter().find(|a| !other.actions.has(*a)) {
            return Err(Excess::Action(action));
        }
        if let Some(model) = self.models.models.iter().find(|p| !other.models.covers(p)) {
            return Err(Excess::Model(model.clone()));
        }
        let kept = |l: &Limit| self.limits.iter().any(|own| own.counts_as(l) && !exceeds(own, l));
        match other.limits.iter().find(|l| !kept(l)) {
            Some(limit) => Err(Excess::Limit(*limit)),
            None => Ok(()),
        }
    }

    /// What both allow.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        Self {
            actions: self.actions.meet(other.actions),
            models: self.models.meet(&other.models),
            limits: tightest(self.limits.iter().chain(&other.limits)),
        }
    }
}

/// Of limits on the same thing over the same time only the tightest.
fn tightest<'a>(limits: impl Iterator<Item = &'a Limit>) -> Vec<Limit> {
    let mut out: Vec<Limit> = Vec::new();
    for limit in limits {
        match out.iter_mut().find(|l| l.counts_as(limit)) {
            Some(known) => *known = known.lower(*limit),
            None => out.push(*limit),
        }
    }
    out
}

/// Whether `a` allows more than `b`, both being limits on the same thing.
pub(super) fn exceeds(a: &Limit, b: &Limit) -> bool {
    a.counts_as(b) && a.quantity > b.quantity
}

/// The first limit that allows more than one of the issuer's on the same thing.
pub(super) fn loosened(limits: &[Limit], issuer: &[Limit]) -> Option<Limit> {
    let beyond = |l: &&Limit| limits.iter().any(|own| own.counts_as(l) && exceeds(own, l));
    issuer.iter().find(beyond).copied()
}
