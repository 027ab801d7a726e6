//! An answer that the caller has written itself (`mock_response`): for tests of programs.
//!
//! No provider is asked and nothing is paid; the head says so. The key must be one that may use the
//! model, so that a program's test finds out what its calls would.

use std::sync::Arc;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use llm_core::Str;
use llm_core::answer::{Answer, UsageReport};
use llm_core::call::{Call, Operation};
use llm_core::completion::{Candidate, Completion, Finish, FinishReason};
use llm_core::dialect::{CallerDialect, RenderCx};
use llm_core::error::{Error, Kind};
use llm_core::prompt::{Part, PartKind, Text};

use super::body::Body;
use super::heads;
use super::house::House;

const PROVIDER: HeaderName = HeaderName::from_static("x-gw-provider");
const MOCK: HeaderValue = HeaderValue::from_static("mock");
const COST: HeaderName = HeaderName::from_static("x-gw-cost");

/// Says it in the caller's dialect, whole or streamed.
pub(crate) fn answer(
    house: &Arc<House>,
    call: &Call,
    dialect: &dyn CallerDialect,
    cx: &RenderCx,
    text: Str,
) -> Result<Response<Body>, Error> {
    if call.operation != Operation::Chat {
        let what = format!("mock_response answers chat, and not {}", call.operation.name());
        return Err(Error::new(Kind::Unsupported, what).in_field("mock_response"));
    }
    let model = house.gateway.snapshot().resolve(&call.peek.model.value)?;
    if !call.grant.allows(&model.name) {
        let text = format!("this key may not use {:?}", model.name);
        return Err(Error::new(Kind::Forbidden, text).in_field("model"));
    }
    let candidate = Candidate {
        parts: vec![Part::new(PartKind::Text(Text::new(text)))],
        finish: Some(Finish::new(FinishReason::Stop)),
    };
    let completion = Completion {
        model: Some(model.name.clone()),
        candidates: vec![candidate],
        usage: Some(UsageReport::default()),
        ended: true,
        ..Completion::default()
    };
    let mut headers = HeaderMap::new();
    headers.insert(PROVIDER, MOCK);
    headers.insert(COST, HeaderValue::from_static("0"));
    let body = if call.peek.stream {
        let mut encoder = dialect.stream_encoder(cx);
        let mut out = BytesMut::new();
        completion.explode().iter().for_each(|event| encoder.feed(event, &mut out));
        heads::typed(&mut headers, dialect.stream_content_type(cx.framing));
        out.freeze()
    } else {
        let written = dialect.encode_answer(&Answer::Chat(completion), cx);
        heads::typed(&mut headers, &written.content_type);
        written.body
    };
    let mut response = Response::new(Body::from(body));
    *response.headers_mut() = headers;
    Ok(response)
}
