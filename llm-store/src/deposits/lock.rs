//! What a deposit is closed with: the key of whoever it belongs to, where that is a person; else the
//! house's, where it has one.
//!
//! The keys of people are kept elsewhere ([`Keys`]). Who is forgotten has none any more: what is
//! still there of theirs is as good as gone, here and in every copy.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use llm_core::Str;
use llm_core::store::{StoreError, Stored};

use super::{Deposits, Entry, Owner};
use crate::seal::{Chest, Place};

/// Who has the keys of people.
pub trait Keys: Send + Sync + fmt::Debug + 'static {
    /// What somebody's things are closed with, from their first one on.
    fn make_key<'a>(&'a self, owner: &'a Owner) -> Stored<'a, Chest>;

    /// The same where they are known; `None` of who was forgotten.
    fn key<'a>(&'a self, owner: &'a Owner) -> Stored<'a, Option<Chest>>;
}

/// What something is closed with.
#[derive(Clone, Debug)]
pub(super) enum Lock {
    /// Nothing.
    Open,
    /// The house's key.
    House(Chest),
    /// That of a person.
    Own(Chest),
}

/// Something as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub(super) sealed: bool,
    pub(super) own: bool,
    pub(super) body: Bytes,
}

impl Lock {
    /// Closes bytes for their place.
    pub(super) fn close(&self, place: &Place<'_>, body: &Bytes) -> Result<Closed, StoreError> {
        let (chest, own) = match self {
            Self::Open => return Ok(Closed { sealed: false, own: false, body: body.clone() }),
            Self::House(chest) => (chest, false),
            Self::Own(chest) => (chest, true),
        };
        Ok(Closed { sealed: true, own, body: chest.close(place, body)? })
    }

    /// What is said of a deposit, closed where it is a person's: whether it is, and the text.
    pub(super) fn head(
        &self,
        owner: &Owner,
        id: &str,
        head: &Str,
    ) -> Result<(bool, Str), StoreError> {
        let Self::Own(chest) = self else { return Ok((false, head.clone())) };
        let sealed = chest.close(&head_place(&row(owner, id)), head.as_bytes())?;
        Ok((true, STANDARD_NO_PAD.encode(sealed).into()))
    }
}

impl Deposits {
    /// What an owner's things are closed with.
    pub(super) async fn lock(&self, owner: &Owner) -> Result<Lock, StoreError> {
        match (&self.people, &self.chest) {
            (Some(people), _) if owner.is_person() => people.make_key(owner).await.map(Lock::Own),
            (_, Some(chest)) => Ok(Lock::House(chest.clone())),
            (_, None) => Ok(Lock::Open),
        }
    }

    /// What is in something; `None` of who was forgotten.
    pub(super) async fn opened(
        &self,
        owner: &Owner,
        place: &Place<'_>,
        closed: Closed,
    ) -> Result<Option<Bytes>, StoreError> {
        let Closed { sealed, own, body } = closed;
        if !sealed {
            return Ok(Some(body));
        }
        if !own {
            return self.chest.as_ref().ok_or_else(no_key)?.open(place, body).map(Some);
        }
        let people = self.people.as_ref().ok_or_else(no_key)?;
        match people.key(owner).await? {
            Some(chest) => chest.open(place, body).map(Some),
            None => Ok(None),
        }
    }

    /// Entries with what is said of them; without those of who was forgotten.
    pub(super) async fn read(
        &self,
        owner: &Owner,
        entries: Vec<Entry>,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut read = Vec::with_capacity(entries.len());
        for mut entry in entries {
            if entry.closed {
                let odd = |_| StoreError::Corrupt("what is said of a deposit".into());
                let body = STANDARD_NO_PAD.decode(&*entry.head).map_err(odd)?.into();
                let closed = Closed { sealed: true, own: true, body };
                let place = row(owner, &entry.id);
                let head = self.opened(owner, &head_place(&place), closed).await?;
                let Some(head) = head else { continue };
                entry.closed = false;
                entry.head = Str::try_from(head)
                    .map_err(|_| StoreError::Corrupt("what is said of a deposit".into()))?;
            }
            read.push(entry);
        }
        Ok(read)
    }

    /// The same of one.
    pub(super) async fn read_one(
        &self,
        owner: &Owner,
        entry: Option<Entry>,
    ) -> Result<Option<Entry>, StoreError> {
        Ok(self.read(owner, entry.into_iter().collect()).await?.pop())
    }
}

fn no_key() -> StoreError {
    StoreError::Unavailable(Str::from_static("sealed, and no key is here"))
}

fn row(owner: &Owner, id: &str) -> String {
    format!("{}/{id}", owner.as_str())
}

fn head_place(row: &str) -> Place<'_> {
    Place { table: "deposit", column: "head", row, version: 0 }
}
