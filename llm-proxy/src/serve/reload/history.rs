//! What was served before: the last configurations, as a file would say them, secrets by their
//! references. They are this machine's own, as its file is.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{Origin, Standing};
use crate::config::reference::Hidden;
use crate::config::tree;
use crate::secrets;

/// So many are kept: a day of trying things out.
const ENTRIES_MAX: usize = 20;
/// All of them together; a configuration has some kilobytes.
const BYTES_MAX: usize = 8 << 20;
/// Where they are kept.
const FILE: &str = "config-history.json";

/// The last configurations that were served, oldest first.
#[derive(Debug)]
pub(crate) struct History {
    path: PathBuf,
    entries: Mutex<VecDeque<Entry>>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its number: none comes twice.
    pub(crate) number: u64,
    /// Since when it was served.
    pub(crate) at: String,
    /// Its hash.
    pub(crate) hash: String,
    /// Where it came from: `file`, or the number that it went back to.
    pub(crate) from: String,
    /// What it says.
    pub(crate) text: String,
}

impl Entry {
    /// Whether it can be served again: what had a secret in the file itself was not kept.
    pub(crate) fn is_whole(&self) -> bool {
        !self.text.contains(Hidden::LITERAL)
    }
}

impl History {
    /// What is kept in a folder. What cannot be read there is begun anew.
    pub(super) fn at(data: &Path) -> Self {
        let path = data.join(FILE);
        let read = std::fs::read(&path).ok();
        let entries = read.and_then(|bytes| match serde_json::from_slice(&bytes) {
            Ok(entries) => Some(entries),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "earlier configurations are lost");
                None
            }
        });
        Self { path, entries: Mutex::new(entries.unwrap_or_default()) }
    }

    /// Keeps what is served, unless it is what was served last.
    pub(super) fn keep(&self, now: &Standing) {
        let mut entries = self.entries.lock();
        let hash = now.hash.to_string();
        if entries.back().is_some_and(|last| last.hash == hash) {
            return;
        }
        let from = match now.origin {
            Origin::File => "file".to_owned(),
            Origin::Found => "found".to_owned(),
            Origin::Reverted(number) => number.to_string(),
        };
        let number = entries.back().map_or(1, |last| last.number + 1);
        let text = tree::toml(&now.config.show().tree);
        let at = now.since.to_string();
        entries.push_back(Entry { number, at, hash, from, text });
        while entries.len() > ENTRIES_MAX
            || entries.iter().map(|entry| entry.text.len()).sum::<usize>() > BYTES_MAX
        {
            entries.pop_front();
        }
        let written = serde_json::to_string(&*entries).map_err(std::io::Error::other);
        if let Err(error) = written.and_then(|text| secrets::replace(&self.path, &text)) {
            tracing::warn!(%error, path = %self.path.display(), "a configuration was not kept");
        }
    }

    /// All of them, the last one first.
    pub(crate) fn all(&self) -> Vec<Entry> {
        self.entries.lock().iter().rev().cloned().collect()
    }

    /// One of them.
    pub(crate) fn get(&self, number: u64) -> Option<Entry> {
        self.entries.lock().iter().find(|entry| entry.number == number).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::config::reference::Process;
    use crate::config::resolve::{Asked, resolve};

    fn standing(calls_max: u32) -> Standing {
        let mut config = resolve(&Asked::default(), &Process).unwrap().config;
        config.server.calls_max = calls_max;
        let hash = config.hash(&[7; 32]);
        Standing {
            config: Arc::new(config),
            hash,
            since: Timestamp::UNIX_EPOCH,
            origin: Origin::File,
            restart: Vec::new(),
            refused: None,
        }
    }

    #[test]
    fn the_last_ones_are_kept_over_a_restart_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::at(folder.path());
        for number in 1..=30 {
            history.keep(&standing(number));
            history.keep(&standing(number));
        }
        let again = History::at(folder.path());
        assert_eq!(again.all(), history.all());
        let numbers: Vec<u64> = again.all().iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, (11..=30).rev().collect::<Vec<_>>());
        assert!(again.get(10).is_none() && again.get(11).unwrap().is_whole());
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(History::at(folder.path()).all().is_empty());
    }
}
