//! The chain of an account's entries: each hash covers the one before it, the first one the
//! account's name. Whoever changes, drops or moves an entry has to change all after it, and the
//! head beside the balance.

use blake3::Hasher;
use llm_core::ledger::{AccountId, HoldId};

use super::row::key;

/// Bytes of a hold's id, and of what it paid.
const ID: usize = 16;
const AMOUNT: usize = 8;
const SHARE: usize = ID + AMOUNT;

/// What an entry is the sum of: each hold's id and what it paid, one behind the other. Where there is but
/// one, its id says all; entries were so when each hold had its own.
#[derive(Debug, Default)]
pub(super) struct Shares(Vec<u8>);

impl Shares {
    /// One more hold.
    pub(super) fn push(&mut self, hold: HoldId, amount: i64) {
        self.0.extend_from_slice(&hold.0.to_be_bytes());
        self.0.extend_from_slice(&amount.to_be_bytes());
    }

    /// As they are stored.
    pub(super) fn stored(mut self) -> Vec<u8> {
        if self.0.len() == SHARE {
            self.0.truncate(ID);
        }
        self.0
    }

    /// What is stored beside an amount; `None` where nobody has written so.
    pub(super) fn read(stored: &[u8], amount: i64) -> Option<Vec<([u8; ID], i64)>> {
        if let Ok(id) = <[u8; ID]>::try_from(stored) {
            return Some(vec![(id, amount)]);
        }
        let (shares, odd) = stored.as_chunks::<SHARE>();
        let share = |share: &[u8; SHARE]| {
            let (id, amount) = share.split_first_chunk::<ID>()?;
            Some((*id, i64::from_be_bytes(amount.try_into().ok()?)))
        };
        if odd.is_empty() { shares.iter().map(share).collect() } else { None }
    }
}

/// One entry, as it is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link<'a> {
    /// Its number, from 1.
    pub(super) seq: i64,
    /// The holds that it is the sum of, as [`Shares`] writes them.
    pub(super) holds: &'a [u8],
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
    match link.holds.len() {
        0 => hasher.update(&[0]),
        ID => hasher.update(&[1]).update(link.holds),
        long => hasher.update(&[2]).update(&(long as u64).to_le_bytes()).update(link.holds),
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
