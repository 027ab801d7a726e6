//! What people ask of their own wallets, with their own keys, what an application's server gives,
//! and what a payment provider tells. Answers have the envelope of applications.

use http::StatusCode;
use llm_core::Str;
use llm_core::money::{Credits, Unit as _};
use llm_core::principal::{Grant as Given, Payer};
use llm_core::wallet::code::Code;
use llm_store::wallets::{self, Filter, WalletId};
use llm_store::webhooks::{NotAccepted, Shown};
use serde::Serialize;

use super::super::admin::refusal::{Answered, Refusal};
use super::super::admin::told;
use super::super::admin::wallets::{GIFT, given, named, purse, view};
use super::super::app;
use super::super::call::now;
use super::super::house::House;
use super::super::routes::ask::{AppCaller, Ask};
use super::super::routes::shape::{Field, Of, Shape, list, number, perhaps, secret, text, words};
use super::super::routes::{Route, Run, asked_by, operator};
use super::super::upload::{self, Sent};
use crate::config::TENANT;

/// A payment.
const BYTES_MAX: u64 = 16 << 10;
/// Lines of a history that are shown at once.
const LINES: u32 = 100;

// A key of nobody has no wallet, and may have limits.
const WALLET: [Field; 9] = perhaps(view::WALLET);
const BALANCE: &[Field] =
    &[list("limits", &Of::Table(&[LIMIT]), "in credits, that hold for calls of this key").need()];
/// The words of [`Limited`].
pub(in super::super) const LIMIT: &[Field] = &[
    words("owner", &OWNERS, "whose it is").need(),
    text("rule", "").need(),
    text("limit", "").need(),
    text("spent", "").need(),
    text("held", "set aside by calls that run").need(),
    text("left", "").need(),
    text("resets_at", ""),
];
const OWNERS: [&str; 7] = ["key", "user", "feature", "team", "org", "tenant", "operator"];
const PAGE: &[Field] = &[text("cursor", "where to go on: the `next` of the page before")];
const WHOM: &[Field] = &[text("user", "").need()];
const REDEEM: &[Field] = &[secret("code", "as it was printed").need()];
const PAYMENT: &[Field] = &[
    text("user", "who has paid").need(),
    text("event_id", "the payment: the same one counts once").need(),
    number("credits", "what was bought").need(),
    number("bonus", "what comes on top"),
    text("expires", "until when it is spent: an instant"),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::get(
        "/api/v1/credits/balance",
        "What is in one's wallet, and what calls may still cost.",
        asked_by!(App, balance),
    )
    .gives(Shape::Table(&[&WALLET, BALANCE])),
    Route::get(
        "/api/v1/credits/history",
        "What happened in one's wallet, the newest first.",
        asked_by!(App, history),
    )
    .query(&[PAGE])
    .gives(Shape::Table(&[view::HISTORY])),
    Route::post(
        "/api/v1/credits/redeem",
        "Puts what a code is worth into one's wallet.",
        asked_by!(App, redeem),
    )
    .takes(&[REDEEM])
    .gives(Shape::Table(&[view::MOVED])),
    Route::post(
        "/api/v1/credits/grant",
        "Gives a user credits, once for each event.",
        operator!(Money, grant),
    )
    .takes(&[WHOM, GIFT])
    .gives(Shape::Table(&[view::MOVED])),
    Route::post(
        "/webhooks/credits",
        "A payment, believed for its signature alone: the headers of Standard Webhooks.",
        Run::Anyone(|ask| Box::pin(top_up(ask))),
    )
    .reads(&[PAYMENT])
    .gives(Shape::Table(&[view::MOVED])),
];

/// The wallet of whoever shows a key.
fn own(grant: &Given) -> Result<WalletId, Refusal> {
    let user = grant.principal.user.as_ref().ok_or_else(|| {
        app::Refused::NoWallet.because("this key belongs to nobody in particular")
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

/// How much of a limit in credits is gone.
#[derive(Debug, Serialize)]
pub(in super::super) struct Limited {
    owner: &'static str,
    rule: Str,
    limit: String,
    spent: String,
    held: String,
    left: String,
    resets_at: Option<String>,
}

/// How much is gone of what these accounts may pay in credits.
pub(in super::super) async fn limited(
    house: &House,
    payers: &[Payer<Credits>],
) -> Result<Vec<Limited>, Refusal> {
    let (ledger, now) = (house.store.credits(), now(house));
    let mut limits = Vec::with_capacity(payers.len());
    for payer in payers {
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
    Ok(limits)
}

/// What is in the wallet, and what calls may still cost.
async fn balance(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (house, grant) = (&ask.house, &by.grant);
    let purse = purse(house)?;
    let limits = limited(house, &grant.credits).await?;
    let wallet = match own(grant) {
        Ok(of) => Some(view::Held::of(purse, &of, &purse.balance(&of).await?)),
        // Limits are an answer, too.
        Err(_) if !limits.is_empty() => None,
        Err(why) => return Err(why),
    };
    Ok(told(StatusCode::OK, &Balance { wallet, limits }))
}

async fn history(ask: &mut Ask, by: &AppCaller) -> Answered {
    let of = own(&by.grant)?;
    let before = ask.query.parse("cursor", |text| text.parse().ok())?;
    let purse = purse(&ask.house)?;
    purse.enrol(&of).await?;
    let page = purse.wallets.history(&of, Filter::default(), before, LINES).await?;
    Ok(told(StatusCode::OK, &view::History::of(&page)))
}

async fn redeem(ask: &mut Ask, by: &AppCaller) -> Answered {
    let of = own(&by.grant)?;
    let code: String = ask.fields.need("code")?;
    let code: Code = code.parse().map_err(|why| Refusal::wrong("code", format!("{why}")))?;
    let purse = purse(&ask.house)?;
    let done = purse.wallets.redeem(&of, purse.hash(&code)).await?;
    let moved = view::Moved::new(done.receipt.grant.amount, done.available, done.again);
    Ok(told(StatusCode::OK, &moved))
}

/// What an application's server gives, with the key of an operator.
async fn grant(ask: &mut Ask) -> Answered {
    let Ask { house, fields, .. } = &mut *ask;
    let user: String = fields.need("user")?;
    let of = named(purse(house)?, &user)?;
    let moved = given(house, &of, fields).await?;
    Ok(told(StatusCode::OK, &moved))
}

/// The same payment again changes nothing, and is told so, since a provider repeats what is not
/// answered.
async fn top_up(ask: &mut Ask) -> Answered {
    let Sent { headers, body } = ask.body()?;
    let house = &ask.house;
    let purse = purse(house)?;
    let terms = purse.terms();
    let closed = || {
        let text = "nobody tells of payments here";
        Refusal::new(StatusCode::NOT_FOUND, "not_found", text)
    };
    let incoming = terms.incoming.as_ref().ok_or_else(closed)?;
    // The bytes themselves are signed, and not what is read from them.
    let bytes = upload::read(&headers, body, BYTES_MAX, &*house.clock).await?;
    let said = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let shown = Shown {
        id: said("webhook-id"),
        timestamp: said("webhook-timestamp"),
        signature: said("webhook-signature"),
    };
    let top_up = incoming.read(shown, &bytes, now(house)).map_err(|why| {
        let refused = match why {
            NotAccepted::NotVerified(_) => app::Refused::NotSigned,
            NotAccepted::Shape | NotAccepted::Credits | NotAccepted::Expires => {
                app::Refused::NotAPayment
            }
        };
        refused.because(why.to_string())
    })?;
    let done = purse.wallets.top_up(&top_up).await?;
    let moved = view::Moved::new(done.receipt.grant.amount, done.available, done.again);
    Ok(told(StatusCode::OK, &moved))
}
