//! Recomputes what the rows say: each balance from its entries, each entry from the one before it,
//! each lease from its owners, and each end of a hold from what it wrote.

use std::collections::{BTreeMap, HashMap};

use llm_core::Str;
use llm_core::ledger::rules::{Account, Violation};
use llm_core::ledger::{AccountId, Owner};
use llm_core::money::Unit;
use llm_core::store::{Audit, StoreError};
use sqlx::FromRow;

use crate::sql::chain::{Link, Shares, follow, genesis};
use crate::sql::row::{account_id, digest, odd};

/// An account as it is stored.
#[derive(FromRow)]
pub(in crate::sql) struct Found(
    i64,
    String,
    String,
    String,
    String,
    Option<i64>,
    i64,
    i64,
    i64,
    Vec<u8>,
    i64,
);

/// An entry as it is stored.
#[derive(FromRow)]
pub(in crate::sql) struct EntryRow(
    i64,
    i64,
    Option<Vec<u8>>,
    String,
    i64,
    String,
    i64,
    i64,
    Vec<u8>,
);

/// A hold and what an entry says that it paid.
pub(in crate::sql) type Share = ([u8; 16], i64);

/// What holds say that their accounts paid, and the operator for them, by their ids.
pub(in crate::sql) type Paid = HashMap<Vec<u8>, (i64, i64)>;

/// What has been added up so far.
#[derive(Default)]
pub(in crate::sql) struct Checked {
    audit: Audit,
    /// The last account that was looked at.
    account: i64,
    /// Entries that belong to a hold, less those that holds say they wrote.
    of_holds: i64,
    page: BTreeMap<i64, Sum>,
}

/// One account: what it says, and what its entries say.
struct Sum {
    id: AccountId,
    paid: i64,
    seq: i64,
    head: [u8; 32],
    added: i64,
    at: i64,
    hash: [u8; 32],
    broken: bool,
}

impl EntryRow {
    pub(in crate::sql) fn at(&self) -> (i64, i64) {
        (self.0, self.1)
    }

    /// The holds that it is the sum of.
    pub(in crate::sql) fn shares(&self) -> Result<Vec<Share>, StoreError> {
        let Some(stored) = &self.2 else { return Ok(Vec::new()) };
        Shares::read(stored, self.4).ok_or_else(|| odd("holds"))
    }
}

impl Checked {
    pub(in crate::sql) fn account(&self) -> i64 {
        self.account
    }

    /// Takes up a page of accounts, and tells the last of them.
    pub(in crate::sql) fn begin<U: Unit>(&mut self, page: Vec<Found>) -> Result<i64, StoreError> {
        for Found(row, owner, name, rule, span, limit, paid, leased, seq, head, leases) in page {
            let id = account_id((&owner, &name, &rule, &span))?;
            let numbers = Account::<U> {
                limit: limit.map(U::from_pieces),
                settled: U::from_pieces(paid),
                held: U::from_pieces(leased),
            };
            if let Err(law) = numbers.invariant() {
                self.audit.problems.push((id.clone(), law));
            }
            let hash = genesis(U::NAME, &id);
            let (broken, head) = (leased != leases, digest(&head)?);
            let sum = Sum { id, paid, seq, head, added: 0, at: 0, hash, broken };
            self.page.insert(row, sum);
            self.account = row;
            self.audit.accounts += 1;
        }
        Ok(self.account)
    }

    /// Takes up an entry: the holds that it names, and what they say of themselves.
    pub(in crate::sql) fn add(
        &mut self,
        entry: &EntryRow,
        shares: &[Share],
        paid: &Paid,
    ) -> Result<(), StoreError> {
        let EntryRow(row, seq, holds, kind, amount, replica, epoch, at, hash) = entry;
        // Accounts of another unit lie between ours.
        let Some(sum) = self.page.get_mut(row) else { return Ok(()) };
        let named = i64::try_from(shares.len()).map_err(|_| odd("holds"))?;
        self.of_holds = self.of_holds.saturating_add(named);
        // Counted as if each hold had one of its own: how many go in a step is nobody's matter.
        self.audit.entries += shares.len().max(1) as u64;
        let said = |(id, share): &Share| match (kind.as_str(), paid.get(&id[..])) {
            ("settle", Some((tenant, _))) => tenant == share,
            ("loss", Some((_, operator))) => operator == share,
            _ => false,
        };
        // Nothing else can say what an owner that was buried has paid.
        let added: i128 = shares.iter().map(|(_, share)| i128::from(*share)).sum();
        let adds_up = shares.is_empty() || added == i128::from(*amount);
        sum.broken |= !adds_up || !shares.iter().all(said);
        let (holds, amount, epoch) = (holds.as_deref().unwrap_or_default(), *amount, *epoch);
        let link = Link { seq: *seq, holds, kind, amount, replica, epoch, at: *at };
        let follows = follow(&sum.hash, &link);
        sum.broken |= *seq != sum.at + 1 || follows[..] != hash[..];
        (sum.at, sum.hash) = (*seq, follows);
        sum.added = sum.added.saturating_add(amount);
        Ok(())
    }

    /// The page has had all its entries.
    pub(in crate::sql) fn end(&mut self) {
        for (_, sum) in std::mem::take(&mut self.page) {
            let last = (sum.at, sum.hash) == (sum.seq, sum.head);
            if sum.broken || !last || sum.added != sum.paid {
                self.audit.problems.push((sum.id, Violation::Journal));
            }
        }
    }

    /// A hold says that it wrote so many entries.
    pub(in crate::sql) fn expect(&mut self, lines: i64) {
        self.of_holds = self.of_holds.saturating_sub(lines);
    }

    pub(in crate::sql) fn done(self, leased: i64) -> Audit {
        let mut audit = self.audit;
        audit.holds_open = u64::try_from(leased).unwrap_or_default();
        if self.of_holds != 0 {
            // Entries are gone together with their account, or holds with what they paid: there is
            // no account left to name.
            let gone = AccountId::new(Owner::Operator, Str::from_static("holds"));
            audit.problems.push((gone, Violation::Journal));
        }
        audit.problems.sort_by(|(one, _), (other, _)| one.cmp(other));
        audit
    }
}
