//! Idempotency keys in a database: what a process that dies has not forgotten.
//!
//! Bodies are sealed, each for its own record: its tenant, its key, its run and its step. A body
//! that was put where another one belongs does not open.
//!
//! Records of all tenants are bounded by the disk alone, and by how fast a tenant may ask: each is
//! there for a day. Deliberately absent: the rules, which are `llm_core`'s; this is a compare and
//! swap.

use jiff::Timestamp;
use llm_core::Str;
use llm_core::call::CallId;
use llm_core::idempotency::{
    Answer, BODY_BYTES_MAX, Fingerprint, Form, IdempotencyStore, Kept, Record, Seen, Slot, State,
};
use llm_core::ledger::Owner;
use llm_core::principal::{KeyId, TenantId, account_name};
use llm_core::store::vault::Tenure;
use llm_core::store::{StoreError, Stored};

use crate::seal::{Chest, Place, SECRET_MAX};
use crate::sql::Database;
use crate::sql::database::{self, Arg, Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::{epoch_of, odd};

const _: () = assert!(BODY_BYTES_MAX <= SECRET_MAX);

/// Records that are forgotten in one transaction.
const SWEEP_MAX: usize = 1_000;

/// Records in a database.
#[derive(Clone, Debug)]
pub struct SqlSlots {
    database: Database,
    chest: Chest,
}

impl SqlSlots {
    /// Records in this database, their bodies sealed in this chest.
    pub fn new(database: Database, chest: Chest) -> Self {
        Self { database, chest }
    }
}

impl SqlSlots {
    /// Forgets what was answered to somebody under these keys; a request that runs keeps its record
    /// until its time is over, since it would be run twice without. How many.
    pub async fn erase(
        &self,
        tenant: &TenantId,
        keys: impl IntoIterator<Item = KeyId>,
    ) -> Result<u64, StoreError> {
        let slot = |key: KeyId| account_name(Owner::User, tenant, &key.0);
        self.database.write(Erase(keys.into_iter().map(slot).collect())).await
    }
}

/// A record as columns.
struct Columns {
    tenant: String,
    name: String,
    run: [u8; 16],
    step: i64,
    print: [u8; 32],
    expires: i64,
    state: &'static str,
    owner: Option<(String, i64)>,
    answer: Option<(i64, String, &'static str)>,
    body: Option<Vec<u8>>,
}

const FORMS: [(Form, &str); 2] = [(Form::Whole, "whole"), (Form::Stream, "stream")];

/// Where a body belongs. Lengths stand before names, so that no two slots are one.
fn row_name(slot: &Slot, run: CallId) -> String {
    let (tenant, key) = (&slot.tenant.0, slot.key.as_str());
    format!("{}:{tenant}/{}:{key}/{run}", tenant.len(), key.len())
}

fn place(row: &str, step: u32) -> Place<'_> {
    Place { table: "idempotency", column: "body", row, version: u64::from(step) }
}

impl Columns {
    fn new(chest: &Chest, slot: &Slot, record: &Record) -> Result<Self, StoreError> {
        let (state, owner, answer, body) = match &record.state {
            State::Running { owner } => {
                let owner = (owner.replica.to_string(), epoch_of(owner.epoch));
                ("running", Some(owner), None, None)
            }
            State::Indefinite => ("indefinite", None, None, None),
            State::Done(Answer { status, content_type, form, body }) => {
                let word = FORMS.iter().find(|(known, _)| known == form).map_or("", |(_, w)| w);
                let answer = (i64::from(*status), content_type.to_string(), word);
                let body = match body {
                    Kept::Dropped => None,
                    Kept::Body(bytes) => {
                        let row = row_name(slot, record.run);
                        Some(chest.close(&place(&row, record.step), bytes)?.into())
                    }
                };
                ("done", None, Some(answer), body)
            }
        };
        Ok(Self {
            tenant: slot.tenant.0.to_string(),
            name: slot.key.as_str().to_owned(),
            run: record.run.as_u128().to_be_bytes(),
            step: record.step.into(),
            print: record.fingerprint.0,
            expires: record.expires_at.as_microsecond(),
            state,
            owner,
            answer,
            body,
        })
    }

    fn args(&self) -> [Arg<'_>; 13] {
        let (owner, answer) = (self.owner.as_ref(), self.answer.as_ref());
        [
            (&self.tenant[..]).into(),
            (&self.name[..]).into(),
            (&self.run[..]).into(),
            self.step.into(),
            (&self.print[..]).into(),
            self.expires.into(),
            self.state.into(),
            owner.map(|(replica, _)| &replica[..]).into(),
            owner.map(|(_, epoch)| *epoch).into(),
            answer.map(|(status, _, _)| *status).into(),
            answer.map(|(_, media, _)| &media[..]).into(),
            answer.map(|(_, _, form)| *form).into(),
            self.body.as_deref().into(),
        ]
    }
}

/// Writes a record where the slot is as it was seen.
struct Write {
    seen: Option<Seen>,
    next: Columns,
}

const INSERT: &str = "INSERT INTO idempotency (tenant, name, run, step, print, expires, state, \
     replica, epoch, status, media, form, body) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING";
const UPDATE: &str = "UPDATE idempotency SET run = $3, step = $4, print = $5, expires = $6, \
     state = $7, replica = $8, epoch = $9, status = $10, media = $11, form = $12, body = $13 \
     WHERE tenant = $1 AND name = $2 AND run = $14 AND step = $15";
const THERE: &str = "SELECT run, step FROM idempotency WHERE tenant = $1 AND name = $2";

impl Task for Write {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let args = self.next.args();
        let run = self.seen.map(|seen| seen.run.as_u128().to_be_bytes());
        // One statement compares and swaps; only who has lost looks at what is there.
        let written = match (&self.seen, &run) {
            (Some(seen), Some(run)) => {
                let was = [Arg::from(&run[..]), i64::from(seen.step).into()];
                session.run(UPDATE, &[&args[..], &was].concat()).await?
            }
            _ => session.run(INSERT, &args).await?,
        };
        if written == 1 {
            return Ok(());
        }
        let found = session.one(THERE, &args[..2]).await?;
        let there = found.map(|row| Ok::<_, Failure>((row.bytes(0)?, row.int(1)?))).transpose()?;
        if there.is_some_and(|(run, step)| run == self.next.run && step == self.next.step) {
            return Ok(());
        }
        Err(StoreError::Conflict(Str::from_static("idempotency slot")).into())
    }
}

struct Read {
    tenant: String,
    name: String,
}

const READ: &str = "SELECT run, step, print, expires, state, replica, epoch, status, media, form, \
     body FROM idempotency WHERE tenant = $1 AND name = $2";

/// A record whose body is still sealed.
struct Found {
    record: Record,
    body: Option<Vec<u8>>,
}

impl Task for Read {
    type Out = Option<Found>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let args = [(&self.tenant[..]).into(), (&self.name[..]).into()];
        session.one(READ, &args).await?.map(|row| found(&row)).transpose()
    }
}

fn found(row: &database::Record) -> Result<Found, Failure> {
    let run = row.bytes(0)?.try_into().map_err(|_| odd("run"))?;
    let run = u128::from_be_bytes(run);
    let print = row.bytes(2)?.try_into().map_err(|_| odd("print"))?;
    let state = match &row.text(4)?[..] {
        "running" => {
            let replica = row.maybe_text(5)?.ok_or_else(|| odd("replica"))?.into();
            let epoch = row.maybe_int(6)?.ok_or_else(|| odd("epoch"))?.unsigned_abs();
            State::Running { owner: Tenure { replica, epoch } }
        }
        "indefinite" => State::Indefinite,
        "done" => {
            let status = row.maybe_int(7)?.and_then(|status| u16::try_from(status).ok());
            let form = row.maybe_text(9)?;
            let form = FORMS.iter().find(|(_, word)| Some(*word) == form.as_deref());
            State::Done(Answer {
                status: status.ok_or_else(|| odd("status"))?,
                content_type: row.maybe_text(8)?.ok_or_else(|| odd("media"))?.into(),
                form: form.ok_or_else(|| odd("form"))?.0,
                body: Kept::Dropped,
            })
        }
        _ => return Err(odd("state").into()),
    };
    let record = Record {
        fingerprint: Fingerprint(print),
        run: CallId::new(u64::try_from(run >> 80).map_err(|_| odd("run"))?, run),
        step: u32::try_from(row.int(1)?).map_err(|_| odd("step"))?,
        expires_at: Timestamp::from_microsecond(row.int(3)?).map_err(|_| odd("expires"))?,
        state,
    };
    Ok(Found { record, body: row.maybe_bytes(10)? })
}

struct Remove {
    tenant: String,
    name: String,
    seen: Seen,
}

const REMOVE: &str =
    "DELETE FROM idempotency WHERE tenant = $1 AND name = $2 AND run = $3 AND step = $4";

impl Task for Remove {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let run = self.seen.run.as_u128().to_be_bytes();
        let args = [
            (&self.tenant[..]).into(),
            (&self.name[..]).into(),
            (&run[..]).into(),
            i64::from(self.seen.step).into(),
        ];
        session.run(REMOVE, &args).await.map(drop)
    }
}

struct Erase(Vec<Str>);

const ERASE: &str = "DELETE FROM idempotency WHERE tenant = $1 AND state <> 'running'";

impl Task for Erase {
    type Out = u64;

    async fn run(&self, session: &mut Session<'_>) -> Result<u64, Failure> {
        let mut erased = 0;
        for tenant in &self.0 {
            erased += session.run(ERASE, &[(&tenant[..]).into()]).await?;
        }
        Ok(erased)
    }
}

struct Sweep {
    now: i64,
    max: i64,
}

impl Task for Sweep {
    type Out = usize;

    async fn run(&self, session: &mut Session<'_>) -> Result<usize, Failure> {
        let text = format!(
            "DELETE FROM idempotency WHERE (tenant, name) IN (SELECT tenant, name \
             FROM idempotency WHERE expires <= $1 ORDER BY expires, tenant, name LIMIT $2{})",
            session.taking()
        );
        let swept = session.run(text, &[self.now.into(), self.max.into()]).await?;
        Ok(usize::try_from(swept).unwrap_or(usize::MAX))
    }
}

impl IdempotencyStore for SqlSlots {
    fn read<'a>(&'a self, slot: &'a Slot) -> Stored<'a, Option<Record>> {
        Box::pin(async move {
            let (tenant, name) = (slot.tenant.0.to_string(), slot.key.as_str().to_owned());
            let Some(found) = self.database.read(Read { tenant, name }).await? else {
                return Ok(None);
            };
            let mut record = found.record;
            if let (State::Done(answer), Some(sealed)) = (&mut record.state, found.body) {
                let row = row_name(slot, record.run);
                let body = self.chest.open(&place(&row, record.step), sealed.into())?;
                answer.body = Kept::Body(body);
            }
            Ok(Some(record))
        })
    }

    fn write<'a>(&'a self, slot: &'a Slot, seen: Option<Seen>, next: &'a Record) -> Stored<'a, ()> {
        Box::pin(async move {
            let next = Columns::new(&self.chest, slot, next)?;
            self.database.write(Write { seen, next }).await
        })
    }

    fn remove<'a>(&'a self, slot: &'a Slot, seen: Seen) -> Stored<'a, ()> {
        let (tenant, name) = (slot.tenant.0.to_string(), slot.key.as_str().to_owned());
        Box::pin(self.database.write(Remove { tenant, name, seen }))
    }

    fn sweep(&self, now: Timestamp, max: usize) -> Stored<'_, usize> {
        let max = i64::try_from(max.min(SWEEP_MAX)).unwrap_or_default();
        Box::pin(self.database.write(Sweep { now: now.as_microsecond(), max }))
    }
}
