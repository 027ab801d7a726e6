//! Wallets, as operators and applications' servers work with them: what is in one, what is put in
//! and given back. Work that takes a while is paid in [`steps`]; codes, guests and the webhooks that
//! were not taken are beside it.

pub(crate) mod codes;
pub(crate) mod hooks;
mod price;
pub(crate) mod steps;
pub(in super::super) mod view;

use std::sync::Arc;

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::money::Credits;
use llm_core::wallet::{Grant, Source};
use llm_store::wallets::{Filter, Kind, PAGE_MAX, WalletId};
use serde::Serialize;

use super::super::credits::{NotEnrolled, Purse};
use super::super::house::House;
use super::super::office::Office;
use super::super::routes::ask::{Ask, office};
use super::super::routes::shape::{ASKED_MAX, Field, Shape, number, table, text, whole};
use super::super::routes::{Route, operator};
use super::fields::Fields;
use super::refusal::{Answered, Refusal};
use super::{told, view::now};

/// Lines of a page unless it is said.
const LINES: u32 = 50;

/// What is given.
pub(in super::super) const GIFT: &[Field] = &[
    number("credits", "how many").need(),
    text("event_id", "the same event again grants nothing more").need(),
    text("expires", "a day, or an instant"),
];
const SPAN: &[Field] = &[text("from", "a day, or an instant"), text("to", "the same, excluded")];
const LINES_OF: &[Field] = &[
    text("kind", "grant, reserve, settle, release, expire, refund; several with commas"),
    text("cursor", "where to go on: the `next` of the page before"),
    whole("size", "lines, 50 unless said").least(1).most(ASKED_MAX),
];
const GRANTED: &[Field] =
    &[text("user", "").need(), whole("held_micros", "set aside by what is under way").need()];
const HISTORY: &[Field] = &[table("history", &[view::HISTORY], "the newest first").need()];

pub(crate) const ROUTES: &[Route] = &[
    Route::get(
        "/admin/wallets/{user}",
        "A wallet, and what happened in it.",
        operator!(Read, look),
    )
    .query(&[SPAN, LINES_OF])
    .gives(Shape::Table(&[&view::WALLET, HISTORY])),
    Route::get(
        "/admin/wallets/{user}/months",
        "What came in and went out, month by month.",
        operator!(Read, months),
    )
    .query(&[SPAN])
    .gives(Shape::List(&[view::SUMS])),
    Route::post(
        "/admin/wallets/{user}/grant",
        "Gives a user credits, once for each event.",
        operator!(Money, grant),
    )
    .takes(&[GIFT])
    .gives(Shape::Table(&[GRANTED, view::MOVED])),
];

/// Where wallets are.
pub(in super::super) fn purse(house: &House) -> Result<&Purse, Refusal> {
    house.purse.as_ref().ok_or_else(Refusal::no_store)
}

/// The wallet of the path.
fn at(ask: &Ask) -> Result<(Arc<House>, WalletId), Refusal> {
    Ok((Arc::clone(&ask.house), named(purse(&ask.house)?, ask.name(0)?)?))
}

/// A wallet by the name that applications have for it.
pub(in super::super) fn named(purse: &Purse, name: &str) -> Result<WalletId, Refusal> {
    purse.named(name).ok_or_else(|| Refusal::wrong("user", "no such guest"))
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

async fn look(ask: &mut Ask) -> Answered {
    let (house, of) = at(ask)?;
    let (office, purse, params) = (office(&house)?, purse(&house)?, &mut ask.query);
    let kind = |word: &str| KINDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind);
    let all = |text: &str| text.split(',').map(kind).collect::<Option<Vec<Kind>>>();
    let filter = Filter {
        kinds: params.parse("kind", all)?.unwrap_or_default(),
        from: params.parse("from", |text| office.instant(text))?,
        to: params.parse("to", |text| office.instant(text))?,
    };
    let before = params.parse("cursor", |text| text.parse().ok())?;
    let size = params.parse("size", |text| text.parse().ok())?.unwrap_or(LINES);
    let held = purse.balance(&of).await?;
    let page = purse.wallets.history(&of, filter, before, size.min(PAGE_MAX)).await?;
    let looked =
        Looked { held: view::Held::of(purse, &of, &held), history: view::History::of(&page) };
    Ok(told(StatusCode::OK, &looked))
}

/// A year unless it is said.
async fn months(ask: &mut Ask) -> Answered {
    const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);
    let (house, of) = at(ask)?;
    let (office, purse, params) = (office(&house)?, purse(&house)?, &mut ask.query);
    let to = params.parse("to", |text| office.instant(text))?.unwrap_or_else(|| now(&house));
    let from = params.parse("from", |text| office.instant(text))?;
    let from = from.unwrap_or_else(|| to.checked_sub(YEAR).unwrap_or(to));
    let months = purse.wallets.months(&of, from, to).await?;
    Ok(told(StatusCode::OK, &months.iter().map(view::Sums::of).collect::<Vec<_>>()))
}

#[derive(Serialize)]
struct Granted {
    user: String,
    #[serde(flatten)]
    moved: view::Moved,
    held_micros: i64,
}

/// The same event again changes nothing.
async fn grant(ask: &mut Ask) -> Answered {
    let (house, of) = at(ask)?;
    let moved = given(&house, &of, &mut ask.fields).await?;
    let held_micros = purse(&house)?.wallets.balance(&of).await?.held.0;
    Ok(told(StatusCode::OK, &Granted { user: view::name(&of), moved, held_micros }))
}

/// Gives what [`GIFT`] says.
pub(in super::super) async fn given(
    house: &House,
    of: &WalletId,
    fields: &mut Fields,
) -> Result<view::Moved, Refusal> {
    let amount = needed(fields)?;
    let event: Str = fields.need("event_id")?;
    let expires_at = instant(office(house)?, fields, "expires")?;
    let grant = Grant { event, amount, source: Source::Granted, expires_at };
    let done = purse(house)?.wallets.grant(of, grant).await?;
    Ok(view::Moved::new(done.receipt.grant.amount, done.available, done.again))
}

fn needed(fields: &mut Fields) -> Result<Credits, Refusal> {
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

impl From<NotEnrolled> for Refusal {
    fn from(why: NotEnrolled) -> Self {
        match why {
            NotEnrolled::Directory(why) => why.into(),
            NotEnrolled::Wallet(why) => why.into(),
        }
    }
}
