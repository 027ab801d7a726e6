//! `llm-proxy key`: virtual keys, made and ended in the store.
//!
//! A proxy that runs beside it looks at the store once a second for what has changed, so that it
//! need not be asked. Deliberately absent: keys of the configuration, which are changed there.

use std::process::ExitCode;

use jiff::Timestamp;
use llm_core::Str;
use llm_core::principal::{KeyId, Scope, TenantId, UserId};
use llm_core::seam::Clock as _;
use llm_providers::seam::SystemClock;
use llm_store::directory::{
    About, By, KeyEntry, KeyFilter, Level, NotDone, PAGE_MAX, PartyDraft, PartyId, SqlDirectory,
    Turn,
};
use llm_store::keys::{Draft, KeyOwner, Minted, VirtualKey};
use llm_store::sql::Database;
use serde::Serialize;

use super::{Done, EXIT_BAD, made, opened, say, stored};
use crate::cli::{Key, NewKey};
use crate::config::resolve::Asked;
use crate::config::{Config, TENANT};
use crate::secrets;
use crate::serve::{first, store};

/// Random bytes of a key's public id.
const ID_BYTES: usize = 8;

/// Makes, lists or ends keys.
pub(crate) async fn key(asked: Asked, wanted: Key) -> Done {
    let config = stored(&asked)?;
    match wanted {
        // Before the first start there is no store yet; a key may be there first.
        Key::Create(new) => create(&config, &directory(&config, made(&config).await?), new).await,
        Key::List => list(&directory(&config, opened(&config).await?)).await,
        Key::Revoke { id } => revoke(&directory(&config, opened(&config).await?), id).await,
    }
}

fn directory(config: &Config, database: Database) -> SqlDirectory {
    SqlDirectory::new(database, config.server.time_zone.1.clone(), config.sold_plans())
}

async fn revoke(directory: &SqlDirectory, id: String) -> Done {
    match directory.turn(&By::Operator, KeyId(Str::from(id)), Turn::Revoke).await {
        Ok(entry) => {
            eprintln!("llm-proxy: key {} is revoked", &*entry.record.id.0);
            Ok(ExitCode::SUCCESS)
        }
        Err(why @ NotDone::Unknown { .. }) => {
            eprintln!("llm-proxy: {why}: `llm-proxy key list` shows those that there are");
            Ok(ExitCode::from(EXIT_BAD))
        }
        Err(why) => Err(why.to_string()),
    }
}

async fn create(config: &Config, directory: &SqlDirectory, new: NewKey) -> Done {
    store::make(&config.store.data).map_err(|error| error.to_string())?;
    let peppers = first::peppers(&config.store.data).map_err(|error| error.to_string())?;
    let unread = |error: std::io::Error| error.to_string();
    let id = KeyId(Str::from(format!("key-{}", secrets::hex::<ID_BYTES>().map_err(unread)?)));
    let text = VirtualKey::new(secrets::random().map_err(unread)?);
    let user = new.user.map(|user| UserId(Str::from(user)));
    let owner = KeyOwner { user, ..KeyOwner::tenant(TENANT) };
    let mut draft = Draft::new(owner.clone());
    draft.limits = new.budget.into_iter().chain(new.limits).collect();
    let models: Vec<Str> = new.models.into_iter().map(Str::from).collect();
    draft.models = (!models.is_empty()).then_some(Scope { models });
    let about = About {
        alias: Some(Str::from(new.name)),
        plan: new.plan.map(Str::from),
        ..About::default()
    };
    let issued = async {
        present(directory, &owner).await?;
        let minted = Minted::new(id, &text, &peppers);
        directory.issue(&By::Operator, draft, minted, about).await
    };
    let entry = issued.await.map_err(|why| why.to_string())?;
    say(text.expose())?;
    eprintln!("llm-proxy: that is key {}, shown this once", &*entry.record.id.0);
    Ok(ExitCode::SUCCESS)
}

/// Makes an owner's parts, those that are not there yet.
async fn present(directory: &SqlDirectory, owner: &KeyOwner) -> Result<(), NotDone> {
    let tenant = PartyId::tenant(owner.tenant.clone());
    let user = owner.user.as_ref().map(|user| PartyId {
        tenant: owner.tenant.clone(),
        level: Level::User,
        id: user.0.clone(),
    });
    for id in [Some(tenant), user].into_iter().flatten() {
        match directory.party(id.clone()).await {
            Err(NotDone::Unknown { .. }) => {
                directory.create(&By::Operator, PartyDraft::new(id)).await?;
            }
            // As it is: its own part and group are not ours to say.
            found => drop(found?),
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Line<'k> {
    id: &'k str,
    label: &'k str,
    name: Option<&'k str>,
    tenant: &'k str,
    user: Option<&'k str>,
    team: Option<&'k str>,
    plan: Option<&'k str>,
    limits: Vec<String>,
    models: Vec<&'k str>,
    created_at: String,
    /// Why it does not work; null as long as it does.
    closed: Option<String>,
}

/// Says all keys, those of every tenant, a page at a time.
async fn list(directory: &SqlDirectory) -> Done {
    let mut behind = None;
    loop {
        let page = directory.tenants(behind, PAGE_MAX).await.map_err(|why| why.to_string())?;
        for tenant in &page.items {
            listed(directory, &tenant.draft.id.tenant).await?;
        }
        behind = page.next;
        if behind.is_none() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

async fn listed(directory: &SqlDirectory, tenant: &TenantId) -> Result<(), String> {
    let now = Timestamp::try_from(SystemClock.wall()).unwrap_or(Timestamp::MAX);
    let mut behind = None;
    loop {
        let filter = KeyFilter { owner: KeyOwner::tenant(tenant.clone()), replaced: true };
        let page = directory.keys(&By::Operator, filter, behind, PAGE_MAX).await;
        let page = page.map_err(|why| why.to_string())?;
        for entry in &page.items {
            let line =
                serde_json::to_string(&line(entry, now)).map_err(|error| error.to_string())?;
            say(&line)?;
        }
        behind = page.next.map(KeyId);
        if behind.is_none() {
            return Ok(());
        }
    }
}

fn line(entry: &KeyEntry, now: Timestamp) -> Line<'_> {
    let KeyEntry { record, about } = entry;
    Line {
        id: &record.id.0,
        label: &record.label,
        name: about.alias.as_deref(),
        tenant: &record.owner.tenant.0,
        user: record.owner.user.as_ref().map(|user| &*user.0),
        team: record.owner.team.as_ref().map(|team| &*team.0),
        plan: about.plan.as_deref(),
        limits: record.rights.limits.iter().map(ToString::to_string).collect(),
        models: record.rights.models.models.iter().map(|model| &**model).collect(),
        created_at: record.created_at.to_string(),
        closed: record.open(now).err().map(|why| why.to_string()),
    }
}
