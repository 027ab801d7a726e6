//! The chain of an account's entries: each hash covers the one before it, the first one the
//! account's name. Whoever changes, drops or moves an entry has to change all after it, and the
//! head beside the balance.

use blake3::Hasher;
use llm_core::ledger::{AccountId, HoldId};

use super::row::key;

/// One entry, as it is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link<'a> {
    /// Its number, from 1.
    pub(super) seq: i64,
    pub(super) hold: Option<HoldId>,
    pub(super) kind: &'a str,
    pub(super) amount: i64,
    pub(super) replica: &'a str,
    pub(super) epoch: i64,
    pub(super) at: i64,
}

/// What the first entry follows.
pub(super) fn genesis(unit: &str, account: &AccountId) -> [u8; 32] {
    let key = key(account);
    let mut hasher = Hasher::new();
    for word in ["llm ledger 1", unit, key.owner, key.name, key.rule, key.span.as_str()] {
        text(&mut hasher, word);
    }
    hasher.finalize().into()
}

pub(super) fn follow(before: &[u8; 32], link: &Link<'_>) -> [u8; 32] {
    let mut hasher = Hasher::new();
    hasher.update(before).update(&link.seq.to_le_bytes());
    match link.hold {
        None => hasher.update(&[0]),
        Some(hold) => hasher.update(&[1]).update(&hold.0.to_be_bytes()),
    };
    text(&mut hasher, link.kind);
    hasher.update(&link.amount.to_le_bytes());
    text(&mut hasher, link.replica);
    hasher.update(&link.epoch.to_le_bytes()).update(&link.at.to_le_bytes());
    hasher.finalize().into()
}

/// With its length: two words must not read as two others.
pub(crate) fn text(hasher: &mut Hasher, word: &str) {
    hasher.update(&(word.len() as u64).to_le_bytes()).update(word.as_bytes());
}
