//! Documents, as applications upload, list and search them.

mod work;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use llm_app::documents::read::{BYTES_MAX, Media};
use llm_app::documents::{
    Document, Documents, Draft, HITS_MAX, NAMED_MAX, PAGE_MAX, Query, Within, named,
};
use llm_app::feature::Feature;
use llm_app::{Ground, NotDone};
use llm_core::Str;
use llm_core::error::{Error, Kind};
use llm_dialects::multipart;
use serde::{Deserialize, Serialize};

use super::super::admin::fields::Fields;
use super::super::admin::refusal::{Answered, Refusal};
use super::super::admin::{Listed, told};
use super::super::inbound::depot;
use super::super::routes::ask::{AppCaller, Ask, Part};
use super::super::routes::shape::{Field, Of, Shape, flag, list, number, text, whole, words};
use super::super::routes::{Route, asked_by};
use super::super::upload::{self, Sent};
use super::analysis::job;
use super::apps;
use crate::config::Config;

pub(crate) use work::EmbeddingWork;

/// What surrounds a file: base64 makes four letters of three bytes.
const BODY_MAX: u64 = BYTES_MAX as u64 / 3 * 4 + (256 << 10);
/// So many passages whoever uploads waits for; more are a job's.
const WAITED_MAX: usize = 256;
/// Models that embed; the first one that there is.
const EMBEDDERS: [&str; 5] = [
    "text-embedding-3-small",
    "gemini-embedding-001",
    "embed-v4.0",
    "nomic-embed-text",
    "simulated",
];

const MEDIA: &[&str] =
    &["text/plain", "text/markdown", "text/csv", "application/json", "application/pdf"];
const DRAFT: &[Field] = &[
    text("name", "what it is called").need(),
    text("content", "its text; of a PDF, its bytes in base64").need(),
    words("media_type", MEDIA, "by the end of its name, unless said"),
    text("collection", "which collection it goes into"),
    flag("async", "embeds it by a job, however small it is"),
];
const DOCUMENT: &[Field] = &[
    text("id", "").need(),
    text("name", "").need(),
    words("media_type", MEDIA, "").need(),
    text("collection", ""),
    whole("bytes", "").need(),
    whole("pages", "").need(),
    whole("passages", "").need(),
    flag("embedded", "whether it is found by its meaning, and not by its words alone").need(),
    text("created_at", "").need(),
];
const MADE: &[Field] = &[text("job_id", "the job that embeds it")];
const OF: &[Field] = &[
    text("cursor", "where to go on: the `next` of the page before"),
    whole("limit", "how many, 100 unless said").least(1).most(PAGE_MAX as i64),
    text("collection", "documents of this collection alone"),
];
const GONE: &[Field] = &[text("id", "").need(), flag("deleted", "").need()];
const SEARCHED: &[Field] = &[
    text("query", "in words").need().least(1),
    text("collection", "in this collection alone"),
    list("documents", &Of::Text, "in these alone, by their ids"),
    whole("limit", "how many passages: 10 unless said").least(1).most(HITS_MAX as i64),
];
const HIT: &[Field] = &[
    text("document_id", "").need(),
    text("document", "its name").need(),
    whole("page", "from 1 on").need(),
    number("score", "to be compared within one answer").need(),
    text("excerpt", "").need(),
];
const RESULTS: &[Field] = &[
    list("data", &Of::Table(&[HIT]), "the best first").need(),
    whole("looked", "passages that were looked at").need(),
    whole("unembedded", "those of them that could be found by their words alone").need(),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::post(
        "/api/v1/documents",
        "Keeps a document: as JSON, or as a form with the part `file`.",
        asked_by!(App, create),
    )
    .reads(&[DRAFT])
    .gives(Shape::Table(&[DOCUMENT, MADE])),
    Route::get("/api/v1/documents", "One's documents, the newest first.", asked_by!(App, listed))
        .query(&[OF])
        .gives(Shape::Page(&[DOCUMENT])),
    Route::get("/api/v1/documents/{id}", "What a document is.", asked_by!(App, one))
        .gives(Shape::Table(&[DOCUMENT])),
    Route::delete("/api/v1/documents/{id}", "Forgets a document.", asked_by!(App, forget))
        .gives(Shape::Table(&[GONE])),
    Route::post(
        "/api/v1/documents/search",
        "Passages that answer a question, by their words and by their meaning.",
        asked_by!(App, search),
    )
    .takes(&[SEARCHED])
    .gives(Shape::Table(&[RESULTS])),
];

/// Who keeps documents, as the configuration has it.
pub(super) fn open(config: &Config, ground: &Ground) -> Documents {
    let feature = Feature::new("documents", config.usual_of(&EMBEDDERS));
    Documents::new(ground.clone(), config.feature(feature))
}

/// What a job is told.
#[derive(Debug, Deserialize, Serialize)]
struct Behind {
    owner: String,
    /// Under which key its calls are made, whatever that gives by then.
    print: [u8; 32],
    document: String,
}

#[derive(Serialize)]
struct Shown {
    id: Str,
    name: Str,
    media_type: &'static str,
    collection: Option<Str>,
    bytes: u64,
    pages: u32,
    passages: u32,
    embedded: bool,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_id: Option<String>,
}

impl Shown {
    fn of(documents: &Documents, document: Document) -> Self {
        Self {
            embedded: document.model.as_ref() == Some(documents.model()),
            id: document.id,
            name: document.name,
            media_type: document.media.as_str(),
            collection: document.collection,
            bytes: document.size,
            pages: document.pages,
            passages: document.passages,
            created_at: format!("{:.3}", document.born),
            job_id: None,
        }
    }
}

/// An upload, and whether a job is to embed it.
type Wanted = (Draft, bool);

async fn create(ask: &mut Ask, by: &AppCaller) -> Answered {
    let sent = ask.body()?;
    let house = &ask.house;
    let apps = apps(house)?;
    let person = apps.ground.person(&by.grant).await?;
    // Before its body is read: nothing of theirs is looked at either.
    if !person.may_be_kept() {
        return Err(NotDone::NoConsent.into());
    }
    let depot = depot(house)?;
    let _place = depot.uploads.try_acquire().map_err(|_| {
        let text = "other files are being uploaded: try again in a moment";
        Error::new(Kind::Busy, text)
    })?;
    let Sent { headers, body } = sent;
    let bytes = upload::read(&headers, body, BODY_MAX, &*house.clock).await?;
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (draft, later) = match multipart::is_form(kind) {
        true => form(kind, &bytes)?,
        false => json(&bytes)?,
    };
    if later && by.print.is_none() {
        let text = "this token allows less than its user may ask, and a job would outlast it";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "permission_denied", text));
    }
    let documents = &apps.documents;
    let document = documents.add(&person, draft).await?;
    let missing = documents.missing(&person, &document, WAITED_MAX + 1).await?;
    if let Some(print) = by.print
        && missing > 0
        && (later || missing > WAITED_MAX)
    {
        let owner = person.owner().as_str().to_owned();
        let order = Behind { owner, print: print.0, document: document.id.to_string() };
        let job = job(house, by, EmbeddingWork::KIND, &order).await?;
        let mut shown = Shown::of(documents, document);
        shown.job_id = Some(job.to_string());
        return Ok(told(StatusCode::ACCEPTED, &shown));
    }
    if let Err(why) = Box::pin(documents.embed(&person, &by.grant, &document, &())).await {
        // Whoever is told that it failed sends it again; what is embedded by then stays so.
        if document.model.is_none() {
            documents.forget(&person, &document.id).await?;
        }
        return Err(why.into());
    }
    let document = documents.get(&person, &document.id).await?;
    Ok(told(StatusCode::OK, &Shown::of(documents, document)))
}

fn media(said: Option<&str>, name: &str) -> Result<Media, Refusal> {
    let media = match said {
        Some(said) => Media::parse(said),
        None => Media::of_name(name),
    };
    media.ok_or_else(|| {
        Refusal::wrong("media_type", format!("media_type must be one of {}", MEDIA.join(", ")))
    })
}

fn json(bytes: &Bytes) -> Result<Wanted, Refusal> {
    let mut fields = Fields::parse(bytes)?;
    fields.among(&[DRAFT])?;
    let (name, content): (Str, String) = (fields.need("name")?, fields.need("content")?);
    let said: Option<String> = fields.take("media_type")?.set();
    let collection = fields.take("collection")?.set();
    let later = fields.take("async")?.set().unwrap_or(false);
    let media = media(said.as_deref(), &name)?;
    let content = match media {
        Media::Pdf => STANDARD
            .decode(content.trim())
            .map(Bytes::from)
            .map_err(|_| Refusal::wrong("content", "the bytes of a PDF are wanted in base64"))?,
        Media::Text | Media::Markdown | Media::Csv | Media::Json => Bytes::from(content),
    };
    Ok((Draft { name, media, collection, content }, later))
}

fn form(kind: &str, bytes: &Bytes) -> Result<Wanted, Refusal> {
    let parts = multipart::parse(kind, bytes)?;
    let text = |name: &str| {
        let part = parts.iter().find(|part| part.name == name)?;
        str::from_utf8(&part.bytes).ok().map(str::trim)
    };
    let known = ["file", "name", "collection", "media_type", "async"];
    if parts.iter().any(|part| !known.contains(&&*part.name)) {
        let text = format!("a form has the parts {}", known.join(", "));
        return Err(Refusal::wrong("body", text));
    }
    let file = parts.iter().find(|part| part.name == "file");
    let file = file.ok_or_else(|| Refusal::wrong("file", "the file is missing"))?;
    let name = text("name").or(file.filename.as_deref()).unwrap_or_default();
    let typed = file.content_type.as_deref().filter(|kind| Media::parse(kind).is_some());
    let media = media(text("media_type").or(typed), name)?;
    let later = match text("async") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Refusal::wrong("async", "true or false")),
    };
    let draft = Draft {
        name: Str::from(name),
        media,
        collection: text("collection").map(Str::from),
        content: file.bytes.clone(),
    };
    Ok((draft, later))
}

async fn listed(ask: &mut Ask, by: &AppCaller) -> Answered {
    let Part { cursor, limit } = ask.part()?;
    let hex = |id: &String| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if cursor.as_ref().is_some_and(|cursor| !hex(cursor)) {
        return Err(Refusal::wrong("cursor", "this is no cursor of ours"));
    }
    let collection = match ask.query.take("collection") {
        Some(name) => Some(named("collection", &name)?),
        None => None,
    };
    let apps = apps(&ask.house)?;
    let person = apps.ground.person(&by.grant).await?;
    let (before, one_more) = (cursor.map(Str::from), limit + 1);
    let mut found = apps.documents.list(&person, collection.as_deref(), before, one_more).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    let data: Vec<Shown> =
        found.into_iter().map(|document| Shown::of(&apps.documents, document)).collect();
    Ok(told(StatusCode::OK, &Listed { data, next }))
}

async fn one(ask: &mut Ask, by: &AppCaller) -> Answered {
    let apps = apps(&ask.house)?;
    let person = apps.ground.person(&by.grant).await?;
    let document = apps.documents.get(&person, ask.name(0)?).await?;
    Ok(told(StatusCode::OK, &Shown::of(&apps.documents, document)))
}

#[derive(Serialize)]
struct Gone<'a> {
    id: &'a str,
    deleted: bool,
}

async fn forget(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (apps, id) = (apps(&ask.house)?, ask.name(0)?);
    let person = apps.ground.person(&by.grant).await?;
    apps.documents.forget(&person, id).await?;
    Ok(told(StatusCode::OK, &Gone { id, deleted: true }))
}

#[derive(Serialize)]
struct Hit {
    document_id: Str,
    document: Str,
    page: u32,
    score: f64,
    excerpt: Str,
}

#[derive(Serialize)]
struct Results {
    data: Vec<Hit>,
    looked: usize,
    unembedded: usize,
}

async fn search(ask: &mut Ask, by: &AppCaller) -> Answered {
    let fields = &mut ask.fields;
    let text = fields.need("query")?;
    let collection: Option<Str> = fields.take("collection")?.set();
    let documents: Option<Vec<Str>> = fields.take("documents")?.set();
    let limit: i64 = fields.take("limit")?.set().unwrap_or(10);
    let limit = usize::try_from(limit).ok().filter(|limit| (1..=HITS_MAX).contains(limit));
    let limit = limit.ok_or_else(|| Refusal::wrong("limit", format!("1 to {HITS_MAX}")))?;
    let within = match (collection, documents) {
        (Some(_), Some(_)) => {
            return Err(Refusal::wrong("collection", "documents or a collection, and not both"));
        }
        (Some(name), None) => Within::Collection(named("collection", &name)?),
        (None, Some(ids)) if ids.len() > NAMED_MAX => {
            return Err(Refusal::wrong("documents", format!("{NAMED_MAX} at the most")));
        }
        (None, Some(ids)) => Within::Documents(ids),
        (None, None) => Within::All,
    };
    let apps = apps(&ask.house)?;
    let person = apps.ground.person(&by.grant).await?;
    if !person.may_be_kept() {
        return Err(NotDone::NoConsent.into());
    }
    let query = Query { text, within, limit };
    let found = Box::pin(apps.documents.search(&person, &by.grant, &query)).await?;
    let hit = |hit: llm_app::documents::Hit| Hit {
        document_id: hit.id,
        document: hit.document,
        page: hit.page,
        score: hit.score,
        excerpt: hit.excerpt,
    };
    let data = found.hits.into_iter().map(hit).collect();
    let results = Results { data, looked: found.looked, unembedded: found.unembedded };
    Ok(told(StatusCode::OK, &results))
}
