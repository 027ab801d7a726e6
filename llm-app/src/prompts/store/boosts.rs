//! Prompts that were rewritten, for whoever says later how they did.

use bytes::Bytes;
use llm_store::deposits::Owner;
use llm_store::sql::{Failure, Session, Task};
use serde::Serialize;

use super::{close, named, place, whose};
use crate::ground::NotDone;
use crate::people::Person;
use crate::prompts::Prompts;
use crate::prompts::boost::{Boosted, Done};
use crate::prompts::predict::Band;

const ADD: &str = "INSERT INTO prompt_boost (id, owner, class, band, sealed, made) \
     VALUES ($1, $2, $3, $4, $5, $6)";
const TABLE: &str = "prompt_boost";

#[derive(Serialize)]
struct Kept<'a> {
    prompt: &'a str,
    boosted: &'a Boosted,
}

impl Prompts {
    /// Keeps what was written of what, and says how to name it.
    pub(in crate::prompts) async fn keep_boost(
        &self,
        person: &Person,
        prompt: &str,
        done: &Done,
    ) -> Result<u128, NotDone> {
        let id = self.ground.id();
        let kept = Kept { prompt, boosted: &done.boosted };
        let sealed = close(person, &place(TABLE, &named(id), 0), &kept)?;
        let class = done.before.intent.class.word();
        let band = Band::of(done.before.scored.whole);
        let owner = person.owner().clone();
        self.ground.database.write(Add { id, owner, class, band, sealed }).await?;
        Ok(id)
    }
}

struct Add {
    id: u128,
    owner: Owner,
    class: &'static str,
    band: Band,
    sealed: Bytes,
}

impl Task for Add {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let (id, now) = (self.id.to_be_bytes(), session.now());
        let band = i64::from(self.band.number());
        let args = [
            id.as_slice().into(),
            whose(&self.owner),
            self.class.into(),
            band.into(),
            (&self.sealed[..]).into(),
            now.into(),
        ];
        session.run(ADD, &args).await?;
        Ok(())
    }
}
