//! Sealing keys, and where they come from.
//!
//! A file or a variable has a line of base64 for each key, 32 bytes each. The first is what new
//! secrets are sealed with; the others are still known. So a rotation is: write the new key below
//! the old one on all replicas, then above it, wrap anew, remove the old one.
//!
//! A sealing key is known by a name that is derived from it. Nobody assigns numbers, and a store
//! that is opened with another key file says so instead of "corrupt".

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use llm_core::secret::Secret;
use zeroize::Zeroize;

/// Two during a rotation, and a few that were forgotten.
const SEAL_KEYS_MAX: usize = 8;
/// A file of keys and remarks; a larger one is another file.
const FILE_BYTES_MAX: usize = 16 * 1024;
const NAME_CONTEXT: &str = "llm-store 2026-11 name of a sealing key";

/// Names a sealing key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SealKeyId(pub u64);

impl fmt::Debug for SealKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for SealKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A key that wraps data keys. It is neither shown nor written:
///
/// ```compile_fail,E0277
/// use llm_core::secret::Secret;
/// println!("{}", llm_store::seal::SealKey::new(Secret::new([7; 32])));
/// ```
///
/// ```compile_fail,E0277
/// fn write<T: serde::Serialize>(_: &T) {}
/// write(&llm_store::seal::SealKey::new(llm_core::secret::Secret::new([7; 32])));
/// ```
///
/// Nor is what comes out of an envelope:
///
/// ```compile_fail,E0277
/// let opened = llm_core::secret::Secret::new(vec![1u8]);
/// println!("{opened}");
/// ```
///
/// ```compile_fail,E0277
/// fn write<T: serde::Serialize>(_: &T) {}
/// write(&llm_core::secret::Secret::new(vec![1u8]));
/// ```
#[derive(Clone, Debug)]
pub struct SealKey {
    id: SealKeyId,
    secret: Secret<[u8; 32]>,
}

impl SealKey {
    /// A key of 32 random bytes.
    pub fn new(secret: Secret<[u8; 32]>) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = blake3::derive_key(NAME_CONTEXT, secret.expose());
        Self { id: SealKeyId(u64::from_be_bytes([a, b, c, d, e, f, g, h])), secret }
    }

    /// Its name.
    pub fn id(&self) -> SealKeyId {
        self.id
    }

    pub(super) fn secret(&self) -> &Secret<[u8; 32]> {
        &self.secret
    }
}

/// Where sealing keys come from.
pub trait KeyProvider: Send + Sync + fmt::Debug + 'static {
    /// What is sealed now is sealed with it.
    fn current(&self) -> &SealKey;

    /// A key by its name, the current one included.
    fn find(&self, id: SealKeyId) -> Option<&SealKey>;
}

/// Sealing keys in memory.
#[derive(Clone, Debug)]
pub struct Keyring {
    current: SealKey,
    older: Vec<SealKey>,
}

impl Keyring {
    /// One key.
    pub fn new(current: SealKey) -> Self {
        Self { current, older: Vec::new() }
    }

    /// From lines of base64; the first key is current.
    pub fn parse(text: &Secret<String>) -> Result<Self, NotKeyFile> {
        Self::of(key_lines(text, SEAL_KEYS_MAX)?)
    }

    /// From a variable that holds such lines. A file is better: a process shows its variables to
    /// whoever is its user, and hands them to every program that it starts.
    pub fn from_env(name: &str) -> Result<Self, NotKeyFile> {
        // The error of the standard library would quote what is no text.
        let text = std::env::var(name).map_err(|_| NotKeyFile::Unset(name.to_owned()))?;
        Self::parse(&Secret::new(text))
    }

    /// From a file of such lines that nobody but its owner can read.
    pub fn from_file(path: &Path) -> Result<Self, NotKeyFile> {
        Self::of(key_file(path, SEAL_KEYS_MAX)?)
    }

    fn of(keys: Vec<Secret<[u8; 32]>>) -> Result<Self, NotKeyFile> {
        let mut all = keys.into_iter().map(SealKey::new);
        let current = all.next().ok_or(NotKeyFile::Empty)?;
        Ok(Self { current, older: all.collect() })
    }
}

impl KeyProvider for Keyring {
    fn current(&self) -> &SealKey {
        &self.current
    }

    fn find(&self, id: SealKeyId) -> Option<&SealKey> {
        std::iter::once(&self.current).chain(&self.older).find(|key| key.id == id)
    }
}

/// Why there are no keys to be had from a text or a file. Names lines and never what stands in
/// them.
#[derive(Debug, thiserror::Error)]
pub enum NotKeyFile {
    /// It has no key.
    #[error("there is no key in it: write 32 random bytes in base64 on a line")]
    Empty,
    /// It has more than anyone rotates.
    #[error("there are more than {0} keys in it")]
    TooMany(usize),
    /// A line is not 32 bytes of base64.
    #[error("line {0} is not 32 bytes in base64")]
    Line(usize),
    /// A line is one byte over and over, as an unset or invented key is.
    #[error("line {0} is no random key")]
    Weak(usize),
    /// Two lines are the same.
    #[error("line {0} repeats a key")]
    Repeated(usize),
    /// There is no such variable, or no text in it.
    #[error("the variable {0} is not set to lines of base64")]
    Unset(String),
    /// It cannot be read.
    #[error("{path}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// Others than its owner may touch it.
    #[error("{path} has mode {mode:04o}, and must have 0600: chmod 600 it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// What others may do.
        mode: u32,
    },
    /// It is no file of keys.
    #[error("{path} is no file of at most {FILE_BYTES_MAX} bytes of text")]
    NotFile {
        /// The path.
        path: PathBuf,
    },
}

/// The keys of a text: a line each, blank lines and `#` remarks between.
pub(crate) fn key_lines(
    text: &Secret<String>,
    max: usize,
) -> Result<Vec<Secret<[u8; 32]>>, NotKeyFile> {
    let mut keys: Vec<Secret<[u8; 32]>> = Vec::new();
    for (at, line) in (1..).zip(text.expose().lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // One byte more than a key has: decoding asks for room in threes, and 32 is none.
        let mut room = [0; 33];
        let size = STANDARD.decode_slice(line, &mut room);
        let key = room.first_chunk().filter(|_| size == Ok(32)).map(|key| Secret::new(*key));
        room.zeroize();
        let key: Secret<[u8; 32]> = key.ok_or(NotKeyFile::Line(at))?;
        let [first, ..] = key.expose();
        if key.expose().iter().all(|byte| byte == first) {
            return Err(NotKeyFile::Weak(at));
        }
        if keys.contains(&key) {
            return Err(NotKeyFile::Repeated(at));
        }
        if keys.len() == max {
            return Err(NotKeyFile::TooMany(max));
        }
        keys.push(key);
    }
    if keys.is_empty() { Err(NotKeyFile::Empty) } else { Ok(keys) }
}

/// The keys of a file that only its owner may read or write.
pub(crate) fn key_file(path: &Path, max: usize) -> Result<Vec<Secret<[u8; 32]>>, NotKeyFile> {
    let unreadable = |why| NotKeyFile::Unreadable { path: path.to_owned(), why };
    let not_file = || NotKeyFile::NotFile { path: path.to_owned() };
    // What is checked is what is read: the mode of the open file, not of a path that may change.
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() || about.len() > FILE_BYTES_MAX as u64 {
        return Err(not_file());
    }
    check_mode(path, &about)?;
    // Sized ahead, so that it never moves and leaves a copy behind.
    let mut bytes = Vec::with_capacity(FILE_BYTES_MAX + 1);
    let read = file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
    let text = match (read, String::from_utf8(bytes)) {
        (Ok(size), Ok(text)) if size <= FILE_BYTES_MAX => Secret::new(text),
        (Err(why), Ok(mut text)) => {
            text.zeroize();
            return Err(unreadable(why));
        }
        (Ok(_), Ok(mut text)) => {
            text.zeroize();
            return Err(not_file());
        }
        (_, Err(not_text)) => {
            not_text.into_bytes().zeroize();
            return Err(not_file());
        }
    };
    key_lines(&text, max)
}

#[cfg(unix)]
fn check_mode(path: &Path, about: &std::fs::Metadata) -> Result<(), NotKeyFile> {
    use std::os::unix::fs::PermissionsExt;
    let mode = about.permissions().mode() & 0o7777;
    // 0400 is stricter than what is asked for.
    if mode & !0o600 == 0 {
        Ok(())
    } else {
        Err(NotKeyFile::Exposed { path: path.to_owned(), mode })
    }
}

/// Where files have no modes, who may read one is the system's to say.
#[cfg(not(unix))]
fn check_mode(_: &Path, _: &std::fs::Metadata) -> Result<(), NotKeyFile> {
    Ok(())
}
