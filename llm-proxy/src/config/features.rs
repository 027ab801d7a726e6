//! How the features of applications ask: models, bounds and limits, by the feature's name.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_app::feature::Feature;
use llm_core::Str;
use llm_core::principal::Priority;
use llm_core::quota::Limit;

use super::Config;

/// The features there are; another name in the file is a mistake.
pub(crate) const FEATURES: &[&str] = &[
    "chat",
    "titles",
    "boost",
    "judge",
    "compare",
    "analysis",
    "documents",
    "captions",
    "translation",
];

/// What a file says of one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) model: Option<Str>,
    pub(crate) tokens_max: Option<u32>,
    pub(crate) system: Option<Str>,
    /// None is its usual ones; an empty list is no limit.
    pub(crate) limits: Option<Vec<Limit>>,
    pub(crate) priority: Option<Priority>,
    pub(crate) within: Option<Duration>,
    /// When the first word of an answer should be there.
    pub(crate) first_token: Option<Duration>,
    /// How long what people say is kept.
    pub(crate) keep: Option<Duration>,
}

/// All of them, as far as anything is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Features {
    pub(crate) named: BTreeMap<Str, Said>,
    /// What is kept of people.
    pub(crate) privacy: Privacy,
}

/// What is kept of people, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Privacy {
    /// Whether nothing is kept of users who were not asked.
    pub(crate) consent_required: bool,
    /// How long lines of the request log are kept where no plan says; `None` is for ever.
    pub(crate) requests: Option<Duration>,
}

impl Default for Privacy {
    fn default() -> Self {
        Self { consent_required: false, requests: Some(REQUESTS) }
    }
}

/// A quarter: what somebody asks about, an invoice of last month included, is in it. The sums of
/// days stay for ever.
const REQUESTS: Duration = Duration::from_hours(90 * 24);

/// Models that answer, the first one that there is; any other may be one that only embeds.
const ASKED_FIRST: [&str; 6] = [
    "simulated",
    "gpt-4o-mini",
    "gemini-2.5-flash",
    "claude-haiku-4-5",
    "command-r7b-12-2024",
    "llama3.2",
];

impl Config {
    /// A model that answers, where nobody has said which one.
    pub(crate) fn usual_model(&self) -> Str {
        self.usual_of(&ASKED_FIRST)
    }

    /// The first of these models that there is, else any.
    pub(crate) fn usual_of(&self, names: &[&'static str]) -> Str {
        let known = names.iter().find(|name| self.models.contains_key(**name));
        let any = || self.models.keys().next().cloned();
        let none = || Str::from_static("simulated/simulated");
        known.map(|name| Str::from_static(name)).or_else(any).unwrap_or_else(none)
    }

    /// What a file says of a feature beside what all of them have.
    pub(crate) fn said_of(&self, name: &str) -> Said {
        self.features.named.get(name).cloned().unwrap_or_default()
    }

    /// A feature: as it was said, else as its own usual values, which are given here.
    pub(crate) fn feature(&self, usual: Feature) -> Feature {
        let zone = self.server.time_zone.1.clone();
        let Some(said) = self.features.named.get(&usual.name) else {
            return Feature { zone, ..usual };
        };
        Feature {
            model: said.model.clone().unwrap_or(usual.model),
            tokens_max: said.tokens_max.or(usual.tokens_max),
            system: said.system.clone().or(usual.system),
            limits: said.limits.clone().unwrap_or(usual.limits),
            priority: said.priority.unwrap_or(usual.priority),
            within: said.within.or(usual.within),
            name: usual.name,
            zone,
        }
    }
}
