//! `/__sim`: how a test scripts a provider and reads what came.
//!
//! | call | does |
//! | --- | --- |
//! | `POST /__sim/script`, `POST /__sim` | replaces the script: one rule or a list of them |
//! | `GET /__sim/requests?since=N` | the requests after the `N`-th, and attempts per model |
//! | `POST /__sim/reset` | forgets script, requests and prompt cache |
//! | `GET /__sim` | the vendor and how many rules are left |

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::refusal::put;
use super::vendor::query;
use super::{Request, Upstream};
use crate::script::Script;

/// Answers a control call; `None` when it is none.
pub(super) fn answer(upstream: &Upstream, request: &Request) -> Option<Response<Bytes>> {
    let path = request.path.split('?').next().unwrap_or_default();
    let call = path.strip_prefix("/__sim")?;
    Some(match (&request.method, call) {
        (&Method::POST, "" | "/" | "/script") => match Script::parse(&request.body) {
            Ok(rules) => {
                let count = rules.len();
                upstream.script(rules);
                respond(StatusCode::OK, &json!({ "rules": count }))
            }
            Err(message) => respond(StatusCode::BAD_REQUEST, &json!({ "error": message })),
        },
        (&Method::GET, "" | "/") => {
            let vendor = upstream.vendor().name();
            respond(StatusCode::OK, &json!({"provider": vendor, "rules": upstream.rules_left()}))
        }
        (&Method::GET, "/requests") => {
            let since = query(&request.path, "since").and_then(|s| s.parse().ok()).unwrap_or(0);
            upstream.page(since, |page| match serde_json::to_value(&page) {
                Ok(page) => respond(StatusCode::OK, &page),
                Err(error) => {
                    let body = json!({"error": error.to_string()});
                    respond(StatusCode::INTERNAL_SERVER_ERROR, &body)
                }
            })
        }
        (&Method::POST | &Method::DELETE, "/reset" | "/requests") => {
            upstream.reset();
            respond(StatusCode::OK, &json!({ "reset": true }))
        }
        _ => respond(StatusCode::NOT_FOUND, &json!({"error": "no such control call"})),
    })
}

fn respond(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    put(response.headers_mut(), "content-type", "application/json");
    response
}
