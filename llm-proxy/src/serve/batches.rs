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

use std::time::Duration;

use http::StatusCode;
use llm_core::Str;
use llm_core::principal::Priority;
use llm_store::deposits::{Draft as Deposit, Kind, Owner};
use llm_store::jobs::{ATTEMPTS_MAX, Draft, JobId, Retention, Whose};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::admin::fields::Fields;
use super::admin::refusal::{Answered, Refusal};
use super::depot::Depot;
use super::door::json as said;
use super::files;
use super::inbound::{PAGE, cursor, depot, owner, page, parts};
use super::routes::ask::{AppCaller, Ask};
use super::routes::shape::{Field, Of, Shape, free, list as several, table, text, whole, words};
use super::routes::{Route, asked_by};

pub(crate) use work::BatchWork;

/// What a line may ask for.
pub(super) const ENDPOINTS: &[&str] =
    &["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions"];
/// Lines of a batch, as OpenAI has it.
const LINES_MAX: u64 = 50_000;
/// How long a batch may take; what is not done by then is not begun.
const WINDOW: Duration = Duration::from_hours(24);
/// How long a batch and its files are there.
const KEEP: Duration = Duration::from_hours(24 * 30);
/// Labels of a batch, as OpenAI bounds them.
const LABELS_MAX: usize = 16;
/// A job is not taken before its batch can be seen.
const HEAD_START: Duration = Duration::from_millis(200);
const PAGE_MAX: usize = 100;
/// Which part of a list is wanted.
const LISTED: [Field; 3] = parts(PAGE_MAX);
const PAGE_USUAL: usize = 20;

const WANTED: &[Field] = &[
    text("input_file_id", "a file of the purpose `batch`").need(),
    words("endpoint", ENDPOINTS, "what its lines ask for").need(),
    words("completion_window", &["24h"], "how long it may take").need(),
    free("metadata", "labels of whoever asks"),
];
const BATCH: &[Field] = &[
    text("id", "").need(),
    words("object", &["batch"], "").need(),
    text("endpoint", "").need(),
    free("errors", "why it failed"),
    text("input_file_id", "").need(),
    text("completion_window", "").need(),
    text("status", "").need(),
    text("output_file_id", "answers, once it has ended"),
    text("error_file_id", "lines that failed"),
    whole("created_at", "").need(),
    whole("in_progress_at", ""),
    whole("expires_at", ""),
    whole("finalizing_at", ""),
    whole("completed_at", ""),
    whole("failed_at", ""),
    whole("expired_at", ""),
    whole("cancelling_at", ""),
    whole("cancelled_at", ""),
    table("request_counts", &[COUNTS], "").need(),
    free("metadata", ""),
];
const COUNTS: &[Field] =
    &[whole("total", "").need(), whole("completed", "").need(), whole("failed", "").need()];
const BATCHES: &[Field] = &[several("data", &Of::Table(&[BATCH]), "").need()];

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/v1/batches", "Asks each line of a file, in time.", asked_by!(App, create))
        .takes(&[WANTED])
        .gives(Shape::Table(&[BATCH])),
    Route::get("/v1/batches", "Batches of whoever asks.", asked_by!(App, list))
        .query(&[&LISTED])
        .gives(Shape::Table(&[PAGE, BATCHES])),
    Route::get("/v1/batches/{id}", "How far a batch is.", asked_by!(App, one))
        .gives(Shape::Table(&[BATCH])),
    Route::post("/v1/batches/{id}/cancel", "Ends a batch early.", asked_by!(App, cancel))
        .gives(Shape::Table(&[BATCH])),
];

/// What a job is told.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Order {
    owner: String,
    /// Under which key its calls are made, whatever that gives by then.
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

async fn list(ask: &mut Ask, by: &AppCaller) -> Answered {
    let Ask { house, query, .. } = ask;
    let (depot, owner) = (depot(house)?, owner(by));
    let mut cursor = cursor(query, PAGE_USUAL, PAGE_MAX)?;
    let limit = cursor.limit;
    cursor.limit += 1;
    let mut batches = Vec::with_capacity(cursor.limit);
    for entry in depot.deposits.list(&owner, Kind::Batch, &cursor).await? {
        batches.push(view::shown(depot, &owner, &entry).await?);
    }
    Ok(page(batches, limit, |batch| batch["id"].as_str().map(str::to_owned)))
}

async fn one(ask: &mut Ask, by: &AppCaller) -> Answered {
    seen(depot(&ask.house)?, &owner(by), ask.name(0)?).await
}

async fn cancel(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (depot, owner, id) = (depot(&ask.house)?, owner(by), ask.name(0)?);
    let none = || Refusal::absent("batch", id);
    depot.deposits.get(&owner, Kind::Batch, id).await?.ok_or_else(none)?;
    let job = job_of(id).ok_or_else(none)?;
    depot.jobs.cancel(job, &Whose::all()).await.map_err(|_| none())?;
    seen(depot, &owner, id).await
}

async fn seen(depot: &Depot, owner: &Owner, id: &str) -> Answered {
    let entry = depot.deposits.get(owner, Kind::Batch, id).await?;
    let entry = entry.ok_or_else(|| Refusal::absent("batch", id))?;
    Ok(said(StatusCode::OK, view::shown(depot, owner, &entry).await?.to_string()))
}

/// The job behind a batch.
fn job_of(id: &str) -> Option<JobId> {
    id.strip_prefix("batch_")?.parse().ok()
}

/// What a caller asks for.
pub(super) struct Wanted {
    file: String,
    endpoint: String,
    window: String,
    labels: Option<Map<String, Value>>,
}

impl Wanted {
    pub(super) fn read(fields: &mut Fields) -> Result<Self, Refusal> {
        let (file, endpoint) = (fields.need("input_file_id")?, fields.need("endpoint")?);
        let (window, labels) = (fields.need("completion_window")?, fields.take("metadata")?.set());
        let wanted = Self { file, endpoint, window, labels };
        if !ENDPOINTS.contains(&&*wanted.endpoint) {
            let text = format!("endpoint must be one of {}", ENDPOINTS.join(", "));
            return Err(Refusal::wrong("endpoint", text));
        }
        if wanted.window != "24h" {
            return Err(Refusal::wrong("completion_window", "completion_window must be 24h"));
        }
        if wanted.labels.as_ref().is_some_and(|labels| labels.len() > LABELS_MAX) {
            return Err(Refusal::wrong("metadata", "16 labels at the most"));
        }
        Ok(wanted)
    }
}

async fn create(ask: &mut Ask, by: &AppCaller) -> Answered {
    let wanted = Wanted::read(&mut ask.fields)?;
    let depot = depot(&ask.house)?;
    let job = begin(depot, by, wanted).await?;
    seen(depot, &owner(by), &format!("batch_{job}")).await
}

/// Puts a batch into the queue.
pub(super) async fn begin(depot: &Depot, by: &AppCaller, wanted: Wanted) -> Result<JobId, Refusal> {
    let Wanted { file, endpoint, window, labels } = wanted;
    let print = by.print.ok_or_else(|| {
        let text = "this token allows less than its user may ask, and a batch would outlast it";
        Refusal::new(StatusCode::FORBIDDEN, "permission_denied", text)
    })?;
    let owner = owner(by);
    let entry = depot.deposits.get(&owner, Kind::File, &file).await?;
    let entry = entry.ok_or_else(|| Refusal::wrong("input_file_id", "there is no such file"))?;
    if files::shown(&entry)["purpose"] != "batch" {
        return Err(Refusal::wrong("input_file_id", "the file's purpose is not batch"));
    }
    let lines = line::count(depot, &owner, &entry).await?;
    if !(1..=LINES_MAX).contains(&lines) {
        let text = format!("a batch has from 1 to {LINES_MAX} lines, and this one {lines}");
        return Err(Refusal::wrong("input_file_id", text));
    }
    let order = Order {
        owner: owner.as_str().to_owned(),
        print: print.0,
        endpoint: endpoint.clone(),
        file: file.clone(),
        lines,
    };
    let input = serde_json::to_vec(&order).unwrap_or_default();
    let principal = &by.grant.principal;
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
        llm_store::jobs::NotDone::Store(error) => Refusal::from(error),
        why => Refusal::wrong("body", why.to_string()),
    })?;
    let id = Str::from(format!("batch_{}", made.id));
    let head = Head { endpoint, file, window, lines, labels };
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
    Ok(made.id)
}
