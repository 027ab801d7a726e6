//! A job as a row.

use jiff::Timestamp;
use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::principal::{KeyId, Priority, TenantId, UserId};

use super::job::{Job, JobId, Payment, State};
use super::life::{Life, News};
use crate::sql::database::{Arg, Record, Session};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// The columns of a row, in the order in which [`Row::read`] wants them.
pub(super) const COLUMNS: &str = "id, tenant, person, virtual_key, kind, class, created, state, \
     attempts, attempts_max, due, owner, fence, ticket, asked, percent, problem, began, ended, \
     keep, expires, unit, hold, charge, owes, settled, events";

const BY_ID: &str = " FROM job WHERE id = $1";
const SAVE: &str = "UPDATE job SET state = $2, attempts = $3, due = $4, owner = $5, fence = $6, \
     ticket = $7, asked = $8, percent = $9, problem = $10, began = $11, ended = $12, keep = $13, \
     expires = $14, charge = $15, owes = $16, events = $17 WHERE id = $1";
const TELL: &str = "INSERT INTO job_event \
     (job, number, at, what, percent, attempt, step, step_percent, note) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

pub(super) const CLASSES: [(Priority, i64); 4] = [
    (Priority::Critical, 0),
    (Priority::Default, 1),
    (Priority::Batch, 2),
    (Priority::Sheddable, 3),
];

/// What stays of a job, and what changes.
pub(super) struct Row {
    pub(super) id: JobId,
    pub(super) tenant: TenantId,
    pub(super) user: Option<UserId>,
    pub(super) key: Option<KeyId>,
    pub(super) kind: Str,
    priority: Priority,
    created: i64,
    payment: Option<Payment>,
    settled: bool,
    pub(super) life: Life,
}

pub(super) fn class_of(priority: Priority) -> i64 {
    CLASSES.iter().find(|(class, _)| *class == priority).map_or(1, |(_, number)| *number)
}

pub(super) fn number(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

pub(super) fn at(micros: i64) -> Result<Timestamp, Failure> {
    Timestamp::from_microsecond(micros).map_err(|_| odd("instant").into())
}

pub(super) fn blob(bytes: &[u8]) -> Arg<'_> {
    Arg::from(bytes)
}

pub(super) fn percent(number: i64) -> Result<u8, Failure> {
    u8::try_from(number).map_err(|_| odd("percent").into())
}

pub(super) fn word<T: Copy>(
    words: &[(T, &str)],
    word: &str,
    column: &'static str,
) -> Result<T, Failure> {
    let found = words.iter().find(|(_, known)| *known == word);
    Ok(found.ok_or_else(|| odd(column))?.0)
}

fn id_of(bytes: &[u8]) -> Result<u128, Failure> {
    Ok(u128::from_be_bytes(bytes.try_into().map_err(|_| odd("id"))?))
}

pub(super) fn job_id(record: &Record, column: usize) -> Result<JobId, Failure> {
    id_of(&record.bytes(column)?).map(JobId)
}

pub(super) fn payment(record: &Record, columns: usize) -> Result<Option<Payment>, Failure> {
    Ok(match (record.maybe_text(columns)?, record.maybe_bytes(columns + 1)?) {
        (Some(unit), Some(hold)) => {
            Some(Payment { hold: HoldId(id_of(&hold)?), unit: Str::from(unit) })
        }
        _ => None,
    })
}

/// The row of a job, and nobody else's until the end of this transaction.
pub(super) async fn lock(session: &mut Session<'_>, id: JobId) -> Result<Option<Row>, Failure> {
    let text = format!("SELECT {COLUMNS}{BY_ID}{}", session.locking());
    let found = session.one(text, &[blob(&id.0.to_be_bytes())]).await?;
    found.as_ref().map(Row::read).transpose()
}

/// The row of a job, as it is.
pub(super) async fn look(session: &mut Session<'_>, id: JobId) -> Result<Option<Row>, Failure> {
    let text = format!("SELECT {COLUMNS}{BY_ID}");
    let found = session.one(text, &[blob(&id.0.to_be_bytes())]).await?;
    found.as_ref().map(Row::read).transpose()
}

impl Row {
    pub(super) fn read(record: &Record) -> Result<Self, Failure> {
        let class = record.int(5)?;
        let priority = CLASSES.iter().find(|(_, number)| *number == class);
        let payment = payment(record, 21)?;
        let life = Life {
            state: State::parse(&record.text(7)?).ok_or_else(|| odd("state"))?,
            attempts: record.int(8)?,
            attempts_max: record.int(9)?,
            due: record.maybe_int(10)?,
            owner: record.maybe_text(11)?.map(Str::from),
            fence: record.int(12)?,
            ticket: record.int(13)?,
            asked: record.int(14)? != 0,
            percent: record.int(15)?,
            problem: record.maybe_text(16)?.map(Str::from),
            began: record.maybe_int(17)?,
            ended: record.maybe_int(18)?,
            keep: record.int(19)?,
            expires: record.maybe_int(20)?,
            paid: payment.is_some(),
            charge: record.maybe_int(23)?,
            owes: record.maybe_int(24)?,
            events: record.int(26)?,
        };
        Ok(Self {
            id: job_id(record, 0)?,
            tenant: TenantId(record.text(1)?.into()),
            user: record.maybe_text(2)?.map(|name| UserId(name.into())),
            key: record.maybe_text(3)?.map(|name| KeyId(name.into())),
            kind: record.text(4)?.into(),
            priority: priority.ok_or_else(|| odd("class"))?.0,
            created: record.int(6)?,
            payment,
            settled: record.int(25)? != 0,
            life,
        })
    }

    /// Writes what has changed, and what there is to tell about it.
    pub(super) async fn save(
        &self,
        session: &mut Session<'_>,
        news: &[News],
    ) -> Result<(), Failure> {
        let (life, id) = (&self.life, self.id.0.to_be_bytes());
        let args = [
            blob(&id),
            life.state.as_str().into(),
            life.attempts.into(),
            life.due.into(),
            life.owner.as_deref().into(),
            life.fence.into(),
            life.ticket.into(),
            i64::from(life.asked).into(),
            life.percent.into(),
            life.problem.as_deref().into(),
            life.began.into(),
            life.ended.into(),
            life.keep.into(),
            life.expires.into(),
            life.charge.into(),
            life.owes.into(),
            life.events.into(),
        ];
        session.run(SAVE, &args).await?;
        tell(session, self.id, news).await
    }

    /// As others see it.
    pub(super) fn job(self) -> Result<Job, Failure> {
        let life = self.life;
        let maybe = |micros: Option<i64>| micros.map(at).transpose();
        let count = |number: i64| u32::try_from(number).map_err(|_| odd("attempts"));
        Ok(Job {
            id: self.id,
            tenant: self.tenant,
            user: self.user,
            key: self.key,
            kind: self.kind,
            priority: self.priority,
            state: life.state,
            percent: percent(life.percent)?,
            attempts: count(life.attempts)?,
            attempts_max: count(life.attempts_max)?,
            cancelling: life.asked && !life.state.is_over(),
            problem: life.problem,
            created_at: at(self.created)?,
            began_at: maybe(life.began)?,
            ended_at: maybe(life.ended)?,
            expires_at: maybe(life.expires)?,
            payment: self.payment,
            charge: life.charge,
            settled: self.settled,
            events: life.events.unsigned_abs(),
        })
    }
}

/// Writes events.
pub(super) async fn tell(
    session: &mut Session<'_>,
    id: JobId,
    news: &[News],
) -> Result<(), Failure> {
    let (id, now) = (id.0.to_be_bytes(), session.now());
    for one in news {
        let step = one.step.as_ref();
        let args = [
            blob(&id),
            one.number.into(),
            now.into(),
            one.what.as_str().into(),
            one.percent.into(),
            one.attempt.into(),
            step.map(|(name, _)| &name[..]).into(),
            step.map(|(_, done)| *done).into(),
            one.note.as_deref().into(),
        ];
        session.run(TELL, &args).await?;
    }
    Ok(())
}
