//! Whether the ledger is right, and what crashes have left to it.

use http::{Response, StatusCode};
use llm_core::ledger::AccountId;
use llm_core::ledger::rules::Violation;
use llm_core::store::Audit;
use serde::Serialize;

use super::refusal::Answered;
use super::{Body, House, told};

/// Problems that are told; whoever has more has one cause for them.
const PROBLEMS_MAX: usize = 100;

#[derive(Serialize)]
struct Verified {
    ok: bool,
    accounts: u64,
    holds_open: u64,
    entries: u64,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct Problem {
    owner: &'static str,
    account: String,
    rule: String,
    what: String,
}

#[derive(Serialize)]
struct Interrupted {
    hold: String,
    charged_nanos: i64,
    held_nanos: i64,
    /// What was owed when it was sent; null when it was not.
    sent_nanos: Option<i64>,
    watermark_nanos: Option<i64>,
}

/// Recomputes every balance from its entries.
pub(super) async fn verify(house: &House) -> Answered {
    let audit = house.store.verify().await?;
    let verified = Verified::of(&audit);
    // What calls of this process hold is leased there, and open here.
    let open = house.store.state().map_or(audit.holds_open, |state| state.holds_open);
    Ok(told(StatusCode::OK, &Verified { holds_open: open, ..verified }))
}

impl Verified {
    fn of(audit: &Audit) -> Self {
        let problem = |(account, what): &(AccountId, Violation)| Problem {
            owner: account.owner.name(),
            account: account.name.to_string(),
            rule: account.rule.to_string(),
            what: what.to_string(),
        };
        Self {
            ok: audit.problems.is_empty(),
            accounts: audit.accounts,
            holds_open: audit.holds_open,
            entries: audit.entries,
            problems: audit.problems.iter().take(PROBLEMS_MAX).map(problem).collect(),
        }
    }
}

/// Calls that the last process left in the middle, and what was made of them.
pub(super) fn interrupted(house: &House) -> Response<Body> {
    let all = house.store.interrupted().iter().map(|one| Interrupted {
        hold: one.settlement.hold.to_string(),
        charged_nanos: one.settlement.tenant.0,
        held_nanos: one.amount.0,
        sent_nanos: one.sent.map(|cost| cost.0),
        watermark_nanos: one.watermark.map(|cost| cost.0),
    });
    told(StatusCode::OK, &all.collect::<Vec<_>>())
}
