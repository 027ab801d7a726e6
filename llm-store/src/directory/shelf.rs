//! The records that bound a key, as the pure rules want them: read at once, from the key to the
//! operator.
//!
//! Two things are more than the records say: an owner that rests makes its keys rest, and the plan
//! of an issuer bounds what it has issued.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use llm_core::Str;
use llm_core::principal::{KeyId, Priority, TeamId, TenantId, UserId};
use llm_core::quota::Plan;
use llm_core::store::KeyHash;

use super::desk::{Desk, Op, Stop};
use super::text::{actions_of, instant, limits_of, maybe_instant, scope_of};
use super::{By, NotDone, SqlDirectory, plan};
use crate::keys::{
    Action, Authority, Issuer, KeyOwner, KeyPrint, KeyRecord, NotUsable, OrgId, PepperId, Replaced,
    Rights, Standing, standing,
};
use crate::sql::database::Record;
use crate::sql::fault::Failure;
use crate::sql::row::{digest, odd};

/// What belongs to a line of keys beside their rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// What people call it.
    pub alias: Option<Str>,
    /// A JSON object.
    pub metadata: Str,
    /// The name of its plan; without one, that of its user, team, part or tenant.
    pub plan: Option<Str>,
    /// How many of its calls may run at once; never more than of its issuer's.
    pub parallel_max: Option<u32>,
}

impl Default for About {
    fn default() -> Self {
        let metadata = Str::from_static("{}");
        Self { alias: None, metadata, plan: None, parallel_max: None }
    }
}

/// A key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// What the rules are about.
    pub record: KeyRecord,
    /// What else there is.
    pub about: About,
}

/// Keys with the instant since which their owner rests.
macro_rules! keys {
    ($tail:literal) => {
        concat!(
            "SELECT k.id, k.line, k.pepper, k.print, k.label, k.tenant, k.org, k.team, k.person, ",
            "k.actions, k.models, k.limits, k.expires, k.suspended, k.revoked, k.replaced_by, ",
            "k.replaced_until, k.created, k.issuer, k.alias, k.metadata, k.plan, k.parallel, ",
            "coalesce(",
            "(SELECT p.suspended FROM party p WHERE p.tenant = k.tenant AND p.kind = 'user' ",
            "AND p.id = k.person), ",
            "(SELECT p.suspended FROM party p WHERE p.tenant = k.tenant AND p.kind = 'team' ",
            "AND p.id = k.team), ",
            "(SELECT p.suspended FROM party p WHERE p.tenant = k.tenant AND p.kind = 'org' ",
            "AND p.id = k.org), ",
            "(SELECT p.suspended FROM party p WHERE p.tenant = k.tenant AND p.kind = 'tenant' ",
            "AND p.id = k.tenant)) FROM virtual_key k ",
            $tail
        )
    };
}
pub(super) use keys;

const ONE: &str = keys!("WHERE k.id = $1");
const BY_PRINT: &str = keys!("WHERE k.print = $1");
/// The heads of a key's own line and of its issuers'. Each line comes once, also in a circle.
const HEADS: &str = concat!(
    "WITH RECURSIVE chain (line) AS (",
    "SELECT line FROM virtual_key WHERE id = $1 ",
    "UNION SELECT issuer FROM virtual_key WHERE id = $1 AND issuer IS NOT NULL ",
    "UNION SELECT h.issuer FROM virtual_key h JOIN chain c ON h.line = c.line ",
    "WHERE h.replaced_by IS NULL AND h.issuer IS NOT NULL) ",
    keys!("WHERE k.replaced_by IS NULL AND k.line IN (SELECT line FROM chain)")
);

pub(super) struct Row {
    pub(super) entry: KeyEntry,
    /// Since when its owner rests.
    resting: Option<Timestamp>,
}

impl Row {
    pub(super) fn read(row: &Record) -> Result<Self, Failure> {
        let until = maybe_instant(row.maybe_int(16)?)?;
        let by = row.maybe_text(15)?.map(|id| KeyId(id.into()));
        let issuer = row.maybe_text(18)?;
        let parallel = row.maybe_int(22)?.map(u32::try_from).transpose();
        let record = KeyRecord {
            id: KeyId(row.text(0)?.into()),
            line: KeyId(row.text(1)?.into()),
            print: KeyPrint {
                // A name of 64 bits, whichever way it is signed.
                pepper: PepperId(row.int(2)?.cast_unsigned()),
                hash: KeyHash(digest(&row.bytes(3)?)?),
            },
            label: row.text(4)?.into(),
            owner: KeyOwner {
                tenant: TenantId(row.text(5)?.into()),
                org: row.maybe_text(6)?.map(|id| OrgId(id.into())),
                team: row.maybe_text(7)?.map(|id| TeamId(id.into())),
                user: row.maybe_text(8)?.map(|id| UserId(id.into())),
            },
            rights: Rights {
                actions: actions_of(&row.text(9)?)?,
                models: scope_of(&row.text(10)?),
                limits: limits_of(&row.text(11)?)?,
            },
            expires_at: maybe_instant(row.maybe_int(12)?)?,
            suspended_at: maybe_instant(row.maybe_int(13)?)?,
            revoked_at: maybe_instant(row.maybe_int(14)?)?,
            replaced: by.zip(until).map(|(by, until)| Replaced { by, until }),
            created_at: instant(row.int(17)?)?,
            issuer: issuer.map_or(Issuer::Operator, |line| Issuer::Key(KeyId(line.into()))),
        };
        let about = About {
            alias: row.maybe_text(19)?.map(Str::from),
            metadata: row.text(20)?.into(),
            plan: row.maybe_text(21)?.map(Str::from),
            parallel_max: parallel.map_err(|_| odd("parallel"))?,
        };
        let resting = maybe_instant(row.maybe_int(23)?)?;
        Ok(Self { entry: KeyEntry { record, about }, resting })
    }

    /// With the rest of its owner; and where it stands as an issuer, within its plan.
    fn effective(&self, plan: Option<&Plan>) -> KeyRecord {
        let mut record = self.entry.record.clone();
        record.suspended_at = record.suspended_at.or(self.resting);
        if let Some(plan) = plan {
            record.rights = record.rights.meet(&plan::rights(plan));
        }
        record
    }
}

/// A key with what bounds it.
pub(super) struct Shelf {
    row: Row,
    /// Itself with its plan, as others are measured by it.
    bound: KeyRecord,
    /// Itself without: its plan is counted for it, and not twice.
    own: KeyRecord,
    plan: Option<Arc<Plan>>,
    /// Heads by their lines, each within its plan.
    heads: HashMap<KeyId, KeyRecord>,
    /// What issuers have beside rights.
    sold: HashMap<KeyId, (Option<Priority>, Option<u32>)>,
    now: Timestamp,
}

impl Desk<'_, '_> {
    pub(super) async fn maybe_key(&mut self, id: &KeyId) -> Result<Option<Row>, Failure> {
        let row = self.session.one(ONE, &[(&*id.0).into()]).await?;
        row.as_ref().map(Row::read).transpose()
    }

    pub(super) async fn key_by_print(&mut self, print: &KeyHash) -> Result<Option<Row>, Failure> {
        let row = self.session.one(BY_PRINT, &[print.0.as_slice().into()]).await?;
        row.as_ref().map(Row::read).transpose()
    }

    /// A key by its id, with what bounds it.
    pub(super) async fn shelf(&mut self, id: &KeyId) -> Result<Shelf, Stop> {
        let row = self.maybe_key(id).await?;
        let row = row.ok_or_else(|| NotDone::unknown("key", &id.0))?;
        self.shelved(row).await
    }

    pub(super) async fn shelved(&mut self, row: Row) -> Result<Shelf, Stop> {
        let own = row.effective(None);
        let plan = self.maybe_plan(row.entry.about.plan.as_ref()).await?;
        let bound = row.effective(plan.as_deref());
        let (mut heads, mut sold) = (HashMap::new(), HashMap::new());
        for found in self.session.all(HEADS, &[(&*own.id.0).into()]).await? {
            let head = Row::read(&found)?;
            let of_head = self.maybe_plan(head.entry.about.plan.as_ref()).await?;
            let priority = of_head.as_ref().map(|plan| plan.priority);
            let line = head.entry.record.line.clone();
            sold.insert(line.clone(), (priority, head.entry.about.parallel_max));
            // Its own line has its own plan, which is asked apart.
            let of_head = of_head.filter(|_| line != own.line);
            heads.insert(line, head.effective(of_head.as_deref()));
        }
        Ok(Shelf { row, bound, own, plan, heads, sold, now: self.now })
    }

    /// Who changes something, as the rules on keys want it.
    pub(super) async fn authority(&mut self, by: &By) -> Result<Authority, Stop> {
        match by {
            By::Operator => Ok(Authority::operator()),
            By::Key(id) => Ok(self.shelf(id).await?.authority()?),
        }
    }

    /// Whether somebody may change an owner: one of those strictly below theirs, so that nobody
    /// loosens what holds for themselves.
    pub(super) async fn may_change(
        &mut self,
        by: &By,
        owner: &KeyOwner,
        action: Action,
    ) -> Result<(), Stop> {
        match self.acts(by, action).await? {
            Some(own) if !owner.within(&own) || *owner == own => Err(NotDone::Denied.into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether somebody may look at what an owner has.
    pub(super) async fn may_look(
        &mut self,
        by: &By,
        owner: &KeyOwner,
        action: Action,
    ) -> Result<(), Stop> {
        match self.acts(by, action).await? {
            Some(own) if !owner.within(&own) => Err(NotDone::Denied.into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Whom they act for; `None` is everybody.
    async fn acts(&mut self, by: &By, action: Action) -> Result<Option<KeyOwner>, Stop> {
        let By::Key(id) = by else { return Ok(None) };
        let shelf = self.shelf(id).await?;
        if !shelf.standing()?.rights.actions.has(action) {
            return Err(NotDone::Denied.into());
        }
        Ok(Some(shelf.own.owner))
    }
}

impl Shelf {
    /// As it is stored.
    pub(super) fn entry(&self) -> &KeyEntry {
        &self.row.entry
    }

    /// Its own plan.
    pub(super) fn plan(&self) -> Option<&Arc<Plan>> {
        self.plan.as_ref()
    }

    fn head(&self, line: &KeyId) -> Option<&KeyRecord> {
        self.heads.get(line)
    }

    /// What it may do now, without its own plan.
    pub(super) fn standing(&self) -> Result<Standing, NotUsable> {
        standing(&self.own, &|line| self.head(line), self.now)
    }

    /// What it may do now, all in all: what others must not have more of.
    pub(super) fn bounded(&self) -> Result<Standing, NotUsable> {
        standing(&self.bound, &|line| self.head(line), self.now)
    }

    /// What it could do with another record or plan in its place.
    pub(super) fn would(
        &self,
        entry: &KeyEntry,
        plan: Option<&Plan>,
    ) -> Result<Standing, NotUsable> {
        let row = Row { entry: entry.clone(), resting: self.row.resting };
        let changed = row.effective(plan);
        let head = |line: &KeyId| {
            let itself = *line == changed.line && changed.replaced.is_none();
            if itself { Some(&changed) } else { self.heads.get(line) }
        };
        standing(&changed, &head, self.now)
    }

    /// Itself as somebody who issues.
    pub(super) fn authority(&self) -> Result<Authority, NotUsable> {
        Authority::of(&self.bound, &|line| self.head(line), self.now)
    }

    /// Whether it works itself, whatever its issuer says.
    pub(super) fn open(&self) -> Result<(), NotUsable> {
        self.own.open(self.now)
    }

    /// How many of its calls may run at once, and who waits first: never more than its issuers.
    pub(super) fn sold(&self, priority: Priority) -> (Option<u32>, Priority) {
        let mut parallel = self.row.entry.about.parallel_max;
        let (mut last, mut issuer) = (priority, &self.own.issuer);
        // A circle does not stand, and a line of issuers is bounded by who can stand.
        for _ in 0..=self.heads.len() {
            let Issuer::Key(line) = issuer else { break };
            let Some(head) = self.heads.get(line) else { break };
            let (theirs, most) = self.sold.get(line).copied().unwrap_or_default();
            parallel = [parallel, most].into_iter().flatten().min();
            last = last.max(theirs.unwrap_or(last));
            issuer = &head.issuer;
        }
        (parallel, last)
    }
}

impl SqlDirectory {
    /// A key as it is stored.
    pub async fn key(&self, by: &By, id: KeyId) -> Result<KeyEntry, NotDone> {
        self.ask(Get { by: by.clone(), id }).await
    }

    /// The key of a print, also one that works no more; `None` where there is none.
    pub async fn key_of(&self, by: &By, print: KeyHash) -> Result<Option<KeyEntry>, NotDone> {
        self.ask(Of { by: by.clone(), print }).await
    }

    /// What a key may do now, all in all, for who wants to know why it may not.
    pub async fn standing(&self, by: &By, id: KeyId) -> Result<Standing, NotDone> {
        self.ask(Stand { by: by.clone(), id }).await
    }
}

struct Get {
    by: By,
    id: KeyId,
}

impl Op for Get {
    type Out = KeyEntry;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<KeyEntry, Stop> {
        let row = desk.maybe_key(&self.id).await?;
        let row = row.ok_or_else(|| NotDone::unknown("key", &self.id.0))?;
        desk.may_look(&self.by, &row.entry.record.owner, Action::ManageKeys).await?;
        Ok(row.entry)
    }
}

struct Of {
    by: By,
    print: KeyHash,
}

impl Op for Of {
    type Out = Option<KeyEntry>;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Self::Out, Stop> {
        let Some(row) = desk.key_by_print(&self.print).await? else { return Ok(None) };
        desk.may_look(&self.by, &row.entry.record.owner, Action::ManageKeys).await?;
        Ok(Some(row.entry))
    }
}

struct Stand {
    by: By,
    id: KeyId,
}

impl Op for Stand {
    type Out = Standing;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Standing, Stop> {
        let shelf = desk.shelf(&self.id).await?;
        desk.may_look(&self.by, &shelf.own.owner, Action::ManageKeys).await?;
        Ok(shelf.bounded()?)
    }
}
