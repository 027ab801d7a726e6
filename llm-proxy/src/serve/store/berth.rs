//! Where a process lies in the folder of its machine: a journal for each unit, and the name under
//! which the store knows whoever lies there.
//!
//! The actors are the *berths* of a folder. A process takes one for as long as it lives, and keeps
//! the others out by its journals' locks. One that shares its address with the next one
//! (`server.reuse_port`) finds another berth where its predecessor is still ending, so that both
//! have one folder, one pepper and one admin key. What somebody who died has left in a berth is
//! taken up by whoever takes it next, or by whoever finds it free at a start.
//!
//! Deliberately absent: berths for those who share no address. Two such processes in one folder are
//! a mistake, and the second one is told so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use llm_core::money::{Credits, Money, Unit};
use llm_core::seam::Clock;
use llm_core::store::StoreError;
use llm_store::backup::JournalPlace;
use llm_store::journal::{self, Journal, Replay};

use super::{NotOpened, at};
use crate::secrets;

/// One that serves, one that begins, and two that still end: who restarts more often than that
/// within `server.drain` waits for one of them.
const BERTHS_MAX: usize = 4;
/// How long a start waits for a berth, or for a store that somebody else has locked.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(10);
/// How often it looks.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Bytes of a name towards the store, which is drawn once and kept.
const NAME_BYTES: usize = 8;
/// Bytes of the journal of credits: fewer calls pay in credits, and each writes as much.
const CREDITS_JOURNAL_BYTES: u64 = 16 << 20;
/// The journals' folders, and the file with the name.
const JOURNAL: &str = "journal";
const CREDITS_JOURNAL: &str = "journal-credits";
const REPLICA: &str = "replica";

/// A berth that is ours.
pub(super) struct Taken {
    /// The name of whoever lies there.
    pub(super) replica: String,
    /// The journal of money.
    pub(super) money: Arc<Journal<Money>>,
    /// The journal of credits.
    pub(super) credits: Arc<Journal<Credits>>,
    /// Holds that somebody has left open.
    open: usize,
}

/// Which folder, and how it is used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folder<'a> {
    /// Where.
    pub(super) data: &'a Path,
    /// Somebody else may be there: a predecessor that has not ended.
    pub(super) shared: bool,
    /// What journals are told.
    pub(super) usual: journal::Settings,
}

/// Takes a berth, and with it those that others have left; waits for a while where there is none.
pub(super) async fn take(
    folder: Folder<'_>,
    clock: &dyn Clock,
) -> Result<(Taken, Vec<Taken>), NotOpened> {
    let until = clock.now() + WAIT_MAX;
    let mut waited = false;
    loop {
        let mut free = folder.free()?;
        // The first of those with the most that somebody has left: whoever goes on under the same
        // name knows of each call of that name what became of it.
        let most = free.iter().map(|taken| taken.open).max().unwrap_or_default();
        // Who shares nothing lies in the first, or a second one could lie there beside it.
        let fits = |taken: &Taken| !folder.shared || taken.open == most;
        if let Some(own) = free.iter().position(fits) {
            return Ok((free.swap_remove(own), free));
        }
        if clock.now() >= until {
            let text = format!("{}: another process writes its journal", folder.data.display());
            return Err(NotOpened::Ledger(StoreError::Unavailable(text.into())));
        }
        if !std::mem::replace(&mut waited, true) {
            let folder = folder.data.display();
            tracing::warn!(%folder, "another process has not ended here yet: waiting for it");
        }
        clock.sleep(LOOK_EVERY).await;
    }
}

impl Folder<'_> {
    /// Those that nobody lies in; a new one where there is none and there may be.
    fn free(self) -> Result<Vec<Taken>, NotOpened> {
        let mut free = Vec::new();
        for number in 0..BERTHS_MAX {
            let made = number == 0 || berth(self.data, JOURNAL, number).exists();
            if made || self.shared && free.is_empty() {
                free.extend(self.taken(number)?);
            }
            // It is this one's, or nobody's here.
            if free.is_empty() && !self.shared {
                break;
            }
        }
        Ok(free)
    }

    /// A berth, unless somebody lies in it.
    fn taken(self, number: usize) -> Result<Option<Taken>, NotOpened> {
        let Folder { data, usual, .. } = self;
        let fewer = journal::Settings {
            bytes_max: CREDITS_JOURNAL_BYTES,
            segment_bytes: CREDITS_JOURNAL_BYTES / 4,
            spare_bytes: CREDITS_JOURNAL_BYTES / 16,
            ..usual
        };
        let Some((money, open)) = opened(berth(data, JOURNAL, number), usual)? else {
            return Ok(None);
        };
        let Some((credits, more)) = opened(berth(data, CREDITS_JOURNAL, number), fewer)? else {
            return Ok(None);
        };
        let path = berth(data, REPLICA, number);
        let name = secrets::kept(&path, secrets::hex::<NAME_BYTES>);
        let replica = name.map_err(|error| at(&path, error))?.trim().to_owned();
        Ok(Some(Taken { replica, money, credits, open: open + more }))
    }
}

type Opened<U> = (Arc<Journal<U>>, usize);

fn opened<U: Unit>(
    place: PathBuf,
    settings: journal::Settings,
) -> Result<Option<Opened<U>>, NotOpened> {
    let opened = Journal::at_if_free(place, settings).map_err(NotOpened::Ledger)?;
    Ok(opened.map(|(journal, Replay { torn_bytes, holds_open, .. })| {
        if torn_bytes > 0 {
            tracing::warn!(bytes = torn_bytes, "a crash had left half a line in the journal");
        }
        (Arc::new(journal), holds_open)
    }))
}

/// Where something of a berth is.
fn berth(data: &Path, name: &str, number: usize) -> PathBuf {
    data.join(named(name, number))
}

/// What it is called. The first one has no number: it is the only one of most folders.
fn named(name: &str, number: usize) -> String {
    if number == 0 { name.to_owned() } else { format!("{name}-{number}") }
}

/// The journals of this machine, under the names that they have in a backup; some may not be there.
pub(crate) fn journal_places(data: &Path) -> Vec<JournalPlace> {
    let of = |number| [JOURNAL, CREDITS_JOURNAL].map(|name| (named(name, number), number, name));
    let all = (0..BERTHS_MAX).flat_map(of);
    all.map(|(called, number, name)| JournalPlace {
        name: called,
        folder: berth(data, name, number),
    })
    .collect()
}

/// The names towards the store, under the names that they have in a backup; some may not be there.
pub(crate) fn replica_paths(data: &Path) -> Vec<(String, PathBuf)> {
    let all = 0..BERTHS_MAX;
    all.map(|number| (named(REPLICA, number), berth(data, REPLICA, number))).collect()
}

#[cfg(test)]
mod tests;
