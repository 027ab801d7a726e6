//! A vendor's "no", in its own shape, so that its own SDK raises its own exception.
//!
//! Written here and not by the caller halves of the dialects: those translate the *gateway's*
//! errors, and know neither OpenAI's `model_not_found` nor Gemini's `retryDelay` as the vendors
//! write them. Being written apart, they also test the gateway's reading of them.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use llm_core::dialect::DialectId;
use serde_json::{Value, json};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The request.
    BadRequest,
    /// A field that is not known where it stands, or has a wrong type: Cohere has a status of its
    /// own for it.
    Unprocessable,
    /// No key came.
    NoKey,
    /// A wrong one came.
    WrongKey,
    /// No such model.
    UnknownModel,
    /// No such path.
    NoRoute,
    /// Too many bytes.
    TooLarge,
    /// Too many tokens.
    ContextLength,
    /// A filter stepped in.
    ContentFilter,
    /// Too fast.
    RateLimit,
    /// The account is empty.
    Quota,
    /// Too busy.
    Overloaded,
    /// Broken.
    Server,
}

/// A refusal, before it has a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub problem: Problem,
    /// The same in a sentence.
    pub message: String,
    /// Which field.
    pub param: Option<String>,
    /// The vendor's code for it, where it has a narrower one than the problem's.
    pub code: Option<&'static str>,
    /// When to come back.
    pub retry_after_ms: Option<u64>,
    /// A status other than the usual one.
    pub status: Option<u16>,
}

impl Refusal {
    /// A refusal in words.
    pub fn new(problem: Problem, message: impl Into<String>) -> Self {
        Self {
            problem,
            message: message.into(),
            param: None,
            code: None,
            retry_after_ms: None,
            status: None,
        }
    }

    /// A field is wrong.
    pub fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(Problem::BadRequest, message) }
    }

    /// With the vendor's code.
    #[must_use]
    pub fn coded(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// The status that goes with it.
    pub fn status(&self, dialect: DialectId) -> u16 {
        self.status.unwrap_or_else(|| usual_status(self.problem, dialect))
    }

    /// The body in the shape of a dialect.
    pub fn body(&self, dialect: DialectId) -> Value {
        match dialect {
            DialectId::OpenaiChat | DialectId::OpenaiResponses | DialectId::OpenaiCompletions => {
                self.openai()
            }
            DialectId::Anthropic => json!({
                "type": "error",
                "error": {"type": self.anthropic_type(), "message": self.message},
                "request_id": "req_simulated"
            }),
            DialectId::Gemini => self.gemini(),
            DialectId::Cohere | DialectId::CohereV1 => {
                json!({"id": "00000000-0000-4000-8000-000000000000", "message": self.message})
            }
            DialectId::Ollama | DialectId::OllamaGenerate => json!({"error": self.message}),
        }
    }

    /// The whole response. OpenAI and Anthropic put their hints for retries in headers, Gemini
    /// in the body.
    pub fn response(&self, dialect: DialectId) -> http::Response<Bytes> {
        let body = Bytes::from(self.body(dialect).to_string());
        let mut response = http::Response::new(body);
        *response.status_mut() = http::StatusCode::from_u16(self.status(dialect))
            .unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        put(headers, "content-type", "application/json");
        if let Some(ms) = self.retry_after_ms
            && dialect != DialectId::Gemini
        {
            put(headers, "retry-after", &ms.div_ceil(1_000).to_string());
            if dialect != DialectId::Anthropic {
                put(headers, "retry-after-ms", &ms.to_string());
            }
        }
        if dialect == DialectId::Anthropic {
            let again =
                matches!(self.problem, Problem::RateLimit | Problem::Overloaded | Problem::Server);
            put(headers, "x-should-retry", if again { "true" } else { "false" });
            put(headers, "request-id", "req_simulated");
        }
        response
    }

    fn openai(&self) -> Value {
        let (kind, code) = match self.problem {
            Problem::WrongKey => ("invalid_request_error", Some("invalid_api_key")),
            Problem::UnknownModel => ("invalid_request_error", Some("model_not_found")),
            Problem::ContextLength => ("invalid_request_error", Some("context_length_exceeded")),
            Problem::ContentFilter => ("invalid_request_error", Some("content_filter")),
            Problem::RateLimit => ("tokens", Some("rate_limit_exceeded")),
            Problem::Quota => ("insufficient_quota", Some("insufficient_quota")),
            Problem::Overloaded | Problem::Server => ("server_error", None),
            Problem::BadRequest
            | Problem::Unprocessable
            | Problem::NoKey
            | Problem::NoRoute
            | Problem::TooLarge => ("invalid_request_error", None),
        };
        let code = self.code.or(code);
        json!({"error": {"message": self.message, "type": kind, "param": self.param, "code": code}})
    }

    fn anthropic_type(&self) -> &'static str {
        match self.problem {
            Problem::BadRequest
            | Problem::Unprocessable
            | Problem::ContextLength
            | Problem::ContentFilter
            | Problem::Quota => "invalid_request_error",
            Problem::NoKey | Problem::WrongKey => "authentication_error",
            Problem::UnknownModel | Problem::NoRoute => "not_found_error",
            Problem::TooLarge => "request_too_large",
            Problem::RateLimit => "rate_limit_error",
            Problem::Overloaded => "overloaded_error",
            Problem::Server => "api_error",
        }
    }

    fn gemini(&self) -> Value {
        if self.problem == Problem::ContentFilter {
            // A blocked prompt is an answer of status 200 without candidates.
            return json!({
                "promptFeedback": {"blockReason": "SAFETY"},
                "usageMetadata": {"promptTokenCount": 8, "totalTokenCount": 8}
            });
        }
        let status = match self.status(DialectId::Gemini) {
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            429 => "RESOURCE_EXHAUSTED",
            500 => "INTERNAL",
            503 => "UNAVAILABLE",
            504 => "DEADLINE_EXCEEDED",
            _ => "INVALID_ARGUMENT",
        };
        let mut details = Vec::new();
        let info = |reason: &str| {
            json!({
                "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason,
                "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"}
            })
        };
        match self.problem {
            Problem::WrongKey => details.push(info("API_KEY_INVALID")),
            Problem::RateLimit => details.push(info("RATE_LIMIT_EXCEEDED")),
            Problem::Quota => details.push(json!({
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{
                    "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
                    "quotaId": "GenerateRequestsPerDayPerProjectPerModel", "quotaValue": "250"
                }]
            })),
            _ => {}
        }
        if let Some(ms) = self.retry_after_ms {
            let delay = match ms % 1_000 {
                0 => format!("{}s", ms / 1_000),
                rest => format!("{}.{rest:03}s", ms / 1_000),
            };
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay
            }));
        }
        let code = self.status(DialectId::Gemini);
        let mut error = json!({"code": code, "message": self.message, "status": status});
        if !details.is_empty() {
            error["details"] = Value::Array(details);
        }
        json!({ "error": error })
    }
}

fn usual_status(problem: Problem, dialect: DialectId) -> u16 {
    let gemini = dialect == DialectId::Gemini;
    match problem {
        Problem::BadRequest | Problem::ContextLength => 400,
        Problem::ContentFilter => {
            if gemini {
                200
            } else {
                400
            }
        }
        Problem::Unprocessable => match dialect {
            DialectId::Cohere | DialectId::CohereV1 => 422,
            _ => 400,
        },
        Problem::NoKey => {
            if gemini {
                403
            } else {
                401
            }
        }
        Problem::WrongKey => {
            if gemini {
                400
            } else {
                401
            }
        }
        Problem::UnknownModel | Problem::NoRoute => 404,
        Problem::TooLarge => 413,
        // Anthropic says of an empty account that the request is invalid.
        Problem::Quota if dialect == DialectId::Anthropic => 400,
        Problem::RateLimit | Problem::Quota => 429,
        Problem::Overloaded if dialect == DialectId::Anthropic => 529,
        Problem::Overloaded => 503,
        Problem::Server => 500,
    }
}

/// Sets a header whose value may come from a script, and leaves it out when no header can hold it.
pub(crate) fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}
