//! Which dialect a request is in: its path tells, and where two dialects share one, its headers.

use http::{HeaderMap, Method};
use llm_core::call::Operation;
use llm_core::dialect::{CallerDialect, DialectId, Route};

/// In the order in which they are asked. Where two know a path, the first one has it: `/v1/rerank`
/// is ours, and Cohere's own clients say who they are.
const ORDER: [DialectId; 8] = [
    DialectId::OpenaiChat,
    DialectId::Anthropic,
    DialectId::OpenaiResponses,
    DialectId::Gemini,
    DialectId::OpenaiCompletions,
    DialectId::Ollama,
    DialectId::OllamaGenerate,
    DialectId::Cohere,
];

/// A path that a dialect knows.
#[derive(Debug)]
pub(crate) struct Spoken {
    /// The dialect.
    pub(crate) dialect: &'static dyn CallerDialect,
    /// What is asked for.
    pub(crate) route: Route,
}

/// What a request line asks for; `None` when no dialect has such a path.
pub(crate) fn spoken(method: &Method, path: &str, headers: &HeaderMap) -> Option<Spoken> {
    let mut found = None;
    for id in ORDER {
        let Some(dialect) = llm_dialects::caller(id) else { continue };
        let Some(route) = dialect.route(method, path) else { continue };
        if !shared(&route, path) {
            return Some(Spoken { dialect, route });
        }
        if hinted(id, path, headers) {
            return Some(Spoken { dialect, route });
        }
        found.get_or_insert(Spoken { dialect, route });
    }
    found
}

/// Whether several dialects have this path.
fn shared(route: &Route, path: &str) -> bool {
    route.operation == Operation::ListModels && !path.starts_with("/api/")
        || path.ends_with("/rerank")
        || path.ends_with("/embed")
}

/// Whether a request looks like one of that dialect's own clients.
fn hinted(id: DialectId, path: &str, headers: &HeaderMap) -> bool {
    match id {
        DialectId::Anthropic => headers.contains_key("anthropic-version"),
        DialectId::Gemini => {
            headers.contains_key("x-goog-api-key")
                || path.starts_with("/v1beta")
                || path.contains("?key=")
                || path.contains("&key=")
        }
        DialectId::Cohere => headers.contains_key("x-client-name") || path.starts_with("/v2/"),
        DialectId::OpenaiChat
        | DialectId::OpenaiResponses
        | DialectId::OpenaiCompletions
        | DialectId::CohereV1
        | DialectId::Ollama
        | DialectId::OllamaGenerate => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: Method, path: &str, header: Option<&'static str>) -> Option<DialectId> {
        let mut headers = HeaderMap::new();
        if let Some(name) = header {
            headers.insert(name, http::HeaderValue::from_static("x"));
        }
        spoken(&method, path, &headers).map(|s| s.dialect.id())
    }

    #[test]
    fn every_path_of_every_client_has_a_dialect() {
        use DialectId::*;
        let post = |path| of(Method::POST, path, None);
        for (path, dialect) in [
            ("/v1/chat/completions", OpenaiChat),
            ("/chat/completions", OpenaiChat),
            ("/v1/embeddings", OpenaiChat),
            ("/v1/rerank", OpenaiChat),
            ("/v1/audio/transcriptions", OpenaiChat),
            ("/v1/audio/translations", OpenaiChat),
            ("/audio/speech", OpenaiChat),
            ("/v1/images/generations", OpenaiChat),
            ("/moderations", OpenaiChat),
            ("/v1/responses", OpenaiResponses),
            ("/v1/completions", OpenaiCompletions),
            ("/v1/messages", Anthropic),
            ("/v1/messages/count_tokens", Anthropic),
            ("/v1beta/models/m:streamGenerateContent?alt=sse", Gemini),
            ("/v1/models/m:generateContent", Gemini),
            ("/api/chat", Ollama),
            ("/api/generate", OllamaGenerate),
            ("/v2/chat", Cohere),
            ("/v2/rerank", Cohere),
            ("/v1/embed", Cohere),
        ] {
            assert_eq!(post(path), Some(dialect), "{path}");
        }
        assert_eq!(post("/v1/nothing"), None);
        assert_eq!(of(Method::GET, "/v1/chat/completions", None), None);
        assert_eq!(of(Method::GET, "/api/tags", None), Some(Ollama));
    }

    #[test]
    fn the_list_of_models_is_told_apart_by_headers() {
        let list = |header| of(Method::GET, "/v1/models", header);
        assert_eq!(list(None), Some(DialectId::OpenaiChat));
        assert_eq!(list(Some("anthropic-version")), Some(DialectId::Anthropic));
        assert_eq!(list(Some("x-goog-api-key")), Some(DialectId::Gemini));
        assert_eq!(list(Some("x-client-name")), Some(DialectId::Cohere));
        assert_eq!(of(Method::GET, "/v1beta/models", None), Some(DialectId::Gemini));
        assert_eq!(of(Method::GET, "/v1/models?key=x", None), Some(DialectId::Gemini));
    }
}
