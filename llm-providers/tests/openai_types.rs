//! OpenAI's types in and out, whoever answers behind them.
#![cfg(feature = "typed-openai")]

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_openai::types::chat::{
        ChatCompletionRequestUserMessageArgs, ChatCompletionStreamOptions,
        CreateChatCompletionRequest, CreateChatCompletionRequestArgs, FinishReason,
    };
    use async_openai::types::embeddings::CreateEmbeddingRequestArgs;
    use async_openai::types::responses::{CreateResponseArgs, ResponseStreamEvent};
    use futures_util::StreamExt;
    use llm_core::error::Kind;
    use llm_providers::Gateway;
    use llm_providers::provider::ProviderSettings;
    use llm_sim::script::Script;
    use llm_sim::upstream::Vendor;
    use llm_sim::{Options, SimTransport};

    fn gateway() -> (Gateway, SimTransport) {
        let sim = SimTransport::new(&Options::default());
        let mut builder = Gateway::builder();
        for kind in ["openai", "anthropic", "gemini", "cohere", "ollama"] {
            let settings = ProviderSettings::new(kind, kind).key("sk-simulated-0123456789");
            let settings = settings.at(SimTransport::base_url(Vendor::of_host(kind).unwrap()));
            builder = builder.vendor(settings.build_over(Arc::new(sim.clone())).unwrap());
        }
        let gateway = builder
            .model("openai", [["openai/gpt-4o-mini"]])
            .model("anthropic", [["anthropic/claude-haiku-4-5"]])
            .model("gemini", [["gemini/gemini-2.5-flash"]])
            .model("cohere", [["cohere/command-a-03-2025"]])
            .model("ollama", [["ollama/llama3.2"]])
            .model("vectors", [["openai/text-embedding-3-small"]])
            .build()
            .unwrap();
        (gateway, sim)
    }

    fn asked(model: &str) -> CreateChatCompletionRequest {
        let said = ChatCompletionRequestUserMessageArgs::default().content("안녕?").build();
        CreateChatCompletionRequestArgs::default()
            .model(model)
            .messages(vec![said.unwrap().into()])
            .stream_options(ChatCompletionStreamOptions {
                include_usage: Some(true),
                include_obfuscation: None,
            })
            .build()
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn every_provider_answers_in_them_whole_and_streamed() {
        let (gateway, _) = gateway();
        let openai = gateway.asking().openai();
        for model in ["openai", "anthropic", "gemini", "cohere", "ollama"] {
            let mut whole = asked(model);
            whole.stream_options = None;
            let whole = openai.chat(whole).await.unwrap();
            let said = whole.choices[0].message.content.clone().unwrap();
            assert_eq!(whole.choices[0].finish_reason, Some(FinishReason::Stop), "{model}");
            let usage = whole.usage.unwrap();

            let mut chunks = openai.chat_stream(asked(model)).await.unwrap();
            let (mut text, mut last) = (String::new(), None);
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk.unwrap();
                for choice in chunk.choices {
                    text.extend(choice.delta.content);
                }
                last = chunk.usage.or(last);
            }
            assert_eq!(text, said, "{model}");
            assert_eq!(last.unwrap().total_tokens, usage.total_tokens, "{model}");
            assert!(chunks.receipt().is_some());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn responses_and_vectors() {
        let (gateway, _) = gateway();
        let openai = gateway.asking().openai();
        let request =
            CreateResponseArgs::default().model("anthropic").input("안녕?").build().unwrap();
        let whole = openai.respond(request.clone()).await.unwrap();
        let said = whole.output_text().unwrap();
        let mut events = openai.respond_stream(request).await.unwrap();
        let (mut text, mut done) = (String::new(), false);
        while let Some(event) = events.next().await {
            match event.unwrap() {
                ResponseStreamEvent::ResponseOutputTextDelta(delta) => text += &delta.delta,
                ResponseStreamEvent::ResponseCompleted(_) => done = true,
                _ => {}
            }
        }
        assert_eq!((text, done), (said, true));

        let request = CreateEmbeddingRequestArgs::default()
            .model("vectors")
            .input(["a river", "a lake"])
            .build()
            .unwrap();
        assert_eq!(openai.embed(request).await.unwrap().data.len(), 2);
    }

    /// A stream that breaks is an error at its end, and never looks like one that ended.
    #[tokio::test(start_paused = true)]
    async fn what_breaks_is_the_last_item() {
        let (gateway, sim) = gateway();
        let cut = Script::parse(br#"[{"do": {"cut": {"after_frames": 4}}}]"#).unwrap();
        sim.upstream(Vendor::OpenAi).unwrap().script(cut);
        let mut chunks = gateway.asking().openai().chat_stream(asked("openai")).await.unwrap();
        let mut last = None;
        while let Some(chunk) = chunks.next().await {
            last = Some(chunk);
        }
        let error = last.unwrap().unwrap_err();
        assert!(matches!(error.kind(), Kind::BrokenStream), "{error:?}");
    }
}
