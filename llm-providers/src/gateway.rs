//! The gateway: the stack on one screen, and what a program calls.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use arc_swap::ArcSwap;
use llm_core::Str;
use llm_core::call::Call;
use llm_core::error::Error;
use llm_core::principal::{Grant, Priority};
use llm_core::seam::{BoxFuture, Clock, Entropy};
use llm_core::store::{CallRecord, Ledger, Purge};
use tower::Service;

use crate::asking::Asking;
use crate::log::LogQueue;
use crate::metrics::Metrics;
use crate::metrics::quota::QuotaWatch;
use crate::model::Snapshot;
use crate::reply::Reply;
use crate::settings::{Problems, Settings, Workshop};
use crate::stage::admit::{Admission, AdmitStage, Entrant, Slot};
use crate::stage::cache::CacheStage;
use crate::stage::gate::GateStage;
use crate::stage::inspect::InspectStage;
use crate::stage::record::RecordStage;
use crate::stage::reserve::ReserveStage;
use crate::stage::route::RouteStage;
use crate::stage::send::Upstream;
use crate::stage::{Next, Staged};

/// The stages, outermost first.
pub(crate) struct Stages {
    /// Outermost: sees every ending, including refusals below and drops by the caller.
    pub(crate) record: RecordStage,
    /// Before money: refusing early must not touch the ledger. Waits here, and only here.
    pub(crate) admit: AdmitStage,
    /// Before the cache: a caller who cannot fund the miss is refused even if there is a hit.
    pub(crate) reserve: ReserveStage,
    /// Content rules, if any. They need words, and so give up the relay.
    pub(crate) inspect: InspectStage,
    /// Above routing: one recording answers callers whatever target produced it.
    pub(crate) cache: CacheStage,
    /// Chooses, tries, tries elsewhere. Below here everything is about one target.
    pub(crate) route: RouteStage,
    /// Per target: breaker, key, pace, slot.
    pub(crate) gate: GateStage,
    /// The leaf: words to wire, sign, send, look at the first event.
    pub(crate) send: Upstream,
}

type Stack = Staged<
    RecordStage,
    Staged<
        AdmitStage,
        Staged<
            ReserveStage,
            Staged<
                InspectStage,
                Staged<CacheStage, Staged<RouteStage, Staged<GateStage, Upstream>>>,
            >,
        >,
    >,
>;

fn stack(s: Stages) -> Stack {
    let below = Staged::new(s.route, Staged::new(s.gate, s.send));
    let funded = Staged::new(s.inspect, Staged::new(s.cache, below));
    Staged::new(s.record, Staged::new(s.admit, Staged::new(s.reserve, funded)))
}

/// The gateway. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    stack: Stack,
    current: Arc<ArcSwap<Snapshot>>,
    workshop: Workshop,
    quotas: Arc<QuotaWatch>,
    admission: Arc<Admission>,
    log: Option<LogQueue>,
}

impl Gateway {
    /// Begins to describe one.
    pub fn builder() -> crate::builder::GatewayBuilder {
        crate::builder::GatewayBuilder::default()
    }

    pub(crate) fn assemble(
        workshop: Workshop,
        snapshot: Snapshot,
        admission: Arc<Admission>,
        log: Option<LogQueue>,
        stages: impl FnOnce(&Workshop, Arc<ArcSwap<Snapshot>>) -> Stages,
    ) -> Self {
        let current = Arc::new(ArcSwap::from_pointee(snapshot));
        let (ledger, clock) = (Arc::clone(&workshop.ledger), Arc::clone(&workshop.clock));
        let quotas = QuotaWatch::new(Arc::clone(&admission), ledger, clock, Arc::clone(&current));
        workshop.metrics.scrape.of(&quotas);
        quotas.start();
        let stack = stack(stages(&workshop, Arc::clone(&current)));
        Self(Arc::new(Inner { stack, current, workshop, quotas, admission, log }))
    }

    /// One call through the whole pipeline: what the proxy uses, and what everything else here is
    /// made of.
    ///
    /// One allocation for the nested futures of all stages, so that callers' futures stay small. No
    /// `async fn`: the body of one is compiled again by whoever awaits it, with all that is below.
    pub fn send(&self, call: impl Into<Box<Call>>) -> BoxFuture<'_, Result<Reply, Error>> {
        self.sent(call.into())
    }

    fn sent(&self, call: Box<Call>) -> BoxFuture<'_, Result<Reply, Error>> {
        // Made where it stays: made elsewhere, two kilobytes would be copied of which nearly nothing
        // is anything yet.
        let sent = Box::write(Box::new_uninit(), self.begun(call));
        Box::into_pin(sent)
    }

    #[inline(never)]
    fn begun(&self, call: Box<Call>) -> impl Future<Output = Result<Reply, Error>> + Send {
        self.0.stack.run(call)
    }

    /// Refuses a call that would be refused whatever it says: looked at before its body is read. What
    /// is refused here is counted, and a record is kept of one in a second.
    pub fn glance(&self, grant: &Grant, priority: Option<Priority>) -> Result<(), Error> {
        let sold = grant.plan.priority;
        let priority = priority.map_or(sold, |wanted| wanted.max(sold));
        let refused = self.0.admission.glance(grant, &self.0.current.load().rules, priority);
        refused.inspect_err(|error| self.metrics().unread(error))
    }

    /// Puts another configuration in place of the one there is. Calls under way keep theirs; what
    /// is known of targets that stay is kept. Nothing changes when there is any problem.
    pub fn reload(&self, settings: Settings) -> Result<(), Problems> {
        let snapshot = self.0.workshop.snapshot(settings)?;
        self.0.current.store(Arc::new(snapshot));
        self.0.quotas.start();
        Ok(())
    }

    /// The configuration as it is now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.current.load_full()
    }

    /// Asks on behalf of somebody, or otherwise than usual.
    pub fn asking(&self) -> Asking<'_> {
        Asking::new(self)
    }

    /// Time, as the gateway has it.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.workshop.clock
    }

    /// Randomness, as the gateway has it.
    pub fn entropy(&self) -> &Arc<dyn Entropy> {
        &self.0.workshop.entropy
    }

    pub(crate) fn embedded(&self) -> Arc<Grant> {
        Arc::clone(&self.0.workshop.embedded)
    }

    /// Lets in what is no call of a model, under the same limits: a slot for as long as it runs.
    pub async fn admit(
        &self,
        grant: &Grant,
        name: &Str,
        deadline: Instant,
        body_bytes: usize,
    ) -> Result<Slot, Error> {
        let snapshot = self.snapshot();
        let (rules, priority) = (&snapshot.rules, grant.plan.priority);
        let (model, tokens) = (name, 0);
        let entrant = Entrant { grant, rules, model, priority, deadline, tokens, body_bytes };
        self.0.admission.enter(entrant).await
    }

    /// Writes down what did not come through the stages.
    pub fn note(&self, record: CallRecord) {
        if let Some(log) = &self.0.log {
            log.push(record);
        }
    }

    /// Forgets answers that were kept, and says how many. Whatever is under way is not kept.
    pub async fn purge(&self, what: &Purge) -> u64 {
        self.0.workshop.shelf.purge(what).await
    }

    /// Who keeps the accounts.
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.0.workshop.ledger
    }

    /// What is left of the quotas that are watched.
    pub fn quotas(&self) -> &Arc<QuotaWatch> {
        &self.0.quotas
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.workshop.metrics
    }
}

/// So that any tower layer can stand on top.
impl Service<Call> for Gateway {
    type Response = Reply;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Reply, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Waiting has its place inside, in the admit stage.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.0.stack.run(Box::new(call)).await })
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}
