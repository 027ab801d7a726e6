//! What a first start makes and later ones find: the pepper of keys, and the admin key where nobody
//! has named one.
//!
//! The admin key is shown once, on the terminal that started the process, and kept as a print.

use std::path::{Path, PathBuf};

use llm_core::secret::Secret;
use llm_core::store::KeyHash;
use llm_store::keys::{KeyPrint, Peppers, VirtualKey};

use super::keys::AdminKey;
use super::store::{NotOpened, at, make};
use crate::config::Config;
use crate::secrets;

/// The pepper, one line of base64 or of hexadecimal digits for each that is still known.
const PEPPER: &str = "pepper";
/// The admin key's print: `pepper hash`, both in hexadecimal digits.
const ADMIN: &str = "admin-key";

/// Keys that this start has made: shown once.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// The admin key.
    pub(crate) admin: Option<VirtualKey>,
    /// A limited virtual key, so that models can be asked at once.
    pub(crate) first: Option<VirtualKey>,
}

/// What a first start makes.
#[derive(Debug)]
pub(super) struct Secrets {
    /// What prints of keys are made with.
    pub(super) peppers: Peppers,
    /// Who may ask about everything.
    pub(super) admin: AdminKey,
    /// The admin key, where it was made just now.
    pub(super) made: Option<VirtualKey>,
}

impl Secrets {
    /// Finds them in the folder of this process, or makes them.
    pub(super) fn open(config: &Config) -> Result<Self, NotOpened> {
        let data = &config.store.data;
        make(data)?;
        let peppers = peppers(data)?;
        if let Some(named) = &config.server.admin_key {
            let print = peppers.print(named.secret.expose());
            let admin = AdminKey::new(peppers.clone(), print);
            return Ok(Self { peppers, admin, made: None });
        }
        let path = data.join(ADMIN);
        let mut made = None;
        let text = secrets::kept(&path, || {
            let key = VirtualKey::new(secrets::random()?);
            let print = peppers.print(key.expose());
            made = Some(key);
            Ok(written(&print))
        });
        let text = text.map_err(|error| at(&path, error))?;
        let print = read(text.trim()).ok_or_else(|| odd(&path))?;
        // Somebody else may have been first, and then the key that was made here opens nothing.
        let made = made.filter(|key| peppers.matches(&print, key.expose()));
        let admin = AdminKey::new(peppers.clone(), print);
        Ok(Self { peppers, admin, made })
    }
}

/// What prints of keys are made with, found in the folder of this process or made there.
pub(crate) fn peppers(data: &Path) -> Result<Peppers, NotOpened> {
    let path = pepper_path(data);
    let text = secrets::kept(&path, secrets::base64::<32>).map_err(|error| at(&path, error))?;
    Peppers::parse(&Secret::new(text)).map_err(|_| odd(&path))
}

/// Where they are written.
pub(crate) fn pepper_path(data: &Path) -> PathBuf {
    data.join(PEPPER)
}

fn odd(path: &Path) -> NotOpened {
    let error = std::io::Error::other("is not what was written there: restore it, or remove it");
    at(path, error)
}

fn written(print: &KeyPrint) -> String {
    let hash = print.hash.0.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    format!("{:016x} {hash}\n", print.pepper.0)
}

fn read(text: &str) -> Option<KeyPrint> {
    let (pepper, hash) = text.split_once(' ')?;
    let pepper = llm_store::keys::PepperId(u64::from_str_radix(pepper, 16).ok()?);
    let mut bytes = [0; 32];
    if hash.len() != 2 * bytes.len() || !hash.is_ascii() {
        return None;
    }
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hash.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(KeyPrint { pepper, hash: KeyHash(bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_print_is_read_as_it_was_written() {
        let peppers = Peppers::new(llm_store::keys::Pepper::new(Secret::new([3; 32])));
        let print = peppers.print("sk-0123");
        assert_eq!(read(written(&print).trim()), Some(print));
        for odd in ["", "1 2", "0000000000000001 xx", &format!("1 {}", "é".repeat(32))] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
