//! Jobs of applications: made, looked at, followed, cancelled, and what came of them.
//!
//! The queue is [`llm_store::jobs`]; kinds of work bring their own part of what is asked, and are
//! carried out in [`super::super::depot`]. A job is its user's, and that of its key where the key is
//! nobody's in particular: another's is not there. What it costs is set aside before it is made, and
//! charged once, when it is done.
//!
//! Deliberately absent: jobs of operators, who see the queue in their metrics, and no one's work.

mod events;
mod make;
mod view;

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};
use llm_app::captions::KIND as CAPTIONS;
use llm_app::own;
use llm_core::Str;
use llm_store::deposits::Owner;
use llm_store::jobs::{Filter, JobId, NotDone, PAGE_MAX, Retention, State, Whose};
use llm_store::wallets::WalletId;

use super::super::admin::refusal::{Answered, Refusal};
use super::super::admin::wallets::purse;
use super::super::admin::{Listed, told};
use super::super::body::Body;
use super::super::house::House;
use super::super::inbound::depot;
use super::super::routes::ask::{AppCaller, Ask, Part};
use super::super::routes::shape::{Field, Of, PART, Shape, list as several, text, whole, words};
use super::super::routes::{Route, asked_by};
use super::apps;
use view::Shown;

/// Kinds that are asked for here; others have routes of their own.
pub(crate) const KINDS: &[&str] = &[CAPTIONS, "batch"];
const STATES: [&str; 5] = ["pending", "processing", "completed", "failed", "cancelled"];
/// For how long what came of a job may be kept, as people write it.
const SPANS: [(&str, Retention); 4] = [
    ("2h", Retention::TwoHours),
    ("7d", Retention::Week),
    ("30d", Retention::Month),
    ("90d", Retention::Quarter),
];
const SPAN_WORDS: [&str; 4] = ["2h", "7d", "30d", "90d"];

const WANTED: &[Field] = &[
    words("kind", KINDS, "what is to be done").need(),
    text("input_file_id", "a file of `/v1/files`: a sound, or the lines of a batch"),
    several("languages", &Of::Text, "captions: languages to translate into, as BCP 47 tags"),
    text("language", "captions: the language that is spoken, where it is known"),
    text("model", "captions: the model that listens"),
    whole("duration_seconds", "captions: how long the sound lasts, where it is no WAV or MP3")
        .least(0),
    words("retention", &SPAN_WORDS, "how long what comes of it is kept, as far as the plan goes"),
    words("endpoint", super::super::batches::ENDPOINTS, "a batch: what its lines ask for"),
    words("completion_window", &["24h"], "a batch: how long it may take"),
    super::super::routes::shape::free("metadata", "a batch: labels of whoever asks"),
];
const WHICH: &[Field] =
    &[words("state", &STATES, "in this state alone"), text("kind", "of this kind alone")];
const SINCE: &[Field] = &[whole("since", "also what has happened behind this event").least(0)];
const AFTER: &[Field] =
    &[whole("after", "behind this event; a `Last-Event-ID` says the same").least(0)];
const KEEP: &[Field] = &[words("retention", &SPAN_WORDS, "for how long: never for less").need()];

pub(crate) const ROUTES: &[Route] = &[
    Route::post(
        "/api/v1/jobs",
        "Has something done in the background. A form with the file in it is taken as well; a request \
         with an `Idempotency-Key` that is sent again is the same job.",
        asked_by!(App, create),
    )
    .reads(&[WANTED])
    .gives(Shape::Table(&[view::JOB])),
    Route::get("/api/v1/jobs", "Jobs of whoever asks, newest first.", asked_by!(App, list))
        .query(&[PART, WHICH])
        .gives(Shape::Page(&[view::JOB])),
    Route::get("/api/v1/jobs/{id}", "How far a job is, and what came of it.", asked_by!(App, one))
        .query(&[SINCE])
        .gives(Shape::Table(&[view::JOB])),
    Route::get(
        "/api/v1/jobs/{id}/events",
        "What happens to a job, as it happens: server-sent events until it has ended.",
        asked_by!(App, events::follow),
    )
    .query(&[AFTER])
    .gives(Shape::Typed("text/event-stream")),
    Route::get(
        "/api/v1/jobs/{id}/artefacts/{name}",
        "Something that came of a job: its bytes.",
        asked_by!(App, artefact),
    )
    .gives(Shape::Typed("application/octet-stream")),
    Route::patch(
        "/api/v1/jobs/{id}",
        "Keeps what came of a job for longer, as far as the plan goes.",
        asked_by!(App, keep),
    )
    .takes(&[KEEP])
    .gives(Shape::Table(&[view::JOB])),
    Route::delete("/api/v1/jobs/{id}", "Cancels a job.", asked_by!(App, cancel))
        .gives(Shape::Table(&[view::JOB])),
    Route::post("/api/v1/jobs/{id}/cancel", "Cancels a job.", asked_by!(App, cancel))
        .gives(Shape::Table(&[view::JOB])),
];

impl From<NotDone> for Refusal {
    fn from(why: NotDone) -> Self {
        let text = why.to_string();
        match why {
            NotDone::Absent => Self::new(StatusCode::NOT_FOUND, "not_found", text),
            NotDone::Gone => Self::new(StatusCode::GONE, "gone", text),
            NotDone::Reused | NotDone::Lost => Self::new(StatusCode::CONFLICT, "conflict", text),
            NotDone::TooMuch { .. } => Self::wrong("body", text),
            NotDone::Store(error) => error.into(),
        }
    }
}

/// Whose jobs somebody sees.
fn whose(by: &AppCaller) -> Whose {
    Whose::of(&by.grant.principal)
}

/// The job of the path. What is no id names no job.
fn named(ask: &Ask) -> Result<JobId, Refusal> {
    let id = ask.name(0)?;
    id.parse().map_err(|_| Refusal::absent("job", id))
}

async fn create(ask: &mut Ask, by: &AppCaller) -> Answered {
    let made = make::create(ask, by).await?;
    seen(&ask.house, by, made, None).await
}

/// A job as its owner sees it, with what has happened to it behind an event.
async fn seen(house: &House, by: &AppCaller, id: JobId, since: Option<u64>) -> Answered {
    let (depot, whose) = (depot(house)?, whose(by));
    let (job, steps) = depot.jobs.get(id, &whose).await?;
    let mut shown = Shown::of(&job);
    shown.steps(steps);
    if job.state == State::Completed {
        match depot.jobs.artefacts(id, &whose).await {
            Ok(artefacts) => shown.artefacts(id, artefacts),
            Err(NotDone::Gone) => {}
            Err(why) => return Err(why.into()),
        }
    }
    if job.payment.is_some()
        && let Ok(input) = depot.jobs.input(id, &whose).await
    {
        shown.reserved(&input);
    }
    if let Some(since) = since {
        shown.events(depot.jobs.events(id, &whose, since, usize::MAX).await?);
    }
    Ok(told(StatusCode::OK, &shown))
}

async fn one(ask: &mut Ask, by: &AppCaller) -> Answered {
    let id = named(ask)?;
    let since = ask.query.parse("since", |text| text.parse().ok())?;
    seen(&ask.house, by, id, since).await
}

async fn list(ask: &mut Ask, by: &AppCaller) -> Answered {
    let Part { cursor, limit } = ask.part()?;
    let odd = |_| Refusal::wrong("cursor", "not a cursor of this list");
    let before: Option<JobId> = cursor.map(|text| text.parse().map_err(odd)).transpose()?;
    let filter = Filter {
        whose: whose(by),
        state: ask.query.parse("state", State::parse)?,
        kind: ask.query.take("kind").map(Str::from),
    };
    let page = depot(&ask.house)?.jobs.list(filter, before, limit.min(PAGE_MAX)).await?;
    let data: Vec<Shown> = page.jobs.iter().map(Shown::of).collect();
    Ok(told(StatusCode::OK, &Listed { data, next: page.next.map(|id| id.to_string()) }))
}

async fn cancel(ask: &mut Ask, by: &AppCaller) -> Answered {
    let id = named(ask)?;
    depot(&ask.house)?.jobs.cancel(id, &whose(by)).await?;
    seen(&ask.house, by, id, None).await
}

async fn keep(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (id, word) = (named(ask)?, ask.fields.need::<String>("retention")?);
    let depot = depot(&ask.house)?;
    depot.jobs.get(id, &whose(by)).await?;
    let retention = retention(&ask.house, by, &word).await?;
    depot.jobs.keep(id, &whose(by), retention).await?;
    seen(&ask.house, by, id, None).await
}

/// How long somebody may have what came of a job: what their plan says, and two hours in any case.
async fn retention(house: &House, by: &AppCaller, word: &str) -> Result<Retention, Refusal> {
    let known = SPANS.iter().find(|(known, _)| *known == word).map(|(_, span)| *span);
    let wanted = known
        .ok_or_else(|| Refusal::wrong("retention", format!("one of {}", SPAN_WORDS.join(", "))))?;
    let mut most = Retention::default().span();
    if wanted.span() > most
        && let Some(user) = &by.grant.principal.user
    {
        let wallet = WalletId::user(by.grant.principal.tenant.0.clone(), user.0.clone());
        let plan = purse(house)?.enrol(&wallet).await?;
        most = plan.and_then(|(_, sold)| sold.retention).unwrap_or(Duration::ZERO).max(most);
    }
    if wanted.span() > most {
        let text = format!("this plan keeps results for up to {} hours", most.as_secs() / 3_600);
        return Err(Refusal::new(StatusCode::FORBIDDEN, "plan_too_small", text));
    }
    Ok(wanted)
}

async fn artefact(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (id, name) = (named(ask)?, ask.name(1)?);
    let jobs = &depot(&ask.house)?.jobs;
    let (media, bytes) = jobs.artefact(id, &whose(by), Str::from(name)).await?;
    let bytes = match own::is_sealed(&media) {
        false => bytes,
        true => {
            let apps = apps(&ask.house)?;
            let person = apps.ground.people.find(&Owner::of(&by.grant.principal)).await?;
            let person = person.ok_or_else(|| Refusal::from(NotDone::Gone))?;
            own::artefact(&person, id, name, bytes)?
        }
    };
    Ok(file(name, own::media(&media), bytes))
}

/// Bytes as a file, which nobody's browser shows as a page of ours.
fn file(name: &str, media: &str, bytes: Bytes) -> Response<Body> {
    let length = bytes.len();
    let mut response =
        Response::new(Body::Pieces(Box::pin(futures_util::stream::iter([Ok(bytes)]))));
    let headers = response.headers_mut();
    let usual = HeaderValue::from_static("application/octet-stream");
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(media).unwrap_or(usual));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = name.chars().filter(plain).collect();
    let attached = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    let attached = attached.unwrap_or(HeaderValue::from_static("attachment"));
    headers.insert(CONTENT_DISPOSITION, attached);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
