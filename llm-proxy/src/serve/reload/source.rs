//! Where the configuration is read from, and what its files look like from outside.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::config::problem::Report;
use crate::config::reference::{Process, Surroundings};
use crate::config::resolve::{Asked, Ollama, Resolved, resolve, resolve_text};

/// A file's times count in steps: what was written so short a time before it was read may have been
/// written again after that, and look the same.
const YOUNG: Duration = Duration::from_secs(2);

/// The command line, and the files that were read for it.
#[derive(Debug)]
pub(crate) struct Source {
    asked: Mutex<Asked>,
    files: Mutex<BTreeSet<PathBuf>>,
    /// A look for an Ollama that took longer than a start may.
    late: Mutex<Option<JoinHandle<Ollama>>>,
}

impl Source {
    /// What the command line asks for.
    pub(crate) fn new(asked: Asked) -> Self {
        Self { asked: Mutex::new(asked), files: Mutex::default(), late: Mutex::default() }
    }

    /// What is known of an Ollama from now on.
    pub(crate) fn found(&self, ollama: Ollama) {
        self.asked.lock().ollama = ollama;
    }

    /// What is known of it comes later.
    pub(crate) fn expect(&self, late: JoinHandle<Ollama>) {
        *self.late.lock() = Some(late);
    }

    /// The look that somebody has to wait for.
    pub(crate) fn take_late(&self) -> Option<JoinHandle<Ollama>> {
        self.late.lock().take()
    }

    /// Whether a file says anything.
    pub(crate) fn has_file(&self) -> bool {
        self.asked.lock().config.is_some()
    }

    /// Reads everything, and remembers which files that were.
    pub(crate) fn read(&self) -> Result<Resolved, Report> {
        let (asked, noted) = (self.asked.lock().clone(), Noted::default());
        let resolved = resolve(&asked, &noted);
        *self.files.lock() = noted.files.into_inner();
        resolved
    }

    /// Reads a text in place of the file, under the same command line.
    pub(crate) fn read_text(&self, called: &str, text: String) -> Result<Resolved, Report> {
        let asked = self.asked.lock().clone();
        resolve_text(&asked, called, text, &Process)
    }

    /// What its files look like now.
    pub(super) fn sight(&self) -> Sight {
        let files = self.files.lock().clone();
        Sight(files.into_iter().map(|path| (Look::at(&path), path)).collect())
    }
}

/// The process's surroundings, and which files were asked for.
#[derive(Default)]
struct Noted {
    files: RefCell<BTreeSet<PathBuf>>,
}

impl Surroundings for Noted {
    fn env(&self, name: &str) -> Option<String> {
        Process.env(name)
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        // One that is not there may come.
        self.files.borrow_mut().insert(path.to_owned());
        Process.file(path)
    }
}

/// What files look like from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sight(Vec<(Option<Look>, PathBuf)>);

impl Sight {
    /// Whether it is a look at the same files.
    pub(super) fn is_of_same(&self, other: &Self) -> bool {
        self.0.iter().map(|(_, path)| path).eq(other.0.iter().map(|(_, path)| path))
    }

    /// Whether any of them was written so short a time ago that it may be written once more and look
    /// the same.
    pub(super) fn is_young(&self, now: SystemTime) -> bool {
        let young = |look: &Look| match look.written {
            // From a clock ahead of ours: it is not known when.
            Some(written) => now.duration_since(written).is_ok_and(|age| age < YOUNG),
            None => false,
        };
        self.0.iter().filter_map(|(look, _)| look.as_ref()).any(young)
    }
}

/// Of a link it is what the link leads to: a mounted folder is changed by turning a link.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    written: Option<SystemTime>,
    bytes: u64,
    place: (u64, u64, i64, i64),
}

impl Look {
    fn at(path: &Path) -> Option<Self> {
        let about = std::fs::metadata(path).ok()?;
        #[cfg(unix)]
        let place = {
            use std::os::unix::fs::MetadataExt as _;
            (about.dev(), about.ino(), about.ctime(), about.ctime_nsec())
        };
        #[cfg(not(unix))]
        let place = (0, 0, 0, 0);
        Some(Self { written: about.modified().ok(), bytes: about.len(), place })
    }
}
