//! What the tests of prompts stand on: five simulated providers, a database in a file, people.

use std::sync::Arc;

use llm_core::principal::{Grant, KeyId, Principal, Scope, TeamId, TenantId, UserId};
use llm_core::quota::{Plan, Zone};
use llm_core::secret::Secret;
use llm_providers::Gateway;
use llm_providers::provider::ProviderSettings;
use llm_providers::seam::SystemClock;
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use llm_sim::{Options, SimTransport};
use llm_store::seal::{Chest, FRESH_BYTES, Fresh, Keyring, SealKey, Sealer};
use llm_store::sql::Database;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Features, Prompts};
use crate::feature::Feature;
use crate::ground::Ground;
use crate::people::People;
use crate::testing::database;

/// Names of models, each of another provider.
pub(super) const MODELS: [&str; 5] = ["openai", "anthropic", "gemini", "cohere", "ollama"];

pub(super) struct World {
    pub(super) prompts: Prompts,
    pub(super) sim: SimTransport,
    _folder: Option<TempDir>,
}

fn fresh() -> Fresh {
    let mut random = [0; FRESH_BYTES];
    getrandom::fill(&mut random).unwrap();
    Fresh::new(random)
}

impl World {
    pub(super) async fn new() -> Self {
        let (database, folder) = database().await;
        Self { _folder: Some(folder), ..Self::over(database) }
    }

    pub(super) fn over(database: Database) -> Self {
        let sim = SimTransport::new(&Options::default());
        let mut builder = Gateway::builder();
        for kind in MODELS {
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
            .build()
            .unwrap();
        let keyring = Keyring::new(SealKey::new(Secret::new([7; 32])));
        let chest = Chest::new(Sealer::new(Arc::new(keyring)), fresh);
        let people = People::new(database.clone(), chest, fresh, true);
        let entropy = Arc::clone(gateway.entropy());
        let ground = Ground { gateway, database, people, clock: Arc::new(SystemClock), entropy };
        let feature = |name: &'static str| Feature::new(name, "openai");
        let features = Features {
            boost: feature("boost"),
            judge: feature("judge"),
            compare: feature("compare"),
        };
        Self { prompts: Prompts::new(ground, features), sim, _folder: None }
    }

    /// What a provider answers next, one text after the other.
    pub(super) fn says(&self, vendor: &str, texts: &[&str]) {
        let rules: Vec<Value> = texts.iter().map(|text| json!({"do": {"text": text}})).collect();
        let rules = Script::parse(Value::from(rules).to_string().as_bytes()).unwrap();
        let upstream = self.sim.upstream(Vendor::of_host(vendor).unwrap()).unwrap();
        upstream.reset();
        upstream.script(rules);
    }

    /// The bodies that a provider was sent.
    pub(super) fn sent(&self, vendor: &str) -> Vec<Value> {
        let upstream = self.sim.upstream(Vendor::of_host(vendor).unwrap()).unwrap();
        let read = |body: &str| serde_json::from_str(body).unwrap();
        upstream.requests().iter().map(|record| read(&record.body)).collect()
    }
}

/// A user of a team, with everything allowed.
pub(super) fn grant(user: &'static str, team: Option<&'static str>) -> Arc<Grant> {
    let principal = Principal {
        key: KeyId::from("key"),
        tenant: TenantId::from("default"),
        user: Some(UserId::from(user)),
        team: team.map(TeamId::from),
        org: None,
        scope: Scope::all(),
    };
    let plan = Plan { models: Scope::all(), ..Plan::default() };
    Arc::new(Grant::new(principal, Arc::new(plan), Vec::new(), &Zone::UTC))
}
