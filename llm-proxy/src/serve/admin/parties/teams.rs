//! Teams, in LiteLLM's words. Here somebody is of one team: whoever is of another is moved, and not
//! added.

use http::StatusCode;
use llm_core::Str;
use llm_core::principal::OrgId;
use llm_store::directory::{By, Level, NotDone, PAGE_MAX, Party, PartyDraft};
use serde::Serialize;

use super::super::super::house::House;
use super::super::super::office::{Office, new_id};
use super::super::super::routes::ask::{Ask, Part, office};
use super::super::super::routes::shape::{Field, Of, PART, Shape, flag, free, list, text, whole};
use super::super::super::routes::{Route, operator};
use super::super::fields::{Fields, Said};
use super::super::keys::metadata;
use super::super::refusal::{Answered, Refusal};
use super::super::terms::{TERMS, Terms};
use super::super::view::SPENT;
use super::super::{Listed, told};
use super::{Change, Named, PARTY, Seen, party_id, users};
use crate::config::TENANT;

/// Members that one call names.
const MEMBERS_MAX: usize = 100;

const WORDS: &[Field] = &[
    text("team_id", "made up where it is not said"),
    text("team_alias", "what people call it"),
    text("organization_id", "of which organization; made where there is none of that id"),
    free("metadata", ""),
];
const CHANGE: &[Field] = &[
    text("team_id", "").need(),
    text("team_alias", ""),
    text("organization_id", "to another organization, with its people and keys"),
    flag("blocked", "whether it rests, with all keys"),
    free("metadata", ""),
];
const ALIAS: &[Field] = &[text("team_id", "").need(), text("team_alias", "")];
const MEMBERS: &[Field] =
    &[list("members", &Of::Text, "the first 200; /user/list has them all").need()];
const MEMBER: &[Field] = &[
    text("team_id", "").need(),
    text("user_id", "who; or member"),
    free("member", "{user_id}, or a list of such"),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/team/new", "Makes a team.", operator!(Keys, new))
        .takes(&[WORDS, TERMS])
        .gives(Shape::Table(&[PARTY, ALIAS, SPENT, MEMBERS])),
    Route::get("/team/info", "A team, with its people.", operator!(Read, info))
        .query(&[&[text("team_id", "").need()]])
        .gives(Shape::Table(&[PARTY, ALIAS, SPENT, MEMBERS])),
    Route::post("/team/update", "Changes or moves a team.", operator!(Keys, update))
        .takes(&[CHANGE, TERMS])
        .gives(Shape::Table(&[PARTY, ALIAS, SPENT, MEMBERS])),
    Route::post(
        "/team/delete",
        "Ends teams and all keys that belong to them; their people stay.",
        operator!(Keys, delete),
    )
    .takes(&[&[list("team_ids", &Of::Text, "").need()]])
    .gives(Shape::Table(&[&[whole("deleted", "how many").need()]])),
    Route::get("/team/list", "Teams by their ids.", operator!(Read, listed))
        .query(&[&[text("organization_id", "")], PART])
        .gives(Shape::Named("teams", &[PARTY, ALIAS])),
    Route::post(
        "/team/member_add",
        "Puts people into a team, with their keys; made where nobody has that id.",
        operator!(Keys, add),
    )
    .takes(&[MEMBER])
    .gives(Shape::Table(&[PARTY, ALIAS, SPENT, MEMBERS])),
    Route::post(
        "/team/member_delete",
        "Takes people out of a team, with their keys.",
        operator!(Keys, remove),
    )
    .takes(&[MEMBER])
    .gives(Shape::Table(&[PARTY, ALIAS, SPENT, MEMBERS])),
];

#[derive(Serialize)]
struct Team {
    team_alias: Option<Str>,
    #[serde(flatten)]
    seen: Seen,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<Str>>,
}

impl Team {
    fn new(party: &Party, seen: Seen) -> Self {
        // It is its own team.
        let seen = Seen { team_id: Some(party.draft.id.id.clone()), ..seen };
        Self { team_alias: party.draft.name.clone(), seen, members: None }
    }

    async fn whole(house: &House, office: &Office, party: &Party) -> Answered {
        let seen = Seen::with_budget(house, office, party).await?;
        let of = party.draft.id.clone();
        let members = office.directory.members(of, Level::User, None, PAGE_MAX).await?;
        let members = members.items.into_iter().map(|party| party.draft.id.id).collect();
        Ok(told(StatusCode::OK, &Self { members: Some(members), ..Self::new(party, seen) }))
    }
}

async fn new(ask: &mut Ask) -> Answered {
    let Ask { house, fields, about: of, .. } = ask;
    let office = office(house)?;
    let (terms, named) = (Terms::read(fields)?, Named::read(fields)?);
    let alias = fields.take::<Str>("team_alias")?.set();
    let words = fields.raw("metadata").set();
    let team = named.team.map_or_else(|| new_id("team"), Ok)?;
    *of = Some(team.clone());
    Named { org: named.org.clone(), ..Named::default() }.owner(office).await?;
    let draft = PartyDraft {
        org: named.org.map(OrgId),
        name: alias,
        metadata: metadata(words),
        ..PartyDraft::new(party_id(Level::Team, team))
    };
    let party = super::make(office, draft, &terms).await?;
    Team::whole(house, office, &party).await
}

async fn info(ask: &mut Ask) -> Answered {
    let team = Str::from(ask.query.need("team_id")?);
    let office = office(&ask.house)?;
    let party = office.directory.party(party_id(Level::Team, team)).await?;
    Team::whole(&ask.house, office, &party).await
}

async fn update(ask: &mut Ask) -> Answered {
    let Ask { house, fields, .. } = ask;
    let office = office(house)?;
    let team: Str = fields.need("team_id")?;
    let change = Change::read(fields, "team_alias")?;
    let party = change.done(office, party_id(Level::Team, team)).await?;
    Team::whole(house, office, &party).await
}

#[derive(Serialize)]
struct Deleted {
    deleted: usize,
}

async fn delete(ask: &mut Ask) -> Answered {
    let house = std::sync::Arc::clone(&ask.house);
    let deleted = super::end_all(ask, office(&house)?, Level::Team, "team_ids").await?;
    Ok(told(StatusCode::OK, &Deleted { deleted }))
}

async fn listed(ask: &mut Ask) -> Answered {
    let Part { cursor, limit } = ask.part()?;
    let org = ask.query.take("organization_id").map(Str::from);
    let office = office(&ask.house)?;
    let after = cursor.map(Str::from);
    let page = match org {
        None => office.directory.parties(TENANT, Level::Team, after, limit).await?,
        Some(id) => {
            office.directory.members(party_id(Level::Org, id), Level::Team, after, limit).await?
        }
    };
    let data = page.items.iter().map(|party| Team::new(party, Seen::of(office, party, None)));
    let listed = Listed { data: data.collect(), next: page.next.map(|id| id.to_string()) };
    Ok(told(StatusCode::OK, &listed.named("teams")))
}

/// A member, as LiteLLM names one; what part they have in a team means nothing here.
#[derive(serde::Deserialize)]
struct Member {
    user_id: Str,
}

/// The people that a body names.
fn people(fields: &mut Fields) -> Result<Vec<Str>, Refusal> {
    let mut people: Vec<Str> = fields.take("user_id")?.set().into_iter().collect();
    if let Said::Set(raw) = fields.raw("member") {
        let odd = |error: serde_json::Error| Refusal::wrong("member", error.to_string());
        let several: Vec<Member> = if raw.get().starts_with('[') {
            serde_json::from_str(raw.get()).map_err(odd)?
        } else {
            vec![serde_json::from_str(raw.get()).map_err(odd)?]
        };
        people.extend(several.into_iter().map(|member| member.user_id));
    }
    match people.len() {
        0 => Err(Refusal::wrong("member", "say user_id, or member")),
        count if count > MEMBERS_MAX => {
            Err(Refusal::wrong("member", format!("{MEMBERS_MAX} at the most")))
        }
        _ => Ok(people),
    }
}

async fn add(ask: &mut Ask) -> Answered {
    let Ask { house, fields, .. } = ask;
    let office = office(house)?;
    let team: Str = fields.need("team_id")?;
    let people = people(fields)?;
    let id = party_id(Level::Team, team.clone());
    office.directory.party(id.clone()).await?;
    for user in people {
        let known = party_id(Level::User, user.clone());
        match office.directory.party(known.clone()).await {
            Ok(_) => {}
            Err(NotDone::Unknown { .. }) => {
                office.directory.create(&By::Operator, PartyDraft::new(known)).await?;
            }
            Err(why) => return Err(why.into()),
        }
        users::put(office, user, Said::Set(team.clone())).await?;
    }
    Team::whole(house, office, &office.directory.party(id).await?).await
}

async fn remove(ask: &mut Ask) -> Answered {
    let Ask { house, fields, .. } = ask;
    let office = office(house)?;
    let team: Str = fields.need("team_id")?;
    let people = people(fields)?;
    let id = party_id(Level::Team, team.clone());
    let party = office.directory.party(id).await?;
    for user in people {
        let known = office.directory.party(party_id(Level::User, user.clone())).await?;
        if known.draft.team.as_ref().is_none_or(|of| of.0 != team) {
            let text = format!("{user} is not of team {team}");
            return Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", text));
        }
        users::put(office, user, Said::None).await?;
    }
    Team::whole(house, office, &party).await
}
