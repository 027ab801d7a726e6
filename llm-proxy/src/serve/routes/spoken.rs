//! Paths that are answered elsewhere, for the document: calls of models, whose dialects know their
//! own paths, and probes. A test holds them against the dialects.

use serde_json::{Value, json};

/// What an answer is.
#[derive(Clone, Copy)]
pub(super) enum Gives {
    /// An object, or a stream of events.
    Words,
    /// Sound.
    Sound,
    /// An object or a text, as it was asked for.
    Written,
}

/// A path of a dialect.
pub(super) struct Spoken {
    pub(super) verb: &'static str,
    pub(super) path: &'static str,
    /// Whose clients ask there.
    pub(super) dialect: &'static str,
    pub(super) about: &'static str,
    /// Fields that its body must have, beside whatever else the dialect has.
    pub(super) needs: &'static [&'static str],
    pub(super) gives: Gives,
}

impl Spoken {
    /// How it is told that something was refused.
    pub(super) fn errors(&self) -> &'static [&'static str] {
        match (self.dialect, self.path) {
            ("Anthropic", _) => &["AnthropicError"],
            ("Gemini", _) => &["GeminiError"],
            ("Cohere", _) => &["CohereError"],
            ("Ollama", _) => &["OllamaError"],
            // Three dialects have their lists here, and are told apart by their heads.
            (_, "/v1/models" | "/v1/models/{model}") => &["Error", "AnthropicError", "GeminiError"],
            (_, _) => &["Error"],
        }
    }

    /// What its body is sent as.
    pub(super) fn takes(&self) -> &'static str {
        if self.needs.contains(&"file") { "multipart/form-data" } else { "application/json" }
    }

    const fn gives(self, gives: Gives) -> Self {
        Self { gives, ..self }
    }
}

const fn post(
    path: &'static str,
    dialect: &'static str,
    about: &'static str,
    needs: &'static [&'static str],
) -> Spoken {
    Spoken { verb: "POST", path, dialect, about, needs, gives: Gives::Words }
}

const fn get(path: &'static str, dialect: &'static str, about: &'static str) -> Spoken {
    Spoken { verb: "GET", path, dialect, about, needs: &[], gives: Gives::Words }
}

/// Calls of models, in all dialects. Those of OpenAI are there without `/v1`, too.
pub(super) const SPOKEN: &[Spoken] = &[
    post(
        "/v1/chat/completions",
        "OpenAI",
        "A conversation's next turn, whole or as a stream.",
        &["model", "messages"],
    ),
    post("/v1/responses", "OpenAI", "The same, as a response.", &["model", "input"]),
    post("/v1/completions", "OpenAI", "A text's continuation.", &["model", "prompt"]),
    post("/v1/embeddings", "OpenAI", "Vectors of texts.", &["model", "input"]),
    post("/v1/moderations", "OpenAI", "Whether texts are fit to be shown.", &["input"]),
    post("/v1/images/generations", "OpenAI", "Pictures of a text.", &["prompt"]),
    post("/v1/audio/transcriptions", "OpenAI", "What is said in a recording.", &["file", "model"])
        .gives(Gives::Written),
    post("/v1/audio/translations", "OpenAI", "The same in English.", &["file", "model"])
        .gives(Gives::Written),
    post("/v1/audio/speech", "OpenAI", "A text, spoken.", &["model", "input", "voice"])
        .gives(Gives::Sound),
    post(
        "/v1/rerank",
        "OpenAI",
        "Documents by what they say to a question.",
        &["model", "query", "documents"],
    ),
    get("/v1/models", "OpenAI", "Models that the key may use."),
    get("/v1/models/{model}", "OpenAI", "One of them."),
    post(
        "/v1/messages",
        "Anthropic",
        "A conversation's next turn, whole or as a stream.",
        &["model", "messages", "max_tokens"],
    ),
    post("/v1/messages/count_tokens", "Anthropic", "How long it is.", &["model", "messages"]),
    post(
        "/v1beta/models/{model}:generateContent",
        "Gemini",
        "A conversation's next turn.",
        &["contents"],
    ),
    post(
        "/v1beta/models/{model}:streamGenerateContent",
        "Gemini",
        "The same as a stream.",
        &["contents"],
    ),
    post("/v1beta/models/{model}:countTokens", "Gemini", "How long it is.", &["contents"]),
    get("/v1beta/models", "Gemini", "Models that the key may use."),
    post("/v2/chat", "Cohere", "A conversation's next turn.", &["model", "messages"]),
    post(
        "/v2/rerank",
        "Cohere",
        "Documents by what they say to a question.",
        &["model", "query", "documents"],
    ),
    post("/v2/embed", "Cohere", "Vectors of texts.", &["model"]),
    post("/api/chat", "Ollama", "A conversation's next turn.", &["model", "messages"]),
    post("/api/generate", "Ollama", "A text's continuation.", &["model", "prompt"]),
    post("/api/embed", "Ollama", "Vectors of texts.", &["model", "input"]),
    post("/api/show", "Ollama", "What a model is.", &["model"]),
    get("/api/tags", "Ollama", "Models that the key may use."),
];

/// APIs that calls are passed through to, under `/passthrough/{name}/{path}`.
pub(super) const PASSED: &[(&str, &str)] = &[
    ("GET", "Asks an API that the configuration names, with its own key."),
    ("POST", "The same."),
    ("PUT", "The same."),
    ("PATCH", "The same."),
    ("DELETE", "The same."),
];

/// What probes and scrapers ask.
pub(super) const PROBES: &[(&str, &str)] = &[
    ("/health/liveness", "Whether the process lives."),
    ("/health/readiness", "Whether it should be sent calls: 200, or 503."),
    ("/metrics", "What is counted, as Prometheus reads it."),
];

/// The schema of a body: what it must have, and that it may have more.
pub(super) fn body(needs: &[&str]) -> Value {
    let of = |name: &&str| {
        let of = match *name {
            "model" => json!({"type": "string", "minLength": 1}),
            "query" => json!({"type": "string"}),
            "file" => json!({"type": "string", "format": "binary"}),
            "messages" | "contents" => json!({"type": "array", "items": {"type": "object"}}),
            "documents" => json!({"type": "array"}),
            "max_tokens" => json!({"type": "integer", "minimum": 1}),
            _ => json!({}),
        };
        ((*name).to_owned(), of)
    };
    let properties: serde_json::Map<String, Value> = needs.iter().map(of).collect();
    json!({"type": "object", "required": needs, "properties": properties})
}
