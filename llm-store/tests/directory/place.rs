//! Where a directory is, and what tests say to it.

use std::sync::Arc;

use llm_core::Str;
use llm_core::money::Money;
use llm_core::principal::{Grant, KeyId, Scope, TeamId, TenantId, UserId};
use llm_core::quota::{Limit, Plan, Zone};
use llm_core::seam::BoxFuture;
use llm_core::secret::Secret;
use llm_core::store::{Directory, KeyHash, Shown};
use llm_store::directory::{
    About, By, KeyEntry, Level, NotDone, PartyDraft, PartyId, SqlDirectory,
};
use llm_store::keys::{
    Action, Actions, Draft, KeyOwner, Minted, OrgId, Pepper, Peppers, VirtualKey,
};
use llm_store::sql::Database;

use crate::clocks::HandClock;

/// A place that several replicas may open.
pub(crate) trait Place: Send + Sync {
    fn database(&self) -> BoxFuture<'_, Database>;
}

impl dyn Place + '_ {
    /// A replica, for which the plan `pro` is configured.
    pub(crate) async fn open(&self) -> SqlDirectory {
        SqlDirectory::new(self.database().await, Zone::UTC, vec![pro()])
    }
}

#[cfg(feature = "sqlite")]
pub(crate) struct InFile {
    pub(crate) clock: Arc<HandClock>,
    pub(crate) folder: tempfile::TempDir,
}

#[cfg(feature = "sqlite")]
impl InFile {
    pub(crate) fn new() -> Self {
        Self { clock: Arc::new(HandClock::new()), folder: tempfile::tempdir().unwrap() }
    }
}

#[cfg(feature = "sqlite")]
impl Place for InFile {
    fn database(&self) -> BoxFuture<'_, Database> {
        use llm_store::sql::sqlite::{Settings, SqliteVault};
        Box::pin(async {
            let mut settings = Settings::new(self.folder.path().join("store.db"));
            settings.durability = llm_store::journal::Durability::Process;
            let clock = Arc::clone(&self.clock);
            SqliteVault::<Money>::open(&settings, clock).await.unwrap().into()
        })
    }
}

#[cfg(feature = "postgres")]
pub(crate) struct InDatabase {
    pub(crate) url: String,
}

#[cfg(feature = "postgres")]
impl InDatabase {
    pub(crate) async fn new(server: &crate::server::Server) -> Self {
        Self { url: server.database().await }
    }
}

#[cfg(feature = "postgres")]
impl Place for InDatabase {
    fn database(&self) -> BoxFuture<'_, Database> {
        use llm_store::sql::postgres::{PostgresVault, Settings};
        Box::pin(async {
            let settings = Settings::new(self.url.clone());
            let clock = Arc::new(HandClock::new());
            PostgresVault::<Money>::open(&settings, clock).await.unwrap().into()
        })
    }
}

pub(crate) fn limit(text: &str) -> Limit {
    text.parse().unwrap()
}

pub(crate) fn scope(models: &[&'static str]) -> Scope {
    Scope { models: models.iter().map(|m| Str::from_static(m)).collect() }
}

pub(crate) fn pro() -> Plan {
    let limits = vec![limit("$50/month"), limit("600/minute")];
    Plan { name: "pro".into(), limits, models: scope(&["gpt*", "haiku"]), ..Plan::default() }
}

pub(crate) fn peppers() -> Peppers {
    Peppers::new(Pepper::new(Secret::new([7; 32])))
}

/// A key that is told from others by a number.
pub(crate) fn key(number: u32) -> VirtualKey {
    let mut random = [3; 32];
    random[..4].copy_from_slice(&number.to_be_bytes());
    VirtualKey::new(random)
}

pub(crate) fn id(number: u32) -> KeyId {
    KeyId(format!("k{number}").into())
}

pub(crate) fn minted(number: u32) -> Minted {
    Minted::new(id(number), &key(number), &peppers())
}

pub(crate) fn print(number: u32) -> KeyHash {
    minted(number).print.hash
}

pub(crate) fn tenant() -> TenantId {
    TenantId::from("t")
}

/// `t`, and within it the part `o` with the teams `red` and `blue`, each with two people.
pub(crate) async fn people(directory: &SqlDirectory) {
    let make = async |draft| directory.create(&By::Operator, draft).await.unwrap();
    make(PartyDraft::new(PartyId::tenant(tenant()))).await;
    make(PartyDraft::new(party(Level::Org, "o"))).await;
    for (team, people) in [("red", ["ann", "bob"]), ("blue", ["cat", "dan"])] {
        let org = Some(OrgId("o".into()));
        make(PartyDraft { org, ..PartyDraft::new(party(Level::Team, team)) }).await;
        for person in people {
            let team = Some(TeamId(team.into()));
            make(PartyDraft { team, ..PartyDraft::new(party(Level::User, person)) }).await;
        }
    }
}

pub(crate) fn party(level: Level, id: &'static str) -> PartyId {
    PartyId { tenant: tenant(), level, id: id.into() }
}

pub(crate) fn of_user(user: &'static str) -> KeyOwner {
    KeyOwner { user: Some(UserId::from(user)), ..KeyOwner::tenant(tenant()) }
}

pub(crate) fn of_team(team: &'static str) -> KeyOwner {
    KeyOwner { team: Some(TeamId::from(team)), ..KeyOwner::tenant(tenant()) }
}

/// A key that may issue keys and spend.
pub(crate) fn admin(owner: KeyOwner) -> Draft {
    let actions = Actions::from_iter([Action::Call, Action::ManageKeys, Action::ManageMoney]);
    Draft { actions, ..Draft::new(owner) }
}

/// The operator issues the key of that number.
pub(crate) async fn issue(directory: &SqlDirectory, number: u32, draft: Draft) -> KeyEntry {
    issue_by(directory, &By::Operator, number, draft).await.unwrap()
}

pub(crate) async fn issue_by(
    directory: &SqlDirectory,
    by: &By,
    number: u32,
    draft: Draft,
) -> Result<KeyEntry, NotDone> {
    directory.issue(by, draft, minted(number), About::default()).await
}

pub(crate) async fn shown(directory: &SqlDirectory, number: u32) -> Shown {
    directory.grant(&print(number)).await.unwrap()
}

pub(crate) async fn granted(directory: &SqlDirectory, number: u32) -> Arc<Grant> {
    match shown(directory, number).await {
        Shown::Known { grant, .. } => grant,
        other => panic!("{other:?}"),
    }
}
