//! Prompts that were rewritten, for whoever says later how they did.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use llm_core::principal::Grant;
use llm_core::store::StoreError;
use llm_store::deposits::Owner;
use llm_store::sql::{Failure, Record, Session, Task};
use serde::{Deserialize, Serialize};

use super::{close, id_of, named, odd, open, place, whose};
use crate::ground::NotDone;
use crate::people::Person;
use crate::prompts::Prompts;
use crate::prompts::boost::{Boosted, Done};
use crate::prompts::predict::Band;

const ADD: &str = "INSERT INTO prompt_boost (id, owner, class, band, sealed, made) \
     VALUES ($1, $2, $3, $4, $5, $6)";
const ALL: &str = "SELECT id, sealed, made FROM prompt_boost WHERE owner = $1 AND id < $2 \
     ORDER BY id DESC LIMIT $3";
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

#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    prompt: Cow<'a, str>,
    boosted: Cow<'a, Boosted>,
}

/// A prompt that was rewritten, as it is kept.
#[derive(Clone, Debug)]
pub struct Boost {
    /// Its id: what feedback names.
    pub id: u128,
    /// What it was.
    pub prompt: String,
    /// What was written of it.
    pub boosted: Boosted,
    /// When.
    pub made: Timestamp,
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
        let kept = Kept { prompt: Cow::Borrowed(prompt), boosted: Cow::Borrowed(&done.boosted) };
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
    pub(in crate::prompts) async fn list_boosts(
        &self,
        person: &Person,
        before: u128,
        most: usize,
    ) -> Result<Vec<Boost>, NotDone> {
        let all = All { owner: person.owner().clone(), before, most };
        let rows = self.ground.database.read(all).await?;
        let opened = rows.into_iter().map(|(id, sealed, made)| {
            let kept: Kept<'static> = open(person, &place(TABLE, &named(id), 0), sealed)?;
            let Kept { prompt, boosted } = kept;
            Ok(Boost { id, prompt: prompt.into_owned(), boosted: boosted.into_owned(), made })
        });
        opened.collect()
    }

    /// Prompts that somebody had rewritten, the newest first.
    pub async fn boosts(
        &self,
        grant: &Arc<Grant>,
        before: Option<u128>,
        limit: usize,
    ) -> Result<Vec<Boost>, NotDone> {
        let person = self.ground.person(grant).await?;
        self.list_boosts(&person, before.unwrap_or(u128::MAX), limit).await
    }

    /// Deletes everything of somebody: how many rows those were.
    pub(in crate::prompts) async fn remove_all(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.ground.database.write(Forget(owner.clone())).await
    }
}

struct All {
    owner: Owner,
    before: u128,
    most: usize,
}

impl Task for All {
    type Out = Vec<(u128, Vec<u8>, Timestamp)>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let most = i64::try_from(self.most).unwrap_or(i64::MAX);
        let before = self.before.to_be_bytes();
        let args = [whose(&self.owner), (&before[..]).into(), most.into()];
        let rows = session.all(ALL, &args).await?;
        let row = |row: &Record| {
            let made = Timestamp::from_microsecond(row.int(2)?).map_err(|_| odd("made"))?;
            Ok((id_of(row, 0)?, row.bytes(1)?, made))
        };
        rows.iter().map(row).collect()
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
