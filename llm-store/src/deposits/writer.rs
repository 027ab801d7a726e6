//! A deposit that is written piece by piece, since it is larger than what a process should hold.

use bytes::{Bytes, BytesMut};
use llm_core::store::StoreError;

use super::lock::Lock;
use super::{Deposits, Draft, Owner, PIECE_BYTES, keep};
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;

/// Writes one deposit. Dropped before its end, what it wrote is swept.
#[derive(Debug)]
pub struct Writer {
    deposits: Deposits,
    owner: Owner,
    id: llm_core::Str,
    lock: Lock,
    seq: i64,
    number: usize,
    size: u64,
    rest: BytesMut,
}

impl Deposits {
    /// Begins a deposit whose bytes come later. One of that name that never came whole is begun
    /// anew; `None` says that one is there.
    pub async fn writer(&self, draft: Draft) -> Result<Option<Writer>, StoreError> {
        let (owner, id) = (draft.owner.clone(), draft.id.clone());
        self.database.write(Unfinished { owner: owner.clone(), id: id.clone() }).await?;
        let lock = self.lock(&owner).await?;
        let Some(seq) = self.database.write(keep::Begin::coming(&draft, &lock)?).await? else {
            return Ok(None);
        };
        let (deposits, rest) = (self.clone(), BytesMut::with_capacity(PIECE_BYTES));
        Ok(Some(Writer { deposits, owner, id, lock, seq, number: 0, size: 0, rest }))
    }
}

impl Writer {
    /// More of it.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.rest.extend_from_slice(bytes);
        while self.rest.len() >= PIECE_BYTES {
            let piece = self.rest.split_to(PIECE_BYTES).freeze();
            self.put(piece).await?;
        }
        Ok(())
    }

    /// All of it is written: it is there.
    pub async fn finish(mut self) -> Result<(), StoreError> {
        if !self.rest.is_empty() || self.number == 0 {
            let piece = self.rest.split().freeze();
            self.put(piece).await?;
        }
        let size = i64::try_from(self.size).unwrap_or(i64::MAX);
        self.deposits.database.write(keep::Finish { seq: self.seq, size }).await
    }

    async fn put(&mut self, piece: Bytes) -> Result<(), StoreError> {
        let (seq, number) = (self.seq, self.number);
        self.size += piece.len() as u64;
        let place = (&self.owner, &self.id, number);
        let piece = keep::sealed(&self.lock, place, &piece)?;
        self.deposits.database.write(keep::PutPiece { seq, number, piece }).await?;
        self.number += 1;
        Ok(())
    }
}

/// Forgets what a process has begun that died.
struct Unfinished {
    owner: Owner,
    id: llm_core::Str,
}

const FIND: &str = "SELECT seq FROM deposit WHERE owner = $1 AND id = $2 AND state = 'coming'";
const EMPTY: &str = "DELETE FROM deposit_piece WHERE deposit = $1";
const DELETE: &str = "DELETE FROM deposit WHERE seq = $1";

impl Task for Unfinished {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let args = [self.owner.as_str().into(), (&self.id[..]).into()];
        if let Some(row) = session.one(FIND, &args).await? {
            let seq = row.int(0)?;
            session.run(EMPTY, &[seq.into()]).await?;
            session.run(DELETE, &[seq.into()]).await?;
        }
        Ok(())
    }
}
