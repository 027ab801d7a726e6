//! What was asked and what came of it, sealed under its person's key in pieces that a seal has room
//! for.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::store::StoreError;
use llm_store::seal::Place;
use llm_store::sql::{Arg, Failure, Record, Session, Task};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::report::Report;
use super::selection::Order;
use super::{Analysis, Kept};
use crate::people::Person;
use crate::{Id, NotDone};

/// Bytes of a piece.
const PIECE_BYTES: usize = 512 << 10;
/// How long an analysis is kept.
const KEEP: Duration = Duration::from_hours(24 * 30);
/// Analyses that are forgotten at once when their time is up.
const SWEPT_AT_ONCE: i64 = 50;

const ORDER: &str = "order";
const REPORT: &str = "report";

const BEGIN: &str = "INSERT INTO analysis (owner, id, job, born, ended, expires) \
     VALUES ($1, $2, NULL, $3, NULL, $4)";
const PART: &str = "INSERT INTO analysis_part (owner, analysis, role, seq, sealed) \
     VALUES ($1, $2, $3, $4, $5)";
const TAKE_AWAY: &str =
    "DELETE FROM analysis_part WHERE owner = $1 AND analysis = $2 AND role = $3";
const END: &str = "UPDATE analysis SET ended = $3 WHERE owner = $1 AND id = $2";
const BEHIND: &str = "UPDATE analysis SET job = $3 WHERE owner = $1 AND id = $2";
const SEE: &str = "SELECT id, job, born, ended, expires FROM analysis \
     WHERE owner = $1 AND id = $2 AND expires > $3";
const IDS: &str = "SELECT id FROM analysis WHERE owner = $1 ORDER BY id DESC LIMIT $2";
const PIECES: &str = "SELECT sealed FROM analysis_part \
     WHERE owner = $1 AND analysis = $2 AND role = $3 ORDER BY seq";
const OVER: &str = "SELECT owner, id FROM analysis WHERE expires <= $1 ORDER BY expires LIMIT $2";
const FORGET: [&str; 2] = [
    "DELETE FROM analysis_part WHERE owner = $1 AND analysis = $2",
    "DELETE FROM analysis WHERE owner = $1 AND id = $2",
];

impl Analysis {
    /// Keeps what is asked, under a new name.
    pub async fn begin(&self, person: &Person, order: &Order) -> Result<Kept, NotDone> {
        if !person.may_be_kept() {
            return Err(NotDone::NoConsent);
        }
        order.check()?;
        let (id, born) = (Str::from(Id(self.ground.id()).to_string()), self.ground.now());
        let keep = SignedDuration::try_from(KEEP).unwrap_or(SignedDuration::MAX);
        let expires = born.checked_add(keep).unwrap_or(Timestamp::MAX);
        let kept = Kept { id, job: None, born, ended: None, expires };
        let pieces = sealed(person, &kept.id, ORDER, order)?;
        let owner = person.owner().as_str().into();
        self.ground.database.write(Begin { owner, kept: kept.clone(), pieces }).await?;
        Ok(kept)
    }

    /// Forgets some of those that are kept no longer: whether there may be more.
    pub async fn sweep(&self) -> Result<bool, StoreError> {
        self.ground.database.write(Sweep(self.ground.now().as_microsecond())).await
    }

    /// A job does it.
    pub async fn behind(&self, person: &Person, id: &Str, job: Str) -> Result<(), NotDone> {
        let owner = person.owner().as_str().into();
        Ok(self.ground.database.write(Behind { owner, id: id.clone(), job }).await?)
    }

    /// Keeps what came of it. Again, it is what came last.
    pub async fn end(&self, person: &Person, id: &str, report: &Report) -> Result<(), NotDone> {
        let pieces = sealed(person, id, REPORT, report)?;
        let (owner, at) = (person.owner().as_str().into(), self.ground.now().as_microsecond());
        Ok(self.ground.database.write(End { owner, id: id.into(), at, pieces }).await?)
    }

    /// Forgets it.
    pub async fn forget(&self, person: &Person, id: &str) -> Result<(), NotDone> {
        let owner = person.owner().as_str().into();
        Ok(self.ground.database.write(Forget(owner, id.into())).await?)
    }

    /// Those of somebody, the newest first.
    pub(crate) async fn ids(&self, person: &Person, most: usize) -> Result<Vec<Str>, NotDone> {
        let (owner, most) = (person.owner().as_str().into(), most);
        Ok(self.ground.database.read(Ids { owner, most }).await?)
    }

    /// One of somebody's.
    pub async fn get(&self, person: &Person, id: &str) -> Result<Kept, NotDone> {
        let (owner, now) = (person.owner().as_str().into(), self.ground.now().as_microsecond());
        let kept = self.ground.database.read(See { owner, id: id.into(), now }).await?;
        kept.ok_or(NotDone::Unknown("analysis"))
    }

    /// What was asked.
    pub async fn order(&self, person: &Person, id: &str) -> Result<Order, NotDone> {
        self.opened(person, id, ORDER).await
    }

    /// What came of it.
    pub async fn report(&self, person: &Person, id: &str) -> Result<Report, NotDone> {
        self.opened(person, id, REPORT).await
    }

    async fn opened<T: DeserializeOwned>(
        &self,
        person: &Person,
        id: &str,
        role: &'static str,
    ) -> Result<T, NotDone> {
        let owner = person.owner().as_str().into();
        let pieces = self.ground.database.read(Pieces { owner, id: id.into(), role }).await?;
        if pieces.is_empty() {
            return Err(NotDone::Unknown("analysis"));
        }
        let mut whole = BytesMut::new();
        for (seq, piece) in pieces.into_iter().enumerate() {
            whole.extend_from_slice(&person.open(&place(&row(id, role, seq)), piece)?);
        }
        let odd = |_| StoreError::Corrupt("an analysis".into());
        Ok(serde_json::from_slice(&whole).map_err(odd)?)
    }
}

struct Ids {
    owner: Str,
    most: usize,
}

impl Task for Ids {
    type Out = Vec<Str>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Vec<Str>, Failure> {
        let most = i64::try_from(self.most).unwrap_or(i64::MAX);
        let rows = session.all(IDS, &[(&self.owner[..]).into(), most.into()]).await?;
        rows.iter().map(|row| Ok(row.text(0)?.into())).collect()
    }
}

fn row(id: &str, role: &str, seq: usize) -> String {
    format!("{id}/{role}/{seq}")
}

fn place(row: &str) -> Place<'_> {
    Place { table: "analysis_part", column: "sealed", row, version: 0 }
}

fn sealed(
    person: &Person,
    id: &str,
    role: &str,
    whole: &impl Serialize,
) -> Result<Vec<Bytes>, StoreError> {
    let whole = serde_json::to_vec(whole).unwrap_or_default();
    let pieces = whole.chunks(PIECE_BYTES).enumerate();
    pieces.map(|(seq, piece)| person.close(&place(&row(id, role, seq)), piece)).collect()
}

async fn write(
    session: &mut Session<'_>,
    (owner, id, role): (&str, &str, &str),
    pieces: &[Bytes],
) -> Result<(), Failure> {
    session.run(TAKE_AWAY, &[owner.into(), id.into(), role.into()]).await?;
    for (seq, piece) in (0_i64..).zip(pieces) {
        let args: [Arg<'_>; 5] =
            [owner.into(), id.into(), role.into(), seq.into(), (&piece[..]).into()];
        session.run(PART, &args).await?;
    }
    Ok(())
}

struct Begin {
    owner: Str,
    kept: Kept,
    pieces: Vec<Bytes>,
}

impl Task for Begin {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let (owner, id) = (&*self.owner, &*self.kept.id);
        let (born, expires) = (self.kept.born, self.kept.expires);
        let times = [born.as_microsecond().into(), expires.as_microsecond().into()];
        session.run(BEGIN, &[owner.into(), id.into(), times[0], times[1]]).await?;
        write(session, (owner, id, ORDER), &self.pieces).await
    }
}

struct Behind {
    owner: Str,
    id: Str,
    job: Str,
}

impl Task for Behind {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let Self { owner, id, job } = self;
        session.run(BEHIND, &[(&**owner).into(), (&**id).into(), (&**job).into()]).await.map(drop)
    }
}

struct End {
    owner: Str,
    id: Str,
    at: i64,
    pieces: Vec<Bytes>,
}

impl Task for End {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let (owner, id) = (&*self.owner, &*self.id);
        // Whoever has forgotten it in between does not get it back.
        if session.run(END, &[owner.into(), id.into(), self.at.into()]).await? == 0 {
            return Ok(());
        }
        write(session, (owner, id, REPORT), &self.pieces).await
    }
}

struct See {
    owner: Str,
    id: Str,
    now: i64,
}

impl Task for See {
    type Out = Option<Kept>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let args = [(&*self.owner).into(), (&*self.id).into(), self.now.into()];
        session.one(SEE, &args).await?.as_ref().map(kept).transpose()
    }
}

fn kept(row: &Record) -> Result<Kept, Failure> {
    let at = |micros| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX);
    Ok(Kept {
        id: row.text(0)?.into(),
        job: row.maybe_text(1)?.map(Str::from),
        born: at(row.int(2)?),
        ended: row.maybe_int(3)?.map(at),
        expires: at(row.int(4)?),
    })
}

struct Pieces {
    owner: Str,
    id: Str,
    role: &'static str,
}

impl Task for Pieces {
    type Out = Vec<Bytes>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let args = [(&*self.owner).into(), (&*self.id).into(), self.role.into()];
        let rows = session.all(PIECES, &args).await?;
        rows.iter().map(|row| Ok(row.bytes(0)?.into())).collect()
    }
}

struct Forget(Str, Str);

impl Task for Forget {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        for text in FORGET {
            session.run(text, &[(&*self.0).into(), (&*self.1).into()]).await?;
        }
        Ok(())
    }
}

/// Forgets some of those whose time is up.
struct Sweep(i64);

impl Task for Sweep {
    type Out = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, Failure> {
        let text = format!("{OVER}{}", session.taking());
        let over = session.all(text, &[self.0.into(), SWEPT_AT_ONCE.into()]).await?;
        for row in &over {
            let (owner, id) = (row.text(0)?, row.text(1)?);
            for text in FORGET {
                session.run(text, &[(&*owner).into(), (&*id).into()]).await?;
            }
        }
        Ok(!over.is_empty())
    }
}
