//! Looking.

use jiff::Timestamp;
use llm_core::Str;

use super::lock::Closed;
use super::{CHAIN_MAX, Entry, Found, Kind, Owner};
use crate::sql::database::{Record, Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// Entries of one page, as OpenAI bounds them; one more says whether there are more.
pub const LIST_MAX: usize = 10_001;

/// Where a list begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Behind the entry of that id.
    pub after: Option<Str>,
    /// The oldest first.
    pub ascending: bool,
    /// So many at the most.
    pub limit: usize,
}

const COLUMNS: &str = "id, head, previous, created, expires, size, seq, own FROM deposit";
/// What has run out is gone, whether it was swept or not.
const LIVES: &str = "state = 'there' AND (expires IS NULL OR expires > $1)";

fn entry(row: &Record) -> Result<Entry, Failure> {
    let instant = |micros| Timestamp::from_microsecond(micros).map_err(|_| odd("created"));
    Ok(Entry {
        id: row.text(0)?.into(),
        head: row.text(1)?.into(),
        previous: row.maybe_text(2)?.map(Str::from),
        created: instant(row.int(3)?)?,
        expires: row.maybe_int(4)?.map(instant).transpose()?,
        size: u64::try_from(row.int(5)?).map_err(|_| odd("size"))?,
        seq: row.int(6)?,
        closed: row.int(7)? != 0,
    })
}

pub(super) struct Get<'a> {
    pub(super) owner: &'a Owner,
    pub(super) kind: Kind,
    pub(super) id: &'a str,
}

async fn get(
    session: &mut Session<'_>,
    owner: &Owner,
    kind: Kind,
    id: &str,
) -> Result<Option<Entry>, Failure> {
    let text = format!("SELECT {COLUMNS} WHERE {LIVES} AND owner = $2 AND kind = $3 AND id = $4");
    let args = [session.now().into(), owner.as_str().into(), kind.as_str().into(), id.into()];
    session.one(text, &args).await?.as_ref().map(entry).transpose()
}

impl Task for Get<'_> {
    type Out = Option<Entry>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        get(session, self.owner, self.kind, self.id).await
    }
}

pub(super) struct GetPiece {
    pub(super) seq: i64,
    pub(super) number: usize,
}

const PIECE: &str =
    "SELECT sealed, body, own FROM deposit_piece WHERE deposit = $1 AND number = $2";

impl Task for GetPiece {
    type Out = Option<Closed>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let number = i64::try_from(self.number).unwrap_or(i64::MAX);
        let Some(row) = session.one(PIECE, &[self.seq.into(), number.into()]).await? else {
            return Ok(None);
        };
        let (sealed, own) = (row.int(0)? != 0, row.int(2)? != 0);
        Ok(Some(Closed { sealed, own, body: row.bytes(1)?.into() }))
    }
}

pub(super) struct List<'a> {
    pub(super) owner: &'a Owner,
    pub(super) kind: Kind,
    pub(super) cursor: &'a Cursor,
}

impl Task for List<'_> {
    type Out = Vec<Entry>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let Cursor { after, ascending, limit } = self.cursor;
        let from = match after {
            None if *ascending => 0,
            None => i64::MAX,
            // Behind an entry that is not there anything might follow: nothing does.
            Some(id) => match get(session, self.owner, self.kind, id).await? {
                Some(entry) => entry.seq,
                None => return Ok(Vec::new()),
            },
        };
        let (is, order) = if *ascending { (">", "ASC") } else { ("<", "DESC") };
        let text = format!(
            "SELECT {COLUMNS} WHERE {LIVES} AND owner = $2 AND kind = $3 AND seq {is} $4 \
             ORDER BY seq {order} LIMIT $5"
        );
        let limit = i64::try_from((*limit).clamp(1, LIST_MAX)).unwrap_or(i64::MAX);
        let args = [
            session.now().into(),
            self.owner.as_str().into(),
            self.kind.as_str().into(),
            from.into(),
            limit.into(),
        ];
        session.all(text, &args).await?.iter().map(entry).collect()
    }
}

pub(super) struct Find<'a> {
    pub(super) owner: &'a Owner,
    pub(super) id: &'a str,
}

const TAKEN: &str = "SELECT 1 FROM deposit WHERE id = $1 LIMIT 1";

impl Task for Find<'_> {
    type Out = Found;

    async fn run(&self, session: &mut Session<'_>) -> Result<Found, Failure> {
        if let Some(entry) = get(session, self.owner, Kind::Response, self.id).await? {
            return Ok(Found::There(entry));
        }
        let taken = session.one(TAKEN, &[self.id.into()]).await?;
        Ok(if taken.is_some() { Found::Closed } else { Found::Unknown })
    }
}

pub(super) struct Chain<'a> {
    pub(super) owner: &'a Owner,
    pub(super) last: &'a Entry,
}

impl Task for Chain<'_> {
    type Out = Option<Vec<Entry>>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let mut chain = vec![self.last.clone()];
        let mut previous = self.last.previous.clone();
        while let Some(id) = previous {
            if chain.len() == CHAIN_MAX {
                return Ok(None);
            }
            let Some(entry) = get(session, self.owner, Kind::Response, &id).await? else {
                return Ok(None);
            };
            previous = entry.previous.clone();
            chain.push(entry);
        }
        chain.reverse();
        Ok(Some(chain))
    }
}

pub(super) struct Size<'a> {
    pub(super) owner: &'a Owner,
    pub(super) kind: Kind,
}

/// A sum is a decimal number in one of the two databases.
const SIZE: &str = "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM deposit \
     WHERE owner = $1 AND kind = $2";

impl Task for Size<'_> {
    type Out = u64;

    async fn run(&self, session: &mut Session<'_>) -> Result<u64, Failure> {
        let args = [self.owner.as_str().into(), self.kind.as_str().into()];
        let row = session.one(SIZE, &args).await?;
        let sum = row.map_or(Ok(0), |row| row.int(0))?;
        Ok(u64::try_from(sum).map_err(|_| odd("size"))?)
    }
}
