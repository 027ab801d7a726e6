//! A disk that does as it is told. It never waits for a medium; what would be lost with the power
//! is known instead.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::journal::disk::{Disk, Medium, Native};

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fail {
    /// The n-th write, after some of its bytes.
    Write { nth: u64, kind: io::ErrorKind, after: usize },
    /// The n-th sync.
    Sync { nth: u64 },
    /// Every cut.
    Truncate,
    /// Everything from the n-th step on: the process is gone.
    All { nth: u64 },
    /// Half of what is written is taken, each time.
    Short,
    /// Syncs take a while.
    Slow,
    /// No room can be set aside but by writing it.
    Reserve,
}

#[derive(Debug, Default)]
pub(super) struct Script {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    fails: Vec<Fail>,
    writes: u64,
    syncs: u64,
    steps: u64,
    bytes: u64,
    /// How many more bytes files may grow by.
    room: Option<u64>,
    /// How much of each file outlasts the power.
    safe: HashMap<PathBuf, u64>,
}

impl Script {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn failing(fails: &[Fail]) -> Arc<Self> {
        let script = Self::new();
        script.state.lock().fails = fails.to_vec();
        script
    }

    pub(super) fn disk(self: &Arc<Self>) -> Arc<dyn Disk> {
        Arc::new(Scripted(self.clone()))
    }

    pub(super) fn set_room(&self, room: Option<u64>) {
        self.state.lock().room = room;
    }

    pub(super) fn steps(&self) -> u64 {
        self.state.lock().steps
    }

    /// Bytes written.
    pub(super) fn bytes(&self) -> u64 {
        self.state.lock().bytes
    }

    pub(super) fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    pub(super) fn safe(&self, path: &Path) -> u64 {
        self.state.lock().safe.get(path).copied().unwrap_or_default()
    }

    fn step(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.steps += 1;
        let gone =
            state.fails.iter().any(|f| matches!(f, Fail::All { nth } if state.steps >= *nth));
        if gone { Err(io::Error::other("gone")) } else { Ok(()) }
    }
}

#[derive(Debug)]
struct Scripted(Arc<Script>);

#[derive(Debug)]
struct Tape {
    script: Arc<Script>,
    path: Mutex<PathBuf>,
    file: File,
}

impl Tape {
    fn len(&self) -> u64 {
        self.file.metadata().unwrap().len()
    }
}

impl Medium for Tape {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.script.step()?;
        let mut state = self.script.state.lock();
        state.writes += 1;
        let mut take = bytes.len();
        for fail in state.fails.clone() {
            match fail {
                Fail::Write { nth, kind, after } if nth == state.writes => {
                    Medium::write(&self.file, &bytes[..after.min(bytes.len())])?;
                    return Err(kind.into());
                }
                Fail::Short => take = take.div_ceil(2),
                _ => {}
            }
        }
        let end = (&self.file).stream_position().unwrap() + take as u64;
        let grow = end.saturating_sub(self.len());
        if let Some(room) = state.room {
            if room < grow {
                let fits = take as u64 - (grow - room);
                state.room = Some(0);
                let fits = usize::try_from(fits).unwrap();
                if fits == 0 {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                return Medium::write(&self.file, &bytes[..fits]);
            }
            state.room = Some(room - grow);
        }
        state.bytes += take as u64;
        Medium::write(&self.file, &bytes[..take])
    }

    fn sync(&self) -> io::Result<()> {
        self.script.step()?;
        let len = self.len();
        let nth = {
            let mut state = self.script.state.lock();
            state.syncs += 1;
            state.syncs
        };
        // Others write meanwhile: what they write is not part of this sync.
        let slow = self.script.state.lock().fails.contains(&Fail::Slow);
        std::thread::sleep(std::time::Duration::from_micros(if slow { 500 } else { 0 }));
        let mut state = self.script.state.lock();
        if state.fails.contains(&Fail::Sync { nth }) {
            return Err(io::Error::other("medium error"));
        }
        let path = self.path.lock().clone();
        let safe = state.safe.entry(path).or_default();
        *safe = (*safe).max(len);
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.script.step()?;
        let mut state = self.script.state.lock();
        if state.fails.contains(&Fail::Truncate) {
            return Err(io::Error::other("medium error"));
        }
        if let Some(room) = &mut state.room {
            *room += self.len().saturating_sub(len);
        }
        self.file.truncate(len)
    }

    fn reserve(&self, len: u64) -> io::Result<bool> {
        self.script.step()?;
        let mut state = self.script.state.lock();
        if state.fails.contains(&Fail::Reserve) {
            return Ok(false);
        }
        if let Some(room) = &mut state.room {
            let fits = len.min(*room);
            *room -= fits;
            if fits < len {
                // As disks do: what there was is taken, and left in the file.
                self.file.set_len(fits)?;
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        self.file.set_len(len).map(|()| true)
    }
}

impl Scripted {
    fn tape(&self, path: &Path, file: File) -> Arc<dyn Medium> {
        Arc::new(Tape { script: self.0.clone(), path: Mutex::new(path.to_owned()), file })
    }
}

impl Disk for Scripted {
    fn begin(&self, path: &Path) -> io::Result<Arc<dyn Medium>> {
        self.0.step()?;
        let file = File::options().write(true).create(true).truncate(true).open(path)?;
        Ok(self.tape(path, file))
    }

    fn resume(&self, path: &Path, offset: u64) -> io::Result<Arc<dyn Medium>> {
        self.0.step()?;
        let mut file = File::options().write(true).open(path)?;
        file.seek(io::SeekFrom::Start(offset))?;
        Ok(self.tape(path, file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.step()?;
        Native.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.step()?;
        let len = std::fs::metadata(path)?.len();
        if let Some(room) = &mut self.0.state.lock().room {
            *room += len;
        }
        Native.remove(path)
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        self.0.step()
    }
}
