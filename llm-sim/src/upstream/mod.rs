//! The five APIs: one [`Upstream`] each, on a socket (`server`) or in process
//! ([`SimTransport`](crate::SimTransport)).
//!
//! A request goes through `exchange`: recorded, matched against the script, let in, checked as
//! strictly as the real API checks it, read by the caller half of its dialect, answered by the
//! model, written by the same half, spoiled as the script wants, and played.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use llm_core::call::Operation;
use llm_core::dialect::{CallerDialect, DialectId, Route};

use crate::model::input::PromptCache;
use crate::record::{Page, Record, Records};
use crate::script::{Act, Asked, Rule, Script};

mod answer;
mod control;
pub(crate) mod exchange;
mod faults;
mod frames;
pub(crate) mod play;
mod refusal;
pub(crate) mod server;
mod socket;
mod strict;
mod vendor;

pub use play::{Interrupted, Play};
pub use refusal::{Problem, Refusal};
pub use vendor::{UNKNOWN_MODELS, Vendor, WRONG_KEY};

/// Larger requests are refused with 413; Anthropic's own limit is four times that, but nobody
/// needs 32 MiB to test a gateway.
pub const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Finds the caller half of a dialect.
pub type Dialects = fn(DialectId) -> Option<&'static dyn CallerDialect>;

/// One simulated vendor and what it remembers.
#[derive(Debug)]
pub struct Upstream {
    vendor: Vendor,
    dialects: Dialects,
    prompt_faults: bool,
    script: Mutex<Script>,
    records: Mutex<Records>,
    cache: PromptCache,
}

impl Upstream {
    /// A vendor that has seen nothing. With `prompt_faults`, a prompt may ask for faults itself:
    /// `[[sim: {"status": 503}]]`.
    pub fn new(vendor: Vendor, dialects: Dialects, prompt_faults: bool) -> Self {
        Self {
            vendor,
            dialects,
            prompt_faults,
            script: Mutex::default(),
            records: Mutex::default(),
            cache: PromptCache::default(),
        }
    }

    /// Which vendor.
    pub fn vendor(&self) -> Vendor {
        self.vendor
    }

    /// Replaces the script.
    pub fn script(&self, rules: Vec<Rule>) {
        lock(&self.script).set(rules);
    }

    /// All requests that are still kept, oldest first.
    pub fn requests(&self) -> Vec<Record> {
        lock(&self.records).all()
    }

    /// Forgets script, requests and prompt cache.
    pub fn reset(&self) {
        lock(&self.script).set(Vec::new());
        lock(&self.records).clear();
        self.cache.clear();
    }

    /// How many rules are left.
    fn rules_left(&self) -> usize {
        lock(&self.script).len()
    }

    fn page<T>(&self, since: u64, read: impl FnOnce(Page<'_>) -> T) -> T {
        read(lock(&self.records).since(since))
    }

    fn open_record(&self, record: Record) -> u64 {
        lock(&self.records).open(record)
    }

    fn edit_record(&self, seq: u64, change: impl FnOnce(&mut Record)) {
        lock(&self.records).edit(seq, change);
    }

    fn next_act(&self, asked: &Asked<'_>) -> Option<Act> {
        lock(&self.script).take(asked)
    }

    /// The dialect and the meaning of a request line. Only the dialect that owns chat on this
    /// vendor is asked about calls that several dialects have (the list of models).
    fn route(
        &self,
        method: &http::Method,
        path: &str,
    ) -> Option<(&'static dyn CallerDialect, Route)> {
        self.vendor.dialects().iter().find_map(|id| {
            let dialect = (self.dialects)(*id)?;
            let route = dialect.route(method, path)?;
            (route.operation != Operation::Passthrough).then_some((dialect, route))
        })
    }
}

/// Nothing in here panics with a lock held; a lock poisoned by a foreign panic is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request, whole.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: http::Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}
