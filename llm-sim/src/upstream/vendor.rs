//! What one vendor is: which dialects it speaks where, whom it lets in, what it offers.

use http::HeaderMap;
use llm_core::dialect::DialectId;

use super::refusal::{Problem, Refusal};

/// A simulated vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vendor {
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

/// Names that begin like this are unknown models everywhere; any other name is answered, so that
/// a test may call its model as it likes.
pub const UNKNOWN_MODELS: [&str; 4] = ["missing-", "no-such", "nonexistent", "there-is-no"];

/// A key that holds this word is a wrong key; any other is right.
pub const WRONG_KEY: &str = "invalid";

impl Vendor {
    /// All, in the order of their ports.
    pub const ALL: [Self; 5] =
        [Self::OpenAi, Self::Anthropic, Self::Gemini, Self::Cohere, Self::Ollama];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Cohere => "cohere",
            Self::Ollama => "ollama",
        }
    }

    /// The vendor that a host name speaks of: `openai.sim`, `api.cohere.com`.
    pub fn of_host(host: &str) -> Option<Self> {
        if host.contains("googleapis") {
            return Some(Self::Gemini);
        }
        Self::ALL.into_iter().find(|v| host.contains(v.name()))
    }

    /// What clients append their paths to: OpenAI's SDKs want the version in it.
    pub fn base_path(self) -> &'static str {
        match self {
            Self::OpenAi => "/v1",
            _ => "",
        }
    }

    /// The dialects it speaks.
    pub fn dialects(self) -> &'static [DialectId] {
        use DialectId as D;
        match self {
            Self::OpenAi => &[D::OpenaiChat, D::OpenaiResponses, D::OpenaiCompletions],
            Self::Anthropic => &[D::Anthropic],
            Self::Gemini => &[D::Gemini],
            Self::Cohere => &[D::Cohere],
            Self::Ollama => &[
                D::Ollama,
                D::OllamaGenerate,
                D::OpenaiChat,
                D::OpenaiResponses,
                D::OpenaiCompletions,
            ],
        }
    }

    /// The models it lists.
    pub fn models(self) -> &'static [&'static str] {
        match self {
            Self::OpenAi => &[
                "gpt-4o-mini",
                "gpt-4o",
                "gpt-4.1",
                "o4-mini",
                "gpt-5",
                "text-embedding-3-small",
                "text-embedding-3-large",
                "omni-moderation-latest",
                "whisper-1",
                "gpt-image-1",
            ],
            Self::Anthropic => &["claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-1"],
            Self::Gemini => &["gemini-2.5-flash", "gemini-2.5-pro", "gemini-embedding-001"],
            Self::Cohere => &["command-a-03-2025", "embed-v4.0", "rerank-v3.5"],
            Self::Ollama => &["llama3.2:latest", "qwen3:latest", "nomic-embed-text:latest"],
        }
    }

    /// What it says to a browser and to a health check: words that are of no dialect.
    pub(crate) fn small_talk(self, method: &http::Method, path: &str) -> Option<&'static str> {
        match (self, path) {
            _ if method != http::Method::GET && method != http::Method::HEAD => None,
            (Self::Ollama, "/") => Some("Ollama is running"),
            (Self::Ollama, "/api/version") => Some("{\"version\":\"0.12.0\"}"),
            _ => None,
        }
    }

    /// Whether it has a model of that name.
    pub fn knows(self, model: &str) -> bool {
        let bare = model.strip_prefix("models/").unwrap_or(model);
        !UNKNOWN_MODELS.iter().any(|p| bare.starts_with(p))
    }

    /// Lets a key in, or says in the vendor's way why not.
    pub fn authorise(self, headers: &HeaderMap, path: &str) -> Result<(), Refusal> {
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        let bearer = header("authorization").and_then(|v| v.strip_prefix("Bearer "));
        let key = match self {
            Self::OpenAi | Self::Cohere => bearer,
            Self::Anthropic => header("x-api-key").or(bearer),
            Self::Gemini => header("x-goog-api-key").or(query(path, "key")).or(bearer),
            Self::Ollama => return Ok(()),
        };
        match key.map(str::trim).filter(|k| !k.is_empty()) {
            None => Err(Refusal::new(Problem::NoKey, no_key(self))),
            Some(key) if key.contains(WRONG_KEY) => {
                Err(Refusal::new(Problem::WrongKey, wrong_key(self, key)))
            }
            Some(_) => Ok(()),
        }
    }
}

impl std::fmt::Display for Vendor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A parameter of a query, as written.
pub(crate) fn query<'p>(path: &'p str, name: &str) -> Option<&'p str> {
    let (_, query) = path.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(n, _)| *n == name).map(|(_, value)| value)
}

fn no_key(vendor: Vendor) -> String {
    match vendor {
        Vendor::OpenAi => {
            "You didn't provide an API key. You need to provide your API key in an Authorization \
             header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
        }
        Vendor::Anthropic => "x-api-key header is required",
        Vendor::Gemini => {
            "Method doesn't allow unregistered callers (callers without established identity). \
             Please use API Key or other form of API consumer identity to call this API."
        }
        Vendor::Cohere | Vendor::Ollama => "no api key supplied",
    }
    .to_owned()
}

/// OpenAI quotes the key it refuses, all but its middle; a gateway must not pass that on.
fn wrong_key(vendor: Vendor, key: &str) -> String {
    match vendor {
        Vendor::OpenAi => format!(
            "Incorrect API key provided: {key}. You can find your API key at \
             https://platform.openai.com/account/api-keys."
        ),
        Vendor::Anthropic => "invalid x-api-key".to_owned(),
        Vendor::Gemini => "API key not valid. Please pass a valid API key.".to_owned(),
        Vendor::Cohere | Vendor::Ollama => "invalid api token".to_owned(),
    }
}
