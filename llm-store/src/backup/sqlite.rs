//! Backups of a file.

use std::fs;
use std::path::{Path, PathBuf};

use llm_core::store::StoreError;

use super::folder::{apart, aside, beside, copy, make, rename, sync, sync_parent};
use super::{JournalPlace, Restored, Trouble, at, journals, sound};
use crate::sql::NotOpened;
use crate::sql::sqlite::copy as file;
use crate::verify::Report;

/// The database in a backup, and where its journals are.
const DATABASE: &str = "store.db";
const JOURNALS: &str = "journals";

/// What belongs together on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The database's file.
    pub path: PathBuf,
    /// The journals that are folded into it.
    pub journals: Vec<JournalPlace>,
}

/// Copies everything into a folder that does not exist yet, and looks the copy through. A process
/// may use the database meanwhile. The folder appears when it is whole.
pub async fn back_up(place: &Place, to: &Path) -> Result<Report, Trouble> {
    if to.exists() {
        return Err(Trouble::Exists(to.to_owned()));
    }
    let part = beside(to, "part");
    make(&part)?;
    let done = fill(place, &part).await;
    if done.is_err() {
        // It was made a moment ago, and by us.
        let _ = fs::remove_dir_all(&part);
    }
    let report = done?;
    rename(&part, to)?;
    Ok(report)
}

async fn fill(place: &Place, part: &Path) -> Result<Report, Trouble> {
    // The journals first: see above.
    let (saved, listed) = (part.join(JOURNALS), place.journals.clone());
    apart(move || journals::save(&listed, &saved)).await?;
    let database = part.join(DATABASE);
    file::copy(&place.path, &database).await?;
    let synced = database.clone();
    apart(move || sync(&synced)).await?;
    let report = look(&database).await?;
    sync(part)?;
    Ok(report)
}

/// Looks a backup through.
pub async fn verify(backup: &Path) -> Result<Report, Trouble> {
    let database = backup.join(DATABASE);
    if !database.is_file() {
        return Err(Trouble::Missing(backup.to_owned()));
    }
    look(&database).await
}

async fn look(database: &Path) -> Result<Report, Trouble> {
    sound(Report::new(file::inspect(database).await?, Vec::new()))
}

/// Puts a backup in the place of what is there, if nobody uses it. The database's name changes
/// last, in one step: before that, everything is as it was but for the journals, which are aside.
///
/// A file that is damaged cannot be said to be unused: whoever restores over one moves it away
/// first.
pub async fn restore(backup: &Path, place: &Place) -> Result<Restored, Trouble> {
    let report = verify(backup).await?;
    let ready = beside(&place.path, "restoring");
    let (from, to) = (backup.join(DATABASE), ready.clone());
    apart(move || {
        if to.exists() {
            fs::remove_file(&to).map_err(at(&to))?;
        }
        copy(&from, &to)
    })
    .await?;
    // What is put there is what was looked through, and not what it was copied from.
    look(&ready).await?;
    let seized = seize(&place.path).await?;
    let (taken, listed) = (journals::take(&place.journals)?, place.journals.clone());
    let saved = backup.join(JOURNALS);
    let mut kept = apart(move || taken.replace(&listed, &saved)).await?;
    if let Some(seized) = seized {
        let aside = aside(&place.path)?;
        fs::hard_link(&place.path, &aside).map_err(at(&aside))?;
        rename(&ready, &place.path)?;
        seized.release().await?;
        kept.push(aside);
    } else {
        rename(&ready, &place.path)?;
    }
    sync_parent(&place.path)?;
    Ok(Restored { report, kept })
}

/// Takes the file that is there, if there is one.
async fn seize(path: &Path) -> Result<Option<file::Seized>, Trouble> {
    if !path.exists() {
        return Ok(None);
    }
    match file::Seized::take(path).await {
        Ok(seized) => Ok(Some(seized)),
        Err(NotOpened::Store(StoreError::Unavailable(_))) => {
            Err(Trouble::InUse(path.display().to_string()))
        }
        Err(other) => Err(other.into()),
    }
}
