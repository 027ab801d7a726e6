//! How a feature asks: which model, how much of it, and how often anybody may.

use std::sync::Arc;
use std::time::Duration;

use llm_core::Str;
use llm_core::ledger::Owner;
use llm_core::principal::{Grant, Level, Priority};
use llm_core::quota::{Limit, Zone};

/// What holds for the calls of one feature.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// Its name, as the log and the metrics have it.
    pub name: Str,
    /// The model it asks unless a request names another.
    pub model: Str,
    /// The longest answer in tokens; what a request wants beyond it is clamped.
    pub tokens_max: Option<u32>,
    /// What it says before everything else; `None` is the feature's own words.
    pub system: Option<Str>,
    /// How often one person may use it, beside what their key allows.
    pub limits: Vec<Limit>,
    /// The time zone of those limits.
    pub zone: Zone,
    /// Who waits when not all can be served.
    pub priority: Priority,
    /// How long a call may take; `None` is as long as the model's settings say.
    pub within: Option<Duration>,
}

impl Feature {
    /// A feature that asks this model, without any limit of its own.
    pub fn new(name: impl Into<Str>, model: impl Into<Str>) -> Self {
        Self {
            name: name.into(),
            model: model.into(),
            tokens_max: None,
            system: None,
            limits: Vec::new(),
            zone: Zone::UTC,
            priority: Priority::default(),
            within: None,
        }
    }

    /// So many tokens, or as many as there may be.
    pub fn tokens(&self, wanted: Option<u32>) -> Option<u32> {
        match (wanted, self.tokens_max) {
            (Some(wanted), Some(most)) => Some(wanted.min(most)),
            (wanted, most) => wanted.or(most),
        }
    }

    /// What somebody is given, with this feature's limits beside it: each person's own.
    pub fn granted(&self, grant: &Arc<Grant>) -> Arc<Grant> {
        if self.limits.is_empty() {
            return Arc::clone(grant);
        }
        let principal = &grant.principal;
        let person = principal.user.as_ref().map_or(&principal.key.0, |user| &user.0);
        let name = Str::from(format!("{}/{person}", self.name));
        let level = Level::new(Owner::Feature, name).limits(self.limits.iter().copied());
        Arc::new(grant.with(level, &self.zone))
    }
}
