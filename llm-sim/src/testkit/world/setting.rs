//! The world's furniture: a gateway over failing providers, keys with and without money.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use llm_core::principal::{Grant, Principal, Scope};
use llm_core::provider::Credential;
use llm_core::quota::{Plan, Zone};
use llm_core::secret::Secret;
use llm_core::store::{CallLog, CallRecord, Stored};
use llm_providers::Gateway;
use llm_providers::ledger::MemoryLedger;
use llm_providers::model::{Balance, CachePolicy, CacheScope, Policy};
use llm_providers::settings::{ModelSettings, Settings, VendorSettings};
use llm_providers::stage::gate::Keys;
use llm_providers::stage::gate::room::Capacity;
use llm_providers::target::Timeouts;
use prometheus::Registry;

use super::audit::Audit;
use super::load::{KEYS, Load};
use super::planted::Planted;
use super::seams::{Chance, WorldClock};
use super::{Setup, ledger, wire};
use crate::script::Script;
use crate::testkit::vendor::Described;
use crate::upstream::Vendor;
use crate::{Options, SimTransport};

/// The provider's key: it must show up nowhere.
pub(super) const KEY: &str = "sk-canary-0123456789abcdef";

/// Everything in a run.
pub(super) struct World {
    pub(super) gateway: Gateway,
    pub(super) ledger: Arc<MemoryLedger>,
    pub(super) clock: WorldClock,
    pub(super) audit: Arc<Audit>,
    pub(super) keys: Vec<Arc<Grant>>,
    pub(super) planted: Option<Planted>,
    /// Counts calls, for mistakes that are made now and then.
    pub(super) steps: AtomicU64,
    sim: SimTransport,
    network: Arc<wire::Watched>,
    registry: Registry,
}

impl World {
    pub(super) fn new(setup: Setup, audit: &Arc<Audit>) -> Self {
        let clock = WorldClock::new();
        let sim = SimTransport::new(&Options::default());
        let network = Arc::new(wire::Watched::new(sim.clone(), audit, setup.planted));
        let ledger = Arc::new(MemoryLedger::default());
        let watched = ledger::Watched::new(Arc::clone(&ledger), audit, setup.planted);
        let registry = Registry::new();
        let built = Gateway::builder()
            .seams(Arc::new(clock), Arc::new(Chance::new(setup.seed)))
            .ledger(Arc::new(watched))
            .log(Arc::new(Log {
                audit: Arc::clone(audit),
                planted: setup.planted,
                steps: AtomicU64::new(0),
            }))
            .registry(registry.clone())
            .settings(settings(&network, 0))
            .build();
        #[expect(clippy::panic, reason = "a world that cannot be built has nothing to say")]
        let gateway = built.unwrap_or_else(|problems| panic!("{problems:?}"));
        Self {
            gateway,
            ledger,
            clock,
            audit: Arc::clone(audit),
            keys: keys(),
            planted: setup.planted,
            steps: AtomicU64::new(0),
            sim,
            network,
            registry,
        }
    }

    /// Whether a planted mistake is made this time.
    pub(super) fn errs(&self, mistake: Planted) -> bool {
        self.planted == Some(mistake) && self.steps.fetch_add(1, Ordering::Relaxed) % 5 == 4
    }

    /// Something changes: a provider breaks or heals, or the configuration is swapped.
    pub(super) fn disturb(&self, load: &mut Load) {
        for vendor in Vendor::ALL {
            if load.chance(3) {
                let rules = rules(load);
                let parsed = Script::parse(rules.as_bytes());
                if let (Some(upstream), Ok(rules)) = (self.sim.upstream(vendor), parsed) {
                    upstream.script(rules);
                }
            }
        }
        if load.chance(5) {
            let turn = usize::try_from(load.below(3)).unwrap_or(0);
            if let Err(problems) = self.gateway.reload(settings(&self.network, turn)) {
                self.audit.violation(format!("a good configuration was refused: {problems:?}"));
            }
        }
    }

    /// Gauges that are zero when nothing is under way.
    pub(super) fn gauges(&self) -> Vec<(String, f64)> {
        let wanted = ["gw_calls_in_flight", "gw_ledger_reservations_open"];
        let families = self.registry.gather();
        let of = families.iter().filter(|f| wanted.contains(&f.name()));
        of.flat_map(|family| {
            let name = family.name().to_owned();
            family.get_metric().iter().map(move |m| (name.clone(), m.get_gauge().get_value()))
        })
        .collect()
    }
}

/// How a provider behaves from now on.
fn rules(load: &mut Load) -> String {
    let acts = [
        "{}",
        "{}",
        r#"{"first_byte_ms": 120, "chunk_ms": 7}"#,
        r#"{"first_byte_ms": 3000}"#,
        r#"{"error": "rate_limit", "retry_after": "2"}"#,
        r#"{"error": "rate_limit", "retry_after_ms": 300}"#,
        r#"{"error": "insufficient_quota"}"#,
        r#"{"error": "server_error"}"#,
        r#"{"error": "overloaded"}"#,
        r#"{"error": "html"}"#,
        r#"{"error": "bad_request"}"#,
        r#"{"error": "context_length"}"#,
        r#"{"hang": "before_head"}"#,
        r#"{"hang": {"after_frames": 4}}"#,
        r#"{"cut": {"after_frames": 5, "how": "reset"}}"#,
        r#"{"cut": {"after_frames": 3, "how": "clean"}}"#,
        r#"{"cut": {"before_head": true}}"#,
        r#"{"error": "overloaded", "error_in_200": {"frame": 5}}"#,
        r#"{"error": "server_error", "error_in_200": {"frame": 0}}"#,
        r#"{"corrupt": {"frame": 4, "with": "json"}}"#,
        r#"{"split": 3}"#,
        r#"{"usage": "absent"}"#,
        r#"{"usage": "huge"}"#,
        r#"{"usage": "negative"}"#,
        r#"{"double_done": true}"#,
        r#"{"unknown": true}"#,
        r#"{"drip": {"bytes": 40, "every_ms": 11}}"#,
    ];
    let at = usize::try_from(load.below(acts.len() as u64)).unwrap_or(0);
    let times = if load.chance(2) { "\"always\"".to_owned() } else { load.below(9).to_string() };
    format!(r#"[{{"times": {times}, "do": {}}}]"#, acts[at])
}

fn settings(network: &Arc<wire::Watched>, turn: usize) -> Settings {
    let vendor = |vendor: Vendor| {
        let key = |id: &'static str| {
            Arc::new(Credential { id: id.into(), key: Some(Secret::new(KEY.to_owned())) })
        };
        VendorSettings {
            name: vendor.name().into(),
            kind: vendor.name().into(),
            provider: Arc::new(Described::new(vendor)),
            transport: Arc::clone(network) as _,
            keys: Keys::new(vec![key("one"), key("two")]),
            timeouts: Timeouts::default(),
            retries: 2,
            adjusts: false,
            capacity: Capacity::default(),
        }
    };
    let tiers = |all: &[&[Vendor]]| {
        let tier = |t: &&[Vendor]| t.iter().map(|v| (Described::target(*v).into(), 1)).collect();
        all.iter().map(tier).collect::<Vec<_>>()
    };
    use Vendor::{Anthropic, Cohere, Gemini, Ollama, OpenAi};
    let balance = [Balance::Latency, Balance::Weighted, Balance::LeastBusy][turn % 3];
    let policy = Policy { balance, ..Policy::default() };
    let with =
        |name: &'static str, tiers, policy| ModelSettings { name: name.into(), tiers, policy };
    let model = |name: &'static str, tiers| with(name, tiers, policy.clone());
    let lasting = Policy { resume: true, hedge: true, ..policy.clone() };
    let cache = CachePolicy { scope: CacheScope::Global, ..CachePolicy::default() };
    let kept = Policy { cache: Some(cache), ..policy.clone() };
    Settings {
        vendors: Vendor::ALL.into_iter().map(vendor).collect(),
        models: vec![
            model("smart", tiers(&[&[OpenAi], &[Anthropic, Gemini], &[Ollama]])),
            model("wide", tiers(&[&[OpenAi, Anthropic, Gemini, Cohere]])),
            model("single", tiers(&[&[Cohere]])),
            with("lasting", tiers(&[&[OpenAi, Gemini], &[Anthropic]]), lasting),
            with("kept", tiers(&[&[Anthropic], &[OpenAi]]), kept),
        ],
        ..Settings::default()
    }
}

/// One who may spend anything, one with a budget by the day, one with a small one by the hour, and
/// one with next to nothing.
fn keys() -> Vec<Arc<Grant>> {
    let limits: [&[&str]; KEYS] = [&[], &["$5/day"], &["$0.2/hour", "$1/day"], &["$0.01/day"]];
    let Ok(seoul) = Zone::get("Asia/Seoul") else { return Vec::new() };
    let grant = |(n, limits): (usize, &&[&str])| {
        let principal = Principal {
            key: llm_core::principal::KeyId(format!("key-{n}").into()),
            tenant: "tenant".into(),
            user: None,
            team: None,
            org: None,
            scope: Scope::all(),
        };
        let limits = limits.iter().filter_map(|l| l.parse().ok()).collect();
        let plan = Plan { models: Scope::all(), ..Plan::default() };
        Arc::new(Grant::new(principal, Arc::new(plan), limits, &seoul))
    };
    limits.iter().enumerate().map(grant).collect()
}

/// The request log, which is the auditor's.
#[derive(Debug)]
struct Log {
    audit: Arc<Audit>,
    planted: Option<Planted>,
    steps: AtomicU64,
}

impl CallLog for Log {
    fn append<'a>(&'a self, batch: &'a [CallRecord]) -> Stored<'a, ()> {
        for record in batch {
            let errs = self.steps.fetch_add(1, Ordering::Relaxed) % 10 == 9;
            let times = match self.planted {
                Some(Planted::LosesRecord) if errs => 0,
                Some(Planted::DoublesRecord) if errs => 2,
                _ => 1,
            };
            (0..times).for_each(|_| self.audit.recorded(record));
        }
        Box::pin(std::future::ready(Ok(())))
    }
}
