//! What operators change, and try to: a trail of lines that tells when one of them was changed.
//!
//! The actors are the *trail* (one chain of lines in a database: each hash covers the one before it)
//! and its *head* (the last line's number and hash, kept beside the lines and told to whoever
//! appends, so that it can be noted elsewhere: whoever cuts off the end and mends the head is found
//! out by nothing else).
//!
//! Deliberately absent: secrets, which nobody writes into a line, and removal. One at a time
//! appends, which is as often as operators change something.

mod chain;
mod page;
mod verify;

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use llm_core::Str;
use llm_core::store::StoreError;

use crate::sql::Database;
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::{digest, odd};

use chain::{follow, genesis};

pub use page::{PAGE_MAX, Page, Search};
pub use verify::{Found, Problem};

/// Bytes of a line's texts; what is longer is cut, and said to be.
const TEXT_BYTES_MAX: usize = 512;
/// Bytes of its details: what is longer is left out whole, since half an object is none.
const DETAIL_BYTES_MAX: usize = 8 << 10;
/// What stands in place of details that are too long.
const TOO_LONG: &str = "{\"left_out\":\"too long\"}";

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was asked for; what became of it stands in a later line, unless the process ended.
    Asked,
    /// It was done.
    Done,
    /// It was not.
    Refused,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Asked, Self::Done, Self::Refused];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == word)
    }
}

/// A line that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Who did it.
    pub who: Str,
    /// What was done: `POST /key/update`.
    pub what: Str,
    /// To whom or what; empty where that is nobody.
    pub about: Str,
    /// A JSON object without secrets.
    pub detail: Str,
    /// What became of it.
    pub outcome: Outcome,
}

/// A line of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub seq: u64,
    /// When, by the clock of the store.
    pub at: Timestamp,
    /// What it says.
    pub draft: Draft,
    /// Its hash.
    pub hash: [u8; 32],
}

/// The last line of a trail: `42:<64 hexadecimal digits>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number; 0 where there is no line yet.
    pub seq: u64,
    /// Its hash.
    pub hash: [u8; 32],
}

/// A text that is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a head is a number, a colon and 64 hexadecimal digits")]
pub struct NotHead;

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, blake3::Hash::from_bytes(self.hash).to_hex())
    }
}

impl FromStr for Head {
    type Err = NotHead;

    fn from_str(text: &str) -> Result<Self, NotHead> {
        let (seq, hash) = text.split_once(':').ok_or(NotHead)?;
        let hash = blake3::Hash::from_hex(hash).map_err(|_| NotHead)?;
        Ok(Self { seq: seq.parse().map_err(|_| NotHead)?, hash: *hash.as_bytes() })
    }
}

/// The trail of a database. Cheap to clone.
#[derive(Clone)]
pub struct Trail {
    database: Database,
}

impl Trail {
    /// The trail of a database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Writes a line, and says where the trail ends now. An error that nobody knows the meaning of
    /// ([`StoreError::Unavailable`]) may have written it: asked again, it stands there twice, which
    /// is better than not at all.
    pub async fn append(&self, draft: Draft) -> Result<Head, StoreError> {
        self.database.write(Append { draft: draft.cut() }).await
    }

    /// Where the trail ends.
    pub async fn head(&self) -> Result<Head, StoreError> {
        self.database.read(GetHead).await
    }
}

impl Draft {
    fn cut(mut self) -> Self {
        for text in [&mut self.who, &mut self.what, &mut self.about] {
            if text.len() > TEXT_BYTES_MAX {
                let end = text.floor_char_boundary(TEXT_BYTES_MAX);
                *text = Str::from(format!("{}…", &text[..end]));
            }
        }
        if self.detail.len() > DETAIL_BYTES_MAX {
            self.detail = Str::from_static(TOO_LONG);
        }
        self
    }
}

struct Append {
    draft: Draft,
}

impl Task for Append {
    type Out = Head;

    async fn run(&self, session: &mut Session<'_>) -> Result<Head, Failure> {
        // There from the first line on: a trail that lost its head is found out, and not mended.
        let made = "INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, $1) \
             ON CONFLICT (id) DO NOTHING";
        session.run(made, &[genesis().as_slice().into()]).await?;
        let text = format!("SELECT seq, hash FROM audit_head WHERE id = 1{}", session.locking());
        let row = session.one(text, &[]).await?.ok_or_else(|| odd("audit_head"))?;
        let seq = row.int(0)?.checked_add(1).ok_or_else(|| odd("seq"))?;
        let at = session.now();
        let hash = follow(&digest(&row.bytes(1)?)?, seq, at, &self.draft);
        let Draft { who, what, about, detail, outcome } = &self.draft;
        let text = "INSERT INTO audit (seq, at, who, what, about, detail, outcome, hash) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let args = [
            seq.into(),
            at.into(),
            (&**who).into(),
            (&**what).into(),
            (&**about).into(),
            (&**detail).into(),
            outcome.name().into(),
            hash.as_slice().into(),
        ];
        session.run(text, &args).await?;
        let moved = "UPDATE audit_head SET seq = $1, hash = $2 WHERE id = 1";
        session.run(moved, &[seq.into(), hash.as_slice().into()]).await?;
        Ok(Head { seq: u64::try_from(seq).map_err(|_| odd("seq"))?, hash })
    }
}

struct GetHead;

impl Task for GetHead {
    type Out = Head;

    async fn run(&self, session: &mut Session<'_>) -> Result<Head, Failure> {
        head(session).await
    }
}

async fn head(session: &mut Session<'_>) -> Result<Head, Failure> {
    let row = session.one("SELECT seq, hash FROM audit_head WHERE id = 1", &[]).await?;
    let Some(row) = row else { return Ok(Head { seq: 0, hash: genesis() }) };
    let seq = u64::try_from(row.int(0)?).map_err(|_| odd("seq"))?;
    Ok(Head { seq, hash: digest(&row.bytes(1)?)? })
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").field("database", &self.database).finish()
    }
}

#[cfg(test)]
#[cfg(feature = "sqlite")]
pub(crate) mod tests;
