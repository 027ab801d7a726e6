//! Users and teams: made when they are named first, and limited as wholes.

use http::{StatusCode, Uri};
use hyper::body::Incoming;
use llm_core::Str;
use llm_core::ledger::Owner;
use llm_core::money::{Money, Unit as _};
use llm_core::principal::{TeamId, UserId};
use llm_store::directory::{
    About, By, Holder, KeyFilter, Level, NotDone, PAGE_MAX, Party, PartyDraft, PartyId,
};
use llm_store::keys::{Draft, KeyOwner};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::house::House;
use super::super::office::{Office, new_id};
use super::fields::{Fields, Params, Said};
use super::keys::{Made, metadata, scope};
use super::refusal::{Answered, Refusal};
use super::terms::{self, Terms};
use super::told;
use super::view::{Shown, Spent, total};
use crate::config::TENANT;

fn party_id(level: Level, id: Str) -> PartyId {
    PartyId { tenant: TENANT, level, id }
}

/// The owner of a key: who is named and not known comes into being.
pub(super) async fn owner(
    office: &Office,
    user: Option<Str>,
    team: Option<Str>,
) -> Result<KeyOwner, Refusal> {
    let named = [(Level::Team, &team), (Level::User, &user)];
    for (level, id) in named {
        let Some(id) = id else { continue };
        let id = party_id(level, id.clone());
        match office.directory.party(id.clone()).await {
            Ok(_) => {}
            Err(NotDone::Unknown { .. }) => {
                office.directory.create(&By::Operator, PartyDraft::new(id)).await?;
            }
            Err(why) => return Err(why.into()),
        }
    }
    let whole = KeyOwner::tenant(TENANT);
    Ok(KeyOwner { user: user.map(UserId), team: team.map(TeamId), ..whole })
}

/// Somebody new, with what they are sold.
async fn make(office: &Office, draft: PartyDraft, terms: &Terms) -> Result<Party, Refusal> {
    let (by, id, limits) = (By::Operator, draft.id.clone(), terms.over(&[])?);
    let directory = &office.directory;
    if let Said::Set(plan) = &terms.plan {
        // Before anybody is made whom it could not be given.
        directory.plan(plan.clone()).await?;
    }
    directory.create(&by, draft).await?;
    let holder = Holder::Party(id.clone());
    if !limits.is_empty() {
        directory.set_limits(&by, holder.clone(), limits).await?;
    }
    if let Some(plan) = terms.plan.clone().set() {
        directory.set_plan(&by, holder.clone(), Some(plan)).await?;
    }
    if let Some(most) = terms.parallel.clone().set() {
        directory.set_parallel(&by, holder, Some(most)).await?;
    }
    Ok(directory.party(id).await?)
}

#[derive(Serialize)]
struct NewUser {
    user_id: Str,
    /// A first key, unless `auto_create_key` is false.
    #[serde(flatten)]
    made: Option<Made>,
}

/// `POST /user/new`.
pub(super) async fn new_user(house: &House, office: &Office, body: Incoming) -> Answered {
    let mut fields = Fields::read(house, body).await?;
    let terms = Terms::read(&mut fields)?;
    let user = fields.take::<Str>("user_id")?.set();
    let (alias, email) =
        (fields.take::<Str>("user_alias")?.set(), fields.take::<Str>("user_email")?.set());
    let team = fields.take::<Str>("team_id")?.set();
    let models = fields.take::<Vec<Str>>("models")?.set();
    let words = fields.raw("metadata").set();
    let with_key = fields.take::<bool>("auto_create_key")?.set().unwrap_or(true);
    fields.end()?;
    let user = user.map_or_else(|| new_id("user"), Ok)?;
    let KeyOwner { team, .. } = owner(office, None, team).await?;
    let draft = PartyDraft {
        team,
        name: alias.or(email),
        metadata: metadata(words),
        ..PartyDraft::new(party_id(Level::User, user.clone()))
    };
    make(office, draft, &terms).await?;
    let mut made = None;
    if with_key {
        let owner = KeyOwner { user: Some(UserId(user.clone())), ..KeyOwner::tenant(TENANT) };
        let draft = Draft { models: scope(models), ..Draft::new(owner) };
        let (key, entry) = office.issue(draft, About::default()).await?;
        let mut key = Made::new(office, &key, &entry);
        // It stands beside the key already.
        key.user_id = None;
        made = Some(key);
    }
    Ok(told(StatusCode::OK, &NewUser { user_id: user, made }))
}

#[derive(Serialize)]
struct NewTeam {
    team_id: Str,
    team_alias: Option<Str>,
    limits: Vec<String>,
}

/// `POST /team/new`.
pub(super) async fn new_team(house: &House, office: &Office, body: Incoming) -> Answered {
    let mut fields = Fields::read(house, body).await?;
    let terms = Terms::read(&mut fields)?;
    let team = fields.take::<Str>("team_id")?.set();
    let alias = fields.take::<Str>("team_alias")?.set();
    let words = fields.raw("metadata").set();
    fields.end()?;
    let team = team.map_or_else(|| new_id("team"), Ok)?;
    let id = party_id(Level::Team, team.clone());
    let draft = PartyDraft { name: alias, metadata: metadata(words), ..PartyDraft::new(id) };
    let party = make(office, draft, &terms).await?;
    let limits = party.limits.iter().map(ToString::to_string).collect();
    Ok(told(StatusCode::OK, &NewTeam { team_id: team, team_alias: party.draft.name, limits }))
}

#[derive(Serialize)]
struct UserShown {
    user_id: Str,
    user_info: Person,
    keys: Vec<Shown>,
}

#[derive(Serialize)]
struct Person {
    user_id: Str,
    user_alias: Option<Str>,
    team_id: Option<Str>,
    plan: Option<Str>,
    limits: Vec<String>,
    rpm_limit: Option<u64>,
    tpm_limit: Option<u64>,
    max_parallel_requests: Option<u32>,
    created_at: String,
    blocked: bool,
    metadata: Option<Box<RawValue>>,
    #[serde(flatten)]
    spent: Spent,
}

/// `GET /user/info?user_id=`: with the user's keys, and with what the user has spent: of the budget
/// where there is one, else by all keys together.
pub(super) async fn user_info(house: &House, office: &Office, uri: &Uri) -> Answered {
    let mut params = Params::read(uri)?;
    let user = Str::from(params.need("user_id")?);
    params.end()?;
    let party = office.directory.party(party_id(Level::User, user.clone())).await?;
    let mut sum = (Money::ZERO, Money::ZERO);
    let (mut keys, mut after) = (Vec::new(), None);
    let budget = Spent::of_party(house, office, Owner::User, &party).await?;
    loop {
        let owner = KeyOwner { user: Some(UserId(user.clone())), ..KeyOwner::tenant(TENANT) };
        let filter = KeyFilter { owner, replaced: false };
        let page = office.directory.keys(&By::Operator, filter, after, PAGE_MAX).await?;
        for entry in &page.items {
            if budget.is_none() {
                let (spent, held) = total(house, entry).await?;
                sum = (sum.0.saturating_add(spent), sum.1.saturating_add(held));
            }
            keys.push(Shown::of(entry, office));
        }
        after = page.next.map(llm_core::principal::KeyId);
        if after.is_none() {
            break;
        }
    }
    let spent = budget.unwrap_or_else(|| Spent::unlimited(sum));
    let user_info = Person {
        user_id: user.clone(),
        user_alias: party.draft.name,
        team_id: party.draft.team.map(|id| id.0),
        plan: party.plan,
        rpm_limit: terms::a_minute(&party.limits, terms::requests),
        tpm_limit: terms::a_minute(&party.limits, terms::tokens),
        limits: party.limits.iter().map(ToString::to_string).collect(),
        max_parallel_requests: party.parallel_max,
        created_at: office.zone.show(party.created_at),
        blocked: party.suspended_at.is_some(),
        metadata: RawValue::from_string(party.draft.metadata.to_string()).ok(),
        spent,
    };
    Ok(told(StatusCode::OK, &UserShown { user_id: user, user_info, keys }))
}
