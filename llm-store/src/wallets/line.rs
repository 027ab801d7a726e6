//! Entries as columns.

use jiff::Timestamp;
use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::money::{Credits, Unit};
use llm_core::store::StoreError;
use llm_core::wallet::{BucketId, Cause, Entry, Source};

use crate::sql::database::Record;
use crate::sql::fault::Failure;
use crate::sql::row::odd;

pub(super) const GRANT: &str = "grant";
pub(super) const RESERVE: &str = "reserve";
pub(super) const SETTLE: &str = "settle";
pub(super) const RELEASE: &str = "release";
pub(super) const EXPIRE: &str = "expire";
pub(super) const REFUND: &str = "refund";

/// In the order in which [`columns_of`] reads them.
pub(super) const COLUMNS: &str =
    "at, kind, bucket, event, hold, source, expires_at, rest, held, spent";

const SOURCES: [(Source, &str); 4] = [
    (Source::Granted, "granted"),
    (Source::Bought, "bought"),
    (Source::Redeemed, "redeemed"),
    (Source::Refunded, "refunded"),
];

/// An entry, column by column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) at: i64,
    pub(super) kind: &'static str,
    pub(super) bucket: Option<i64>,
    pub(super) event: Option<Str>,
    pub(super) hold: Option<[u8; 16]>,
    pub(super) source: Option<&'static str>,
    pub(super) expires_at: Option<i64>,
    pub(super) rest: i64,
    pub(super) held: i64,
    pub(super) spent: i64,
}

pub(super) fn source_word(source: Source) -> &'static str {
    match source {
        Source::Granted => "granted",
        Source::Bought => "bought",
        Source::Redeemed => "redeemed",
        Source::Refunded => "refunded",
    }
}

pub(super) fn source_of(word: &str) -> Result<Source, StoreError> {
    let found = SOURCES.iter().find(|(_, known)| *known == word);
    found.map(|(source, _)| *source).ok_or_else(|| odd("source"))
}

pub(super) fn hold_bytes(hold: HoldId) -> [u8; 16] {
    hold.0.to_be_bytes()
}

pub(super) fn hold_of(bytes: &[u8]) -> Result<HoldId, StoreError> {
    let bytes = bytes.try_into().map_err(|_| odd("hold"))?;
    Ok(HoldId(u128::from_be_bytes(bytes)))
}

/// A bucket's number as one of the database; none that was given out is larger.
pub(super) fn bucket_number(id: BucketId) -> i64 {
    i64::try_from(id.0).unwrap_or(i64::MAX)
}

pub(super) fn bucket_of(number: i64) -> Result<BucketId, StoreError> {
    u64::try_from(number).map(BucketId).map_err(|_| odd("bucket"))
}

pub(super) fn instant(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|_| odd("instant"))
}

pub(super) fn maybe_instant(micros: Option<i64>) -> Result<Option<Timestamp>, StoreError> {
    micros.map(instant).transpose()
}

/// As the columns keep it: the same terms must be the same when they are asked for again.
pub(super) fn kept(instant: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(instant.as_microsecond()).unwrap_or(instant)
}

impl From<&Entry> for Columns {
    fn from(entry: &Entry) -> Self {
        let (mut event, mut source, mut ends) = (None, None, None);
        let (kind, hold) = match &entry.cause {
            Cause::Grant { event: of, source: from, expires_at } => {
                (event, source, ends) = (Some(of.clone()), Some(source_word(*from)), *expires_at);
                (GRANT, None)
            }
            Cause::Reserve(hold) => (RESERVE, Some(*hold)),
            Cause::Settle(hold) => (SETTLE, Some(*hold)),
            Cause::Release(hold) => (RELEASE, Some(*hold)),
            Cause::Expire { given_back_by } => (EXPIRE, *given_back_by),
            Cause::Refund { event: of, charge, expires_at } => {
                (event, ends) = (Some(of.clone()), *expires_at);
                (REFUND, Some(*charge))
            }
        };
        Self {
            at: entry.at.as_microsecond(),
            kind,
            bucket: entry.bucket.map(bucket_number),
            event,
            hold: hold.map(hold_bytes),
            source,
            expires_at: ends.map(Timestamp::as_microsecond),
            rest: entry.left.pieces(),
            held: entry.held.pieces(),
            spent: entry.spent.pieces(),
        }
    }
}

impl TryFrom<&Columns> for Entry {
    type Error = StoreError;

    fn try_from(columns: &Columns) -> Result<Self, StoreError> {
        let hold = columns.hold.map(|bytes| HoldId(u128::from_be_bytes(bytes)));
        let whose = || hold.ok_or_else(|| odd("hold"));
        let event = || columns.event.clone().ok_or_else(|| odd("event"));
        let expires_at = maybe_instant(columns.expires_at)?;
        let cause = match columns.kind {
            GRANT => {
                let source = source_of(columns.source.ok_or_else(|| odd("source"))?)?;
                Cause::Grant { event: event()?, source, expires_at }
            }
            RESERVE => Cause::Reserve(whose()?),
            SETTLE => Cause::Settle(whose()?),
            RELEASE => Cause::Release(whose()?),
            EXPIRE => Cause::Expire { given_back_by: hold },
            REFUND => Cause::Refund { event: event()?, charge: whose()?, expires_at },
            _ => return Err(odd("kind")),
        };
        Ok(Self {
            at: instant(columns.at)?,
            cause,
            bucket: columns.bucket.map(bucket_of).transpose()?,
            left: Credits::from_pieces(columns.rest),
            held: Credits::from_pieces(columns.held),
            spent: Credits::from_pieces(columns.spent),
        })
    }
}

/// Reads [`COLUMNS`], which begin at a column.
pub(super) fn columns_of(row: &Record, from: usize) -> Result<Columns, Failure> {
    let word = row.text(from + 1)?;
    let known = [GRANT, RESERVE, SETTLE, RELEASE, EXPIRE, REFUND];
    let kind = known.into_iter().find(|kind| *kind == word).ok_or_else(|| odd("kind"))?;
    let hold = row.maybe_bytes(from + 4)?;
    let source = row.maybe_text(from + 5)?;
    Ok(Columns {
        at: row.int(from)?,
        kind,
        bucket: row.maybe_int(from + 2)?,
        event: row.maybe_text(from + 3)?.map(Str::from),
        hold: hold.map(|bytes| hold_of(&bytes).map(hold_bytes)).transpose()?,
        source: source.map(|word| source_of(&word).map(source_word)).transpose()?,
        expires_at: row.maybe_int(from + 6)?,
        rest: row.int(from + 7)?,
        held: row.int(from + 8)?,
        spent: row.int(from + 9)?,
    })
}
