//! Names and numbers as columns.

use jiff::Timestamp;
use llm_core::Str;
use llm_core::ledger::rules::Account;
use llm_core::ledger::{AccountId, HoldId, Owner, Settlement};
use llm_core::money::Unit;
use llm_core::quota::WindowId;
use llm_core::store::StoreError;
use llm_core::usage::UsageSource;

/// The columns that name an account.
pub(super) struct Key<'a> {
    pub(super) owner: &'static str,
    pub(super) name: &'a str,
    pub(super) rule: &'a str,
    pub(super) span: String,
}

/// An account, and what one owner has leased of it.
#[derive(Clone, Debug)]
pub(super) struct Row<U: Unit> {
    pub(super) id: i64,
    pub(super) account: Account<U>,
    pub(super) mine: U,
    /// Its last entry.
    pub(super) seq: i64,
    pub(super) head: [u8; 32],
}

const OWNERS: [(Owner, &str); 7] = [
    (Owner::Key, "key"),
    (Owner::User, "user"),
    (Owner::Feature, "feature"),
    (Owner::Team, "team"),
    (Owner::Org, "org"),
    (Owner::Tenant, "tenant"),
    (Owner::Operator, "operator"),
];

const SOURCES: [(UsageSource, &str); 3] = [
    (UsageSource::Reported, "reported"),
    (UsageSource::Counted, "counted"),
    (UsageSource::Estimated, "estimated"),
];

/// What is stored is nothing that we write.
pub(crate) fn odd(column: &'static str) -> StoreError {
    StoreError::Corrupt(Str::from(format!("an odd value of {column}")))
}

pub(super) fn key(account: &AccountId) -> Key<'_> {
    let owner = account.owner.name();
    // Written out and not as two numbers: instants have nanoseconds, and people read this.
    let span = account.window.map_or_else(String::new, |window| window.to_string());
    Key { owner, name: &account.name, rule: &account.rule, span }
}

pub(super) fn account_id(
    (owner, name, rule, span): (&str, &str, &str, &str),
) -> Result<AccountId, StoreError> {
    let owner = OWNERS.iter().find(|(_, word)| *word == owner).ok_or_else(|| odd("owner"))?.0;
    let window = match span.split_once('/') {
        None if span.is_empty() => None,
        None => return Err(odd("span")),
        Some((start, end)) => {
            let read = |text: &str| text.parse::<Timestamp>().map_err(|_| odd("span"));
            Some(WindowId { start: read(start)?, end: read(end)? })
        }
    };
    Ok(AccountId { owner, name: name.into(), rule: rule.into(), window })
}

pub(super) fn source_word(source: UsageSource) -> &'static str {
    match source {
        UsageSource::Reported => "reported",
        UsageSource::Counted => "counted",
        UsageSource::Estimated => "estimated",
    }
}

pub(super) fn settlement<U: Unit>(
    hold: HoldId,
    tenant: i64,
    operator: i64,
    source: &str,
) -> Result<Settlement<U>, StoreError> {
    let source = SOURCES.iter().find(|(_, word)| *word == source).ok_or_else(|| odd("source"))?.0;
    let (tenant, operator) = (U::from_pieces(tenant), U::from_pieces(operator));
    Ok(Settlement { hold, tenant, operator, source })
}

pub(super) fn account<U: Unit>(limit: Option<i64>, paid: i64, leased: i64) -> Account<U> {
    let (settled, held) = (U::from_pieces(paid), U::from_pieces(leased));
    Account { limit: limit.map(U::from_pieces), settled, held }
}

pub(crate) fn digest(bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| odd("hash"))
}

/// An epoch as a number of the database; none that was given out is larger.
pub(crate) fn epoch_of(epoch: u64) -> i64 {
    i64::try_from(epoch).unwrap_or(i64::MAX)
}

pub(crate) fn micros_of(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
