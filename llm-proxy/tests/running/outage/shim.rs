//! A disk that fails as it is told: the process's own system calls, stood in for by a library that is
//! loaded before all others. Whoever has built the store from its source has a compiler for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::proxy::{Place, Proxy};

const SOURCE: &str = include_str!("shim.c");

/// No room, and no way to read or write, as Linux numbers them.
pub(super) const NO_ROOM: i32 = 28;
pub(super) const BROKEN: i32 = 5;

/// What a disk does wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Orders {
    pub(super) error: i32,
    /// `write`, `sync`, or `grow`.
    pub(super) what: &'static str,
    /// Left out at first.
    pub(super) skip: u32,
    /// How often; 0 is always.
    pub(super) times: u32,
    /// Stands in the path.
    pub(super) word: &'static str,
}

/// The library, and where it looks for its orders.
pub(super) struct Shim {
    library: PathBuf,
    orders: PathBuf,
}

impl Shim {
    pub(super) fn new(folder: &Path) -> Self {
        let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
        std::fs::write(&source, SOURCE).unwrap();
        let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source);
        let made = compiler.args(["-ldl", "-lpthread"]).status();
        assert!(made.is_ok_and(|status| status.success()), "a C compiler makes {SOURCE:.40}…");
        Self { library, orders: folder.join("orders") }
    }

    /// A process on such a disk.
    pub(super) fn start(&self, place: &Place) -> Proxy {
        self.start_with(place, |text| text)
    }

    /// The same, configured in other words.
    pub(super) fn start_with(&self, place: &Place, words: impl FnOnce(String) -> String) -> Proxy {
        Proxy::start_with(place, |command, path| {
            let text = words(std::fs::read_to_string(path).unwrap());
            std::fs::write(path, text).unwrap();
            command.env("LD_PRELOAD", &self.library).env("DISK_ORDERS", &self.orders);
        })
    }

    /// From now on.
    pub(super) fn order(&self, orders: Orders) {
        let Orders { error, what, skip, times, word } = orders;
        let next = self.orders.with_extension("next");
        std::fs::write(&next, format!("{error} {what} {skip} {times} {word}\n")).unwrap();
        std::fs::rename(next, &self.orders).unwrap();
    }

    /// It works again.
    pub(super) fn mend(&self) {
        std::fs::remove_file(&self.orders).unwrap();
    }
}
