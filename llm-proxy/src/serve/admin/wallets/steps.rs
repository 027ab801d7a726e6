//! Work that takes a while, paid in two steps: `reserve` sets aside what a formula of the
//! configuration makes of its quantities, and `settle` charges what it came to. Both are known by an
//! id of the application's (`event_id`), so that whoever does not know whether a step was taken takes
//! it again.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::money::Credits;
use llm_core::quota::Period;
use llm_core::wallet::Refund;
use llm_store::wallets::{self, Done, Keep, WalletId};
use serde::Serialize;

use super::super::super::credits::Purse;
use super::super::super::routes::ask::{Ask, office};
use super::super::super::routes::shape::{Field, Shape, free, number, text};
use super::super::super::routes::{Route, operator};
use super::super::fields::Fields;
use super::super::refusal::{Answered, Refusal};
use super::super::{told, view::now};
use super::{at, instant, needed, price, purse, view};

/// How long something stays set aside that nobody settles, unless it is said, and at the most.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
const KEPT_MAX: SignedDuration = SignedDuration::from_hours(31 * 24);

const EVENT: &[Field] =
    &[text("event_id", "the application's own name for this piece of work").need()];
const PRICE: &[Field] = &[
    number("credits", "what it costs, unless a job says it"),
    text("job", "a formula under credits.jobs"),
    free("quantities", "what the formula is of: names, and a decimal for each"),
];
const KEEP: &[Field] = &[text("for", "given back after that unless it was settled; 24h")];
const REFUND: &[Field] = &[
    text("event_id", "the same event again gives nothing more back").need(),
    text("charge", "the event of what was settled").need(),
    number("credits", "how many").need(),
    text("usable_until", "a day, or an instant"),
];
const STEP: &[Field] = &[
    text("hold", "by which it is known in the wallet").need(),
    text("price", "the formula"),
    text("released", "what of a hold came back"),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::post(
        "/admin/wallets/{user}/reserve",
        "Sets aside what work may cost.",
        operator!(Money, reserve),
    )
    .takes(&[EVENT, PRICE, KEEP])
    .gives(Shape::Table(&[STEP, view::MOVED])),
    Route::post(
        "/admin/wallets/{user}/settle",
        "Charges what it came to, in the same words, and gives the rest back.",
        operator!(Money, settle),
    )
    .takes(&[EVENT, PRICE])
    .gives(Shape::Table(&[STEP, view::MOVED])),
    Route::post(
        "/admin/wallets/{user}/release",
        "Gives back what was set aside: it came to nothing.",
        operator!(Money, release),
    )
    .takes(&[EVENT])
    .gives(Shape::Table(&[STEP, view::MOVED])),
    Route::post(
        "/admin/wallets/{user}/refund",
        "Gives back a part of what was charged, once for each event.",
        operator!(Money, refund),
    )
    .takes(&[REFUND])
    .gives(Shape::Table(&[STEP, view::MOVED])),
];

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

async fn reserve(ask: &mut Ask) -> Answered {
    let (house, of) = at(ask)?;
    let (purse, fields) = (purse(&house)?, &mut ask.fields);
    let hold = hold(&of, fields)?;
    let (amount, price) = price::read(purse, fields)?;
    let kept = fields.take::<String>("for")?.set().map(|text| kept(&text)).transpose()?;
    let until = now(&house).checked_add(kept.unwrap_or(KEPT)).unwrap_or(Timestamp::MAX);
    purse.enrol(&of).await?;
    let wanted = wallets::Ask { hold, amount, price: price.clone(), keep: Keep::Until(until) };
    let Done { receipt, again, available } = purse.wallets.reserve(&of, wanted).await?;
    let moved = view::Moved::new(receipt.amount(), available, again);
    let step = Step { hold: hold.to_string(), moved, price, released: None };
    Ok(told(StatusCode::OK, &step))
}

async fn settle(ask: &mut Ask) -> Answered {
    let (house, of) = at(ask)?;
    let purse = purse(&house)?;
    let hold = hold(&of, &mut ask.fields)?;
    let (actual, price) = price::read(purse, &mut ask.fields)?;
    end(purse, &of, hold, actual, price).await
}

async fn release(ask: &mut Ask) -> Answered {
    let (house, of) = at(ask)?;
    let hold = hold(&of, &mut ask.fields)?;
    end(purse(&house)?, &of, hold, Credits(0), None).await
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

async fn refund(ask: &mut Ask) -> Answered {
    let (house, of) = at(ask)?;
    let fields = &mut ask.fields;
    let event: Str = fields.need("event_id")?;
    let charge: String = fields.need("charge")?;
    let amount = needed(fields)?;
    let usable_until = instant(office(&house)?, fields, "usable_until")?;
    let charge = hold_of(&of, &charge);
    let refund = Refund { event, charge, amount, usable_until };
    let done = purse(&house)?.wallets.refund(&of, refund).await?;
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

fn kept(text: &str) -> Result<SignedDuration, Refusal> {
    let seconds = text.parse::<Period>().ok().and_then(Period::seconds);
    let seconds = seconds.and_then(|seconds| i64::try_from(seconds).ok());
    let kept = seconds.map(SignedDuration::from_secs).filter(|kept| *kept <= KEPT_MAX);
    kept.ok_or_else(|| Refusal::wrong("for", "a length of time up to 31d: 30m, 2h, 7d"))
}
