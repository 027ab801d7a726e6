//! The reads over a connection of Postgres.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_core::store::vault::{Estate, Tenure};
use sqlx::{Connection, PgConnection};

use crate::sql::read::reads;
use crate::sql::row::micros_of;

reads!(PgConnection, numbered: true);

/// All statements of a question see one instant.
pub(super) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// An audit walks in the order of the keys. Where statistics are old, a planner would rather sort
/// what is left of a table, once for each page.
///
/// No call waits for it: on a busy machine a page of entries may take longer than a call would wait.
const IN_ORDER: &str = "SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off; \
     SET LOCAL enable_bitmapscan = off; SET LOCAL statement_timeout = 30000";

const SILENT: &str = "SELECT id, replica, epoch FROM owner \
     WHERE unit = $1 AND buried < epoch AND lives <= vault_now() AND heard <= vault_now() - $2";

pub(super) async fn silent<U: Unit>(
    connection: &mut PgConnection,
    since: Duration,
) -> Result<Vec<Estate<U>>, Failure> {
    let mut seen = connection.begin_with(SNAPSHOT).await?;
    // A century: further back the server's arithmetic would leave its range.
    let since = micros_of(since).min(i64::from(u32::MAX) * 1_000_000);
    let owners: Vec<(i64, String, i64)> =
        query_as(SILENT).bind(U::NAME).bind(since).fetch_all(&mut *seen).await?;
    let mut estates = BTreeMap::new();
    for (owner, replica, epoch) in owners {
        let epoch = u64::try_from(epoch).map_err(|_| row::odd("epoch"))?;
        let of = Tenure { replica: replica.into(), epoch };
        estates.insert(of, leases(&mut seen, owner).await?);
    }
    seen.commit().await?;
    Ok(estates.into_iter().map(|(of, leases)| Estate { of, leases }).collect())
}

pub(super) async fn whole<U: Unit>(
    connection: &mut PgConnection,
    steps: &AtomicU64,
) -> Result<Audit, Failure> {
    let mut seen = connection.begin_with(SNAPSHOT).await?;
    sqlx::raw_sql(IN_ORDER).execute(&mut *seen).await?;
    let audit = audit::<U>(&mut seen, steps).await?;
    seen.commit().await?;
    Ok(audit)
}
