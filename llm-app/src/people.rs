//! People: whose things features keep, each under a key of their own.
//!
//! The actors are the *person* (their key, opened, and whether anything of theirs may be kept) and
//! the *people* in the database, whose keys are sealed like all others. What is sealed for a person
//! opens at its own place only, and for nobody else. Forgetting a person is forgetting their key:
//! copies and backups of what was sealed under it are noise from then on.
//!
//! A process remembers opened keys for a few seconds, so that one that another replica has forgotten
//! is not used for longer. What it seals with such a key in between nobody can read either.
//!
//! Deliberately absent: names, addresses and passwords of people, who are known by what their key
//! or token says.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use llm_core::secret::Secret;
use llm_core::store::{StoreError, Stored};
use llm_store::deposits::{Keys, Owner};
use llm_store::seal::{Chest, Fresh, KeyProvider, Keyring, Place, SealKey, Sealer};
use llm_store::sql::{Database, Failure, Session, Task};
use moka::sync::Cache;

/// People whose keys a process remembers, and for how long.
const KNOWN_MAX: u64 = 10_000;
const KNOWN_FOR: Duration = Duration::from_secs(5);
/// What numbers of terms are made with, out of a person's key.
const BLIND: &str = "llm-app 2026-11 terms of what is sealed";

const FIND: &str = "SELECT sealed, consent FROM person WHERE owner = $1";
const ADD: &str = "INSERT INTO person (owner, sealed, born) VALUES ($1, $2, $3) \
     ON CONFLICT (owner) DO NOTHING";
const AGREE: &str = "UPDATE person SET consent = $2, consented = $3 WHERE owner = $1";
const FORGET: &str = "DELETE FROM person WHERE owner = $1";

/// Whether anything of a person may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// They have said so.
    Given,
    /// They have said that it may not.
    Withdrawn,
}

impl Consent {
    fn word(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Everybody. Cheap to clone.
#[derive(Clone)]
pub struct People {
    database: Database,
    chest: Chest,
    draw: Arc<dyn Fn() -> Fresh + Send + Sync>,
    /// Whether things are kept of those who were not asked.
    assumed: Arc<AtomicBool>,
    known: Cache<String, Person>,
}

/// One of them, with their key opened.
#[derive(Clone)]
pub struct Person {
    owner: Owner,
    chest: Chest,
    blind: [u8; 32],
    consent: Option<Consent>,
    /// As it is assumed now, also of who is remembered.
    assumed: Arc<AtomicBool>,
}

impl People {
    /// People in a database. Their keys are sealed in the chest, and made of what is drawn; `assumed`
    /// says whether things are kept of those who were not asked.
    pub fn new(
        database: Database,
        chest: Chest,
        draw: impl Fn() -> Fresh + Send + Sync + 'static,
        assumed: bool,
    ) -> Self {
        let known = Cache::builder().max_capacity(KNOWN_MAX).time_to_live(KNOWN_FOR).build();
        let assumed = Arc::new(AtomicBool::new(assumed));
        Self { database, chest, draw: Arc::new(draw), assumed, known }
    }

    /// Somebody, made known at their first word.
    pub async fn of(&self, owner: &Owner) -> Result<Person, StoreError> {
        if let Some(person) = self.known.get(owner.as_str()) {
            return Ok(person);
        }
        let person = match self.find(owner).await? {
            Some(person) => person,
            None => {
                let drawn = blake3::hash((self.draw)().expose());
                let sealed = self.chest.close(&place(owner), drawn.as_bytes())?;
                self.database.write(Add { owner: owner.clone(), sealed }).await?;
                // Somebody else may have been first: what is in the database counts.
                let gone = || StoreError::Unavailable("forgotten in this instant".into());
                self.find(owner).await?.ok_or_else(gone)?
            }
        };
        self.known.insert(owner.as_str().to_owned(), person.clone());
        Ok(person)
    }

    /// Somebody who is known; nobody becomes known by being asked for.
    pub async fn find(&self, owner: &Owner) -> Result<Option<Person>, StoreError> {
        let found = self.database.read(Find(owner.clone())).await?;
        let Some((sealed, consent)) = found else { return Ok(None) };
        let secret = self.chest.open(&place(owner), sealed)?;
        let odd = || StoreError::Corrupt("a person's key has another length".into());
        let secret = Secret::new(<[u8; 32]>::try_from(&secret[..]).map_err(|_| odd())?);
        let blind = blake3::derive_key(BLIND, secret.expose());
        let keyring: Arc<dyn KeyProvider> = Arc::new(Keyring::new(SealKey::new(secret)));
        let draw = Arc::clone(&self.draw);
        let chest = Chest::new(Sealer::new(keyring), move || draw());
        let assumed = Arc::clone(&self.assumed);
        Ok(Some(Person { owner: owner.clone(), chest, blind, consent, assumed }))
    }

    /// Writes down what somebody has said.
    pub async fn agree(&self, owner: &Owner, consent: Consent) -> Result<(), StoreError> {
        self.of(owner).await?;
        self.database.write(Agree { owner: owner.clone(), consent }).await?;
        self.known.invalidate(owner.as_str());
        Ok(())
    }

    /// Whether things are kept of those who were not asked.
    pub fn is_assumed(&self) -> bool {
        self.assumed.load(Ordering::Relaxed)
    }

    /// From now on things are kept of those who were not asked, or are not.
    pub fn assume(&self, kept: bool) {
        self.assumed.store(kept, Ordering::Relaxed);
    }

    /// Forgets somebody: nothing that was sealed for them is ever opened again. Whether there was
    /// anybody to forget.
    pub async fn forget(&self, owner: &Owner) -> Result<bool, StoreError> {
        let forgotten = self.database.write(Forget(owner.clone())).await?;
        self.known.invalidate(owner.as_str());
        Ok(forgotten)
    }
}

/// What people leave with the stores below is closed with the same key.
impl Keys for People {
    fn make_key<'a>(&'a self, owner: &'a Owner) -> Stored<'a, Chest> {
        Box::pin(async move { Ok(self.of(owner).await?.chest) })
    }

    fn key<'a>(&'a self, owner: &'a Owner) -> Stored<'a, Option<Chest>> {
        Box::pin(async move {
            let person = match self.known.get(owner.as_str()) {
                Some(person) => Some(person),
                None => self.find(owner).await?,
            };
            Ok(person.map(|person| person.chest))
        })
    }
}

impl Person {
    /// Whose things they are.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// What they have said; `None` where they were not asked.
    pub fn consent(&self) -> Option<Consent> {
        self.consent
    }

    /// Whether anything of theirs may be kept.
    pub fn may_be_kept(&self) -> bool {
        match self.consent {
            Some(Consent::Given) => true,
            Some(Consent::Withdrawn) => false,
            None => self.assumed.load(Ordering::Relaxed),
        }
    }

    /// Seals something of theirs for one place.
    pub fn close(&self, place: &Place<'_>, body: &[u8]) -> Result<Bytes, StoreError> {
        self.chest.close(place, body)
    }

    /// Opens what was sealed for them at that place.
    pub fn open(&self, place: &Place<'_>, sealed: Bytes) -> Result<Bytes, StoreError> {
        self.chest.open(place, sealed)
    }

    /// The number that stands for a term in what is kept of theirs.
    pub fn blind(&self, term: &str) -> i64 {
        let mut number = [0; 8];
        let mut hash =
            blake3::Hasher::new_keyed(&self.blind).update(term.as_bytes()).finalize_xof();
        hash.fill(&mut number);
        i64::from_be_bytes(number)
    }
}

fn place(owner: &Owner) -> Place<'_> {
    Place { table: "person", column: "sealed", row: owner.as_str(), version: 0 }
}

struct Find(Owner);

impl Task for Find {
    type Out = Option<(Bytes, Option<Consent>)>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let Some(row) = session.one(FIND, &[self.0.as_str().into()]).await? else {
            return Ok(None);
        };
        let consent = match row.maybe_text(1)?.as_deref() {
            None => None,
            Some("given") => Some(Consent::Given),
            Some(_) => Some(Consent::Withdrawn),
        };
        Ok(Some((row.bytes(0)?.into(), consent)))
    }
}

struct Add {
    owner: Owner,
    sealed: Bytes,
}

impl Task for Add {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let now = session.now().into();
        session.run(ADD, &[self.owner.as_str().into(), (&self.sealed[..]).into(), now]).await?;
        Ok(())
    }
}

struct Agree {
    owner: Owner,
    consent: Consent,
}

impl Task for Agree {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let now = session.now().into();
        session.run(AGREE, &[self.owner.as_str().into(), self.consent.word().into(), now]).await?;
        Ok(())
    }
}

struct Forget(Owner);

impl Task for Forget {
    type Out = bool;

    async fn run(&self, session: &mut Session<'_>) -> Result<bool, Failure> {
        Ok(session.run(FORGET, &[self.0.as_str().into()]).await? > 0)
    }
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People").field("assumed", &self.is_assumed()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").field("consent", &self.consent).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
