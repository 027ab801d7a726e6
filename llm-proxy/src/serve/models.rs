//! Which models there are: those of the configuration that a key may use, in the caller's dialect.

use bytes::Bytes;
use http::{Response, StatusCode};
use llm_core::Str;
use llm_core::answer::{Answer, ModelInfo, Models};
use llm_core::dialect::{Body as Question, RenderCx, Route};
use llm_core::error::{Error, Kind};
use llm_core::principal::Grant;
use llm_core::prompt::Prompt;

use super::admin::refusal::Answered;
use super::body::Body;
use super::house::House;
use super::routes::ask::Ask;
use super::routes::shape::{Field, Shape, text};
use super::routes::{Route as Place, Run};
use super::tongue::Spoken;
use super::{door, heads};

/// Who made them, where a dialect says so.
const OWNER: &str = "llm-proxy";

/// The version of Ollama's API that is spoken here: its clients ask before anything else.
const OLLAMA: &str = "0.12.0";
const VERSION: &[Field] = &[text("version", "").need()];

pub(crate) const ROUTES: &[Place] = &[Place::get(
    "/api/version",
    "The version of Ollama's API that is spoken here.",
    Run::Anyone(|ask| Box::pin(version(ask))),
)
.gives(Shape::Table(&[VERSION]))];

async fn version(_: &mut Ask) -> Answered {
    Ok(door::json(StatusCode::OK, format!("{{\"version\":\"{OLLAMA}\"}}")))
}

/// Whom OpenAI asks where a moderation names no model.
const MODERATOR: Str = Str::from_static("omni-moderation-latest");

/// Who checks a text where its caller does not say: a model of OpenAI's name for it, or OpenAI
/// itself.
pub(crate) fn moderator(house: &House) -> Result<Str, Error> {
    let snapshot = house.gateway.snapshot();
    if snapshot.models.contains_key(&MODERATOR) {
        return Ok(MODERATOR);
    }
    let mut vendors: Vec<&Str> = snapshot
        .vendors
        .iter()
        .filter(|(_, vendor)| vendor.kind == "openai")
        .map(|(name, _)| name)
        .collect();
    vendors.sort_unstable();
    let vendor = vendors.first().ok_or_else(|| {
        let text = "no model was named, and there is none here that checks texts unasked";
        Error::new(Kind::UnknownModel, text).in_field("model")
    })?;
    Ok(Str::from(format!("{vendor}/{MODERATOR}")))
}

/// One of them, which a body names as Ollama's clients do.
pub(crate) fn show(
    house: &House,
    grant: &Grant,
    spoken: Spoken,
    bytes: &Bytes,
) -> Result<Response<Body>, Error> {
    let prompt = spoken.dialect.decode(&spoken.route, Question::json(bytes))?;
    let model = match prompt {
        Prompt::ListModels(asked) => asked.model,
        _ => None,
    };
    let named = || Error::new(Kind::BadRequest, "the model is not named").in_field("model");
    let model = Some(model.ok_or_else(named)?);
    let route = Route { model, ..spoken.route };
    list(house, grant, &Spoken { route, ..spoken })
}

/// The list, or one of it where the path names one.
pub(crate) fn list(house: &House, grant: &Grant, spoken: &Spoken) -> Result<Response<Body>, Error> {
    let snapshot = house.gateway.snapshot();
    let info = |name: &Str| ModelInfo {
        id: name.clone(),
        owner: Some(Str::from_static(OWNER)),
        created: Some(house.started),
        ..ModelInfo::default()
    };
    let models = match &spoken.route.model {
        None => {
            let mut names: Vec<&Str> =
                snapshot.models.keys().filter(|name| grant.allows(name)).collect();
            names.sort_unstable();
            names.into_iter().map(info).collect()
        }
        Some(name) => {
            let known = snapshot.resolve(name)?;
            if !grant.allows(&known.name) {
                let text = format!("this key may not use {name:?}");
                return Err(Error::new(Kind::Forbidden, text).in_field("model"));
            }
            vec![info(&known.name)]
        }
    };
    let single = spoken.route.model.is_some();
    let answer = Answer::ListModels(Models { models, single, ..Models::default() });
    let rendered = spoken.dialect.encode_answer(&answer, &RenderCx::default());
    let mut response = Response::new(Body::from(rendered.body));
    heads::typed(response.headers_mut(), &rendered.content_type);
    Ok(response)
}
