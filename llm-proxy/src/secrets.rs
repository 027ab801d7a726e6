//! Randomness that must be secret, and files that are nobody else's.
//!
//! It comes from the operating system. The seam that tests draw from is for ids and jitter, and
//! must never be asked for a key.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// So many random bytes.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// So many random bytes, in hexadecimal digits.
pub(crate) fn hex<const N: usize>() -> io::Result<String> {
    let mut text = String::with_capacity(2 * N);
    for byte in random::<N>()? {
        write!(text, "{byte:02x}").map_err(io::Error::other)?;
    }
    Ok(text)
}

/// So many random bytes, in base64.
pub(crate) fn base64<const N: usize>() -> io::Result<String> {
    use base64::Engine as _;
    Ok(base64::engine::general_purpose::STANDARD.encode(random::<N>()?))
}

/// Writes a file that is not there yet, for its owner only, whole or not at all: a crash in
/// between leaves a name that nobody reads.
pub(crate) fn keep(path: &Path, text: &str) -> io::Result<()> {
    let beside = beside(path, text)?;
    // A link and no rename: of two processes that start at once, the second one must not replace
    // what the first one works with already.
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside)?;
    linked
}

/// Writes a file in the place of the one that may be there, for its owner only, whole or not at all.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    std::fs::rename(beside(path, text)?, path)
}

/// Writes a text under a name that nobody reads.
fn beside(path: &Path, text: &str) -> io::Result<PathBuf> {
    let beside = path.with_extension(hex::<4>()?);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(beside)
}

/// What a file holds, made with `make` where it is not there.
pub(crate) fn kept(path: &Path, make: impl FnOnce() -> io::Result<String>) -> io::Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    match keep(path, &make()?) {
        Ok(()) => {}
        // Somebody else was first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    std::fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_file_is_made_once_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert_eq!(kept(&path, || Ok("one".to_owned())).unwrap(), "one");
        assert_eq!(kept(&path, || Ok("two".to_owned())).unwrap(), "one");
        assert_eq!(keep(&path, "three").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn two_draws_differ() {
        assert_ne!(hex::<16>().unwrap(), hex::<16>().unwrap());
        assert_eq!(hex::<16>().unwrap().len(), 32);
    }
}
