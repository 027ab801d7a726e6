//! The configuration that is served, and how another one takes its place while calls run.
//!
//! The actors are the *board* (what is served, since when, and what became of the last change), the
//! *source* (the file, and every file that it refers to), the *watch* (looks at those files and hears
//! the signal to read them), the *paths* to providers, which outlast configurations, and the
//! *history*. A change is read and checked as a whole, and then holds as a whole: calls under way end
//! under what they began with. One that cannot be served changes nothing.
//!
//! Deliberately absent: writing the file. It may be nobody's to write, it has remarks, and it is
//! somebody's record of what was meant; going back to an earlier configuration holds until the file
//! changes, and a restart reads the file.

pub(super) mod history;
mod paths;
pub(crate) mod source;
pub(super) mod watch;

use std::fmt;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use llm_core::seam::Clock;
use llm_core::secret::redact;
use llm_providers::settings::{Problem, Problems, Settings};
use parking_lot::Mutex;
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use serde::Serialize;

use self::history::History;
use self::paths::Paths;
use self::source::Source;
use super::credits::Terms;
use super::house::House;
use super::store::NotOpened;
use super::vendors::Stored;
use crate::config::credits::CreditRules;
use crate::config::diff::diff;
use crate::config::problem::{Level, Report};
use crate::config::{Config, Hash, Server};
use crate::secrets;

/// Problems that are shown; a file with more of them is mended from the top.
const PROBLEMS_MAX: usize = 16;

/// What is served, and what became of the last change.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// What is served.
    pub(crate) config: Arc<Config>,
    /// Its hash.
    pub(crate) hash: Hash,
    /// Since when.
    pub(crate) since: Timestamp,
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// What was changed besides and holds from the next start on.
    pub(crate) restart: Vec<String>,
    /// The last change, where it could not be served.
    pub(crate) refused: Option<Refused>,
}

/// Where a configuration comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Origin {
    /// The file, the environment and the command line.
    File,
    /// An earlier one, by its number in the history.
    Reverted(u64),
    /// An Ollama that answered after the start.
    Found,
}

/// A change that could not be served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Refused {
    /// When it was read.
    pub(crate) at: String,
    /// What is wrong with it.
    pub(crate) problems: Vec<String>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It holds.
    Taken,
    /// There was none.
    Same,
}

/// Where the configuration is put.
pub(crate) struct Board {
    now: ArcSwap<Standing>,
    /// One change at a time.
    turn: Mutex<Turn>,
    paths: Paths,
    source: OnceLock<Source>,
    /// What was served before.
    pub(super) history: History,
    gauges: Gauges,
    hash_key: [u8; 32],
    clock: Arc<dyn Clock>,
}

/// What a change needs to know of those before.
#[derive(Default)]
struct Turn {
    /// What was read last, whatever of it holds by now.
    read: Option<Hash>,
    /// Keys of providers that the store has.
    stored: Stored,
}

impl Board {
    /// With what is served first.
    pub(crate) fn new(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, NotOpened> {
        let data = &config.store.data;
        let hash_key = secrets::random().map_err(|error| super::store::at(data, error))?;
        let hash = config.hash(&hash_key);
        let standing = Standing {
            config: Arc::new(config.clone()),
            hash,
            since: at(&*clock),
            origin: Origin::File,
            restart: Vec::new(),
            refused: None,
        };
        Ok(Self {
            now: ArcSwap::from_pointee(standing),
            turn: Mutex::new(Turn { read: Some(hash), ..Turn::default() }),
            paths: Paths::default(),
            source: OnceLock::new(),
            history: History::at(&config.store.data),
            gauges: Gauges::new().map_err(unregistered)?,
            hash_key,
            clock,
        })
    }

    /// What it makes of a configuration for the gateway.
    pub(crate) fn settings(&self, config: &Config) -> Result<Settings, Problems> {
        let mut settings = config.settings(&|provider| self.paths.to(provider))?;
        settings.watched = config.watched();
        Ok(settings)
    }

    /// Begins to count, and to remember what is served.
    pub(crate) fn open(&self, registry: &Registry) -> Result<(), NotOpened> {
        self.gauges.register(registry).map_err(unregistered)?;
        let now = self.now();
        self.gauges.show(&now);
        self.history.keep(&now);
        Ok(())
    }

    /// What is served.
    pub(crate) fn now(&self) -> Arc<Standing> {
        self.now.load_full()
    }

    /// What of it is asked for with every call.
    pub(crate) fn config(&self) -> arc_swap::Guard<Arc<Standing>> {
        self.now.load()
    }

    /// From where it is read again.
    pub(super) fn source(&self) -> Option<&Source> {
        self.source.get()
    }

    /// Where that is; the first word holds.
    pub(super) fn attend(&self, source: Source) {
        let _ = self.source.set(source);
    }

    /// Puts a configuration in the place of the one that is served.
    pub(super) fn take(
        &self,
        house: &House,
        wanted: Config,
        origin: Origin,
    ) -> Result<Outcome, Problems> {
        let mut turn = self.turn.lock();
        let read = wanted.hash(&self.hash_key);
        if origin == Origin::File && turn.read == Some(read) {
            self.mended();
            self.gauges.reloads.with_label_values(&["same"]).inc();
            return Ok(Outcome::Same);
        }
        let before = self.now();
        let (config, restart) = divided(&before.config, wanted);
        // Whatever can be wrong comes before anything that changes.
        let terms = Terms::of(&config).map_err(|why| Problems::from(vec![why]))?;
        self.put(house, &turn.stored, &config)?;
        house.keys.configure(&config);
        if let Some(purse) = &house.purse {
            purse.configure(terms);
        }
        if let Some(key) = &config.server.admin_key
            && before.config.server.admin_key.as_ref() != Some(key)
        {
            house.admin.change(&key.secret);
        }
        if let Some(office) = &house.office
            && before.config.plans != config.plans
        {
            office.directory.configure(config.sold_plans());
        }
        if let Some(apps) = &house.apps {
            apps.take(&config);
        }
        self.paths.keep(&config);
        // Whoever goes back to an earlier one can read the file again.
        turn.read = (origin == Origin::File).then_some(read);
        let hash = config.hash(&self.hash_key);
        let standing = Standing {
            config: Arc::new(config),
            hash,
            since: at(&*self.clock),
            origin,
            restart,
            refused: None,
        };
        self.told(&before, &standing);
        self.history.keep(&standing);
        self.gauges.show(&standing);
        self.gauges.reloads.with_label_values(&["applied"]).inc();
        self.now.store(Arc::new(standing));
        Ok(Outcome::Taken)
    }

    /// Other keys of providers are stored from now on.
    pub(super) fn take_keys(&self, house: &House, stored: Stored) -> Result<(), Problems> {
        let mut turn = self.turn.lock();
        let now = self.now();
        self.put(house, &stored, &now.config)?;
        turn.stored = stored;
        Ok(())
    }

    /// What the store has of a provider's keys.
    pub(super) fn stored(&self) -> Stored {
        self.turn.lock().stored.clone()
    }

    /// Has the gateway work with a configuration, and the keys that are stored beside it.
    fn put(&self, house: &House, stored: &Stored, config: &Config) -> Result<(), Problems> {
        let mut whole = config.clone();
        for (name, provider) in &mut whole.providers {
            provider.settings.named = stored.of(name);
        }
        house.gateway.reload(self.settings(&whole)?)
    }

    /// A change could not be served. It is logged once, however often it is read.
    pub(super) fn refuse(&self, why: &NotTaken) -> Refused {
        let _turn = self.turn.lock();
        let problems = why.problems();
        let refused = Refused { at: at(&*self.clock).to_string(), problems };
        let before = self.now();
        if before.refused.as_ref().is_none_or(|known| known.problems != refused.problems) {
            tracing::error!("the configuration cannot be served, and the one before stays:\n{why}");
        }
        self.gauges.reloads.with_label_values(&["refused"]).inc();
        let standing = Standing { refused: Some(refused.clone()), ..(*before).clone() };
        self.gauges.show(&standing);
        self.now.store(Arc::new(standing));
        refused
    }

    /// The file says again what is served.
    fn mended(&self) {
        let before = self.now();
        if before.refused.is_some() {
            let standing = Standing { refused: None, ..(*before).clone() };
            self.gauges.show(&standing);
            self.now.store(Arc::new(standing));
        }
    }

    fn told(&self, before: &Standing, now: &Standing) {
        let changes = diff(&before.config.show(), &now.config.show());
        tracing::info!(hash = %now.hash, changes = changes.len(), "another configuration is served");
        for change in &changes {
            tracing::info!("{change}");
        }
        for place in &now.restart {
            tracing::warn!("{place} changes at the next start, and not before");
        }
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("hash", &self.now().hash).finish_non_exhaustive()
    }
}

/// What of a wanted configuration can hold at once, and the places of what cannot.
fn divided(served: &Config, wanted: Config) -> (Config, Vec<String>) {
    let mut server = Server {
        admin_key: wanted.server.admin_key.clone(),
        own_keys: wanted.server.own_keys,
        ..served.server.clone()
    };
    // What opens the door in its stead is known at a start alone.
    if server.admin_key.is_none() {
        server.admin_key.clone_from(&served.server.admin_key);
    }
    let shown = wanted.show();
    let (store, webhooks) = (served.store.clone(), served.webhooks.clone());
    // Who is believed is checked with keys that are fetched and people who are known by now.
    let (inbound, jwt) = (served.inbound.clone(), served.jwt.clone());
    let telemetry = served.telemetry.clone();
    // Who hears of what is written with every change of a wallet, and known to who writes it.
    let credits = CreditRules { low: served.credits.low.clone(), ..wanted.credits };
    let config = Config { server, store, webhooks, credits, inbound, jwt, telemetry, ..wanted };
    let left = diff(&config.show(), &shown);
    (config, left.into_iter().map(|change| change.place).collect())
}

/// Why a change does not hold.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// It was not read.
    Read(Box<Report>),
    /// It cannot be served.
    Served(Problems),
    /// It is nowhere to be read.
    Nowhere(&'static str),
}

impl NotTaken {
    /// What is wrong, without an excerpt and without anything that looks like a key.
    pub(super) fn problems(&self) -> Vec<String> {
        let line = |place: &str, text: &str| {
            let gap = if place.is_empty() { "" } else { ": " };
            redact(&format!("{place}{gap}{text}")).into_owned()
        };
        match self {
            Self::Read(report) => {
                let bad = report.problems.iter().filter(|p| p.level == Level::Bad);
                bad.take(PROBLEMS_MAX).map(|p| line(&p.place, &p.text)).collect()
            }
            Self::Served(problems) => {
                problems.iter().take(PROBLEMS_MAX).map(|p| line(&p.place, &p.text)).collect()
            }
            Self::Nowhere(text) => vec![(*text).to_owned()],
        }
    }
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(report) => report.fmt(f),
            Self::Served(problems) => f.write_str(&redact(&problems.to_string())),
            Self::Nowhere(text) => f.write_str(text),
        }
    }
}

/// What is told to whoever watches many of these.
struct Gauges {
    hash: IntGaugeVec,
    reloads: IntCounterVec,
    refused: IntGauge,
    restart: IntGauge,
    unpriced: IntGauge,
}

impl Gauges {
    fn new() -> prometheus::Result<Self> {
        let hash = Opts::new("gw_config_hash", "The configuration served, and since when");
        let reloads = Opts::new("gw_config_reloads_total", "What became of changes");
        Ok(Self {
            // One series: the hash before goes when another comes.
            hash: IntGaugeVec::new(hash, &["hash"])?,
            reloads: IntCounterVec::new(reloads, &["result"])?,
            refused: IntGauge::new("gw_config_refused", "1 while the file cannot be served")?,
            restart: IntGauge::new("gw_config_restart_needed", "Changes that wait for a start")?,
            unpriced: IntGauge::new("gw_config_unpriced", "Targets whose price nobody knows")?,
        })
    }

    fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.hash.clone()))?;
        registry.register(Box::new(self.reloads.clone()))?;
        registry.register(Box::new(self.refused.clone()))?;
        registry.register(Box::new(self.restart.clone()))?;
        registry.register(Box::new(self.unpriced.clone()))
    }

    fn show(&self, now: &Standing) {
        self.hash.reset();
        self.hash.with_label_values(&[&now.hash.to_string()]).set(now.since.as_second());
        self.refused.set(i64::from(now.refused.is_some()));
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.restart.set(count(now.restart.len()));
        self.unpriced.set(count(now.config.unpriced().count()));
    }
}

fn unregistered(error: prometheus::Error) -> NotOpened {
    NotOpened::Problems(vec![Problem::new("registry", error.to_string())].into())
}

fn at(clock: &dyn Clock) -> Timestamp {
    Timestamp::try_from(clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH)
}
