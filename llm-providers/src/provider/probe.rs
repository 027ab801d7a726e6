//! What a vendor says of a key: one question that costs nothing, outside of any call.
//!
//! A list of models is not billed, and so it is the one exchange that no hold stands for. Whatever a
//! vendor bills for goes through the gateway, with the key as the call's own.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, Method, Request};
use llm_core::Str;
use llm_core::answer::Answer;
use llm_core::call::Operation;
use llm_core::dialect::{Body, Chunks};
use llm_core::fault::Fault;
use llm_core::provider::{Credential, LimitHint, Provider};
use llm_core::seam::{Clock, Transport, WireBody};

use crate::stage::{Either, race};

/// A vendor that has not said by then which models it has will not say it to anybody who waits.
const WAIT: Duration = Duration::from_secs(15);
/// A list of a thousand models with all that is said of each.
const BYTES_MAX: usize = 8 << 20;

/// What came of it.
#[derive(Clone, Debug)]
pub enum Probe {
    /// The key is known.
    Answered {
        /// The models that it may use, as the vendor calls them.
        models: Vec<Str>,
        /// What the vendor says of itself and of the account, where it is told.
        told: Told,
    },
    /// The vendor refused.
    Refused {
        /// Its words.
        fault: Box<Fault>,
        /// What it says besides.
        told: Told,
    },
    /// Nothing came that says anything of the key.
    Silent(Str),
    /// This kind of vendor cannot be asked.
    Unasked,
}

/// What the head of an answer says of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Whose it is.
    pub organisation: Option<Str>,
    /// What was bought, in the vendor's words.
    pub tier: Option<Str>,
    /// Limits.
    pub limits: Option<LimitHint>,
}

/// Heads that name an account, and heads that name what it has.
const ORGANISATIONS: [&str; 3] =
    ["openai-organization", "anthropic-organization-id", "x-goog-user-project"];
const TIERS: [&str; 3] = ["x-ratelimit-tier", "x-service-tier", "x-trial-endpoint-call-limit"];
/// What is longer is no name.
const WORD_BYTES_MAX: usize = 128;

/// Asks a vendor for its models, showing that key.
pub async fn models(
    provider: &dyn Provider,
    way: &dyn Transport,
    key: &Credential,
    clock: &Arc<dyn Clock>,
) -> Probe {
    match race(asked(provider, way, key, clock), || clock.sleep(WAIT)).await {
        Either::First(probe) => probe,
        Either::Second(()) => Probe::Silent("it did not answer in time".into()),
    }
}

async fn asked(
    provider: &dyn Provider,
    way: &dyn Transport,
    key: &Credential,
    clock: &Arc<dyn Clock>,
) -> Probe {
    let operation = Operation::ListModels;
    let dialect = provider.dialect(operation, "");
    let Some((dialect, uri)) = dialect.zip(provider.uri(operation, "", false)) else {
        return Probe::Unasked;
    };
    let mut request = Request::new(Chunks::default());
    *request.method_mut() =
        dialect.endpoint(operation, "", false).map_or(Method::GET, |e| e.method);
    *request.uri_mut() = uri;
    let (mut parts, chunks) = request.into_parts();
    if let Err(error) = provider.sign(&mut parts, &chunks, key, clock.wall()) {
        return Probe::Silent(Str::from(error.to_string()));
    }
    let sent = way.send(Request::from_parts(parts, chunks)).await;
    let (parts, body) = match sent {
        Ok(response) => response.into_parts(),
        Err(error) => return Probe::Silent(Str::from(error.to_string())),
    };
    let told = told(&parts.headers, provider.limits(&parts.headers));
    let Some(bytes) = whole(body).await else {
        return Probe::Silent("its answer broke off".into());
    };
    if !parts.status.is_success() {
        let fault = Box::new(without(dialect.decode_error(&parts, &bytes), key));
        return Probe::Refused { fault, told };
    }
    let read = Body { bytes: &bytes, content_type: None };
    match dialect.decode_answer(operation, read) {
        Ok(Answer::ListModels(list)) => {
            let models = list.models.into_iter().map(|model| model.id).collect();
            Probe::Answered { models, told }
        }
        Ok(_) | Err(_) => Probe::Silent("its list of models cannot be read".into()),
    }
}

/// The fault without the key: vendors quote it.
fn without(mut fault: Fault, key: &Credential) -> Fault {
    if let Some(key) = &key.key
        && fault.message.contains(key.expose().as_str())
    {
        fault.message = Str::from(fault.message.replace(key.expose().as_str(), "…"));
    }
    fault.body = Bytes::new();
    fault
}

fn told(headers: &HeaderMap, limits: Option<LimitHint>) -> Told {
    let first = |names: &[&str]| {
        let values = names.iter().filter_map(|name| headers.get(*name)?.to_str().ok());
        values.filter(|value| value.len() <= WORD_BYTES_MAX).map(Str::from).next()
    };
    Told { organisation: first(&ORGANISATIONS), tier: first(&TIERS), limits }
}

async fn whole(mut body: WireBody) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.ok()?;
        if bytes.len() + chunk.len() > BYTES_MAX {
            return None;
        }
        bytes.extend_from_slice(&chunk);
    }
    Some(bytes.freeze())
}
