//! Tenants, and within them parts, groups and people: one kind of row, since all of them have
//! plans, limits and rests.

mod place;

use jiff::Timestamp;
use llm_core::Str;
use llm_core::principal::{TeamId, TenantId, UserId};
use llm_core::quota::Limit;

use super::book::{Page, page_size};
use super::desk::{Desk, Op, Stop};
use super::text::{check_limits, check_maybe_name, check_metadata, check_name, limits_of};
use super::text::{instant, limits_text, maybe_instant};
use super::{By, NotDone, SqlDirectory};
use crate::keys::{Action, KeyOwner, OrgId};
use crate::sql::database::Record;
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// How large an owner is, the smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A person or service.
    User,
    /// A group.
    Team,
    /// A part of a tenant.
    Org,
    /// Whose data it is.
    Tenant,
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::User, Self::Team, Self::Org, Self::Tenant];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Team => "team",
            Self::Org => "org",
            Self::Tenant => "tenant",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == word)
    }
}

/// Names an owner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartyId {
    /// Whose data it is.
    pub tenant: TenantId,
    /// What it is.
    pub level: Level,
    /// Its id within the tenant; a tenant's is its own.
    pub id: Str,
}

impl PartyId {
    /// A tenant itself.
    pub fn tenant(tenant: TenantId) -> Self {
        Self { id: tenant.0.clone(), level: Level::Tenant, tenant }
    }
}

/// An owner that somebody would like to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartyDraft {
    /// Who it is.
    pub id: PartyId,
    /// The part of the tenant it is of: a team or user.
    pub org: Option<OrgId>,
    /// The group it is of: a user.
    pub team: Option<TeamId>,
    /// What people call it.
    pub name: Option<Str>,
    /// A JSON object.
    pub metadata: Str,
}

impl PartyDraft {
    /// One of which nothing else is known.
    pub fn new(id: PartyId) -> Self {
        Self { id, org: None, team: None, name: None, metadata: Str::from_static("{}") }
    }
}

/// An owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Who it is, and what it belongs to. That does not change.
    pub draft: PartyDraft,
    /// The name of its plan, whose limits are counted for all of its keys together.
    pub plan: Option<Str>,
    /// Limits beside those of the plan.
    pub limits: Vec<Limit>,
    /// How many of its calls may run at once.
    pub parallel_max: Option<u32>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it rests, with all of its keys.
    pub suspended_at: Option<Timestamp>,
}

impl Party {
    /// Itself, as keys name their owners.
    pub(super) fn owner(&self) -> KeyOwner {
        owner(&self.draft)
    }
}

fn owner(draft: &PartyDraft) -> KeyOwner {
    let PartyDraft { id, org, team, .. } = draft;
    let whole = KeyOwner::tenant(id.tenant.clone());
    let (org, team, itself) = (org.clone(), team.clone(), id.id.clone());
    match id.level {
        Level::Tenant => whole,
        Level::Org => KeyOwner { org: Some(OrgId(itself)), ..whole },
        Level::Team => KeyOwner { org, team: Some(TeamId(itself)), ..whole },
        Level::User => KeyOwner { org, team, user: Some(UserId(itself)), ..whole },
    }
}

macro_rules! parties {
    ($tail:literal) => {
        concat!(
            "SELECT tenant, kind, id, org, team, name, metadata, plan, limits, parallel, created, ",
            "suspended FROM party ",
            $tail
        )
    };
}

fn read(row: &Record) -> Result<Party, Failure> {
    let level = Level::parse(&row.text(1)?).ok_or_else(|| odd("kind"))?;
    let id = PartyId { tenant: TenantId(row.text(0)?.into()), level, id: row.text(2)?.into() };
    let parallel = row.maybe_int(9)?.map(u32::try_from).transpose();
    Ok(Party {
        draft: PartyDraft {
            id,
            org: row.maybe_text(3)?.map(|id| OrgId(id.into())),
            team: row.maybe_text(4)?.map(|id| TeamId(id.into())),
            name: row.maybe_text(5)?.map(Str::from),
            metadata: row.text(6)?.into(),
        },
        plan: row.maybe_text(7)?.map(Str::from),
        limits: limits_of(&row.text(8)?)?,
        parallel_max: parallel.map_err(|_| odd("parallel"))?,
        created_at: instant(row.int(10)?)?,
        suspended_at: maybe_instant(row.maybe_int(11)?)?,
    })
}

impl SqlDirectory {
    /// Makes an owner. The same one again is there already, and stays as it is.
    pub async fn create(&self, by: &By, draft: PartyDraft) -> Result<Party, NotDone> {
        self.change(Create { by: by.clone(), draft }).await
    }

    /// An owner.
    pub async fn party(&self, id: PartyId) -> Result<Party, NotDone> {
        self.ask(Get { id }).await
    }

    /// Owners of a level of a tenant by their ids, behind one.
    pub async fn parties(
        &self,
        tenant: TenantId,
        level: Level,
        after: Option<Str>,
        most: usize,
    ) -> Result<Page<Party>, NotDone> {
        self.ask(List { tenant: Some(tenant), level, of: None, after, most }).await
    }

    /// The same of those who belong to an owner: the teams and people of a part, the people of a
    /// team.
    pub async fn members(
        &self,
        of: PartyId,
        level: Level,
        after: Option<Str>,
        most: usize,
    ) -> Result<Page<Party>, NotDone> {
        let tenant = Some(of.tenant.clone());
        self.ask(List { tenant, level, of: Some(of), after, most }).await
    }

    /// Puts a person or a team elsewhere, with all of their keys. What they have spent stays theirs;
    /// limits above them are those of the new place from the next look-up on.
    pub async fn place_party(
        &self,
        by: &By,
        id: PartyId,
        org: Option<OrgId>,
        team: Option<TeamId>,
    ) -> Result<Party, NotDone> {
        self.change(place::Put { by: by.clone(), id, org, team }).await
    }

    /// All tenants by their ids, behind one.
    pub async fn tenants(&self, after: Option<Str>, most: usize) -> Result<Page<Party>, NotDone> {
        self.ask(List { tenant: None, level: Level::Tenant, of: None, after, most }).await
    }

    /// Changes what people call it and what applications hang on it.
    pub async fn describe_party(
        &self,
        by: &By,
        id: PartyId,
        name: Option<Str>,
        metadata: Str,
    ) -> Result<Party, NotDone> {
        self.change(Edit { by: by.clone(), id, edit: Edited::Words { name, metadata } }).await
    }

    /// Lets an owner rest with all of its keys, or ends a rest.
    pub async fn rest_party(&self, by: &By, id: PartyId, rests: bool) -> Result<Party, NotDone> {
        self.change(Edit { by: by.clone(), id, edit: Edited::Rests(rests) }).await
    }

    pub(super) async fn sell_party(
        &self,
        by: &By,
        id: PartyId,
        edit: Edited,
    ) -> Result<(), NotDone> {
        self.change(Edit { by: by.clone(), id, edit }).await.map(drop)
    }
}

impl Desk<'_, '_> {
    /// An owner.
    pub(super) async fn party(&mut self, id: &PartyId) -> Result<Party, Stop> {
        let found = self.maybe_party(id).await?;
        Ok(found.ok_or_else(|| NotDone::unknown(id.level.name(), &id.id))?)
    }

    async fn maybe_party(&mut self, id: &PartyId) -> Result<Option<Party>, Stop> {
        let text = parties!("WHERE tenant = $1 AND kind = $2 AND id = $3");
        let args = [(&*id.tenant.0).into(), id.level.name().into(), (&*id.id).into()];
        let row = self.session.one(text, &args).await?;
        Ok(row.as_ref().map(read).transpose()?)
    }

    /// The owners on a key's path, the narrowest first.
    pub(super) async fn path(&mut self, owner: &KeyOwner) -> Result<Vec<Party>, Stop> {
        let KeyOwner { tenant, org, team, user } = owner;
        let named = [
            user.as_ref().map(|id| (Level::User, &id.0)),
            team.as_ref().map(|id| (Level::Team, &id.0)),
            org.as_ref().map(|id| (Level::Org, &id.0)),
            Some((Level::Tenant, &tenant.0)),
        ];
        let mut path = Vec::with_capacity(named.len());
        for (level, id) in named.into_iter().flatten() {
            let id = PartyId { tenant: tenant.clone(), level, id: id.clone() };
            path.push(self.party(&id).await?);
        }
        Ok(path)
    }

    /// An owner with what its parts belong to: who names a user means the user's team, too. Each
    /// was completed when it was made.
    pub(super) async fn whole_owner(&mut self, named: &KeyOwner) -> Result<KeyOwner, Stop> {
        let mut whole = named.clone();
        for party in self.path(named).await? {
            let of = party.owner();
            whole.team = agree(whole.team, of.team)?;
            whole.org = agree(whole.org, of.org)?;
        }
        Ok(whole)
    }
}

fn agree<T: PartialEq>(one: Option<T>, other: Option<T>) -> Result<Option<T>, NotDone> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(NotDone::Owner),
        (Some(one), _) => Ok(Some(one)),
        (None, other) => Ok(other),
    }
}

struct Create {
    by: By,
    draft: PartyDraft,
}

impl Op for Create {
    type Out = Party;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Party, Stop> {
        let PartyDraft { id, name, metadata, .. } = &self.draft;
        check_name(&id.id)?;
        check_name(&id.tenant.0)?;
        check_maybe_name(name.as_ref())?;
        check_metadata(metadata)?;
        let draft = self.placed(desk).await?;
        desk.may_change(&self.by, &owner(&draft), Action::ManageKeys).await?;
        if let Some(known) = desk.maybe_party(id).await? {
            if known.draft == draft {
                return Ok(known);
            }
            return Err(NotDone::taken(id.level.name(), &id.id).into());
        }
        let text = "INSERT INTO party (tenant, kind, id, org, team, name, metadata, limits, created) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8)";
        let args = [
            (&*id.tenant.0).into(),
            id.level.name().into(),
            (&*id.id).into(),
            draft.org.as_ref().map(|id| &*id.0).into(),
            draft.team.as_ref().map(|id| &*id.0).into(),
            name.as_deref().into(),
            (&**metadata).into(),
            desk.at().into(),
        ];
        desk.session.run(text, &args).await?;
        desk.party(id).await
    }
}

impl Create {
    /// With what it belongs to, all of which must be there.
    async fn placed(&self, desk: &mut Desk<'_, '_>) -> Result<PartyDraft, Stop> {
        let PartyDraft { id, org, team, .. } = &self.draft;
        let outside = match id.level {
            Level::Tenant if id.id != id.tenant.0 => return Err(NotDone::Owner.into()),
            Level::Tenant => {
                let alone = org.is_none() && team.is_none();
                return if alone { Ok(self.draft.clone()) } else { Err(NotDone::Owner.into()) };
            }
            Level::Org if org.is_some() || team.is_some() => return Err(NotDone::Owner.into()),
            Level::Team if team.is_some() => return Err(NotDone::Owner.into()),
            Level::Org | Level::Team | Level::User => KeyOwner {
                org: org.clone(),
                team: team.clone(),
                ..KeyOwner::tenant(id.tenant.clone())
            },
        };
        let KeyOwner { org, team, .. } = desk.whole_owner(&outside).await?;
        Ok(PartyDraft { org, team, ..self.draft.clone() })
    }
}

struct Get {
    id: PartyId,
}

impl Op for Get {
    type Out = Party;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Party, Stop> {
        desk.party(&self.id).await
    }
}

struct List {
    tenant: Option<TenantId>,
    level: Level,
    of: Option<PartyId>,
    after: Option<Str>,
    most: usize,
}

/// Those of a tenant, and of one of its parts or teams.
pub(super) fn listed(of: Option<Level>) -> &'static str {
    match of {
        None | Some(Level::Tenant | Level::User) => {
            parties!("WHERE kind = $1 AND id > $2 AND tenant = $4 ORDER BY id LIMIT $3")
        }
        Some(Level::Team) => parties!(
            "WHERE kind = $1 AND id > $2 AND tenant = $4 AND team = $5 ORDER BY id LIMIT $3"
        ),
        Some(Level::Org) => {
            parties!(
                "WHERE kind = $1 AND id > $2 AND tenant = $4 AND org = $5 ORDER BY id LIMIT $3"
            )
        }
    }
}

impl Op for List {
    type Out = Page<Party>;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Page<Party>, Stop> {
        let (after, most) = (self.after.as_deref().unwrap_or_default(), page_size(self.most));
        let tenant = self.tenant.as_ref().map(|tenant| &*tenant.0);
        let (level, after, most) = (self.level.name().into(), after.into(), most);
        let rows = match tenant {
            Some(tenant) => {
                // Nobody belongs to a person, and everybody to their tenant.
                let of = self.of.as_ref().filter(|of| matches!(of.level, Level::Team | Level::Org));
                let which = listed(of.map(|of| of.level));
                let args = [level, after, most.into(), tenant.into()];
                let args = args.into_iter().chain(of.map(|of| (&*of.id).into()));
                desk.session.all(which, &args.collect::<Vec<_>>()).await?
            }
            // A tenant's id is its own tenant's: the order is that of the table.
            None => {
                let which = parties!("WHERE kind = $1 AND tenant > $2 ORDER BY tenant LIMIT $3");
                desk.session.all(which, &[level, after, most.into()]).await?
            }
        };
        let items: Vec<Party> = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Page::new(items, most, |party| party.draft.id.id.clone()))
    }
}

/// What is changed of an owner.
pub(super) enum Edited {
    Words { name: Option<Str>, metadata: Str },
    Rests(bool),
    Plan(Option<Str>),
    Limits(Vec<Limit>),
    Parallel(Option<u32>),
}

impl Edited {
    fn action(&self) -> Action {
        match self {
            Self::Words { .. } | Self::Rests(_) => Action::ManageKeys,
            Self::Plan(_) | Self::Limits(_) | Self::Parallel(_) => Action::ManageMoney,
        }
    }
}

struct Edit {
    by: By,
    id: PartyId,
    edit: Edited,
}

impl Op for Edit {
    type Out = Party;

    async fn run(&self, desk: &mut Desk<'_, '_>) -> Result<Party, Stop> {
        let mut party = desk.party(&self.id).await?;
        desk.may_change(&self.by, &party.owner(), self.edit.action()).await?;
        match &self.edit {
            Edited::Words { name, metadata } => {
                check_maybe_name(name.as_ref())?;
                check_metadata(metadata)?;
                (party.draft.name, party.draft.metadata) = (name.clone(), metadata.clone());
            }
            Edited::Rests(true) => {
                party.suspended_at.get_or_insert(desk.now);
            }
            Edited::Rests(false) => party.suspended_at = None,
            Edited::Plan(plan) => {
                desk.maybe_plan(plan.as_ref()).await?;
                party.plan.clone_from(plan);
            }
            Edited::Limits(limits) => {
                check_limits(limits)?;
                party.limits.clone_from(limits);
            }
            Edited::Parallel(most) => party.parallel_max = *most,
        }
        desk.keep_party(&party).await?;
        desk.touch_party(&self.id).await?;
        Ok(party)
    }
}

impl Desk<'_, '_> {
    async fn keep_party(&mut self, party: &Party) -> Result<(), Failure> {
        let PartyId { tenant, level, id } = &party.draft.id;
        let limits = limits_text(&party.limits);
        let text = "UPDATE party SET name = $4, metadata = $5, plan = $6, limits = $7, \
             parallel = $8, suspended = $9 WHERE tenant = $1 AND kind = $2 AND id = $3";
        let args = [
            (&*tenant.0).into(),
            level.name().into(),
            (&**id).into(),
            party.draft.name.as_deref().into(),
            (&*party.draft.metadata).into(),
            party.plan.as_deref().into(),
            limits.as_str().into(),
            party.parallel_max.map(i64::from).into(),
            party.suspended_at.map(Timestamp::as_microsecond).into(),
        ];
        self.session.run(text, &args).await.map(drop)
    }
}
