//! What people have said.

use bytes::Bytes;
use jiff::Timestamp;
use llm_store::deposits::Owner;
use llm_store::sql::{Failure, Record, Session, Task};

use super::{id_of, named, odd, place, voices, whose};
use crate::ground::NotDone;
use crate::people::Person;
use crate::prompts::Prompts;
use crate::prompts::feedback::{About, Said, Voice};

const TABLE: &str = "prompt_feedback";
const KNOWN: &str = "SELECT id, thumb, score FROM prompt_feedback \
     WHERE owner = $1 AND about = $2 AND object = $3";
const DROP: &str = "DELETE FROM prompt_feedback WHERE id = $1";
const ADD: &str = "INSERT INTO prompt_feedback \
     (id, owner, about, object, thumb, score, sealed, made) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const LIST: &str = "SELECT id, about, object, thumb, score, sealed, made FROM prompt_feedback \
     WHERE owner = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
const BOOST: &str = "SELECT class, band FROM prompt_boost WHERE id = $1 AND owner = $2";
const VERSION: &str = "UPDATE prompt_version SET good = good + $3, bad = bad + $4 \
     WHERE template = $1 AND number = $2";

/// What counts a voice.
#[derive(Clone, Copy, Debug)]
pub(in crate::prompts) enum Target {
    /// Nothing here.
    Nothing,
    /// Prompts of the class and score of this one.
    Boost(u128),
    /// A version of a template.
    Version(u128, u64),
}

impl Prompts {
    pub(in crate::prompts) async fn keep_voice(
        &self,
        person: &Person,
        (about, object): (About, &str),
        target: Target,
        said: Said,
    ) -> Result<Voice, NotDone> {
        let id = self.ground.id();
        let close = |text: &String| person.close(&place(TABLE, &named(id), 0), text.as_bytes());
        let sealed = said.comment.as_ref().map(close).transpose()?;
        let (owner, object) = (person.owner().clone(), object.to_owned());
        let add =
            Add { id, owner, about, object: object.clone(), target, said: said.clone(), sealed };
        let made = self.ground.database.write(add).await?.ok_or(NotDone::Unknown("boost"))?;
        Ok(Voice { id, about, object, said, made })
    }

    pub(in crate::prompts) async fn list_voices(
        &self,
        person: &Person,
        before: u128,
        limit: usize,
    ) -> Result<Vec<Voice>, NotDone> {
        let list = List { owner: person.owner().clone(), before, limit };
        let rows = self.ground.database.read(list).await?;
        let open = |(mut voice, sealed): (Voice, Option<Vec<u8>>)| {
            if let Some(sealed) = sealed {
                let comment = person.open(&place(TABLE, &named(voice.id), 0), sealed.into())?;
                let comment = String::from_utf8(comment.into()).map_err(|_| odd("a comment"))?;
                voice.said.comment = Some(comment);
            }
            Ok(voice)
        };
        rows.into_iter().map(open).collect()
    }
}

struct Add {
    id: u128,
    owner: Owner,
    about: About,
    object: String,
    target: Target,
    said: Said,
    sealed: Option<Bytes>,
}

/// What a row says, but for the comment.
fn said(row: &Record, thumb: usize, score: usize) -> Result<Said, Failure> {
    let score = row.maybe_int(score)?.map(u8::try_from).transpose().map_err(|_| odd("a score"))?;
    Ok(Said { thumb: row.maybe_int(thumb)?.map(|thumb| thumb != 0), score, comment: None })
}

impl Task for Add {
    type Out = Option<Timestamp>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let now = session.now();
        let (owner, about) = (whose(&self.owner), self.about.word().into());
        if let Target::Boost(id) = self.target {
            let id = id.to_be_bytes();
            if session.one(BOOST, &[id.as_slice().into(), owner]).await?.is_none() {
                return Ok(None);
            }
        }
        let known = [owner, about, self.object.as_str().into()];
        let text = format!("{KNOWN}{}", session.locking());
        if let Some(row) = session.one(text, &known).await? {
            let before = id_of(&row, 0)?.to_be_bytes();
            if let Some(good) = said(&row, 1, 2)?.good() {
                self.count(session, good, -1).await?;
            }
            session.run(DROP, &[before.as_slice().into()]).await?;
        }
        if let Some(good) = self.said.good() {
            self.count(session, good, 1).await?;
        }
        let id = self.id.to_be_bytes();
        let args = [
            id.as_slice().into(),
            owner,
            about,
            self.object.as_str().into(),
            self.said.thumb.map(i64::from).into(),
            self.said.score.map(i64::from).into(),
            self.sealed.as_deref().into(),
            now.into(),
        ];
        session.run(ADD, &args).await?;
        Timestamp::from_microsecond(now).map(Some).map_err(|_| odd("an instant").into())
    }
}

impl Add {
    /// One voice more where it counts, or one less.
    async fn count(&self, session: &mut Session<'_>, good: bool, by: i64) -> Result<(), Failure> {
        match self.target {
            Target::Nothing => Ok(()),
            Target::Boost(id) => {
                let id = id.to_be_bytes();
                let args = [id.as_slice().into(), whose(&self.owner)];
                let Some(row) = session.one(BOOST, &args).await? else { return Ok(()) };
                let (class, band) = (row.text(0)?, row.int(1)?);
                voices::moved(session, (&class, band), good, by).await
            }
            Target::Version(id, number) => {
                let (id, (yes, no)) = (id.to_be_bytes(), if good { (by, 0) } else { (0, by) });
                let number = i64::try_from(number).unwrap_or(i64::MAX);
                let args = [id.as_slice().into(), number.into(), yes.into(), no.into()];
                session.run(VERSION, &args).await?;
                Ok(())
            }
        }
    }
}

struct List {
    owner: Owner,
    before: u128,
    limit: usize,
}

impl Task for List {
    type Out = Vec<(Voice, Option<Vec<u8>>)>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let (before, limit) = (self.before.to_be_bytes(), i64::try_from(self.limit));
        let limit = limit.unwrap_or(i64::MAX).into();
        let args = [whose(&self.owner), before.as_slice().into(), limit];
        let mut found = Vec::new();
        for row in session.all(LIST, &args).await? {
            let about = About::named(&row.text(1)?).ok_or_else(|| odd("what a voice is about"))?;
            let made = Timestamp::from_microsecond(row.int(6)?).map_err(|_| odd("an instant"))?;
            let (id, object, said) = (id_of(&row, 0)?, row.text(2)?, said(&row, 3, 4)?);
            found.push((Voice { id, about, object, said, made }, row.maybe_bytes(5)?));
        }
        Ok(found)
    }
}
