//! What people ask of their own wallets, with their own keys, and what a payment provider tells.
//!
//! Answers come in the envelope of applications: `{success, data, message, timestamp}`, or
//! `{success: false, error: {code, message, details}, timestamp}`.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use hyper::body::Incoming as Arriving;
use jiff::Timestamp;
use llm_core::Str;
use llm_core::error::Error;
use llm_core::money::{Credits, NotDecimal, Unit as _};
use llm_core::principal::Grant as Given;
use llm_core::wallet::code::Code;
use llm_core::wallet::{Grant, Source};
use llm_store::wallets::{self, Filter, WalletId};
use llm_store::webhooks::{NotAccepted, Shown};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::admin::told;
use super::super::admin::wallets::view;
use super::super::body::Body;
use super::super::house::House;
use super::super::{bearer, upload};
use super::{NotEnrolled, Purse};
use crate::config::TENANT;

const BALANCE: &str = "/api/v1/credits/balance";
const GRANT: &str = "/api/v1/credits/grant";
const HISTORY: &str = "/api/v1/credits/history";
const REDEEM: &str = "/api/v1/credits/redeem";
/// Where a payment provider tells of payments: signed, and with no key.
const TOP_UP: &str = "/webhooks/credits";
/// A code, or a payment.
const BYTES_MAX: u64 = 16 << 10;
/// Lines of a history that are shown at once.
const LINES: u32 = 100;

/// Whether a path is one of these.
pub(crate) fn knows(path: &str) -> bool {
    [BALANCE, GRANT, HISTORY, REDEEM, TOP_UP].contains(&path)
}

/// Answers.
pub(crate) async fn answer(house: &Arc<House>, head: Parts, body: Arriving) -> Response<Body> {
    let now = Timestamp::try_from(house.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH);
    match Box::pin(asked(house, &head, body, now)).await {
        Ok(data) => {
            let timestamp = now.to_string();
            told(StatusCode::OK, &Success { success: true, data, message: "ok", timestamp })
        }
        Err(why) => {
            let Why { status, code, message } = why;
            let error = Told { code, message, details: None };
            told(status, &Failure { success: false, error, timestamp: now.to_string() })
        }
    }
}

#[derive(Serialize)]
struct Success {
    success: bool,
    data: Box<RawValue>,
    message: &'static str,
    timestamp: String,
}

#[derive(Serialize)]
struct Failure {
    success: bool,
    error: Told,
    timestamp: String,
}

#[derive(Serialize)]
struct Told {
    code: &'static str,
    message: String,
    details: Option<String>,
}

/// Why not.
struct Why {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Why {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }
}

async fn asked(
    house: &House,
    head: &Parts,
    body: Arriving,
    now: Timestamp,
) -> Result<Box<RawValue>, Why> {
    let none = || Why::new(StatusCode::NOT_IMPLEMENTED, "NO_STORE", "this proxy keeps no credits");
    let purse = house.purse.as_ref().ok_or_else(none)?;
    let wanted =
        if matches!(head.uri.path(), REDEEM | TOP_UP) { Method::POST } else { Method::GET };
    if head.method != wanted {
        let text = format!("{} wants {wanted}", head.uri.path());
        return Err(Why::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", text));
    }
    if head.uri.path() == TOP_UP {
        return top_up(house, purse, &head.headers, body, now).await;
    }
    if head.uri.path() == GRANT {
        return grant(house, purse, &head.headers, body).await;
    }
    let grant = shown(house, head).await?;
    if head.uri.path() == BALANCE {
        return balance(house, purse, &grant, now).await;
    }
    let of = own(&grant)?;
    match head.uri.path() {
        HISTORY => {
            purse.enrol(&of).await?;
            let before = cursor(head.uri.query())?;
            let page = purse.wallets.history(&of, Filter::default(), before, LINES).await?;
            written(&view::History::of(&page))
        }
        _redeem => redeem(house, purse, &of, body).await,
    }
}

/// What the key that is shown gives.
async fn shown(house: &House, head: &Parts) -> Result<Arc<Given>, Why> {
    let no_key = || Why::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "no API key was sent");
    let key = bearer::in_head(&head.headers).ok_or_else(no_key)?;
    Ok(house.keys.grant(&key).await?)
}

/// The wallet of whoever shows a key.
fn own(grant: &Given) -> Result<WalletId, Why> {
    let user = grant.principal.user.as_ref().ok_or_else(|| {
        let text = "this key belongs to nobody in particular, and so has no wallet";
        Why::new(StatusCode::FORBIDDEN, "NO_WALLET", text)
    })?;
    Ok(WalletId::user(TENANT.0, user.0.clone()))
}

#[derive(Serialize)]
struct Balance {
    #[serde(flatten)]
    wallet: Option<view::Held>,
    /// Limits in credits that hold for calls of this key.
    limits: Vec<Limited>,
}

#[derive(Serialize)]
struct Limited {
    owner: &'static str,
    rule: Str,
    limit: String,
    spent: String,
    held: String,
    left: String,
    resets_at: Option<String>,
}

/// What is in the wallet, and what calls may still cost.
async fn balance(
    house: &House,
    purse: &Purse,
    grant: &Given,
    now: Timestamp,
) -> Result<Box<RawValue>, Why> {
    let ledger = house.store.credits();
    let mut limits = Vec::new();
    for payer in &grant.credits {
        let (account, limit) = (payer.account(now), payer.limit.unwrap_or(Credits::MAX));
        let found = ledger.balance(&account).await.map_err(wallets::NotDone::from)?;
        let (spent, held) = found.map_or_else(Default::default, |f| (f.settled, f.held));
        let left = limit.saturating_sub(spent).saturating_sub(held).max(Credits::ZERO);
        limits.push(Limited {
            owner: payer.owner.name(),
            rule: payer.rule.clone(),
            limit: limit.to_string(),
            spent: spent.to_string(),
            held: held.to_string(),
            left: left.to_string(),
            resets_at: account.window.map(|window| window.end.to_string()),
        });
    }
    let wallet = match own(grant) {
        Ok(of) => Some(view::Held::of(purse, &of, &purse.balance(&of).await?)),
        // Limits are an answer, too.
        Err(_) if !limits.is_empty() => None,
        Err(why) => return Err(why),
    };
    written(&Balance { wallet, limits })
}

fn cursor(query: Option<&str>) -> Result<Option<u64>, Why> {
    let mut pairs = query.unwrap_or_default().split('&');
    let Some(text) = pairs.find_map(|pair| pair.strip_prefix("cursor=")) else { return Ok(None) };
    let odd = |_| Why::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", "no such cursor");
    text.parse().map(Some).map_err(odd)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Gift {
    user: String,
    /// A number or a text, read as it is written: no float in between.
    credits: Box<RawValue>,
    event_id: String,
    expires: Option<String>,
}

/// What an application's server gives: by the admin key, and the same event once.
async fn grant(
    house: &House,
    purse: &Purse,
    headers: &HeaderMap,
    body: Arriving,
) -> Result<Box<RawValue>, Why> {
    if !bearer::in_head(headers).is_some_and(|key| house.admin.opens(&key)) {
        let text = "this wants the admin key";
        return Err(Why::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", text));
    }
    let bytes = upload::read(body, BYTES_MAX, &*house.clock).await?;
    let wrong = |text: String| Why::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", text);
    let given: Gift = serde_json::from_slice(&bytes).map_err(|why| wrong(why.to_string()))?;
    let amount = given.credits.get().trim_matches('"').parse();
    let amount = amount.map_err(|why: NotDecimal| wrong(why.to_string()))?;
    let of = purse.named(&given.user).ok_or_else(|| wrong("no such guest".to_owned()))?;
    let expires_at = given.expires.map(|text| text.parse()).transpose();
    let expires_at = expires_at.map_err(|_| wrong("expires: write an instant".to_owned()))?;
    let (event, source) = (Str::from(given.event_id), Source::Granted);
    let grant = Grant { event, amount, source, expires_at };
    let done = purse.wallets.grant(&of, grant).await?;
    written(&view::Moved::new(done.receipt.grant.amount, done.available, done.again))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redeem {
    code: String,
}

async fn redeem(
    house: &House,
    purse: &Purse,
    of: &WalletId,
    body: Arriving,
) -> Result<Box<RawValue>, Why> {
    let bytes = upload::read(body, BYTES_MAX, &*house.clock).await?;
    let wrong = |text: String| Why::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", text);
    let Redeem { code } = serde_json::from_slice(&bytes).map_err(|why| wrong(why.to_string()))?;
    let code: Code = code.parse().map_err(|why| wrong(format!("{why}")))?;
    let done = purse.wallets.redeem(of, purse.hash(&code)).await?;
    written(&view::Moved::new(done.receipt.grant.amount, done.available, done.again))
}

/// Believed for its signature alone. The same payment again changes nothing, and is told so, since a
/// provider repeats what is not answered.
async fn top_up(
    house: &House,
    purse: &Purse,
    headers: &HeaderMap,
    body: Arriving,
    now: Timestamp,
) -> Result<Box<RawValue>, Why> {
    let closed = || Why::new(StatusCode::NOT_FOUND, "NOT_FOUND", "nobody tells of payments here");
    let incoming = purse.incoming.as_ref().ok_or_else(closed)?;
    let bytes = upload::read(body, BYTES_MAX, &*house.clock).await?;
    let said = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let shown = Shown {
        id: said("webhook-id"),
        timestamp: said("webhook-timestamp"),
        signature: said("webhook-signature"),
    };
    let top_up = incoming.read(shown, &bytes, now).map_err(|why| {
        let status = match why {
            NotAccepted::NotVerified(_) => StatusCode::UNAUTHORIZED,
            NotAccepted::Shape | NotAccepted::Credits | NotAccepted::Expires => {
                StatusCode::BAD_REQUEST
            }
        };
        Why::new(status, "NOT_ACCEPTED", why.to_string())
    })?;
    let done = purse.wallets.top_up(&top_up).await?;
    written(&view::Moved::new(done.receipt.grant.amount, done.available, done.again))
}

fn written(data: &impl Serialize) -> Result<Box<RawValue>, Why> {
    serde_json::value::to_raw_value(data).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written");
        Why::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "an answer cannot be written")
    })
}

impl From<Error> for Why {
    fn from(error: Error) -> Self {
        let status = StatusCode::from_u16(error.kind().status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let code = match status {
            StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
            StatusCode::FORBIDDEN => "FORBIDDEN",
            StatusCode::PAYLOAD_TOO_LARGE => "TOO_LARGE",
            _ if status.is_server_error() => "UNAVAILABLE",
            _ => "INVALID_REQUEST",
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<wallets::NotDone> for Why {
    fn from(why: wallets::NotDone) -> Self {
        use llm_core::wallet::Refused;
        use wallets::NotDone;
        let text = why.to_string();
        match why {
            NotDone::Store(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", text),
            NotDone::NoCode => Self::new(StatusCode::NOT_FOUND, "NO_SUCH_CODE", text),
            NotDone::NotRedeemed(_) => Self::new(StatusCode::CONFLICT, "NOT_REDEEMED", text),
            NotDone::Refused(Refused::OtherTerms) => {
                Self::new(StatusCode::CONFLICT, "CONFLICT", text)
            }
            NotDone::Refused(_) | NotDone::Name | NotDone::NotSet(_) => {
                Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", text)
            }
        }
    }
}

impl From<NotEnrolled> for Why {
    fn from(why: NotEnrolled) -> Self {
        match why {
            NotEnrolled::Wallet(why) => why.into(),
            NotEnrolled::Directory(why) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", why.to_string())
            }
        }
    }
}
