//! What the stores below the features keep of people: deposits, jobs, the request log, answers to
//! requests that are sent again.

use std::sync::Arc;
use std::time::Duration;

use llm_core::principal::KeyId;
use llm_core::seam::{BoxFuture, Clock, Entropy};
use llm_core::store::StoreError;
use llm_store::deposits::{Cursor, Deposits, Entry, Kind};
use llm_store::idempotency::sql::SqlSlots;
use llm_store::jobs::{Filter, Job, Jobs, NotDone, State, Whose};
use llm_store::requests::{Forget, Of, Request, Requests, Search};
use serde_json::{Value, json};

use super::{CONTENT_BYTES_MAX, ITEMS_MAX, Keeps, Who};
use crate::own;

/// How often is looked whether a job that was cancelled has ended, and how long in between: a worker
/// hears of it with its next beat, and has some seconds to let go.
const TRIES_MAX: u32 = 60;
const TRY_AFTER: Duration = Duration::from_millis(500);

/// Text as it is, where there is still room for it; other bytes are told by their number.
fn content(bytes: &[u8], room: &mut usize) -> Value {
    match str::from_utf8(bytes).ok().filter(|text| text.len() <= *room) {
        Some(text) => {
            *room -= text.len();
            text.into()
        }
        None => Value::Null,
    }
}

/// Answers, files and batches.
#[derive(Debug)]
pub struct DepositKeeper(pub Deposits);

impl DepositKeeper {
    async fn all(&self, who: &Who) -> Result<Value, StoreError> {
        let (mut all, mut room) = (Vec::new(), CONTENT_BYTES_MAX);
        for (kind, word) in
            [(Kind::Response, "response"), (Kind::File, "file"), (Kind::Batch, "batch")]
        {
            let cursor = Cursor { after: None, ascending: true, limit: ITEMS_MAX };
            for entry in self.0.list(&who.owner, kind, &cursor).await? {
                all.push(self.one(who, word, &entry, &mut room).await?);
            }
        }
        Ok(all.into())
    }

    async fn one(
        &self,
        who: &Who,
        word: &str,
        entry: &Entry,
        room: &mut usize,
    ) -> Result<Value, StoreError> {
        let head: Value = serde_json::from_str(&entry.head).unwrap_or_default();
        let small = usize::try_from(entry.size).is_ok_and(|size| size <= *room);
        let bytes = match small {
            true => self.0.bytes(&who.owner, entry).await?,
            false => None,
        };
        let content = bytes.map_or(Value::Null, |bytes| content(&bytes, room));
        Ok(json!({"id": &*entry.id, "kind": word, "bytes": entry.size, "about": head,
            "created_at": entry.created.to_string(), "content": content}))
    }
}

impl Keeps for DepositKeeper {
    fn name(&self) -> &'static str {
        "deposits"
    }

    fn export<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<Value, StoreError>> {
        Box::pin(self.all(who))
    }

    fn erase<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(self.0.erase(&who.owner))
    }
}

/// Jobs, with what came of them.
#[derive(Debug)]
pub struct JobKeeper {
    jobs: Jobs,
    clock: Arc<dyn Clock>,
}

impl JobKeeper {
    /// Of this queue.
    pub fn new(jobs: Jobs, clock: Arc<dyn Clock>) -> Self {
        Self { jobs, clock }
    }

    fn whose(who: &Who) -> Whose {
        Whose { user: Some(who.user.clone()), ..Whose::tenant(who.tenant.clone()) }
    }

    async fn all(&self, who: &Who) -> Result<Value, StoreError> {
        let (mut all, mut before, mut room) = (Vec::new(), None, CONTENT_BYTES_MAX);
        let filter = Filter { whose: Self::whose(who), ..Filter::default() };
        loop {
            let page = self.jobs.list(filter.clone(), before, usize::MAX).await?;
            for job in &page.jobs {
                all.push(self.one(who, job, &mut room).await?);
            }
            before = page.next;
            if before.is_none() || all.len() >= ITEMS_MAX {
                return Ok(all.into());
            }
        }
    }

    async fn one(&self, who: &Who, job: &Job, room: &mut usize) -> Result<Value, StoreError> {
        let (whose, mut came) = (Self::whose(who), Vec::new());
        let names = match self.jobs.artefacts(job.id, &whose).await {
            Err(NotDone::Store(why)) => return Err(why),
            Ok(names) if job.state == State::Completed => names,
            Ok(_) | Err(_) => Vec::new(),
        };
        for artefact in names {
            let bytes = match self.jobs.artefact(job.id, &whose, artefact.name.clone()).await {
                Err(NotDone::Store(why)) => return Err(why),
                Err(_) => continue,
                Ok((media, bytes)) if own::is_sealed(&media) => match &who.person {
                    Some(person) => own::artefact(person, job.id, &artefact.name, bytes)?,
                    None => continue,
                },
                Ok((_, bytes)) => bytes,
            };
            came.push(json!({"name": &*artefact.name, "media_type": own::media(&artefact.media),
                "content": content(&bytes, room)}));
        }
        Ok(json!({"id": job.id.to_string(), "kind": &*job.kind, "state": job.state.as_str(),
            "created_at": job.created_at.to_string(), "artefacts": came}))
    }

    /// What somebody works on has to end first.
    async fn gone(&self, who: &Who) -> Result<u64, StoreError> {
        let (whose, mut gone) = (Self::whose(who), 0);
        for _ in 0..TRIES_MAX {
            let erased = self.jobs.erase(&whose).await?;
            gone += erased.gone;
            if erased.later == 0 {
                return Ok(gone);
            }
            self.clock.sleep(TRY_AFTER).await;
        }
        Err(StoreError::Unavailable("a job has not ended yet: ask again".into()))
    }
}

impl Keeps for JobKeeper {
    fn name(&self) -> &'static str {
        "jobs"
    }

    fn export<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<Value, StoreError>> {
        Box::pin(self.all(who))
    }

    fn erase<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(self.gone(who))
    }
}

/// The request log: who asked for what of whom, and never what was said.
#[derive(Debug)]
pub struct RequestKeeper {
    requests: Requests,
    entropy: Arc<dyn Entropy>,
}

impl RequestKeeper {
    /// Of this log; pseudonyms are drawn.
    pub fn new(requests: Requests, entropy: Arc<dyn Entropy>) -> Self {
        Self { requests, entropy }
    }

    async fn all(&self, who: &Who) -> Result<Value, StoreError> {
        let of = Of {
            tenant: Some(who.tenant.0.clone()),
            user: Some(who.user.0.clone()),
            ..Of::default()
        };
        let (search, mut all, mut after) = (Search { of, ..Search::default() }, Vec::new(), None);
        loop {
            let page = self.requests.page(&search, after, usize::MAX).await?;
            all.extend(page.requests.iter().map(call));
            after = page.next;
            if after.is_none() || all.len() >= ITEMS_MAX {
                return Ok(all.into());
            }
        }
    }
}

fn call(request: &Request) -> Value {
    let Request { subject, usage, .. } = request;
    let tags: Vec<&str> = request.tags.iter().map(|tag| &**tag).collect();
    json!({"id": request.id.to_string(), "at": request.at.to_string(), "key": &*subject.key,
        "feature": &*subject.feature, "operation": &*subject.operation, "model": &*subject.model,
        "target": &*subject.target, "outcome": &*request.outcome, "input_tokens": usage.input,
        "output_tokens": usage.output, "cost": request.charged.to_string(),
        "credits": request.credits.map(|credits| credits.to_string()), "tags": tags})
}

impl Keeps for RequestKeeper {
    fn name(&self) -> &'static str {
        "requests"
    }

    fn export<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<Value, StoreError>> {
        Box::pin(self.all(who))
    }

    fn erase<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let who = Forget::User(who.tenant.clone(), who.user.clone());
            Ok(self.requests.forget(&who, &*self.entropy).await?.requests)
        })
    }
}

/// What was answered to requests that may be sent again. Before the request log, which knows the
/// keys that somebody has used.
#[derive(Debug)]
pub struct SlotKeeper {
    slots: SqlSlots,
    requests: Requests,
}

impl SlotKeeper {
    /// Of these records; a log says whose they are.
    pub fn new(slots: SqlSlots, requests: Requests) -> Self {
        Self { slots, requests }
    }
}

impl Keeps for SlotKeeper {
    fn name(&self) -> &'static str {
        "repeated_requests"
    }

    /// Answers are kept for a day, by the name that a program gave its request: they are in the
    /// program's hands.
    fn export<'a>(&'a self, _: &'a Who) -> BoxFuture<'a, Result<Value, StoreError>> {
        Box::pin(async { Ok(Value::Array(Vec::new())) })
    }

    fn erase<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let keys: Vec<KeyId> = self.requests.keys_of(&who.tenant, &who.user).await?;
            self.slots.erase(&who.tenant, keys).await
        })
    }
}
