//! What a store keeps of a key: a keyed hash of its text.
//!
//! The hash is keyed BLAKE3 and not HMAC-SHA-256. Both are sound here, and a slow password hash
//! would buy nothing against 256 random bits; but redemption codes are kept the same way, the crate
//! is there already, and it is one pass instead of four. The pepper lives apart from the store, so
//! that whoever reads or writes the store alone can neither test guesses (operators bring keys of
//! their own that are not random) nor plant the print of a key of theirs.
//!
//! A pepper is known by a name that is derived from it, not by a number that somebody assigns: two
//! replicas that disagree on their peppers cannot take one for another.

use std::path::Path;

use llm_core::secret::Secret;
use llm_core::store::KeyHash;
use smallvec::SmallVec;

use crate::seal::{NotKeyFile, key_file, key_lines};

/// A rotation needs two at a time; four are room for one that was forgotten. Each costs a hash for
/// every unknown key.
const PEPPERS_MAX: usize = 4;
/// Whatever else the same pepper may hash, it is not a key.
const DOMAIN: &[u8] = b"virtual key\0";
const NAME_CONTEXT: &str = "llm-store 2026-11 name of a key pepper";

/// Names a pepper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PepperId(pub u64);

/// Room for what is hashed of nearly every key.
const SAID_USUAL: usize = 128;

/// What is mixed into every print and kept apart from the store.
#[derive(Clone, Debug)]
pub struct Pepper {
    id: PepperId,
    key: Secret<[u8; 32]>,
}

/// What a store keeps of a key. The hash is what rows are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyPrint {
    /// Under which pepper.
    pub pepper: PepperId,
    /// The hash.
    pub hash: KeyHash,
}

impl Pepper {
    /// A pepper of 32 random bytes.
    pub fn new(key: Secret<[u8; 32]>) -> Self {
        let name = blake3::derive_key(NAME_CONTEXT, key.expose());
        let [a, b, c, d, e, f, g, h, ..] = name;
        Self { id: PepperId(u64::from_be_bytes([a, b, c, d, e, f, g, h])), key }
    }

    /// Its name.
    pub fn id(&self) -> PepperId {
        self.id
    }

    fn hash(&self, text: &str) -> blake3::Hash {
        // In one piece, for which no hasher is made: one is of two thousand bytes, and every call would
        // pay for writing over them. What blake3 leaves of the pepper on the stack is not wiped for it;
        // the pepper itself is in memory for as long as the process lives.
        let mut said: SmallVec<[u8; SAID_USUAL]> = SmallVec::new();
        said.extend_from_slice(DOMAIN);
        said.extend_from_slice(text.as_bytes());
        let hash = blake3::keyed_hash(self.key.expose(), &said);
        zeroize::Zeroize::zeroize(said.as_mut_slice());
        hash
    }

    fn print(&self, text: &str) -> KeyPrint {
        KeyPrint { pepper: self.id, hash: KeyHash(*self.hash(text).as_bytes()) }
    }
}

/// The peppers there are: one that new prints are made with, and those that it replaces.
#[derive(Clone, Debug)]
pub struct Peppers {
    current: Pepper,
    older: Vec<Pepper>,
}

impl Peppers {
    /// One pepper.
    pub fn new(current: Pepper) -> Self {
        Self { current, older: Vec::new() }
    }

    /// From lines of base64, 32 bytes each; the first is current, the others are still known.
    pub fn parse(text: &Secret<String>) -> Result<Self, NotKeyFile> {
        Self::of(key_lines(text, PEPPERS_MAX)?)
    }

    /// From a file of such lines that nobody but its owner can read.
    pub fn from_file(path: &Path) -> Result<Self, NotKeyFile> {
        Self::of(key_file(path, PEPPERS_MAX)?)
    }

    fn of(keys: Vec<Secret<[u8; 32]>>) -> Result<Self, NotKeyFile> {
        let mut all = keys.into_iter().map(Pepper::new);
        let current = all.next().ok_or(NotKeyFile::Empty)?;
        Ok(Self { current, older: all.collect() })
    }

    /// The print of a new key.
    pub fn print(&self, text: &str) -> KeyPrint {
        self.current.print(text)
    }

    /// The prints under which a key may be stored, the likeliest first. Whoever looks up stops at
    /// the first that is there; for the time it takes, an unknown key is like one of the oldest
    /// pepper.
    pub fn prints(&self, text: &str) -> impl Iterator<Item = KeyPrint> {
        std::iter::once(&self.current).chain(&self.older).map(move |pepper| pepper.print(text))
    }

    /// Whether a print is that of a key, in a time that tells nothing. `false` where its pepper is
    /// not known any more.
    pub fn matches(&self, print: &KeyPrint, text: &str) -> bool {
        let mut all = std::iter::once(&self.current).chain(&self.older);
        let pepper = all.find(|pepper| pepper.id == print.pepper);
        pepper.is_some_and(|pepper| pepper.hash(text) == print.hash.0)
    }

    /// The print to store in place of one that was just looked up, when that one is of an older
    /// pepper: only now is the text at hand. When no row names an older pepper any more, it can go.
    pub fn renewed(&self, print: &KeyPrint, text: &str) -> Option<KeyPrint> {
        (print.pepper != self.current.id && self.matches(print, text)).then(|| self.print(text))
    }
}
