//! Files and folders that appear whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::{Trouble, at};

/// Names that are tried for what is put aside.
const ASIDE_MAX: u32 = 10_000;

/// Another name beside a path: `x.part`.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

/// A free name beside a path for what was there: `x.before-1`.
pub(super) fn aside(path: &Path) -> Result<PathBuf, Trouble> {
    let names = (1..ASIDE_MAX).map(|number| beside(path, &format!("before-{number}")));
    let mut free = names.filter(|name| fs::symlink_metadata(name).is_err());
    free.next().ok_or_else(|| Trouble::Exists(beside(path, "before-…")))
}

/// A new folder, for its owner only.
pub(super) fn make(path: &Path) -> Result<(), Trouble> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Trouble::Exists(path.to_owned()),
        _ => Trouble::File { path: path.to_owned(), error },
    })
}

/// Copies a file, durably and for its owner only.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), Trouble> {
    let mut read = File::open(from).map_err(at(from))?;
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut write = options.open(to).map_err(at(to))?;
    std::io::copy(&mut read, &mut write).map_err(at(to))?;
    write.sync_all().map_err(at(to))
}

/// Returns when a file, or the names in a folder, are on the medium.
pub(super) fn sync(path: &Path) -> Result<(), Trouble> {
    File::open(path).and_then(|file| file.sync_all()).map_err(at(path))
}

/// Gives a file or folder another name, durably.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), Trouble> {
    fs::rename(from, to).map_err(at(to))?;
    sync_parent(to)
}

pub(super) fn sync_parent(path: &Path) -> Result<(), Trouble> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync(parent),
        None => sync(Path::new(".")),
    }
}

/// Does what waits for a disk where nobody waits for it.
pub(super) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Trouble::Program("the copy was stopped".to_owned()))?
}
