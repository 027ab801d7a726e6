//! What is counted, in Prometheus' words.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use prometheus::{Encoder as _, TextEncoder};

use super::body::Body;
use super::door::empty;
use super::house::House;

/// The page.
pub(crate) fn scrape(house: &House) -> Response<Body> {
    house.telemetry.look(&house.store);
    let encoder = TextEncoder::new();
    let mut page = Vec::new();
    if let Err(error) = encoder.encode(&house.registry.gather(), &mut page) {
        tracing::error!(%error, "metrics cannot be written");
        return empty(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let mut response = Response::new(Body::from(page));
    let kind = HeaderValue::from_static(prometheus::TEXT_FORMAT);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
