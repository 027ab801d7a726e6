//! A small gateway over the simulated providers.

use std::sync::Arc;

use llm_core::Str;
use llm_core::prompt::{Message, Request, Role};
use llm_core::provider::Credential;
use llm_core::secret::Secret;
use llm_providers::Gateway;
use llm_providers::ledger::MemoryLedger;
use llm_providers::settings::VendorSettings;
use llm_providers::stage::gate::Keys;
use llm_providers::stage::gate::room::Capacity;
use llm_providers::target::Timeouts;
use llm_sim::script::Script;
use llm_sim::testkit::vendor::Described;
use llm_sim::upstream::{Upstream, Vendor};
use llm_sim::{Options, SimTransport};

/// A gateway, what it talks to, and who pays.
pub(crate) struct Small {
    pub(crate) gateway: Gateway,
    pub(crate) sim: SimTransport,
    pub(crate) ledger: Arc<MemoryLedger>,
}

impl Small {
    /// Two tiers: OpenAI, then Anthropic.
    pub(crate) fn new() -> Self {
        let sim = SimTransport::new(&Options::default());
        let ledger = Arc::new(MemoryLedger::default());
        let mut builder = Gateway::builder().ledger(Arc::clone(&ledger) as _);
        for vendor in Vendor::ALL {
            builder = builder.vendor(settings(vendor, &sim));
        }
        let gateway = builder
            .model("smart", [["openai/gpt-4o-mini"], ["anthropic/claude-haiku-4-5"]])
            .build()
            .unwrap();
        Self { gateway, sim, ledger }
    }

    /// One vendor, one model of it, under the name `faulty`.
    pub(crate) fn with_one(vendor: Vendor) -> Self {
        let sim = SimTransport::new(&Options::default());
        let ledger = Arc::new(MemoryLedger::default());
        let target = Described::target(vendor);
        let builder = Gateway::builder().ledger(Arc::clone(&ledger) as _);
        let builder = builder.vendor(settings(vendor, &sim)).model("faulty", [[target]]);
        Self { gateway: builder.build().unwrap(), sim, ledger }
    }

    pub(crate) fn upstream(&self, vendor: Vendor) -> &Arc<Upstream> {
        self.sim.upstream(vendor).unwrap()
    }

    /// Tells a vendor what to do wrong.
    pub(crate) fn script(&self, vendor: Vendor, rules: &str) {
        self.upstream(vendor).script(Script::parse(rules.as_bytes()).unwrap());
    }

    /// What all calls together cost, and what is still held.
    pub(crate) fn spent(&self) -> (i64, i64) {
        let accounts = self.ledger.accounts();
        let sum = accounts.iter().map(|(_, a)| a.settled.0).sum();
        (sum, accounts.iter().map(|(_, a)| a.held.0).sum())
    }
}

/// A vendor over the simulator.
pub(crate) fn settings(vendor: Vendor, sim: &SimTransport) -> VendorSettings {
    let key = Credential {
        id: "one".into(),
        key: Some(Secret::new("sk-test-0123456789abcdef".to_owned())),
    };
    VendorSettings {
        name: vendor.name().into(),
        kind: vendor.name().into(),
        provider: Arc::new(Described::new(vendor)),
        transport: Arc::new(sim.clone()),
        keys: Keys::new([Arc::new(key)]),
        timeouts: Timeouts::default(),
        retries: 2,
        adjusts: false,
        capacity: Capacity::default(),
    }
}

/// A question.
pub(crate) fn ask(model: &str, text: &str) -> Request {
    Request {
        model: Str::from(model),
        messages: vec![Message::text(Role::User, text)],
        ..Request::default()
    }
}
