//! Budgets, as LiteLLM has them. Here a budget is a plan: limits with a name that somebody is given.

use http::StatusCode;
use llm_core::Str;
use llm_core::money::Money;
use llm_core::principal::Scope;
use llm_core::quota::Plan;
use llm_store::directory::By;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::office::new_id;
use super::super::routes::ask::{Ask, office};
use super::super::routes::shape::{Field, Of, PART, Shape, list, number, text, whole};
use super::super::routes::{Route, operator};
use super::refusal::Answered;
use super::terms::{self, FOR_GOOD, Terms};
use super::view::exact;
use super::{Listed, plans, told};

const WORDS: &[Field] = &[
    text("budget_id", "made up where it is not said"),
    number("max_budget", "USD; without a duration, for good"),
    text("budget_duration", "30d, 24h, 1mo"),
    whole("rpm_limit", "requests a minute").least(0),
    whole("tpm_limit", "tokens a minute").least(0),
];
const BUDGET: &[Field] = &[
    text("budget_id", "").need(),
    number("max_budget", "USD"),
    whole("limit_nanos", ""),
    text("budget_duration", ""),
    whole("rpm_limit", ""),
    whole("tpm_limit", ""),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/budget/new", "Makes a budget, or changes one.", operator!(Money, new))
        .takes(&[WORDS])
        .gives(Shape::Table(&[BUDGET])),
    Route::post("/budget/info", "Some budgets.", operator!(Read, info))
        .takes(&[&[list("budgets", &Of::Text, "their ids").need()]])
        .gives(Shape::List(&[BUDGET]))
        .looks(),
    Route::get("/budget/list", "Budgets by their ids.", operator!(Read, listed))
        .query(&[PART])
        .gives(Shape::Named("budgets", &[BUDGET])),
];

#[derive(Serialize)]
struct Budget {
    budget_id: Str,
    max_budget: Option<Box<RawValue>>,
    limit_nanos: Option<i64>,
    budget_duration: Option<String>,
    rpm_limit: Option<u64>,
    tpm_limit: Option<u64>,
}

impl Budget {
    fn of(plan: &Plan) -> Self {
        let budget = terms::budget(&plan.limits);
        let ends = budget.filter(|budget| budget.period != FOR_GOOD);
        Self {
            budget_id: plan.name.clone(),
            max_budget: budget.and_then(|budget| exact(budget.amount)),
            limit_nanos: budget.map(|terms::Budget { amount: Money(nanos), .. }| nanos),
            budget_duration: ends.map(|budget| budget.period.to_string()),
            rpm_limit: terms::a_minute(&plan.limits, terms::requests),
            tpm_limit: terms::a_minute(&plan.limits, terms::tokens),
        }
    }
}

async fn new(ask: &mut Ask) -> Answered {
    let Ask { house, fields, about, .. } = ask;
    let office = office(house)?;
    let name = fields.take::<Str>("budget_id")?.set();
    let limits = Terms::read(fields)?.over(&[])?;
    let name = name.map_or_else(|| new_id("budget"), Ok)?;
    *about = Some(name.clone());
    let plan = Plan { name, limits, models: Scope::all(), ..Plan::default() };
    office.directory.put_plan(&By::Operator, plan.clone()).await?;
    Ok(told(StatusCode::OK, &Budget::of(&plan)))
}

async fn info(ask: &mut Ask) -> Answered {
    let wanted: Vec<Str> = ask.fields.need("budgets")?;
    let office = office(&ask.house)?;
    let plans = office.directory.plans().await?;
    let wanted = plans.iter().filter(|plan| wanted.contains(&plan.name));
    Ok(told(StatusCode::OK, &wanted.map(|plan| Budget::of(plan)).collect::<Vec<_>>()))
}

async fn listed(ask: &mut Ask) -> Answered {
    let part = ask.part()?;
    let Listed { data, next } = plans::some(office(&ask.house)?, part).await?;
    let data: Vec<Budget> = data.iter().map(|plan| Budget::of(plan)).collect();
    Ok(told(StatusCode::OK, &Listed { data, next }.named("budgets")))
}
