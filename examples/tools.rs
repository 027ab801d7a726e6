//! The model calls a function of ours, and answers with what it returned.

use std::error::Error;
use std::sync::Arc;

use llm_core::prompt::{Message, Request, Tool};
use llm_core::raw::Raw;
use llm_providers::Gateway;
use llm_providers::provider::ProviderSettings;
use llm_sim::{Options, SimTransport};

const SCHEMA: &str = r#"{
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"]
}"#;

fn weather(arguments: &str) -> String {
    format!("for {arguments}: 21 degrees and sunny")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let simulated = Arc::new(SimTransport::new(&Options::default()));
    let openai = ProviderSettings::new("openai", "openai").key("sk-simulated-0123456789");
    let gateway = Gateway::builder()
        .vendor(openai.build_over(simulated)?)
        .model("smart", [["openai/gpt-4o-mini"]])
        .build()?;

    let mut asked = Request::new("smart")
        .user("What is the weather in Seoul?")
        .tool(Tool::function("weather", "The weather in a city.", Raw::parse(SCHEMA)?));

    // At most a few rounds: a model that only ever calls tools must not keep us here.
    for _ in 0..4 {
        let said = gateway.chat(asked.clone()).await?;
        asked = asked.message(said.message(0));
        let mut called = false;
        for call in said.tool_calls(0) {
            println!("{}({})", call.name, call.arguments);
            asked = asked.message(Message::tool_result(call, weather(&call.arguments)));
            called = true;
        }
        if !called {
            println!("{}", said.text(0));
            break;
        }
    }
    Ok(())
}
