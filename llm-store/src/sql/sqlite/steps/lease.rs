//! Credit is set aside: for all that is asked, or for none.

use llm_core::ledger::rules::Refused;
use llm_core::money::Unit;
use llm_core::store::StoreError;
use llm_core::store::vault::{LeaseAsk, Tenure};
use sqlx::{SqliteConnection, query};

use super::super::writer::Work;
use super::{OPEN, load, open_with, owner, set_lease};
use crate::grant::grant;
use crate::sql::fault::Failure;
use crate::sql::row::odd;

pub(in crate::sql::sqlite) struct Lease<U: Unit> {
    pub(in crate::sql::sqlite) who: Tenure,
    pub(in crate::sql::sqlite) asks: Vec<LeaseAsk<U>>,
}

const SET_WINDOW: &str = "UPDATE account SET lim = $2 WHERE id = $1";

/// The check is in the statement that raises, whatever was computed before it.
const RAISE: &str = "UPDATE account SET leased = leased + $2 \
     WHERE id = $1 AND paid + leased + $2 <= coalesce(lim, 9223372036854775807)";

impl<U: Unit> Work for Lease<U> {
    /// How much the owner has of each; or which ask was refused, and why.
    type Out = Result<Vec<U>, (usize, Refused<U>)>;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<Self::Out, Failure> {
        let owner = owner::<U>(connection, &self.who).await?;
        let mut rows = Vec::with_capacity(self.asks.len());
        for ask in &self.asks {
            rows.push(self.open(connection, owner, ask).await?);
        }
        let mut granted = Vec::with_capacity(rows.len());
        for (at, (ask, row)) in self.asks.iter().zip(&rows).enumerate() {
            match grant(&row.account, row.mine, ask) {
                Ok(more) => granted.push(more),
                // The limits that came with the asks are kept: they are said, not asked for.
                Err((_, why)) => return Ok(Err((at, why))),
            }
        }
        let mut has = Vec::with_capacity(rows.len());
        for (row, more) in rows.iter().zip(granted) {
            let now = row.mine.saturating_add(more);
            if more > U::ZERO {
                let raised =
                    query(RAISE).bind(row.id).bind(more.pieces()).execute(&mut *connection).await?;
                if raised.rows_affected() != 1 {
                    return Err(StoreError::Corrupt("a lease would pass its limit".into()).into());
                }
                set_lease(connection, owner, row.id, now.pieces()).await?;
            }
            has.push(now);
        }
        Ok(Ok(has))
    }
}

impl<U: Unit> Lease<U> {
    /// The account of an ask, opened if need be, with the limit that the ask tells of it.
    async fn open(
        &self,
        connection: &mut SqliteConnection,
        owner: i64,
        ask: &LeaseAsk<U>,
    ) -> Result<crate::sql::row::Row<U>, Failure> {
        let mut found = load(connection, owner, &ask.account).await?;
        if found.is_none() {
            open_with(connection, OPEN, &ask.account, ask.limit).await?;
            found = load(connection, owner, &ask.account).await?;
        }
        let mut row = found.ok_or_else(|| odd("account"))?;
        if ask.account.window.is_some() && row.account.limit != ask.limit {
            let limit = ask.limit.map(U::pieces);
            query(SET_WINDOW).bind(row.id).bind(limit).execute(connection).await?;
            row.account.limit = ask.limit;
        }
        Ok(row)
    }
}
