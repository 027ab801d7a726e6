//! What is kept no longer.

use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;

/// Deposits of one transaction: each may have a thousand pieces.
const BATCH_MAX: i64 = 16;
/// An upload that has not ended by then was left by a process that died.
const COMING_MICROS: i64 = 3_600 * 1_000_000;
/// Owners that are looked at in one pass over what they have left.
const OWNERS_MAX: i64 = 64;

/// One batch of what has run out or never came whole.
pub(super) struct Sweep;

const OLD: &str = "SELECT seq FROM deposit WHERE expires <= $1 ORDER BY expires LIMIT $2";
const BROKEN: &str =
    "SELECT seq FROM deposit WHERE state = 'coming' AND created <= $1 ORDER BY created LIMIT $2";
/// Nobody can ask about a batch any more: its own deposit has run out long ago.
const ENDED_MICROS: i64 = 180 * 24 * 3_600 * 1_000_000;
const ENDED: &str = "DELETE FROM batch_end WHERE at <= $1";
const EMPTY: &str = "DELETE FROM deposit_piece WHERE deposit = $1";
const DELETE: &str = "DELETE FROM deposit WHERE seq = $1";

async fn delete(session: &mut Session<'_>, seq: i64) -> Result<(), Failure> {
    session.run(EMPTY, &[seq.into()]).await?;
    session.run(DELETE, &[seq.into()]).await.map(drop)
}

impl Task for Sweep {
    type Out = usize;

    async fn run(&self, session: &mut Session<'_>) -> Result<usize, Failure> {
        let now = session.now();
        let mut swept = 0;
        for (text, before) in [(OLD, now), (BROKEN, now.saturating_sub(COMING_MICROS))] {
            let text = format!("{text}{}", session.taking());
            for row in session.all(text, &[before.into(), BATCH_MAX.into()]).await? {
                delete(session, row.int(0)?).await?;
                swept += 1;
            }
        }
        session.run(ENDED, &[now.saturating_sub(ENDED_MICROS).into()]).await?;
        Ok(swept)
    }
}

/// The oldest answers of those who have left too much.
pub(super) struct Trim {
    pub(super) most: i64,
}

const GREEDY: &str = "SELECT owner FROM deposit WHERE kind = 'response' \
     GROUP BY owner HAVING SUM(size) > $1 ORDER BY owner LIMIT $2";
const OLDEST: &str = "SELECT seq FROM deposit WHERE owner = $1 AND kind = 'response' \
     AND state = 'there' ORDER BY seq LIMIT $2";

impl Task for Trim {
    type Out = usize;

    async fn run(&self, session: &mut Session<'_>) -> Result<usize, Failure> {
        let mut trimmed = 0;
        for row in session.all(GREEDY, &[self.most.into(), OWNERS_MAX.into()]).await? {
            let owner = row.text(0)?;
            for row in session.all(OLDEST, &[(&*owner).into(), BATCH_MAX.into()]).await? {
                delete(session, row.int(0)?).await?;
                trimmed += 1;
            }
        }
        Ok(trimmed)
    }
}
