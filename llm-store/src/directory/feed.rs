//! Which keys are not what they were: written with the change, read by every replica.
//!
//! A change of an owner, a plan or an issuer is one of all keys that depend on it, and they are
//! written out here: whoever reads must not have to know what depends on what.

use llm_core::principal::KeyId;

use super::desk::Desk;
use super::party::{Level, PartyId};
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// Changes of one answer, and lines that are named one by one.
const CHANGES_MAX: i64 = 4_096;
/// Longer than anybody remembers a key, whatever happens to the store: see `known`.
const KEPT_MICROS: i64 = 3_600 * 1_000_000;

/// Writes the lines that a condition names, and all that were issued below them.
macro_rules! touch {
    ($which:literal) => {
        concat!(
            "INSERT INTO key_change (seq, line, at) WITH RECURSIVE below (line) AS (",
            "SELECT line FROM virtual_key WHERE ",
            $which,
            " UNION SELECT k.line FROM virtual_key k JOIN below b ON k.issuer = b.line) ",
            "SELECT $1 + row_number() OVER (ORDER BY line), line, $2 FROM below"
        )
    };
}

const LINE: &str = touch!("line = $3");
const OF_TENANT: &str = touch!("tenant = $3");
const OF_ORG: &str = touch!("tenant = $3 AND org = $4");
const OF_TEAM: &str = touch!("tenant = $3 AND team = $4");
const OF_USER: &str = touch!("tenant = $3 AND person = $4");
const OF_PLAN: &str = touch!(
    "plan = $3 OR EXISTS (SELECT 1 FROM party p WHERE p.plan = $3 AND p.tenant = virtual_key.tenant \
     AND ((p.kind = 'tenant') OR (p.kind = 'org' AND p.id = virtual_key.org) \
     OR (p.kind = 'team' AND p.id = virtual_key.team) \
     OR (p.kind = 'user' AND p.id = virtual_key.person)))"
);

impl Desk<'_, '_> {
    /// A line of keys is not what it was.
    pub(super) async fn touch_line(&mut self, line: &KeyId) -> Result<(), Failure> {
        let args = [self.seq.into(), self.at().into(), (&*line.0).into()];
        self.seq += count(self.session.run(LINE, &args).await?)?;
        Ok(())
    }

    /// Keys of an owner are not what they were.
    pub(super) async fn touch_party(&mut self, party: &PartyId) -> Result<(), Failure> {
        let (seq, at) = (self.seq.into(), self.at().into());
        let (tenant, id) = ((&*party.tenant.0).into(), (&*party.id).into());
        let changed = match party.level {
            Level::Tenant => self.session.run(OF_TENANT, &[seq, at, tenant]).await?,
            Level::Org => self.session.run(OF_ORG, &[seq, at, tenant, id]).await?,
            Level::Team => self.session.run(OF_TEAM, &[seq, at, tenant, id]).await?,
            Level::User => self.session.run(OF_USER, &[seq, at, tenant, id]).await?,
        };
        self.seq += count(changed)?;
        Ok(())
    }

    /// Keys of a plan are not what they were.
    pub(super) async fn touch_plan(&mut self, plan: &str) -> Result<(), Failure> {
        let args = [self.seq.into(), self.at().into(), plan.into()];
        self.seq += count(self.session.run(OF_PLAN, &args).await?)?;
        Ok(())
    }

    /// A number that was never given out and will never be again.
    pub(super) fn number(&mut self) -> i64 {
        self.seq += 1;
        self.seq
    }

    /// Keeps the last number, and says which lines this desk touched; `None` when there are too
    /// many to be named.
    pub(super) async fn close(self, opened: i64) -> Result<Option<Vec<KeyId>>, Failure> {
        if self.seq == opened {
            return Ok(Some(Vec::new()));
        }
        let text = "UPDATE directory_head SET seq = $1 WHERE id = 1";
        self.session.run(text, &[self.seq.into()]).await?;
        let before = self.at().saturating_sub(KEPT_MICROS);
        self.session.run("DELETE FROM key_change WHERE at < $1", &[before.into()]).await?;
        if self.seq - opened > CHANGES_MAX {
            return Ok(None);
        }
        let text = "SELECT line FROM key_change WHERE seq > $1 ORDER BY seq";
        let lines = self.session.all(text, &[opened.into()]).await?;
        lines.iter().map(|line| Ok(KeyId(line.text(0)?.into()))).collect::<Result<_, _>>().map(Some)
    }
}

fn count(rows: u64) -> Result<i64, Failure> {
    Ok(i64::try_from(rows).map_err(|_| odd("rows"))?)
}

/// The changes since a cursor.
pub(super) struct Since(pub(super) u64);

impl Task for Since {
    type Out = (Vec<KeyId>, u64);

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let since = i64::try_from(self.0).unwrap_or(i64::MAX);
        let head = session.one("SELECT seq FROM directory_head WHERE id = 1", &[]).await?;
        let head = head.ok_or_else(|| odd("directory_head"))?.int(0)?;
        let last = |seq: i64| u64::try_from(seq).map_err(|_| odd("seq"));
        if since >= head {
            return Ok((Vec::new(), last(head)?));
        }
        let text = "SELECT line, seq FROM key_change WHERE seq > $1 ORDER BY seq LIMIT $2";
        let rows = session.all(text, &[since.into(), CHANGES_MAX.into()]).await?;
        // Numbers are used for other things, too, so that the last change is not always the head.
        let whole = i64::try_from(rows.len()).is_ok_and(|rows| rows < CHANGES_MAX);
        let mut next = if whole { head } else { since };
        let mut lines = Vec::with_capacity(rows.len());
        for row in &rows {
            lines.push(KeyId(row.text(0)?.into()));
            next = next.max(row.int(1)?);
        }
        Ok((lines, last(next)?))
    }
}
