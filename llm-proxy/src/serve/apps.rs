//! The features of applications, as far as this process serves them: what they stand on, and their
//! routes under `/api/v1`. What they do is in `llm-app`; what is here is how it is asked for.
//!
//! Whose things they are is what the key or the token says; another's are not there. Deliberately
//! absent: any right of operators to read what people have said.

pub(crate) mod analysis;
pub(crate) mod captions;
pub(crate) mod chat;
pub(crate) mod debts;
pub(crate) mod documents;
pub(crate) mod jobs;
pub(crate) mod noted;
pub(crate) mod privacy;
pub(crate) mod prompts;
pub(crate) mod usage;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::StatusCode;
use llm_app::analysis::Analysis;
use llm_app::chat::Chat;
use llm_app::documents::{DocumentKeeper, Documents};
use llm_app::people::People;
use llm_app::privacy::Keeps;
use llm_app::prompts::Prompts;
use llm_app::{Ground, NotDone};
use llm_core::seam::Clock;
use llm_providers::Gateway;
use llm_store::deposits::Deposits;
use llm_store::seal::Chest;
use llm_store::wallets::Wallets;

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
    /// Prompts, templates, experiments.
    pub(crate) prompts: Prompts,
    /// What people have uploaded.
    pub(crate) documents: Documents,
    /// Questions about it, and about tables.
    pub(crate) analysis: Analysis,
    /// What links to results are sealed with.
    pub(crate) links: Chest,
    /// Who makes captions.
    pub(crate) captions: llm_app::captions::Captions,
    /// What is kept of people, for them to have and to have gone.
    pub(crate) privacy: llm_app::privacy::Privacy,
}

/// The features as they are configured: another configuration puts others in their place, over the
/// same ground. What is under way ends as it began.
#[derive(Debug)]
pub(crate) struct Served {
    now: ArcSwap<Apps>,
    chest: Chest,
    wallets: Option<Wallets>,
}

impl Served {
    pub(super) fn open(
        config: &Config,
        store: &Store,
        gateway: &Gateway,
        clock: &Arc<dyn Clock>,
        chest: &Chest,
        wallets: Option<&Wallets>,
    ) -> Option<Self> {
        let database = store.database()?.clone();
        let fresh = seal::freshness();
        let assumed = !config.features.privacy.consent_required;
        let people = People::new(database.clone(), chest.clone(), move || fresh(), assumed);
        let (gateway, entropy) = (gateway.clone(), Arc::clone(gateway.entropy()));
        let ground = Ground { gateway, database, people, clock: Arc::clone(clock), entropy };
        let chat = chat::open(config, &ground);
        let now = ArcSwap::from_pointee(Apps::of(config, ground, chat, (chest, wallets)));
        Some(Self { now, chest: chest.clone(), wallets: wallets.cloned() })
    }

    /// What serves them now: for one request, or one piece of work.
    pub(crate) fn now(&self) -> Arc<Apps> {
        self.now.load_full()
    }

    /// What callers leave.
    pub(super) fn deposits(&self) -> Deposits {
        deposits(&self.now().ground, &self.chest)
    }

    /// Another configuration holds.
    pub(super) fn take(&self, config: &Config) {
        let before = self.now();
        before.ground.people.assume(!config.features.privacy.consent_required);
        let chat = before.chat.with(chat::settings(config));
        let next =
            Apps::of(config, before.ground.clone(), chat, (&self.chest, self.wallets.as_ref()));
        self.now.store(Arc::new(next));
        self.begin();
    }

    /// Begins what goes on behind the requests: what is kept no longer is forgotten. It ends with
    /// the features that are served now.
    pub(super) fn begin(&self) {
        tokio::spawn(self.now().chat.upkeep(SWEEP_EVERY));
    }

    /// Ends what is under way, so that what there is of it is kept.
    pub(super) async fn close(&self) {
        self.now().chat.close().await;
    }
}

impl Apps {
    fn of(
        config: &Config,
        ground: Ground,
        chat: Chat,
        (chest, wallets): (&Chest, Option<&Wallets>),
    ) -> Self {
        let prompts = prompts::open(config, &ground);
        let documents = documents::open(config, &ground);
        let analysis = analysis::open(config, &ground, &documents);
        let links = chest.clone();
        let captions = captions::open(config, &ground, chest);
        // One more line for each feature that keeps something.
        let keepers: [Arc<dyn Keeps>; 3] = [
            Arc::new(chat.clone()),
            Arc::new(DocumentKeeper::new(documents.clone(), analysis.clone())),
            Arc::new(prompts.clone()),
        ];
        let privacy = privacy::open(config, &ground, chest, wallets, keepers);
        Self { ground, chat, prompts, documents, analysis, links, captions, privacy }
    }
}

/// What callers leave, people's under their own keys.
pub(crate) fn deposits(ground: &Ground, chest: &Chest) -> Deposits {
    let people = Arc::new(ground.people.clone());
    Deposits::new(ground.database.clone(), Some(chest.clone())).under(people)
}

/// How often what is kept no longer is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// What serves them now.
pub(crate) fn apps(house: &House) -> Result<Arc<Apps>, Refusal> {
    house.apps.as_ref().map(Served::now).ok_or_else(Refusal::no_store)
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
