//! A vendor as a value.

use std::fmt;
use std::time::SystemTime;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use llm_core::Str;
use llm_core::call::Operation;
use llm_core::capability::Capability;
use llm_core::catalog::{Catalog, ModelKind};
use llm_core::dialect::{Chunks, DialectId, UpstreamDialect};
use llm_core::provider::{Credential, LimitHint, Provider, ProviderId, SignError};
use parking_lot::RwLock;

use super::limits;

/// How a vendor wants to see its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `authorization: Bearer …`
    Bearer,
    /// A header of its own.
    Header(HeaderName),
    /// It wants none.
    None,
}

/// Which dialect a vendor speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// One for everything.
    One(DialectId),
    /// OpenAI's own: chat, or responses for models that have nothing else.
    OpenAi,
}

/// A vendor, described.
pub struct Described {
    pub(super) id: ProviderId,
    /// The kind under which the table of models knows it.
    pub(super) kind: Str,
    pub(super) speaks: Speaks,
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    /// What stands in front of every path: `/v1`, `/v1beta`, a deployment's own prefix.
    pub(super) prefix: String,
    /// What stands behind every path: `api-version=…`.
    pub(super) query: Option<String>,
    /// The model stands in the path, and not in the body alone (Azure's deployments).
    pub(super) deployments: bool,
    pub(super) auth: Auth,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) catalog: Catalog,
    /// What all its models lack, whatever the table says.
    pub(super) narrows: fn(&mut Capability),
    pub(super) bills_unread: bool,
    pub(super) traced: bool,
    /// Keys as header values, made once for each key.
    pub(super) signed: RwLock<Vec<(Str, HeaderValue)>>,
}

/// Keys of a pool that are kept as header values.
const SIGNED_MAX: usize = 64;

impl Provider for Described {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn dialect(&self, operation: Operation, model: &str) -> Option<&'static dyn UpstreamDialect> {
        let id = match self.speaks {
            Speaks::One(id) => id,
            Speaks::OpenAi if operation == Operation::Chat && self.responds(model) => {
                DialectId::OpenaiResponses
            }
            Speaks::OpenAi => DialectId::OpenaiChat,
        };
        let dialect = llm_dialects::upstream(id)?;
        dialect.endpoint(operation, "m", false).map(|_| dialect)
    }

    fn capability(&self, model: &str) -> Capability {
        let entry = self.catalog.lookup(&self.kind, model);
        let mut capability = entry.map_or(Capability::ALL, |e| e.capability);
        (self.narrows)(&mut capability);
        capability
    }

    fn uri(&self, operation: Operation, model: &str, stream: bool) -> Option<http::Uri> {
        let dialect = self.dialect(operation, model)?;
        let name = in_path(model);
        let endpoint = dialect.endpoint(operation, &name, stream)?;
        let mut path = String::with_capacity(self.prefix.len() + endpoint.path.len() + 64);
        path.push_str(&self.prefix);
        if self.deployments {
            path.push_str("/openai/deployments/");
            path.push_str(&name);
        }
        // Dialects with the version in their paths, behind a base that has it too.
        let twice = ["/v1", "/v1beta", "/v2"].into_iter().find(|version| {
            self.prefix.ends_with(version)
                && endpoint.path.strip_prefix(version).is_some_and(|rest| rest.starts_with('/'))
        });
        path.push_str(&endpoint.path[twice.map_or(0, str::len)..]);
        if let Some(query) = &self.query {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str(query);
        }
        let path = PathAndQuery::try_from(path).ok()?;
        let uri = http::Uri::builder().scheme(self.scheme.clone());
        uri.authority(self.authority.clone()).path_and_query(path).build().ok()
    }

    fn sign(
        &self,
        parts: &mut http::request::Parts,
        _: &Chunks,
        key: &Credential,
        _: SystemTime,
    ) -> Result<(), SignError> {
        // A key is bound to the place it was given for, whatever built the address.
        let same = parts.uri.scheme() == Some(&self.scheme)
            && parts.uri.authority() == Some(&self.authority);
        if !same {
            return Err(SignError("the address is not this provider's".into()));
        }
        for (name, value) in &self.headers {
            parts.headers.insert(name, value.clone());
        }
        let name = match &self.auth {
            Auth::None => return Ok(()),
            Auth::Bearer => AUTHORIZATION,
            Auth::Header(name) => name.clone(),
        };
        if key.key.is_some() {
            parts.headers.insert(name, self.value(key)?);
        }
        Ok(())
    }

    fn bills_unread(&self) -> bool {
        self.bills_unread
    }

    fn traced(&self) -> bool {
        self.traced
    }

    fn limits(&self, headers: &http::HeaderMap) -> Option<LimitHint> {
        limits::read(headers)
    }
}

impl Described {
    /// Whether a model is only to be had through OpenAI's responses.
    fn responds(&self, model: &str) -> bool {
        let entry = self.catalog.lookup(&self.kind, model);
        entry.is_some_and(|e| e.kind == ModelKind::Responses)
    }

    /// A key as a header's value. Made once: formatting and marking it for every call would be
    /// work, and would copy the key around.
    fn value(&self, key: &Credential) -> Result<HeaderValue, SignError> {
        if key.is_own() {
            return self.signature(key);
        }
        let known = self.signed.read();
        if let Some((_, value)) = known.iter().find(|(id, _)| *id == key.id) {
            return Ok(value.clone());
        }
        drop(known);
        let value = self.signature(key)?;
        let mut known = self.signed.write();
        if known.len() >= SIGNED_MAX {
            known.clear();
        }
        known.push((key.id.clone(), value.clone()));
        Ok(value)
    }

    fn signature(&self, key: &Credential) -> Result<HeaderValue, SignError> {
        let Some(secret) = &key.key else { return Err(SignError("there is no key".into())) };
        let text = match self.auth {
            Auth::Bearer => format!("Bearer {}", secret.expose()),
            Auth::Header(_) | Auth::None => secret.expose().clone(),
        };
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| SignError("the key cannot stand in a header".into()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// A model's name as one piece of a path: whatever a caller writes, it does not leave its place.
fn in_path(model: &str) -> std::borrow::Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~:@".contains(&b);
    // Slashes stand in names of hosted models (`meta-llama/Llama-3`), dots only inside them.
    let dots = model.split('/').any(|piece| piece.is_empty() || piece.bytes().all(|b| b == b'.'));
    if !dots && model.bytes().all(|b| plain(b) || b == b'/') {
        return model.into();
    }
    let mut out = String::with_capacity(model.len() + 16);
    for byte in model.bytes() {
        if plain(byte) && !(dots && byte == b'.') {
            out.push(char::from(byte));
        } else {
            let digit = |n: u8| char::from(b"0123456789ABCDEF"[usize::from(n & 15)]);
            out.extend(['%', digit(byte >> 4), digit(byte)]);
        }
    }
    out.into()
}

impl fmt::Debug for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, speaks, authority, .. } = self;
        f.debug_struct("Described")
            .field("id", id)
            .field("speaks", speaks)
            .field("authority", authority)
            .finish_non_exhaustive()
    }
}
