//! What is read and never written: balances, ends, estates and the audit. One text for both
//! databases.

mod audit;

use std::sync::LazyLock;

use super::lines::Lines;

pub(super) use audit::{Checked, EntryRow, Found, Paid, Share};

/// An account by its name.
pub(super) const BALANCE: &str = "SELECT lim, paid, leased FROM account \
     WHERE unit = $1 AND owner = $2 AND name = $3 AND rule = $4 AND span = $5";

/// How a hold ended.
pub(super) const ENDED: &str =
    "SELECT tenant, operator, source FROM hold WHERE unit = $1 AND id = $2";

/// What an owner has leased.
pub(super) const LEASES: &str = "SELECT a.owner, a.name, a.rule, a.span, l.amount \
     FROM lease l JOIN account a ON a.id = l.account WHERE l.owner = $1 AND l.amount > 0";

/// The next accounts, with the sum of what is leased of each.
pub(super) const ACCOUNTS: &str = "SELECT a.id, a.owner, a.name, a.rule, a.span, \
     a.lim, a.paid, a.leased, a.seq, a.head, \
     CAST((SELECT coalesce(sum(l.amount), 0) FROM lease l WHERE l.account = a.id) AS BIGINT) \
     FROM account a WHERE a.unit = $1 AND a.id > $2 ORDER BY a.id LIMIT $3";

/// The next entries of a stretch of accounts.
pub(super) const ENTRIES: &str = "SELECT e.account, e.seq, e.holds, e.kind, e.amount, e.replica, \
     e.epoch, e.at, e.hash FROM entry e WHERE (e.account, e.seq) > ($1, $2) AND e.account <= $3 \
     ORDER BY e.account, e.seq LIMIT $4";

/// What these holds have paid, and the operator for them: looked up by their ids, since a join may be
/// planned as a walk through all holds for each entry.
pub(super) static PAID: LazyLock<[Lines; 2]> = LazyLock::new(|| {
    let head = |unit: &str| {
        format!("SELECT id, tenant, operator FROM hold WHERE unit = {unit} AND (id) IN (VALUES ")
    };
    [Lines::numbered_from(2, &head("$1"), 1, ")"), Lines::bare(&head("?"), 1, ")")]
});

/// The next holds, with how many entries each says that it wrote.
pub(super) const HOLDS: &str =
    "SELECT id, lines FROM hold WHERE unit = $1 AND id > $2 ORDER BY id LIMIT $3";

/// How many leases there are.
pub(super) const LEASED: &str = "SELECT count(*) FROM lease l JOIN owner o ON o.id = l.owner \
     WHERE o.unit = $1 AND l.amount > 0";

/// Rows in one piece of an audit: what is in memory at once, and what a statement may take.
pub(super) const PAGE: i64 = 1_000;

/// The reads over one kind of connection. The drivers' types differ and their bounds are longer
/// than these functions.
macro_rules! reads {
    ($Connection:ty, numbered: $numbered:literal) => {
        use std::sync::atomic::{AtomicU64, Ordering};

        use llm_core::ledger::rules::Account;
        use llm_core::ledger::{AccountId, HoldId, Settlement};
        use llm_core::money::Unit;
        use llm_core::store::Audit;
        use sqlx::{query_as, query_scalar};

        use $crate::sql::fault::Failure;
        use $crate::sql::read::*;
        use $crate::sql::row::{self, account_id, key};

        pub(super) async fn balance<U: Unit>(
            connection: &mut $Connection,
            account: &AccountId,
        ) -> Result<Option<Account<U>>, Failure> {
            let key = key(account);
            let found: Option<(Option<i64>, i64, i64)> = query_as(BALANCE)
                .bind(U::NAME)
                .bind(key.owner)
                .bind(key.name)
                .bind(key.rule)
                .bind(key.span)
                .fetch_optional(connection)
                .await?;
            Ok(found.map(|(limit, paid, leased)| row::account(limit, paid, leased)))
        }

        pub(super) async fn ended<U: Unit>(
            connection: &mut $Connection,
            hold: HoldId,
        ) -> Result<Option<Settlement<U>>, Failure> {
            let found: Option<(i64, i64, String)> = query_as(ENDED)
                .bind(U::NAME)
                .bind(&hold.0.to_be_bytes()[..])
                .fetch_optional(connection)
                .await?;
            let read = |(tenant, operator, source): (i64, i64, String)| {
                row::settlement(hold, tenant, operator, &source)
            };
            Ok(found.map(read).transpose()?)
        }

        pub(super) async fn leases<U: Unit>(
            connection: &mut $Connection,
            owner: i64,
        ) -> Result<Vec<(AccountId, U)>, Failure> {
            let rows: Vec<(String, String, String, String, i64)> =
                query_as(LEASES).bind(owner).fetch_all(connection).await?;
            let mut leases = Vec::with_capacity(rows.len());
            for (owner, name, rule, span, amount) in &rows {
                leases.push((account_id((owner, name, rule, span))?, U::from_pieces(*amount)));
            }
            // Databases have orders of their own.
            leases.sort_unstable();
            Ok(leases)
        }

        /// What the holds of an entry say of themselves.
        async fn paid<U: Unit>(
            connection: &mut $Connection,
            shares: &[Share],
            steps: &AtomicU64,
        ) -> Result<Paid, Failure> {
            let mut paid = Paid::default();
            for (text, some) in PAID[usize::from(!$numbered)].cut(shares.len()) {
                let mut question = query_as(text).bind(U::NAME);
                for (id, _) in &shares[some] {
                    question = question.bind(&id[..]);
                }
                let found: Vec<(Vec<u8>, i64, i64)> = question.fetch_all(&mut *connection).await?;
                steps.fetch_add(1, Ordering::Relaxed);
                found.into_iter().for_each(|(id, tenant, operator)| {
                    paid.insert(id, (tenant, operator));
                });
            }
            Ok(paid)
        }

        /// In one transaction that sees one instant, a page at a time.
        /// `steps` counts them, for whoever wants to know that it goes on.
        pub(super) async fn audit<U: Unit>(
            connection: &mut $Connection,
            steps: &AtomicU64,
        ) -> Result<Audit, Failure> {
            let mut checked = Checked::default();
            loop {
                let found: Vec<Found> = query_as(ACCOUNTS)
                    .bind(U::NAME)
                    .bind(checked.account())
                    .bind(PAGE)
                    .fetch_all(&mut *connection)
                    .await?;
                steps.fetch_add(1, Ordering::Relaxed);
                if found.is_empty() {
                    break;
                }
                let mut at = (checked.account(), i64::MAX);
                let end = checked.begin::<U>(found)?;
                loop {
                    let entries: Vec<EntryRow> = query_as(ENTRIES)
                        .bind(at.0)
                        .bind(at.1)
                        .bind(end)
                        .bind(PAGE)
                        .fetch_all(&mut *connection)
                        .await?;
                    steps.fetch_add(1, Ordering::Relaxed);
                    let Some(last) = entries.last() else { break };
                    at = last.at();
                    for entry in &entries {
                        let shares = entry.shares()?;
                        let paid = paid::<U>(connection, &shares, steps).await?;
                        checked.add(entry, &shares, &paid)?;
                    }
                }
                checked.end();
            }
            let mut last = Vec::new();
            loop {
                let holds: Vec<(Vec<u8>, i64)> = query_as(HOLDS)
                    .bind(U::NAME)
                    .bind(&last[..])
                    .bind(PAGE)
                    .fetch_all(&mut *connection)
                    .await?;
                steps.fetch_add(1, Ordering::Relaxed);
                let Some((id, _)) = holds.last() else { break };
                last.clone_from(id);
                holds.iter().for_each(|(_, lines)| checked.expect(*lines));
            }
            let leased = query_scalar(LEASED).bind(U::NAME).fetch_one(&mut *connection).await?;
            Ok(checked.done(leased))
        }
    };
}

pub(super) use reads;
