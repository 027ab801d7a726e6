//! Files: uploaded, listed, read, deleted.
//!
//! An upload is in memory until it is kept, and so there is a bound on each and on how many come at
//! once. A name is carried and never a path. Deliberately absent: providers' own files. What is
//! kept here is read by batches here.

use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use llm_core::Str;
use llm_core::error::{Error, Kind};
use llm_dialects::multipart;
use llm_store::deposits::{Cursor, Deposits, Draft, Entry, Kind as Deposit, LIST_MAX, Owner};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::body::{Body, Piece};
use super::depot::Depot;
use super::door::json as said;
use super::house::House;
use super::inbound::{Answered, Unmet, page, parameters, query, wants};
use super::upload;
use crate::secrets;

/// What a file may be for.
const PURPOSES: [&str; 6] = ["batch", "assistants", "fine-tune", "vision", "user_data", "evals"];
/// Bytes of a file's name.
const NAME_BYTES_MAX: usize = 255;
/// Files of a page, as OpenAI has it.
const PAGE_MAX: usize = 10_000;
/// What surrounds the file in its form.
const FORM_BYTES: u64 = 64 << 10;
const ID_BYTES: usize = 16;

/// What is said of a file.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Head {
    pub(super) filename: String,
    pub(super) purpose: String,
}

/// Answers what is asked about files.
pub(crate) async fn answer(
    house: &House,
    depot: &Depot,
    owner: &Owner,
    head: &Parts,
    (rest, body): (&[&str], Incoming),
) -> Answered {
    let none = |id: &str| Unmet::absent("file", id);
    match (&head.method, rest) {
        (&Method::POST, []) => upload(house, depot, owner, head, body).await,
        (&Method::GET, []) => list(&depot.deposits, owner, head.uri.query()).await,
        (&Method::GET, [id]) => {
            let entry = depot.deposits.get(owner, Deposit::File, id).await?;
            Ok(said(StatusCode::OK, shown(&entry.ok_or_else(|| none(id))?).to_string()))
        }
        (&Method::DELETE, [id]) => {
            if !depot.deposits.forget(owner, Deposit::File, id, false).await? {
                return Err(none(id));
            }
            let body = json!({ "id": id, "object": "file", "deleted": true });
            Ok(said(StatusCode::OK, body.to_string()))
        }
        (method, [id, "content"]) => {
            wants(method, &Method::GET)?;
            let entry = depot.deposits.get(owner, Deposit::File, id).await?;
            Ok(content(depot.deposits.clone(), owner.clone(), entry.ok_or_else(|| none(id))?))
        }
        _ => Err(Unmet::Method),
    }
}

async fn upload(
    house: &House,
    depot: &Depot,
    owner: &Owner,
    head: &Parts,
    body: Incoming,
) -> Answered {
    let rules = &depot.rules.files;
    let _place = depot.uploads.try_acquire().map_err(|_| {
        let text = "other files are being uploaded: try again in a moment";
        Error::new(Kind::Busy, text)
    })?;
    let bytes = upload::read(body, rules.size_max + FORM_BYTES, &*house.clock).await?;
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let parts = multipart::parse(content_type.unwrap_or_default(), &bytes)?;
    let text = |name: &str| {
        let part = parts.iter().find(|part| part.name == name)?;
        str::from_utf8(&part.bytes).ok().map(str::trim)
    };
    let purpose = text("purpose").filter(|purpose| PURPOSES.contains(purpose));
    let purpose = purpose.ok_or_else(|| {
        Unmet::wrong("purpose", format!("purpose must be one of {}", PURPOSES.join(", ")))
    })?;
    let keep = lifetime(text("expires_after[seconds]"))?;
    let file = parts.iter().find(|part| part.name == "file");
    let file = file.ok_or_else(|| Unmet::wrong("file", "the file is missing"))?;
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
    let entry = depot.deposits.get(owner, Deposit::File, &id).await?;
    let entry = entry.ok_or_else(|| Unmet::absent("file", &id))?;
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
fn lifetime(seconds: Option<&str>) -> Result<Option<std::time::Duration>, Unmet> {
    let Some(seconds) = seconds else { return Ok(None) };
    let seconds = seconds.parse().ok().filter(|s| (3_600..=2_592_000).contains(s));
    let wrong = || Unmet::wrong("expires_after", "seconds must be from 3600 to 2592000");
    seconds.map(|s| Some(std::time::Duration::from_secs(s))).ok_or_else(wrong)
}

fn new_id() -> Result<Str, Unmet> {
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

async fn list(deposits: &Deposits, owner: &Owner, asked: Option<&str>) -> Answered {
    let cursor = query(asked, PAGE_MAX, PAGE_MAX)?;
    let purpose = parameters(asked).find(|(name, _)| name == "purpose").map(|(_, value)| value);
    let limit = cursor.limit;
    // With a purpose all are looked at: of a page of any purpose few may be of this one.
    let most = if purpose.is_some() { LIST_MAX } else { limit + 1 };
    let cursor = Cursor { limit: most, ..cursor };
    let entries = deposits.list(owner, Deposit::File, &cursor).await?;
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
