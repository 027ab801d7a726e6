//! This machine's secrets, which a backup must not have: whoever finds it would read everything in
//! it. Without them it is a database of closed things.
//!
//! The actors are the *secrets* (files in the folder of this process), a folder *apart* that an
//! operator names for them, and their *prints*, which are in the backup, so that whoever restores
//! it is told which secrets it was made with are not there. A secret that is there is never
//! replaced.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::secrets;

/// The files, and what is so without them.
const SECRETS: [(&str, &str); 4] = [
    ("pepper", "no key that was issued is known again"),
    (
        "seal-keys",
        "provider keys, conversations, documents, deposits and jobs stay closed for ever",
    ),
    ("credit-pepper", "codes that were printed are worth nothing, and guests are strangers"),
    ("admin-key", "another admin key is made at the next start"),
];
/// Their prints, in a backup.
const PRINTS: &str = "secrets";
/// What prints are made with: nobody tries other prints' tables on them.
const PRINT: &str = "llm-proxy 2026-11 prints of secrets beside a backup";

/// Those that are there: their names, what is so without them, and what they say.
fn here(data: &Path) -> Result<Vec<(&'static str, &'static str, String)>, String> {
    let mut found = Vec::new();
    for (name, without) in SECRETS {
        if let Some(text) = read(&data.join(name))? {
            found.push((name, without, text));
        }
    }
    Ok(found)
}

/// Writes the prints into a backup, and the secrets into a folder apart, where one is named; else
/// says which they are and what they are for.
pub(super) fn save(data: &Path, backup: &Path, apart: Option<&Path>) -> Result<(), String> {
    let found = here(data)?;
    let prints: String = found.iter().map(|(name, _, text)| prints(name, text)).collect();
    let path = backup.join(PRINTS);
    secrets::keep(&path, &prints).map_err(|error| at(&path, error))?;
    let Some(apart) = apart else {
        for (name, without, _) in &found {
            let path = data.join(name);
            eprintln!(
                "llm-proxy: not in it, keep it elsewhere: {}: without it {without}",
                path.display()
            );
        }
        return Ok(());
    };
    if apart.starts_with(backup) {
        return Err(format!("{}: the secrets belong somewhere else", apart.display()));
    }
    folder(apart)?;
    for (name, _, text) in &found {
        put(&apart.join(name), text)?;
    }
    eprintln!("llm-proxy: {} secrets are in {}", found.len(), apart.display());
    Ok(())
}

/// Puts secrets from a folder apart where a process looks for them. All of them can be, or none is.
pub(super) fn put_back(data: &Path, apart: &Path) -> Result<(), String> {
    let found = here(apart)?;
    if found.is_empty() {
        return Err(format!("{}: there are no secrets", apart.display()));
    }
    for (name, _, text) in &found {
        if read(&data.join(name))?.is_some_and(|known| known != *text) {
            return Err(another(&data.join(name)));
        }
    }
    found.iter().try_for_each(|(name, _, text)| put(&data.join(name), text))
}

/// What is missing of what a backup was made with, for whoever restores it.
pub(super) fn missing(data: &Path, backup: &Path) -> Result<Vec<String>, String> {
    let known: BTreeSet<String> = here(data)?
        .iter()
        .flat_map(|(name, _, text)| {
            prints(name, text).lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let wanted = read(&backup.join(PRINTS))?.unwrap_or_default();
    let lost = |name: &str| {
        wanted.lines().any(|line| line.split(' ').next() == Some(name) && !known.contains(line))
    };
    let lost = SECRETS.into_iter().filter(|(name, _)| lost(name));
    let told = lost.map(|(name, without)| {
        let path = data.join(name);
        format!(
            "{} is not the one that this backup was made with: put that there before anything \
             starts here, or {without}",
            path.display()
        )
    });
    Ok(told.collect())
}

/// A line for each of a secret's lines: of several keys the older ones are still needed.
fn prints(name: &str, text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let print = |line: &str| {
        let mut hash = blake3::Hasher::new_derive_key(PRINT);
        hash.update(name.as_bytes()).update(&[0]).update(line.as_bytes());
        format!("{name} {}\n", hash.finalize().to_hex())
    };
    lines.map(print).collect()
}

fn read(path: &Path) -> Result<Option<String>, String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path, error)),
    }
}

/// For its owner only; one that says the same is left as it is.
fn put(path: &Path, text: &str) -> Result<(), String> {
    match read(path)? {
        Some(known) if known == text => Ok(()),
        Some(_) => Err(another(path)),
        None => secrets::keep(path, text).map_err(|error| at(path, error)),
    }
}

fn folder(path: &Path) -> Result<(), String> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.recursive(true).create(path) {
        Ok(()) => Ok(()),
        Err(error) => Err(at(path, error)),
    }
}

fn another(path: &Path) -> String {
    format!("{} is there and is another one: nothing was replaced", path.display())
}

fn at(path: &Path, error: io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn secrets_go_apart_and_come_back_and_none_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let (data, backup, apart, other) =
            (place("data"), place("backup"), place("apart/x"), place("other"));
        [&data, &backup, &other].iter().for_each(|path| fs::create_dir(path).unwrap());
        fs::write(data.join("pepper"), "older\nnewer\n").unwrap();
        fs::write(data.join("seal-keys"), "seal\n").unwrap();
        save(&data, &backup, Some(&apart)).unwrap();
        assert!(save(&data, &place("no"), Some(&apart)).is_err(), "no such backup");
        let written = text(&backup.join(PRINTS));
        assert!(!written.contains("newer") && !written.contains("seal\n"), "{written}");
        assert_eq!(written.lines().count(), 3);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&apart), mode(&apart.join("pepper"))), (0o700, 0o600));
            assert_eq!(mode(&backup.join(PRINTS)), 0o600);
        }
        assert_eq!(missing(&data, &backup), Ok(vec![]));
        assert_eq!(missing(&other, &backup).unwrap().len(), 2, "there are none");
        // One more key is no loss, and one less is.
        fs::write(other.join("pepper"), "newest\nolder\nnewer\n").unwrap();
        assert_eq!(missing(&other, &backup).unwrap().len(), 1);
        fs::write(other.join("pepper"), "newer\n").unwrap();
        assert_eq!(missing(&other, &backup).unwrap().len(), 2);
        // Another one is there: nothing is put beside it either.
        assert!(put_back(&other, &apart).unwrap_err().contains("is another one"));
        assert!(!other.join("seal-keys").exists());
        fs::remove_file(other.join("pepper")).unwrap();
        for _ in 0..2 {
            put_back(&other, &apart).unwrap();
            assert_eq!(text(&other.join("pepper")), text(&data.join("pepper")));
        }
        assert_eq!(missing(&other, &backup), Ok(vec![]));
        assert!(put_back(&other, &backup).unwrap_err().contains("no secrets"));
        assert!(save(&data, &apart, Some(&apart.join("in"))).is_err(), "not within the backup");
    }
}
