//! Templates and their versions.

use bytes::Bytes;
use jiff::Timestamp;
use llm_store::deposits::Owner;
use llm_store::sql::{Failure, Record, Session, Task};

use super::{close, count, id_of, odd, open, place, whose};
use crate::ground::NotDone;
use crate::people::Person;
use crate::prompts::Prompts;
use crate::prompts::holders::Access;
use crate::prompts::predict::Tally;
use crate::prompts::templates::{Head, Template, Text, Version, blind, row};

const HEAD: &str = "prompt_template";
const TEXT: &str = "prompt_version";
const COLUMNS: &str = "SELECT id, sealed, revision, latest, made, changed FROM prompt_template";
const ADD: &str = "INSERT INTO prompt_template \
     (id, owner, name, sealed, revision, latest, made, changed) \
     VALUES ($1, $2, $3, $4, 1, 1, $5, $5) ON CONFLICT DO NOTHING";
const ADD_TEXT: &str = "INSERT INTO prompt_version \
     (template, number, owner, sealed, made, good, bad) VALUES ($1, $2, $3, $4, $5, 0, 0)";
const PUT: &str = "UPDATE prompt_template SET name = $2, sealed = $3, revision = revision + 1, \
     latest = $4, changed = $5 WHERE id = $1 AND revision = $6";
const NAMED: &str = "SELECT id FROM prompt_template WHERE owner = $1 AND name = $2";
const TEXTS: &str = "SELECT number, sealed, made, good, bad FROM prompt_version \
     WHERE template = $1 AND number < $2 ORDER BY number DESC LIMIT $3";
const DROP: &str = "DELETE FROM prompt_template WHERE id = $1";
const DROP_TEXTS: &str = "DELETE FROM prompt_version WHERE template = $1";

/// What became of a change.
pub(in crate::prompts) enum Put {
    Done(Template),
    /// The name is another one's.
    Taken,
    /// It was changed meanwhile.
    Late,
}

/// A row as it is kept.
struct Row {
    id: u128,
    sealed: Vec<u8>,
    revision: u64,
    latest: u64,
    made: Timestamp,
    changed: Timestamp,
}

fn instant(micros: i64) -> Result<Timestamp, Failure> {
    Timestamp::from_microsecond(micros).map_err(|_| odd("an instant").into())
}

fn read(record: &Record) -> Result<Row, Failure> {
    Ok(Row {
        id: id_of(record, 0)?,
        sealed: record.bytes(1)?,
        revision: count(record, 2)?,
        latest: count(record, 3)?,
        made: instant(record.int(4)?)?,
        changed: instant(record.int(5)?)?,
    })
}

impl Prompts {
    pub(in crate::prompts) async fn add_template(
        &self,
        person: &Person,
        access: Access,
        head: Head,
        text: &Text,
    ) -> Result<Option<Template>, NotDone> {
        let id = self.ground.id();
        let sealed = close(person, &place(HEAD, &row(id), 1), &head)?;
        let text = close(person, &place(TEXT, &row(id), 1), text)?;
        let (owner, name) = (person.owner().clone(), blind(person, &head.name));
        let add = Add { id, owner: owner.clone(), name, sealed, text };
        let Some(made) = self.ground.database.write(add).await? else { return Ok(None) };
        Ok(Some(Template { id, access, head, latest: 1, made, changed: made, revision: 1, owner }))
    }

    pub(in crate::prompts) async fn list_templates(
        &self,
        access: Access,
        owner: &Owner,
        before: Option<u128>,
        limit: usize,
    ) -> Result<Vec<Template>, NotDone> {
        let wanted = Wanted::Before(before.unwrap_or(u128::MAX), limit);
        let rows = self.ground.database.read(Find { owner: owner.clone(), wanted }).await?;
        self.opened(access, owner, rows).await
    }

    pub(in crate::prompts) async fn template_of_id(
        &self,
        access: Access,
        owner: &Owner,
        id: u128,
    ) -> Result<Option<Template>, NotDone> {
        let find = Find { owner: owner.clone(), wanted: Wanted::Id(id) };
        let rows = self.ground.database.read(find).await?;
        Ok(self.opened(access, owner, rows).await?.pop())
    }

    pub(in crate::prompts) async fn template_of_name(
        &self,
        access: Access,
        owner: &Owner,
        name: &str,
    ) -> Result<Option<Template>, NotDone> {
        // Nobody becomes known by being looked at.
        let Some(person) = self.ground.people.find(owner).await? else { return Ok(None) };
        let find = Find { owner: owner.clone(), wanted: Wanted::Name(blind(&person, name)) };
        let rows = self.ground.database.read(find).await?;
        Ok(self.opened(access, owner, rows).await?.pop())
    }

    async fn opened(
        &self,
        access: Access,
        owner: &Owner,
        rows: Vec<Row>,
    ) -> Result<Vec<Template>, NotDone> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let person = self.ground.people.of(owner).await?;
        let open = |found: Row| {
            let Row { id, sealed, revision, latest, made, changed } = found;
            let head = open(&person, &place(HEAD, &row(id), revision), sealed)?;
            Ok(Template { id, access, head, latest, made, changed, revision, owner: owner.clone() })
        };
        rows.into_iter().map(open).collect()
    }

    pub(in crate::prompts) async fn put_template(
        &self,
        person: &Person,
        known: &Template,
        head: Head,
        text: Option<&Text>,
    ) -> Result<Put, NotDone> {
        let latest = known.latest + u64::from(text.is_some());
        let (id, revision) = (known.id, known.revision + 1);
        let sealed = close(person, &place(HEAD, &row(id), revision), &head)?;
        let text = text.map(|text| close(person, &place(TEXT, &row(id), latest), text));
        let put = Change {
            id,
            owner: known.owner.clone(),
            name: blind(person, &head.name),
            sealed,
            text: text.transpose()?,
            latest,
            known: known.revision,
        };
        Ok(match self.ground.database.write(put).await? {
            Became::Done(changed) => {
                Put::Done(Template { head, latest, changed, revision, ..known.clone() })
            }
            Became::Taken => Put::Taken,
            Became::Late => Put::Late,
        })
    }

    pub(in crate::prompts) async fn version_numbered(
        &self,
        of: &Template,
        number: u64,
    ) -> Result<Option<Version>, NotDone> {
        let next = self.list_versions(of, number.saturating_add(1), 1).await?.pop();
        Ok(next.filter(|version| version.number == number))
    }

    pub(in crate::prompts) async fn list_versions(
        &self,
        of: &Template,
        before: u64,
        limit: usize,
    ) -> Result<Vec<Version>, NotDone> {
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        let found = self.ground.database.read(Texts { id: of.id, before, limit }).await?;
        let person = self.ground.people.of(&of.owner).await?;
        let open = |(number, sealed, made, voices)| {
            let text = open(&person, &place(TEXT, &row(of.id), number), sealed)?;
            Ok(Version { number, text, made, voices })
        };
        found.into_iter().map(open).collect()
    }

    pub(in crate::prompts) async fn remove_template(
        &self,
        known: &Template,
    ) -> Result<bool, NotDone> {
        Ok(self.ground.database.write(Remove(known.id)).await?)
    }
}

struct Add {
    id: u128,
    owner: Owner,
    name: i64,
    sealed: Bytes,
    text: Bytes,
}

impl Task for Add {
    type Out = Option<Timestamp>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let (id, now) = (self.id.to_be_bytes(), session.now());
        let (id, owner) = (id.as_slice(), whose(&self.owner));
        let args = [id.into(), owner, self.name.into(), (&self.sealed[..]).into(), now.into()];
        if session.run(ADD, &args).await? == 0 {
            return Ok(None);
        }
        let args = [id.into(), 1_i64.into(), owner, (&self.text[..]).into(), now.into()];
        session.run(ADD_TEXT, &args).await?;
        instant(now).map(Some)
    }
}

enum Wanted {
    Id(u128),
    Name(i64),
    Before(u128, usize),
}

struct Find {
    owner: Owner,
    wanted: Wanted,
}

impl Task for Find {
    type Out = Vec<Row>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let owner = whose(&self.owner);
        let rows = match &self.wanted {
            Wanted::Id(id) => {
                let (text, id) =
                    (format!("{COLUMNS} WHERE owner = $1 AND id = $2"), id.to_be_bytes());
                session.all(text, &[owner, id.as_slice().into()]).await?
            }
            Wanted::Name(name) => {
                let text = format!("{COLUMNS} WHERE owner = $1 AND name = $2");
                session.all(text, &[owner, (*name).into()]).await?
            }
            Wanted::Before(id, limit) => {
                let text =
                    format!("{COLUMNS} WHERE owner = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
                let (id, limit) = (id.to_be_bytes(), i64::try_from(*limit).unwrap_or(i64::MAX));
                session.all(text, &[owner, id.as_slice().into(), limit.into()]).await?
            }
        };
        rows.iter().map(read).collect()
    }
}

struct Change {
    id: u128,
    owner: Owner,
    name: i64,
    sealed: Bytes,
    text: Option<Bytes>,
    latest: u64,
    known: u64,
}

enum Became {
    Done(Timestamp),
    Taken,
    Late,
}

impl Task for Change {
    type Out = Became;

    async fn run(&self, session: &mut Session<'_>) -> Result<Became, Failure> {
        let (id, now, owner) = (self.id.to_be_bytes(), session.now(), whose(&self.owner));
        let named = format!("{NAMED}{}", session.locking());
        if let Some(other) = session.one(named, &[owner, self.name.into()]).await?
            && id_of(&other, 0)? != self.id
        {
            return Ok(Became::Taken);
        }
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let (id, latest) = (id.as_slice(), number(self.latest));
        let args = [
            id.into(),
            self.name.into(),
            (&self.sealed[..]).into(),
            latest.into(),
            now.into(),
            number(self.known).into(),
        ];
        if session.run(PUT, &args).await? == 0 {
            return Ok(Became::Late);
        }
        if let Some(text) = &self.text {
            let args = [id.into(), latest.into(), owner, (&text[..]).into(), now.into()];
            session.run(ADD_TEXT, &args).await?;
        }
        instant(now).map(Became::Done)
    }
}

struct Texts {
    id: u128,
    before: i64,
    limit: usize,
}

impl Task for Texts {
    type Out = Vec<(u64, Vec<u8>, Timestamp, Tally)>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let (id, limit) = (self.id.to_be_bytes(), i64::try_from(self.limit).unwrap_or(i64::MAX));
        let args = [id.as_slice().into(), self.before.into(), limit.into()];
        let one = |row: &Record| {
            let voices = Tally { good: count(row, 3)?, bad: count(row, 4)? };
            Ok((count(row, 0)?, row.bytes(1)?, instant(row.int(2)?)?, voices))
        };
        session.all(TEXTS, &args).await?.iter().map(one).collect()
    }
}

struct Remove(u128);

impl Task for Remove {
    type Out = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, Failure> {
        let id = self.0.to_be_bytes();
        session.run(DROP_TEXTS, &[id.as_slice().into()]).await?;
        Ok(session.run(DROP, &[id.as_slice().into()]).await? > 0)
    }
}
