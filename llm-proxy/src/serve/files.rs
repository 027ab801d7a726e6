//! Files: uploaded, listed, read, deleted.
//!
//! An upload is in memory until it is kept, and so there is a bound on each and on how many come at
//! once. A name is carried and never a path. Deliberately absent: providers' own files. What is
//! kept here is read by batches here.

use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use llm_core::Str;
use llm_core::error::{Error, Kind};
use llm_dialects::multipart;
use llm_store::deposits::{Cursor, Deposits, Draft, Entry, Kind as Deposit, LIST_MAX, Owner};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::admin::refusal::{Answered, Refusal};
use super::body::{Body, Piece};
use super::depot::Depot;
use super::door::json as said;
use super::inbound::{GONE, PAGE, cursor, depot, gone, owner, page, parts};
use super::routes::ask::{AppCaller, Ask};
use super::routes::shape::{Field, Of, Shape, list as several, text, whole, words};
use super::routes::{Route, asked_by};
use super::upload::{self, Sent};
use crate::secrets;

/// What a file may be for.
const PURPOSES: &[&str] = &["batch", "assistants", "fine-tune", "vision", "user_data", "evals"];
/// Bytes of a file's name.
const NAME_BYTES_MAX: usize = 255;
/// Files of a page, as OpenAI has it.
const PAGE_MAX: usize = 10_000;
/// Which part of a list is wanted.
const LISTED: [Field; 3] = parts(PAGE_MAX);
/// What surrounds the file in its form.
const FORM_BYTES: u64 = 64 << 10;
const ID_BYTES: usize = 16;

const FORM: &[Field] = &[
    text("file", "its bytes, and its name").need(),
    words("purpose", PURPOSES, "what it is for").need(),
    text("expires_after[anchor]", "created_at"),
    whole("expires_after[seconds]", "how long it is there: an hour to thirty days")
        .least(3_600)
        .most(2_592_000),
];
const OF: &[Field] = &[text("purpose", "files of this purpose alone")];
const FILE: &[Field] = &[
    text("id", "").need(),
    words("object", &["file"], "").need(),
    whole("bytes", "").need(),
    whole("created_at", "").need(),
    whole("expires_at", ""),
    text("filename", ""),
    text("purpose", ""),
    text("status", "").need(),
    text("status_details", ""),
];
const FILES: &[Field] = &[several("data", &Of::Table(&[FILE]), "").need()];

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/v1/files", "Keeps a file, for its owner alone.", asked_by!(App, upload))
        .form(&[FORM])
        .gives(Shape::Table(&[FILE])),
    Route::get("/v1/files", "Files of whoever asks.", asked_by!(App, list))
        .query(&[&LISTED, OF])
        .gives(Shape::Table(&[PAGE, FILES])),
    Route::get("/v1/files/{id}", "What a file is.", asked_by!(App, one))
        .gives(Shape::Table(&[FILE])),
    Route::get("/v1/files/{id}/content", "A file's bytes.", asked_by!(App, read))
        .gives(Shape::Typed("application/octet-stream")),
    Route::delete("/v1/files/{id}", "Forgets a file.", asked_by!(App, forget))
        .gives(Shape::Table(&[GONE])),
];

/// What is said of a file.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Head {
    pub(super) filename: String,
    pub(super) purpose: String,
}

async fn found(depot: &Depot, owner: &Owner, id: &str) -> Result<Entry, Refusal> {
    let entry = depot.deposits.get(owner, Deposit::File, id).await?;
    entry.ok_or_else(|| Refusal::absent("file", id))
}

async fn one(ask: &mut Ask, by: &AppCaller) -> Answered {
    let entry = found(depot(&ask.house)?, &owner(by), ask.name(0)?).await?;
    Ok(said(StatusCode::OK, shown(&entry).to_string()))
}

async fn read(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (depot, owner) = (depot(&ask.house)?, owner(by));
    let entry = found(depot, &owner, ask.name(0)?).await?;
    Ok(content(depot.deposits.clone(), owner, entry))
}

async fn forget(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (depot, id) = (depot(&ask.house)?, ask.name(0)?);
    if !depot.deposits.forget(&owner(by), Deposit::File, id, false).await? {
        return Err(Refusal::absent("file", id));
    }
    Ok(gone(id, "file"))
}

async fn upload(ask: &mut Ask, by: &AppCaller) -> Answered {
    let Sent { headers, body } = ask.body()?;
    let (house, owner) = (&ask.house, &owner(by));
    let depot = depot(house)?;
    let rules = &depot.rules.files;
    let _place = depot.uploads.try_acquire().map_err(|_| {
        let text = "other files are being uploaded: try again in a moment";
        Error::new(Kind::Busy, text)
    })?;
    let bytes = upload::read(&headers, body, rules.size_max + FORM_BYTES, &*house.clock).await?;
    let content_type = ask.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let parts = multipart::parse(content_type.unwrap_or_default(), &bytes)?;
    if let Some(stranger) = parts.iter().find(|part| FORM.iter().all(|f| *f.name != *part.name)) {
        let name = &*stranger.name;
        return Err(Refusal::wrong(name, format!("there is no field {name}")));
    }
    let text = |name: &str| {
        let part = parts.iter().find(|part| part.name == name)?;
        str::from_utf8(&part.bytes).ok().map(str::trim)
    };
    let purpose = text("purpose").filter(|purpose| PURPOSES.contains(purpose));
    let purpose = purpose.ok_or_else(|| {
        Refusal::wrong("purpose", format!("purpose must be one of {}", PURPOSES.join(", ")))
    })?;
    let keep = lifetime(text("expires_after[seconds]"))?;
    let file = parts.iter().find(|part| part.name == "file");
    let file = file.ok_or_else(|| Refusal::wrong("file", "the file is missing"))?;
    if file.bytes.len() as u64 > rules.size_max {
        let text = format!("a file may have {} bytes at the most", rules.size_max);
        return Err(Error::new(Kind::TooLarge, text).into());
    }
    let used = depot.deposits.size(owner, Deposit::File).await?;
    if used.saturating_add(file.bytes.len() as u64) > rules.total_max {
        let text = format!("all your files may have {} bytes: delete some", rules.total_max);
        return Err(Error::new(Kind::TooLarge, text).into());
    }
    let name = file.filename.as_deref().unwrap_or("file");
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let filename = name.get(..name.floor_char_boundary(NAME_BYTES_MAX)).unwrap_or_default();
    let head = Head { filename: filename.to_owned(), purpose: purpose.to_owned() };
    let id = new_id()?;
    put(depot, owner, id.clone(), &head, (keep, file.bytes.clone())).await?;
    let entry = found(depot, owner, &id).await?;
    Ok(said(StatusCode::OK, shown(&entry).to_string()))
}

/// Keeps a file, under an id that may have been tried before.
pub(super) async fn put(
    depot: &Depot,
    owner: &Owner,
    id: Str,
    head: &Head,
    (keep, body): (Option<std::time::Duration>, Bytes),
) -> Result<(), llm_core::store::StoreError> {
    let head = serde_json::to_string(head).unwrap_or_default().into();
    let (owner, kind) = (owner.clone(), Deposit::File);
    let draft = Draft { owner, id, kind, head, previous: None, keep, body };
    depot.deposits.put(draft).await.map(drop)
}

/// For how long its owner would have it kept: an hour to thirty days, as OpenAI has it.
fn lifetime(seconds: Option<&str>) -> Result<Option<std::time::Duration>, Refusal> {
    let Some(seconds) = seconds else { return Ok(None) };
    let seconds = seconds.parse().ok().filter(|s| (3_600..=2_592_000).contains(s));
    let wrong = || Refusal::wrong("expires_after", "seconds must be from 3600 to 2592000");
    seconds.map(|s| Some(std::time::Duration::from_secs(s))).ok_or_else(wrong)
}

fn new_id() -> Result<Str, Refusal> {
    let drawn = secrets::hex::<ID_BYTES>().map_err(|error| {
        Error::new(Kind::Internal, "the system gives no random bytes").because(error)
    })?;
    Ok(Str::from(format!("file-{drawn}")))
}

/// What a file is.
pub(super) fn shown(entry: &Entry) -> Value {
    let head: Option<Head> = serde_json::from_str(&entry.head).ok();
    let (filename, purpose) = head.map(|head| (head.filename, head.purpose)).unzip();
    json!({
        "id": &*entry.id, "object": "file", "bytes": entry.size,
        "created_at": entry.created.as_second(),
        "expires_at": entry.expires.map(|at| at.as_second()),
        "filename": filename, "purpose": purpose, "status": "processed", "status_details": null,
    })
}

async fn list(ask: &mut Ask, by: &AppCaller) -> Answered {
    let Ask { house, query, .. } = ask;
    let cursor = cursor(query, PAGE_MAX, PAGE_MAX)?;
    let purpose = query.take("purpose");
    let limit = cursor.limit;
    // With a purpose all are looked at: of a page of any purpose few may be of this one.
    let most = if purpose.is_some() { LIST_MAX } else { limit + 1 };
    let cursor = Cursor { limit: most, ..cursor };
    let entries = depot(house)?.deposits.list(&owner(by), Deposit::File, &cursor).await?;
    let files = entries.iter().map(shown);
    let of = |file: &Value| purpose.as_ref().is_none_or(|p| file["purpose"] == **p);
    let files: Vec<Value> = files.filter(of).take(limit + 1).collect();
    Ok(page(files, limit, |file| file["id"].as_str().map(str::to_owned)))
}

/// A file's bytes, one piece after the other.
fn content(deposits: Deposits, owner: Owner, entry: Entry) -> Response<Body> {
    let size = entry.size;
    let pieces = futures_util::stream::unfold(Some(0), move |number| {
        let (deposits, owner, entry) = (deposits.clone(), owner.clone(), entry.clone());
        async move {
            let number = number?;
            let piece: Piece = match deposits.piece(&owner, &entry, number).await {
                Ok(Some(piece)) if piece.is_empty() => return None,
                Ok(Some(piece)) => return Some((Ok(piece), Some(number + 1))),
                Ok(None) => return None,
                Err(error) => Err(std::io::Error::other(error)),
            };
            Some((piece, None))
        }
    });
    let mut response = Response::new(Body::Pieces(Box::pin(pieces)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
    // Nobody's browser shows it as a page of ours.
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
