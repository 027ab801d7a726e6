//! What the journal asks of a disk: the seam where tests let it fail.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

/// A file that grows.
pub(super) trait Medium: fmt::Debug + Send + Sync {
    /// Writes some of the bytes after those before, and says how many: one `write(2)`.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Returns when everything written before is on the medium.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file, and goes on writing there.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Sets room aside in an empty file, as zeros: as safe from a full disk as zeros that were
    /// written. `false` where a disk has no such thing, and whoever wants the room writes it.
    fn reserve(&self, len: u64) -> io::Result<bool>;
}

/// A folder of them.
pub(super) trait Disk: fmt::Debug + Send + Sync {
    /// Begins a file, empty.
    fn begin(&self, path: &Path) -> io::Result<Arc<dyn Medium>>;

    /// Goes on with a file that exists, from an offset; what stands there is written over.
    fn resume(&self, path: &Path, offset: u64) -> io::Result<Arc<dyn Medium>>;

    /// Gives a file another name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Deletes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Returns when all names of the folder are on the medium.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// The operating system's.
#[derive(Debug)]
pub(super) struct Native;

impl Medium for File {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(&mut &*self, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        Seek::seek(&mut &*self, SeekFrom::Start(len)).map(drop)
    }

    #[cfg(target_os = "linux")]
    fn reserve(&self, len: u64) -> io::Result<bool> {
        use rustix::fs::{FallocateFlags, fallocate};
        match fallocate(self, FallocateFlags::empty(), 0, len).map_err(io::Error::from) {
            Ok(()) => Ok(true),
            Err(error) if is_full(&error) => Err(error),
            // Whatever else it is (unknown here, forbidden, interrupted), a write says it as well.
            Err(_) => Ok(false),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn reserve(&self, _: u64) -> io::Result<bool> {
        Ok(false)
    }
}

impl Disk for Native {
    fn begin(&self, path: &Path) -> io::Result<Arc<dyn Medium>> {
        // Not `create_new`: a rotation that failed half-way may have left its file.
        let file = File::options().write(true).create(true).truncate(true).open(path)?;
        Ok(Arc::new(file))
    }

    fn resume(&self, path: &Path, offset: u64) -> io::Result<Arc<dyn Medium>> {
        let mut file = File::options().write(true).open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

/// Writes all, in one `write(2)` unless the disk takes less.
pub(super) fn write_all(file: &dyn Medium, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether an error says that there is no room, rather than that something is broken.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull, WriteZero};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | WriteZero)
}
