//! Users, teams and organizations: made when they are named first, limited as wholes, and moved with
//! all of their keys.
//!
//! Deleted is at rest with every key ended: who was here stays named in the logs and the accounts.

pub(crate) mod orgs;
pub(crate) mod teams;
pub(crate) mod users;

use http::StatusCode;
use llm_core::Str;
use llm_core::ledger::Owner;
use llm_core::principal::{KeyId, OrgId, TeamId, UserId};
use llm_store::directory::{
    By, Holder, KeyFilter, Level, NotDone, PAGE_MAX, Party, PartyDraft, PartyId, Turn,
};
use llm_store::keys::KeyOwner;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::house::House;
use super::super::office::Office;
use super::super::routes::ask::Ask;
use super::super::routes::shape::{Field, Of, flag, free, list, text, whole};
use super::fields::{Fields, Params, Said};
use super::keys::metadata;
use super::refusal::Refusal;
use super::terms::{self, Terms};
use super::view::Spent;
use crate::config::TENANT;

/// Owners that one call may end.
const DELETED_MAX: usize = 100;

/// What is shown of each of them, beside its id and what it has spent.
const PARTY: &[Field] = &[
    text("team_id", ""),
    text("organization_id", ""),
    text("plan", ""),
    list("limits", &Of::Text, "all limits of its own").need(),
    whole("rpm_limit", ""),
    whole("tpm_limit", ""),
    whole("max_parallel_requests", ""),
    text("created_at", "").need(),
    flag("blocked", "whether it rests, with all of its keys").need(),
    free("metadata", ""),
];

fn party_id(level: Level, id: Str) -> PartyId {
    PartyId { tenant: TENANT, level, id }
}

/// Who is named as an owner.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) user: Option<Str>,
    pub(super) team: Option<Str>,
    pub(super) org: Option<Str>,
}

impl Named {
    /// From the fields of a body.
    pub(super) fn read(fields: &mut Fields) -> Result<Self, Refusal> {
        Ok(Self {
            user: fields.take("user_id")?.set(),
            team: fields.take("team_id")?.set(),
            org: fields.take("organization_id")?.set(),
        })
    }

    /// From the parameters of a query.
    pub(super) fn of_query(query: &mut Params) -> Self {
        let mut take = |name| query.take(name).map(Str::from);
        Self { user: take("user_id"), team: take("team_id"), org: take("organization_id") }
    }

    /// Whatever belongs to it.
    pub(super) fn filter(self) -> KeyOwner {
        KeyOwner {
            tenant: TENANT,
            org: self.org.map(OrgId),
            team: self.team.map(TeamId),
            user: self.user.map(UserId),
        }
    }

    /// The owner of a key: who is named and not known comes into being.
    pub(super) async fn owner(self, office: &Office) -> Result<KeyOwner, Refusal> {
        // The widest first: a new team is one of the organization beside it.
        let org = self.org.clone().map(OrgId);
        let named = [(Level::Org, &self.org), (Level::Team, &self.team), (Level::User, &self.user)];
        for (level, id) in named {
            let Some(id) = id else { continue };
            let id = party_id(level, id.clone());
            match office.directory.party(id.clone()).await {
                Ok(_) => {}
                Err(NotDone::Unknown { .. }) => {
                    let org = org.clone().filter(|_| level == Level::Team);
                    let draft = PartyDraft { org, ..PartyDraft::new(id) };
                    office.directory.create(&By::Operator, draft).await?;
                }
                Err(why) => return Err(why.into()),
            }
        }
        Ok(self.filter())
    }
}

/// Somebody new, with what they are sold.
async fn make(office: &Office, draft: PartyDraft, terms: &Terms) -> Result<Party, Refusal> {
    let (by, id) = (By::Operator, draft.id.clone());
    if let Said::Set(plan) = &terms.plan {
        // Before anybody is made whom it could not be given.
        office.directory.plan(plan.clone()).await?;
    }
    let limits = terms.over(&[])?;
    let known = office.directory.create(&by, draft).await?;
    if known.suspended_at.is_some() {
        // Programs make people anew whenever they come along: that must not end a rest.
        let text = "they are here, and rest: an update with blocked = false ends that";
        return Err(Refusal::new(StatusCode::CONFLICT, "conflict", text));
    }
    let holder = Holder::Party(id.clone());
    if !limits.is_empty() {
        office.directory.set_limits(&by, holder.clone(), limits).await?;
    }
    if let Some(plan) = terms.plan.clone().set() {
        office.directory.set_plan(&by, holder.clone(), Some(plan)).await?;
    }
    if let Some(most) = terms.parallel.clone().set() {
        office.directory.set_parallel(&by, holder, Some(most)).await?;
    }
    Ok(office.directory.party(id).await?)
}

/// What a call changes of somebody: what is named changes, `null` takes away, all else stays.
struct Change {
    alias: Said<Str>,
    metadata: Said<Box<RawValue>>,
    blocked: Said<bool>,
    team: Said<Str>,
    org: Said<Str>,
    terms: Terms,
}

impl Change {
    fn read(fields: &mut Fields, alias: &str) -> Result<Self, Refusal> {
        Ok(Self {
            alias: fields.take(alias)?,
            metadata: fields.raw("metadata"),
            blocked: fields.take("blocked")?,
            team: Said::Nothing,
            org: fields.take("organization_id")?,
            terms: Terms::read(fields)?,
        })
    }

    async fn done(self, office: &Office, id: PartyId) -> Result<Party, Refusal> {
        let (by, directory) = (By::Operator, &office.directory);
        let known = directory.party(id.clone()).await?;
        let holder = Holder::Party(id.clone());
        // What can be refused comes first.
        let limits = self.terms.over(&known.limits)?;
        if self.terms.plan != Said::Nothing {
            let plan = self.terms.plan.clone().set();
            directory.set_plan(&by, holder.clone(), plan).await?;
        }
        if self.team != Said::Nothing || self.org != Said::Nothing {
            let team = self.team.over(known.draft.team.clone().map(|id| id.0)).map(TeamId);
            // Of a team that is said, its own organization; of none, the one that is said.
            let before = known.draft.org.clone().filter(|_| team == known.draft.team);
            let org = self.org.over(before.map(|id| id.0)).map(OrgId);
            directory.place_party(&by, id.clone(), org, team).await?;
        }
        if self.alias != Said::Nothing || !matches!(self.metadata, Said::Nothing) {
            let words = match self.metadata {
                Said::Nothing => known.draft.metadata.clone(),
                Said::None => metadata(None),
                Said::Set(raw) => metadata(Some(raw)),
            };
            let name = self.alias.over(known.draft.name.clone());
            directory.describe_party(&by, id.clone(), name, words).await?;
        }
        if !self.terms.leaves_limits() {
            directory.set_limits(&by, holder.clone(), limits).await?;
        }
        if self.terms.parallel != Said::Nothing {
            directory.set_parallel(&by, holder, self.terms.parallel.clone().set()).await?;
        }
        if let Said::Set(rests) = self.blocked {
            directory.rest_party(&by, id.clone(), rests).await?;
        }
        Ok(directory.party(id).await?)
    }
}

/// Ends somebody: every key of theirs for good, and then rest.
async fn end(office: &Office, id: PartyId) -> Result<(), Refusal> {
    // First rest: a key that is made meanwhile works for nobody.
    office.directory.rest_party(&By::Operator, id.clone(), true).await?;
    let mut after = None;
    loop {
        let filter = KeyFilter { owner: belonging(&id), replaced: true };
        let page = office.directory.keys(&By::Operator, filter, after, PAGE_MAX).await?;
        for entry in page.items {
            if entry.record.revoked_at.is_none() {
                office.directory.turn(&By::Operator, entry.record.id, Turn::Revoke).await?;
            }
        }
        after = page.next.map(KeyId);
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Ends all who are named, or nobody where one of them is unknown.
async fn end_all(
    ask: &mut Ask,
    office: &Office,
    level: Level,
    name: &str,
) -> Result<usize, Refusal> {
    let ids: Vec<Str> = ask.fields.need(name)?;
    if ids.len() > DELETED_MAX {
        return Err(Refusal::wrong(name, format!("{DELETED_MAX} at the most")));
    }
    ask.about = Some(Str::from(ids.join(" ")));
    for id in &ids {
        office.directory.party(party_id(level, id.clone())).await?;
    }
    let count = ids.len();
    for id in ids {
        end(office, party_id(level, id)).await?;
    }
    Ok(count)
}

/// All keys of an owner.
fn belonging(id: &PartyId) -> KeyOwner {
    let whole = KeyOwner::tenant(id.tenant.clone());
    match id.level {
        Level::Tenant => whole,
        Level::Org => KeyOwner { org: Some(OrgId(id.id.clone())), ..whole },
        Level::Team => KeyOwner { team: Some(TeamId(id.id.clone())), ..whole },
        Level::User => KeyOwner { user: Some(UserId(id.id.clone())), ..whole },
    }
}

/// What is shown of an owner, whatever it is.
#[derive(Serialize)]
struct Seen {
    team_id: Option<Str>,
    organization_id: Option<Str>,
    plan: Option<Str>,
    limits: Vec<String>,
    rpm_limit: Option<u64>,
    tpm_limit: Option<u64>,
    max_parallel_requests: Option<u32>,
    created_at: String,
    blocked: bool,
    metadata: Option<Box<RawValue>>,
    #[serde(flatten)]
    spent: Option<Spent>,
}

impl Seen {
    fn of(office: &Office, party: &Party, spent: Option<Spent>) -> Self {
        let team_id = party.draft.team.as_ref().map(|id| id.0.clone());
        Self {
            team_id,
            organization_id: party.draft.org.as_ref().map(|id| id.0.clone()),
            plan: party.plan.clone(),
            rpm_limit: terms::a_minute(&party.limits, terms::requests),
            tpm_limit: terms::a_minute(&party.limits, terms::tokens),
            limits: party.limits.iter().map(ToString::to_string).collect(),
            max_parallel_requests: party.parallel_max,
            created_at: office.zone.show(party.created_at),
            blocked: party.suspended_at.is_some(),
            metadata: RawValue::from_string(party.draft.metadata.to_string()).ok(),
            spent,
        }
    }

    /// With what its budget says, where it has one.
    async fn with_budget(house: &House, office: &Office, party: &Party) -> Result<Self, Refusal> {
        let owner = match party.draft.id.level {
            Level::User => Owner::User,
            Level::Team => Owner::Team,
            Level::Org => Owner::Org,
            Level::Tenant => Owner::Tenant,
        };
        let spent = Spent::of_party(house, office, owner, party).await?;
        let none = || Spent::unlimited(Default::default());
        Ok(Self::of(office, party, Some(spent.unwrap_or_else(none))))
    }
}
