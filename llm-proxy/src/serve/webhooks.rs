//! Events that are sent to others: signed, tried again, and listed where nobody took them.
//!
//! The store's outbox has the rules; here are the endpoints of the configuration, the way to them and
//! the worker. An endpoint's address is the operator's, and may lead by mistake (or by whoever owns
//! the name) to a machine beside this one: addresses that are not public are refused where the
//! connection is made, unless the configuration says that this one is meant. Redirects are not
//! followed, and of an answer nothing but its status is read.

mod budgets;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, Request};
use llm_core::Str;
use llm_core::dialect::Chunks;
use llm_core::seam::{BoxFuture, Entropy, Transport};
use llm_providers::transport::{Connections, DirectTransport};
use llm_store::webhooks::{Endpoint, Letter, NotSent, Outbox, Secrets, Sender, Webhooks, Worker};
use smallvec::smallvec;

use super::store::{NotOpened, Store};
use crate::config::Config;

use budgets::Watch;

pub(super) use budgets::Budgets;

/// Connections to one endpoint that are kept: as many as letters are sent at once.
const IDLE_MAX: usize = 16;

/// Who hears of what happens; nobody, where the configuration names none.
pub(super) fn outbox(config: &Config) -> Result<Outbox, NotOpened> {
    let mut endpoints = Vec::with_capacity(config.webhooks.len());
    for (name, hook) in &config.webhooks {
        let secrets = hook.secrets.iter().map(|hidden| hidden.secret.expose().as_str());
        let secrets = Secrets::new(secrets).map_err(|why| odd(name, why))?;
        let (name, url, kinds) = (name.clone(), hook.url.secret.clone(), hook.events.clone());
        endpoints.push(Endpoint { name, url, kinds, secrets });
    }
    Outbox::new(endpoints).map_err(|why| odd("", why))
}

/// Begins to deliver, and to look at budgets where somebody wants to hear of them.
pub(super) fn open(
    config: &Config,
    store: &Store,
    outbox: &Outbox,
    budgets: Option<Arc<Budgets>>,
    entropy: &Arc<dyn Entropy>,
) -> Result<Option<Webhooks>, NotOpened> {
    let Some(database) = store.database() else {
        return match config.webhooks.is_empty() {
            true => Ok(None),
            false => Err(odd("", "nothing is told by a proxy that keeps nothing (memory:)")),
        };
    };
    let webhooks = Webhooks::new(database.clone(), outbox.clone());
    let clock = store.clock();
    if !config.webhooks.is_empty() {
        let sender = Arc::new(Post::new(config)?);
        let worker = Worker::new(webhooks.clone(), sender, Arc::clone(clock), Arc::clone(entropy));
        // It ends with the runtime: what it had in hand is due again when its lease is over.
        tokio::spawn(async move { worker.run().await });
    }
    if let Some(budgets) = budgets {
        let (money, credits) = (store.ledger(), store.credits());
        let webhooks = webhooks.clone();
        let watch = Watch { webhooks, money, credits, clock: Arc::clone(clock) };
        tokio::spawn(budgets.watch(watch));
    }
    Ok(Some(webhooks))
}

fn odd(name: &str, why: impl fmt::Display) -> NotOpened {
    NotOpened::Webhook(format!("webhooks.{name}: {why}"))
}

/// Speaks HTTP to endpoints.
struct Post {
    open: DirectTransport,
    /// For those that may be near.
    near: DirectTransport,
    may_be_near: HashMap<Str, bool>,
}

impl Post {
    fn new(config: &Config) -> Result<Self, NotOpened> {
        let way = |public_only| {
            let usual = Connections { idle_max: IDLE_MAX, ..Connections::default() };
            DirectTransport::new(&Connections { public_only, ..usual }).map_err(|why| odd("", why))
        };
        let near = config.webhooks.iter().map(|(name, hook)| (name.clone(), hook.private));
        Ok(Self { open: way(true)?, near: way(false)?, may_be_near: near.collect() })
    }
}

impl Sender for Post {
    fn send(&self, letter: Letter) -> BoxFuture<'static, Result<(), NotSent>> {
        let near = self.may_be_near.get(&letter.endpoint.name).copied().unwrap_or_default();
        let way = if near { &self.near } else { &self.open };
        let sent = request(letter).map(|request| way.send(request));
        Box::pin(async move {
            let response = sent?.await.map_err(|error| not_sent(error.message))?;
            let status = response.status();
            if status.is_success() {
                return Ok(());
            }
            let after = waits(response.headers());
            Err(NotSent { why: Str::from(format!("answered with {}", status.as_u16())), after })
        })
    }
}

fn request(letter: Letter) -> Result<Request<Chunks>, NotSent> {
    let Letter { endpoint, id, second, signature, body } = letter;
    let request = Request::builder()
        .method(Method::POST)
        .uri(endpoint.url.expose())
        .header(CONTENT_TYPE, "application/json")
        .header("user-agent", "llm-proxy")
        .header("webhook-id", &*id)
        .header("webhook-timestamp", second)
        .header("webhook-signature", signature);
    let body: Chunks = smallvec![Bytes::copy_from_slice(body.as_bytes())];
    // Not the error's own words: the address may be a secret.
    request.body(body).map_err(|_| not_sent("not an address that can be written to"))
}

fn not_sent(why: impl Into<Str>) -> NotSent {
    NotSent { why: why.into(), after: None }
}

fn waits(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}
