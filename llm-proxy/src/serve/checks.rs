//! Limits that applications have of their own: so many logins from an address, so many uploads of a
//! person. Counted here, by rules that come with the question.
//!
//! Counts belong to the caller's owner (their user, team or organization, else their key): what one
//! application asks of `login:1.2.3.4` is nothing to another. Replicas share them through Redis;
//! where there is none, or it does not answer, each counts alone and lets in its part, by counts that
//! it has kept all the while. Deliberately absent: money, and counts that outlast the process.

mod counts;

use http::StatusCode;
use jiff::Timestamp;
use llm_core::ledger::{AccountId, Owner};
use llm_core::quota::{Limit, Quantity, Verdict, Zone};
use llm_core::{Str, principal::account_name};
use serde::Serialize;

use super::admin::refusal::{Answered, Refusal};
use super::admin::told;
use super::house::House;
use super::routes::ask::{AppCaller, Ask};
use super::routes::shape::{Field, Shape, flag, text, whole};
use super::routes::{Route, asked_by};

pub(crate) use counts::Checks;

/// Bytes of a subject: an address, an e-mail address, a path.
const SUBJECT_BYTES_MAX: usize = 256;
/// What the accounts of these counts are told apart by from those of calls.
const RULE: Str = Str::from_static("check");

const ASKED: &[Field] = &[
    text("rule", "5/15minute, 30/hour, 1000/day").need(),
    text("subject", "what is counted: login:1.2.3.4").need(),
    whole("cost", "how much of it, 1 unless said").least(0),
    flag("peek", "whether to look without counting"),
];
const VERDICT: &[Field] = &[
    flag("allowed", "").need(),
    whole("limit", "").need(),
    whole("used", "with this one, where it was counted").need(),
    whole("remaining", "").need(),
    text("resets_at", "refused: when it would fit; allowed: when what was counted is gone"),
    whole("retry_after", "refused: in so many seconds"),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::post(
        "/api/v1/limits/check",
        "Counts something of the application's own against a limit, if it fits.",
        asked_by!(App, check),
    )
    .takes(&[ASKED])
    .gives(Shape::Table(&[VERDICT])),
    Route::post(
        "/limits/check",
        "Counts something of the application's own against a limit, if it fits.",
        asked_by!(App, check),
    )
    .takes(&[ASKED])
    .gives(Shape::Table(&[VERDICT])),
];

#[derive(Serialize)]
struct Answer {
    allowed: bool,
    limit: u64,
    used: u64,
    remaining: u64,
    resets_at: Option<String>,
    retry_after: Option<i64>,
}

async fn check(ask: &mut Ask, by: &AppCaller) -> Answered {
    let Ask { house, fields, .. } = ask;
    let rule: String = fields.need("rule")?;
    let subject: String = fields.need("subject")?;
    let cost = fields.take::<u64>("cost")?.set().unwrap_or(1);
    let peek = fields.take::<bool>("peek")?.set().unwrap_or(false);
    let limit = read(&rule)?;
    if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX {
        let text = format!("1 to {SUBJECT_BYTES_MAX} bytes");
        return Err(Refusal::wrong("subject", text));
    }
    let subject = account(by, &subject);
    let now = super::call::now(house);
    let verdict = counted(house, &subject, &limit, Asked { cost, peek }, now).await?;
    let zone = house.office.as_ref().map_or(Zone::UTC, |office| office.zone.clone());
    let wait = verdict.resets_at.filter(|_| !verdict.allowed);
    let used = verdict.used.saturating_add(verdict.reserved);
    let answer = Answer {
        allowed: verdict.allowed,
        limit: verdict.limit,
        used,
        remaining: verdict.remaining,
        resets_at: verdict.resets_at.map(|at| zone.show(at)),
        // Beyond it: whoever comes a moment early would come in vain.
        retry_after: wait.map(|at| at.duration_since(now).as_secs().max(0) + 1),
    };
    Ok(told(StatusCode::OK, &answer))
}

/// A rule that counts requests or pieces; money has accounts, which calls keep.
fn read(rule: &str) -> Result<Limit, Refusal> {
    let limit: Limit =
        rule.parse().map_err(|why| Refusal::wrong("rule", format!("{rule}: {why}")))?;
    match limit.quantity {
        Quantity::Requests(_) | Quantity::Tokens(_) if limit.is_countable() => Ok(limit),
        Quantity::Requests(_) | Quantity::Tokens(_) => {
            Err(Refusal::wrong("rule", "no clock can count these numbers"))
        }
        Quantity::Money(_) | Quantity::Credits(_) => {
            Err(Refusal::wrong("rule", "a number of things in a time: 5/15minute"))
        }
    }
}

/// The name under which a subject is counted: its owner's, so that it is nobody else's.
fn account(by: &AppCaller, subject: &str) -> AccountId {
    let (kind, id) = by.owner();
    // The length first: no owner and subject read as two others.
    let name = Str::from(format!("{kind}:{}:{id}:{subject}", id.len()));
    let name = account_name(Owner::Feature, &by.grant.principal.tenant, &name);
    AccountId { rule: RULE, ..AccountId::new(Owner::Feature, name) }
}

#[derive(Clone, Copy)]
struct Asked {
    cost: u64,
    peek: bool,
}

async fn counted(
    house: &House,
    subject: &AccountId,
    limit: &Limit,
    asked: Asked,
    now: Timestamp,
) -> Result<Verdict, Refusal> {
    let Asked { cost, peek } = asked;
    let (mut replicas, mut told) = (1, None);
    if let Some(shared) = &house.shared {
        let (store, count) = shared.counters();
        replicas = u64::from(count.get());
        let asks = [(*limit, if peek { 0 } else { cost })];
        // One that does not answer is gone without.
        told =
            store.take(subject, &asks).await.ok().and_then(|verdicts| verdicts.into_iter().next());
    }
    let kept = match &told {
        // Noted here as well, whatever it comes to: for when nobody answers.
        Some(verdict) if verdict.allowed => {
            house.checks.note(&subject.name, limit, if peek { 0 } else { cost }, now);
            None
        }
        Some(_) => None,
        None => Some(house.checks.ask(&subject.name, limit, cost, peek, replicas, now)?),
    };
    let mut verdict = told.or(kept).ok_or_else(Refusal::no_store)?;
    if peek {
        verdict.allowed = cost <= verdict.remaining;
    }
    Ok(verdict)
}
