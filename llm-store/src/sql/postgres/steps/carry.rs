//! What has ended is carried here, and what a dead owner has left is settled: lock and look,
//! compute, write.

use std::collections::{BTreeMap, BTreeSet};

use llm_core::ledger::{AccountId, HoldId};
use llm_core::money::Unit;
use llm_core::store::vault::{Ended, Fold, Tenure};
use sqlx::{Connection, FromRow, PgConnection, query, query_as};

use super::super::reads;
use super::Keys;
use crate::grant::fenced;
use crate::sql::chain::genesis;
use crate::sql::fault::Failure;
use crate::sql::plan::{Change, Rows, moved, once};
use crate::sql::row::{self, Row, epoch_of, odd, source_word};

const LOOK: &str = "SELECT * FROM vault_look($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

#[derive(FromRow)]
struct Seen {
    what_: i32,
    place_: i32,
    id_: i64,
    limit_: Option<i64>,
    paid_: i64,
    leased_: i64,
    seq_: i64,
    head_: Option<Vec<u8>>,
    mine_: i64,
}

/// What was locked, and when.
struct Locked<U: Unit> {
    owner: i64,
    at: i64,
    rows: Rows<U>,
    known: BTreeSet<HoldId>,
}

pub(super) async fn fold<U: Unit>(
    connection: &mut PgConnection,
    who: &Tenure,
    batch: &Fold<U>,
) -> Result<(), Failure> {
    let mut ends = once(batch);
    let mut accounts = moved(&ends, &batch.keeps);
    // Nothing of it is ever leased, and who loses locks it last.
    accounts.remove(&AccountId::loss());
    let mut whole = connection.begin().await?;
    let locked = look(&mut whole, who, accounts.into_iter().collect(), &ends).await?;
    ends.retain(|ended| !locked.known.contains(&ended.settlement.hold));
    let before = locked.rows.values().map(|row| (row.id, row.seq)).collect();
    let change = Change::new(who, locked.rows, locked.at).fold(&ends, &batch.keeps)?;
    write(&mut whole, locked.owner, who, &before, &change).await?;
    whole.commit().await?;
    Ok(())
}

const FIND: &str = "SELECT id, epoch, buried FROM owner \
     WHERE unit = $1 AND replica = $2 AND epoch >= $3 FOR UPDATE";
const FENCED: &str = "UPDATE owner SET buried = epoch WHERE id = $1";

pub(super) async fn bury<U: Unit>(
    connection: &mut PgConnection,
    who: &Tenure,
    used: bool,
) -> Result<(), Failure> {
    let mut whole = connection.begin().await?;
    let epoch = epoch_of(who.epoch);
    let found: Option<(i64, i64, i64)> = query_as(FIND)
        .bind(U::NAME)
        .bind(&*who.replica)
        .bind(epoch)
        .fetch_optional(&mut *whole)
        .await?;
    let (owner, lives, buried) = found.ok_or_else(fenced)?;
    // An epoch before the last has left everything to those after it.
    if epoch < lives || buried >= epoch {
        return Ok(whole.rollback().await?);
    }
    let leases = reads::leases::<U>(&mut whole, owner).await?;
    let accounts = leases.into_iter().map(|(account, _)| account).collect();
    let locked = look::<U>(&mut whole, who, accounts, &[]).await?;
    let before = locked.rows.values().map(|row| (row.id, row.seq)).collect();
    let change = Change::new(who, locked.rows, locked.at).bury(used)?;
    write(&mut whole, owner, who, &before, &change).await?;
    query(FENCED).bind(owner).execute(&mut *whole).await?;
    whole.commit().await?;
    Ok(())
}

/// Locks these accounts, narrowest first as they are given, and that of losses where holds need it.
async fn look<U: Unit>(
    connection: &mut PgConnection,
    who: &Tenure,
    mut accounts: Vec<AccountId>,
    ends: &[&Ended<U>],
) -> Result<Locked<U>, Failure> {
    let loss = AccountId::loss();
    let keys: Keys = accounts.iter().collect();
    let holds: Vec<HoldId> = ends.iter().map(|ended| ended.settlement.hold).collect();
    let lossy: Vec<bool> = ends.iter().map(|ended| ended.settlement.operator > U::ZERO).collect();
    let seen: Vec<Seen> = query_as(LOOK)
        .bind(U::NAME)
        .bind(&*who.replica)
        .bind(epoch_of(who.epoch))
        .bind(keys.owner)
        .bind(keys.name)
        .bind(keys.rule)
        .bind(keys.span)
        .bind(holds.iter().map(|hold| bytes(*hold)).collect::<Vec<_>>())
        .bind(lossy)
        .bind(&*loss.name)
        .bind(&genesis(U::NAME, &loss)[..])
        .fetch_all(connection)
        .await?;
    accounts.push(loss);
    let mut locked: Option<Locked<U>> = None;
    for one in seen {
        let place = usize::try_from(one.place_).map_err(|_| odd("place"))?;
        match (one.what_, &mut locked) {
            (0, _) => {
                let (rows, known) = (Rows::new(), BTreeSet::new());
                locked = Some(Locked { owner: one.id_, at: one.seq_, rows, known });
            }
            (1, Some(locked)) => {
                locked.known.insert(*holds.get(place).ok_or_else(|| odd("place"))?);
            }
            (2, Some(locked)) => {
                let account = accounts.get(place).ok_or_else(|| odd("place"))?;
                locked.rows.insert(account.clone(), one.row()?);
            }
            _ => return Err(odd("what").into()),
        }
    }
    Ok(locked.ok_or_else(fenced)?)
}

impl Seen {
    fn row<U: Unit>(&self) -> Result<Row<U>, Failure> {
        Ok(Row {
            id: self.id_,
            account: row::account(self.limit_, self.paid_, self.leased_),
            mine: U::from_pieces(self.mine_),
            seq: self.seq_,
            head: row::digest(self.head_.as_deref().unwrap_or_default())?,
        })
    }
}

const WRITE: &str = "SELECT vault_write($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, \
     $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)";

async fn write<U: Unit>(
    connection: &mut PgConnection,
    owner: i64,
    who: &Tenure,
    before: &BTreeMap<i64, i64>,
    change: &Change<'_, U>,
) -> Result<(), Failure> {
    let ends = || change.holds.values();
    let rows = || change.rows.values();
    let entries = &change.entries;
    query(WRITE)
        .bind(U::NAME)
        .bind(&*who.replica)
        .bind(epoch_of(who.epoch))
        .bind(owner)
        .bind(change.at)
        .bind(change.holds.keys().map(|hold| bytes(*hold)).collect::<Vec<_>>())
        .bind(ends().map(|(end, _)| end.tenant.pieces()).collect::<Vec<_>>())
        .bind(ends().map(|(end, _)| end.operator.pieces()).collect::<Vec<_>>())
        .bind(ends().map(|(end, _)| source_word(end.source)).collect::<Vec<_>>())
        .bind(ends().map(|(_, lines)| *lines).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.account).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.seq).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| holds(&entry.holds)).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.kind).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.amount).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.hash.to_vec()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.id).collect::<Vec<_>>())
        .bind(rows().map(|row| before.get(&row.id).copied()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.account.settled.pieces()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.account.held.pieces()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.seq).collect::<Vec<_>>())
        .bind(rows().map(|row| row.head.to_vec()).collect::<Vec<_>>())
        .bind(rows().map(|row| row.mine.pieces()).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

fn bytes(hold: HoldId) -> Vec<u8> {
    hold.0.to_be_bytes().to_vec()
}

/// None at all is no list.
fn holds(ids: &[u8]) -> Option<&[u8]> {
    (!ids.is_empty()).then_some(ids)
}
