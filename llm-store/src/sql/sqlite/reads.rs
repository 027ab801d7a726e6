//! The reads over a connection of SQLite.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_core::store::vault::{Estate, Tenure};
use sqlx::SqliteConnection;

use crate::sql::read::reads;
use crate::sql::row::micros_of;

reads!(SqliteConnection, numbered: false);

const SILENT: &str = "SELECT id, replica, epoch FROM owner \
     WHERE unit = $1 AND buried < epoch AND lives <= $2 AND heard <= $3";

pub(super) async fn silent<U: Unit>(
    connection: &mut SqliteConnection,
    now: i64,
    since: Duration,
) -> Result<Vec<Estate<U>>, Failure> {
    let before = now.saturating_sub(micros_of(since));
    let owners: Vec<(i64, String, i64)> =
        query_as(SILENT).bind(U::NAME).bind(now).bind(before).fetch_all(&mut *connection).await?;
    let mut estates = BTreeMap::new();
    for (owner, replica, epoch) in owners {
        let epoch = u64::try_from(epoch).map_err(|_| row::odd("epoch"))?;
        let of = Tenure { replica: replica.into(), epoch };
        estates.insert(of, leases(connection, owner).await?);
    }
    Ok(estates.into_iter().map(|(of, leases)| Estate { of, leases }).collect())
}
