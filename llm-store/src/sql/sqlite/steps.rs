//! The steps of the ledger, each within a transaction that nobody else writes beside: read the
//! rows, compute, write.

mod carry;
mod lease;

use std::marker::PhantomData;
use std::time::Duration;

use llm_core::Str;
use llm_core::ledger::AccountId;
use llm_core::money::Unit;
use llm_core::store::vault::{Estate, Tenure};
use sqlx::{Row as _, SqliteConnection, query, query_as, query_scalar};

use super::reads;
use super::writer::Work;
use crate::grant::{LIVES_MAX, fenced};
use crate::sql::chain::genesis;
use crate::sql::fault::Failure;
use crate::sql::row::{self, Row, epoch_of, key, micros_of, odd};

pub(super) use carry::{Bury, Carry};
pub(super) use lease::Lease;

/// A process begins.
pub(super) struct Enter<U> {
    pub(super) replica: Str,
    pub(super) now: i64,
    pub(super) unit: PhantomData<fn() -> U>,
}

const ENTER: &str = "INSERT INTO owner (unit, replica, epoch, heard, lives) \
     VALUES ($1, $2, 1, $3, $3) ON CONFLICT (unit, replica) DO UPDATE \
     SET epoch = owner.epoch + 1, heard = excluded.heard, lives = excluded.lives \
     RETURNING id, epoch";

impl<U: Unit> Work for Enter<U> {
    type Out = (Tenure, Vec<Estate<U>>);

    async fn run(&self, connection: &mut SqliteConnection) -> Result<Self::Out, Failure> {
        let (owner, epoch): (i64, i64) = query_as(ENTER)
            .bind(U::NAME)
            .bind(&*self.replica)
            .bind(self.now)
            .fetch_one(&mut *connection)
            .await?;
        let epoch = u64::try_from(epoch).map_err(|_| odd("epoch"))?;
        // Leases are the replica's, whatever its epoch: they need not be moved.
        let leases = reads::leases(connection, owner).await?;
        let who = |epoch| Tenure { replica: self.replica.clone(), epoch };
        let mut left = Vec::new();
        if !leases.is_empty() {
            left.push(Estate { of: who(epoch - 1), leases });
        }
        Ok((who(epoch), left))
    }
}

/// A process lives.
pub(super) struct Beat<U> {
    pub(super) who: Tenure,
    pub(super) now: i64,
    pub(super) lives: Duration,
    pub(super) unit: PhantomData<fn() -> U>,
}

const BEAT: &str = "UPDATE owner SET heard = $4, lives = $5 \
     WHERE unit = $1 AND replica = $2 AND epoch = $3 AND buried < epoch";

impl<U: Unit> Work for Beat<U> {
    type Out = ();

    async fn run(&self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        let done = query(BEAT)
            .bind(U::NAME)
            .bind(&*self.who.replica)
            .bind(epoch_of(self.who.epoch))
            .bind(self.now)
            .bind(self.now.saturating_add(micros_of(self.lives.min(LIVES_MAX))))
            .execute(connection)
            .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(fenced().into()) }
    }
}

/// An account's limit is set.
pub(super) struct SetLimit<U: Unit> {
    pub(super) account: AccountId,
    pub(super) limit: Option<U>,
}

const SET_LIMIT: &str = "INSERT INTO account (unit, owner, name, rule, span, lim, head) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (unit, owner, name, rule, span) \
     DO UPDATE SET lim = excluded.lim WHERE account.lim IS NOT excluded.lim";

impl<U: Unit> Work for SetLimit<U> {
    type Out = ();

    async fn run(&self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        open_with(connection, SET_LIMIT, &self.account, self.limit).await
    }
}

const OPEN: &str = "INSERT INTO account (unit, owner, name, rule, span, lim, head) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (unit, owner, name, rule, span) DO NOTHING";

async fn open_with<U: Unit>(
    connection: &mut SqliteConnection,
    text: &'static str,
    account: &AccountId,
    limit: Option<U>,
) -> Result<(), Failure> {
    let key = key(account);
    query(text)
        .bind(U::NAME)
        .bind(key.owner)
        .bind(key.name)
        .bind(key.rule)
        .bind(key.span)
        .bind(limit.map(U::pieces))
        .bind(&genesis(U::NAME, account)[..])
        .execute(connection)
        .await?;
    Ok(())
}

const FENCE: &str = "SELECT id FROM owner \
     WHERE unit = $1 AND replica = $2 AND epoch = $3 AND buried < epoch";

/// The owner's row, if it is the one that lives.
async fn owner<U: Unit>(connection: &mut SqliteConnection, who: &Tenure) -> Result<i64, Failure> {
    let found: Option<i64> = query_scalar(FENCE)
        .bind(U::NAME)
        .bind(&*who.replica)
        .bind(epoch_of(who.epoch))
        .fetch_optional(connection)
        .await?;
    Ok(found.ok_or_else(fenced)?)
}

const LOAD: &str = "SELECT a.id, a.lim, a.paid, a.leased, a.seq, a.head, \
     coalesce(l.amount, 0) AS mine FROM account a \
     LEFT JOIN lease l ON l.account = a.id AND l.owner = $1 \
     WHERE a.unit = $2 AND a.owner = $3 AND a.name = $4 AND a.rule = $5 AND a.span = $6";

/// An account, and what the owner has leased of it.
async fn load<U: Unit>(
    connection: &mut SqliteConnection,
    owner: i64,
    account: &AccountId,
) -> Result<Option<Row<U>>, Failure> {
    let key = key(account);
    let found = query(LOAD)
        .bind(owner)
        .bind(U::NAME)
        .bind(key.owner)
        .bind(key.name)
        .bind(key.rule)
        .bind(key.span)
        .fetch_optional(connection)
        .await?;
    let Some(found) = found else { return Ok(None) };
    let (limit, paid, leased) = (found.try_get(1)?, found.try_get(2)?, found.try_get(3)?);
    Ok(Some(Row {
        id: found.try_get(0)?,
        account: row::account(limit, paid, leased),
        mine: U::from_pieces(found.try_get(6)?),
        seq: found.try_get(4)?,
        head: row::digest(found.try_get(5)?)?,
    }))
}

const SET_LEASE: &str = "INSERT INTO lease (owner, account, amount) VALUES ($1, $2, $3) \
     ON CONFLICT (owner, account) DO UPDATE SET amount = excluded.amount";
const END_LEASE: &str = "DELETE FROM lease WHERE owner = $1 AND account = $2";

/// What the owner has from now on; nothing is no row, since windows pass and owners stay.
async fn set_lease(
    connection: &mut SqliteConnection,
    owner: i64,
    account: i64,
    amount: i64,
) -> Result<(), Failure> {
    let text = if amount == 0 { END_LEASE } else { SET_LEASE };
    let step = query(text).bind(owner).bind(account);
    let step = if amount == 0 { step } else { step.bind(amount) };
    step.execute(connection).await?;
    Ok(())
}
