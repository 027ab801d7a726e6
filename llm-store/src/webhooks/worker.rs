//! The worker: takes letters, has them sent, and writes down what became of them.
//!
//! The lease comes first: a worker that dies after it leaves letters that are due again when it is
//! over. What a dead worker sent and did not write down is sent twice, under one id. That is the
//! bargain: once at most would lose what was in hand.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use llm_core::Str;
use llm_core::seam::{BoxFuture, Clock, Entropy};
use llm_core::secret::redact;
use llm_core::store::StoreError;
use tokio::task::JoinSet;

use super::backoff::wait;
use super::outbox::{Endpoint, Fate, Mark, Take, Taken, Webhooks};
use crate::sql::row::micros_of;

/// Letters of one endpoint in hand: what a small receiver takes at once.
const BATCH_MAX: u32 = 16;
/// What one try may take.
const SEND_DEADLINE: Duration = Duration::from_secs(15);
/// How long a letter is nobody else's: the send, and writing it down where a store is slow.
const LEASE: Duration = Duration::from_secs(60);
/// How long the worker rests when nothing is due: what an alert may come late.
const REST: Duration = Duration::from_secs(1);
/// Bytes that are kept of what an endpoint said.
const WHY_MAX: usize = 300;

/// What is sent: a POST of the body, with three headers.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Where to.
    pub endpoint: Arc<Endpoint>,
    /// `webhook-id`.
    pub id: Str,
    /// `webhook-timestamp`, in seconds since 1970.
    pub second: i64,
    /// `webhook-signature`.
    pub signature: String,
    /// JSON.
    pub body: Str,
}

/// Why a letter was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotSent {
    /// What the endpoint or the way to it said, without any secret.
    pub why: Str,
    /// When the endpoint wants to be asked again.
    pub after: Option<Duration>,
}

/// Speaks HTTP to endpoints. Only an answer that says so counts as taken.
pub trait Sender: Send + Sync + fmt::Debug + 'static {
    /// Sends once. Dropping the future gives up.
    fn send(&self, letter: Letter) -> BoxFuture<'static, Result<(), NotSent>>;
}

/// What a round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Letters that arrived.
    pub arrived: u32,
    /// Letters that did not.
    pub failed: u32,
}

/// Delivers the outbox. Any number of them may run, on any number of machines.
#[derive(Clone, Debug)]
pub struct Worker {
    webhooks: Webhooks,
    sender: Arc<dyn Sender>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Worker {
    /// A worker of an outbox.
    pub fn new(
        webhooks: Webhooks,
        sender: Arc<dyn Sender>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { webhooks, sender, clock, entropy }
    }

    /// Delivers until it is dropped. Each endpoint has its own pace: one that is silent keeps
    /// nobody else waiting.
    pub async fn run(&self) {
        let mut all = JoinSet::new();
        for endpoint in self.webhooks.outbox.endpoints().iter().cloned() {
            let worker = self.clone();
            all.spawn(async move {
                loop {
                    match worker.round(&endpoint).await {
                        Ok(round) if round != Round::default() => {}
                        Ok(_) => worker.clock.sleep(REST).await,
                        Err(error) => {
                            tracing::warn!(endpoint = %endpoint.name, %error, "webhooks wait");
                            worker.clock.sleep(REST).await;
                        }
                    }
                }
            });
        }
        while all.join_next().await.is_some() {}
    }

    /// Delivers what is due now, once, to everyone.
    pub async fn deliver(&self) -> Result<Round, StoreError> {
        let mut sum = Round::default();
        for endpoint in self.webhooks.outbox.endpoints() {
            let Round { arrived, failed } = self.round(endpoint).await?;
            sum = Round { arrived: sum.arrived + arrived, failed: sum.failed + failed };
        }
        Ok(sum)
    }

    async fn round(&self, endpoint: &Arc<Endpoint>) -> Result<Round, StoreError> {
        let take = Take {
            endpoint: endpoint.name.clone(),
            most: BATCH_MAX,
            lease_micros: micros_of(LEASE),
        };
        let mut tries = JoinSet::new();
        for taken in self.webhooks.database.write(take).await? {
            let (worker, endpoint) = (self.clone(), Arc::clone(endpoint));
            tries.spawn(async move { worker.attempt(endpoint, taken).await });
        }
        let mut round = Round::default();
        while let Some(done) = tries.join_next().await {
            match done {
                Ok(Ok(true)) => round.arrived += 1,
                // A try that is not written down is due again when its lease is over.
                Ok(Ok(false) | Err(_)) | Err(_) => round.failed += 1,
            }
        }
        Ok(round)
    }

    async fn attempt(&self, endpoint: Arc<Endpoint>, taken: Taken) -> Result<bool, StoreError> {
        let Taken { event, body, tries, second } = taken;
        let signature = endpoint.secrets.sign(&event, second, body.as_bytes());
        let name = endpoint.name.clone();
        let letter = Letter { endpoint, id: event.clone(), second, signature, body };
        let sent = tokio::select! {
            sent = self.sender.send(letter) => sent,
            () = self.clock.sleep(SEND_DEADLINE) => {
                Err(NotSent { why: Str::from_static("no answer in time"), after: None })
            }
        };
        let arrived = sent.is_ok();
        let fate = match sent {
            Ok(()) => Fate::Arrived,
            Err(NotSent { why, after }) => {
                let wait_micros = micros_of(wait(tries, self.entropy.next_u64(), after));
                Fate::Failed { wait_micros, why: told(&why) }
            }
        };
        self.webhooks.database.write(Mark { endpoint: name, event, tries, fate }).await?;
        Ok(arrived)
    }
}

/// What is kept of an endpoint's words: short, and without keys or control characters.
fn told(why: &str) -> Str {
    let clean: Cow<'_, str> = redact(why);
    Str::from(clean.chars().filter(|c| !c.is_control()).take(WHY_MAX).collect::<String>())
}
