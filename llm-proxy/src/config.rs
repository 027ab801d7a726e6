//! What the proxy is told: files, environment and command line, made into one checked whole.
//!
//! A file becomes a [`tree`] that knows where each value stands; a [`reading`] of it collects every
//! [`problem`] with its line; [`resolve`] adds the environment and the command line, and
//! [`settings`] makes of the result what the gateway takes. [`litellm`] turns a LiteLLM file into a
//! tree of ours first. [`diff`] and [`explain`] look at the result.
//!
//! Pure but for [`reference::Surroundings`], through which files and variables are read.
//! Deliberately absent: sockets, stores, and anything that changes while calls run.

pub(crate) mod credits;
pub(crate) mod diff;
pub(crate) mod edge;
pub(crate) mod explain;
pub(crate) mod features;
mod file;
mod inbound;
pub(crate) mod lint;
pub(crate) mod litellm;
mod nearest;
pub(crate) mod problem;
mod reading;
pub(crate) mod reference;
pub(crate) mod resolve;
pub(crate) mod settings;
mod show;
pub(crate) mod telemetry;
pub(crate) mod tree;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use llm_core::Str;
use llm_core::money::Listed;
use llm_core::principal::{Grant, KeyId, Principal, Scope, TeamId, TenantId, UserId};
use llm_core::quota::{Limit, OwnKeysUse, Plan, Zone};
use llm_providers::provider::ProviderSettings;
use llm_providers::settings::ModelSettings;
use llm_providers::stage::admit::OwnerRules;
use llm_providers::stage::admit::fair::Bounds;
use llm_providers::stage::inspect::ContentRules;

use credits::{CreditRules, Hook};
pub(crate) use inbound::{Auth, Inbound, Passthrough};

use reference::Hidden;

pub(crate) use show::Hash;

/// Everything the proxy is told.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where and how it listens.
    pub(crate) server: Server,
    /// Where it keeps things.
    pub(crate) store: Store,
    /// Who can be asked, by name.
    pub(crate) providers: BTreeMap<Str, Provider>,
    /// What callers may ask for, by name.
    pub(crate) models: BTreeMap<Str, ModelSettings>,
    /// Prices over the built-in table, by `provider/model`.
    pub(crate) prices: BTreeMap<Str, Priced>,
    /// What is sold, by name.
    pub(crate) plans: BTreeMap<Str, Arc<Plan>>,
    /// Keys that stand in the configuration.
    pub(crate) keys: Vec<FixedKey>,
    /// Limits by kind of owner.
    pub(crate) limits: OwnerRules,
    /// What may be said to any model.
    pub(crate) content: ContentRules,
    /// What credits buy.
    pub(crate) credits: CreditRules,
    /// Who hears of what happens, by name.
    pub(crate) webhooks: BTreeMap<Str, Hook>,
    /// Deposits, and APIs that calls are passed through to.
    pub(crate) inbound: Inbound,
    /// How the features of applications ask.
    pub(crate) features: features::Features,
    /// Whose tokens are believed.
    pub(crate) jwt: Option<edge::Jwt>,
    /// Who is told of calls and errors beside the log.
    pub(crate) telemetry: telemetry::Telemetry,
}

/// Where and how the proxy listens.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// For callers.
    pub(crate) listen: SocketAddr,
    /// For whoever reads metrics; with the callers unless said.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// The administrator's key; made at the first start unless said.
    pub(crate) admin_key: Option<Hidden>,
    /// The zone of calendar windows, and its name.
    pub(crate) time_zone: (Str, Zone),
    /// For how long running calls may go on after the word to stop.
    pub(crate) drain: Duration,
    /// Bytes of a question, at the most.
    pub(crate) body_max: u64,
    /// Calls at once, at the most.
    pub(crate) calls_max: u32,
    /// Calls that may wait for a place.
    pub(crate) waiting_max: usize,
    /// For how long one may wait.
    pub(crate) wait_max: Duration,
    /// Bytes of answers that are kept in memory.
    pub(crate) cache_max: u64,
    /// Whether calls may bring keys of providers along, where a plan does not say.
    pub(crate) own_keys: OwnKeysUse,
    /// What is logged, and how.
    pub(crate) log: telemetry::Log,
    /// How it meets the network.
    pub(crate) edge: edge::Edge,
}

impl Default for Server {
    fn default() -> Self {
        let usual = Bounds::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4_000)),
            metrics_listen: None,
            admin_key: None,
            time_zone: (Str::from_static("UTC"), Zone::UTC),
            drain: Duration::from_secs(30),
            body_max: 32 << 20,
            calls_max: usual.slots,
            waiting_max: usual.waiting_max,
            wait_max: Duration::from_secs(30),
            cache_max: 64 << 20,
            own_keys: OwnKeysUse::Off,
            log: telemetry::Log::default(),
            edge: edge::Edge::default(),
        }
    }
}

/// Where the proxy keeps things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Store {
    /// Accounts, keys and logs.
    pub(crate) place: StorePlace,
    /// What replicas share.
    pub(crate) redis: Option<Hidden>,
    /// How many processes share it: each lets in its part of a limit when Redis does not answer.
    pub(crate) replicas: NonZeroU32,
    /// When a write counts as kept.
    pub(crate) durability: Durability,
    /// Where files go that are this process's own: its journal, its seals.
    pub(crate) data: PathBuf,
    /// What provider keys in the store are sealed with; made in the folder above unless said.
    pub(crate) seal_keys: Option<Hidden>,
}

/// Which store it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StorePlace {
    /// None that lasts.
    Memory,
    /// A file.
    Sqlite(PathBuf),
    /// A database at an address, which may hold a password.
    Postgres(Hidden),
}

/// When a write counts as kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Durability {
    /// When it outlasts the process.
    #[default]
    Process,
    /// When it outlasts the machine's power.
    Power,
}

/// Who can be asked.
#[derive(Clone)]
pub(crate) struct Provider {
    /// The word for what it is, `simulated` included.
    pub(crate) kind: Str,
    /// What the gateway is told of it.
    pub(crate) settings: ProviderSettings,
    /// Its keys with the words for them, in their order.
    pub(crate) keys: Vec<Hidden>,
    /// Those of its headers that are secrets.
    pub(crate) headers: BTreeMap<Str, Hidden>,
    /// Whether its keys are tried when the proxy starts.
    pub(crate) validate: bool,
}

impl Provider {
    /// One of which nothing more is said.
    pub(crate) fn new(kind: impl Into<Str>, settings: ProviderSettings) -> Self {
        let (keys, headers) = Default::default();
        Self { kind: kind.into(), settings, keys, headers, validate: false }
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the settings: their headers may hold keys.
        let mut shown = f.debug_struct("Provider");
        shown.field("kind", &self.kind).field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// The kind of provider that is built in and answers without a key.
pub(crate) const SIMULATED: &str = "simulated";

impl Provider {
    /// Whether it is built in, and reached without a socket.
    pub(crate) fn is_simulated(&self) -> bool {
        self.kind == SIMULATED
    }
}

impl Config {
    /// Targets whose prices nobody knows, and that are taken for free.
    pub(crate) fn unpriced(&self) -> impl Iterator<Item = &Str> {
        self.prices.iter().filter(|(_, priced)| priced.assumed).map(|(target, _)| target)
    }

    /// The address of the Ollama that everything is asked of, where there is nobody else.
    pub(crate) fn local_ollama(&self) -> Option<&str> {
        let mut providers = self.providers.values();
        let only = providers.next().filter(|provider| &*provider.kind == "ollama")?;
        providers.next().is_none().then_some(only.settings.base_url.as_deref()).flatten()
    }
}

/// A price over the built-in table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Priced {
    /// The rates that were written.
    pub(crate) listed: Listed,
    /// Whose price it is, `kind/model` of the built-in table, where none were.
    pub(crate) same_as: Option<Str>,
    /// Nobody knows it, and it is taken for nothing.
    pub(crate) assumed: bool,
}

/// A key that stands in the configuration.
#[derive(Clone, Debug)]
pub(crate) struct FixedKey {
    /// Its name, and its public id.
    pub(crate) name: Str,
    /// The key.
    pub(crate) key: Hidden,
    /// What it was sold.
    pub(crate) plan: Option<Arc<Plan>>,
    /// Limits of its own beside the plan's.
    pub(crate) limits: Vec<Limit>,
    /// Which of the plan's models it may use.
    pub(crate) models: Scope,
    /// Whose it is.
    pub(crate) user: Option<Str>,
    /// The team it belongs to.
    pub(crate) team: Option<Str>,
    /// Whether it was said that nothing limits it.
    pub(crate) unlimited: bool,
}

/// All keys of a configuration and of the command line belong to one tenant.
pub(crate) const TENANT: TenantId = TenantId(Str::from_static("default"));

impl FixedKey {
    /// What it gives whoever shows it.
    pub(crate) fn grant(&self, zone: &Zone) -> Grant {
        let principal = Principal {
            key: KeyId(self.name.clone()),
            tenant: TENANT,
            user: self.user.clone().map(UserId),
            team: self.team.clone().map(TeamId),
            org: None,
            scope: self.models.clone(),
        };
        let whole = || Arc::new(Plan { models: Scope::all(), ..Plan::default() });
        let plan = self.plan.clone().unwrap_or_else(whole);
        Grant::new(principal, plan, self.limits.clone(), zone)
    }
}

#[cfg(test)]
mod tests;
