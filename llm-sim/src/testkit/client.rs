//! A client of each dialect, made of the halves that face upstreams: it writes what callers write,
//! and reads answers as strictly as the product reads a provider's.

use bytes::Bytes;
use llm_core::Str;
use llm_core::answer::Answer;
use llm_core::call::Operation;
use llm_core::capability::Capability;
use llm_core::dialect::{Body, CallerDialect, DialectId, Framing, Route, SendCx, UpstreamDialect};
use llm_core::event::{Event, laws};
use llm_core::fault::Fault;
use llm_core::prompt::Prompt;
use llm_dialects::drive::Driver;

/// A client.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    writes: &'static dyn UpstreamDialect,
    serves: &'static dyn CallerDialect,
}

/// What a client sends.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What its path means.
    pub route: Route,
    /// Path and query.
    pub path: Str,
    /// The body.
    pub body: Bytes,
    /// Its type.
    pub content_type: Str,
}

impl Client {
    /// The dialects that callers speak.
    pub const DIALECTS: [DialectId; 6] = [
        DialectId::OpenaiChat,
        DialectId::OpenaiResponses,
        DialectId::Anthropic,
        DialectId::Gemini,
        DialectId::Cohere,
        DialectId::Ollama,
    ];

    /// A client of a dialect; `None` where it lacks a half.
    pub fn of(dialect: DialectId) -> Option<Self> {
        let writes = llm_dialects::upstream(dialect)?;
        Some(Self { writes, serves: llm_dialects::caller(dialect)? })
    }

    /// The half that serves it.
    pub fn served_by(&self) -> &'static dyn CallerDialect {
        self.serves
    }

    /// Writes a request; `None` when the dialect cannot say it.
    pub fn ask(&self, prompt: &Prompt, model: &str, stream: bool) -> Option<Asked> {
        let operation = prompt.operation();
        let capability = Capability::ALL;
        let cx = SendCx { model, stream, usage_frame: true, capability: &capability };
        let endpoint = self.writes.endpoint(operation, model, stream)?;
        let encoded = self.writes.encode(prompt, &cx).ok()?;
        // Some dialects have the version in their paths, and all know the path without it.
        let versioned = format!("/v1beta{}", endpoint.path);
        let route = self.serves.route(&endpoint.method, &endpoint.path);
        let route = route.or_else(|| self.serves.route(&endpoint.method, &versioned))?;
        Some(Asked {
            route,
            path: endpoint.path,
            body: encoded.body,
            content_type: encoded.content_type,
        })
    }

    /// Reads a stream, and whether it kept to the laws.
    pub fn read_stream(
        &self,
        framing: Framing,
        chunks: &[Bytes],
    ) -> (Vec<Event>, Result<(), laws::Violation>) {
        let decoder = self.writes.stream_decoder(Operation::Chat);
        let mut driver = Driver::new(framing, decoder);
        let mut events = Vec::new();
        for chunk in chunks {
            driver.feed(chunk.clone(), &mut events);
        }
        driver.finish(&mut events);
        let lawful = laws::check(&events);
        (events, lawful)
    }

    /// How a stream of that type is framed.
    pub fn framing(&self, content_type: &str) -> Option<Framing> {
        self.writes.framing(content_type)
    }

    /// Reads a whole answer.
    pub fn read_whole(
        &self,
        operation: Operation,
        bytes: &Bytes,
        content_type: &str,
    ) -> Result<Answer, String> {
        let body = Body { bytes, content_type: Some(content_type) };
        self.writes.decode_answer(operation, body).map_err(|e| e.message.to_string())
    }

    /// Reads an error.
    pub fn read_error(&self, response: http::Response<Bytes>) -> Fault {
        let (head, body) = response.into_parts();
        self.writes.decode_error(&head, &body)
    }
}
