//! An answer that follows a schema. Each provider takes another part of JSON Schema; what one
//! cannot say is left out of what it is sent, and the losses are told.

use std::error::Error;
use std::sync::Arc;

use llm_core::prompt::{JsonSchema, Request};
use llm_core::raw::Raw;
use llm_providers::Gateway;
use llm_providers::provider::ProviderSettings;
use llm_sim::{Options, SimTransport};

const SCHEMA: &str = r#"{
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "stars": {"type": "integer", "minimum": 1, "maximum": 5}
    },
    "required": ["title", "stars"],
    "additionalProperties": false
}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let simulated = Arc::new(SimTransport::new(&Options::default()));
    let gemini = ProviderSettings::new("gemini", "gemini").key("simulated-0123456789");
    let gateway = Gateway::builder()
        .vendor(gemini.build_over(simulated)?)
        .model("smart", [["gemini/gemini-2.5-flash"]])
        .build()?;

    let asked = Request::new("smart")
        .user("Review the Han river as a place to walk.")
        .schema(JsonSchema::strict("review", Raw::parse(SCHEMA)?));
    let answered = gateway.asking().answered(asked).await?;

    let review: serde_json::Value = serde_json::from_str(&answered.completion.text(0))?;
    println!("stars: {}", review["stars"]);
    println!("lost in translation: {}", answered.head.losses.len());
    Ok(())
}
