//! The features of applications, as far as this process serves them: what they stand on, and their
//! routes under `/api/v1`. What they do is in `llm-app`; what is here is how it is asked for.
//!
//! Whose things they are is what the key or the token says; another's are not there. Deliberately
//! absent: any right of operators to read what people have said.

pub(crate) mod chat;
pub(crate) mod usage;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use llm_app::chat::{self as talk, Chat};
use llm_app::feature::Feature;
use llm_app::people::People;
use llm_app::{Ground, NotDone};
use llm_core::seam::Clock;
use llm_providers::Gateway;
use llm_store::seal::Chest;

use super::admin::refusal::Refusal;
use super::house::House;
use super::seal;
use super::store::Store;
use crate::config::Config;

/// What serves them; none where nothing outlasts the process.
#[derive(Debug)]
pub(crate) struct Apps {
    /// What they all stand on.
    pub(crate) ground: Ground,
    /// Conversations.
    pub(crate) chat: Chat,
}

impl Apps {
    pub(super) fn open(
        config: &Config,
        store: &Store,
        gateway: &Gateway,
        clock: &Arc<dyn Clock>,
        chest: &Chest,
    ) -> Option<Self> {
        let database = store.database()?.clone();
        let fresh = seal::freshness();
        let assumed = !config.features.consent_required;
        let people = People::new(database.clone(), chest.clone(), move || fresh(), assumed);
        let (gateway, entropy) = (gateway.clone(), Arc::clone(gateway.entropy()));
        let ground = Ground { gateway, database, people, clock: Arc::clone(clock), entropy };
        let chat = Chat::new(ground.clone(), chatting(config));
        Some(Self { ground, chat })
    }

    /// Begins what goes on behind the requests: what is kept no longer is forgotten.
    pub(super) fn begin(&self) {
        tokio::spawn(self.chat.upkeep(SWEEP_EVERY));
    }

    /// Ends what is under way, so that what there is of it is kept.
    pub(super) async fn close(&self) {
        self.chat.close().await;
    }
}

/// How often what is kept no longer is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
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
fn chatting(config: &Config) -> talk::Settings {
    let model = config.usual_model();
    let usual = Feature {
        tokens_max: Some(CHAT_TOKENS),
        limits: CHAT_LIMIT.parse().into_iter().collect(),
        ..Feature::new("chat", model.clone())
    };
    let said = config.said_of(&usual.name);
    talk::Settings {
        chat: config.feature(usual),
        titles: config.feature(Feature::new("titles", model)),
        first_token: said.first_token.unwrap_or(CHAT_FIRST),
        window_max: Some(CHAT_WINDOW),
        keep: said.keep,
    }
}

/// What serves them.
pub(crate) fn apps(house: &House) -> Result<&Apps, Refusal> {
    house.apps.as_ref().ok_or_else(Refusal::no_store)
}

impl From<NotDone> for Refusal {
    fn from(why: NotDone) -> Self {
        let text = why.to_string();
        match why {
            NotDone::Unknown(_) => Self::new(StatusCode::NOT_FOUND, "not_found", text),
            NotDone::Wrong { field, why } => Self::wrong(&field, why.to_string()),
            NotDone::Contradicts(_) => Self::new(StatusCode::CONFLICT, "conflict", text),
            NotDone::NoConsent => Self::new(StatusCode::FORBIDDEN, "consent_required", text),
            NotDone::Call(error) => error.into(),
            NotDone::Store(error) => error.into(),
        }
    }
}
