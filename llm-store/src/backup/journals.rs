//! Journals, copied while a process appends to them, and put back.
//!
//! Segments are copied in order, the one under way last. It may be cut anywhere, as by a crash, and
//! an opening mends that. A segment that was retired before its turn is no loss, but the copy is
//! begun anew: the ones before it are gone as well, and what they had left open is said again in the
//! last.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::folder::{aside, beside, copy, make, rename, sync};
use super::{JournalPlace, Trouble, at};

/// The ending of a segment's name, and the file that says whose the folder is.
const SEGMENT: &str = "holds";
const LOCK: &str = "lock";
/// A segment is retired once in a hundred thousand calls: to meet that so often is no accident.
const TRIES_MAX: usize = 8;

/// Copies all journals into a folder.
pub(super) fn save(journals: &[JournalPlace], to: &Path) -> Result<(), Trouble> {
    make(to)?;
    // Of berths that nobody has lain in there is nothing.
    for journal in journals.iter().filter(|journal| journal.folder.exists()) {
        let to = named(to, &journal.name)?;
        let mut tried = 1;
        while !copied(&journal.folder, &to)? {
            if tried == TRIES_MAX {
                return Err(Trouble::InUse(journal.folder.display().to_string()));
            }
            fs::remove_dir_all(&to).map_err(at(&to))?;
            tried += 1;
        }
        sync(&to)?;
    }
    sync(to)
}

fn named(folder: &Path, name: &str) -> Result<PathBuf, Trouble> {
    let plain = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-';
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(Trouble::Name(name.to_owned()));
    }
    Ok(folder.join(name))
}

/// Copies a journal; `false` when a segment was retired meanwhile.
fn copied(from: &Path, to: &Path) -> Result<bool, Trouble> {
    make(to)?;
    for segment in segments(from)? {
        let Some(name) = segment.file_name() else { continue };
        match copy(&segment, &to.join(name)) {
            Ok(()) => {}
            Err(Trouble::File { path, error })
                if path == segment && error.kind() == io::ErrorKind::NotFound =>
            {
                return Ok(false);
            }
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(true)
}

/// The segments of a folder, in order; none where there is no folder.
fn segments(folder: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at(folder))?,
    };
    let mut segments = Vec::new();
    for entry in entries {
        let path = entry.map_err(at(folder))?.path();
        if path.extension().is_some_and(|ending| ending == SEGMENT) {
            segments.push(path);
        }
    }
    segments.sort_unstable();
    Ok(segments)
}

/// Journals that are nobody's while they are replaced.
pub(super) struct Taken(Vec<File>);

/// Takes the journals, unless a process writes one of them.
pub(super) fn take(journals: &[JournalPlace]) -> Result<Taken, Trouble> {
    let mut locks = Vec::new();
    for JournalPlace { folder, .. } in journals {
        let path = folder.join(LOCK);
        let lock = match File::options().write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            lock => lock.map_err(at(&path))?,
        };
        match lock.try_lock() {
            Ok(()) => locks.push(lock),
            Err(TryLockError::WouldBlock) => {
                return Err(Trouble::InUse(folder.display().to_string()));
            }
            Err(TryLockError::Error(error)) => return Err(Trouble::File { path, error }),
        }
    }
    Ok(Taken(locks))
}

impl Taken {
    /// Puts the journals of a backup in the places of those that are there. Those are put aside; a
    /// journal that the backup does not have begins anew.
    pub(super) fn replace(
        self,
        journals: &[JournalPlace],
        from: &Path,
    ) -> Result<Vec<PathBuf>, Trouble> {
        let mut kept = Vec::new();
        for JournalPlace { name, folder } in journals {
            let ready = beside(folder, "restoring");
            if ready.exists() {
                // Of a restore that did not come to its end.
                fs::remove_dir_all(&ready).map_err(at(&ready))?;
            }
            let saved = named(from, name)?;
            if !saved.exists() && !folder.exists() {
                continue;
            }
            copied(&saved, &ready)?;
            sync(&ready)?;
            if folder.exists() {
                let aside = aside(folder)?;
                rename(folder, &aside)?;
                kept.push(aside);
            }
            rename(&ready, folder)?;
        }
        drop(self.0);
        Ok(kept)
    }
}
