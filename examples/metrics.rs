//! What Prometheus would read: register with a registry of one's own, and write its page.

use std::error::Error;
use std::sync::Arc;

use llm_core::prompt::Request;
use llm_providers::Gateway;
use llm_providers::provider::ProviderSettings;
use llm_sim::{Options, SimTransport};
use prometheus::{Registry, TextEncoder};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let simulated = Arc::new(SimTransport::new(&Options::default()));
    let openai = ProviderSettings::new("openai", "openai").key("sk-simulated-0123456789");
    let registry = Registry::new();
    let gateway = Gateway::builder()
        .vendor(openai.build_over(simulated)?)
        .model("smart", [["openai/gpt-4o-mini"]])
        .registry(registry.clone())
        .build()?;

    gateway.chat(Request::new("smart").user("Hello?")).await?;

    let page = TextEncoder::new().encode_to_string(&registry.gather())?;
    for line in page.lines().filter(|l| l.starts_with("gw_") && !l.contains("_bucket")) {
        println!("{line}");
    }
    Ok(())
}
