//! Everything that somebody has left, gone with its name.

use super::Owner;
use crate::jobs::JobId;
use crate::sql::database::{Arg, Session, Task};
use crate::sql::fault::Failure;

/// Deposits of one transaction: each may have a thousand pieces.
const BATCH_MAX: i64 = 16;

const OF: &str = "SELECT seq, id FROM deposit WHERE owner = $1 ORDER BY seq LIMIT $2";
const EMPTY: &str = "DELETE FROM deposit_piece WHERE deposit = $1";
const DELETE: &str = "DELETE FROM deposit WHERE seq = $1";
const LINES: &str = "DELETE FROM batch_line WHERE batch = $1";
const END: &str = "DELETE FROM batch_end WHERE batch = $1";

/// One batch of it.
pub(super) struct Erase(pub(super) Owner);

impl Task for Erase {
    type Out = u64;

    async fn run(&self, session: &mut Session<'_>) -> Result<u64, Failure> {
        let args = [self.0.as_str().into(), BATCH_MAX.into()];
        let rows = session.all(OF, &args).await?;
        for row in &rows {
            let (seq, id) = (row.int(0)?, row.text(1)?);
            if let Some(Ok(JobId(batch))) = id.strip_prefix("batch_").map(str::parse) {
                let batch = batch.to_be_bytes();
                session.run(LINES, &[Arg::from(&batch[..])]).await?;
                session.run(END, &[Arg::from(&batch[..])]).await?;
            }
            session.run(EMPTY, &[seq.into()]).await?;
            session.run(DELETE, &[seq.into()]).await?;
        }
        Ok(rows.len() as u64)
    }
}
