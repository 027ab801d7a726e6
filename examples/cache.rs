//! The same question twice costs once, as long as the answer is fresh; what is stale can be
//! forgotten by its tag.

use std::error::Error;
use std::sync::Arc;

use llm_core::prompt::Request;
use llm_core::store::Purge;
use llm_providers::Gateway;
use llm_providers::model::{CachePolicy, Policy};
use llm_providers::provider::ProviderSettings;
use llm_sim::{Options, SimTransport};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let simulated = Arc::new(SimTransport::new(&Options::default()));
    let openai = ProviderSettings::new("openai", "openai").key("sk-simulated-0123456789");
    let kept = Policy { cache: Some(CachePolicy::default()), ..Policy::default() };
    let gateway = Gateway::builder()
        .vendor(openai.build_over(simulated)?)
        .model_with("smart", [["openai/gpt-4o-mini"]], kept)
        .build()?;

    let ask = || Request::new("smart").user("How long is the Nakdong?");
    let asking = gateway.asking().tagged(["rivers"]);

    for _ in 0..2 {
        let answered = asking.answered(ask()).await?;
        let cost = answered.receipt.map(|r| r.posted).unwrap_or_default();
        println!("{}: ${cost}", answered.head.cache.name());
    }

    let forgotten = gateway.purge(&Purge::Tag(asking.tenant().clone(), "rivers".into())).await;
    println!("forgotten: {forgotten}");
    println!("{}", asking.answered(ask()).await?.head.cache.name());
    Ok(())
}
