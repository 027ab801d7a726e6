//! Links to results, that whoever has them can follow until they end.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use llm_app::analysis::written::{Format, written};
use llm_core::Str;
use llm_store::deposits::Owner;
use llm_store::seal::Place;
use serde::{Deserialize, Serialize};

use super::super::super::admin::refusal::{Answered, Refusal};
use super::super::super::admin::told;
use super::super::super::body::Body;
use super::super::super::call::now;
use super::super::super::routes::ask::{AppCaller, Ask};
use super::super::super::routes::shape::{Field, Shape, text, whole, words};
use super::super::super::routes::{Route, Run, asked_by};
use super::super::apps;

/// For how long a link is good, unless it is said, and at the most.
const SECONDS_USUAL: i64 = 15 * 60;
const SECONDS_MAX: i64 = 7 * 24 * 3_600;
/// Letters of a link: a longer one is none of ours.
const TOKEN_MAX: usize = 2_048;

const FORMATS: &[&str] = &["markdown", "csv", "json"];
const AS: &[Field] = &[
    words("format", FORMATS, "what it is downloaded as; markdown unless said"),
    whole("seconds", "for how long: 900 unless said, a week at the most")
        .least(1)
        .most(SECONDS_MAX),
];
const TO: &[Field] = &[
    text("url", "a path of this server; it needs no key").need(),
    text("expires_at", "").need(),
    words("format", FORMATS, "").need(),
];

pub(super) const LINK: Route = Route::get(
    "/api/v1/analysis/{id}/link",
    "A link to a result, which whoever has it can follow until it ends.",
    asked_by!(App, link),
)
.query(&[AS])
.gives(Shape::Table(&[TO]));
pub(super) const DOWNLOAD: Route = Route::get(
    "/api/v1/downloads/{token}",
    "The file that a link leads to.",
    Run::Anyone(|ask| Box::pin(download(ask))),
)
.gives(Shape::Typed("text/markdown"));

const PLACE: Place<'_> = Place { table: "link", column: "token", row: "analysis", version: 0 };

/// Where a link leads.
#[derive(Debug, Deserialize, Serialize)]
struct Leads {
    owner: String,
    analysis: String,
    format: String,
    /// Until when, in microseconds since 1970.
    until: i64,
}

#[derive(Serialize)]
struct Link {
    url: String,
    expires_at: String,
    format: &'static str,
}

async fn link(ask: &mut Ask, by: &AppCaller) -> Answered {
    let format = ask.query.parse("format", Format::parse)?.unwrap_or(Format::Markdown);
    let good = |text: &str| text.parse::<i64>().ok().filter(|s| (1..=SECONDS_MAX).contains(s));
    let seconds = ask.query.parse("seconds", good)?.unwrap_or(SECONDS_USUAL);
    let (apps, id) = (apps(&ask.house)?, ask.name(0)?);
    let person = apps.ground.person(&by.grant).await?;
    let kept = apps.analysis.get(&person, id).await?;
    if kept.ended.is_none() {
        let text = "the analysis is not done yet";
        return Err(Refusal::new(StatusCode::CONFLICT, "not_ready", text));
    }
    let until = now(&ask.house).checked_add(SignedDuration::from_secs(seconds));
    let until = until.unwrap_or(Timestamp::MAX).min(kept.expires);
    let leads = Leads {
        owner: person.owner().as_str().to_owned(),
        analysis: id.to_owned(),
        format: format.as_str().to_owned(),
        until: until.as_microsecond(),
    };
    let sealed = apps.links.close(&PLACE, &serde_json::to_vec(&leads).unwrap_or_default())?;
    let link = Link {
        url: format!("/api/v1/downloads/{}", URL_SAFE_NO_PAD.encode(sealed)),
        expires_at: format!("{until:.3}"),
        format: format.as_str(),
    };
    Ok(told(StatusCode::OK, &link))
}

/// What is altered, over or somebody's who was forgotten leads nowhere, and all alike.
async fn download(ask: &mut Ask) -> Answered {
    let nowhere = || Refusal::new(StatusCode::NOT_FOUND, "not_found", "this link leads nowhere");
    let (apps, token) = (apps(&ask.house)?, ask.name(0)?);
    if token.len() > TOKEN_MAX {
        return Err(nowhere());
    }
    let sealed = URL_SAFE_NO_PAD.decode(token).map_err(|_| nowhere())?;
    let opened = apps.links.open(&PLACE, Bytes::from(sealed)).map_err(|_| nowhere())?;
    let leads: Leads = serde_json::from_slice(&opened).map_err(|_| nowhere())?;
    if now(&ask.house).as_microsecond() >= leads.until {
        return Err(nowhere());
    }
    let format = Format::parse(&leads.format).ok_or_else(nowhere)?;
    let owner = Owner::from(Str::from(leads.owner));
    let person = apps.ground.people.find(&owner).await?.ok_or_else(nowhere)?;
    let report = apps.analysis.report(&person, &leads.analysis).await?;
    Ok(file(&leads.analysis, format, written(&report, format)))
}

/// A file that a browser keeps and does not show as a page of ours.
fn file(id: &str, format: Format, bytes: Vec<u8>) -> Response<Body> {
    let length = bytes.len();
    // As it comes: JSON that is whole would be put into the envelope.
    let pieces = stream::iter([Ok(Bytes::from(bytes))]);
    let mut response = Response::new(Body::Pieces(Box::pin(pieces)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media()));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    let name = format!("attachment; filename=\"analysis-{id}.{}\"", format.end());
    let name = HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment"));
    headers.insert(CONTENT_DISPOSITION, name);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
