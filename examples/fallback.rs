//! The first choice has run out of quota; the second answers, and nobody waits for it.

use std::error::Error;
use std::sync::Arc;

use llm_core::prompt::Request;
use llm_providers::Gateway;
use llm_providers::provider::ProviderSettings;
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use llm_sim::{Options, SimTransport};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let simulated = SimTransport::new(&Options::default());
    let openai = ProviderSettings::new("openai", "openai").key("sk-simulated-0123456789");
    let claude = ProviderSettings::new("anthropic", "anthropic").key("sk-ant-simulated-0123456789");

    let gateway = Gateway::builder()
        .vendor(openai.build_over(Arc::new(simulated.clone()))?)
        .vendor(claude.build_over(Arc::new(simulated.clone()))?)
        // Tiers: the second is asked when the first cannot answer.
        .model("smart", [["openai/gpt-4o-mini"], ["anthropic/claude-haiku-4-5"]])
        .build()?;

    if let Some(openai) = simulated.upstream(Vendor::OpenAi) {
        openai.script(Script::parse(br#"[{"do": {"error": "insufficient_quota"}}]"#)?);
    }

    for question in ["What is a river?", "And what is a lake?"] {
        let asked = Request::new("smart").user(question);
        let answered = gateway.asking().answered(asked).await?;
        // The second question does not try the spent key again.
        println!("{} after {} attempts", answered.head.target, answered.head.attempts);
    }
    Ok(())
}
