//! A small gateway over the simulated providers.

use std::sync::Arc;

use llm_core::Str;
use llm_core::call::Operation;
use llm_core::capability::Capability;
use llm_core::dialect::{Chunks, DialectId, UpstreamDialect};
use llm_core::prompt::{Message, Request, Role};
use llm_core::provider::{Credential, Provider, ProviderId, SignError};
use llm_core::secret::Secret;
use llm_providers::Gateway;
use llm_providers::ledger::MemoryLedger;
use llm_providers::settings::VendorSettings;
use llm_providers::stage::gate::Keys;
use llm_providers::stage::gate::room::Capacity;
use llm_providers::target::Timeouts;
use llm_sim::script::Script;
use llm_sim::upstream::{Upstream, Vendor};
use llm_sim::{Options, SimTransport};

#[derive(Debug)]
struct Described {
    id: ProviderId,
    vendor: Vendor,
}

impl Provider for Described {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn dialect(&self, operation: Operation, model: &str) -> Option<&'static dyn UpstreamDialect> {
        let id = match self.vendor {
            Vendor::OpenAi => DialectId::OpenaiChat,
            Vendor::Anthropic => DialectId::Anthropic,
            Vendor::Gemini => DialectId::Gemini,
            Vendor::Cohere => DialectId::Cohere,
            Vendor::Ollama => DialectId::Ollama,
        };
        let dialect = llm_dialects::upstream(id)?;
        dialect.endpoint(operation, model, false).map(|_| dialect)
    }

    fn capability(&self, _: &str) -> Capability {
        Capability { context_tokens_max: 32_000, output_tokens_max: 4_000, ..Capability::ALL }
    }

    fn uri(&self, operation: Operation, model: &str, stream: bool) -> Option<http::Uri> {
        let endpoint = self.dialect(operation, model)?.endpoint(operation, model, stream)?;
        let version = if self.vendor == Vendor::Gemini { "/v1beta" } else { "" };
        let base = SimTransport::base_url(self.vendor) + version;
        format!("{base}{}", endpoint.path).parse().ok()
    }

    fn sign(
        &self,
        parts: &mut http::request::Parts,
        _: &Chunks,
        key: &Credential,
        _: std::time::SystemTime,
    ) -> Result<(), SignError> {
        let Some(key) = &key.key else { return Ok(()) };
        let value = |text: String| http::HeaderValue::from_str(&text).unwrap();
        match self.vendor {
            Vendor::Anthropic => {
                parts.headers.insert("x-api-key", value(key.expose().clone()));
                parts.headers.insert("anthropic-version", value("2023-06-01".into()));
            }
            Vendor::Gemini => {
                parts.headers.insert("x-goog-api-key", value(key.expose().clone()));
            }
            _ => {
                let bearer = value(format!("Bearer {}", key.expose()));
                parts.headers.insert("authorization", bearer);
            }
        }
        Ok(())
    }
}

/// A gateway, what it talks to, and who pays.
pub struct Small {
    pub gateway: Gateway,
    pub sim: SimTransport,
    pub ledger: Arc<MemoryLedger>,
}

impl Small {
    /// Two tiers: OpenAI, then Anthropic.
    pub fn new() -> Self {
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
    pub fn with_one(vendor: Vendor) -> Self {
        let sim = SimTransport::new(&Options::default());
        let ledger = Arc::new(MemoryLedger::default());
        let target = match vendor {
            Vendor::OpenAi => "openai/gpt-4o-mini",
            Vendor::Anthropic => "anthropic/claude-haiku-4-5",
            Vendor::Gemini => "gemini/gemini-2.5-flash",
            Vendor::Cohere => "cohere/command-a-03-2025",
            Vendor::Ollama => "ollama/llama3.2",
        };
        let builder = Gateway::builder().ledger(Arc::clone(&ledger) as _);
        let builder = builder.vendor(settings(vendor, &sim)).model("faulty", [[target]]);
        Self { gateway: builder.build().unwrap(), sim, ledger }
    }

    pub fn upstream(&self, vendor: Vendor) -> &Arc<Upstream> {
        self.sim.upstream(vendor).unwrap()
    }

    /// Tells a vendor what to do wrong.
    pub fn script(&self, vendor: Vendor, rules: &str) {
        self.upstream(vendor).script(Script::parse(rules.as_bytes()).unwrap());
    }

    /// What all calls together cost, and what is still held.
    pub fn spent(&self) -> (i64, i64) {
        let accounts = self.ledger.accounts();
        let sum = accounts.iter().map(|(_, a)| a.settled.0).sum();
        (sum, accounts.iter().map(|(_, a)| a.held.0).sum())
    }
}

fn settings(vendor: Vendor, sim: &SimTransport) -> VendorSettings {
    let key = Credential {
        id: "one".into(),
        key: Some(Secret::new("sk-test-0123456789abcdef".to_owned())),
    };
    VendorSettings {
        name: vendor.name().into(),
        kind: vendor.name().into(),
        provider: Arc::new(Described { id: ProviderId(vendor.name().into()), vendor }),
        transport: Arc::new(sim.clone()),
        keys: Keys::new([Arc::new(key)]),
        timeouts: Timeouts::default(),
        retries: 2,
        adjusts: false,
        capacity: Capacity::default(),
    }
}

/// A question.
pub fn ask(model: &str, text: &str) -> Request {
    Request {
        model: Str::from(model),
        messages: vec![Message::text(Role::User, text)],
        ..Request::default()
    }
}
