//! How a job comes into being: once, however often it is asked for.

use blake3::Hasher;

use super::event::What;
use super::job::{Draft, JobId, Made, NotDone};
use super::life::News;
use super::part::{Part, Role, put};
use super::rows::{blob, class_of, job_id, tell};
use crate::sql::database::{Record, Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::micros_of;

/// Another way to make prints is another version.
const PRINT: &str = "llm-store 2026-11 what a job was asked";

const MAKE: &str = "INSERT INTO job (id, tenant, person, virtual_key, kind, class, once, print, \
     created, state, attempts, attempts_max, due, fence, ticket, asked, percent, keep, unit, hold, \
     settled, events) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', 0, $10, $11, 0, 0, 0, 0, $12, $13, \
     $14, $15, 1) ON CONFLICT DO NOTHING";
const BY_NAME: &str = "SELECT id, print FROM job WHERE tenant = $1 AND once = $2";
const BY_ID: &str = "SELECT id, print FROM job WHERE id = $1";

pub(super) struct Create {
    pub(super) id: JobId,
    pub(super) draft: Draft,
    pub(super) print: [u8; 32],
    pub(super) input: Part,
}

/// What was asked, as 32 bytes: a second try must ask for the same.
pub(super) fn print(draft: &Draft) -> [u8; 32] {
    let mut hash = Hasher::new_derive_key(PRINT);
    let user = draft.user.as_ref().map_or("", |user| &user.0);
    for word in [user.as_bytes(), draft.kind.as_bytes(), &draft.input] {
        hash.update(&(word.len() as u64).to_le_bytes()).update(word);
    }
    hash.finalize().into()
}

impl Create {
    fn known(&self, record: &Record) -> Result<Result<Made, NotDone>, Failure> {
        let id = job_id(record, 0)?;
        Ok(if record.bytes(1)? == self.print {
            // It may be our own, where nobody knew whether it was written.
            Ok(Made { id, new: id == self.id })
        } else {
            Err(NotDone::Reused)
        })
    }

    async fn make(&self, session: &mut Session<'_>) -> Result<bool, Failure> {
        let (draft, now) = (&self.draft, session.now());
        let (id, unit) = (self.id.0.to_be_bytes(), draft.payment.as_ref().map(|p| &p.unit[..]));
        let hold = draft.payment.as_ref().map(|payment| payment.hold.0.to_be_bytes());
        let args = [
            blob(&id),
            (&draft.tenant.0[..]).into(),
            draft.user.as_ref().map(|user| &user.0[..]).into(),
            draft.key.as_ref().map(|key| &key.0[..]).into(),
            (&draft.kind[..]).into(),
            class_of(draft.priority).into(),
            draft.once.as_deref().into(),
            blob(&self.print),
            now.into(),
            i64::from(draft.attempts_max).into(),
            now.saturating_add(micros_of(draft.after)).into(),
            micros_of(draft.retention.span()).into(),
            unit.into(),
            hold.as_ref().map(|hold| &hold[..]).into(),
            i64::from(draft.payment.is_none()).into(),
        ];
        Ok(session.run(MAKE, &args).await? == 1)
    }
}

impl Task for Create {
    type Out = Result<Made, NotDone>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        // Most jobs are asked for once: write first, and look only where somebody was there.
        if !self.make(session).await? {
            let id = self.id.0.to_be_bytes();
            let mut found = session.one(BY_ID, &[blob(&id)]).await?;
            if let (None, Some(once)) = (&found, &self.draft.once) {
                let args = [(&self.draft.tenant.0[..]).into(), (&once[..]).into()];
                found = session.one(BY_NAME, &args).await?;
            }
            return match &found {
                Some(record) => self.known(record),
                None => Ok(Err(NotDone::Lost)),
            };
        }
        put(session, self.id, Role::Input, &self.input).await?;
        let what = What::Created;
        let first = News { number: 1, what, percent: 0, attempt: 0, step: None, note: None };
        tell(session, self.id, &[first]).await?;
        Ok(Ok(Made { id: self.id, new: true }))
    }
}
