//! The leaf: words to wire, sign, send, classify what comes, and look at the first event.
//!
//! An answer that leaves here is committed: something worth reading has been seen. An error inside
//! a 200, a stream that says nothing, an answer that cannot be read are all errors here, while
//! another target can still be asked. Deliberately absent: retries (that is `route`), waiting for a
//! slot (that is `gate`), and any reading of what a provider's words mean (that is its dialect).

mod drain;
mod exchange;
mod passing;
mod request;
mod whole;

use std::sync::Arc;

use llm_core::call::{Call, Payload};
use llm_core::dialect::Body;
use llm_core::error::{Error, Kind};
use llm_core::prompt::Prompt;
use llm_core::seam::Clock;

use super::Next;
use super::gate::Armed;
use crate::reply::Reply;

/// The end of the pipeline.
#[derive(Clone, Debug)]
pub struct Upstream {
    clock: Arc<dyn Clock>,
    drains: drain::Drains,
}

impl Upstream {
    /// Over a clock; the way to a provider belongs to its vendor.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, drains: drain::Drains::default() }
    }
}

impl Next<Armed> for Upstream {
    async fn run(&self, armed: Armed) -> Result<Reply, Error> {
        exchange::exchange(self, armed).await
    }
}

/// The words of a call. Read on first need, once for all attempts.
pub(crate) fn words(call: &Call) -> Result<&Prompt, Error> {
    match &call.payload {
        Payload::Typed(prompt) => Ok(prompt),
        Payload::Raw { bytes, content_type, route, canonical } => {
            let read = canonical.get_or_init(|| {
                let Some(caller) = llm_dialects::caller(call.dialect) else {
                    return Err(llm_core::dialect::BadRequest::unsupported(
                        None,
                        "nobody can be called in this dialect",
                    ));
                };
                caller.decode(route, Body { bytes, content_type: content_type.as_deref() })
            });
            read.as_ref().map_err(|bad| Error::from(bad.clone()))
        }
    }
}

/// A provider's name for what we do not know how to do.
fn lacks(what: &'static str) -> Error {
    Error::new(Kind::Unsupported, what)
}
