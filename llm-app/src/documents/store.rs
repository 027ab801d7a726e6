//! Documents and passages in the database. Names and texts are sealed for their person at their own
//! rows; what is not sealed are sizes, and numbers that only the person's key makes.

mod rows;
mod vectors;
mod view;

use bytes::Bytes;
use llm_core::Str;
use llm_core::store::StoreError;
use llm_store::seal::Place;
use llm_store::sql::{Arg, Database, Failure, Session, Task};
use serde::{Deserialize, Serialize};

use super::chunk::Passage;
use super::read::Media;
use super::{Document, rank};
use crate::people::Person;
use crate::terms::terms;

pub(super) use rows::{Entry, Found, Shelved};
pub(super) use vectors::{Bare, KeepVectors, Vectorless, vector_place};
pub(super) use view::{Bodies, Get, List, Look, Printed, Scope, Sizes};

/// Passages of a transaction: the file's only writer is held for a few milliseconds.
pub(super) const AT_ONCE: usize = 64;

const BEGIN: &str = "INSERT INTO document (owner, id, collection, print, sealed, size, pages, \
     passages, model, whole, born) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, 0, $9)";
const WRITE: &str = "INSERT INTO passage (owner, document, seq, page, print, lead, terms, length, \
     sealed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const WHOLE: &str = "UPDATE document SET whole = 1 WHERE owner = $1 AND id = $2";
const EMBEDDED: &str = "UPDATE document SET model = $3 WHERE owner = $1 AND id = $2";
const HIDE: &str = "UPDATE document SET whole = 0 WHERE owner = $1 AND id = $2 AND whole = 1";
/// Vectors that no other passage needs.
const LONE: &str = "DELETE FROM passage_vector WHERE owner = $1 AND print IN (SELECT print \
     FROM passage WHERE owner = $1 AND document = $2 AND seq < $3) AND NOT EXISTS (SELECT 1 \
     FROM passage o WHERE o.owner = $1 AND o.print = passage_vector.print \
     AND (o.document <> $2 OR o.seq >= $3))";
const TEAR: &str = "DELETE FROM passage WHERE owner = $1 AND document = $2 AND seq < $3";
const LEFT: &str = "SELECT 1 FROM passage WHERE owner = $1 AND document = $2 LIMIT 1";
const FORGET: &str = "DELETE FROM document WHERE owner = $1 AND id = $2";
const ERASE: [&str; 5] = [
    "DELETE FROM passage_vector WHERE owner = $1",
    "DELETE FROM passage WHERE owner = $1",
    "DELETE FROM document WHERE owner = $1",
    "DELETE FROM analysis_part WHERE owner = $1",
    "DELETE FROM analysis WHERE owner = $1",
];

/// What is sealed of a document beside its texts.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Head {
    pub(super) name: Str,
    pub(super) media: Str,
    pub(super) collection: Option<Str>,
}

/// A document in the making.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) owner: Str,
    pub(super) document: Document,
    pub(super) collection: Option<i64>,
    pub(super) print: i64,
    pub(super) sealed: Bytes,
}

impl Begin {
    /// With its head sealed.
    pub(super) fn of(person: &Person, document: &Document, print: i64) -> Result<Self, StoreError> {
        let head = Head {
            name: document.name.clone(),
            media: Str::from_static(document.media.as_str()),
            collection: document.collection.clone(),
        };
        let head = serde_json::to_vec(&head).unwrap_or_default();
        let sealed = person.close(&head_place(&document.id), &head)?;
        let collection = document.collection.as_deref().map(|name| collection(person, name));
        let owner = Str::from(person.owner().as_str());
        Ok(Self { owner, document: document.clone(), collection, print, sealed })
    }
}

/// The number of a collection's name.
pub(super) fn collection(person: &Person, name: &str) -> i64 {
    // A word of its own in front, so that it is not the number of a term.
    person.blind(&format!("collection\0{name}"))
}

/// The number of a text.
pub(super) fn print(person: &Person, what: &str, text: &[u8]) -> i64 {
    person.blind(&format!("{what}\0{}", blake3::hash(text).to_hex()))
}

fn head_place(id: &str) -> Place<'_> {
    Place { table: "document", column: "sealed", row: id, version: 0 }
}

/// What a passage's row is called.
fn row(document: &str, seq: i64) -> String {
    format!("{document}/{seq}")
}

fn passage_place(row: &str) -> Place<'_> {
    Place { table: "passage", column: "sealed", row, version: 0 }
}

/// The head of a document, opened.
pub(super) fn opened(person: &Person, entry: Entry) -> Result<Document, StoreError> {
    let odd = || StoreError::Corrupt("the head of a document".into());
    let head = person.open(&head_place(&entry.id), entry.sealed)?;
    let head: Head = serde_json::from_slice(&head).map_err(|_| odd())?;
    Ok(Document {
        id: entry.id,
        name: head.name,
        media: Media::parse(&head.media).ok_or_else(odd)?,
        collection: head.collection,
        size: entry.size,
        pages: entry.pages,
        passages: entry.passages,
        model: entry.model,
        born: entry.born,
    })
}

/// The text of a passage, opened.
pub(super) fn text(person: &Person, found: &Found) -> Result<Str, StoreError> {
    let row = row(&found.document, found.seq);
    let text = person.open(&passage_place(&row), found.sealed.clone())?;
    let text = str::from_utf8(&text).map_err(|_| StoreError::Corrupt("a passage".into()))?;
    Ok(Str::from(text))
}

/// A passage as it is written.
#[derive(Debug)]
pub(super) struct Sealed {
    seq: i64,
    page: i64,
    print: i64,
    lead: i64,
    terms: Vec<u8>,
    length: i64,
    sealed: Bytes,
}

impl Sealed {
    pub(super) fn of(
        person: &Person,
        id: &str,
        seq: usize,
        passage: &Passage,
    ) -> Result<Self, StoreError> {
        let seq = seq as i64;
        let found = terms(&passage.text);
        let length = found.values().copied().map(i64::from).sum();
        let terms = found.iter().map(|(term, count)| (person.blind(term), *count));
        let row = row(id, seq);
        Ok(Self {
            seq,
            page: passage.page.into(),
            print: print(person, "passage", passage.text.as_bytes()),
            lead: passage.lead as i64,
            terms: rank::packed(terms),
            length,
            sealed: person.close(&passage_place(&row), passage.text.as_bytes())?,
        })
    }
}

impl Task for Begin {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let Self { owner, document, collection, print, sealed } = self;
        let args: [Arg<'_>; 9] = [
            (&**owner).into(),
            (&*document.id).into(),
            (*collection).into(),
            (*print).into(),
            (&sealed[..]).into(),
            (document.size as i64).into(),
            i64::from(document.pages).into(),
            i64::from(document.passages).into(),
            document.born.as_microsecond().into(),
        ];
        session.run(BEGIN, &args).await.map(drop)
    }
}

/// Some passages of it; after the last ones it is whole.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) owner: Str,
    pub(super) id: Str,
    pub(super) passages: Vec<Sealed>,
    pub(super) last: bool,
}

impl Task for Write {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let Self { owner, id, passages, last } = self;
        for p in passages {
            let args: [Arg<'_>; 9] = [
                (&**owner).into(),
                (&**id).into(),
                p.seq.into(),
                p.page.into(),
                p.print.into(),
                p.lead.into(),
                (&p.terms[..]).into(),
                p.length.into(),
                (&p.sealed[..]).into(),
            ];
            session.run(WRITE, &args).await?;
        }
        if *last {
            session.run(WHOLE, &[(&**owner).into(), (&**id).into()]).await?;
        }
        Ok(())
    }
}

/// All of its passages have vectors of that model.
#[derive(Debug)]
pub(super) struct Embedded {
    pub(super) owner: Str,
    pub(super) id: Str,
    pub(super) model: Str,
}

impl Task for Embedded {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let Self { owner, id, model } = self;
        let args = [(&**owner).into(), (&**id).into(), (&**model).into()];
        session.run(EMBEDDED, &args).await.map(drop)
    }
}

/// Forgets a document, a part in each transaction; whether it was there to be seen.
pub(super) async fn forget(database: &Database, owner: &Str, id: &Str) -> Result<bool, StoreError> {
    let hidden = database.write(Hide(owner.clone(), id.clone())).await?;
    let mut until = AT_ONCE as i64;
    while database.write(Tear { owner: owner.clone(), id: id.clone(), until }).await? {
        until += AT_ONCE as i64;
    }
    Ok(hidden)
}

struct Hide(Str, Str);

impl Task for Hide {
    type Out = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, Failure> {
        Ok(session.run(HIDE, &[(&*self.0).into(), (&*self.1).into()]).await? > 0)
    }
}

/// Its first passages, and itself with the last ones; whether there are more.
struct Tear {
    owner: Str,
    id: Str,
    until: i64,
}

impl Task for Tear {
    type Out = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, Failure> {
        let named: [Arg<'_>; 2] = [(&*self.owner).into(), (&*self.id).into()];
        let until = [named[0], named[1], self.until.into()];
        session.run(LONE, &until).await?;
        session.run(TEAR, &until).await?;
        if session.one(LEFT, &named).await?.is_some() {
            return Ok(true);
        }
        session.run(FORGET, &named).await?;
        Ok(false)
    }
}

/// Everything of a person that this and the analyses keep.
pub(super) struct Erase(pub(super) Str);

impl Task for Erase {
    type Out = u64;

    async fn run(&self, session: &mut Session<'_>) -> Result<u64, Failure> {
        let mut gone = 0;
        for text in ERASE {
            gone += session.run(text, &[(&*self.0).into()]).await?;
        }
        Ok(gone)
    }
}
