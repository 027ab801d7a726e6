//! The outbox: what is to be sent, to whom, and what became of it.

use std::fmt;
use std::sync::Arc;

use llm_core::Str;
use llm_core::secret::Secret;
use llm_core::store::StoreError;

use super::backoff::TRIES_MAX;
use super::event::Event;
use super::sign::Secrets;
use crate::sql::Database;
use crate::sql::database::{Arg, Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// Endpoints of one gateway: each event is written once for each that wants it.
const ENDPOINTS_MAX: usize = 16;
/// Letters of one list.
const LIST_MAX: u32 = 500;
/// How long it is known that an event was sent, so that writing it down again sends nothing.
const KEPT_MICROS: i64 = 3 * DAY_MICROS;
/// For how much longer it is known of budgets, which are told once for each of their windows: those
/// that count for longer than a year remind once a year. It is in the row's instant, so that
/// forgetting need not look at what stays.
const BUDGETS_LONGER_MICROS: i64 = 400 * DAY_MICROS;
/// How long somebody has to look at what is dead.
const DEAD_MICROS: i64 = 30 * DAY_MICROS;
const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;
/// Past events that are forgotten at once: as many as are taken, so that forgetting keeps pace.
const FORGET_MAX: i64 = 64;

const PUT: &str = "INSERT INTO outbox (event, endpoint, kind, body, made_at, state, next_at) \
     VALUES ($1, $2, $3, $4, $5, 'waiting', $5) ON CONFLICT (event, endpoint) DO NOTHING";
const DUE: &str = "SELECT event, body, tries FROM outbox WHERE state = 'waiting' \
     AND endpoint = $1 AND next_at <= $2 ORDER BY next_at LIMIT $3";
const LEASE: &str = "UPDATE outbox SET tries = tries + 1, next_at = $3 \
     WHERE event = $1 AND endpoint = $2";
/// Whose lease is over writes nothing: somebody else has it, and its count is another.
const MARK: &str = "UPDATE outbox SET state = $4, why = $6, \
     next_at = $5 + CASE WHEN kind LIKE 'budget.%' THEN $7 ELSE 0 END WHERE event = $1 AND endpoint = $2 AND tries = $3 AND state = 'waiting'";
const FORGET: &str = "DELETE FROM outbox WHERE (event, endpoint) IN (SELECT event, endpoint \
     FROM outbox WHERE state = $1 AND state <> 'waiting' AND next_at < $2 LIMIT $3)";
/// What the index of what is past says of itself has to be said for it.
const DEAD: &str = "SELECT event, endpoint, kind, body, tries, why FROM outbox \
     WHERE state = 'dead' AND state <> 'waiting' ORDER BY next_at, event, endpoint LIMIT $1";
const AGAIN: &str = "UPDATE outbox SET state = 'waiting', tries = 0, next_at = $3 \
     WHERE event = $1 AND endpoint = $2 AND state = 'dead'";
const WAITING: &str = "SELECT count(*) FROM outbox WHERE state = 'waiting'";

/// Where webhooks are sent.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its name: letters stay with it when its address changes.
    pub name: Str,
    /// Its address, which may be a secret itself.
    pub url: Secret<String>,
    /// Which kinds it wants: `credits.low`, `job.*`, `*`.
    pub kinds: Vec<Str>,
    /// What its letters are signed with.
    pub secrets: Secrets,
}

/// Endpoints that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEndpoint {
    /// A name that is empty or is another one's too.
    #[error("webhook endpoints need names of their own: {0:?}")]
    Name(Str),
    /// There are too many.
    #[error("there are up to {ENDPOINTS_MAX} webhook endpoints")]
    Many,
}

impl Endpoint {
    fn wants(&self, kind: &str) -> bool {
        self.kinds.iter().any(|wanted| match wanted.strip_suffix('*') {
            Some(beginning) => kind.starts_with(beginning),
            None => **wanted == *kind,
        })
    }
}

/// Who is to hear of what. Where nobody wants a kind, nothing is written down.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    endpoints: Arc<[Arc<Endpoint>]>,
}

impl Outbox {
    /// The outbox of some endpoints.
    pub fn new(endpoints: Vec<Endpoint>) -> Result<Self, NotEndpoint> {
        if endpoints.len() > ENDPOINTS_MAX {
            return Err(NotEndpoint::Many);
        }
        for (at, endpoint) in endpoints.iter().enumerate() {
            let twice = endpoints.iter().take(at).any(|other| other.name == endpoint.name);
            if twice || endpoint.name.is_empty() {
                return Err(NotEndpoint::Name(endpoint.name.clone()));
            }
        }
        Ok(Self { endpoints: endpoints.into_iter().map(Arc::new).collect() })
    }

    pub(super) fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// Whether anybody wants events of a kind.
    pub fn wants(&self, kind: &str) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.wants(kind))
    }

    /// Writes an event down, within the transaction of what it tells.
    pub(crate) async fn put(
        &self,
        session: &mut Session<'_>,
        event: &Event,
    ) -> Result<(), Failure> {
        let Event { id, kind, body } = event;
        for endpoint in self.endpoints.iter().filter(|endpoint| endpoint.wants(kind)) {
            let args = [
                Arg::from(&**id),
                (&*endpoint.name).into(),
                (&**kind).into(),
                (&**body).into(),
                session.now().into(),
            ];
            session.run(PUT, &args).await?;
        }
        Ok(())
    }
}

/// An event that was never taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    /// Which event.
    pub event: Str,
    /// Who did not take it.
    pub endpoint: Str,
    /// Its kind.
    pub kind: Str,
    /// What would have been sent.
    pub body: Str,
    /// How often it was tried.
    pub tries: u32,
    /// What was said last.
    pub why: Option<Str>,
}

/// The outbox of a database. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks {
    pub(super) database: Database,
    pub(super) outbox: Outbox,
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").field("outbox", &self.outbox).finish_non_exhaustive()
    }
}

impl Webhooks {
    /// The outbox of a database.
    pub fn new(database: Database, outbox: Outbox) -> Self {
        Self { database, outbox }
    }

    /// Writes down what happened elsewhere. The same event again changes nothing.
    pub async fn put(&self, event: Event) -> Result<(), StoreError> {
        if !self.outbox.wants(&event.kind) {
            return Ok(());
        }
        self.database.write(Put { outbox: self.outbox.clone(), event }).await
    }

    /// What was never taken, the longest dead first.
    pub async fn dead(&self, limit: u32) -> Result<Vec<Dead>, StoreError> {
        self.database.report(ListDead { limit: limit.clamp(1, LIST_MAX) }).await
    }

    /// Tries what is dead once more, from the beginning; `false` when there is no such thing.
    pub async fn again(&self, event: Str, endpoint: Str) -> Result<bool, StoreError> {
        self.database.write(Again { event, endpoint }).await
    }

    /// How many letters wait.
    pub async fn waiting(&self) -> Result<u64, StoreError> {
        self.database.report(Waiting).await
    }
}

struct Put {
    outbox: Outbox,
    event: Event,
}

impl Task for Put {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        self.outbox.put(session, &self.event).await
    }
}

/// A letter that is leased.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) event: Str,
    pub(super) body: Str,
    /// Which try this is.
    pub(super) tries: u32,
    /// The instant of it, in seconds.
    pub(super) second: i64,
}

/// Takes what is due. Nobody else gets it before the lease is over.
pub(super) struct Take {
    pub(super) endpoint: Str,
    pub(super) most: u32,
    pub(super) lease_micros: i64,
}

impl Task for Take {
    type Out = Vec<Taken>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Vec<Taken>, Failure> {
        let now = session.now();
        for (state, kept) in [("done", KEPT_MICROS), ("dead", DEAD_MICROS)] {
            let before = now.saturating_sub(kept);
            session.run(FORGET, &[state.into(), before.into(), FORGET_MAX.into()]).await?;
        }
        let until = now.saturating_add(self.lease_micros);
        let text = format!("{DUE}{}", session.taking());
        let args = [Arg::from(&*self.endpoint), now.into(), i64::from(self.most).into()];
        let mut taken = Vec::new();
        for row in session.all(text, &args).await? {
            let (event, body) = (Str::from(row.text(0)?), Str::from(row.text(1)?));
            let tries = u32::try_from(row.int(2)?).map_err(|_| odd("tries"))?;
            if tries >= TRIES_MAX {
                // Its last try was not written down: whether it arrived is unknown, and it is
                // listed so that somebody decides.
                let why = Some("the worker died at the last try");
                mark(session, &event, &self.endpoint, tries, "dead", now, why).await?;
                continue;
            }
            session.run(LEASE, &[(&*event).into(), (&*self.endpoint).into(), until.into()]).await?;
            taken.push(Taken { event, body, tries: tries + 1, second: now.div_euclid(1_000_000) });
        }
        Ok(taken)
    }
}

/// What became of a try.
pub(super) enum Fate {
    Arrived,
    /// After so many microseconds once more, unless it was the last try.
    Failed {
        wait_micros: i64,
        why: Str,
    },
}

/// Writes down what became of a try.
pub(super) struct Mark {
    pub(super) endpoint: Str,
    pub(super) event: Str,
    pub(super) tries: u32,
    pub(super) fate: Fate,
}

impl Task for Mark {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let now = session.now();
        let (state, next, why) = match &self.fate {
            Fate::Arrived => ("done", now, None),
            Fate::Failed { why, .. } if self.tries >= TRIES_MAX => ("dead", now, Some(&**why)),
            Fate::Failed { wait_micros, why } => {
                ("waiting", now.saturating_add(*wait_micros), Some(&**why))
            }
        };
        mark(session, &self.event, &self.endpoint, self.tries, state, next, why).await
    }
}

async fn mark(
    session: &mut Session<'_>,
    event: &str,
    endpoint: &str,
    tries: u32,
    state: &'static str,
    next: i64,
    why: Option<&str>,
) -> Result<(), Failure> {
    let longer = if state == "waiting" { 0 } else { BUDGETS_LONGER_MICROS };
    let args = [
        event.into(),
        endpoint.into(),
        i64::from(tries).into(),
        Arg::from(state),
        next.into(),
        why.into(),
        longer.into(),
    ];
    session.run(MARK, &args).await?;
    Ok(())
}

struct ListDead {
    limit: u32,
}

impl Task for ListDead {
    type Out = Vec<Dead>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Vec<Dead>, Failure> {
        let mut dead = Vec::new();
        for row in session.all(DEAD, &[i64::from(self.limit).into()]).await? {
            dead.push(Dead {
                event: Str::from(row.text(0)?),
                endpoint: Str::from(row.text(1)?),
                kind: Str::from(row.text(2)?),
                body: Str::from(row.text(3)?),
                tries: u32::try_from(row.int(4)?).map_err(|_| odd("tries"))?,
                why: row.maybe_text(5)?.map(Str::from),
            });
        }
        Ok(dead)
    }
}

struct Again {
    event: Str,
    endpoint: Str,
}

impl Task for Again {
    type Out = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, Failure> {
        let args = [(&*self.event).into(), (&*self.endpoint).into(), session.now().into()];
        Ok(session.run(AGAIN, &args).await? == 1)
    }
}

struct Waiting;

impl Task for Waiting {
    type Out = u64;

    async fn run(&self, session: &mut Session<'_>) -> Result<u64, Failure> {
        let row = session.one(WAITING, &[]).await?.ok_or_else(|| odd("count"))?;
        u64::try_from(row.int(0)?).map_err(|_| odd("count").into())
    }
}
