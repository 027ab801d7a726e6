//! Who was forgotten, written down where no copy of the database goes: what a copy brings back of
//! somebody who was forgotten after it was made is forgotten again.
//!
//! The actors are the *mark* of an erasure (when it was asked for, and a print of whose it was; the
//! print is a hash, and who reads the list learns no name from it), the *list* of marks (a file, the
//! lines of which are only ever added: first of all, before anything is forgotten) and the marks in
//! the database (last of all, when everything is forgotten). What the list has and the database has
//! not is *left* to do: after a death in the middle as well as in a copy that is older.
//!
//! Deliberately absent: lists that are found by themselves on other machines. Whoever restores has
//! to have them.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use llm_core::principal::{TenantId, UserId};
use llm_core::store::StoreError;
use llm_store::deposits::Owner;
use llm_store::sql::{Database, Failure, Session, Task};

/// What prints are made with: nobody tries other prints' tables on them.
const PRINT: &str = "llm-app 2026-11 print of whoever was forgotten";

const DONE: &str = "SELECT at, print FROM erasure WHERE at >= $1 ORDER BY at, print";
const ADD: &str = "INSERT INTO erasure (at, print) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const KEYS: &str = "SELECT owner FROM person";
const FORGET: &str = "DELETE FROM person WHERE owner = $1";
/// Whose things there are, in the words of owners. Those of jobs and calls are apart, as their tables
/// name them.
const OWNERS: &str = "SELECT owner FROM person UNION SELECT owner FROM deposit \
     UNION SELECT owner FROM conversation UNION SELECT owner FROM chat_message \
     UNION SELECT owner FROM prompt_boost UNION SELECT owner FROM prompt_template \
     UNION SELECT owner FROM prompt_experiment UNION SELECT owner FROM prompt_feedback \
     UNION SELECT owner FROM document UNION SELECT owner FROM analysis";
const USERS: &str = "SELECT tenant, person FROM job WHERE person IS NOT NULL \
     UNION SELECT tenant, person FROM request_subject WHERE person <> ''";

/// An erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// When it was asked for, in microseconds since 1970.
    pub at: i64,
    print: [u8; 32],
}

impl Mark {
    pub(super) fn new(at: i64, owner: &Owner) -> Self {
        Self { at, print: print(owner.as_str()) }
    }

    /// Whether both are about the same person.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        self.print == other.print
    }
}

fn print(owner: &str) -> [u8; 32] {
    blake3::derive_key(PRINT, owner.as_bytes())
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at, blake3::Hash::from_bytes(self.print).to_hex())
    }
}

/// A text that is no mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a mark is a number and 64 hexadecimal digits")]
pub struct NotMark;

impl FromStr for Mark {
    type Err = NotMark;

    fn from_str(text: &str) -> Result<Self, NotMark> {
        let (at, print) = text.split_once(' ').ok_or(NotMark)?;
        let print = *blake3::Hash::from_hex(print).map_err(|_| NotMark)?.as_bytes();
        Ok(Self { at: at.parse().map_err(|_| NotMark)?, print })
    }
}

/// A list, in a file.
#[derive(Clone, Debug)]
pub struct List(PathBuf);

impl List {
    /// The list in a file, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// All marks in it. A line that was cut by a death is none: what it was for had not begun.
    pub fn read(&self) -> io::Result<BTreeSet<Mark>> {
        match fs::read_to_string(&self.0) {
            Ok(text) => Ok(text.lines().filter_map(|line| line.parse().ok()).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(error),
        }
    }

    /// Adds marks that are not in it, and returns when they are on the medium.
    pub fn add(&self, marks: impl IntoIterator<Item = Mark>) -> io::Result<()> {
        let known = self.read()?;
        // Behind whatever a death has left of a line.
        let mut text = String::new();
        for mark in marks.into_iter().filter(|mark| !known.contains(mark)) {
            text.push_str(&format!("\n{mark}\n"));
        }
        if text.is_empty() {
            return Ok(());
        }
        let is_new = !self.0.exists();
        let mut options = File::options();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&self.0)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        match self.0.parent().filter(|folder| is_new && !folder.as_os_str().is_empty()) {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// Marks of the database that are no older.
pub(super) async fn done(database: &Database, since: i64) -> Result<BTreeSet<Mark>, StoreError> {
    database.report(Done(since)).await
}

/// Those of a list that a database does not have.
pub async fn left(
    database: &Database,
    listed: BTreeSet<Mark>,
) -> Result<BTreeSet<Mark>, StoreError> {
    let Some(first) = listed.first().map(|mark| mark.at) else { return Ok(listed) };
    let done = done(database, first).await?;
    Ok(listed.difference(&done).copied().collect())
}

/// Forgets the keys of all whom these marks are about: what is sealed under them is noise from then
/// on. How many there were.
pub async fn shred(database: &Database, marks: &BTreeSet<Mark>) -> Result<u64, StoreError> {
    if marks.is_empty() {
        return Ok(0);
    }
    let prints = marks.iter().map(|mark| mark.print).collect();
    let gone = database.write(Shred(prints)).await?;
    database.scrub().await?;
    Ok(gone)
}

/// Writes down that these are forgotten to the end.
pub(super) async fn end(database: &Database, marks: Vec<Mark>) -> Result<(), StoreError> {
    database.write(End(marks)).await
}

/// Of whom there is anything, among those whom these marks are about.
pub(super) async fn found(
    database: &Database,
    marks: &BTreeSet<Mark>,
) -> Result<Vec<(TenantId, UserId)>, StoreError> {
    let wanted: BTreeSet<[u8; 32]> = marks.iter().map(|mark| mark.print).collect();
    let mut found = HashMap::new();
    for owner in database.report(Owners).await? {
        let print = print(owner.as_str());
        if wanted.contains(&print)
            && let Some(person) = owner.person()
        {
            found.insert(print, person);
        }
    }
    Ok(found.into_values().collect())
}

struct Done(i64);

impl Task for Done {
    type Out = BTreeSet<Mark>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let rows = session.all(DONE, &[self.0.into()]).await?;
        let odd = |_| StoreError::Corrupt("a print has another length".into());
        let mark = |row: &llm_store::sql::Record| {
            Ok(Mark { at: row.int(0)?, print: row.bytes(1)?.try_into().map_err(odd)? })
        };
        rows.iter().map(mark).collect()
    }
}

struct Shred(BTreeSet<[u8; 32]>);

impl Task for Shred {
    type Out = u64;

    async fn run(&self, session: &mut Session<'_>) -> Result<u64, Failure> {
        let mut gone = 0;
        for row in session.all(KEYS, &[]).await? {
            let owner = row.text(0)?;
            if self.0.contains(&print(&owner)) {
                gone += session.run(FORGET, &[owner.as_str().into()]).await?;
            }
        }
        Ok(gone)
    }
}

struct End(Vec<Mark>);

impl Task for End {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        for Mark { at, print } in &self.0 {
            session.run(ADD, &[(*at).into(), print.as_slice().into()]).await?;
        }
        Ok(())
    }
}

struct Owners;

impl Task for Owners {
    type Out = Vec<Owner>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let mut owners = Vec::new();
        for row in session.all(OWNERS, &[]).await? {
            owners.push(Owner::from(llm_core::Str::from(row.text(0)?)));
        }
        for row in session.all(USERS, &[]).await? {
            let (tenant, user) = (TenantId(row.text(0)?.into()), UserId(row.text(1)?.into()));
            owners.push(Owner::user(&tenant, &user));
        }
        Ok(owners)
    }
}

#[cfg(test)]
mod tests;
