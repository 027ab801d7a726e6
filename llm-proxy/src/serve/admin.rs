//! What operators ask, by the admin key or by an operator's and by nothing else: a virtual key opens
//! nothing here, and an operator's key opens nothing on the paths of models.
//!
//! Each module has its functions and, beside them, its part of the table of [`routes`](super::routes).
//! The key is in a header and never in the query, where `key` names the key that is asked about.

pub(crate) mod budgets;
pub(crate) mod cache;
pub(crate) mod catalog;
pub(crate) mod config;
pub(crate) mod fields;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod log;
pub(crate) mod operators;
pub(crate) mod parties;
pub(crate) mod plans;
pub(crate) mod refusal;
mod terms;
pub(crate) mod trail;
pub(crate) mod vendors;
mod view;
pub(crate) mod wallets;

use http::{Response, StatusCode};
use serde::Serialize;

use super::body::Body;
use super::door::{empty, json};

/// An answer.
pub(crate) fn told(status: StatusCode, answer: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(answer) {
        Ok(body) => json(status, body),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// A part of a list, everywhere the same.
#[derive(Debug, Serialize)]
pub(crate) struct Listed<T> {
    /// What is on it.
    pub(crate) data: Vec<T>,
    /// What to send as `cursor` for what follows; `None` at the end.
    pub(crate) next: Option<String>,
}

impl<T: Serialize> Listed<T> {
    /// With the same list under LiteLLM's word for it, which its clients read.
    pub(crate) fn named(self, word: &'static str) -> impl Serialize {
        let Self { data, next } = self;
        // Written once, and put into both places as it is.
        let data = serde_json::value::to_raw_value(&data).ok();
        let next = serde_json::value::to_raw_value(&next).ok();
        std::collections::BTreeMap::from([(word, data.clone()), ("data", data), ("next", next)])
    }
}
