//! `llm-proxy backup` and `llm-proxy restore`: everything durable, into a folder and back.
//!
//! What is copied is the store and this machine's journal, and this machine's name with them, by
//! which a restored process takes up its own leases. Deliberately absent: the configuration, and in
//! the backup itself the folder's secrets: what is sealed and what it is opened with are not left in
//! one place ([`apart`]).

mod apart;
mod erased;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use llm_core::secret::Secret;
use llm_providers::seam::SystemClock;
use llm_store::backup::{JournalPlace, Restored, Trouble, postgres, sqlite};
use llm_store::verify::Report;

use super::ledger::written;
use super::{Done, EXIT_BAD, NOTHING, say, stored};
use crate::config::resolve::Asked;
use crate::config::{Store, StorePlace};
use crate::secrets;
use crate::serve::store::{journal_places, make, replica_paths};

/// Copies what is durable into a folder.
pub(crate) async fn back_up(asked: Asked, to: &Path, secrets: Option<&Path>) -> Done {
    let store = stored(&asked)?.store;
    let report = match &store.place {
        StorePlace::Memory => return Err(NOTHING.to_owned()),
        StorePlace::Sqlite(path) if !path.exists() => {
            return Err(format!("{}: there is no store yet", path.display()));
        }
        StorePlace::Sqlite(path) => {
            let place = sqlite::Place { path: path.clone(), journals: journals(&store) };
            sqlite::back_up(&place, to).await.map(Some)
        }
        StorePlace::Postgres(url) => {
            postgres::back_up(&postgres_place(&store, &url.secret), to).await.map(|()| None)
        }
    };
    let report = match report {
        Ok(report) => report,
        Err(trouble) => return bad(trouble),
    };
    for (called, name) in replica_paths(&store.data).into_iter().filter(|(_, name)| name.exists()) {
        let to = to.join(called);
        fs::copy(&name, &to).map_err(|error| format!("{}: {error}", to.display()))?;
    }
    erased::save(&store.data, to)?;
    if let Some(report) = &report {
        say(&written(report)?)?;
    }
    eprintln!("llm-proxy: {} is written", to.display());
    apart::save(&store.data, to, secrets)?;
    Ok(ExitCode::SUCCESS)
}

/// Puts a backup in the place of what is stored.
pub(crate) async fn restore(asked: Asked, from: &Path, secrets: Option<&Path>) -> Done {
    let config = stored(&asked)?;
    let store = &config.store;
    make(&store.data).map_err(|error| error.to_string())?;
    // First: should one of another machine be there, nothing is replaced.
    if let Some(secrets) = secrets {
        apart::put_back(&store.data, secrets)?;
    }
    // Before anything is replaced, so that a start forgets them should this one be ended here.
    let list = erased::gather(&store.data, from)?;
    let restored = match &store.place {
        StorePlace::Memory => return Err(NOTHING.to_owned()),
        StorePlace::Sqlite(path) => {
            if let Some(folder) = path.parent() {
                make(folder).map_err(|error| error.to_string())?;
            }
            let place = sqlite::Place { path: path.clone(), journals: journals(store) };
            sqlite::restore(from, &place).await
        }
        StorePlace::Postgres(url) => {
            let place = postgres_place(store, &url.secret);
            postgres::restore(from, &place, Arc::new(SystemClock)).await
        }
    };
    let Restored { report, kept } = match restored {
        Ok(restored) => restored,
        Err(trouble) => return bad(trouble),
    };
    named(store, from)?;
    erased::again(&config, &list).await?;
    for path in kept {
        eprintln!("llm-proxy: what was there before is {} now", path.display());
    }
    for told in apart::missing(&store.data, from)? {
        eprintln!("llm-proxy: {told}");
    }
    say(&written(&report)?)?;
    Ok(ExitCode::SUCCESS)
}

/// The backup's names for its machine, where this one has none: a machine that has one keeps it, and
/// the leases of the other are buried in time.
fn named(store: &Store, from: &Path) -> Result<(), String> {
    for (called, path) in replica_paths(&store.data) {
        let saved = from.join(called);
        if saved.exists() && !path.exists() {
            let name = fs::read_to_string(&saved).and_then(|name| secrets::keep(&path, &name));
            name.map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(())
}

fn journals(store: &Store) -> Vec<JournalPlace> {
    journal_places(&store.data)
}

fn postgres_place(store: &Store, url: &Secret<String>) -> postgres::Place {
    let settings = llm_store::sql::postgres::Settings::new(url.expose().clone());
    postgres::Place { settings, journals: journals(store) }
}

/// A copy that breaks the ledger's laws is shown, and is bad; anything else was not done.
fn bad(trouble: Trouble) -> Done {
    let unsound = |report: &Report| -> Done {
        say(&written(report)?)?;
        Ok(ExitCode::from(EXIT_BAD))
    };
    match trouble {
        Trouble::Unsound(report) => unsound(&report),
        Trouble::Exists(path) => {
            Err(format!("{} is there already: name a folder that is not", path.display()))
        }
        other @ (Trouble::Missing(_)
        | Trouble::InUse(_)
        | Trouble::Name(_)
        | Trouble::Program(_)
        | Trouble::File { .. }
        | Trouble::NotOpened(_)) => Err(other.to_string()),
    }
}
