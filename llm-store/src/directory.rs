//! Who is who, in a database: tenants with their parts, groups and people, plans, virtual keys,
//! provider keys under a seal, and the admin key's print.
//!
//! The actors are the *directory* (what is stored, and every change to it), its *desk* (a
//! transaction of it, in which the pure rules of [`keys`](crate::keys) are asked), the *grant* (what
//! a key gives, put together from its whole path) and the *known keys* (what a process remembers of
//! it, so that no call waits for a database).
//!
//! ```text
//!  admin calls ──▶ SqlDirectory ──commit──▶ key_change ──looked at every second──▶ KnownKeys of all
//!                      └──────────── told at once ──────────────────────────────▶ KnownKeys here
//! ```
//!
//! One at a time changes the directory: each change locks one row first. So rules that look at
//! several rows (who issued whom) need no other locks, and changes are numbered as they are
//! committed. It is what administrators do, not what callers do.
//!
//! Deliberately absent: keys in the clear, randomness (keys, ids and the randomness of sealing are
//! brought along), money that was spent, and deletion: who was here stays named in the logs.

mod admin;
mod book;
mod desk;
mod feed;
mod grant;
mod issue;
mod known;
mod party;
mod plan;
mod provider;
mod shelf;
mod text;
mod turn;

use std::fmt;
use std::sync::Arc;

use llm_core::Str;
use llm_core::principal::KeyId;
use llm_core::quota::{Plan, Zone};
use llm_core::store::{Directory, KeyHash, Shown, StoreError, Stored};
use parking_lot::RwLock;

use crate::keys::{NotIssued, NotRotated, NotUsable};
use crate::seal::SealError;
use crate::sql::Database;

use desk::{Asking, Change, Op, Said};
use plan::Plans;

pub use admin::Ensured;
pub use book::{KeyFilter, PAGE_MAX, Page};
pub use known::{Bounds, KnownKeys};
pub use party::{Level, Party, PartyDraft, PartyId};
pub use provider::{Freshness, KeyState, KeysStamp, ProviderKey, ProviderKeys, Resealed};
pub use shelf::{About, KeyEntry};
pub use turn::Turn;

/// Those who are told of a change at once: what this process remembers, and a stream or two.
const LISTENERS_MAX: usize = 8;

/// Who is who. Cheap to clone.
#[derive(Clone)]
pub struct SqlDirectory(Arc<Shared>);

struct Shared {
    database: Database,
    zone: Zone,
    configured: RwLock<Arc<Plans>>,
    listeners: RwLock<Vec<Listener>>,
}

/// What somebody does with what was told. It must not block.
pub type Listener = Box<dyn Fn(&Told<'_>) + Send + Sync>;

/// What has changed, as those who remember keys are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// These lines of keys.
    Keys(&'a [KeyId]),
    /// Any of them.
    All,
}

/// Who wants something changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// Whoever runs the gateway.
    Operator,
    /// A key that administers; what it may do is looked up in the same transaction.
    Key(KeyId),
}

/// Whose plan or limits these are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A key, with all of its line.
    Key(KeyId),
    /// A tenant, a part of it, a group or a person.
    Party(PartyId),
}

/// Why something was not done. Unless the store does not know, nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such thing.
    #[error("there is no {what} {name}")]
    Unknown {
        /// What it would have been.
        what: &'static str,
        /// Its name.
        name: Str,
    },
    /// There is one of that name already.
    #[error("there is a {what} {name} already")]
    Taken {
        /// What it is.
        what: &'static str,
        /// Its name.
        name: Str,
    },
    /// Somebody still has it.
    #[error("plan {0} is still somebody's")]
    InUse(Str),
    /// Not theirs to do.
    #[error("this key may not do that")]
    Denied,
    /// A team of one part of the tenant and a person of another are nobody's together.
    #[error("the owner's parts do not belong together")]
    Owner,
    /// A name or text that cannot be kept.
    #[error("{0}")]
    Text(&'static str),
    /// The rules on issuing forbid it.
    #[error(transparent)]
    NotIssued(#[from] NotIssued),
    /// The rules on rotating forbid it.
    #[error(transparent)]
    NotRotated(#[from] NotRotated),
    /// The key that wants it, or that it is about, is of no use.
    #[error(transparent)]
    NotUsable(#[from] NotUsable),
    /// A secret was not sealed or opened.
    #[error(transparent)]
    Sealed(#[from] SealError),
}

impl NotDone {
    fn unknown(what: &'static str, name: &Str) -> Self {
        Self::Unknown { what, name: name.clone() }
    }

    fn taken(what: &'static str, name: &Str) -> Self {
        Self::Taken { what, name: name.clone() }
    }
}

impl SqlDirectory {
    /// Of a database. The zone is that of calendar windows, the plans those of the configuration.
    pub fn new(database: Database, zone: Zone, plans: Vec<Plan>) -> Self {
        let configured = RwLock::new(Arc::new(Plans::new(plans)));
        Self(Arc::new(Shared { database, zone, configured, listeners: RwLock::default() }))
    }

    /// Other plans are configured from now on.
    pub fn configure(&self, plans: Vec<Plan>) {
        *self.0.configured.write() = Arc::new(Plans::new(plans));
        self.tell(&Told::All);
    }

    /// Tells somebody of every change that is made here, right after its commit. `false` when too
    /// many are told already.
    pub fn listen(&self, listener: Listener) -> bool {
        let mut listeners = self.0.listeners.write();
        let room = listeners.len() < LISTENERS_MAX;
        if room {
            listeners.push(listener);
        }
        room
    }

    fn tell(&self, told: &Told<'_>) {
        self.0.listeners.read().iter().for_each(|listener| listener(told));
    }

    fn configured(&self) -> Arc<Plans> {
        Arc::clone(&self.0.configured.read())
    }

    /// Changes something, and tells whom it concerns.
    async fn change<O: Op + 'static>(&self, op: O) -> Result<O::Out, NotDone> {
        let said = Said::default();
        let change = Change { op, configured: self.configured(), said: said.clone() };
        // Boxed: administrators can wait for an allocation, and futures of everything that calls
        // this stay small.
        match Box::pin(self.0.database.write(change)).await {
            Ok((out, lines)) => {
                match lines.as_deref() {
                    Some([]) => {}
                    Some(lines) => self.tell(&Told::Keys(lines)),
                    None => self.tell(&Told::All),
                }
                Ok(out)
            }
            Err(why) => Err(said.take().unwrap_or(NotDone::Store(why))),
        }
    }

    /// Asks something.
    async fn ask<O: Op>(&self, op: O) -> Result<O::Out, NotDone> {
        let said = Said::default();
        let asking = Asking { op, configured: self.configured(), said: said.clone() };
        let asked = Box::pin(self.0.database.read(asking)).await;
        asked.map_err(|why| said.take().unwrap_or(NotDone::Store(why)))
    }
}

impl Directory for SqlDirectory {
    fn grant<'a>(&'a self, key: &'a KeyHash) -> Stored<'a, Shown> {
        Box::pin(async move {
            let look = grant::Look { print: *key, zone: self.0.zone.clone() };
            self.ask(look).await.map_err(|why| match why {
                NotDone::Store(why) => why,
                other => StoreError::Corrupt(Str::from(other.to_string())),
            })
        })
    }

    fn changed(&self, since: u64) -> Stored<'_, (Vec<KeyId>, u64)> {
        Box::pin(self.0.database.read(feed::Since(since)))
    }
}

impl fmt::Debug for SqlDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlDirectory").field("database", &self.0.database).finish_non_exhaustive()
    }
}
