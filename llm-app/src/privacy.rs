//! What people may ask about what is kept of them: to have it, and to have it gone.
//!
//! The actors are whoever it is about ([`Who`]), those that *keep* something of them (each feature
//! for its own, as [`Keeps`]), the *export* (all of it, as JSON), and the *receipt* of an erasure. An
//! erasure forgets the person's key first: from that instant on what is sealed under it cannot be
//! read, in no copy of the database either. Then rows go, and then the disk forgets what they were.
//! It may be asked for again at any time: each of its steps is done or does nothing. Where there is a
//! [`List`], what a death has interrupted, and what a copy has brought back, is forgotten without being
//! asked for again ([`marks`]).
//!
//! What stays is money: amounts in ledgers and wallets, under the name that the application has for
//! its user, which says nothing about them to anybody else; and lines of the audit trail, which are
//! chained, and into which nobody writes what people say.
//!
//! Deliberately absent: who may ask for it, which is the host's to know.

mod keepers;
pub mod marks;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use llm_core::principal::{TenantId, UserId};
use llm_core::seam::BoxFuture;
use llm_core::store::StoreError;
use llm_store::deposits::Owner;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::Ground;
use crate::people::Person;

pub use keepers::{DepositKeeper, JobKeeper, RequestKeeper, SlotKeeper};
use marks::{List, Mark};

/// Things of one kind that an export has.
pub const ITEMS_MAX: usize = 10_000;
/// Bytes of contents that one keeper puts into an export; of what is larger it says where it is.
pub const CONTENT_BYTES_MAX: usize = 16 << 20;
/// What a receipt's hash is made with.
const RECEIPT: &str = "llm-app 2026-11 receipt of an erasure";

/// Whoever it is about.
#[derive(Clone, Debug)]
pub struct Who {
    /// As features name them.
    pub owner: Owner,
    /// Whose data they are among.
    pub tenant: TenantId,
    /// As keys and tokens name them.
    pub user: UserId,
    /// Their key, where they still have one.
    pub person: Option<Person>,
}

/// Whoever keeps something of people.
pub trait Keeps: Send + Sync + fmt::Debug + 'static {
    /// What it keeps: a word for the export and the receipt, nobody else's.
    fn name(&self) -> &'static str;

    /// All of it, as whoever it is about may read it.
    fn export<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<Value, StoreError>>;

    /// Forgets it: how many things. May be asked for again; then there is nothing.
    fn erase<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<u64, StoreError>>;
}

/// All that keep something.
#[derive(Clone)]
pub struct Privacy {
    ground: Ground,
    keepers: Vec<Arc<dyn Keeps>>,
    list: Option<List>,
}

/// What an erasure has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// When.
    #[serde(serialize_with = "written")]
    pub erased_at: Timestamp,
    /// Whether there was a key to forget: what was sealed under it is noise from then on.
    pub key_forgotten: bool,
    /// How much of what was deleted.
    pub removed: BTreeMap<&'static str, u64>,
    /// Whether the disk has forgotten it too; a database server does so when it cleans up.
    pub scrubbed: bool,
    /// Over all of the above and whom it was about: what proves that this was the receipt.
    pub hash: String,
}

impl Privacy {
    /// With all that keep something.
    pub fn new(ground: Ground, keepers: Vec<Arc<dyn Keeps>>) -> Self {
        Self { ground, keepers, list: None }
    }

    /// The same, and who is forgotten is listed.
    #[must_use]
    pub fn listing(self, list: List) -> Self {
        Self { list: Some(list), ..self }
    }

    /// Whoever a name is about.
    pub async fn who(&self, tenant: TenantId, user: UserId) -> Result<Who, StoreError> {
        let owner = Owner::user(&tenant, &user);
        let person = self.ground.people.find(&owner).await?;
        Ok(Who { owner, tenant, user, person })
    }

    /// All that is kept of somebody, under the words of those who keep it.
    pub async fn export(&self, who: &Who) -> Result<Map<String, Value>, StoreError> {
        let mut whole = Map::new();
        for keeper in &self.keepers {
            whole.insert(keeper.name().to_owned(), keeper.export(who).await?);
        }
        Ok(whole)
    }

    /// Forgets somebody. `more` is what the host has forgotten besides.
    pub async fn erase(
        &self,
        who: &Who,
        more: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> Result<Receipt, StoreError> {
        let mark = Mark::new(self.ground.now().as_microsecond(), &who.owner);
        self.listed(move |list| list.add([mark])).await?;
        let receipt = self.forget(who, more).await?;
        self.end(|other| other.is_of(&mark)).await?;
        Ok(receipt)
    }

    /// Forgets the keys of those who are listed and of whom there is something left: at once, and
    /// before anything else. How many there were.
    pub async fn shred(&self) -> Result<u64, StoreError> {
        marks::shred(&self.ground.database, &self.left().await?).await
    }

    /// Forgets those who are listed and of whom there is something left: who they were, and what was
    /// done. What replicas have listed is in this list from then on; `since` is from when, in
    /// microseconds.
    pub async fn again(&self, since: i64) -> Result<Vec<(Who, Receipt)>, StoreError> {
        let left = self.left().await?;
        let mut done = Vec::new();
        if !left.is_empty() {
            for (tenant, user) in marks::found(&self.ground.database, &left).await? {
                let who = self.who(tenant, user).await?;
                let receipt = self.forget(&who, []).await?;
                done.push((who, receipt));
            }
            self.end(|mark| left.contains(mark)).await?;
        }
        let others = marks::done(&self.ground.database, since).await?;
        self.listed(move |list| list.add(others)).await?;
        Ok(done)
    }

    async fn left(&self) -> Result<BTreeSet<Mark>, StoreError> {
        let listed = self.listed(List::read).await?.unwrap_or_default();
        marks::left(&self.ground.database, listed).await
    }

    /// Writes down that these of the list are forgotten to the end.
    async fn end(&self, is: impl Fn(&Mark) -> bool) -> Result<(), StoreError> {
        let listed = self.listed(List::read).await?.unwrap_or_default();
        let ended = listed.into_iter().filter(|mark| is(mark)).collect();
        marks::end(&self.ground.database, ended).await
    }

    /// Does something with the list, where there is one: files are waited for where nobody waits.
    async fn listed<T: Send + 'static>(
        &self,
        does: impl FnOnce(&List) -> std::io::Result<T> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let Some(list) = self.list.clone() else { return Ok(None) };
        let done = tokio::task::spawn_blocking(move || {
            does(&list).map_err(|error| format!("{}: {error}", list.path().display()))
        });
        let stopped = |_| StoreError::Unavailable("the list was not waited for".into());
        let done = done.await.map_err(stopped)?;
        done.map(Some).map_err(|why| StoreError::Unavailable(why.into()))
    }

    async fn forget(
        &self,
        who: &Who,
        more: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> Result<Receipt, StoreError> {
        // First: should anything behind it not be done, what is left cannot be read.
        let key_forgotten = self.ground.people.forget(&who.owner).await?;
        let mut removed: BTreeMap<&'static str, u64> = more.into_iter().collect();
        for keeper in &self.keepers {
            removed.insert(keeper.name(), keeper.erase(who).await?);
        }
        let scrubbed = self.ground.database.scrub().await?;
        let erased_at = self.ground.now();
        let hash = receipt(who, erased_at, key_forgotten, &removed);
        Ok(Receipt { erased_at, key_forgotten, removed, scrubbed, hash })
    }
}

fn receipt(
    who: &Who,
    at: Timestamp,
    key_forgotten: bool,
    removed: &BTreeMap<&'static str, u64>,
) -> String {
    let mut hash = blake3::Hasher::new_derive_key(RECEIPT);
    let whose = who.owner.as_str();
    hash.update(&(whose.len() as u64).to_le_bytes()).update(whose.as_bytes());
    hash.update(&at.as_microsecond().to_le_bytes()).update(&[u8::from(key_forgotten)]);
    for (name, count) in removed {
        hash.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
        hash.update(&count.to_le_bytes());
    }
    hash.finalize().to_hex().to_string()
}

fn written<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

impl fmt::Debug for Privacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Privacy").field("keepers", &self.keepers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
