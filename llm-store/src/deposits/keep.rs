//! Writing and deleting.

use std::time::Duration;

use bytes::Bytes;
use llm_core::Str;
use llm_core::store::StoreError;

use super::lock::{Closed, Lock};
use super::{Draft, Kind, Owner};
use crate::seal::Place;
use crate::sql::database::{Arg, Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::micros_of;

const BEGIN: &str = "INSERT INTO deposit \
     (owner, id, kind, created, expires, state, head, previous, size, own) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (owner, id) DO NOTHING \
     RETURNING seq";
const PIECE: &str = "INSERT INTO deposit_piece (deposit, number, sealed, body, own) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (deposit, number) DO NOTHING";
const FINISH: &str =
    "UPDATE deposit SET state = 'there', size = $2 WHERE seq = $1 AND state = 'coming'";
const SEQ: &str =
    "SELECT seq FROM deposit WHERE owner = $1 AND id = $2 AND kind = $3 AND state = 'there'";
const CLOSE: &str =
    "UPDATE deposit SET state = 'gone', head = '{}', own = 0, size = 0 WHERE seq = $1";
const EMPTY: &str = "DELETE FROM deposit_piece WHERE deposit = $1";
const DELETE: &str = "DELETE FROM deposit WHERE seq = $1";
const RENEW: &str = "UPDATE deposit SET expires = $2 WHERE seq = $1 AND expires < $2";

/// Where a piece belongs.
pub(super) type At<'a> = (&'a Owner, &'a Str, usize);

/// Closes a piece for its place.
pub(super) fn sealed(lock: &Lock, at: At<'_>, body: &Bytes) -> Result<Closed, StoreError> {
    lock.close(&place(&row_name(at)), body)
}

pub(super) fn row_name((owner, id, number): At<'_>) -> String {
    format!("{}/{id}/{number}", owner.as_str())
}

pub(super) fn place(row: &str) -> Place<'_> {
    Place { table: "deposit_piece", column: "body", row, version: 0 }
}

/// The row, and all of it where it is one piece.
pub(super) struct Begin {
    owner: Owner,
    id: Str,
    kind: Kind,
    head: Str,
    previous: Option<Str>,
    keep: Option<Duration>,
    size: i64,
    own: bool,
    /// All of it.
    piece: Option<Closed>,
}

impl Begin {
    pub(super) fn new(draft: &Draft, lock: &Lock) -> Result<Self, StoreError> {
        let at = (&draft.owner, &draft.id, 0);
        let piece = Some(sealed(lock, at, &draft.body)?);
        let size = i64::try_from(draft.body.len()).unwrap_or(i64::MAX);
        Ok(Self { piece, size, ..Self::coming(draft, lock)? })
    }

    /// The row alone: its pieces come later.
    pub(super) fn coming(draft: &Draft, lock: &Lock) -> Result<Self, StoreError> {
        let Draft { owner, id, kind, head, previous, keep, body: _ } = draft.clone();
        let (own, head) = lock.head(&owner, &id, &head)?;
        Ok(Self { owner, id, kind, head, own, previous, keep, size: 0, piece: None })
    }
}

impl Task for Begin {
    type Out = Option<i64>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Option<i64>, Failure> {
        let now = session.now();
        let expires = self.keep.map(|keep| now.saturating_add(micros_of(keep)));
        let state = if self.piece.is_some() { "there" } else { "coming" };
        let args = [
            self.owner.as_str().into(),
            (&self.id[..]).into(),
            self.kind.as_str().into(),
            now.into(),
            expires.into(),
            state.into(),
            (&self.head[..]).into(),
            Arg::from(self.previous.as_deref()),
            self.size.into(),
            i64::from(self.own).into(),
        ];
        let Some(row) = session.one(BEGIN, &args).await? else { return Ok(None) };
        let seq = row.int(0)?;
        if let Some(piece) = &self.piece {
            put(session, seq, 0, piece).await?;
        }
        Ok(Some(seq))
    }
}

async fn put(
    session: &mut Session<'_>,
    seq: i64,
    number: usize,
    piece: &Closed,
) -> Result<(), Failure> {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    let args = [
        seq.into(),
        number.into(),
        i64::from(piece.sealed).into(),
        Arg::from(piece.body.as_ref()),
        i64::from(piece.own).into(),
    ];
    session.run(PIECE, &args).await.map(drop)
}

/// One piece of many.
pub(super) struct PutPiece {
    pub(super) seq: i64,
    pub(super) number: usize,
    pub(super) piece: Closed,
}

impl Task for PutPiece {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        put(session, self.seq, self.number, &self.piece).await
    }
}

/// All pieces are there.
pub(super) struct Finish {
    pub(super) seq: i64,
    pub(super) size: i64,
}

impl Task for Finish {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        session.run(FINISH, &[self.seq.into(), self.size.into()]).await.map(drop)
    }
}

/// Deletes one.
pub(super) struct Forget {
    pub(super) owner: Owner,
    pub(super) kind: Kind,
    pub(super) id: Str,
    pub(super) closed: bool,
}

impl Task for Forget {
    type Out = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, Failure> {
        let args = [self.owner.as_str().into(), (&self.id[..]).into(), self.kind.as_str().into()];
        let text = format!("{SEQ}{}", session.locking());
        let Some(row) = session.one(text, &args).await? else { return Ok(false) };
        let seq = row.int(0)?;
        session.run(EMPTY, &[seq.into()]).await?;
        let last = if self.closed { CLOSE } else { DELETE };
        session.run(last, &[seq.into()]).await?;
        Ok(true)
    }
}

/// Keeps some for longer.
pub(super) struct Renew {
    pub(super) rows: Vec<i64>,
    pub(super) keep: Duration,
}

impl Task for Renew {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let until = session.now().saturating_add(micros_of(self.keep));
        for seq in &self.rows {
            session.run(RENEW, &[(*seq).into(), until.into()]).await?;
        }
        Ok(())
    }
}
