//! What callers leave with us: answers that a later question goes on from, files, and batches with
//! what became of their lines.
//!
//! The actors are the *owner* (a user, or a key that is nobody's: another's deposit is one that is
//! not there), the *entry* (what is said of a deposit) and its *pieces*, sealed where the store has
//! a chest. A large deposit comes in many transactions, since the ledger writes to the same file,
//! and is seen when the last piece is there. What is deleted keeps its name until its time is up,
//! so that nobody takes it for one that was made elsewhere.
//!
//! Deliberately absent: folders, versions, and any reading of what is deposited.

mod erase;
mod keep;
mod lines;
mod lock;
mod sweep;
mod view;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use llm_core::Str;
use llm_core::principal::{Principal, TenantId, UserId};
use llm_core::store::StoreError;

use crate::seal::Chest;
use crate::sql::Database;

pub use lines::{BatchEnd, Ended, LINES_AT_ONCE, Line, LineState, Sent, Tally};
pub use lock::Keys;
pub use view::{Cursor, LIST_MAX};
pub use writer::Writer;

/// Bytes of a piece: a transaction of the file's only writer takes about a millisecond.
pub const PIECE_BYTES: usize = 256 << 10;
/// The longest name of a deposit: providers' ids are about 50 bytes long.
pub const ID_BYTES_MAX: usize = 128;
/// What may be said of a deposit beside its bytes.
pub const HEAD_BYTES_MAX: usize = 16 << 10;
/// The longest conversation that is kept as one answer after the other.
pub const CHAIN_MAX: usize = 256;

/// What a deposit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An answer, with what was asked.
    Response,
    /// A file.
    File,
    /// A batch of calls.
    Batch,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::File => "file",
            Self::Batch => "batch",
        }
    }
}

/// Whose a deposit is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner(Str);

impl Owner {
    /// The user that a key belongs to; a key without a user is its own.
    pub fn of(principal: &Principal) -> Self {
        let Principal { tenant, user, key, .. } = principal;
        if let Some(user) = user {
            return Self::user(tenant, user);
        }
        let tenant = tenant.0.replace('%', "%25").replace('/', "%2F");
        Self(Str::from(format!("{tenant}/key/{key}")))
    }

    /// A user, by the name that keys have for them.
    pub fn user(tenant: &TenantId, user: &UserId) -> Self {
        let tenant = tenant.0.replace('%', "%25").replace('/', "%2F");
        Self(Str::from(format!("{tenant}/user/{user}")))
    }

    /// Whether that is a person, who may be forgotten one day.
    pub fn is_person(&self) -> bool {
        self.0.split_once('/').is_some_and(|(_, rest)| rest.starts_with("user/"))
    }

    /// The person that it is, as [`Owner::user`] was told.
    pub fn person(&self) -> Option<(TenantId, UserId)> {
        let (tenant, rest) = self.0.split_once('/')?;
        let user = rest.strip_prefix("user/")?;
        let tenant = tenant.replace("%2F", "/").replace("%25", "%");
        Some((TenantId(Str::from(tenant)), UserId(Str::from(user))))
    }

    /// The word for it in the database.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Str> for Owner {
    /// As [`Owner::as_str`] wrote it.
    fn from(text: Str) -> Self {
        Self(text)
    }
}

/// Something to be kept.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Whose.
    pub owner: Owner,
    /// Its name, one of the owner's.
    pub id: Str,
    /// What it is.
    pub kind: Kind,
    /// What is said of it, as JSON.
    pub head: Str,
    /// What it goes on from.
    pub previous: Option<Str>,
    /// For how long; `None` is until it is deleted.
    pub keep: Option<Duration>,
    /// Its bytes.
    pub body: Bytes,
}

/// A deposit, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub id: Str,
    /// What is said of it.
    pub head: Str,
    /// What it goes on from.
    pub previous: Option<Str>,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it is kept.
    pub expires: Option<Timestamp>,
    /// How many bytes it has.
    pub size: u64,
    seq: i64,
    /// Whether what is said of it is still closed under its owner's own key.
    closed: bool,
}

/// Where an id leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is there.
    There(Entry),
    /// It is another's, or was deleted, or what it goes on from was.
    Closed,
    /// Nobody has left anything under that name.
    Unknown,
}

/// What everybody has left. Cheap to clone.
#[derive(Clone)]
pub struct Deposits {
    database: Database,
    chest: Option<Chest>,
    people: Option<Arc<dyn Keys>>,
}

impl Deposits {
    /// Deposits in a database; their pieces are sealed where there is a chest.
    pub fn new(database: Database, chest: Option<Chest>) -> Self {
        Self { database, chest, people: None }
    }

    /// What belongs to people is sealed under their own keys.
    #[must_use]
    pub fn under(mut self, people: Arc<dyn Keys>) -> Self {
        self.people = Some(people);
        self
    }

    /// Keeps something. Of a name that is taken the first deposit stays, and `false` says so.
    pub async fn put(&self, draft: Draft) -> Result<bool, StoreError> {
        if draft.id.len() > ID_BYTES_MAX || draft.head.len() > HEAD_BYTES_MAX {
            return Err(StoreError::Full(Str::from_static("the name or head of a deposit")));
        }
        if draft.body.len() <= PIECE_BYTES {
            let whole = keep::Begin::new(&draft, &self.lock(&draft.owner).await?)?;
            return Ok(self.database.write(whole).await?.is_some());
        }
        let body = draft.body.clone();
        let Some(mut writer) = self.writer(draft).await? else { return Ok(false) };
        for piece in body.chunks(PIECE_BYTES) {
            writer.write(piece).await?;
        }
        writer.finish().await?;
        Ok(true)
    }

    /// One of an owner's.
    pub async fn get(
        &self,
        owner: &Owner,
        kind: Kind,
        id: &str,
    ) -> Result<Option<Entry>, StoreError> {
        let entry = self.database.read(view::Get { owner, kind, id }).await?;
        self.read_one(owner, entry).await
    }

    /// The bytes of a deposit. They are `None` when it was deleted meanwhile.
    pub async fn bytes(&self, owner: &Owner, entry: &Entry) -> Result<Option<Bytes>, StoreError> {
        let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
        let mut whole = BytesMut::with_capacity(size);
        for number in 0..pieces(size) {
            let Some(piece) = self.piece(owner, entry, number).await? else { return Ok(None) };
            whole.extend_from_slice(&piece);
        }
        Ok(Some(whole.freeze()))
    }

    /// One piece of it, counted from 0; `None` is behind the last.
    pub async fn piece(
        &self,
        owner: &Owner,
        entry: &Entry,
        number: usize,
    ) -> Result<Option<Bytes>, StoreError> {
        let piece = self.database.read(view::GetPiece { seq: entry.seq, number }).await?;
        let Some(closed) = piece else { return Ok(None) };
        let row = keep::row_name((owner, &entry.id, number));
        self.opened(owner, &keep::place(&row), closed).await
    }

    /// Some of an owner's, in the order of their making or against it.
    pub async fn list(
        &self,
        owner: &Owner,
        kind: Kind,
        cursor: &Cursor,
    ) -> Result<Vec<Entry>, StoreError> {
        let entries = self.database.read(view::List { owner, kind, cursor }).await?;
        self.read(owner, entries).await
    }

    /// Deletes one: whether it was there. `closed` keeps its name from others.
    pub async fn forget(
        &self,
        owner: &Owner,
        kind: Kind,
        id: &str,
        closed: bool,
    ) -> Result<bool, StoreError> {
        let (owner, id) = (owner.clone(), Str::from(id));
        self.database.write(keep::Forget { owner, kind, id, closed }).await
    }

    /// Where an id of an answer leads, for somebody who would go on from it.
    pub async fn find(&self, owner: &Owner, id: &str) -> Result<Found, StoreError> {
        match self.database.read(view::Find { owner, id }).await? {
            Found::There(entry) => {
                let read = self.read_one(owner, Some(entry)).await?;
                Ok(read.map_or(Found::Closed, Found::There))
            }
            found @ (Found::Closed | Found::Unknown) => Ok(found),
        }
    }

    /// An answer and all that it goes on from, the oldest first; `None` when one of them is gone.
    pub async fn chain(
        &self,
        owner: &Owner,
        last: &Entry,
    ) -> Result<Option<Vec<Entry>>, StoreError> {
        let Some(chain) = self.database.read(view::Chain { owner, last }).await? else {
            return Ok(None);
        };
        let (length, (last, before)) = (chain.len(), split(chain));
        let mut read = self.read(owner, before).await?;
        // The last one was read before.
        read.extend(last);
        Ok((read.len() == length).then_some(read))
    }

    /// Keeps answers as long as the one that goes on from them.
    pub async fn renew(&self, chain: &[Entry], keep: Duration) -> Result<(), StoreError> {
        let rows = chain.iter().map(|entry| entry.seq).collect();
        self.database.write(keep::Renew { rows, keep }).await
    }

    /// Bytes of a kind that an owner has left.
    pub async fn size(&self, owner: &Owner, kind: Kind) -> Result<u64, StoreError> {
        self.database.report(view::Size { owner, kind }).await
    }

    /// Forgets all that an owner has left, of every kind: how many. No name of it stays.
    pub async fn erase(&self, owner: &Owner) -> Result<u64, StoreError> {
        let mut erased = 0;
        loop {
            let some = self.database.write(erase::Erase(owner.clone())).await?;
            erased += some;
            if some == 0 {
                return Ok(erased);
            }
        }
    }

    /// Forgets a batch of what is kept no longer, and of what never came whole: how many.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        self.database.write(sweep::Sweep).await
    }

    /// Forgets an owner's oldest answers where all of them have more bytes than that: how many.
    pub async fn trim(&self, most: u64) -> Result<usize, StoreError> {
        self.database.write(sweep::Trim { most: i64::try_from(most).unwrap_or(i64::MAX) }).await
    }
}

/// The last one, and those before it.
fn split(mut chain: Vec<Entry>) -> (Option<Entry>, Vec<Entry>) {
    (chain.pop(), chain)
}

/// How many pieces so many bytes are.
fn pieces(size: usize) -> usize {
    size.div_ceil(PIECE_BYTES).max(1)
}

impl fmt::Debug for Deposits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sealed = self.chest.is_some();
        f.debug_struct("Deposits")
            .field("database", &self.database)
            .field("sealed", &sealed)
            .field("people", &self.people)
            .finish()
    }
}
