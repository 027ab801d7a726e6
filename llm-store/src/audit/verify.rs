//! Recomputing the trail from its first line.

use llm_core::store::StoreError;

use super::chain::{follow, genesis};
use super::page::{COLUMNS, line};
use super::{Head, Trail, head};
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;

/// Lines of one question: none takes long, and lines that come meanwhile are looked at as well.
const LINES_MAX: i64 = 2_000;

/// What a recomputation found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Lines that are as they were written.
    pub lines: u64,
    /// Where the chain of those ends.
    pub head: Head,
    /// What is wrong; `None` when all is well.
    pub problem: Option<Problem>,
}

/// What is wrong with a trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A line was changed, dropped or moved.
    #[error("the trail was changed at line {0}")]
    Chain(u64),
    /// The last lines are gone, or there are some that the head does not know.
    #[error("the trail does not end where its head says")]
    Head,
    /// It is not the trail that somebody noted the head of.
    #[error("line {0} is not the one that was noted")]
    Other(u64),
}

impl Trail {
    /// Recomputes the trail, and compares it with a head that was noted elsewhere.
    pub async fn verify(&self, noted: Option<Head>) -> Result<Found, StoreError> {
        let none = Head { seq: 0, hash: genesis() };
        let mut found = Found { lines: 0, head: none, problem: None };
        let mut other = noted;
        loop {
            let read = self.database.report(Read { from: found.head }).await?;
            for (at, hash) in &read.links {
                found.head = Head { seq: *at, hash: *hash };
                found.lines += 1;
                if noted.is_some_and(|noted| noted == found.head) {
                    other = None;
                }
            }
            if let Some(at) = read.broken {
                found.problem = Some(Problem::Chain(at));
                return Ok(found);
            }
            if read.links.is_empty() {
                let same = read.head == found.head;
                let lost = other.filter(|noted| *noted != none).map(|n| Problem::Other(n.seq));
                found.problem = if same { lost } else { Some(Problem::Head) };
                return Ok(found);
            }
        }
    }
}

/// Lines behind one.
struct Read {
    from: Head,
}

struct Links {
    links: Vec<(u64, [u8; 32])>,
    broken: Option<u64>,
    head: Head,
}

impl Task for Read {
    type Out = Links;

    async fn run(&self, session: &mut Session<'_>) -> Result<Links, Failure> {
        let text = format!("SELECT {COLUMNS} FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2");
        let from = i64::try_from(self.from.seq).unwrap_or(i64::MAX);
        let rows = session.all(text, &[from.into(), LINES_MAX.into()]).await?;
        let mut out = Links { links: Vec::new(), broken: None, head: head(session).await? };
        let (mut seq, mut hash) = (from, self.from.hash);
        for row in &rows {
            seq += 1;
            // A line that cannot be read was not written by us.
            let Ok(line) = line(row) else {
                out.broken = Some(seq.unsigned_abs());
                return Ok(out);
            };
            hash = follow(&hash, seq, line.at.as_microsecond(), &line.draft);
            if line.seq != seq.unsigned_abs() || line.hash != hash {
                out.broken = Some(seq.unsigned_abs());
                return Ok(out);
            }
            out.links.push((line.seq, hash));
        }
        Ok(out)
    }
}
