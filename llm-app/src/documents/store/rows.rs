//! Rows as they come.

use bytes::Bytes;
use jiff::Timestamp;
use llm_core::Str;
use llm_store::sql::{Failure, Record};

/// A document whose head is sealed.
#[derive(Clone, Debug)]
pub(in crate::documents) struct Entry {
    pub(in crate::documents) id: Str,
    pub(in crate::documents) sealed: Bytes,
    pub(in crate::documents) size: u64,
    pub(in crate::documents) pages: u32,
    pub(in crate::documents) passages: u32,
    pub(in crate::documents) model: Option<Str>,
    pub(in crate::documents) born: Timestamp,
}

/// The columns of an [`Entry`].
pub(super) const ENTRY: &str = "id, sealed, size, pages, passages, model, born";

impl Entry {
    pub(super) fn of(row: &Record) -> Result<Self, Failure> {
        let small = |at| row.int(at).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        Ok(Self {
            id: row.text(0)?.into(),
            sealed: row.bytes(1)?.into(),
            size: row.int(2)?.unsigned_abs(),
            pages: small(3)?,
            passages: small(4)?,
            model: row.maybe_text(5)?.map(Str::from),
            born: Timestamp::from_microsecond(row.int(6)?).unwrap_or(Timestamp::MAX),
        })
    }
}

/// A passage whose text is sealed.
#[derive(Clone, Debug)]
pub(in crate::documents) struct Found {
    pub(in crate::documents) document: Str,
    pub(in crate::documents) seq: i64,
    pub(in crate::documents) page: u32,
    pub(in crate::documents) lead: usize,
    pub(in crate::documents) sealed: Bytes,
}

/// The columns of a [`Found`].
pub(super) const FOUND: &str = "document, seq, page, lead, sealed";

impl Found {
    pub(super) fn of(row: &Record) -> Result<Self, Failure> {
        Ok(Self {
            document: row.text(0)?.into(),
            seq: row.int(1)?,
            page: u32::try_from(row.int(2)?).unwrap_or(u32::MAX),
            lead: usize::try_from(row.int(3)?).unwrap_or(0),
            sealed: row.bytes(4)?.into(),
        })
    }
}

/// What a search looks at of a passage.
#[derive(Clone, Debug)]
pub(in crate::documents) struct Shelved {
    pub(in crate::documents) document: Str,
    pub(in crate::documents) seq: i64,
    pub(in crate::documents) print: i64,
    pub(in crate::documents) terms: Vec<u8>,
    pub(in crate::documents) length: u32,
    /// Its vector, sealed, where there is one of the model.
    pub(in crate::documents) vector: Option<Bytes>,
}

impl Shelved {
    pub(super) fn of(row: &Record) -> Result<Self, Failure> {
        Ok(Self {
            document: row.text(0)?.into(),
            seq: row.int(1)?,
            print: row.int(2)?,
            terms: row.bytes(3)?,
            length: u32::try_from(row.int(4)?).unwrap_or(u32::MAX),
            vector: row.maybe_bytes(5)?.map(Bytes::from),
        })
    }
}
