//! What is written of a vendor, checked, and made into a description.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::uri::{Authority, Scheme};
use llm_core::Str;
use llm_core::capability::Capability;
use llm_core::catalog::Catalog;
use llm_core::dialect::DialectId;
use llm_core::provider::ProviderId;
use llm_core::seam::Transport;
use llm_core::secret::Secret;
use parking_lot::RwLock;

use super::compatible::{COMPATIBLE, Compatible};
use super::described::{Auth, Described, Speaks};
use crate::settings::{Problem, Problems, RETRIES_USUAL, VendorSettings, pool};
use crate::stage::gate::room::Capacity;
use crate::target::Timeouts;
use crate::transport::{Connections, DirectTransport};

/// A vendor as somebody writes it down. What is not said is the kind's usual.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// Its name, the part before the slash in `vendor/model`.
    pub name: Str,
    /// What it is: `openai`, `anthropic`, `gemini`, `cohere`, `ollama`, or one of [`COMPATIBLE`].
    pub kind: Str,
    /// Where it is.
    pub base_url: Option<Str>,
    /// Its keys.
    pub keys: Vec<Secret<String>>,
    /// Further keys, by names of their own.
    pub named: Vec<(Str, Secret<String>)>,
    /// That there is no key yet is no problem: some come while the gateway runs, or with calls.
    pub keys_later: bool,
    /// How long it may take.
    pub timeouts: Option<Timeouts>,
    /// Attempts beyond the first at one of its targets.
    pub retries: u8,
    /// Further headers of every request.
    pub headers: Vec<(Str, Str)>,
    /// Azure's version of its API.
    pub api_version: Option<Str>,
    /// Show keys over an unencrypted connection to another host.
    pub insecure: bool,
    /// It bills an answer to its end although nobody reads it: what a caller leaves is read on.
    pub bills_unread: bool,
    /// Tell it which trace a call is part of: one of one's own. Others have no business with it.
    pub trace: bool,
    /// How connections are kept.
    pub connections: Connections,
    /// How much each of its targets can take.
    pub capacity: Capacity,
}

/// The kinds that have a wire format of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// OpenAI.
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Gemini.
    Gemini,
    /// Cohere.
    Cohere,
    /// Ollama.
    Ollama,
}

struct Usual {
    speaks: Speaks,
    base_url: &'static str,
    auth: Auth,
    headers: &'static [(&'static str, &'static str)],
    timeouts: Timeouts,
    narrows: fn(&mut Capability),
    keyless: bool,
}

impl Kind {
    /// Those with the words for them. `claude` is what its users call Anthropic's.
    const WORDS: [(&'static str, Self); 6] = [
        ("openai", Self::OpenAi),
        ("anthropic", Self::Anthropic),
        ("claude", Self::Anthropic),
        ("gemini", Self::Gemini),
        ("cohere", Self::Cohere),
        ("ollama", Self::Ollama),
    ];

    /// The kind of that name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(w, _)| *w == word).map(|(_, kind)| *kind)
    }

    /// The word for it in the table of models.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Cohere => "cohere",
            Self::Ollama => "ollama",
        }
    }

    /// The way to the version that we speak, whether the address that was given has it or not:
    /// each client of these APIs counts it differently, and both are in people's files.
    fn prefix(self, given: String) -> String {
        let without = |versions: &[&str]| {
            let bare = versions.iter().find_map(|version| given.strip_suffix(version));
            bare.map_or(given.clone(), str::to_owned)
        };
        match self {
            Self::OpenAi if given.is_empty() => "/v1".to_owned(),
            Self::OpenAi => given,
            Self::Anthropic => without(&["/v1"]),
            Self::Gemini if ["/v1", "/v1beta", "/v1alpha"].iter().any(|v| given.ends_with(v)) => {
                given
            }
            Self::Gemini => given + "/v1beta",
            Self::Cohere => without(&["/v1", "/v2"]),
            Self::Ollama => without(&["/api", "/v1"]),
        }
    }

    fn usual(self) -> Usual {
        let usual = |speaks, base_url, auth| Usual {
            speaks,
            base_url,
            auth,
            headers: &[],
            timeouts: Timeouts::default(),
            narrows: |_| {},
            keyless: false,
        };
        let own = |name| Auth::Header(HeaderName::from_static(name));
        match self {
            Self::OpenAi => usual(Speaks::OpenAi, "https://api.openai.com/v1", Auth::Bearer),
            Self::Anthropic => Usual {
                headers: &[("anthropic-version", "2023-06-01")],
                ..usual(
                    Speaks::One(DialectId::Anthropic),
                    "https://api.anthropic.com",
                    own("x-api-key"),
                )
            },
            // Never `?key=`: addresses are logged where headers are not.
            Self::Gemini => usual(
                Speaks::One(DialectId::Gemini),
                "https://generativelanguage.googleapis.com/v1beta",
                own("x-goog-api-key"),
            ),
            Self::Cohere => {
                usual(Speaks::One(DialectId::Cohere), "https://api.cohere.com", Auth::Bearer)
            }
            Self::Ollama => Usual {
                timeouts: LOCAL,
                keyless: true,
                ..usual(Speaks::One(DialectId::Ollama), "http://127.0.0.1:11434", Auth::Bearer)
            },
        }
    }
}

/// On a machine of one's own, a model may have to be read from a disk first, and a prompt by a
/// processor.
const LOCAL: Timeouts = Timeouts {
    head: Duration::from_mins(5),
    first_token: Duration::from_mins(5),
    idle: Duration::from_mins(2),
    total: Duration::from_mins(30),
};

fn usual_of(host: &Compatible) -> Usual {
    let azure = host.kind == "azure";
    let auth = if azure { Auth::Header(HeaderName::from_static("api-key")) } else { Auth::Bearer };
    Usual {
        speaks: Speaks::One(DialectId::OpenaiChat),
        base_url: host.base_url,
        auth,
        headers: &[],
        timeouts: if host.key.is_empty() { LOCAL } else { Timeouts::default() },
        narrows: host.narrows,
        keyless: host.key.is_empty(),
    }
}

impl ProviderSettings {
    /// A vendor of a kind, with nothing else said.
    pub fn new(name: impl Into<Str>, kind: impl Into<Str>) -> Self {
        Self {
            name: name.into(),
            kind: kind.into(),
            base_url: None,
            keys: Vec::new(),
            named: Vec::new(),
            keys_later: false,
            timeouts: None,
            retries: RETRIES_USUAL,
            headers: Vec::new(),
            api_version: None,
            insecure: false,
            bills_unread: false,
            trace: false,
            connections: Connections::default(),
            capacity: Capacity::default(),
        }
    }

    /// With a key more.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.keys.push(Secret::new(key.into()));
        self
    }

    /// At another address.
    #[must_use]
    pub fn at(mut self, base_url: impl Into<Str>) -> Self {
        self.base_url = Some(base_url.into());
        self
    }

    /// How long its kind may usually take; `None` when there is no such kind.
    pub fn usual_timeouts(&self) -> Option<Timeouts> {
        let own = Kind::parse(&self.kind).map(|kind| kind.usual().timeouts);
        let host = COMPATIBLE.iter().find(|h| h.kind == &*self.kind);
        own.or_else(|| host.map(|h| usual_of(h).timeouts))
    }

    /// Checks everything and builds, with a client of its own. All problems are named.
    pub fn build(self) -> Result<VendorSettings, Problems> {
        let place = format!("providers.{}", self.name);
        let transport = DirectTransport::new(&self.connections)
            .map_err(|e| vec![Problem::new(place, e.to_string())])?;
        self.build_over(Arc::new(transport))
    }

    /// The same over a transport of one's own.
    pub fn build_over(self, transport: Arc<dyn Transport>) -> Result<VendorSettings, Problems> {
        let mut problems = Vec::new();
        let host = COMPATIBLE.iter().find(|h| h.kind == &*self.kind);
        let kind = Kind::parse(&self.kind);
        let usual = match (kind, host) {
            (Some(kind), _) => kind.usual(),
            (None, Some(host)) => usual_of(host),
            (None, None) => {
                let text = format!("{:?} is no kind of provider", &*self.kind);
                return Err(vec![self.problem("kind", text)].into());
            }
        };
        let address = self.address(&usual, &mut problems);
        let none = self.keys.is_empty() && self.named.is_empty();
        if none && !usual.keyless && !self.keys_later {
            problems.push(self.problem("keys", "there is no key"));
        }
        let named = self.named.iter().map(|(_, key)| key);
        for (n, key) in self.keys.iter().chain(named).enumerate() {
            if !is_key(key.expose()) {
                problems.push(self.problem(&format!("keys.{n}"), NO_KEY));
            }
        }
        let azure = &*self.kind == "azure";
        if azure && self.api_version.is_none() {
            problems.push(self.problem("api_version", "Azure wants the version of its API"));
        }
        let headers = self.headers(&usual, &mut problems);
        let Some((scheme, authority, prefix)) = address.filter(|_| problems.is_empty()) else {
            return Err(problems.into());
        };
        let table: Str = kind.map_or_else(|| self.kind.clone(), |k| Str::from_static(k.name()));
        let described = Described {
            id: ProviderId(self.name.clone()),
            kind: table.clone(),
            speaks: usual.speaks,
            scheme,
            authority,
            prefix,
            query: self.api_version.as_ref().map(|v| format!("api-version={v}")),
            deployments: azure,
            auth: usual.auth,
            headers,
            catalog: Catalog::builtin().clone(),
            narrows: usual.narrows,
            bills_unread: self.bills_unread,
            traced: self.trace,
            signed: RwLock::default(),
        };
        Ok(VendorSettings {
            keys: pool(&self.name, self.keys, self.named, usual.keyless),
            name: self.name,
            kind: table,
            provider: Arc::new(described),
            transport,
            timeouts: self.timeouts.unwrap_or(usual.timeouts),
            retries: self.retries,
            adjusts: false,
            capacity: self.capacity,
        })
    }

    fn problem(&self, field: &str, text: impl Into<Str>) -> Problem {
        Problem::new(format!("providers.{}.{field}", self.name), text)
    }

    /// Where it is, unless a key would be seen on the way there.
    fn address(&self, usual: &Usual, problems: &mut Vec<Problem>) -> Option<Address> {
        let base = self.base_url.clone().unwrap_or_else(|| Str::from_static(usual.base_url));
        let (scheme, authority, prefix) = match address(&base) {
            Ok(address) => address,
            Err(text) => {
                problems.push(self.problem("base_url", text));
                return None;
            }
        };
        let open = scheme == Scheme::HTTP && !is_near(authority.host());
        let keys = !self.keys.is_empty() || !self.named.is_empty() || self.keys_later;
        if open && keys && !self.insecure {
            let text = "a key would cross the network unencrypted: use https, or say insecure";
            problems.push(self.problem("base_url", text));
        }
        let prefix = Kind::parse(&self.kind).map_or(prefix.clone(), |kind| kind.prefix(prefix));
        Some((scheme, authority, prefix))
    }

    /// The usual headers, and those that were written; the latter win.
    fn headers(
        &self,
        usual: &Usual,
        problems: &mut Vec<Problem>,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = Vec::new();
        let fixed = usual.headers.iter().map(|(n, v)| (Str::from_static(n), Str::from_static(v)));
        for (name, value) in fixed.chain(self.headers.iter().cloned()) {
            let pair = (HeaderName::try_from(&*name), HeaderValue::try_from(&*value));
            let (Ok(own), Ok(value)) = pair else {
                let text = format!("{name:?} cannot be sent as a header");
                problems.push(self.problem("headers", text));
                continue;
            };
            headers.retain(|(n, _)| *n != own);
            headers.push((own, value));
        }
        headers
    }
}

/// Whether a text can be shown as a key. Whatever stands around one in a file or in a shell comes
/// along with it too often.
pub fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

/// What is wrong with a text that is none.
const NO_KEY: &str = "a key is not empty, and has neither spaces nor letters beyond ASCII";

type Address = (Scheme, Authority, String);

/// Takes an address apart, or says what is wrong with it.
fn address(base: &str) -> Result<Address, String> {
    if base.is_empty() {
        return Err("this kind of provider has no usual address: give one".to_owned());
    }
    // What may stand before an `@` is not to be quoted, whatever else is wrong.
    let quoted = if base.contains('@') { "this".to_owned() } else { format!("{base:?}") };
    let uri: http::Uri = base.parse().map_err(|_| format!("{quoted} is no address"))?;
    let scheme = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS => scheme.clone(),
        _ => return Err(format!("{quoted} does not begin with http:// or https://")),
    };
    let Some(authority) = uri.authority().cloned() else {
        return Err(format!("{quoted} names no host"));
    };
    if authority.as_str().contains('@') {
        return Err("a name and password do not belong into an address; use keys".to_owned());
    }
    if uri.query().is_some() {
        // Keys are written there, too.
        return Err("an address has no query".to_owned());
    }
    Ok((scheme, authority, uri.path().trim_end_matches('/').to_owned()))
}

/// Whether a host is this machine, or one that only exists in process.
fn is_near(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<std::net::IpAddr>();
    host == "localhost" || host.ends_with(".sim") || address.is_ok_and(|a| a.is_loopback())
}

/// Vendors whose keys stand in the environment, under the names that everyone uses.
pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Vec<ProviderSettings> {
    let first = |names: &[&str]| names.iter().find_map(|n| get(n).filter(|v| !v.is_empty()));
    let mut found = Vec::new();
    let own: [(&str, &[&str], &[&str]); 4] = [
        ("openai", &["OPENAI_API_KEY"], &["OPENAI_BASE_URL"]),
        ("anthropic", &["ANTHROPIC_API_KEY"], &["ANTHROPIC_BASE_URL"]),
        ("gemini", &["GEMINI_API_KEY", "GOOGLE_API_KEY"], &[]),
        ("cohere", &["COHERE_API_KEY", "CO_API_KEY"], &[]),
    ];
    for (kind, keys, base) in own {
        if let Some(key) = first(keys) {
            let settings = ProviderSettings::new(kind, kind).key(key);
            found.push(match first(base) {
                Some(base) => settings.at(base),
                None => settings,
            });
        }
    }
    if let Some(organization) = first(&["OPENAI_ORGANIZATION"])
        && let Some(openai) = found.iter_mut().find(|s| &*s.kind == "openai")
    {
        openai.headers.push(("openai-organization".into(), organization.into()));
    }
    if let Some(host) = first(&["OLLAMA_API_BASE", "OLLAMA_HOST"]) {
        found.push(ProviderSettings::new("ollama", "ollama").at(ollama_host(&host)));
    }
    for host in COMPATIBLE.iter().filter(|h| !h.key.is_empty() && !h.base_url.is_empty()) {
        if let Some(key) = first(&[host.key]) {
            found.push(ProviderSettings::new(host.kind, host.kind).key(key));
        }
    }
    found
}

/// Ollama's own variable has a host, a port, both or an address; `0.0.0.0` is where it listens.
pub fn ollama_host(text: &str) -> String {
    let text = text.trim().trim_end_matches('/');
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let rest = rest.replacen("0.0.0.0", "127.0.0.1", 1);
    let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    // The colons of an address in brackets are its own.
    let colon = place.rfind(':').filter(|at| place.rfind(']').is_none_or(|end| end < *at));
    let (host, port) = colon.map_or((place, ""), |at| (&place[..at], &place[at + 1..]));
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    let port = match (port, scheme) {
        ("", "https") => "443",
        ("", _) => "11434",
        (port, _) => port,
    };
    format!("{scheme}://{host}:{port}{path}")
}

#[cfg(test)]
mod tests;
