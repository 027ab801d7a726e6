//! Who somebody was, forgotten: in batches, between which others write. Days keep their sums, and
//! somebody who is forgotten goes on as a pseudonym.

use std::collections::{BTreeMap, HashSet};

use llm_core::principal::{KeyId, TenantId, UserId};
use llm_core::seam::Entropy;
use llm_core::store::StoreError;

use super::Requests;
use super::labels::{self, Unlabelled};
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// Rows that lose their names at once: each is a statement of its own.
const WASHED_MAX: usize = 256;

const OF_KEY: &str = "SELECT id, key FROM request_subject WHERE tenant = $1 AND key = $2";
const OF_USER: &str = "SELECT id, key FROM request_subject WHERE tenant = $1 AND person = $2";
const RENAME: &str = "UPDATE request_subject SET key = $1, person = $2, erased = 1 WHERE id = $3";
const ERASED: &str = "UPDATE request_state SET erasures = erasures + 1 WHERE id = 1";

const UNWASHED: &str = "SELECT id FROM request_subject WHERE erased = 1 ORDER BY id";
/// In the order of the log: all that are forgotten are found in one walk.
const ROWS: &str = "SELECT r.at, r.id, r.tags FROM request r WHERE (r.at, r.id) > ($1, $2) \
     AND r.subject IN (SELECT s.id FROM request_subject s WHERE s.erased = 1) \
     ORDER BY r.at, r.id LIMIT $3";
const WASH: &str = "UPDATE request SET id = $1, asked = NULL, tags = NULL \
     WHERE at = $2 AND id = $3";
const WASHED: &str = "UPDATE request_subject SET erased = 2 WHERE id = $1";

/// Who is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forget {
    /// Whoever used a key.
    Key(TenantId, KeyId),
    /// A person, with all keys that they used.
    User(TenantId, UserId),
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Names that calls had in common.
    pub subjects: u64,
    /// Calls that lost what only they had: labels, and the id that the ledger knows them by.
    pub requests: u64,
}

impl Requests {
    /// Puts pseudonyms in the places of who somebody was. Sums stay; nothing leads from them to the
    /// person any more, not even by way of the ledger: calls get other ids. Asked again after a
    /// crash, it goes on where it stopped.
    pub async fn forget(
        &self,
        who: &Forget,
        entropy: &dyn Entropy,
    ) -> Result<Forgotten, StoreError> {
        let seed = random(entropy);
        let renamed = self.database.write(Rename { who: who.clone(), seed }).await?;
        let mut forgotten = Forgotten { subjects: renamed.new, requests: 0 };
        let mut after = (i64::MIN, Vec::new());
        // Ids of rows of the last moment: they may lie behind where the walk is, as new ones.
        let mut done: HashSet<Vec<u8>> = HashSet::new();
        loop {
            let found = self.database.report(Unwashed(after.clone())).await?;
            let Some(last) = found.last().map(|row| (row.at, row.id.clone())) else { break };
            let mut rows = Vec::with_capacity(found.len());
            for row in found {
                if !done.contains(&row.id) {
                    rows.push((renamed_id(&row.id, random(entropy))?, row));
                }
            }
            if last.0 != after.0 {
                done.clear();
            }
            let late = rows.iter().filter(|(_, row)| row.at == last.0);
            done.extend(late.map(|(id, _)| id.to_vec()));
            forgotten.requests += rows.len() as u64;
            self.database.write(Wash(rows)).await?;
            after = last;
        }
        self.database.write(Washed(renamed.all)).await?;
        Ok(forgotten)
    }
}

/// Another id of the same time, which the row says anyway.
fn renamed_id(id: &[u8], random: u128) -> Result<[u8; 16], StoreError> {
    let was = <[u8; 16]>::try_from(id).map_err(|_| odd("id"))?;
    let low = (1 << 80) - 1;
    Ok((u128::from_be_bytes(was) & !low | random & low).to_be_bytes())
}

fn random(entropy: &dyn Entropy) -> u128 {
    u128::from(entropy.next_u64()) << 64 | u128::from(entropy.next_u64())
}

struct Rename {
    who: Forget,
    seed: u128,
}

struct Renamed {
    new: u64,
    /// With those of whom somebody else, or a crash, has left rows.
    all: Vec<i64>,
}

impl Task for Rename {
    type Out = Renamed;

    async fn run(&self, session: &mut Session<'_>) -> Result<Renamed, Failure> {
        let (text, tenant, name) = match &self.who {
            Forget::Key(tenant, key) => (OF_KEY, tenant, &key.0),
            Forget::User(tenant, user) => (OF_USER, tenant, &user.0),
        };
        let text = format!("{text}{}", session.locking());
        let found = session.all(text, &[(&*tenant.0).into(), (&**name).into()]).await?;
        // Keys stay apart from each other: what was two sums is not one.
        let mut keys = BTreeMap::new();
        let person = format!("erased-{:032x}", self.seed);
        for row in &found {
            let next = keys.len() + 1;
            let number = *keys.entry(row.text(1)?).or_insert(next);
            let key = format!("{person}-{number}");
            let args = [key.as_str().into(), person.as_str().into(), row.int(0)?.into()];
            session.run(RENAME, &args).await?;
        }
        if !found.is_empty() {
            session.run(ERASED, &[]).await?;
        }
        let all = session.all(UNWASHED, &[]).await?;
        let all = all.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?;
        Ok(Renamed { new: found.len() as u64, all })
    }
}

/// The next rows, behind one, of those who are forgotten.
struct Unwashed((i64, Vec<u8>));

impl Task for Unwashed {
    type Out = Vec<Unlabelled>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let most = i64::try_from(WASHED_MAX).unwrap_or(i64::MAX);
        let Self((at, id)) = self;
        let args = [(*at).into(), (&id[..]).into(), most.into()];
        let found = session.all(ROWS, &args).await?;
        found.iter().map(Unlabelled::read).collect()
    }
}

/// Takes from rows what only they have. Each comes behind its new id.
struct Wash(Vec<([u8; 16], Unlabelled)>);

impl Task for Wash {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        labels::take_away(session, self.0.iter().map(|(_, row)| row)).await?;
        for (new, row) in &self.0 {
            session.run(WASH, &[(&new[..]).into(), row.at.into(), (&row.id[..]).into()]).await?;
        }
        Ok(())
    }
}

/// Nothing is left of these.
struct Washed(Vec<i64>);

impl Task for Washed {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        for subject in &self.0 {
            session.run(WASHED, &[(*subject).into()]).await?;
        }
        Ok(())
    }
}
