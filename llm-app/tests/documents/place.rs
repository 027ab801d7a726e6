//! Where documents are: a file, or a database of a server.

use std::path::Path;
use std::sync::Arc;

use llm_app::Ground;
use llm_app::analysis::Analysis;
use llm_app::documents::Documents;
use llm_app::feature::Feature;
use llm_app::people::{People, Person};
use llm_core::Str;
use llm_core::principal::Grant;
use llm_core::seam::Clock;
use llm_core::secret::Secret;
use llm_providers::Gateway;
use llm_providers::provider::ProviderSettings;
use llm_providers::seam::SystemClock;
use llm_store::deposits::Owner;
use llm_store::seal::{Chest, FRESH_BYTES, Fresh, Keyring, SealKey, Sealer};
use llm_store::sql::Database;
use llm_store::sql::postgres::{self, PostgresVault};
use llm_store::sql::sqlite::{self, SqliteVault};
use tempfile::TempDir;

use crate::model::Provider;
use crate::server::Server;

pub(crate) struct Place {
    pub(crate) provider: Arc<Provider>,
    pub(crate) documents: Documents,
    pub(crate) analysis: Analysis,
    pub(crate) ground: Ground,
    pub(crate) grant: Arc<Grant>,
    pub(crate) folder: TempDir,
    _server: Option<Arc<Server>>,
}

fn fresh() -> Fresh {
    let mut random = [0; FRESH_BYTES];
    getrandom::fill(&mut random).unwrap();
    Fresh::new(random)
}

impl Place {
    pub(crate) async fn in_file(provider: Provider) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = sqlite::Settings::new(folder.path().join("app.db"));
        let vault: SqliteVault = SqliteVault::open(&settings, Arc::new(SystemClock)).await.unwrap();
        Self::over(vault.into(), folder, provider, None)
    }

    /// `None` where this machine has no server, and may have none.
    pub(crate) async fn in_server(provider: Provider) -> Option<Self> {
        let server = Server::shared()?;
        let settings = postgres::Settings::new(server.database().await);
        let vault: PostgresVault =
            PostgresVault::open(&settings, Arc::new(SystemClock)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        Some(Self::over(vault.into(), folder, provider, Some(server)))
    }

    fn over(
        database: Database,
        folder: TempDir,
        provider: Provider,
        server: Option<Arc<Server>>,
    ) -> Self {
        let provider = Arc::new(provider);
        let openai = ProviderSettings::new("openai", "openai").key("sk-test");
        let openai = openai.build_over(Arc::clone(&provider) as _).unwrap();
        let gateway = Gateway::builder()
            .vendor(openai)
            .model("smart", [["openai/gpt-4o-mini"]])
            .model("vectors", [["openai/text-embedding-3-small"]])
            .build()
            .unwrap();
        let chest = Chest::new(Sealer::new(Arc::new(keyring())), fresh);
        let people = People::new(database.clone(), chest, fresh, true);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy = Arc::clone(gateway.entropy());
        let ground = Ground { gateway, database, people, clock, entropy };
        let documents = Documents::new(ground.clone(), Feature::new("documents", "vectors"));
        let feature = Feature::new("analysis", "smart");
        let analysis = Analysis::new(ground.clone(), feature, documents.clone());
        let grant = Arc::new(Grant::embedded());
        Self { provider, documents, analysis, ground, grant, folder, _server: server }
    }

    pub(crate) async fn person(&self, name: &str) -> Person {
        self.ground.people.of(&Owner::from(Str::from(name.to_owned()))).await.unwrap()
    }

    /// Whether any file of the folder has these words.
    pub(crate) fn holds(&self, words: &str) -> bool {
        let within = |path: &Path| {
            let bytes = std::fs::read(path).unwrap();
            bytes.windows(words.len()).any(|window| window == words.as_bytes())
        };
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        files.map(|file| file.unwrap().path()).filter(|path| path.is_file()).any(|p| within(&p))
    }
}

fn keyring() -> Keyring {
    Keyring::new(SealKey::new(Secret::new([7; 32])))
}
