//! Files of keys: what is read, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::super::*;

fn line(first: u8) -> String {
    STANDARD.encode::<[u8; 32]>(std::array::from_fn(|i| i as u8 ^ first))
}

fn id(first: u8) -> SealKeyId {
    SealKey::new(Secret::new(std::array::from_fn(|i| i as u8 ^ first))).id()
}

fn parse(text: &str) -> Result<Keyring, NotKeyFile> {
    Keyring::parse(&Secret::new(text.to_owned()))
}

#[test]
fn the_first_line_is_current() {
    let keys = parse(&format!("# new\n  {}\r\n\n{}\n", line(1), line(2))).unwrap();
    assert_eq!(keys.current().id(), id(1));
    assert!([id(1), id(2)].iter().all(|id| keys.find(*id).is_some_and(|k| k.id() == *id)));
    assert!(keys.find(id(3)).is_none());
    assert!(parse(&line(1)).is_ok());
}

#[test]
fn what_is_no_key_is_refused_by_its_line() {
    use NotKeyFile::{Empty, Line, Repeated, TooMany, Weak};
    let key = line(1);
    assert!(matches!(parse(""), Err(Empty)));
    assert!(matches!(parse("\n# no key\n"), Err(Empty)));
    assert!(matches!(parse(&format!("{key}\nhello")), Err(Line(2))));
    assert!(matches!(parse(&key[..40]), Err(Line(1))));
    assert!(matches!(parse(&STANDARD.encode([1; 31])), Err(Line(1))));
    assert!(matches!(parse(&STANDARD.encode([1; 33])), Err(Line(1))));
    assert!(matches!(parse(&"A".repeat(10_000)), Err(Line(1))));
    assert!(matches!(parse(&STANDARD.encode([0; 32])), Err(Weak(1))));
    assert!(matches!(parse(&format!("{key}\n\n{}", STANDARD.encode([255; 32]))), Err(Weak(3))));
    assert!(matches!(parse(&format!("{key}\n{key}")), Err(Repeated(2))));
    let many: String = (0..9).map(|n| line(n) + "\n").collect();
    assert!(matches!(parse(&many), Err(TooMany(8))));
}

#[test]
fn a_file_that_others_can_touch_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("seal.key");
    fs::write(&path, line(1)).unwrap();
    for mode in [0o644, 0o640, 0o604, 0o620, 0o601, 0o700, 0o4600, 0o777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let why = Keyring::from_file(&path).unwrap_err();
        assert!(matches!(why, NotKeyFile::Exposed { mode: m, .. } if m == mode), "{why}");
        let said = why.to_string();
        assert!(said.contains("0600") && said.contains("seal.key"), "{said}");
        assert!(said.contains(&format!("{mode:04o}")) && !said.contains(&line(1)), "{said}");
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(Keyring::from_file(&path).unwrap().current().id(), id(1));
    }
}

#[test]
fn what_is_no_file_of_keys_is_refused() {
    let dir = TempDir::new().unwrap();
    let missing = Keyring::from_file(&dir.path().join("none")).unwrap_err();
    assert!(matches!(missing, NotKeyFile::Unreadable { .. }), "{missing}");
    let folder = Keyring::from_file(dir.path()).unwrap_err();
    assert!(matches!(folder, NotKeyFile::NotFile { .. }), "{folder}");
    let path = dir.path().join("seal.key");
    for bytes in [vec![b'#'; 17 * 1024], vec![0xff; 64]] {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let why = Keyring::from_file(&path).unwrap_err();
        assert!(matches!(why, NotKeyFile::NotFile { .. }), "{why}");
    }
}

#[test]
fn a_variable_is_read_and_never_quoted() {
    let missing = Keyring::from_env("LLM_STORE_NO_SUCH_VARIABLE").unwrap_err();
    assert!(matches!(missing, NotKeyFile::Unset(_)), "{missing}");
    assert!(missing.to_string().contains("LLM_STORE_NO_SUCH_VARIABLE"));
    // Set wherever tests run, and no key.
    let path = Keyring::from_env("PATH").unwrap_err();
    assert!(matches!(path, NotKeyFile::Line(1)), "{path}");
}
