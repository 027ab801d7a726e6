//! A gateway over the simulated providers, with prices that are easily multiplied, and everything
//! around it kept: what came over the wire, what was logged, what was paid and what rang.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use llm_core::catalog::Override;
use llm_core::dialect::{Chunks, DialectId, Framing};
use llm_core::event::{Delta, Event, PartHead};
use llm_core::ledger::rules::Account;
use llm_core::ledger::{AccountId, HoldId, HoldProof, Receipt, Settlement};
use llm_core::money::{Listed, Money};
use llm_core::prompt::Request;
use llm_core::seam::{BoxFuture, Transport, TransportError, WireBody};
use llm_core::store::{Audit, CallLog, CallRecord, Ledger, Line, NotReserved, StoreError, Stored};
use llm_providers::Gateway;
use llm_providers::builder::GatewayBuilder;
use llm_providers::ledger::MemoryLedger;
use llm_providers::model::Policy;
use llm_providers::settings::{Problems, VendorSettings};
use llm_sim::model::tokens;
use llm_sim::script::Script;
use llm_sim::testkit::client::Client;
use llm_sim::testkit::vendor::Described;
use llm_sim::upstream::{Upstream, Vendor};
use llm_sim::{Options, SimTransport};
use parking_lot::Mutex;
use prometheus::{Registry, TextEncoder};

/// A dollar for a million tokens read: a thousand nano-dollars for one.
pub(crate) const READ: i64 = 1_000;
/// Three for a million written.
pub(crate) const WRITTEN: i64 = 3_000;

/// The vendors' names here, who they are, and what they are asked in.
pub(crate) const WAYS: [(&str, Vendor, DialectId); 6] = [
    ("openai", Vendor::OpenAi, DialectId::OpenaiChat),
    ("responses", Vendor::OpenAi, DialectId::OpenaiResponses),
    ("anthropic", Vendor::Anthropic, DialectId::Anthropic),
    ("gemini", Vendor::Gemini, DialectId::Gemini),
    ("cohere", Vendor::Cohere, DialectId::Cohere),
    ("ollama", Vendor::Ollama, DialectId::Ollama),
];

/// A gateway and what is around it.
pub(crate) struct Lab {
    pub(crate) gateway: Gateway,
    pub(crate) sim: SimTransport,
    pub(crate) ledger: Arc<MemoryLedger>,
    pub(crate) steps: Steps,
    pub(crate) wire: Wire,
    log: Log,
    registry: Registry,
}

/// What all calls so far have come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paid {
    pub(crate) tenant: i64,
    pub(crate) operator: i64,
    pub(crate) overruns: u64,
    pub(crate) no_usage: u64,
}

/// How a lab differs from the usual.
#[derive(Clone, Debug, Default)]
pub(crate) struct Odd {
    pub(crate) policy: Policy,
    /// Vendors bill what nobody reads.
    pub(crate) bills_unread: bool,
    /// Models without a price.
    pub(crate) unpriced: &'static [&'static str],
    pub(crate) free: &'static [&'static str],
}

/// A model of a vendor that the simulator knows.
pub(crate) fn model_of(vendor: Vendor) -> &'static str {
    Described::target(vendor).split_once('/').unwrap().1
}

impl Lab {
    /// Each vendor's model by the vendor's name, and `two`: OpenAI's, and then Anthropic's.
    pub(crate) fn new(odd: &Odd) -> Self {
        Self::built(odd, |builder| builder)
    }

    pub(crate) fn built(odd: &Odd, more: impl FnOnce(GatewayBuilder) -> GatewayBuilder) -> Self {
        Self::tried(odd, more).unwrap()
    }

    pub(crate) fn tried(
        odd: &Odd,
        more: impl FnOnce(GatewayBuilder) -> GatewayBuilder,
    ) -> Result<Self, Problems> {
        let sim = SimTransport::new(&Options::default());
        let (ledger, registry) = (Arc::new(MemoryLedger::default()), Registry::new());
        let (log, wire) = (Log::default(), Wire::default());
        let steps = Steps::default();
        let noted = Noted { inner: Arc::clone(&ledger), steps: Arc::clone(&steps) };
        let mut builder = Gateway::builder().ledger(Arc::new(noted));
        builder = builder.registry(registry.clone()).log(Arc::new(log.clone()));
        for (name, vendor, dialect) in WAYS {
            let described = Described::new(vendor).speaking(dialect);
            let described = if odd.bills_unread { described.billing_unread() } else { described };
            let heard = Heard { sim: sim.clone(), wire: wire.clone() };
            let key = ["sk-test-0123456789abcdef"];
            let mut settings = VendorSettings::new(Arc::new(described), Arc::new(heard), key);
            // A kind that the built-in table does not know: what has a price here has it from here.
            let kind: llm_core::Str = format!("{name} here").into();
            (settings.name, settings.adjusts) = (name.into(), false);
            settings.kind = kind.clone();
            settings.retries = 0;
            builder = builder.vendor(settings);
            let model = model_of(vendor);
            let mut listed = Listed::default();
            for (class, value) in [("input", "1"), ("output", "3")] {
                listed.set(class, value).unwrap();
            }
            let free = odd.free.contains(&name);
            let price = if free { llm_core::money::Price::FREE } else { listed.price() };
            if !odd.unpriced.contains(&name) {
                let (provider, model) = (kind, model.into());
                builder = builder.price(Override {
                    provider,
                    model,
                    price: Some(price),
                    capability: None,
                });
                let target = target(name, vendor);
                builder = builder.model_with(name, [[target.as_str()]], odd.policy.clone());
            }
        }
        let two = [[target("openai", Vendor::OpenAi)], [target("anthropic", Vendor::Anthropic)]];
        if odd.unpriced.is_empty() {
            let two = two.each_ref().map(|tier| tier.each_ref().map(String::as_str));
            builder = builder.model_with("two", two, odd.policy.clone());
        }
        let gateway = more(builder).build()?;
        Ok(Self { gateway, sim, ledger, steps, wire, log, registry })
    }

    pub(crate) fn upstream(&self, vendor: Vendor) -> &Arc<Upstream> {
        self.sim.upstream(vendor).unwrap()
    }

    /// Tells a vendor what to do.
    pub(crate) fn script(&self, vendor: Vendor, rules: &str) {
        self.upstream(vendor).script(Script::parse(rules.as_bytes()).unwrap());
    }

    pub(crate) fn paid(&self) -> Paid {
        assert_eq!(self.ledger.holds_open(), 0, "something is still held");
        let tenant = self.ledger.accounts().iter().map(|(_, a)| a.settled.0).sum();
        let page = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let rang = |kind: &str| {
            let line = page
                .lines()
                .find(|l| l.starts_with("gw_") && l.contains("alarm") && l.contains(kind));
            line.map_or(0, |l| l.rsplit_once(' ').unwrap().1.parse().unwrap())
        };
        Paid {
            tenant,
            operator: self.ledger.loss().0,
            overruns: rang("\"overrun\""),
            no_usage: rang("\"no_usage\""),
        }
    }

    /// The last of so many lines of the log.
    pub(crate) async fn record(&self, count: usize) -> CallRecord {
        for _ in 0..1_000 {
            if self.log.0.lock().len() >= count {
                break;
            }
            // Lines gather for a moment before they are given to the log.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let records = self.log.0.lock();
        assert_eq!(records.len(), count, "lines of the log");
        records.last().unwrap().clone()
    }

    /// Asks for a stream, reads so many events and leaves. Whether it had ended by then.
    pub(crate) async fn read(&self, request: Request, events: usize) -> bool {
        let mut stream = self.gateway.stream(request).await.unwrap();
        for _ in 0..events {
            match stream.next().await {
                None | Some(Event::End) => return true,
                Some(_) => {}
            }
        }
        false
    }
}

fn target(name: &str, vendor: Vendor) -> String {
    format!("{name}/{}", model_of(vendor))
}

/// What the ledger was told, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Reserved(i64),
    Sent(i64),
    Marked(i64),
    Settled(Settlement),
}

pub(crate) type Steps = Arc<Mutex<Vec<Step>>>;

/// A ledger that notes what it is told.
#[derive(Debug)]
struct Noted {
    inner: Arc<MemoryLedger>,
    steps: Steps,
}

impl Ledger for Noted {
    fn reserve<'a>(
        &'a self,
        hold: HoldId,
        path: &'a [Line],
        amount: Money,
    ) -> BoxFuture<'a, Result<HoldProof, NotReserved>> {
        self.steps.lock().push(Step::Reserved(amount.0));
        self.inner.reserve(hold, path, amount)
    }

    fn dispatch(&self, hold: HoldId, cost: Money) -> Result<(), StoreError> {
        self.steps.lock().push(Step::Sent(cost.0));
        self.inner.dispatch(hold, cost)
    }

    fn watermark(&self, hold: HoldId, cost: Money) -> Result<(), StoreError> {
        self.steps.lock().push(Step::Marked(cost.0));
        self.inner.watermark(hold, cost)
    }

    fn settle(&self, settlement: &Settlement) -> Result<Receipt, StoreError> {
        self.steps.lock().push(Step::Settled(*settlement));
        self.inner.settle(settlement)
    }

    fn balance<'a>(&'a self, account: &'a AccountId) -> Stored<'a, Option<Account<Money>>> {
        self.inner.balance(account)
    }

    fn set_limit<'a>(&'a self, account: &'a AccountId, limit: Option<Money>) -> Stored<'a, ()> {
        self.inner.set_limit(account, limit)
    }

    fn verify(&self) -> Stored<'_, Audit> {
        self.inner.verify()
    }
}

/// Keeps the log.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<CallRecord>>>);

impl CallLog for Log {
    fn append<'a>(&'a self, batch: &'a [CallRecord]) -> Stored<'a, ()> {
        self.0.lock().extend_from_slice(batch);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What the gateway took from the network, exchange by exchange.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire(Arc<Mutex<Vec<Vec<Bytes>>>>);

impl Wire {
    /// What the last exchange has brought.
    pub(crate) fn last(&self) -> Vec<Bytes> {
        self.0.lock().last().cloned().unwrap_or_default()
    }
}

/// The simulator, overheard.
#[derive(Debug)]
struct Heard {
    sim: SimTransport,
    wire: Wire,
}

impl Transport for Heard {
    fn send(
        &self,
        request: http::Request<Chunks>,
    ) -> BoxFuture<'static, Result<http::Response<WireBody>, TransportError>> {
        let (wire, sent) = (Arc::clone(&self.wire.0), self.sim.send(request));
        let at = wire.lock().len();
        wire.lock().push(Vec::new());
        Box::pin(async move {
            Ok(sent.await?.map(|mut body| {
                let heard = futures_util::stream::poll_fn(move |cx| {
                    let item = std::task::ready!(body.as_mut().poll_next(cx));
                    if let Some(Ok(bytes)) = &item {
                        wire.lock()[at].push(bytes.clone());
                    }
                    Poll::Ready(item)
                });
                Box::pin(heard) as WireBody
            }))
        })
    }
}

/// The tokens in what a provider has sent, by the simulator's declared count.
pub(crate) fn generated(dialect: DialectId, framing: Framing, chunks: &[Bytes]) -> u64 {
    let (events, _) = Client::of(dialect).unwrap().read_stream(framing, chunks);
    let mut count = 0;
    for event in events {
        count += match event {
            Event::PartDelta { delta: Delta::Text(text), .. }
            | Event::PartDelta { delta: Delta::Arguments(text), .. } => tokens::tokens(&text),
            Event::PartStart { head: PartHead::ToolCall { name, .. }, .. } => tokens::tokens(&name),
            _ => 0,
        };
    }
    count
}

/// A price of so many tokens read and written.
pub(crate) fn price(read: i64, written: i64) -> i64 {
    read * READ + written * WRITTEN
}
