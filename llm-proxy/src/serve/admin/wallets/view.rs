//! A wallet as it is shown: amounts as exact decimals, and beside them as millionths of a credit.

use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::money::Credits;
use llm_core::wallet::{Bucket, Cause, Source};
use llm_store::wallets::{Holder, Line, Month, OpenHold, Page, WalletId};
use serde::Serialize;

use super::super::super::credits::{self, GUEST, Purse};
use super::super::super::routes::shape::{Field, Of, flag, list, table, text, whole, words};

/// The words of [`Held`].
pub(in super::super::super) const WALLET: [Field; 9] = [
    text("user", "").need(),
    text("available", "credits, as an exact decimal").need(),
    whole("available_micros", "the same in millionths of a credit").need(),
    text("held", "set aside by what is under way").need(),
    whole("held_micros", "").need(),
    text("ending_soon", "what may be spent now and ends within a week").need(),
    table("plan", &[PLAN], ""),
    list("buckets", &Of::Table(&[BUCKET]), "what it is made of, what ends first first").need(),
    list("holds", &Of::Table(&[HOLD]), "what is set aside").need(),
];
const PLAN: &[Field] = &[
    text("name", "").need(),
    text("credits_per_month", ""),
    whole("retention_s", "for how long what its people make is kept"),
];
const BUCKET: &[Field] = &[
    words("source", &SOURCES, "").need(),
    text("left", "").need(),
    text("held", "").need(),
    text("expires_at", ""),
];
const HOLD: &[Field] = &[
    text("hold", "").need(),
    text("credits", "").need(),
    text("price", "the formula"),
    text("since", "").need(),
];
/// The words of [`Moved`].
pub(in super::super::super) const MOVED: &[Field] = &[
    text("credits", "how many moved, as an exact decimal").need(),
    whole("credits_micros", "the same in millionths of a credit").need(),
    text("available", "what may be spent now").need(),
    whole("available_micros", "").need(),
    flag("again", "whether this had been done before, and nothing moved now").need(),
];
/// The words of [`History`].
pub(in super::super::super) const HISTORY: &[Field] =
    &[list("lines", &Of::Table(&[LINE]), "").need(), text("next", "the next `cursor`")];
const LINE: &[Field] = &[
    whole("seq", "").need(),
    text("at", "").need(),
    text("kind", "a source, or reserved, spent, released, expired").need(),
    text("event", "the event outside, where there was one"),
    text("hold", ""),
    text("price", "the formula"),
    text("left", "by how much what may be spent grew").need(),
    text("held", "by how much what is set aside grew").need(),
    text("spent", "by how much what is spent grew").need(),
];
/// The words of [`Sums`].
pub(super) const SUMS: &[Field] = &[
    text("from", "").need(),
    text("to", "").need(),
    text("granted", "").need(),
    text("spent", "").need(),
    text("refunded", "").need(),
    text("expired", "").need(),
];
const SOURCES: [&str; 4] = ["granted", "bought", "redeemed", "refunded"];

/// What somebody has.
#[derive(Serialize)]
pub(in super::super::super) struct Held {
    user: String,
    available: String,
    available_micros: i64,
    held: String,
    held_micros: i64,
    /// What may be spent now and ends within a week.
    ending_soon: String,
    plan: Option<Plan>,
    buckets: Vec<Part>,
    holds: Vec<Hold>,
}

#[derive(Serialize)]
struct Plan {
    name: Str,
    credits_per_month: Option<String>,
    retention_s: Option<u64>,
}

#[derive(Serialize)]
struct Part {
    source: &'static str,
    left: String,
    held: String,
    expires_at: Option<String>,
}

#[derive(Serialize)]
struct Hold {
    hold: String,
    credits: String,
    price: Option<Str>,
    since: String,
}

/// The name that applications have for a wallet.
pub(in super::super::super) fn name(of: &WalletId) -> String {
    match &of.holder {
        Holder::User(user) => user.0.to_string(),
        Holder::Guest(device) => format!("{GUEST}{device}"),
    }
}

fn source(source: Source) -> &'static str {
    match source {
        Source::Granted => "granted",
        Source::Bought => "bought",
        Source::Redeemed => "redeemed",
        Source::Refunded => "refunded",
    }
}

impl Held {
    pub(in super::super::super) fn of(purse: &Purse, of: &WalletId, held: &credits::Held) -> Self {
        let balance = &held.balance;
        let plan = held.plan.as_ref().map(|(plan, sold)| Plan {
            name: plan.clone(),
            credits_per_month: sold.monthly.map(|credits| credits.to_string()),
            retention_s: sold.retention.map(|retention| retention.as_secs()),
        });
        // Who is on no plan any more may still have one that the wallet was granted from.
        let known = || balance.plan.clone();
        let plan = plan.or_else(|| {
            let name = known()?;
            let sold = purse.terms().rules.sold(&name);
            let credits_per_month = sold.monthly.map(|credits| credits.to_string());
            let retention_s = sold.retention.map(|retention| retention.as_secs());
            Some(Plan { name, credits_per_month, retention_s })
        });
        Self {
            user: name(of),
            available: balance.available.to_string(),
            available_micros: balance.available.0,
            held: balance.held.to_string(),
            held_micros: balance.held.0,
            ending_soon: balance.ending_soon.to_string(),
            plan,
            buckets: balance.buckets.iter().map(Part::of).collect(),
            holds: balance.holds.iter().map(Hold::of).collect(),
        }
    }
}

impl Part {
    fn of(bucket: &Bucket) -> Self {
        Self {
            source: source(bucket.source),
            left: bucket.left.to_string(),
            held: bucket.held.to_string(),
            expires_at: bucket.expires_at.map(|end| end.to_string()),
        }
    }
}

impl Hold {
    fn of(open: &OpenHold) -> Self {
        Self {
            hold: open.hold.to_string(),
            credits: open.amount.to_string(),
            price: open.price.clone(),
            since: open.since.to_string(),
        }
    }
}

/// Something that was put in or given back.
#[derive(Serialize)]
pub(in super::super::super) struct Moved {
    credits: String,
    credits_micros: i64,
    available: String,
    available_micros: i64,
    /// Whether this had been done before, and nothing moved now.
    again: bool,
}

impl Moved {
    pub(in super::super::super) fn new(moved: Credits, available: Credits, again: bool) -> Self {
        Self {
            credits: moved.to_string(),
            credits_micros: moved.0,
            available: available.to_string(),
            available_micros: available.0,
            again,
        }
    }
}

/// What happened, the newest first.
#[derive(Serialize)]
pub(in super::super::super) struct History {
    lines: Vec<Happened>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Happened {
    seq: u64,
    at: String,
    kind: &'static str,
    /// The event outside, where there was one.
    event: Option<Str>,
    hold: Option<String>,
    price: Option<Str>,
    /// By how much what may be spent grew, what is set aside grew, and what is spent grew.
    left: String,
    held: String,
    spent: String,
}

impl History {
    pub(in super::super::super) fn of(page: &Page) -> Self {
        let next = page.next.map(|seq| seq.to_string());
        Self { lines: page.lines.iter().map(Happened::of).collect(), next }
    }
}

impl Happened {
    fn of(line: &Line) -> Self {
        let entry = &line.entry;
        let (kind, event, hold): (_, Option<&Str>, Option<HoldId>) = match &entry.cause {
            Cause::Grant { event, source: from, .. } => (source(*from), Some(event), None),
            Cause::Reserve(hold) => ("reserved", None, Some(*hold)),
            Cause::Settle(hold) => ("spent", None, Some(*hold)),
            Cause::Release(hold) => ("released", None, Some(*hold)),
            Cause::Expire { given_back_by } => ("expired", None, *given_back_by),
            Cause::Refund { event, charge, .. } => ("refunded", Some(event), Some(*charge)),
        };
        Self {
            seq: line.seq,
            at: entry.at.to_string(),
            kind,
            event: event.cloned(),
            hold: hold.map(|hold| hold.to_string()),
            price: line.price.clone(),
            left: entry.left.to_string(),
            held: entry.held.to_string(),
            spent: entry.spent.to_string(),
        }
    }
}

/// What a month came to.
#[derive(Serialize)]
pub(super) struct Sums {
    from: String,
    to: String,
    granted: String,
    spent: String,
    refunded: String,
    expired: String,
}

impl Sums {
    pub(super) fn of(month: &Month) -> Self {
        Self {
            from: month.period.start.to_string(),
            to: month.period.end.to_string(),
            granted: month.granted.to_string(),
            spent: month.spent.to_string(),
            refunded: month.refunded.to_string(),
            expired: month.ended.to_string(),
        }
    }
}
