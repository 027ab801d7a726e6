//! Prompts that were rewritten, for whoever says later how they did.

use bytes::Bytes;
use llm_core::store::StoreError;
use llm_store::deposits::Owner;
use llm_store::sql::{Failure, Session, Task};
use serde::Serialize;
use serde_json::Value;

use super::{close, id_of, named, open, place, whose};
use crate::ground::NotDone;
use crate::people::Person;
use crate::prompts::Prompts;
use crate::prompts::boost::{Boosted, Done};
use crate::prompts::predict::Band;

const ADD: &str = "INSERT INTO prompt_boost (id, owner, class, band, sealed, made) \
     VALUES ($1, $2, $3, $4, $5, $6)";
const ALL: &str = "SELECT id, sealed FROM prompt_boost WHERE owner = $1 ORDER BY id DESC LIMIT $2";
const TABLE: &str = "prompt_boost";
/// Everything that has an owner; what is in it goes first.
const TABLES: [&str; 8] = [
    "prompt_trial",
    "prompt_look",
    "prompt_arm",
    "prompt_experiment",
    "prompt_version",
    "prompt_template",
    "prompt_feedback",
    TABLE,
];

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

impl Prompts {
    /// What was written of what, the newest first.
    pub(in crate::prompts) async fn boosts(
        &self,
        person: &Person,
        most: usize,
    ) -> Result<Vec<Value>, NotDone> {
        let rows = self.ground.database.read(All { owner: person.owner().clone(), most }).await?;
        let opened =
            rows.into_iter().map(|(row, sealed)| open(person, &place(TABLE, &row, 0), sealed));
        Ok(opened.collect::<Result<_, _>>()?)
    }

    /// Deletes everything of somebody: how many rows those were.
    pub(in crate::prompts) async fn remove_all(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.ground.database.write(Forget(owner.clone())).await
    }
}

struct All {
    owner: Owner,
    most: usize,
}

impl Task for All {
    type Out = Vec<(String, Vec<u8>)>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let most = i64::try_from(self.most).unwrap_or(i64::MAX);
        let rows = session.all(ALL, &[whose(&self.owner), most.into()]).await?;
        rows.iter().map(|row| Ok((named(id_of(row, 0)?), row.bytes(1)?))).collect()
    }
}

struct Forget(Owner);

impl Task for Forget {
    type Out = u64;

    async fn run(&self, session: &mut Session<'_>) -> Result<u64, Failure> {
        let mut rows = 0;
        for table in TABLES {
            let text = format!("DELETE FROM {table} WHERE owner = $1");
            rows += session.run(text, &[whose(&self.0)]).await?;
        }
        Ok(rows)
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
