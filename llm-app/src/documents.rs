//! Documents of people: read, cut into passages, embedded and searched.
//!
//! The actors are the *document* (a name, and pages of text), its *passages* (what is searched and
//! cited, each on one page), their *vectors* and the *collections* that people put documents into.
//! Texts, names and vectors are sealed under their person's key. What is searched by is not: numbers
//! that only that key makes of terms, and of whole texts, by which a text that is there already is
//! found and never embedded twice.
//!
//! Since vectors are sealed, a search opens them one after the other in memory, within bounds.
//! Deliberately absent: an index of vectors in the database, which would have to see them, and
//! documents that several people share.

pub mod chunk;
mod embed;
mod keep;
pub mod rank;
pub mod read;
mod search;
mod store;
pub mod vector;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use llm_core::Str;
use llm_core::error::{Error, Kind};
use llm_core::store::StoreError;
use llm_store::deposits::Owner;
use llm_store::sql::Database;
use tokio::sync::Semaphore;

use crate::feature::Feature;
use crate::people::Person;
use crate::{Ground, Id, NotDone};
use chunk::Passage;
use read::{Media, Unreadable};

pub use embed::Watch;
pub use keep::DocumentKeeper;
pub use search::{HITS_MAX, Hit, NAMED_MAX, QUERY_LETTERS_MAX, Query, Results, Within};

/// Letters of a document's name, and of a collection's.
pub const NAME_LETTERS_MAX: usize = 200;
/// Documents of one person, and passages of them all: what a search goes through within a second.
pub const DOCUMENTS_MAX: i64 = 5_000;
/// The same in passages.
pub const PASSAGES_MAX: i64 = 50_000;
/// Documents of a page of a list.
pub const PAGE_MAX: usize = 100;
/// Files that are read at once: a hostile one takes a gigabyte for as long as it may.
const READERS_MAX: usize = 1;
/// How long reading one may take, and how long it may wait for the one before it.
const READING_MAX: Duration = Duration::from_secs(20);
/// Passages that are read at once.
const READ_AT_ONCE: i64 = 256;

/// What somebody uploads.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it is called.
    pub name: Str,
    /// What it is.
    pub media: Media,
    /// Which collection it goes into.
    pub collection: Option<Str>,
    /// Its bytes.
    pub content: Bytes,
}

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its name among everybody's.
    pub id: Str,
    /// What it is called.
    pub name: Str,
    /// What it was uploaded as.
    pub media: Media,
    /// Which collection it is in.
    pub collection: Option<Str>,
    /// Its bytes when it came.
    pub size: u64,
    /// Its pages.
    pub pages: u32,
    /// Its passages.
    pub passages: u32,
    /// The model whose vectors all of them have; `None` until then.
    pub model: Option<Str>,
    /// When it came.
    pub born: Timestamp,
}

/// A page of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its number, from 1 on.
    pub number: u32,
    /// What stands on it.
    pub text: Str,
}

/// Everybody's documents. Cheap to clone.
#[derive(Clone)]
pub struct Documents {
    ground: Ground,
    feature: Arc<Feature>,
    readers: Arc<Semaphore>,
}

impl Documents {
    /// Documents whose vectors that feature's model makes.
    pub fn new(ground: Ground, feature: Feature) -> Self {
        let readers = Arc::new(Semaphore::new(READERS_MAX));
        Self { ground, feature: Arc::new(feature), readers }
    }

    /// The model whose vectors are searched.
    pub fn model(&self) -> &Str {
        &self.feature.model
    }

    /// Keeps a document; its words are found from then on, and it is found by its meaning once it
    /// is embedded ([`Documents::embed`]). The same one again is the first one.
    pub async fn add(&self, person: &Person, draft: Draft) -> Result<Document, NotDone> {
        if !person.may_be_kept() {
            return Err(NotDone::NoConsent);
        }
        let draft = checked(draft)?;
        let owner = Str::from(person.owner().as_str());
        let print = content_print(person, &draft);
        let database = &self.ground.database;
        if let Some(entry) = database.read(store::Printed(owner.clone(), print)).await? {
            return Ok(store::opened(person, entry)?);
        }
        let (pages, passages) = self.read(draft.media, draft.content.clone()).await?;
        let (documents, before) = database.read(store::Sizes(owner.clone())).await?;
        if documents >= DOCUMENTS_MAX || before + passages.len() as i64 > PASSAGES_MAX {
            let text = format!(
                "all your documents have room for {PASSAGES_MAX} passages, and there may be \
                 {DOCUMENTS_MAX} of them: delete some"
            );
            return Err(NotDone::wrong("content", text));
        }
        let document = Document {
            id: Id(self.ground.id()).to_string().into(),
            name: draft.name,
            media: draft.media,
            collection: draft.collection,
            size: draft.content.len() as u64,
            pages,
            passages: u32::try_from(passages.len()).unwrap_or(u32::MAX),
            model: None,
            born: self.ground.now(),
        };
        self.write(person, &document, print, &passages).await?;
        Ok(document)
    }

    async fn write(
        &self,
        person: &Person,
        document: &Document,
        print: i64,
        passages: &[Passage],
    ) -> Result<(), StoreError> {
        let (database, owner) = (&self.ground.database, Str::from(person.owner().as_str()));
        database.write(store::Begin::of(person, document, print)?).await?;
        let parts = passages.len().div_ceil(store::AT_ONCE);
        for (part, some) in passages.chunks(store::AT_ONCE).enumerate() {
            let first = part * store::AT_ONCE;
            let sealed = (first..).zip(some);
            let sealed = sealed.map(|(seq, one)| store::Sealed::of(person, &document.id, seq, one));
            let passages = sealed.collect::<Result<_, _>>()?;
            let (owner, id) = (owner.clone(), document.id.clone());
            database.write(store::Write { owner, id, passages, last: part + 1 == parts }).await?;
        }
        Ok(())
    }

    /// Pages and passages of an upload, within bounds of time and room.
    async fn read(&self, media: Media, bytes: Bytes) -> Result<(u32, Vec<Passage>), NotDone> {
        let busy = || Error::new(Kind::Busy, "other documents are being read: try again");
        let place = tokio::select! {
            place = Arc::clone(&self.readers).acquire_owned() => place.map_err(|_| busy())?,
            () = self.ground.clock.sleep(READING_MAX) => return Err(busy().into()),
        };
        let clock = Arc::clone(&self.ground.clock);
        let until = clock.now() + READING_MAX;
        let reading = tokio::task::spawn_blocking(move || {
            // Held until the thread is free again, and not only until nobody waits for it.
            let _place = place;
            let late = || clock.now() > until;
            let pages = read::read(media, &bytes, &late)?;
            let passages = chunk::passages(&pages);
            Ok((u32::try_from(pages.len()).unwrap_or(u32::MAX), passages))
        });
        let read = tokio::select! {
            // A reader that broke off has met something that nobody foresaw.
            read = reading => read.unwrap_or(Err(Unreadable::Pdf)),
            () = self.ground.clock.sleep(READING_MAX) => Err(Unreadable::TooLong),
        };
        read.map_err(|why| NotDone::wrong("content", why.to_string()))
    }

    /// Documents from the newest to the oldest, those made before `before`; of one collection, where
    /// it is named.
    pub async fn list(
        &self,
        person: &Person,
        collection: Option<&str>,
        before: Option<Str>,
        limit: usize,
    ) -> Result<Vec<Document>, NotDone> {
        let owner = Str::from(person.owner().as_str());
        let collection = collection.map(|name| store::collection(person, name));
        let limit = limit.min(PAGE_MAX + 1) as i64;
        let list = store::List { owner, collection, before, limit };
        let entries = self.ground.database.read(list).await?;
        let opened = entries.into_iter().map(|entry| store::opened(person, entry));
        Ok(opened.collect::<Result<_, _>>()?)
    }

    /// One of them.
    pub async fn get(&self, person: &Person, id: &str) -> Result<Document, NotDone> {
        let get = store::Get(person.owner().as_str().into(), id.into());
        let entry = self.ground.database.read(get).await?;
        Ok(store::opened(person, entry.ok_or(NotDone::Unknown("document"))?)?)
    }

    /// Its pages, put together again out of its passages.
    pub async fn pages(&self, person: &Person, id: &str) -> Result<Vec<Page>, NotDone> {
        let owner = Str::from(person.owner().as_str());
        let mut pages: Vec<(u32, String)> = Vec::new();
        let mut behind = -1;
        loop {
            let (owner, document) = (owner.clone(), Str::from(id));
            let bodies = store::Bodies { owner, document, behind, limit: READ_AT_ONCE };
            let some = self.ground.database.read(bodies).await?;
            let Some(last) = some.last() else { break };
            behind = last.seq;
            for found in &some {
                let text = store::text(person, found)?;
                let core = text.get(found.lead..).unwrap_or_default();
                match pages.last_mut() {
                    Some((number, page)) if *number == found.page => page.push_str(core),
                    Some(_) | None => pages.push((found.page, core.to_owned())),
                }
            }
        }
        Ok(pages.into_iter().map(|(number, text)| Page { number, text: text.into() }).collect())
    }

    /// Forgets one, with the vectors that nothing else needs.
    pub async fn forget(&self, person: &Person, id: &str) -> Result<(), NotDone> {
        let owner = Str::from(person.owner().as_str());
        let there = store::forget(&self.ground.database, &owner, &id.into()).await?;
        if there { Ok(()) } else { Err(NotDone::Unknown("document")) }
    }
}

/// Forgets all documents and analyses of somebody: how many rows those were.
pub async fn erase(database: &Database, owner: &Owner) -> Result<u64, StoreError> {
    database.write(store::Erase(owner.as_str().into())).await
}

/// The number of everything that a document is.
fn content_print(person: &Person, draft: &Draft) -> i64 {
    let mut hash = blake3::Hasher::new();
    let collection = draft.collection.as_deref().unwrap_or_default();
    for part in [draft.name.as_bytes(), collection.as_bytes(), draft.media.as_str().as_bytes()] {
        hash.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    hash.update(&draft.content);
    store::print(person, "document", hash.finalize().as_bytes())
}

/// With names that can be shown.
fn checked(draft: Draft) -> Result<Draft, NotDone> {
    let name = named("name", &draft.name)?;
    let collection = draft.collection.as_deref().map(|name| named("collection", name));
    if draft.content.len() > read::BYTES_MAX {
        let text = format!("a document may have {} bytes at the most", read::BYTES_MAX);
        return Err(Error::new(Kind::TooLarge, text).in_field("content").into());
    }
    Ok(Draft { name, collection: collection.transpose()?, ..draft })
}

/// A name in one line, that is not too long.
pub fn named(field: &'static str, name: &str) -> Result<Str, NotDone> {
    let name = name.trim();
    let letters = name.chars().count();
    if !(1..=NAME_LETTERS_MAX).contains(&letters) || name.chars().any(char::is_control) {
        let text = format!("one line of 1 to {NAME_LETTERS_MAX} letters");
        return Err(NotDone::wrong(field, text));
    }
    Ok(Str::from(name))
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents").field("model", &self.feature.model).finish_non_exhaustive()
    }
}
