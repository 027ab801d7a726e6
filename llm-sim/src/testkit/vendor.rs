//! The simulated vendors, described as the gateway wants a vendor described.

use std::time::SystemTime;

use llm_core::call::Operation;
use llm_core::capability::Capability;
use llm_core::dialect::{Chunks, DialectId, UpstreamDialect};
use llm_core::provider::{Credential, Provider, ProviderId, SignError};

use crate::SimTransport;
use crate::upstream::Vendor;

/// A simulated vendor: its own dialect, its own way to sign, models of a known size.
#[derive(Debug)]
pub struct Described {
    id: ProviderId,
    vendor: Vendor,
    speaks: DialectId,
    bills_unread: bool,
}

impl Described {
    /// Describes one.
    pub fn new(vendor: Vendor) -> Self {
        let speaks = match vendor {
            Vendor::OpenAi => DialectId::OpenaiChat,
            Vendor::Anthropic => DialectId::Anthropic,
            Vendor::Gemini => DialectId::Gemini,
            Vendor::Cohere => DialectId::Cohere,
            Vendor::Ollama => DialectId::Ollama,
        };
        Self { id: ProviderId(vendor.name().into()), vendor, speaks, bills_unread: false }
    }

    /// One that is asked in another of its dialects.
    #[must_use]
    pub fn speaking(self, speaks: DialectId) -> Self {
        Self { speaks, ..self }
    }

    /// One that bills what nobody reads.
    #[must_use]
    pub fn billing_unread(self) -> Self {
        Self { bills_unread: true, ..self }
    }

    /// A model of it whose price is known.
    pub fn target(vendor: Vendor) -> &'static str {
        match vendor {
            Vendor::OpenAi => "openai/gpt-4o-mini",
            Vendor::Anthropic => "anthropic/claude-haiku-4-5",
            Vendor::Gemini => "gemini/gemini-2.5-flash",
            Vendor::Cohere => "cohere/command-a-03-2025",
            Vendor::Ollama => "ollama/llama3.2",
        }
    }
}

impl Provider for Described {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn dialect(&self, operation: Operation, model: &str) -> Option<&'static dyn UpstreamDialect> {
        let dialect = llm_dialects::upstream(self.speaks)?;
        dialect.endpoint(operation, model, false).map(|_| dialect)
    }

    fn bills_unread(&self) -> bool {
        self.bills_unread
    }

    fn capability(&self, _: &str) -> Capability {
        Capability { context_tokens_max: 32_000, output_tokens_max: 4_000, ..Capability::ALL }
    }

    fn uri(&self, operation: Operation, model: &str, stream: bool) -> Option<http::Uri> {
        let endpoint = self.dialect(operation, model)?.endpoint(operation, model, stream)?;
        let version = if self.vendor == Vendor::Gemini { "/v1beta" } else { "" };
        let base = SimTransport::base_url(self.vendor) + version;
        format!("{base}{}", endpoint.path).parse().ok()
    }

    fn sign(
        &self,
        parts: &mut http::request::Parts,
        _: &Chunks,
        key: &Credential,
        _: SystemTime,
    ) -> Result<(), SignError> {
        let Some(key) = &key.key else { return Ok(()) };
        let (name, text) = match self.vendor {
            Vendor::Anthropic => ("x-api-key", key.expose().clone()),
            Vendor::Gemini => ("x-goog-api-key", key.expose().clone()),
            Vendor::OpenAi | Vendor::Cohere | Vendor::Ollama => {
                ("authorization", format!("Bearer {}", key.expose()))
            }
        };
        let value = http::HeaderValue::from_str(&text).map_err(|_| SignError("a key".into()))?;
        parts.headers.insert(name, value);
        if self.vendor == Vendor::Anthropic {
            let version = http::HeaderValue::from_static("2023-06-01");
            parts.headers.insert("anthropic-version", version);
        }
        Ok(())
    }
}
