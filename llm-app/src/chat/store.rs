//! Where conversations are. What is sealed comes and goes sealed: nothing here reads a text.

mod begin;
mod conversations;
mod find;
mod messages;
mod replies;
mod sweep;

use bytes::Bytes;
use jiff::Timestamp;
use llm_core::Str;
use llm_core::money::Money;
use llm_core::store::StoreError;
use llm_store::sql::{Failure, Record};

use super::words::{Role, State};
use crate::id::Id;

pub(super) use begin::{Begin, Begun, Draft, TakeBack};
pub(super) use conversations::{Change, Create, Delete, Find, List, Summed, Titled};
pub(super) use find::{Hit, Search};
pub(super) use messages::{Again, Look, Nodes, SOME_MAX, Spoken};
pub(super) use replies::{Beat, Beaten, End, Stop};
pub(super) use sweep::{Forget, Sweep};

/// How long a reply in progress is somebody's who has not been heard of since.
pub(super) const LIVES_MICROS: i64 = 12_000_000;

/// A conversation, as it is kept.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) id: Id,
    pub(super) created: Timestamp,
    pub(super) touched: Timestamp,
    pub(super) leaf: Option<Id>,
    pub(super) expires: Option<Timestamp>,
    pub(super) said: Bytes,
    pub(super) title: Option<Bytes>,
    pub(super) summary: Option<(Id, Bytes)>,
}

const CONVERSATION: &str = "id, created, touched, leaf, expires, said, title, summed, summary";

impl Kept {
    fn read(row: &Record) -> Result<Self, Failure> {
        let summed = maybe_id(row, 7)?;
        let summary = row.maybe_bytes(8)?.map(Bytes::from);
        Ok(Self {
            id: id(row, 0)?,
            created: instant(row.int(1)?)?,
            touched: instant(row.int(2)?)?,
            leaf: maybe_id(row, 3)?,
            expires: row.maybe_int(4)?.map(instant).transpose()?,
            said: row.bytes(5)?.into(),
            title: row.maybe_bytes(6)?.map(Bytes::from),
            summary: summed.zip(summary),
        })
    }
}

/// A message, as it is kept.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) id: Id,
    pub(super) parent: Option<Id>,
    pub(super) role: Role,
    pub(super) state: State,
    pub(super) created: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) model: Option<Str>,
    pub(super) finish: Option<Str>,
    pub(super) fault: Option<Str>,
    pub(super) tokens: Option<(u64, u64)>,
    pub(super) cost: Option<Money>,
    pub(super) body: Bytes,
}

const MESSAGE: &str = "id, parent, role, state, created, ended, until, model, finish, fault, input, \
     output, cost, body";

impl Line {
    /// As of an instant: a reply in progress of which nothing was heard for long was interrupted.
    fn read(row: &Record, now: i64) -> Result<Self, Failure> {
        let role = Role::parse(&row.text(2)?).ok_or_else(|| odd("role"))?;
        let state = State::parse(&row.text(3)?).ok_or_else(|| odd("state"))?;
        let left = state == State::Pending && row.maybe_int(6)?.is_none_or(|until| until <= now);
        let count = |at: usize| -> Result<Option<u64>, Failure> {
            let count = row.maybe_int(at)?.map(u64::try_from).transpose();
            Ok(count.map_err(|_| odd("tokens"))?)
        };
        Ok(Self {
            id: id(row, 0)?,
            parent: maybe_id(row, 1)?,
            role,
            state: if left { State::Interrupted } else { state },
            created: instant(row.int(4)?)?,
            ended: row.maybe_int(5)?.map(instant).transpose()?,
            model: row.maybe_text(7)?.map(Str::from),
            finish: row.maybe_text(8)?.map(Str::from),
            fault: row.maybe_text(9)?.map(Str::from),
            tokens: count(10)?.zip(count(11)?),
            cost: row.maybe_int(12)?.map(Money),
            body: row.bytes(13)?.into(),
        })
    }
}

fn odd(column: &str) -> StoreError {
    StoreError::Corrupt(Str::from(format!("an odd value of {column}")))
}

fn id(row: &Record, at: usize) -> Result<Id, Failure> {
    Ok(Id::read(&row.bytes(at)?)?)
}

fn maybe_id(row: &Record, at: usize) -> Result<Option<Id>, Failure> {
    Ok(row.maybe_bytes(at)?.map(|bytes| Id::read(&bytes)).transpose()?)
}

pub(super) fn instant(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|_| odd("instant"))
}

#[cfg(test)]
mod tests;
