//! What belongs to a job and is large: its input, what its steps have come to, its artefacts.
//! Sealed where the store has a chest, each for its own place.

use bytes::Bytes;
use llm_core::Str;
use llm_core::store::StoreError;

use super::job::{ARTEFACTS_MAX, JobId, NAME_MAX, NotDone, PART_MAX, STEPS_MAX, State};
use super::rows::{Row, blob, lock, number};
use super::view::{Whose, owned};
use crate::seal::{Chest, Place};
use crate::sql::database::{Arg, Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// What a part is to its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Input,
    Step,
    Artefact,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Step => "step",
            Self::Artefact => "artefact",
        }
    }

    fn max(self) -> usize {
        match self {
            Self::Input => 1,
            Self::Step => STEPS_MAX,
            Self::Artefact => ARTEFACTS_MAX,
        }
    }
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artefact {
    /// Its name, one of the job's.
    pub name: Str,
    /// What it is.
    pub media: Str,
    /// Its length in bytes.
    pub size: u64,
}

/// As it is stored.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: Str,
    pub(super) media: Str,
    /// Under which lease it was written: an envelope of an earlier one does not open in its stead.
    pub(super) fence: i64,
    pub(super) sealed: bool,
    pub(super) size: i64,
    pub(super) body: Bytes,
}

const PUT: &str = "INSERT INTO job_part (job, role, name, media, fence, sealed, size, body) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (job, role, name) DO UPDATE SET \
     media = excluded.media, fence = excluded.fence, sealed = excluded.sealed, \
     size = excluded.size, body = excluded.body";
const GET: &str = "SELECT media, fence, sealed, size, body FROM job_part \
     WHERE job = $1 AND role = $2 AND name = $3";
const NAMES: &str = "SELECT name, media, size FROM job_part \
     WHERE job = $1 AND role = 'artefact' ORDER BY name LIMIT $2";
const WRITTEN: &str = "SELECT name, fence FROM job_part WHERE job = $1 AND role = $2 LIMIT $3";
const FORGET_STEPS: &str = "DELETE FROM job_part WHERE job = $1 AND role = 'step'";
const FORGET: &str = "DELETE FROM job_part WHERE job = $1";

fn row_name(id: JobId, role: Role, name: &str) -> String {
    format!("{id}/{}/{name}", role.as_str())
}

impl Part {
    /// A part for that place, sealed where there is a chest.
    pub(super) fn new(
        chest: Option<&Chest>,
        (id, role, fence): (JobId, Role, i64),
        (name, media): (Str, Str),
        body: &Bytes,
    ) -> Result<Self, NotDone> {
        fits("bytes of a name", name.len().max(media.len()), NAME_MAX)?;
        fits("bytes of a part", body.len(), PART_MAX)?;
        let kept = match chest {
            None => body.clone(),
            Some(chest) => chest.close(&place(&row_name(id, role, &name), fence), body)?,
        };
        let size = number(body.len());
        Ok(Self { name, media, fence, sealed: chest.is_some(), size, body: kept })
    }

    /// What is in it.
    pub(super) fn open(
        self,
        chest: Option<&Chest>,
        id: JobId,
        role: Role,
    ) -> Result<Bytes, StoreError> {
        match (self.sealed, chest) {
            (false, _) => Ok(self.body),
            (true, Some(chest)) => {
                chest.open(&place(&row_name(id, role, &self.name), self.fence), self.body)
            }
            (true, None) => {
                Err(StoreError::Unavailable(Str::from_static("sealed, and no key is here")))
            }
        }
    }
}

fn place(row: &str, fence: i64) -> Place<'_> {
    Place { table: "job_part", column: "body", row, version: fence.unsigned_abs() }
}

pub(super) fn fits(what: &'static str, size: usize, max: usize) -> Result<(), NotDone> {
    if size > max { Err(NotDone::TooMuch { what, max }) } else { Ok(()) }
}

pub(super) async fn put(
    session: &mut Session<'_>,
    id: JobId,
    role: Role,
    part: &Part,
) -> Result<(), Failure> {
    let id = id.0.to_be_bytes();
    let args = [
        blob(&id),
        role.as_str().into(),
        (&part.name[..]).into(),
        (&part.media[..]).into(),
        part.fence.into(),
        i64::from(part.sealed).into(),
        part.size.into(),
        blob(&part.body),
    ];
    session.run(PUT, &args).await.map(drop)
}

/// What its steps have come to is of no use when it is done.
pub(super) async fn forget_steps(session: &mut Session<'_>, id: JobId) -> Result<(), Failure> {
    session.run(FORGET_STEPS, &[blob(&id.0.to_be_bytes())]).await.map(drop)
}

pub(super) async fn forget(session: &mut Session<'_>, id: JobId) -> Result<(), Failure> {
    session.run(FORGET, &[blob(&id.0.to_be_bytes())]).await.map(drop)
}

/// Writes a part under a lease.
pub(super) struct Put {
    pub(super) id: JobId,
    pub(super) role: Role,
    pub(super) part: Part,
}

impl Put {
    async fn write(&self, session: &mut Session<'_>, row: &mut Row) -> Result<bool, Failure> {
        let (id, max) = (self.id.0.to_be_bytes(), self.role.max());
        let args = [blob(&id), self.role.as_str().into(), Arg::from(number(max))];
        let rows = session.all(WRITTEN, &args).await?;
        let mut before = None;
        for known in &rows {
            if known.text(0)? == self.part.name[..] {
                before = Some(known.int(1)?);
            }
        }
        if before.is_none() && rows.len() >= max {
            return Ok(false);
        }
        put(session, self.id, self.role, &self.part).await?;
        // Said again by whoever did not know whether it happened, it is not news.
        if self.role == Role::Step && before != Some(self.part.fence) {
            let news = row.life.kept(self.part.name.clone());
            row.save(session, &[news]).await?;
        }
        Ok(true)
    }
}

impl Task for Put {
    type Out = Result<(), NotDone>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let found = lock(session, self.id).await?;
        let Some(mut row) = found.filter(|row| row.life.is_under(self.part.fence)) else {
            return Ok(Err(NotDone::Lost));
        };
        let written = self.write(session, &mut row).await?;
        let (what, max) = ("parts of a job", self.role.max());
        Ok(if written { Ok(()) } else { Err(NotDone::TooMuch { what, max }) })
    }
}

/// Reads a part: `None` is one that is not there.
pub(super) struct Get {
    pub(super) id: JobId,
    pub(super) whose: Whose,
    pub(super) role: Role,
    pub(super) name: Str,
}

/// Whether the parts of this job may be seen by those for whom it was done.
fn is_kept(row: &Row, role: Role, now: i64) -> Result<(), NotDone> {
    let over = row.life.ended.is_some();
    if over && row.life.expires.is_none_or(|expires| expires <= now) {
        return Err(NotDone::Gone);
    }
    // What a failed attempt has left behind is nothing that came of the job.
    if role == Role::Artefact && row.life.state != State::Completed {
        return Err(NotDone::Absent);
    }
    Ok(())
}

impl Task for Get {
    type Out = Result<Option<Part>, NotDone>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let Some(row) = owned(session, self.id, &self.whose).await? else {
            return Ok(Err(NotDone::Absent));
        };
        if let Err(why) = is_kept(&row, self.role, session.now()) {
            return Ok(Err(why));
        }
        let id = self.id.0.to_be_bytes();
        let args = [blob(&id), self.role.as_str().into(), (&self.name[..]).into()];
        let Some(found) = session.one(GET, &args).await? else { return Ok(Ok(None)) };
        Ok(Ok(Some(Part {
            name: self.name.clone(),
            media: found.text(0)?.into(),
            fence: found.int(1)?,
            sealed: found.int(2)? != 0,
            size: found.int(3)?,
            body: found.bytes(4)?.into(),
        })))
    }
}

/// Names what came of a job.
pub(super) struct Names {
    pub(super) id: JobId,
    pub(super) whose: Whose,
}

impl Task for Names {
    type Out = Result<Vec<Artefact>, NotDone>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let Some(row) = owned(session, self.id, &self.whose).await? else {
            return Ok(Err(NotDone::Absent));
        };
        if let Err(why) = is_kept(&row, Role::Artefact, session.now()) {
            return Ok(Err(why));
        }
        let id = self.id.0.to_be_bytes();
        let rows = session.all(NAMES, &[blob(&id), number(ARTEFACTS_MAX).into()]).await?;
        let names = rows.iter().map(|row| {
            let size = u64::try_from(row.int(2)?).map_err(|_| odd("size"))?;
            Ok(Artefact { name: row.text(0)?.into(), media: row.text(1)?.into(), size })
        });
        Ok(Ok(names.collect::<Result<_, Failure>>()?))
    }
}
