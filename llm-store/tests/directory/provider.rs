//! Provider keys: what goes in comes out, and is nowhere in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use llm_core::secret::Secret;
use llm_store::directory::{Freshness, KeyState, NotDone, ProviderKeys, SqlDirectory};
use llm_store::seal::{FRESH_BYTES, Fresh, Keyring, SealError, Sealer};

use crate::place::*;

const SECRET: &str = "sk-proj-canary-7391-do-not-keep";

/// Sealing keys of one byte each, the first one current.
fn sealer(bytes: &[u8]) -> Sealer {
    use base64::Engine;
    let line = |byte: &u8| {
        let mut key = [*byte; 32];
        key[0] = 0;
        base64::engine::general_purpose::STANDARD.encode(key)
    };
    let lines: Vec<String> = bytes.iter().map(line).collect();
    Sealer::new(Arc::new(Keyring::parse(&Secret::new(lines.join("\n"))).unwrap()))
}

fn fresh() -> Freshness {
    let next = AtomicU8::new(0);
    Arc::new(move || {
        let number = next.fetch_add(1, Ordering::Relaxed);
        Fresh::new(std::array::from_fn::<u8, FRESH_BYTES, _>(|i| (i as u8) ^ number))
    })
}

fn keys(directory: &SqlDirectory, sealing: &[u8]) -> ProviderKeys {
    ProviderKeys::new(directory.clone(), sealer(sealing), fresh())
}

fn secret(text: &str) -> Secret<Vec<u8>> {
    Secret::new(text.as_bytes().to_vec())
}

pub(crate) async fn keys_are_stored_sealed(place: &dyn Place) {
    let directory = place.open().await;
    let keys = keys(&directory, &[1]);
    let one = keys.put("openai".into(), "a".into(), secret(SECRET)).await.unwrap();
    let open = async |name: &'static str| keys.open("openai".into(), name.into()).await;
    assert_eq!(open("a").await.unwrap(), secret(SECRET));
    assert_eq!(one.state, KeyState::New);
    let report = Some("{\"models\": 3}".into());
    assert_eq!(keys.validated(&one, KeyState::Valid, report.clone()).await, Ok(true));
    let two = keys.put("openai".into(), "b".into(), secret("other")).await.unwrap();
    let listed = keys.list().await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!((listed[0].state, &listed[0].report), (KeyState::Valid, &report));
    assert!(listed[0].validated_at.is_some());
    // A second secret of the name is untried, and the first one's verdict is not its.
    let anew = keys.put("openai".into(), "a".into(), secret("newer")).await.unwrap();
    assert!(anew.version > two.version && anew.state == KeyState::New);
    assert_eq!(keys.validated(&one, KeyState::Invalid, None).await, Ok(false));
    assert_eq!(open("a").await.unwrap(), secret("newer"));
    let long = keys.put("openai".into(), "c".into(), Secret::new(vec![1; 65 * 1024])).await;
    assert_eq!(long, Err(NotDone::Sealed(SealError::TooLong)));
    keys.remove("openai".into(), "a".into()).await.unwrap();
    keys.remove("openai".into(), "a".into()).await.unwrap();
    assert!(matches!(open("a").await, Err(NotDone::Unknown { .. })));
    let back = keys.put("openai".into(), "a".into(), secret("again")).await.unwrap();
    assert!(back.version > anew.version, "no number comes twice");
    let said = format!("{keys:?} {one:?} {long:?} {:?}", open("zz").await);
    assert!(!said.contains("canary"), "{said}");
}

pub(crate) async fn keys_of_a_vendor_are_put_all_or_none(place: &dyn Place) {
    let directory = place.open().await;
    let keys = keys(&directory, &[1]);
    let names = async || {
        let listed = keys.list().await.unwrap();
        listed.iter().map(|key| format!("{}/{}", key.vendor, key.name)).collect::<Vec<_>>()
    };
    let some = |names: &[&'static str]| {
        names.iter().map(|name| (llm_core::Str::from_static(name), secret(name))).collect()
    };
    let none = keys.stamp().await.unwrap();
    keys.put("other".into(), "z".into(), secret("z")).await.unwrap();
    keys.put_all("v".into(), some(&["a", "b"]), false).await.unwrap();
    keys.put_all("v".into(), some(&["c"]), false).await.unwrap();
    assert_eq!(names().await, ["other/z", "v/a", "v/b", "v/c"]);
    let three = keys.stamp().await.unwrap();
    // One of them has no name that can be kept: nothing has changed.
    assert!(keys.put_all("v".into(), some(&["d", ""]), true).await.is_err());
    assert_eq!((names().await.len(), keys.stamp().await.unwrap()), (4, three));
    keys.put_all("v".into(), some(&["e", "f", "g"]), true).await.unwrap();
    assert_eq!(names().await, ["other/z", "v/e", "v/f", "v/g"]);
    let as_many = keys.stamp().await.unwrap();
    keys.remove("v".into(), "g".into()).await.unwrap();
    let fewer = keys.stamp().await.unwrap();
    let all = [none, three, as_many, fewer];
    assert!((1..4).all(|n| !all[..n].contains(&all[n])), "each is told from the others: {all:?}");
}

pub(crate) async fn the_sealing_key_changes(place: &dyn Place) {
    let directory = place.open().await;
    let before = keys(&directory, &[1]);
    // More than a batch.
    for number in 0..70 {
        let name = format!("n{number:02}").into();
        before.put("v".into(), name, secret(&format!("s{number}"))).await.unwrap();
    }
    let alone = keys(&directory, &[2]).reseal().await.unwrap();
    assert_eq!((alone.resealed, alone.stuck.len()), (0, 70), "the old key is needed");
    let both = keys(&directory, &[2, 1]);
    // Whoever seals meanwhile is not disturbed.
    let put = both.put("v".into(), "n05".into(), secret("meanwhile"));
    let (done, put) = tokio::join!(both.reseal(), put);
    put.unwrap();
    let again = both.reseal().await.unwrap();
    assert_eq!(again.resealed, 0);
    assert!(done.unwrap().stuck.is_empty());
    let after = keys(&directory, &[2]);
    for number in 0..70 {
        let opened = after.open("v".into(), format!("n{number:02}").into()).await.unwrap();
        let text = if number == 5 { "meanwhile".to_owned() } else { format!("s{number}") };
        assert_eq!(opened, secret(&text));
    }
    let gone = before.open("v".into(), "n00".into()).await;
    assert!(matches!(gone, Err(NotDone::Sealed(SealError::UnknownKey(_)))));
}

/// Whatever of the file, its log and its index: the secret is in none of them, nor is a key's text.
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn no_secret_is_on_the_disk() {
    use llm_store::keys::Draft;
    let place = InFile::new();
    let directory = (&place as &dyn Place).open().await;
    people(&directory).await;
    issue(&directory, 1, Draft::new(of_user("ann"))).await;
    let keys = keys(&directory, &[1]);
    keys.put("openai".into(), "a".into(), secret(SECRET)).await.unwrap();
    keys.put("openai".into(), "a".into(), secret(&format!("{SECRET}2"))).await.unwrap();
    let shown = key(1);
    let (mut files, mut names) = (0, Vec::new());
    for file in std::fs::read_dir(place.folder.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        files += bytes.len();
        let has = |text: &str| bytes.windows(text.len()).any(|some| some == text.as_bytes());
        assert!(!has("canary") && !has(&shown.expose()[12..]), "{}", path.display());
        if has("openai") {
            names.push(path);
        }
    }
    // The search finds what is there.
    assert!(files > 0 && !names.is_empty());
}

/// Envelopes that somebody swaps in the file open nothing.
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn an_envelope_opens_at_its_own_place() {
    use sqlx::{ConnectOptions, Connection};
    let place = InFile::new();
    let directory = (&place as &dyn Place).open().await;
    let keys = keys(&directory, &[1]);
    for (vendor, name) in [("openai", "a"), ("gemini", "a"), ("opena", "ia")] {
        keys.put(vendor.into(), name.into(), secret(vendor)).await.unwrap();
    }
    let path = place.folder.path().join("store.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut connection = options.connect().await.unwrap();
    let swap = "UPDATE provider_key SET (sealed, version) = (SELECT sealed, version \
         FROM provider_key WHERE vendor = 'opena') WHERE vendor <> 'opena'";
    sqlx::raw_sql(swap).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    for vendor in ["openai", "gemini"] {
        let opened = keys.open(vendor.into(), "a".into()).await;
        assert!(matches!(opened, Err(NotDone::Sealed(SealError::Foreign))), "{opened:?}");
    }
    assert_eq!(keys.open("opena".into(), "ia".into()).await.unwrap(), secret("opena"));
}
