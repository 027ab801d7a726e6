//! What can be asked: models, who answers for them and at what price, and the providers behind.
//!
//! All of it is read from the configuration that calls see in this moment.

use std::time::Instant;

use http::StatusCode;
use llm_core::Str;
use llm_core::money::{Money, Price, Rate};
use llm_core::usage::TokenKind;
use llm_providers::model::{Choice, Model};
use llm_providers::target::{Target, Vendor};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::routes::ask::{Ask, Asker, Part};
use super::super::routes::shape::{Field, Of, PART, Shape, counts, flag, list, number, table};
use super::super::routes::shape::{text, whole};
use super::super::routes::{OPERATORS_MODELS, Route, asked_by, operator};
use super::refusal::Answered;
use super::{Listed, told};

const PARAMS: &[Field] = &[text("model", "the first target").need()];
const MODEL_INFO: &[Field] = &[
    text("id", "").need(),
    list("targets", &Of::Text, "who answers, in their order").need(),
    whole("max_tokens", "tokens it writes at the most"),
    whole("max_input_tokens", "tokens it reads at the most"),
    number("input_cost_per_token", "USD"),
    number("output_cost_per_token", "USD"),
    flag("supports_vision", "").need(),
    flag("supports_function_calling", "").need(),
];
const THEIRS: &[Field] = &[
    text("model_name", "what callers send").need(),
    table("litellm_params", &[PARAMS], "").need(),
    table("model_info", &[MODEL_INFO], "").need(),
];
const ANSWERS: &[Field] = &[
    text("target", "").need(),
    whole("weight", "").need(),
    flag("healthy", "").need(),
    whole("in_flight", "").need(),
];
const OURS: &[Field] = &[
    text("name", "what callers send").need(),
    list("tiers", &Of::List(&Of::Table(&[ANSWERS])), "the first one unless nobody in it can")
        .need(),
];
const PRICED: &[Field] = &[
    text("target", "").need(),
    flag("known", "whether it has a price; without one nobody may use it").need(),
    counts("nanos_per_mtok", "billionths of a USD for a million tokens, by kind").need(),
    whole("per_call_nanos", ""),
    whole("per_image_nanos", ""),
    whole("per_audio_second_nanos", ""),
    flag("tiers", "whether long prompts have another price").need(),
];
const PROVIDER: &[Field] = &[
    text("name", "").need(),
    text("kind", "").need(),
    whole("keys", "how many").need(),
    flag("usable", "whether a key of it may be used now").need(),
];
const LITELLM_MODEL: &[Field] =
    &[text("id", "").need(), text("object", "").need(), text("owned_by", "").need()];

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/model/info", "Models as LiteLLM shows them.", asked_by!(Either, Read, info))
        .gives(Shape::Page(&[THEIRS])),
    Route::get("/v1/model/info", "Models as LiteLLM shows them.", asked_by!(Either, Read, info))
        .gives(Shape::Page(&[THEIRS])),
    Route::get(
        OPERATORS_MODELS,
        "By an operator: all models. By an application: those that its key may use.",
        operator!(Read, names),
    )
    .gives(Shape::Named("models", &[LITELLM_MODEL])),
    Route::get("/admin/models", "What can be asked, and how it goes.", operator!(Read, models))
        .query(&[PART])
        .gives(Shape::Page(&[OURS])),
    Route::get("/admin/prices", "What targets cost.", operator!(Read, prices))
        .query(&[PART])
        .gives(Shape::Page(&[PRICED])),
    Route::get("/admin/providers", "Who can be asked.", operator!(Read, providers))
        .query(&[PART])
        .gives(Shape::Page(&[PROVIDER])),
];

/// A part of a list that is in memory, by its names.
fn part<T>(mut all: Vec<(Str, T)>, Part { cursor, limit }: Part) -> Listed<T> {
    all.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(after) = cursor {
        all.retain(|(name, _)| **name > *after);
    }
    let more = all.len() > limit;
    all.truncate(limit);
    let next = all.last().filter(|_| more).map(|(name, _)| name.to_string());
    Listed { data: all.into_iter().map(|(_, one)| one).collect(), next }
}

#[derive(Serialize)]
struct Theirs {
    model_name: Str,
    litellm_params: Params,
    model_info: Info,
}

#[derive(Serialize)]
struct Params {
    model: Str,
}

#[derive(Serialize)]
struct Info {
    id: Str,
    targets: Vec<Str>,
    max_tokens: Option<u32>,
    max_input_tokens: Option<u32>,
    input_cost_per_token: Option<Box<RawValue>>,
    output_cost_per_token: Option<Box<RawValue>>,
    supports_vision: bool,
    supports_function_calling: bool,
}

fn choices(model: &Model) -> impl Iterator<Item = &Choice> {
    model.tiers.iter().flatten()
}

impl Theirs {
    fn of(model: &Model) -> Option<Self> {
        let first = &choices(model).next()?.target;
        let known = |count: u32| (count > 0).then_some(count);
        let rate = |kind: TokenKind| {
            let rates = &first.price.as_ref()?.rates;
            rates.get(kind as usize).and_then(|rate| per_token(*rate))
        };
        let info = Info {
            id: model.name.clone(),
            targets: choices(model).map(|choice| choice.target.id.0.clone()).collect(),
            max_tokens: known(first.capability.output_tokens_max),
            max_input_tokens: known(first.capability.context_tokens_max),
            input_cost_per_token: rate(TokenKind::Input),
            output_cost_per_token: rate(TokenKind::Output),
            supports_vision: first.capability.image_in,
            supports_function_calling: first.capability.tools,
        };
        let params = Params { model: first.id.0.clone() };
        Some(Self { model_name: model.name.clone(), litellm_params: params, model_info: info })
    }
}

/// Dollars for one token, digit by digit: fifteen places behind the point.
fn per_token(rate: Rate) -> Option<Box<RawValue>> {
    let digits = format!("{:016}", rate.nanos_per_mtok);
    let (whole, fraction) = digits.split_at(digits.len() - 15);
    let text = format!("{whole}.{fraction}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    RawValue::from_string(text.to_owned()).ok()
}

async fn info(ask: &mut Ask, by: &Asker) -> Answered {
    let snapshot = ask.house.gateway.snapshot();
    let sees = |name: &str| match by {
        Asker::Operator(_) => true,
        Asker::App(by) => by.grant.allows(name),
    };
    let models = snapshot.models.values().filter(|model| sees(&model.name));
    let all = models.filter_map(|model| Some((model.name.clone(), Theirs::of(model)?))).collect();
    let whole = Part { cursor: None, limit: usize::MAX };
    Ok(told(StatusCode::OK, &part(all, whole)))
}

#[derive(Serialize)]
struct Named {
    id: Str,
    object: &'static str,
    owned_by: &'static str,
}

async fn names(ask: &mut Ask) -> Answered {
    let snapshot = ask.house.gateway.snapshot();
    let named = |id: &Str| Named { id: id.clone(), object: "model", owned_by: "llm-proxy" };
    let all = snapshot.models.keys().map(|name| (name.clone(), named(name))).collect();
    let whole = Part { cursor: None, limit: usize::MAX };
    Ok(told(StatusCode::OK, &part(all, whole).named("models")))
}

#[derive(Serialize)]
struct Ours {
    name: Str,
    tiers: Vec<Vec<Answers>>,
}

#[derive(Serialize)]
struct Answers {
    target: Str,
    weight: u32,
    healthy: bool,
    in_flight: u32,
}

/// Whether a target would be asked now.
pub(super) fn is_healthy(target: &Target, now: Instant) -> bool {
    !target.lasting.health.is_closed(now) && has_key(&target.vendor, now)
}

/// Whether there is a key to ask with; vendors without any need none.
fn has_key(vendor: &Vendor, now: Instant) -> bool {
    vendor.keys.is_empty() || vendor.keys.any(now)
}

async fn models(ask: &mut Ask) -> Answered {
    let wanted = ask.part()?;
    let (snapshot, now) = (ask.house.gateway.snapshot(), ask.house.clock.now());
    let answers = |choice: &Choice| Answers {
        target: choice.target.id.0.clone(),
        weight: choice.weight,
        healthy: is_healthy(&choice.target, now),
        in_flight: choice.target.lasting.health.in_flight(),
    };
    let all = snapshot.models.values().map(|model| {
        let tiers = model.tiers.iter().map(|tier| tier.iter().map(answers).collect()).collect();
        (model.name.clone(), Ours { name: model.name.clone(), tiers })
    });
    Ok(told(StatusCode::OK, &part(all.collect(), wanted)))
}

#[derive(Serialize)]
struct Priced {
    target: Str,
    known: bool,
    nanos_per_mtok: Map<String, Value>,
    per_call_nanos: Option<i64>,
    per_image_nanos: Option<i64>,
    per_audio_second_nanos: Option<i64>,
    tiers: bool,
}

impl Priced {
    fn of(target: &Str, price: Option<&Price>) -> Self {
        let amount = |of: fn(&Price) -> Money| price.map(|price| of(price).0);
        let rate = |kind: TokenKind| {
            let rate = price?.rates.get(kind as usize)?;
            Some((kind.name().to_owned(), rate.nanos_per_mtok.into()))
        };
        Self {
            target: target.clone(),
            known: price.is_some(),
            nanos_per_mtok: TokenKind::ALL.into_iter().filter_map(rate).collect(),
            per_call_nanos: amount(|price| price.per_call),
            per_image_nanos: amount(|price| price.per_image),
            per_audio_second_nanos: amount(|price| price.per_audio_second),
            tiers: price.is_some_and(|price| !price.tiers.is_empty()),
        }
    }
}

async fn prices(ask: &mut Ask) -> Answered {
    let wanted = ask.part()?;
    let snapshot = ask.house.gateway.snapshot();
    let mut all: Vec<(Str, Priced)> = Vec::new();
    for target in snapshot.models.values().flat_map(|model| choices(model)).map(|c| &c.target) {
        let name = &target.id.0;
        if !all.iter().any(|(known, _)| known == name) {
            all.push((name.clone(), Priced::of(name, target.price.as_ref())));
        }
    }
    Ok(told(StatusCode::OK, &part(all, wanted)))
}

#[derive(Serialize)]
struct Provider {
    name: Str,
    kind: Str,
    keys: usize,
    usable: bool,
}

async fn providers(ask: &mut Ask) -> Answered {
    let wanted = ask.part()?;
    let (snapshot, now) = (ask.house.gateway.snapshot(), ask.house.clock.now());
    let all = snapshot.vendors.values().map(|vendor| {
        // A table of its own is called after the provider, with a slash at its end.
        let kind = Str::from(vendor.kind.trim_end_matches('/'));
        let provider = Provider {
            name: vendor.name.clone(),
            kind,
            keys: vendor.keys.len(),
            usable: has_key(vendor, now),
        };
        (vendor.name.clone(), provider)
    });
    Ok(told(StatusCode::OK, &part(all.collect(), wanted)))
}
