//! What is sold: plans, those of the configuration and those that are stored beside them.

use http::StatusCode;
use llm_core::Str;
use llm_core::principal::{Priority, Scope};
use llm_core::quota::{Limit, OwnKeysUse, Plan};
use llm_store::directory::{By, NotDone};
use serde::Serialize;

use super::super::office::Office;
use super::super::routes::ask::{Ask, Part, office};
use super::super::routes::shape::{Field, Of, PART, Shape, flag, list, text, words};
use super::super::routes::{Route, operator};
use super::refusal::{Answered, Refusal};
use super::{Listed, told};

const PRIORITIES: &[&str] = &["critical", "default", "batch", "sheddable"];
const OWN_KEYS: &[&str] = &["off", "allowed", "required"];
const WORDS: &[Field] = &[
    list("limits", &Of::Text, "600/minute, 2M tokens/day, $50/month").need(),
    list(
        "models",
        &Of::Text,
        "names and `prefix*` patterns; an empty list is all of them; as before unless said",
    ),
    words(
        "priority",
        PRIORITIES,
        "who waits first when not all can be served; as before unless said",
    ),
    words(
        "byok",
        OWN_KEYS,
        "whether calls bring keys of providers along; null leaves it to server.byok; as before \
         unless said",
    ),
    flag(
        "byok_charge",
        "whether calls that bring a key are charged as all others; as before unless said",
    ),
];
pub(super) const PLAN: &[Field] = &[
    text("name", "").need(),
    list("limits", &Of::Text, "").need(),
    list("models", &Of::Text, "").need(),
    words("priority", PRIORITIES, "").need(),
    words("byok", OWN_KEYS, "nothing where it is left to server.byok"),
    flag("byok_charge", "").need(),
];
const REMOVED: &[Field] = &[flag("removed", "").need()];

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/admin/plans", "What is sold.", operator!(Read, listed))
        .query(&[PART])
        .gives(Shape::Page(&[PLAN])),
    Route::put(
        "/admin/plans/{name}",
        "Stores a plan, or changes a stored one: its numbers hold from the next call on.",
        operator!(Money, put),
    )
    .takes(&[WORDS])
    .gives(Shape::Table(&[PLAN])),
    Route::delete(
        "/admin/plans/{name}",
        "Removes a stored plan that nobody has.",
        operator!(Money, remove),
    )
    .gives(Shape::Table(&[REMOVED])),
];

#[derive(Serialize)]
pub(super) struct Shown {
    name: Str,
    limits: Vec<String>,
    models: Vec<Str>,
    priority: &'static str,
    byok: Option<&'static str>,
    byok_charge: bool,
}

impl Shown {
    pub(super) fn of(plan: &Plan) -> Self {
        Self {
            name: plan.name.clone(),
            limits: plan.limits.iter().map(ToString::to_string).collect(),
            models: plan.models.models.clone(),
            priority: match plan.priority {
                Priority::Critical => "critical",
                Priority::Default => "default",
                Priority::Batch => "batch",
                Priority::Sheddable => "sheddable",
            },
            byok: plan.own_keys.map(OwnKeysUse::name),
            byok_charge: plan.own_keys_charged,
        }
    }
}

/// Some of the plans, by their names.
pub(super) async fn some(
    office: &Office,
    Part { cursor, limit }: Part,
) -> Result<Listed<std::sync::Arc<Plan>>, Refusal> {
    let mut data = office.directory.plans().await?;
    if let Some(after) = cursor {
        data.retain(|plan| *plan.name > *after);
    }
    let more = data.len() > limit;
    data.truncate(limit);
    let next = data.last().filter(|_| more).map(|plan| plan.name.to_string());
    Ok(Listed { data, next })
}

async fn listed(ask: &mut Ask) -> Answered {
    let part = ask.part()?;
    let Listed { data, next } = some(office(&ask.house)?, part).await?;
    let data: Vec<Shown> = data.iter().map(|plan| Shown::of(plan)).collect();
    Ok(told(StatusCode::OK, &Listed { data, next }))
}

async fn put(ask: &mut Ask) -> Answered {
    let limits: Vec<String> = ask.fields.need("limits")?;
    let limits: Result<Vec<Limit>, Refusal> = limits
        .iter()
        .map(|text| text.parse().map_err(|why| Refusal::wrong("limits", format!("{text}: {why}"))))
        .collect();
    let name = Str::from(ask.name(0)?);
    // What is not said stays as it was: nobody is sold more models by leaving them out.
    let known = match office(&ask.house)?.directory.plan(name.clone()).await {
        Ok(known) => Plan::clone(&known),
        Err(NotDone::Unknown { .. }) => Plan { models: Scope::all(), ..Plan::default() },
        Err(why) => return Err(why.into()),
    };
    let models = match ask.fields.take::<Vec<Str>>("models")?.set() {
        None => known.models,
        Some(none) if none.is_empty() => Scope::all(),
        Some(models) => Scope { models },
    };
    let priority = match ask.fields.take::<String>("priority")?.set() {
        None => known.priority,
        Some(word) => Priority::parse(&word)
            .ok_or_else(|| Refusal::wrong("priority", PRIORITIES.join(", ")))?,
    };
    let own_keys = ask.fields.take::<String>("byok")?.map(|word| {
        OwnKeysUse::parse(&word).ok_or_else(|| Refusal::wrong("byok", OWN_KEYS.join(", ")))
    });
    let own_keys = own_keys?.over(known.own_keys);
    let charged = ask.fields.take("byok_charge")?.over(Some(known.own_keys_charged));
    let own_keys_charged = charged.unwrap_or_default();
    let plan = Plan { name, limits: limits?, models, priority, own_keys, own_keys_charged };
    office(&ask.house)?.directory.put_plan(&By::Operator, plan.clone()).await?;
    Ok(told(StatusCode::OK, &Shown::of(&plan)))
}

#[derive(Serialize)]
struct Removed {
    removed: bool,
}

async fn remove(ask: &mut Ask) -> Answered {
    let name = Str::from(ask.name(0)?);
    let office = office(&ask.house)?;
    // One that is not there is no success: it may have been mistyped.
    office.directory.plan(name.clone()).await?;
    office.directory.remove_plan(&By::Operator, name.clone()).await?;
    if office.directory.plan(name).await.is_ok() {
        let text = "this plan stands in the configuration: it is changed there";
        return Err(Refusal::new(StatusCode::CONFLICT, "fixed_plan", text));
    }
    Ok(told(StatusCode::OK, &Removed { removed: true }))
}
