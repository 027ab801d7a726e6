//! Whether those who answer are well, by what calls have shown; and by real calls, where somebody
//! asks for them and pays.

use std::time::Duration;

use http::StatusCode;
use llm_core::Str;
use llm_core::call::CacheUse;
use llm_core::prompt::Request;
use llm_providers::gateway::Gateway;
use serde::Serialize;

use super::super::routes::ask::Ask;
use super::super::routes::shape::{Field, Of, Shape, flag, list, text, whole};
use super::super::routes::{Route, operator};
use super::catalog::is_healthy;
use super::refusal::{Answered, Refusal};
use super::told;

/// Targets that one request may have asked: each is a call that somebody pays.
const PROBES_MAX: usize = 32;
/// Nobody waits for a probe for longer.
const WITHIN: Duration = Duration::from_secs(20);

const WHICH: &[Field] = &[
    text("model", "those behind this name alone"),
    flag("probe", "whether to ask each of them a word, which costs what it costs"),
];
const TARGET: &[Field] = &[text("model", "vendor/model").need(), text("error", "why not")];
const HEALTH: &[Field] = &[
    list("healthy_endpoints", &Of::Table(&[TARGET]), "").need(),
    list("unhealthy_endpoints", &Of::Table(&[TARGET]), "").need(),
    whole("healthy_count", "").need(),
    whole("unhealthy_count", "").need(),
    flag("probed", "whether each was asked just now").need(),
];

pub(crate) const ROUTES: &[Route] = &[Route::get(
    "/health",
    "How targets are doing; with probe=true each is asked, which costs a word.",
    operator!(Read, health),
)
.query(&[WHICH])
.gives(Shape::Table(&[HEALTH]))];

#[derive(Serialize)]
struct Health {
    healthy_endpoints: Vec<Endpoint>,
    unhealthy_endpoints: Vec<Endpoint>,
    healthy_count: usize,
    unhealthy_count: usize,
    probed: bool,
}

#[derive(Serialize)]
struct Endpoint {
    model: Str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

async fn health(ask: &mut Ask) -> Answered {
    let model = ask.query.take("model");
    let probed = ask.query.parse("probe", |text| text.parse().ok())?.unwrap_or(false);
    let house = &ask.house;
    let (snapshot, now) = (house.gateway.snapshot(), house.clock.now());
    let named = match &model {
        Some(name) => vec![snapshot.resolve(name)?],
        None => snapshot.models.values().cloned().collect(),
    };
    let mut all: Vec<_> = named
        .iter()
        .flat_map(|model| model.tiers.iter().flatten())
        .map(|choice| (choice.target.id.0.clone(), is_healthy(&choice.target, now)))
        .collect();
    all.sort();
    all.dedup();
    if probed && all.len() > PROBES_MAX {
        let text = format!("{} targets would be asked: name a model", all.len());
        return Err(Refusal::wrong("model", text));
    }
    let (mut well, mut ill) = (Vec::new(), Vec::new());
    for (model, healthy) in all {
        let why = if probed { probe(&house.gateway, model.clone()).await } else { None };
        let resting = || "kept from calls after errors, or without a key".to_owned();
        let error = if probed { why } else { (!healthy).then(resting) };
        let list = if error.is_none() { &mut well } else { &mut ill };
        list.push(Endpoint { model, error });
    }
    let answer = Health {
        healthy_count: well.len(),
        unhealthy_count: ill.len(),
        healthy_endpoints: well,
        unhealthy_endpoints: ill,
        probed,
    };
    Ok(told(StatusCode::OK, &answer))
}

/// A word, asked of a target itself; `None` when it came. One after the other: a probe is no load.
async fn probe(gateway: &Gateway, target: Str) -> Option<String> {
    let mut request = Request::new(target).user("ping");
    request.output.tokens_max = Some(1_u64.into());
    let asking = gateway.asking().feature("health").within(WITHIN).cache(CacheUse::Off);
    match asking.no_fallback().chat(request).await {
        Ok(_) => None,
        Err(error) => Some(format!("{}: {}", error.kind().name(), error.message())),
    }
}
