//! What has ended is carried here, and what a dead owner has left is settled.

use std::collections::HashSet;
use std::marker::PhantomData;
use std::sync::LazyLock;

use llm_core::ledger::{AccountId, HoldId};
use llm_core::money::Unit;
use llm_core::store::StoreError;
use llm_core::store::vault::{Ended, Fold, Tenure};
use sqlx::{SqliteConnection, query, query_as, query_scalar};

use super::super::{reads, writer::Work};
use super::{OPEN, load, open_with, owner, set_lease};
use crate::grant::fenced;
use crate::sql::fault::Failure;
use crate::sql::lines::Lines;
use crate::sql::plan::{Change, Rows, Written, moved, once};
use crate::sql::row::{epoch_of, odd, source_word};

pub(in crate::sql::sqlite) struct Carry<U: Unit> {
    pub(in crate::sql::sqlite) who: Tenure,
    pub(in crate::sql::sqlite) batch: Fold<U>,
    /// Some of the holds may be there already.
    pub(in crate::sql::sqlite) careful: bool,
    pub(in crate::sql::sqlite) now: i64,
}

pub(in crate::sql::sqlite) struct Bury<U> {
    pub(in crate::sql::sqlite) who: Tenure,
    pub(in crate::sql::sqlite) used: bool,
    pub(in crate::sql::sqlite) now: i64,
    pub(in crate::sql::sqlite) unit: PhantomData<fn() -> U>,
}

// Arguments have no numbers in statements of many lines: to bind one that has, the driver looks for
// its name from the first on, which for some hundred of them costs more than SQLite's own work.
static KNOWN: LazyLock<Lines> = LazyLock::new(|| {
    Lines::bare("SELECT id FROM hold WHERE unit = ? AND (id) IN (VALUES ", 1, ")")
});

impl<U: Unit> Work for Carry<U> {
    type Out = ();

    async fn run(&self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        let owner = owner::<U>(connection, &self.who).await?;
        let mut ends = once(&self.batch);
        if self.careful {
            let known = known::<U>(connection, &ends).await?;
            ends.retain(|ended| !known.contains(&bytes(ended.settlement.hold)));
        }
        let mut accounts = moved(&ends, &self.batch.keeps);
        if ends.iter().any(|ended| ended.settlement.operator > U::ZERO) {
            open_with::<U>(connection, OPEN, &AccountId::loss(), None).await?;
            accounts.insert(AccountId::loss());
        }
        let mut rows = Rows::new();
        for account in accounts {
            let found = load(connection, owner, &account).await?;
            rows.extend(found.map(|row| (account, row)));
        }
        let change = Change::new(&self.who, rows, self.now).fold(&ends, &self.batch.keeps)?;
        write(connection, owner, &self.who, &change).await
    }
}

/// The holds of a batch that have been carried here before.
async fn known<U: Unit>(
    connection: &mut SqliteConnection,
    ends: &[&Ended<U>],
) -> Result<HashSet<Vec<u8>>, Failure> {
    let mut known = HashSet::new();
    for (text, some) in KNOWN.cut(ends.len()) {
        let mut step = query_scalar(text).bind(U::NAME);
        for ended in &ends[some] {
            step = step.bind(bytes(ended.settlement.hold));
        }
        known.extend(step.fetch_all(&mut *connection).await?);
    }
    Ok(known)
}

const FIND: &str =
    "SELECT id, epoch, buried FROM owner WHERE unit = $1 AND replica = $2 AND epoch >= $3";
const FENCED: &str = "UPDATE owner SET buried = epoch WHERE id = $1";

impl<U: Unit> Work for Bury<U> {
    type Out = ();

    async fn run(&self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        let epoch = epoch_of(self.who.epoch);
        let found: Option<(i64, i64, i64)> = query_as(FIND)
            .bind(U::NAME)
            .bind(&*self.who.replica)
            .bind(epoch)
            .fetch_optional(&mut *connection)
            .await?;
        let (owner, lives, buried) = found.ok_or_else(fenced)?;
        // An epoch before the last has left everything to those after it.
        if epoch < lives || buried >= epoch {
            return Ok(());
        }
        let mut rows = Rows::<U>::new();
        for (account, _) in reads::leases::<U>(connection, owner).await? {
            let found = load(connection, owner, &account).await?;
            rows.insert(account, found.ok_or_else(|| odd("account"))?);
        }
        let change = Change::new(&self.who, rows, self.now).bury(self.used)?;
        write(connection, owner, &self.who, &change).await?;
        query(FENCED).bind(owner).execute(connection).await?;
        Ok(())
    }
}

static HOLD: LazyLock<Lines> = LazyLock::new(|| {
    let head = "INSERT INTO hold (unit, id, tenant, operator, source, lines) VALUES ";
    Lines::bare(head, 6, " ON CONFLICT DO NOTHING")
});
static ENTRY: LazyLock<Lines> = LazyLock::new(|| {
    let columns = "account, seq, holds, kind, amount, replica, epoch, at, hash";
    Lines::bare(&format!("INSERT INTO entry ({columns}) VALUES "), 9, "")
});
const ACCOUNT: &str =
    "UPDATE account SET paid = $2, leased = $3, seq = $4, head = $5 WHERE id = $1";

async fn write<U: Unit>(
    connection: &mut SqliteConnection,
    owner: i64,
    who: &Tenure,
    change: &Change<'_, U>,
) -> Result<(), Failure> {
    let holds: Vec<_> = change.holds.iter().collect();
    let mut new = 0;
    for (text, some) in HOLD.cut(holds.len()) {
        let mut step = query(text);
        for (hold, (settlement, lines)) in &holds[some] {
            step = step
                .bind(U::NAME)
                .bind(bytes(**hold))
                .bind(settlement.tenant.pieces())
                .bind(settlement.operator.pieces())
                .bind(source_word(settlement.source))
                .bind(*lines);
        }
        new += step.execute(&mut *connection).await?.rows_affected();
    }
    if new != holds.len() as u64 {
        return Err(StoreError::Conflict("some of these holds are folded".into()).into());
    }
    for (text, some) in ENTRY.cut(change.entries.len()) {
        let mut step = query(text);
        for Written { account, seq, holds, kind, amount, hash } in &change.entries[some] {
            step = step
                .bind(account)
                .bind(seq)
                .bind((!holds.is_empty()).then_some(&holds[..]))
                .bind(*kind)
                .bind(amount)
                .bind(&*who.replica)
                .bind(epoch_of(who.epoch))
                .bind(change.at)
                .bind(&hash[..]);
        }
        step.execute(&mut *connection).await?;
    }
    for row in change.rows.values() {
        query(ACCOUNT)
            .bind(row.id)
            .bind(row.account.settled.pieces())
            .bind(row.account.held.pieces())
            .bind(row.seq)
            .bind(&row.head[..])
            .execute(&mut *connection)
            .await?;
        set_lease(connection, owner, row.id, row.mine.pieces()).await?;
    }
    Ok(())
}

fn bytes(hold: HoldId) -> Vec<u8> {
    hold.0.to_be_bytes().to_vec()
}
