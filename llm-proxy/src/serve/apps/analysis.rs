//! Analyses, as applications ask for them: at once, or as a job where nobody should wait; and their
//! results as files, behind links that need no key and end.
//!
//! A link is sealed with the keys of this gateway's store, so that every replica opens it, nobody can
//! make one, and it says to nobody whose it is.

mod links;
mod view;
mod work;

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::SignedDuration;
use llm_app::analysis::Analysis;
use llm_app::analysis::selection::{Basis, Mode, Order, Selection};
use llm_app::documents::Documents;
use llm_app::feature::Feature;
use llm_app::people::Person;
use llm_app::prompts::templates::Which;
use llm_app::{Ground, NotDone};
use llm_core::Str;
use llm_core::principal::Priority;
use llm_core::store::KeyHash;
use llm_store::jobs::{ATTEMPTS_MAX, Draft, JobId, Retention, State, Whose};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::admin::fields::Fields;
use super::super::admin::refusal::{Answered, Refusal};
use super::super::admin::told;
use super::super::call::now;
use super::super::house::House;
use super::super::inbound::depot;
use super::super::routes::ask::{AppCaller, Ask};
use super::super::routes::shape::{Field, Of, Shape, flag, free, list, table, text, whole, words};
use super::super::routes::{Route, asked_by};
use super::super::upload::{self, Sent};
use super::prompts::templates::{by_app, which};
use super::{Apps, apps};
use crate::config::Config;

pub(crate) use work::AnalysisWork;
pub(super) use work::{asker, leaving, stopped, trouble};

/// Bytes of a question with all of its cells.
const BYTES_MAX: u64 = 4 << 20;
/// Nobody's request lasts longer.
const WAITED_MAX: SignedDuration = SignedDuration::from_hours(1);
/// The longest answer of a part, unless the configuration says another.
const TOKENS_MAX: u32 = 8_192;

const CELL: &[Field] = &[
    text("id", "what it is cited by").need(),
    text("row", ""),
    text("column", ""),
    text("value", "what stands in it").need(),
    text("unit", ""),
];
const SELECTION: &[Field] = &[
    list("cells", &Of::Table(&[CELL]), "each with an id of its own").need(),
    list("headers", &Of::Text, "names of the table's columns"),
];
const MODES: &[&str] = &["claims", "per_cell"];
const WANTED: &[Field] = &[
    text("question", "what is to be answered, unless a template says it"),
    text("template", "a saved template that says it, by its id or name"),
    whole("version", "which version of it; unless said, the one labelled production or the last"),
    text("label", "or the version of that label"),
    free("variables", "a value for each name in the template"),
    table("selection", &[SELECTION], "cells of a table"),
    list("documents", &Of::Text, "documents, by their ids"),
    text("collection", "or whatever of a collection answers the question"),
    words("mode", MODES, "findings with what they stand on, or one answer for each cell"),
    text("model", "another model than the usual one"),
    flag("async", "as a job, however small it is"),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::post(
        "/api/v1/analysis",
        "Answers a question about cells and documents; each claim cites what it stands on.",
        asked_by!(App, create),
    )
    .reads(&[WANTED])
    .gives(Shape::Table(&[view::ANALYSIS])),
    Route::get("/api/v1/analysis/{id}", "What came of a question.", asked_by!(App, one))
        .gives(Shape::Table(&[view::ANALYSIS])),
    Route::delete("/api/v1/analysis/{id}", "Forgets an analysis.", asked_by!(App, forget))
        .gives(Shape::Table(&[view::GONE])),
    links::LINK,
    links::DOWNLOAD,
];

/// Who answers such questions, as the configuration has it.
pub(super) fn open(config: &Config, ground: &Ground, documents: &Documents) -> Analysis {
    let mut usual = Feature::new("analysis", config.usual_model());
    usual.tokens_max = Some(TOKENS_MAX);
    Analysis::new(ground.clone(), config.feature(usual), documents.clone())
}

/// What a job is told: nothing of what was asked, which is its person's alone.
#[derive(Debug, Deserialize, Serialize)]
struct Behind {
    owner: String,
    /// Under which key its calls are made, whatever that gives by then.
    print: [u8; 32],
    analysis: String,
}

async fn create(ask: &mut Ask, by: &AppCaller) -> Answered {
    let Sent { headers, body } = ask.body()?;
    let house = &ask.house;
    let apps = &*apps(house)?;
    let person = apps.ground.person(&by.grant).await?;
    if !person.may_be_kept() {
        return Err(NotDone::NoConsent.into());
    }
    let bytes = upload::read(&headers, body, BYTES_MAX, &*house.clock).await?;
    let mut fields = Fields::parse(&bytes)?;
    fields.among(&[WANTED])?;
    let later = fields.take::<bool>("async")?.set().unwrap_or(false);
    let question = question(apps, by, &mut fields).await?;
    let order = order(&mut fields, question)?;
    order.check()?;
    let print = match (later, by.print) {
        (true, None) => {
            let text = "this token allows less than its user may ask, and a job would outlast it";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "permission_denied", text));
        }
        (false, Some(print)) if apps.analysis.is_large(&order) => Some(print),
        (false, _) => None,
        (true, print) => print,
    };
    let kept = apps.analysis.begin(&person, &order).await?;
    match print {
        Some(print) => behind(house, apps, by, &person, (&kept.id, print)).await,
        None => {
            let done = Box::pin(apps.analysis.run(&person, &by.grant, &order, &())).await;
            match done {
                Ok(report) => apps.analysis.end(&person, &kept.id, &report).await?,
                // Nothing of it is shown, and so there is nothing to keep.
                Err(why) => {
                    apps.analysis.forget(&person, &kept.id).await?;
                    return Err(why.into());
                }
            }
            seen(house, apps, &person, &kept.id, StatusCode::OK).await
        }
    }
}

/// Leaves it to a job.
async fn behind(
    house: &House,
    apps: &Apps,
    by: &AppCaller,
    person: &Person,
    (id, print): (&Str, KeyHash),
) -> Answered {
    let order = Behind {
        owner: person.owner().as_str().to_owned(),
        print: print.0,
        analysis: id.to_string(),
    };
    let job = job(house, by, AnalysisWork::KIND, &order).await?;
    apps.analysis.behind(person, id, job.to_string().into()).await?;
    seen(house, apps, person, id, StatusCode::ACCEPTED).await
}

/// A job of a feature, in the name of whoever asks.
pub(super) async fn job(
    house: &House,
    by: &AppCaller,
    kind: &'static str,
    order: &impl Serialize,
) -> Result<JobId, Refusal> {
    let principal = &by.grant.principal;
    let input = serde_json::to_vec(order).unwrap_or_default();
    let draft = Draft {
        user: principal.user.clone(),
        key: Some(principal.key.clone()),
        priority: Priority::Default,
        attempts_max: ATTEMPTS_MAX,
        retention: Retention::Month,
        ..Draft::new(principal.tenant.clone(), Str::from_static(kind), input.into())
    };
    let made = depot(house)?.jobs.create(draft).await;
    let made = made.map_err(|why| match why {
        llm_store::jobs::NotDone::Store(error) => Refusal::from(error),
        why => Refusal::wrong("body", why.to_string()),
    })?;
    Ok(made.id)
}

/// What is to be answered: as it was asked, or as a template says it that whoever asks may see.
async fn question(apps: &Apps, by: &AppCaller, fields: &mut Fields) -> Result<Str, Refusal> {
    let asked: Option<Str> = fields.take("question")?.set();
    let template: Option<String> = fields.take("template")?.set();
    let which = which(fields.take("version")?.set(), fields.take("label")?.set())?;
    let values = fields.take::<BTreeMap<String, Value>>("variables")?.set();
    match (asked, template) {
        (Some(_), Some(_)) => {
            Err(Refusal::wrong("template", "a question or a template, and not both"))
        }
        (None, None) => Err(Refusal::wrong("question", "a question or a template is wanted")),
        (Some(_), None) if values.is_some() || which != Which::Usual => {
            Err(Refusal::wrong("template", "a version, label or variables are a template's"))
        }
        (Some(question), None) => Ok(question),
        (None, Some(wanted)) => {
            let values = values.unwrap_or_default();
            let done = apps.prompts.render(&by_app(by), &wanted, &which, &values).await;
            let (_, _, text) = done.map_err(|why| match why {
                NotDone::Wrong { field, why } if &*field == "values" => {
                    NotDone::wrong("variables", why)
                }
                why => why,
            })?;
            Ok(text.into())
        }
    }
}

fn order(fields: &mut Fields, question: Str) -> Result<Order, Refusal> {
    let selection: Option<Selection> = fields.take("selection")?.set();
    let documents: Option<Vec<Str>> = fields.take("documents")?.set();
    let collection: Option<Str> = fields.take("collection")?.set();
    let basis = match (documents, collection) {
        (Some(_), Some(_)) => {
            return Err(Refusal::wrong("collection", "documents or a collection, and not both"));
        }
        (Some(ids), None) => Basis::Documents(ids),
        (None, Some(name)) => Basis::Collection(llm_app::documents::named("collection", &name)?),
        (None, None) => Basis::Cells,
    };
    let mode = match fields.take::<String>("mode")?.set() {
        None => Mode::default(),
        Some(word) => Mode::parse(&word).ok_or_else(|| {
            Refusal::wrong("mode", format!("mode must be one of {}", MODES.join(", ")))
        })?,
    };
    Ok(Order {
        selection: selection.unwrap_or_default(),
        basis,
        question,
        mode,
        model: fields.take("model")?.set(),
    })
}

async fn one(ask: &mut Ask, by: &AppCaller) -> Answered {
    let apps = apps(&ask.house)?;
    let person = apps.ground.person(&by.grant).await?;
    seen(&ask.house, &apps, &person, ask.name(0)?, StatusCode::OK).await
}

async fn forget(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (apps, id) = (apps(&ask.house)?, ask.name(0)?);
    let person = apps.ground.person(&by.grant).await?;
    let kept = apps.analysis.get(&person, id).await?;
    if let (Some(job), None) = (kept.job.and_then(|job| job.parse().ok()), kept.ended) {
        // One that has ended by itself in this instant is as good as cancelled.
        let _ = depot(&ask.house)?.jobs.cancel(job, &Whose::all()).await;
    }
    apps.analysis.forget(&person, id).await?;
    Ok(told(StatusCode::OK, &view::Gone { id, deleted: true }))
}

async fn seen(
    house: &House,
    apps: &Apps,
    person: &Person,
    id: &str,
    status: StatusCode,
) -> Answered {
    let kept = apps.analysis.get(person, id).await?;
    let report = match kept.ended {
        Some(_) => Some(apps.analysis.report(person, id).await?),
        None => None,
    };
    let job = kept.job.as_ref().and_then(|job| job.parse().ok());
    let state = match (&report, job) {
        (Some(_), _) => State::Completed,
        // Whoever waited for it has left, or the process has ended in the middle.
        (None, None) if now(house).duration_since(kept.born) > WAITED_MAX => State::Failed,
        (None, None) => State::Processing,
        (None, Some(job)) => match depot(house)?.jobs.get(job, &Whose::all()).await {
            // The report is written before the job has ended.
            Ok((job, _)) if job.state == State::Completed => State::Failed,
            Ok((job, _)) => job.state,
            Err(llm_store::jobs::NotDone::Store(error)) => return Err(error.into()),
            Err(_) => State::Failed,
        },
    };
    Ok(told(status, &view::Shown::of(&kept, state, report)))
}
