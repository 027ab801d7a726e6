//! A program that already speaks OpenAI's types keeps them, and gets every provider behind them.

use std::error::Error;
use std::sync::Arc;

use async_openai::types::chat::{
    ChatCompletionRequestUserMessageArgs, CreateChatCompletionRequestArgs,
};
use futures_util::StreamExt;
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
    let openai = gateway.asking().openai();

    let question = ChatCompletionRequestUserMessageArgs::default().content("Hello?").build()?;
    let request = CreateChatCompletionRequestArgs::default()
        .model("smart")
        .messages(vec![question.into()])
        .build()?;

    let whole = openai.chat(request.clone()).await?;
    println!("whole: {:?}", whole.choices[0].message.content);

    let mut chunks = openai.chat_stream(request).await?;
    let mut text = String::new();
    while let Some(chunk) = chunks.next().await {
        for choice in chunk?.choices {
            text.extend(choice.delta.content);
        }
    }
    println!("streamed: {text:?}");
    Ok(())
}
