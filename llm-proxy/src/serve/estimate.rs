//! How many tokens a prompt has, where no provider of the model says: our own count, and the head
//! says that it is one. It is free, as providers' own counts are, but a request like any other to
//! the limits of its key.

use http::{HeaderName, HeaderValue, Response};
use llm_core::answer::{Answer, TokenCount};
use llm_core::call::{Call, Operation, Payload};
use llm_core::dialect::{Body as Question, RenderCx};
use llm_core::error::{Error, Kind};
use llm_core::extra::Extra;
use llm_providers::stage::reserve::count_prompt;

use super::body::Body;
use super::heads;
use super::house::House;
use super::tongue::Spoken;

const ESTIMATED: HeaderName = HeaderName::from_static("x-gw-estimated");

/// Our own count; `None` where a provider can be asked.
pub(super) async fn answer(
    house: &House,
    call: &Call,
    spoken: &Spoken,
    cx: &RenderCx,
) -> Result<Option<Response<Body>>, Error> {
    let model = house.gateway.snapshot().resolve(&call.peek.model.value)?;
    if model.offers(Operation::CountTokens) {
        return Ok(None);
    }
    if !call.grant.allows(&model.name) {
        let text = format!("this key may not use {:?}", model.name);
        return Err(Error::new(Kind::Forbidden, text).in_field("model"));
    }
    let Payload::Raw { bytes, content_type, route, .. } = &call.payload else { return Ok(None) };
    let (grant, until) = (&call.grant, call.deadline.0);
    let slot = house.gateway.admit(grant, &model.name, until, bytes.len()).await?;
    let body = Question { bytes, content_type: content_type.as_deref() };
    let prompt = spoken.dialect.decode(route, body)?;
    let count = TokenCount { tokens: count_prompt(&prompt), extra: Extra::default() };
    drop(slot);
    let written = spoken.dialect.encode_answer(&Answer::CountTokens(count), cx);
    let mut response = Response::new(Body::from(written.body));
    heads::typed(response.headers_mut(), &written.content_type);
    response.headers_mut().insert(ESTIMATED, HeaderValue::from_static("1"));
    Ok(Some(response))
}
