//! A provider that nobody has described yet: where it is, what it speaks, how it wants to be signed.
//! Everything else (retries, limits, money, streams) is the pipeline's.
//!
//! A vendor that speaks OpenAI's dialect needs no code: `ProviderSettings::new("mine",
//! "openai_compatible").at("https://…")` is enough.

use std::error::Error;
use std::sync::Arc;
use std::time::SystemTime;

use http::Uri;
use http::header::HeaderValue;
use http::request::Parts;
use llm_core::call::Operation;
use llm_core::capability::Capability;
use llm_core::catalog::Override;
use llm_core::dialect::{Chunks, DialectId, UpstreamDialect};
use llm_core::prompt::Request;
use llm_core::provider::{Credential, Provider, ProviderId, SignError};
use llm_providers::Gateway;
use llm_providers::settings::VendorSettings;
use llm_sim::{Options, SimTransport};

/// Anthropic's dialect behind a house's own door, which wants its own header.
#[derive(Debug)]
struct House(ProviderId);

impl Provider for House {
    fn id(&self) -> &ProviderId {
        &self.0
    }

    fn dialect(&self, operation: Operation, model: &str) -> Option<&'static dyn UpstreamDialect> {
        let dialect = llm_dialects::upstream(DialectId::Anthropic)?;
        dialect.endpoint(operation, model, false).map(|_| dialect)
    }

    fn capability(&self, _model: &str) -> Capability {
        Capability { context_tokens_max: 100_000, output_tokens_max: 4_000, ..Capability::ALL }
    }

    fn uri(&self, operation: Operation, model: &str, stream: bool) -> Option<Uri> {
        let endpoint = self.dialect(operation, model)?.endpoint(operation, model, stream)?;
        format!("https://anthropic.house.example{}", endpoint.path).parse().ok()
    }

    fn sign(
        &self,
        parts: &mut Parts,
        _body: &Chunks,
        key: &Credential,
        _now: SystemTime,
    ) -> Result<(), SignError> {
        let Some(key) = &key.key else { return Ok(()) };
        let value = HeaderValue::from_str(key.expose());
        let value = value.map_err(|_| SignError("the key is no header".into()))?;
        parts.headers.insert("x-api-key", value);
        parts.headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let simulated = Arc::new(SimTransport::new(&Options::default()));
    let house = Arc::new(House(ProviderId("house".into())));

    let gateway = Gateway::builder()
        .vendor(VendorSettings::new(house, simulated, ["key-of-the-house"]))
        // What no table knows must be said: a model without a price would be given away.
        .price(Override::rates("house", "claude-of-the-house", "0.5", "2.5")?)
        .model("smart", [["house/claude-of-the-house"]])
        .build()?;

    let answered = gateway.asking().answered(Request::new("smart").user("Who are you?")).await?;
    println!("{}: {}", answered.head.target, answered.completion.text(0));
    Ok(())
}
