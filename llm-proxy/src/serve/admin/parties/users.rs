//! Users, in LiteLLM's words; its customers are users, too.

use http::StatusCode;
use llm_core::Str;
use llm_core::money::{Money, Unit as _};
use llm_core::principal::{KeyId, TeamId, UserId};
use llm_store::directory::{About, By, KeyFilter, Level, PAGE_MAX, Party, PartyDraft};
use llm_store::keys::{Draft, KeyOwner};
use serde::Serialize;

use super::super::super::office::{Office, new_id};
use super::super::super::routes::ask::{Ask, Part, office};
use super::super::super::routes::shape::{Field, Of, PART, Shape, flag, free, list};
use super::super::super::routes::shape::{secret, table, text, whole};
use super::super::super::routes::{Route, operator};
use super::super::fields::Said;
use super::super::keys::{Made, metadata, scope};
use super::super::refusal::{Answered, Refusal};
use super::super::terms::{TERMS, Terms};
use super::super::view::{SHOWN, SPENT, Shown, Spent, total};
use super::super::{Listed, told};
use super::{Change, Named, PARTY, Seen, party_id};
use crate::config::TENANT;

const ID: &[Field] = &[text("user_id", "").need()];
const WORDS: &[Field] = &[
    text("user_id", "made up where it is not said"),
    text("user_alias", "what people call them"),
    text("user_email", "where there is no alias, that"),
    text("team_id", "of which team; made where there is none of that id"),
    text("organization_id", "of which organization"),
    list("models", &Of::Text, "of the first key"),
    free("metadata", ""),
    flag("auto_create_key", "with a first key, unless this is false"),
];
const CHANGE: &[Field] = &[
    text("user_id", "").need(),
    text("user_alias", ""),
    text("team_id", "to another team, with all keys"),
    text("organization_id", "to another organization, with all keys"),
    flag("blocked", "whether they rest, with all keys"),
    free("metadata", ""),
];
const ALIAS: &[Field] = &[text("user_id", "").need(), text("user_alias", "")];
const INFO: &[Field] = &[
    text("user_id", "").need(),
    table("user_info", &[ALIAS, PARTY, SPENT], "").need(),
    list("keys", &Of::Table(&[SHOWN]), "").need(),
];
const DELETED: &[Field] = &[whole("deleted", "how many").need()];
/// A user, and where there is one, the key's fields beside.
const NEW: &[Field] = &[
    text("user_id", "").need(),
    secret("key", "of the first key: its text, shown this once"),
    text("key_name", ""),
    text("token_id", ""),
    text("expires", ""),
    text("team_id", ""),
    text("organization_id", ""),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/user/new", "Makes a user, and a first key.", operator!(Keys, new))
        .takes(&[WORDS, TERMS])
        .gives(Shape::Table(&[NEW])),
    Route::get(
        "/user/info",
        "A user with their keys, and what they have spent: of their budget, else by all keys.",
        operator!(Read, info),
    )
    .query(&[ID])
    .gives(Shape::Table(&[INFO])),
    Route::post("/user/update", "Changes or moves a user.", operator!(Keys, update))
        .takes(&[CHANGE, TERMS])
        .gives(Shape::Table(&[ALIAS, PARTY, SPENT])),
    Route::post(
        "/user/delete",
        "Ends users and all of their keys; logs and accounts keep their names.",
        operator!(Keys, delete),
    )
    .takes(&[&[list("user_ids", &Of::Text, "").need()]])
    .gives(Shape::Table(&[DELETED])),
    Route::get("/user/list", "Users by their ids.", operator!(Read, listed))
        .query(&[&[text("team_id", ""), text("organization_id", "")], PART])
        .gives(Shape::Named("users", &[ALIAS, PARTY])),
    Route::get("/customer/info", "A user, as LiteLLM has customers.", operator!(Read, customer))
        .query(&[&[text("end_user_id", "").need()]])
        .gives(Shape::Table(&[ALIAS, PARTY, SPENT])),
];

#[derive(Serialize)]
struct New {
    user_id: Str,
    #[serde(flatten)]
    made: Option<Made>,
}

#[derive(Serialize)]
struct User {
    user_id: Str,
    user_alias: Option<Str>,
    #[serde(flatten)]
    seen: Seen,
}

#[derive(Serialize)]
struct Info {
    user_id: Str,
    user_info: User,
    keys: Vec<Shown>,
}

impl User {
    fn new(party: &Party, seen: Seen) -> Self {
        let draft = &party.draft;
        Self { user_id: draft.id.id.clone(), user_alias: draft.name.clone(), seen }
    }
}

async fn new(ask: &mut Ask) -> Answered {
    let Ask { house, fields, about: of, .. } = ask;
    let office = office(house)?;
    let (terms, named) = (Terms::read(fields)?, Named::read(fields)?);
    let alias = fields.take::<Str>("user_alias")?.set();
    let email = fields.take::<Str>("user_email")?.set();
    let models = fields.take::<Vec<Str>>("models")?.set();
    let words = fields.raw("metadata").set();
    let with_key = fields.take::<bool>("auto_create_key")?.set().unwrap_or(true);
    let user = named.user.clone().map_or_else(|| new_id("user"), Ok)?;
    *of = Some(user.clone());
    let KeyOwner { team, org, .. } = Named { user: None, ..named }.owner(office).await?;
    let draft = PartyDraft {
        team,
        org,
        name: alias.or(email),
        metadata: metadata(words),
        ..PartyDraft::new(party_id(Level::User, user.clone()))
    };
    super::make(office, draft, &terms).await?;
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
    Ok(told(StatusCode::OK, &New { user_id: user, made }))
}

async fn info(ask: &mut Ask) -> Answered {
    let user = Str::from(ask.query.need("user_id")?);
    let office = office(&ask.house)?;
    let party = office.directory.party(party_id(Level::User, user.clone())).await?;
    let (user_info, keys) = known(ask, office, &party).await?;
    Ok(told(StatusCode::OK, &Info { user_id: user, user_info, keys }))
}

async fn customer(ask: &mut Ask) -> Answered {
    let user = Str::from(ask.query.need("end_user_id")?);
    let office = office(&ask.house)?;
    let party = office.directory.party(party_id(Level::User, user)).await?;
    Ok(told(StatusCode::OK, &known(ask, office, &party).await?.0))
}

/// A user with all that was spent, and the keys it was spent with.
async fn known(ask: &Ask, office: &Office, party: &Party) -> Result<(User, Vec<Shown>), Refusal> {
    let house = &ask.house;
    let (mut sum, mut keys, mut after) = ((Money::ZERO, Money::ZERO), Vec::new(), None);
    let owner = llm_core::ledger::Owner::User;
    let budget = Spent::of_party(house, office, owner, party).await?;
    loop {
        let filter = KeyFilter { owner: super::belonging(&party.draft.id), replaced: false };
        let page = office.directory.keys(&By::Operator, filter, after, PAGE_MAX).await?;
        for entry in &page.items {
            if budget.is_none() {
                let (spent, held) = total(house, &entry.record.line.0).await?;
                sum = (sum.0.saturating_add(spent), sum.1.saturating_add(held));
            }
            keys.push(Shown::of(entry, office));
        }
        after = page.next.map(KeyId);
        if after.is_none() {
            break;
        }
    }
    let spent = budget.unwrap_or_else(|| Spent::unlimited(sum));
    Ok((User::new(party, Seen::of(office, party, Some(spent))), keys))
}

async fn update(ask: &mut Ask) -> Answered {
    let Ask { house, fields, .. } = ask;
    let office = office(house)?;
    let user: Str = fields.need("user_id")?;
    let team = fields.take::<Str>("team_id")?;
    let change = Change { team, ..Change::read(fields, "user_alias")? };
    let party = change.done(office, party_id(Level::User, user)).await?;
    let seen = Seen::with_budget(house, office, &party).await?;
    Ok(told(StatusCode::OK, &User::new(&party, seen)))
}

#[derive(Serialize)]
struct Deleted {
    deleted: usize,
}

async fn delete(ask: &mut Ask) -> Answered {
    let house = std::sync::Arc::clone(&ask.house);
    let count = super::end_all(ask, office(&house)?, Level::User, "user_ids").await?;
    Ok(told(StatusCode::OK, &Deleted { deleted: count }))
}

async fn listed(ask: &mut Ask) -> Answered {
    let Part { cursor, limit } = ask.part()?;
    let named = Named::of_query(&mut ask.query);
    let office = office(&ask.house)?;
    let of = named.team.map(|id| (Level::Team, id)).or(named.org.map(|id| (Level::Org, id)));
    let after = cursor.map(Str::from);
    let page = match of {
        None => office.directory.parties(TENANT, Level::User, after, limit).await?,
        Some((level, id)) => {
            office.directory.members(party_id(level, id), Level::User, after, limit).await?
        }
    };
    let data = page.items.iter().map(|party| User::new(party, Seen::of(office, party, None)));
    let listed = Listed { data: data.collect(), next: page.next.map(|id| id.to_string()) };
    Ok(told(StatusCode::OK, &listed.named("users")))
}

/// Puts a user into a team, or out of it.
pub(super) async fn put(office: &Office, user: Str, team: Said<Str>) -> Result<Party, Refusal> {
    let id = party_id(Level::User, user);
    let known = office.directory.party(id.clone()).await?;
    let before = known.draft.team.clone();
    let team = team.set().map(TeamId);
    if let (Some(before), Some(team)) = (&before, &team)
        && before != team
    {
        let text = format!("they are of team {before}: move them by /user/update");
        return Err(Refusal::new(StatusCode::CONFLICT, "conflict", text));
    }
    // Of no team, they stay with the organization.
    let org = if team.is_none() { known.draft.org } else { None };
    Ok(office.directory.place_party(&By::Operator, id, org, team).await?)
}
