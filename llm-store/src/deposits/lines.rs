//! What became of the lines of a batch.
//!
//! A line is written down before its call is sent and again when it has answered. Of one that was
//! sent and has no answer the process has died in between: whether it was paid for is the ledger's
//! to say, by the call that is written here.

use bytes::Bytes;
use jiff::Timestamp;
use llm_core::Str;
use llm_core::call::CallId;
use llm_core::store::StoreError;

use super::lock::Closed;
use super::{Deposits, Owner};
use crate::jobs::JobId;
use crate::seal::Place;
use crate::sql::database::{Arg, Record, Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// Lines that are read at once when files are written of them.
pub const LINES_AT_ONCE: usize = 64;

/// How far a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineState {
    /// Its call was about to be sent.
    Sent,
    /// It has an answer.
    Done,
    /// It has an error.
    Failed,
}

impl LineState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Sent, Self::Done, Self::Failed].into_iter().find(|state| state.as_str() == word)
    }
}

/// A line that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Which line, counted from 0.
    pub number: u32,
    /// The process that asked.
    pub replica: Str,
    /// The call it made; the number of its [`CallId`].
    pub call: u128,
    /// How far it is.
    pub state: LineState,
}

/// A line with what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which.
    pub number: u32,
    /// Whether it has an answer or an error.
    pub done: bool,
    /// The line of the file.
    pub body: Bytes,
}

/// How many lines have come how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// With an answer.
    pub done: u64,
    /// With an error.
    pub failed: u64,
}

const BEGIN: &str = "INSERT INTO batch_line (batch, number, replica, call, state, sealed) \
     VALUES ($1, $2, $3, $4, 'sent', 0) ON CONFLICT (batch, number) DO UPDATE SET \
     replica = excluded.replica, call = excluded.call WHERE batch_line.state = 'sent'";
const END: &str = "INSERT INTO batch_line (batch, number, replica, call, state, sealed, body, own) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (batch, number) DO UPDATE SET \
     state = excluded.state, sealed = excluded.sealed, body = excluded.body, \
     own = excluded.own \
     WHERE batch_line.state = 'sent'";
const BEGUN: &str = "SELECT number, replica, call, state FROM batch_line WHERE batch = $1 \
     ORDER BY number";
const SOME: &str = "SELECT number, state, sealed, body, own FROM batch_line \
     WHERE batch = $1 AND number >= $2 AND state <> 'sent' ORDER BY number LIMIT $3";
const TALLY: &str = "SELECT state, COUNT(*) FROM batch_line WHERE batch = $1 GROUP BY state";
const FORGET: &str = "DELETE FROM batch_line WHERE batch = $1";
const CLOSE: &str = "INSERT INTO batch_end (batch, state, done, failed, at) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (batch) DO NOTHING";
const CLOSED: &str = "SELECT state, done, failed, at FROM batch_end WHERE batch = $1";

impl Deposits {
    /// A line's call is about to be sent.
    pub async fn line_sent(
        &self,
        batch: JobId,
        number: u32,
        replica: &Str,
        call: CallId,
    ) -> Result<(), StoreError> {
        let line = Begin { batch, number, replica: replica.clone(), call: call.as_u128() };
        self.database.write(line).await
    }

    /// What came of a line, whether or not a call of it was ever sent. The first word stays.
    pub async fn line_ended(
        &self,
        owner: &Owner,
        batch: JobId,
        line: &Line,
    ) -> Result<(), StoreError> {
        let name = row_name(batch, line.number);
        let closed = self.lock(owner).await?.close(&place(&name), &line.body)?;
        let state = if line.done { LineState::Done } else { LineState::Failed };
        self.database.write(End { batch, number: line.number, state, closed }).await
    }

    /// All lines that were begun, in their order.
    pub async fn lines_begun(&self, batch: JobId) -> Result<Vec<Sent>, StoreError> {
        self.database.report(Begun(batch)).await
    }

    /// Some lines that have ended, from a number on.
    pub async fn lines_ended(
        &self,
        owner: &Owner,
        batch: JobId,
        from: u32,
    ) -> Result<Vec<Line>, StoreError> {
        let rows = self.database.report(Behind { batch, from }).await?;
        let mut lines = Vec::with_capacity(rows.len());
        for Row { number, done, closed } in rows {
            let name = row_name(batch, number);
            let gone = || StoreError::Unavailable(Str::from_static("whoever asked was forgotten"));
            let body = self.opened(owner, &place(&name), closed).await?.ok_or_else(gone)?;
            lines.push(Line { number, done, body });
        }
        Ok(lines)
    }

    /// How many lines have come how far.
    pub async fn tally(&self, batch: JobId) -> Result<Tally, StoreError> {
        self.database.report(Counting(batch)).await
    }

    /// Ends a batch whose files are written: its lines are forgotten, and how many they were is
    /// not. The first word stays.
    pub async fn end_batch(
        &self,
        batch: JobId,
        how: BatchEnd,
        tally: Tally,
    ) -> Result<(), StoreError> {
        self.database.write(Close { batch, how, tally }).await
    }

    /// How a batch ended; `None` while it has not.
    pub async fn batch_end(&self, batch: JobId) -> Result<Option<Ended>, StoreError> {
        self.database.read(Over(batch)).await
    }
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BatchEnd {
    /// Every line was tried.
    Completed,
    /// Its time was up first.
    Expired,
    /// Nobody wanted it any more.
    Cancelled,
}

impl BatchEnd {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Completed, Self::Expired, Self::Cancelled].into_iter().find(|e| e.as_str() == word)
    }
}

/// A batch that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub how: BatchEnd,
    /// How many of its lines had come how far.
    pub tally: Tally,
    /// When.
    pub at: Timestamp,
}

fn row_name(batch: JobId, number: u32) -> String {
    format!("{batch}/{number}")
}

fn place(row: &str) -> Place<'_> {
    Place { table: "batch_line", column: "body", row, version: 0 }
}

fn id(batch: JobId) -> [u8; 16] {
    batch.0.to_be_bytes()
}

struct Begin {
    batch: JobId,
    number: u32,
    replica: Str,
    call: u128,
}

impl Task for Begin {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let (batch, call) = (id(self.batch), self.call.to_be_bytes());
        let args = [
            Arg::from(&batch[..]),
            i64::from(self.number).into(),
            (&self.replica[..]).into(),
            Arg::from(&call[..]),
        ];
        session.run(BEGIN, &args).await.map(drop)
    }
}

struct End {
    batch: JobId,
    number: u32,
    state: LineState,
    closed: Closed,
}

impl Task for End {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let batch = id(self.batch);
        let args = [
            Arg::from(&batch[..]),
            i64::from(self.number).into(),
            "".into(),
            Arg::from(&[0u8; 16][..]),
            self.state.as_str().into(),
            i64::from(self.closed.sealed).into(),
            Arg::from(self.closed.body.as_ref()),
            i64::from(self.closed.own).into(),
        ];
        session.run(END, &args).await.map(drop)
    }
}

struct Begun(JobId);

fn number(row: &Record) -> Result<u32, Failure> {
    Ok(u32::try_from(row.int(0)?).map_err(|_| odd("number"))?)
}

impl Task for Begun {
    type Out = Vec<Sent>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Vec<Sent>, Failure> {
        let rows = session.all(BEGUN, &[Arg::from(&id(self.0)[..])]).await?;
        let lines = rows.iter().map(|row| {
            let call: [u8; 16] = row.bytes(2)?.try_into().map_err(|_| odd("call"))?;
            let state = LineState::parse(&row.text(3)?).ok_or_else(|| odd("state"))?;
            let (number, replica) = (number(row)?, row.text(1)?.into());
            Ok(Sent { number, replica, call: u128::from_be_bytes(call), state })
        });
        lines.collect()
    }
}

struct Behind {
    batch: JobId,
    from: u32,
}

struct Row {
    number: u32,
    done: bool,
    closed: Closed,
}

impl Task for Behind {
    type Out = Vec<Row>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Vec<Row>, Failure> {
        let batch = id(self.batch);
        let most = i64::try_from(LINES_AT_ONCE).unwrap_or(i64::MAX);
        let args = [Arg::from(&batch[..]), i64::from(self.from).into(), most.into()];
        let rows = session.all(SOME, &args).await?;
        let rows = rows.iter().map(|row| {
            let done = row.text(1)? == LineState::Done.as_str();
            let (sealed, own) = (row.int(2)? != 0, row.int(4)? != 0);
            let closed = Closed { sealed, own, body: row.bytes(3)?.into() };
            Ok(Row { number: number(row)?, done, closed })
        });
        rows.collect()
    }
}

struct Counting(JobId);

impl Task for Counting {
    type Out = Tally;

    async fn run(&self, session: &mut Session<'_>) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        for row in session.all(TALLY, &[Arg::from(&id(self.0)[..])]).await? {
            let count = u64::try_from(row.int(1)?).map_err(|_| odd("count"))?;
            match LineState::parse(&row.text(0)?).ok_or_else(|| odd("state"))? {
                LineState::Sent => {}
                LineState::Done => tally.done = count,
                LineState::Failed => tally.failed = count,
            }
        }
        Ok(tally)
    }
}

struct Close {
    batch: JobId,
    how: BatchEnd,
    tally: Tally,
}

impl Task for Close {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let batch = id(self.batch);
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let args = [
            Arg::from(&batch[..]),
            self.how.as_str().into(),
            count(self.tally.done).into(),
            count(self.tally.failed).into(),
            session.now().into(),
        ];
        session.run(CLOSE, &args).await?;
        session.run(FORGET, &[Arg::from(&batch[..])]).await.map(drop)
    }
}

struct Over(JobId);

impl Task for Over {
    type Out = Option<Ended>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let Some(row) = session.one(CLOSED, &[Arg::from(&id(self.0)[..])]).await? else {
            return Ok(None);
        };
        let count = |number: i64| u64::try_from(number).map_err(|_| odd("count"));
        let how = BatchEnd::parse(&row.text(0)?).ok_or_else(|| odd("state"))?;
        let tally = Tally { done: count(row.int(1)?)?, failed: count(row.int(2)?)? };
        let at = Timestamp::from_microsecond(row.int(3)?).map_err(|_| odd("at"))?;
        Ok(Some(Ended { how, tally, at }))
    }
}
