//! An answer as it is written, event by event.
//!
//! A stream begins with `Start` and ends with exactly one of `End` and `Failure`: whoever has seen
//! `End` has seen everything.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use futures_util::StreamExt;
use llm_core::event::{Delta, Event};
use llm_core::prompt::Request;
use llm_providers::Gateway;
use llm_providers::provider::ProviderSettings;
use llm_sim::{Options, SimTransport};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let simulated = Arc::new(SimTransport::new(&Options::default()));
    let claude = ProviderSettings::new("anthropic", "anthropic").key("sk-ant-simulated-0123456789");

    let gateway = Gateway::builder()
        .vendor(claude.build_over(simulated)?)
        .model("smart", [["anthropic/claude-haiku-4-5"]])
        .build()?;

    let mut events = gateway.stream(Request::new("smart").user("한국어로 인사해 줘.")).await?;
    let mut shown = std::io::stdout().lock();
    while let Some(event) = events.next().await {
        match event {
            Event::PartDelta { delta: Delta::Text(text), .. } => write!(shown, "{text}")?,
            Event::End => writeln!(shown, "\n(that was all)")?,
            Event::Failure(error) => return Err(error.into()),
            _ => {}
        }
    }
    if let Some(receipt) = events.receipt() {
        writeln!(shown, "it cost ${}", receipt.posted)?;
    }
    Ok(())
}
