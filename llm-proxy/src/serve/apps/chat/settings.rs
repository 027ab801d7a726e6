//! How chat asks, where the configuration says nothing else.

use std::time::Duration;

use llm_app::Ground;
use llm_app::chat::{Chat, Settings};
use llm_app::feature::Feature;

use crate::config::Config;

/// How long an answer of chat is, in tokens.
const CHAT_TOKENS: u32 = 500;
/// How many messages of chat a person may send.
const CHAT_LIMIT: &str = "30/hour";
/// What a model is shown of a conversation, in tokens: all of a large window, with every message
/// anew, is what nobody wants to pay for.
const CHAT_WINDOW: u32 = 32_000;
/// When the first word of a reply should be there.
const CHAT_FIRST: Duration = Duration::from_secs(3);

/// How chat asks, where the configuration says nothing else.
pub(crate) fn settings(config: &Config) -> Settings {
    let model = config.usual_model();
    let usual = Feature {
        tokens_max: Some(CHAT_TOKENS),
        limits: CHAT_LIMIT.parse().into_iter().collect(),
        ..Feature::new("chat", model.clone())
    };
    let said = config.said_of(&usual.name);
    Settings {
        chat: config.feature(usual),
        titles: config.feature(Feature::new("titles", model)),
        first_token: said.first_token.unwrap_or(CHAT_FIRST),
        window_max: Some(CHAT_WINDOW),
        keep: said.keep,
    }
}

/// As the configuration has it.
pub(crate) fn open(config: &Config, ground: &Ground) -> Chat {
    Chat::new(ground.clone(), settings(config))
}
