//! One question, one answer.
//!
//! The providers here are simulated in process, so that this runs without keys. To ask the real
//! one, give its key and write `.build()?` for `.build_over(…)?`.

use std::error::Error;
use std::sync::Arc;

use llm_core::prompt::Request;
use llm_providers::Gateway;
use llm_providers::provider::ProviderSettings;
use llm_sim::{Options, SimTransport};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let simulated = Arc::new(SimTransport::new(&Options::default()));
    let openai = ProviderSettings::new("openai", "openai").key("sk-simulated-0123456789");

    let gateway = Gateway::builder()
        .vendor(openai.build_over(simulated)?)
        .model("smart", [["openai/gpt-4o-mini"]])
        .build()?;

    let answered = gateway
        .asking()
        .answered(Request::new("smart").user("Name three rivers of Korea."))
        .await?;

    println!("{}", answered.completion.text(0));
    println!("answered by {}", answered.head.target);
    if let Some(receipt) = answered.receipt {
        println!("it cost ${}", receipt.posted);
    }
    Ok(())
}
