//! Which models there are: those of the configuration that a key may use, in the caller's dialect.

use http::Response;
use llm_core::Str;
use llm_core::answer::{Answer, ModelInfo, Models};
use llm_core::dialect::RenderCx;
use llm_core::error::{Error, Kind};
use llm_core::principal::Grant;

use super::body::Body;
use super::heads;
use super::house::House;
use super::tongue::Spoken;

/// Who made them, where a dialect says so.
const OWNER: &str = "llm-proxy";

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
