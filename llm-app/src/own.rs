//! What durable work keeps of a person, sealed under their own key beside that of the store.
//!
//! The queue knows nothing of people: what it is given to keep is bytes. Here they are closed on the
//! way in and opened on the way out, each at the place where it belongs, so that who is forgotten
//! leaves nothing behind that can be read, in no copy of the database either. What an artefact is
//! says whether it is sealed, since there are kinds of work whose results are nobody's words.

use bytes::Bytes;
use llm_core::Str;
use llm_core::store::StoreError;
use llm_store::jobs::runner::{Run, Trouble};
use llm_store::jobs::{JobId, NotDone};
use llm_store::seal::Place;

use crate::people::Person;

/// Stands before what an artefact is that is sealed.
const SEALED: &str = "sealed:";
/// The longest artefact of this kind: what a part has room for, without its two seals.
pub const OWN_BYTES_MAX: usize = llm_store::jobs::PART_MAX - 4_096;

/// A run, and whose things it keeps.
#[derive(Clone, Copy, Debug)]
pub struct Own<'r> {
    run: &'r Run,
    person: &'r Person,
}

impl<'r> Own<'r> {
    /// What a run keeps of somebody.
    pub fn new(run: &'r Run, person: &'r Person) -> Self {
        Self { run, person }
    }

    /// What a step has come to, in this attempt or an earlier one.
    pub async fn kept(&self, step: impl Into<Str>) -> Result<Option<Bytes>, Trouble> {
        let step = step.into();
        let Some(sealed) = self.run.kept(step.clone()).await? else { return Ok(None) };
        let opened = at(self.run.job().id, "step", &step, |place| self.person.open(place, sealed));
        Ok(Some(opened.map_err(NotDone::Store)?))
    }

    /// Keeps what a step has come to.
    pub async fn checkpoint(&self, step: impl Into<Str>, body: &[u8]) -> Result<(), Trouble> {
        let step = step.into();
        let sealed = self.closed("step", &step, body)?;
        Ok(self.run.checkpoint(step, sealed).await?)
    }

    /// Writes what came of the job.
    pub async fn attach(&self, name: &str, media: &str, body: &[u8]) -> Result<(), Trouble> {
        let sealed = self.closed("artefact", name, body)?;
        Ok(self.run.attach(name.to_owned(), format!("{SEALED}{media}"), sealed).await?)
    }

    fn closed(&self, role: &'static str, name: &str, body: &[u8]) -> Result<Bytes, Trouble> {
        if body.len() > OWN_BYTES_MAX {
            return Err(NotDone::TooMuch { what: "bytes of a result", max: OWN_BYTES_MAX }.into());
        }
        let closed = at(self.run.job().id, role, name, |place| self.person.close(place, body));
        Ok(closed.map_err(NotDone::Store)?)
    }
}

/// What an artefact is, in its own words.
pub fn media(media: &str) -> &str {
    media.strip_prefix(SEALED).unwrap_or(media)
}

/// Whether it opens for its person alone.
pub fn is_sealed(media: &str) -> bool {
    media.starts_with(SEALED)
}

/// An artefact as its person has it.
pub fn artefact(
    person: &Person,
    id: JobId,
    name: &str,
    sealed: Bytes,
) -> Result<Bytes, StoreError> {
    at(id, "artefact", name, |place| person.open(place, sealed))
}

fn at<T>(id: JobId, column: &'static str, name: &str, run: impl FnOnce(&Place<'_>) -> T) -> T {
    let row = format!("{id}/{name}");
    run(&Place { table: "job", column, row: &row, version: 0 })
}
