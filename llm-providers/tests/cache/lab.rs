//! A small gateway over simulated providers, and what tests ask of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt;
use llm_core::call::{CacheUse, Call, CallId, Controls, Deadline, Operation, Payload};
use llm_core::capability::Capability;
use llm_core::catalog::Override;
use llm_core::dialect::{Chunks, DialectId, RenderCx, UpstreamDialect};
use llm_core::error::Error;
use llm_core::money::{Money, Price, Rate};
use llm_core::principal::{FeatureId, Grant, KeyId, Principal, Priority, Scope, TenantId};
use llm_core::provider::{Credential, Provider, ProviderId, SignError};
use llm_core::quota::{Plan, Zone};
use llm_core::secret::Secret;
use llm_core::store::CacheStore;
use llm_core::usage::TokenKind;
use llm_providers::Gateway;
use llm_providers::edge::{Render, render};
use llm_providers::ledger::MemoryLedger;
use llm_providers::model::{CachePolicy, CacheScope, Policy};
use llm_providers::reply::{CacheState, Reply};
use llm_providers::settings::VendorSettings;
use llm_providers::stage::gate::Keys;
use llm_providers::stage::gate::room::Capacity;
use llm_providers::target::Timeouts;
use llm_sim::script::Script;
use llm_sim::upstream::{Upstream, Vendor};
use llm_sim::{Options, SimTransport};

/// A simulated vendor, described: one dialect for everything.
#[derive(Debug)]
struct Described {
    id: ProviderId,
    vendor: Vendor,
    dialect: &'static dyn UpstreamDialect,
}

impl Provider for Described {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn dialect(&self, _: Operation, _: &str) -> Option<&'static dyn UpstreamDialect> {
        Some(self.dialect)
    }

    fn capability(&self, _: &str) -> Capability {
        Capability { output_tokens_max: 4_096, context_tokens_max: 100_000, ..Capability::ALL }
    }

    fn uri(&self, operation: Operation, model: &str, stream: bool) -> Option<http::Uri> {
        let endpoint = self.dialect.endpoint(operation, model, stream)?;
        let base = SimTransport::base_url(self.vendor);
        let version = if self.vendor == Vendor::Gemini { "/v1beta" } else { "" };
        format!("{base}{version}{}", endpoint.path).parse().ok()
    }

    fn sign(
        &self,
        parts: &mut http::request::Parts,
        _: &Chunks,
        _: &Credential,
        _: SystemTime,
    ) -> Result<(), SignError> {
        for (name, value) in [
            ("authorization", "Bearer test"),
            ("x-api-key", "test"),
            ("x-goog-api-key", "test"),
            ("anthropic-version", "2023-06-01"),
        ] {
            parts.headers.insert(name, http::HeaderValue::from_static(value));
        }
        Ok(())
    }
}

/// All dialects that a simulated vendor speaks, with the vendor's name.
pub(crate) const DIALECTS: [(&str, Vendor, DialectId); 6] = [
    ("openai", Vendor::OpenAi, DialectId::OpenaiChat),
    ("responses", Vendor::OpenAi, DialectId::OpenaiResponses),
    ("anthropic", Vendor::Anthropic, DialectId::Anthropic),
    ("gemini", Vendor::Gemini, DialectId::Gemini),
    ("cohere", Vendor::Cohere, DialectId::Cohere),
    ("ollama", Vendor::Ollama, DialectId::Ollama),
];

/// The gateway and what stands around it.
#[derive(Clone)]
pub(crate) struct Lab {
    pub(crate) gateway: Gateway,
    pub(crate) ledger: Arc<MemoryLedger>,
    pub(crate) sim: SimTransport,
    next: Arc<AtomicU64>,
}

/// A gateway whose models keep answers as the policy says. Each vendor's model has its name.
pub(crate) fn lab(cache: CachePolicy) -> Lab {
    lab_with(cache, None)
}

pub(crate) fn lab_with(cache: CachePolicy, store: Option<Arc<dyn CacheStore>>) -> Lab {
    let sim = SimTransport::new(&Options::default());
    let ledger = Arc::new(MemoryLedger::default());
    let policy = Policy { cache: Some(cache), ..Policy::default() };
    let mut builder = Gateway::builder().ledger(Arc::clone(&ledger) as _);
    if let Some(store) = store {
        builder = builder.cache_store(store);
    }
    for (name, vendor, dialect) in DIALECTS {
        let target: &'static str = format!("{name}/m").leak();
        builder = builder
            .vendor(VendorSettings {
                name: name.into(),
                kind: name.into(),
                provider: Arc::new(Described {
                    id: ProviderId(name.into()),
                    vendor,
                    dialect: llm_dialects::upstream(dialect).unwrap(),
                }),
                transport: Arc::new(sim.clone()),
                keys: keys(),
                timeouts: Timeouts::default(),
                retries: 0,
                adjusts: false,
                capacity: Capacity::default(),
            })
            .price(Override {
                provider: name.into(),
                model: "m".into(),
                price: Some(price()),
                capability: None,
            })
            .model_with(name, [[target]], policy.clone());
    }
    Lab { gateway: builder.build().unwrap(), ledger, sim, next: Arc::default() }
}

/// The same for each token, whatever it is.
fn price() -> Price {
    Price { rates: [Rate { nanos_per_mtok: 1_000_000_000 }; TokenKind::COUNT], ..Price::FREE }
}

fn keys() -> Keys {
    let key = Some(Secret::new("test".to_owned()));
    Keys::new([Arc::new(Credential { id: "test".into(), key })])
}

pub(crate) fn global() -> CachePolicy {
    CachePolicy { scope: CacheScope::Global, ..CachePolicy::default() }
}

/// Whoever asks with that key.
pub(crate) fn grant(tenant: &'static str, key: &'static str) -> Arc<Grant> {
    let principal = Principal {
        key: KeyId::from(key),
        tenant: TenantId::from(tenant),
        user: None,
        team: None,
        org: None,
        scope: Scope::all(),
    };
    let plan = Plan { models: Scope::all(), ..Plan::default() };
    Arc::new(Grant::new(principal, Arc::new(plan), Vec::new(), &Zone::UTC))
}

/// The usual question in OpenAI's words.
pub(crate) fn question(stream: bool) -> String {
    format!(
        r#"{{"model":"openai","stream":{stream},"max_tokens":300,"messages":[{{"role":"user","content":"Write 20 words"}}]}}"#
    )
}

/// What came of a call, all of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) cache: CacheState,
    pub(crate) text: String,
}

impl Lab {
    pub(crate) fn upstream(&self, vendor: Vendor) -> &Arc<Upstream> {
        self.sim.upstream(vendor).unwrap()
    }

    /// How often the vendor was asked.
    pub(crate) fn asked(&self, vendor: Vendor) -> usize {
        self.upstream(vendor).requests().len()
    }

    pub(crate) fn script(&self, vendor: Vendor, rules: &str) {
        self.upstream(vendor).script(Script::parse(rules.as_bytes()).unwrap());
    }

    /// A call in OpenAI's words.
    pub(crate) fn call(&self, body: &str) -> Call {
        let path = if body.contains("\"input\"") { "embeddings" } else { "chat/completions" };
        self.call_to(DialectId::OpenaiChat, &format!("/v1/{path}"), body)
    }

    pub(crate) fn call_to(&self, dialect: DialectId, path: &str, body: &str) -> Call {
        let caller = llm_dialects::caller(dialect).unwrap();
        let route = caller.route(&http::Method::POST, path).unwrap();
        let bytes = Bytes::copy_from_slice(body.as_bytes());
        let peek = caller.peek(&route, &bytes).unwrap();
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        Call {
            id: CallId::new(number, 0),
            operation: route.operation,
            dialect,
            payload: Payload::raw(bytes, None, route),
            peek,
            grant: grant("t", "k"),
            feature: FeatureId::from("test"),
            priority: Priority::default(),
            deadline: Deadline(self.gateway.clock().now() + Duration::from_mins(5)),
            controls: Controls::default(),
            headers: http::HeaderMap::new(),
        }
    }

    pub(crate) async fn send(&self, call: Call) -> Result<Reply, Error> {
        self.gateway.send(call).await
    }

    /// Asks, and reads the answer as the caller would.
    pub(crate) async fn ask(&self, call: Call) -> Result<Told, Error> {
        let how = self.how(&call);
        let reply = self.send(call).await?;
        self.read(reply, how).await
    }

    pub(crate) fn how(&self, call: &Call) -> Render {
        let cx = RenderCx {
            id: "our-id".into(),
            created: 1,
            include_usage: call.peek.wants_usage_frame,
            ..RenderCx::default()
        };
        let clock = Arc::clone(self.gateway.clock());
        let caller = llm_dialects::caller(call.dialect).unwrap();
        Render { caller, cx, stream: call.peek.stream, clock }
    }

    pub(crate) async fn read(&self, reply: Reply, how: Render) -> Result<Told, Error> {
        let cache = reply.head.cache;
        let mut body = render(reply, how).await?.body;
        let mut text = Vec::new();
        while let Some(Ok(bytes)) = body.next().await {
            text.extend_from_slice(&bytes);
        }
        Ok(Told { cache, text: String::from_utf8(text).unwrap() })
    }

    /// Asks in OpenAI's words.
    pub(crate) async fn say(&self, body: &str) -> Told {
        self.ask(self.call(body)).await.unwrap()
    }

    /// All that was paid, over all accounts.
    pub(crate) fn paid(&self) -> Money {
        let accounts = self.ledger.accounts();
        Money(accounts.iter().map(|(_, a)| a.settled.0).sum())
    }

    /// Nothing is held any more, and the books add up.
    pub(crate) async fn assert_settled(&self) {
        use llm_core::store::Ledger;
        assert_eq!(self.ledger.holds_open(), 0, "a hold is open");
        assert_eq!(self.ledger.verify().await.unwrap().problems, []);
    }
}

/// The words of an answer, in whatever form of OpenAI's it came.
pub(crate) fn words(text: &str) -> String {
    let mut all = String::new();
    let values = text.lines().map(|l| l.strip_prefix("data: ").unwrap_or(l));
    for value in values.filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok()) {
        let choice = &value["choices"][0];
        for content in [&choice["delta"]["content"], &choice["message"]["content"]] {
            all.push_str(content.as_str().unwrap_or_default());
        }
    }
    all
}

pub(crate) fn wish(mut call: Call, cache: CacheUse) -> Call {
    call.controls.cache = cache;
    call
}
