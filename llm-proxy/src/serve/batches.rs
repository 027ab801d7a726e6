//! Batches: files of calls that are made when there is room, and written to files.
//!
//! They are ours from end to end: every line is a call of its own through the pipeline, of the
//! lowest priority that is served at all, so that any provider serves them and interactive calls go
//! first. The actors are the *batch* (a deposit that says what was asked for), its *job* (in the
//! durable queue: leases, attempts, cancelling) and its *lines* (what became of each). Deliberately
//! absent: prices of their own, since a provider's discount for batches is not to be had this way.

mod line;
mod view;
mod work;

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{Method, StatusCode};
use hyper::body::Incoming;
use llm_core::Str;
use llm_core::principal::{Grant, Priority};
use llm_core::store::KeyHash;
use llm_store::deposits::{Draft as Deposit, Kind, Owner};
use llm_store::jobs::{ATTEMPTS_MAX, Draft, JobId, Retention, Whose};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::depot::Depot;
use super::door::json as said;
use super::files;
use super::house::House;
use super::inbound::{Answered, Unmet, page, query, wants};
use super::upload;

pub(crate) use work::BatchWork;

/// What a line may ask for.
const ENDPOINTS: [&str; 4] =
    ["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions"];
/// Lines of a batch, as OpenAI has it.
const LINES_MAX: u64 = 50_000;
/// How long a batch may take; what is not done by then is not begun.
const WINDOW: Duration = Duration::from_hours(24);
/// How long a batch and its files are there.
const KEEP: Duration = Duration::from_hours(24 * 30);
/// A batch's description, labels and all.
const BODY_BYTES_MAX: u64 = 64 << 10;
/// Labels of a batch, as OpenAI bounds them.
const LABELS_MAX: usize = 16;
/// A job is not taken before its batch can be seen.
const HEAD_START: Duration = Duration::from_millis(200);
const PAGE_MAX: usize = 100;
const PAGE_USUAL: usize = 20;

/// Who asks.
#[derive(Debug)]
pub(crate) struct Asker {
    /// Whose the batch is.
    pub(crate) owner: Owner,
    /// What the key gives.
    pub(crate) grant: Arc<Grant>,
    /// Under which key its calls are made, whatever that gives by then.
    pub(crate) print: KeyHash,
}

/// What a job is told.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Order {
    owner: String,
    print: [u8; 32],
    endpoint: String,
    file: String,
    lines: u64,
}

/// What is said of a batch.
#[derive(Debug, Deserialize, Serialize)]
struct Head {
    endpoint: String,
    file: String,
    window: String,
    lines: u64,
    labels: Option<Map<String, Value>>,
}

/// What a caller asks for.
#[derive(Deserialize)]
struct Wanted {
    input_file_id: String,
    endpoint: String,
    completion_window: String,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
}

/// Answers what is asked about batches.
pub(crate) async fn answer(
    house: &House,
    depot: &Depot,
    asker: Asker,
    head: &Parts,
    (rest, body): (&[&str], Incoming),
) -> Answered {
    let owner = &asker.owner;
    match (&head.method, rest) {
        (&Method::POST, []) => {
            let bytes = upload::read(body, BODY_BYTES_MAX, &*house.clock).await?;
            let wanted: Wanted = serde_json::from_slice(&bytes)
                .map_err(|error| Unmet::wrong("body", format!("this is no batch: {error}")))?;
            create(depot, asker, wanted).await
        }
        (&Method::GET, []) => {
            let cursor = query(head.uri.query(), PAGE_USUAL, PAGE_MAX)?;
            let (limit, mut cursor) = (cursor.limit, cursor);
            cursor.limit += 1;
            let mut batches = Vec::with_capacity(cursor.limit);
            for entry in depot.deposits.list(owner, Kind::Batch, &cursor).await? {
                batches.push(view::shown(depot, owner, &entry).await?);
            }
            Ok(page(batches, limit, |batch| batch["id"].as_str().map(str::to_owned)))
        }
        (&Method::GET, [id]) => seen(depot, owner, id).await,
        (method, [id, "cancel"]) => {
            wants(method, &Method::POST)?;
            let none = || Unmet::absent("batch", id);
            depot.deposits.get(owner, Kind::Batch, id).await?.ok_or_else(none)?;
            let job = job_of(id).ok_or_else(none)?;
            depot.jobs.cancel(job, &Whose::all()).await.map_err(|_| none())?;
            seen(depot, owner, id).await
        }
        _ => Err(Unmet::Method),
    }
}

async fn seen(depot: &Depot, owner: &Owner, id: &str) -> Answered {
    let entry = depot.deposits.get(owner, Kind::Batch, id).await?;
    let entry = entry.ok_or_else(|| Unmet::absent("batch", id))?;
    Ok(said(StatusCode::OK, view::shown(depot, owner, &entry).await?.to_string()))
}

/// The job behind a batch.
fn job_of(id: &str) -> Option<JobId> {
    id.strip_prefix("batch_")?.parse().ok()
}

async fn create(depot: &Depot, asker: Asker, wanted: Wanted) -> Answered {
    let Wanted { input_file_id: file, endpoint, completion_window, metadata } = wanted;
    if !ENDPOINTS.contains(&&*endpoint) {
        let text = format!("endpoint must be one of {}", ENDPOINTS.join(", "));
        return Err(Unmet::wrong("endpoint", text));
    }
    if completion_window != "24h" {
        return Err(Unmet::wrong("completion_window", "completion_window must be 24h"));
    }
    if metadata.as_ref().is_some_and(|labels| labels.len() > LABELS_MAX) {
        return Err(Unmet::wrong("metadata", "16 labels at the most"));
    }
    let Asker { owner, grant, print } = asker;
    let entry = depot.deposits.get(&owner, Kind::File, &file).await?;
    let entry = entry.ok_or_else(|| Unmet::wrong("input_file_id", "there is no such file"))?;
    if files::shown(&entry)["purpose"] != "batch" {
        return Err(Unmet::wrong("input_file_id", "the file's purpose is not batch"));
    }
    let lines = line::count(depot, &owner, &entry).await?;
    if !(1..=LINES_MAX).contains(&lines) {
        let text = format!("a batch has from 1 to {LINES_MAX} lines, and this one {lines}");
        return Err(Unmet::wrong("input_file_id", text));
    }
    let order = Order {
        owner: owner.as_str().to_owned(),
        print: print.0,
        endpoint: endpoint.clone(),
        file: file.clone(),
        lines,
    };
    let input = serde_json::to_vec(&order).unwrap_or_default();
    let principal = &grant.principal;
    let kind = Str::from_static(BatchWork::KIND);
    let draft = Draft {
        user: principal.user.clone(),
        key: Some(principal.key.clone()),
        priority: Priority::Batch,
        attempts_max: ATTEMPTS_MAX,
        after: HEAD_START,
        retention: Retention::Month,
        ..Draft::new(principal.tenant.clone(), kind, input.into())
    };
    let made = depot.jobs.create(draft).await;
    let made = made.map_err(|why| match why {
        llm_store::jobs::NotDone::Store(error) => Unmet::from(error),
        why => Unmet::wrong("body", why.to_string()),
    })?;
    let id = Str::from(format!("batch_{}", made.id));
    let head = Head { endpoint, file, window: completion_window, lines, labels: metadata };
    let head = serde_json::to_string(&head).unwrap_or_default().into();
    let deposit = Deposit {
        owner: owner.clone(),
        id: id.clone(),
        kind: Kind::Batch,
        head,
        previous: None,
        keep: Some(KEEP),
        body: bytes::Bytes::new(),
    };
    depot.deposits.put(deposit).await?;
    seen(depot, &owner, &id).await
}
