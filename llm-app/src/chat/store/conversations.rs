//! Conversations themselves.

use bytes::Bytes;
use llm_store::deposits::Owner;
use llm_store::sql::{Arg, Failure, Session, Task};

use super::{CONVERSATION, Kept};
use crate::id::Id;

/// What has run out is gone, whether it was swept or not.
pub(super) const LIVES: &str = "(expires IS NULL OR expires > $1)";

const ADD: &str = "INSERT INTO conversation (owner, id, created, touched, expires, said, title) \
     VALUES ($1, $2, $3, $3, $4, $5, $6)";
const COUNT: &str = "SELECT count(*) FROM (SELECT 1 FROM conversation WHERE owner = $1 LIMIT $2) c";

/// A new one; `false` when somebody has as many as there may be.
pub(in crate::chat) struct Create {
    pub(in crate::chat) owner: Owner,
    pub(in crate::chat) id: Id,
    pub(in crate::chat) said: Bytes,
    pub(in crate::chat) title: Option<Bytes>,
    /// After so many microseconds.
    pub(in crate::chat) keep: Option<i64>,
    pub(in crate::chat) most: i64,
}

impl Task for Create {
    type Out = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, Failure> {
        let owner = self.owner.as_str();
        let count = session.one(COUNT, &[owner.into(), self.most.into()]).await?;
        if count.map_or(Ok(0), |row| row.int(0))? >= self.most {
            return Ok(false);
        }
        let (now, id) = (session.now(), self.id.bytes());
        let args = [
            owner.into(),
            (&id[..]).into(),
            now.into(),
            self.keep.map(|keep| now.saturating_add(keep)).into(),
            (&self.said[..]).into(),
            self.title.as_deref().into(),
        ];
        session.run(ADD, &args).await?;
        Ok(true)
    }
}

/// One of somebody's.
pub(in crate::chat) struct Find {
    pub(in crate::chat) owner: Owner,
    pub(in crate::chat) id: Id,
}

impl Task for Find {
    type Out = Option<Kept>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let text = format!(
            "SELECT {CONVERSATION} FROM conversation WHERE {LIVES} AND owner = $2 AND id = $3"
        );
        let (now, id) = (session.now(), self.id.bytes());
        let args = [now.into(), self.owner.as_str().into(), (&id[..]).into()];
        session.one(text, &args).await?.as_ref().map(Kept::read).transpose()
    }
}

/// Some of somebody's, those first in which something was said last.
pub(in crate::chat) struct List {
    pub(in crate::chat) owner: Owner,
    /// Behind the one that was touched at that instant.
    pub(in crate::chat) before: Option<(i64, Id)>,
    pub(in crate::chat) most: usize,
}

impl List {
    pub(super) fn text() -> String {
        format!(
            "SELECT {CONVERSATION} FROM conversation WHERE {LIVES} AND owner = $2 \
             AND (touched, id) < ($3, $4) ORDER BY touched DESC, id DESC LIMIT $5"
        )
    }
}

impl Task for List {
    type Out = Vec<Kept>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let (touched, id) = self.before.unwrap_or((i64::MAX, Id(u128::MAX)));
        let id = id.bytes();
        let args = [
            session.now().into(),
            self.owner.as_str().into(),
            touched.into(),
            (&id[..]).into(),
            i64::try_from(self.most).unwrap_or(i64::MAX).into(),
        ];
        session.all(Self::text(), &args).await?.iter().map(Kept::read).collect()
    }
}

/// Other words for one of them; what is not said stays.
pub(in crate::chat) struct Change {
    pub(in crate::chat) owner: Owner,
    pub(in crate::chat) id: Id,
    pub(in crate::chat) said: Option<Bytes>,
    pub(in crate::chat) title: Option<Option<Bytes>>,
    /// After so many microseconds from now, or never.
    pub(in crate::chat) keep: Option<Option<i64>>,
    pub(in crate::chat) leaf: Option<Id>,
}

impl Task for Change {
    type Out = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, Failure> {
        let now = session.now();
        let (id, leaf) = (self.id.bytes(), self.leaf.map(Id::bytes));
        let mut sets: Vec<(&str, Arg<'_>)> = Vec::new();
        if let Some(said) = &self.said {
            sets.push(("said", (&said[..]).into()));
        }
        if let Some(title) = &self.title {
            sets.push(("title", title.as_deref().into()));
        }
        if let Some(keep) = self.keep {
            sets.push(("expires", keep.map(|keep| now.saturating_add(keep)).into()));
        }
        if let Some(leaf) = &leaf {
            sets.push(("leaf", (&leaf[..]).into()));
        }
        let mut args: Vec<Arg<'_>> = vec![now.into(), self.owner.as_str().into(), (&id[..]).into()];
        let mut words = Vec::with_capacity(sets.len());
        for (column, arg) in sets {
            args.push(arg);
            words.push(format!("{column} = ${}", args.len()));
        }
        // Nothing to change: whether it is there is an answer, too.
        let words = if words.is_empty() { "leaf = leaf".to_owned() } else { words.join(", ") };
        let text =
            format!("UPDATE conversation SET {words} WHERE {LIVES} AND owner = $2 AND id = $3");
        Ok(session.run(text, &args).await? > 0)
    }
}

/// One that is gone from now on. What was said in it goes with the sweep, bit by bit: the ledger
/// writes to the same file.
pub(in crate::chat) struct Delete {
    pub(in crate::chat) owner: Owner,
    pub(in crate::chat) id: Id,
}

const DELETE: &str = "UPDATE conversation SET expires = 0, title = NULL, summary = NULL, \
     summed = NULL WHERE (expires IS NULL OR expires > $1) AND owner = $2 AND id = $3";

impl Task for Delete {
    type Out = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, Failure> {
        let (now, id) = (session.now(), self.id.bytes());
        let args = [now.into(), self.owner.as_str().into(), (&id[..]).into()];
        Ok(session.run(DELETE, &args).await? > 0)
    }
}

/// A title, where nobody has given one meanwhile.
pub(in crate::chat) struct Titled {
    pub(in crate::chat) owner: Owner,
    pub(in crate::chat) id: Id,
    pub(in crate::chat) title: Bytes,
}

const TITLED: &str = "UPDATE conversation SET title = $3 WHERE owner = $1 AND id = $2 AND title IS NULL \
     AND (expires IS NULL OR expires > $4)";

impl Task for Titled {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let (id, now) = (self.id.bytes(), session.now().into());
        let args = [self.owner.as_str().into(), (&id[..]).into(), (&self.title[..]).into(), now];
        session.run(TITLED, &args).await.map(drop)
    }
}

/// What was said up to a message, in few words.
pub(in crate::chat) struct Summed {
    pub(in crate::chat) owner: Owner,
    pub(in crate::chat) id: Id,
    pub(in crate::chat) upto: Id,
    pub(in crate::chat) summary: Bytes,
}

const SUMMED: &str = "UPDATE conversation SET summed = $3, summary = $4 WHERE owner = $1 \
     AND id = $2 AND (expires IS NULL OR expires > $5)";

impl Task for Summed {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let (id, upto) = (self.id.bytes(), self.upto.bytes());
        let args = [
            self.owner.as_str().into(),
            (&id[..]).into(),
            (&upto[..]).into(),
            (&self.summary[..]).into(),
            session.now().into(),
        ];
        session.run(SUMMED, &args).await.map(drop)
    }
}
