//! Whether the ledger is right, and what crashes have left to it.

use http::StatusCode;
use llm_core::money::{Money, Unit as _};
use llm_core::store::Audit;
use llm_store::verify::{self, Problem, Report};
use serde::Serialize;

use super::super::routes::ask::Ask;
use super::super::routes::shape::{Field, Of, Shape, flag, list, text, whole};
use super::super::routes::{Route, operator};
use super::refusal::Answered;
use super::told;
use crate::verified::Verified;

const PROBLEM: &[Field] = &[
    text("unit", "").need(),
    text("owner", "").need(),
    text("account", "").need(),
    text("rule", "").need(),
    text("what", "the law that is broken").need(),
];
const NOTE: &[Field] =
    &[text("key", "").need(), whole("ledger_nanos", "").need(), whole("log_nanos", "").need()];
const VERIFIED: &[Field] = &[
    flag("ok", "whether no account breaks a law").need(),
    whole("accounts", "").need(),
    whole("holds_open", "").need(),
    whole("entries", "").need(),
    list("problems", &Of::Table(&[PROBLEM]), "").need(),
    list("notes", &Of::Table(&[NOTE]), "where the request log says otherwise; no problem").need(),
];
const INTERRUPTED: &[Field] = &[
    text("hold", "").need(),
    whole("charged_nanos", "").need(),
    whole("held_nanos", "").need(),
    whole("sent_nanos", "what was owed when it was sent; null when it was not"),
    whole("watermark_nanos", ""),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::get(
        "/admin/ledger/verify",
        "Recomputes every balance from its entries.",
        operator!(Read, recomputed),
    )
    .gives(Shape::Table(&[VERIFIED])),
    Route::get(
        "/admin/ledger/interrupted",
        "Calls that the last process left in the middle, and what was made of them.",
        operator!(Read, interrupted),
    )
    .gives(Shape::List(&[INTERRUPTED])),
];

#[derive(Serialize)]
struct Interrupted {
    hold: String,
    charged_nanos: i64,
    held_nanos: i64,
    /// What was owed when it was sent; null when it was not.
    sent_nanos: Option<i64>,
    watermark_nanos: Option<i64>,
}

async fn recomputed(ask: &mut Ask) -> Answered {
    let store = &ask.house.store;
    let mut report = match store.database() {
        Some(database) => verify::verify(database).await?,
        None => report(store.verify().await?),
    };
    // What calls of this process hold is leased there, and open here.
    if let Some(state) = store.state() {
        report.holds_open = state.holds_open;
    }
    Ok(told(StatusCode::OK, &Verified::of(&report)))
}

/// Of accounts that are in memory.
fn report(audit: Audit) -> Report {
    let problem = |(account, law)| Problem { unit: Money::NAME, account, law };
    Report {
        ok: audit.problems.is_empty(),
        accounts: audit.accounts,
        holds_open: audit.holds_open,
        entries: audit.entries,
        problems: audit.problems.into_iter().map(problem).collect(),
        notes: Vec::new(),
    }
}

async fn interrupted(ask: &mut Ask) -> Answered {
    let all = ask.house.store.interrupted().iter().map(|one| Interrupted {
        hold: one.settlement.hold.to_string(),
        charged_nanos: one.settlement.tenant.0,
        held_nanos: one.amount.0,
        sent_nanos: one.sent.map(|cost| cost.0),
        watermark_nanos: one.watermark.map(|cost| cost.0),
    });
    Ok(told(StatusCode::OK, &all.collect::<Vec<_>>()))
}
