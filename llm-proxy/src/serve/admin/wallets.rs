//! Wallets, as operators and applications' servers work with them: `/admin/wallets/{user}/…`, codes,
//! guests and the webhooks that were not taken.
//!
//! Work that takes a while is paid in two steps: `reserve` sets aside what a formula of the
//! configuration makes of its quantities, and `settle` charges what it came to. Both are known by an
//! id of the application's (`event_id`), so that whoever does not know whether a step was taken takes
//! it again.

mod codes;
pub(super) mod hooks;
mod price;
pub(in super::super) mod view;

use http::request::Parts;
use http::{Method, StatusCode};
use hyper::body::Incoming;
use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::money::Credits;
use llm_core::quota::Period;
use llm_core::wallet::{Grant, Refund, Source};
use llm_store::wallets::{Ask, Done, Filter, Keep, Kind, PAGE_MAX, WalletId};
use serde::Serialize;

use super::super::credits::{NotEnrolled, Purse};
use super::super::house::House;
use super::super::office::Office;
use super::fields::{Fields, Params, decoded};
use super::refusal::{Answered, Refusal};
use super::{told, view::now};

const WALLETS: &str = "/admin/wallets/";
/// How long something stays set aside that nobody settles, unless it is said, and at the most.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
const KEPT_MAX: SignedDuration = SignedDuration::from_hours(31 * 24);
/// Lines of a page unless it is said.
const LINES: u32 = 50;

/// Whether a path is one of these.
pub(super) fn knows(path: &str) -> bool {
    path.starts_with(WALLETS) || codes::knows(path) || hooks::knows(path)
}

/// Answers an operator.
pub(super) async fn answer(
    house: &House,
    office: &Office,
    head: &Parts,
    body: Incoming,
) -> Answered {
    let (method, path) = (&head.method, head.uri.path());
    let purse = house.purse.as_ref().ok_or_else(Refusal::no_store)?;
    if hooks::knows(path) {
        return hooks::answer(house, method, path, body).await;
    }
    if codes::knows(path) {
        return codes::answer(house, office, purse, (method, path), body).await;
    }
    let rest = path.strip_prefix(WALLETS).unwrap_or_default();
    let (name, verb) = rest.split_once('/').unwrap_or((rest, ""));
    let name = decoded(name)?;
    let of = purse.named(&name).ok_or_else(|| Refusal::wrong("user", "no such guest"))?;
    match (method, verb) {
        (&Method::GET, "") => look(office, purse, &of, head).await,
        (&Method::GET, "months") => months(house, office, purse, &of, head).await,
        (&Method::POST, "grant") => grant(house, office, purse, &of, body).await,
        (&Method::POST, "reserve") => reserve(house, purse, &of, body).await,
        (&Method::POST, "settle") => settle(house, purse, &of, body).await,
        (&Method::POST, "release") => release(house, purse, &of, body).await,
        (&Method::POST, "refund") => refund(house, office, purse, &of, body).await,
        (_, "" | "months" | "grant" | "reserve" | "settle" | "release" | "refund") => {
            Ok(super::empty(StatusCode::METHOD_NOT_ALLOWED))
        }
        _ => Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")),
    }
}

#[derive(Serialize)]
struct Looked {
    #[serde(flatten)]
    held: view::Held,
    history: view::History,
}

const KINDS: [(&str, Kind); 6] = [
    ("grant", Kind::Grant),
    ("reserve", Kind::Reserve),
    ("settle", Kind::Settle),
    ("release", Kind::Release),
    ("expire", Kind::Expire),
    ("refund", Kind::Refund),
];

/// `GET /admin/wallets/{user}?kind=&from=&to=&cursor=&size=`
async fn look(office: &Office, purse: &Purse, of: &WalletId, head: &Parts) -> Answered {
    let mut params = Params::read(&head.uri)?;
    let kind = |word: &str| KINDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind);
    let all = |text: &str| text.split(',').map(kind).collect::<Option<Vec<Kind>>>();
    let filter = Filter {
        kinds: params.parse("kind", all)?.unwrap_or_default(),
        from: params.parse("from", |text| office.instant(text))?,
        to: params.parse("to", |text| office.instant(text))?,
    };
    let before = params.parse("cursor", |text| text.parse().ok())?;
    let size = params.parse("size", |text| text.parse().ok())?.unwrap_or(LINES);
    params.end()?;
    let held = purse.balance(of).await?;
    let page = purse.wallets.history(of, filter, before, size.min(PAGE_MAX)).await?;
    let looked =
        Looked { held: view::Held::of(purse, of, &held), history: view::History::of(&page) };
    Ok(told(StatusCode::OK, &looked))
}

/// `GET /admin/wallets/{user}/months?from=&to=`: a year unless it is said.
async fn months(
    house: &House,
    office: &Office,
    purse: &Purse,
    of: &WalletId,
    head: &Parts,
) -> Answered {
    const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);
    let mut params = Params::read(&head.uri)?;
    let to = params.parse("to", |text| office.instant(text))?.unwrap_or_else(|| now(house));
    let from = params.parse("from", |text| office.instant(text))?;
    let from = from.unwrap_or_else(|| to.checked_sub(YEAR).unwrap_or(to));
    params.end()?;
    let months = purse.wallets.months(of, from, to).await?;
    Ok(told(StatusCode::OK, &months.iter().map(view::Sums::of).collect::<Vec<_>>()))
}

#[derive(Serialize)]
struct Granted {
    user: String,
    #[serde(flatten)]
    moved: view::Moved,
    held_micros: i64,
}

/// `POST /admin/wallets/{user}/grant`: the same event again changes nothing.
async fn grant(
    house: &House,
    office: &Office,
    purse: &Purse,
    of: &WalletId,
    body: Incoming,
) -> Answered {
    let mut fields = Fields::read(house, body).await?;
    let amount = needed(&mut fields)?;
    let event: Str = fields.need("event_id")?;
    let expires_at = instant(office, &mut fields, "expires")?;
    fields.end()?;
    let grant = Grant { event, amount, source: Source::Granted, expires_at };
    let done = purse.wallets.grant(of, grant).await?;
    let balance = purse.wallets.balance(of).await?;
    let granted = Granted {
        user: view::name(of),
        moved: view::Moved::new(done.receipt.grant.amount, balance.available, done.again),
        held_micros: balance.held.0,
    };
    Ok(told(StatusCode::OK, &granted))
}

#[derive(Serialize)]
struct Step {
    /// By which it is known from now on.
    hold: String,
    #[serde(flatten)]
    moved: view::Moved,
    price: Option<Str>,
    /// What of a hold came back.
    released: Option<String>,
}

/// `POST /admin/wallets/{user}/reserve`: `{event_id, job, quantities}` or `{event_id, credits}`, and
/// `for`, after which it is given back unless it was settled.
async fn reserve(house: &House, purse: &Purse, of: &WalletId, body: Incoming) -> Answered {
    let mut fields = Fields::read(house, body).await?;
    let hold = hold(of, &mut fields)?;
    let (amount, price) = price::read(purse, &mut fields)?;
    let kept = fields.take::<String>("for")?.set().map(|text| kept(&text)).transpose()?;
    fields.end()?;
    let until = now(house).checked_add(kept.unwrap_or(KEPT)).unwrap_or(Timestamp::MAX);
    purse.enrol(of).await?;
    let ask = Ask { hold, amount, price: price.clone(), keep: Keep::Until(until) };
    let Done { receipt, again, available } = purse.wallets.reserve(of, ask).await?;
    let moved = view::Moved::new(receipt.amount(), available, again);
    let step = Step { hold: hold.to_string(), moved, price, released: None };
    Ok(told(StatusCode::OK, &step))
}

/// `POST /admin/wallets/{user}/settle`: what it came to, in the same words; the rest is given back.
async fn settle(house: &House, purse: &Purse, of: &WalletId, body: Incoming) -> Answered {
    let mut fields = Fields::read(house, body).await?;
    let hold = hold(of, &mut fields)?;
    let (actual, price) = price::read(purse, &mut fields)?;
    fields.end()?;
    end(purse, of, hold, actual, price).await
}

/// `POST /admin/wallets/{user}/release`: it came to nothing.
async fn release(house: &House, purse: &Purse, of: &WalletId, body: Incoming) -> Answered {
    let mut fields = Fields::read(house, body).await?;
    let hold = hold(of, &mut fields)?;
    fields.end()?;
    end(purse, of, hold, Credits(0), None).await
}

async fn end(
    purse: &Purse,
    of: &WalletId,
    hold: HoldId,
    actual: Credits,
    price: Option<Str>,
) -> Answered {
    let done = purse.wallets.settle(of, hold, actual).await?;
    let moved = view::Moved::new(done.receipt.charged, done.available, done.again);
    let released = Some(done.receipt.released.to_string());
    Ok(told(StatusCode::OK, &Step { hold: hold.to_string(), moved, price, released }))
}

/// `POST /admin/wallets/{user}/refund`: `{event_id, charge, credits, usable_until?}`, where `charge`
/// is the event of what was settled.
async fn refund(
    house: &House,
    office: &Office,
    purse: &Purse,
    of: &WalletId,
    body: Incoming,
) -> Answered {
    let mut fields = Fields::read(house, body).await?;
    let event: Str = fields.need("event_id")?;
    let charge: String = fields.need("charge")?;
    let amount = needed(&mut fields)?;
    let usable_until = instant(office, &mut fields, "usable_until")?;
    fields.end()?;
    let charge = hold_of(of, &charge);
    let refund = Refund { event, charge, amount, usable_until };
    let done = purse.wallets.refund(of, refund).await?;
    let moved = view::Moved::new(done.receipt.amount, done.available, done.again);
    let step = Step { hold: charge.to_string(), moved, price: None, released: None };
    Ok(told(StatusCode::OK, &step))
}

/// The hold that an application's event names.
fn hold(of: &WalletId, fields: &mut Fields) -> Result<HoldId, Refusal> {
    let event: String = fields.need("event_id")?;
    if event.is_empty() {
        return Err(Refusal::wrong("event_id", "event_id is empty"));
    }
    Ok(hold_of(of, &event))
}

/// Two wallets may have events of one name.
fn hold_of(of: &WalletId, event: &str) -> HoldId {
    let mut hasher = blake3::Hasher::new_derive_key("llm-proxy 2026-11 hold of a wallet");
    for part in [&*of.tenant.0, &view::name(of), event] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    let mut id = [0; 16];
    hasher.finalize_xof().fill(&mut id);
    HoldId(u128::from_be_bytes(id))
}

pub(super) fn needed(fields: &mut Fields) -> Result<Credits, Refusal> {
    let amount = fields.amount::<Credits>("credits")?.set();
    amount.ok_or_else(|| Refusal::wrong("credits", "credits is missing"))
}

fn instant(
    office: &Office,
    fields: &mut Fields,
    name: &'static str,
) -> Result<Option<Timestamp>, Refusal> {
    let read = |text: String| {
        let odd = || Refusal::wrong(name, "write 2026-12-01 or 2026-12-01T00:00:00Z");
        office.instant(&text).ok_or_else(odd)
    };
    fields.take::<String>(name)?.set().map(read).transpose()
}

fn kept(text: &str) -> Result<SignedDuration, Refusal> {
    let seconds = text.parse::<Period>().ok().and_then(Period::seconds);
    let seconds = seconds.and_then(|seconds| i64::try_from(seconds).ok());
    let kept = seconds.map(SignedDuration::from_secs).filter(|kept| *kept <= KEPT_MAX);
    kept.ok_or_else(|| Refusal::wrong("for", "a length of time up to 31d: 30m, 2h, 7d"))
}

impl From<NotEnrolled> for Refusal {
    fn from(why: NotEnrolled) -> Self {
        match why {
            NotEnrolled::Directory(why) => why.into(),
            NotEnrolled::Wallet(why) => why.into(),
        }
    }
}
