//! Somebody may ask twice a minute and no more: the third call is told how long to wait, in words
//! and as a number, and no provider hears of it.

use std::error::Error;
use std::sync::Arc;

use llm_core::principal::{Grant, Principal, Scope};
use llm_core::prompt::Request;
use llm_core::quota::{Plan, Zone};
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

    let jihye = Principal {
        key: "key-1".into(),
        tenant: "school".into(),
        user: Some("jihye".into()),
        team: None,
        org: None,
        scope: Scope::all(),
    };
    let plan = Arc::new(Plan { models: Scope::all(), ..Plan::default() });
    let limits = vec!["2/minute".parse()?, "100000 tokens/day".parse()?];
    let grant = Arc::new(Grant::new(jihye, plan, limits, &Zone::UTC));

    let asking = gateway.asking().on_behalf(grant);
    for _ in 0..3 {
        match asking.answered(Request::new("smart").user("Hello?")).await {
            Ok(answered) => {
                let left = answered.head.paced.requests.map_or(0, |v| v.remaining);
                println!("answered, {left} left");
            }
            Err(error) => println!("{:?}: {error}", error.kind()),
        }
    }
    Ok(())
}
