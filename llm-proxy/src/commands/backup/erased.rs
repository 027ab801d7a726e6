//! People who were erased after a backup was made: restoring it must not bring them back.
//!
//! The actors are the *list* of erasures in the folder of this process, the copies of it in backups
//! (in this one, and in those beside it, which may be newer), and the database that was restored,
//! which knows of the erasures before it. What the lists have and the database has not is done again:
//! here the keys of those people go, so that nothing of theirs can be read; the rest is the first
//! thing that the next start does behind its calls.

use std::fs;
use std::path::{Path, PathBuf};

use llm_app::privacy::marks::{List, left, shred};
use llm_core::Str;
use llm_store::audit::Trail;
use serde_json::json;

use crate::commands::made;
use crate::config::Config;
use crate::serve::apps::privacy::{LIST, repeated};

/// Backups beside the one that is restored, that are looked at: folders of one place.
const BESIDE_MAX: usize = 10_000;

fn at(path: &Path) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}

/// Copies the list into a backup.
pub(super) fn save(data: &Path, backup: &Path) -> Result<(), String> {
    let (here, there) = (List::new(data.join(LIST)), List::new(backup.join(LIST)));
    let marks = here.read().map_err(at(here.path()))?;
    there.add(marks).map_err(at(there.path()))
}

/// Lists of a backup and of those beside it, taken into the one of this folder.
pub(super) fn gather(data: &Path, backup: &Path) -> Result<List, String> {
    let list = List::new(data.join(LIST));
    let mut places = vec![backup.to_owned()];
    // What is beside it need not be ours to read.
    let parent = fs::canonicalize(backup).ok().and_then(|path| path.parent().map(PathBuf::from));
    if let Some(entries) = parent.and_then(|parent| fs::read_dir(parent).ok()) {
        let beside = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
        places.extend(beside.take(BESIDE_MAX));
    }
    for place in places {
        let other = List::new(place.join(LIST));
        let Ok(marks) = other.read() else {
            eprintln!("llm-proxy: {} cannot be read", other.path().display());
            continue;
        };
        list.add(marks).map_err(at(list.path()))?;
    }
    Ok(list)
}

/// Forgets the keys of those who were erased after the backup, and writes that down.
pub(super) async fn again(config: &Config, list: &List) -> Result<(), String> {
    let listed = list.read().map_err(at(list.path()))?;
    if listed.is_empty() {
        return Ok(());
    }
    let database = made(config).await?;
    let left = left(&database, listed).await.map_err(|error| error.to_string())?;
    if left.is_empty() {
        return Ok(());
    }
    let keys = shred(&database, &left).await.map_err(|error| error.to_string())?;
    let told = json!({"erasures": left.len(), "keys_forgotten": keys});
    let line = repeated(Str::default(), &told);
    let written = Trail::new(database).append(line).await;
    written.map_err(|error| error.to_string())?;
    eprintln!(
        "llm-proxy: of {} erasures after this backup {keys} keys were in it, and are forgotten \
         again; the next start forgets the rest",
        left.len()
    );
    Ok(())
}
