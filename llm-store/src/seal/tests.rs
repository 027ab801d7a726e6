mod files;

use bytes::Bytes;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use proptest::prelude::*;

use super::envelope::{SEALED_MAX, SECRET_MAX};
use super::*;

fn key(byte: u8) -> SealKey {
    SealKey::new(Secret::new([byte; 32]))
}

/// Sealing keys for tests: any number of them, the first is current.
#[derive(Debug)]
struct Keys(Vec<SealKey>);

impl KeyProvider for Keys {
    fn current(&self) -> &SealKey {
        &self.0[0]
    }

    fn find(&self, id: SealKeyId) -> Option<&SealKey> {
        self.0.iter().find(|key| key.id() == id)
    }
}

fn sealer(keys: &[u8]) -> Sealer {
    Sealer::new(Arc::new(Keys(keys.iter().map(|b| key(*b)).collect())))
}

fn fresh(seed: u8) -> Fresh {
    Fresh::new(std::array::from_fn(|i| (i as u8).wrapping_mul(31) ^ seed))
}

fn secret(text: &str) -> Secret<Vec<u8>> {
    Secret::new(text.as_bytes().to_vec())
}

const PLACE: Place<'static> =
    Place { table: "provider_keys", column: "secret", row: "acme/openai/0", version: 3 };

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// The vector of draft-irtf-cfrg-xchacha, appendix A.3.1: what we call is that cipher.
#[test]
fn the_cipher_is_the_one_that_it_is_called() {
    let key: [u8; 32] = std::array::from_fn(|i| 0x80 + i as u8);
    let nonce: [u8; 24] = std::array::from_fn(|i| 0x40 + i as u8);
    let bound = hex("50515253c0c1c2c3c4c5c6c7");
    let mut text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip \
        for the future, sunscreen would be it."
        .to_vec();
    let tag = XChaCha20Poly1305::new(&key.into())
        .encrypt_inout_detached(&XNonce::from(nonce), &bound, text.as_mut_slice().into())
        .unwrap();
    let sealed = hex("bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb
         731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452
         2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9
         21f9664c97637da9768812f615c68b13b52e");
    assert_eq!(text, sealed);
    assert_eq!(tag.as_slice(), hex("c0875924c1c7987947deafd8780acf49"));
}

/// A store written by one version is read by the next. The envelope was worked out apart from this
/// code, by another implementation of the cipher and of BLAKE3.
#[test]
fn envelopes_are_as_ever() {
    let known = hex(KNOWN);
    let sealed = sealer(&[7]).seal(&PLACE, &secret("sk-canary-1"), fresh(0)).unwrap();
    assert_eq!(sealed.as_bytes(), &known);
    let read = Sealed::from_bytes(Bytes::from(known)).unwrap();
    assert_eq!(sealer(&[7]).open(&PLACE, &read).unwrap(), secret("sk-canary-1"));
}

const KNOWN: &str = "5345414c01a0acab3824df778ae0ff1e3d5c7b9ab9d8f71635547392b1d0ef0e
     2d4c6b8aa9724ed47f8f0dcbeb360ec3a9bb3bc7db51d7ae23f00e834e58c54e
     64829bdb05d3e43beec9ef116d1434ffaf55c3a99bc8e70625446382a1c0dffe
     1d3c5b7a99b8d7f615345372918bdddd82b398444815065911324c9dc154193b
     a57a885a13cc86a9";

#[test]
fn an_envelope_opens_at_its_own_place_alone() {
    let sealer = sealer(&[1]);
    let sealed = sealer.seal(&PLACE, &secret("s"), fresh(0)).unwrap();
    assert_eq!(sealer.open(&PLACE, &sealed).unwrap(), secret("s"));
    let others = [
        Place { table: "provider_key", ..PLACE },
        Place { table: "provider_keyss", column: "ecret", ..PLACE },
        Place { column: "hidden", ..PLACE },
        Place { row: "acme/openai/1", ..PLACE },
        Place { row: "", ..PLACE },
        Place { version: 2, ..PLACE },
        Place { version: 4, ..PLACE },
    ];
    for place in others {
        assert_eq!(sealer.open(&place, &sealed), Err(SealError::Foreign), "{place:?}");
        assert_eq!(
            super::tests::sealer(&[2, 1]).rewrap(&place, &sealed, fresh(9)),
            Err(SealError::Foreign)
        );
    }
}

#[test]
fn halves_of_two_envelopes_are_none() {
    let sealer = sealer(&[1]);
    let older = sealer.seal(&PLACE, &secret("one"), fresh(0)).unwrap();
    let newer = sealer.seal(&PLACE, &secret("two"), fresh(1)).unwrap();
    // The data key of the one with the secret of the other, at the very same place.
    let cut = 4 + 1 + 8 + 24 + 48;
    let mixed = [&newer.as_bytes()[..cut], &older.as_bytes()[cut..]].concat();
    let mixed = Sealed::from_bytes(mixed.into()).unwrap();
    assert_eq!(sealer.open(&PLACE, &mixed), Err(SealError::Altered));
}

#[test]
fn the_sealing_key_is_exchanged_without_opening_a_secret() {
    let (before, during, after) = (sealer(&[1]), sealer(&[2, 1]), sealer(&[2]));
    let old = before.seal(&PLACE, &secret("s"), fresh(0)).unwrap();
    assert_eq!(old.key(), Ok(key(1).id()));
    assert_eq!(during.open(&PLACE, &old).unwrap(), secret("s"));
    let new = during.rewrap(&PLACE, &old, fresh(1)).unwrap().unwrap();
    assert_eq!(new.key(), Ok(key(2).id()));
    assert_eq!(during.rewrap(&PLACE, &new, fresh(2)), Ok(None));
    assert_eq!(after.open(&PLACE, &new).unwrap(), secret("s"));
    // The secret's own bytes did not move, the head shares nothing with the old one.
    let head = 4 + 1 + 8 + 24 + 48;
    assert_eq!(old.as_bytes()[head..], new.as_bytes()[head..]);
    assert_ne!(old.as_bytes()[13..head], new.as_bytes()[13..head]);
    // Another key file is told from a broken store.
    assert_eq!(after.open(&PLACE, &old), Err(SealError::UnknownKey(key(1).id())));
    assert_eq!(before.open(&PLACE, &new), Err(SealError::UnknownKey(key(2).id())));
    // One cannot be said to be under the other.
    let mut relabelled = new.as_bytes().to_vec();
    relabelled[5..13].copy_from_slice(&old.as_bytes()[5..13]);
    let relabelled = Sealed::from_bytes(relabelled.into()).unwrap();
    assert_eq!(during.open(&PLACE, &relabelled), Err(SealError::Foreign));
    // A secret that was altered is not made good by wrapping it anew.
    let mut altered = old.as_bytes().to_vec();
    *altered.last_mut().unwrap() ^= 1;
    let altered = Sealed::from_bytes(altered.into()).unwrap();
    let carried = during.rewrap(&PLACE, &altered, fresh(1)).unwrap().unwrap();
    assert_eq!(after.open(&PLACE, &carried), Err(SealError::Altered));
}

#[test]
fn every_altered_bit_and_every_cut_is_seen() {
    let sealer = sealer(&[1]);
    let whole = sealer.seal(&PLACE, &secret("sk-0123456789"), fresh(5)).unwrap();
    let bytes = whole.as_bytes();
    for at in 0..bytes.len() * 8 {
        let mut altered = bytes.to_vec();
        altered[at / 8] ^= 1 << (at % 8);
        let opened = Sealed::from_bytes(altered.into()).and_then(|s| sealer.open(&PLACE, &s));
        let why = opened.expect_err("an altered envelope opened");
        match (at / 8, why) {
            (0..4, SealError::NotSealed)
            | (4, SealError::UnknownVersion(_))
            | (5..13, SealError::UnknownKey(_))
            | (13..85, SealError::Foreign)
            | (85.., SealError::Altered) => {}
            (byte, why) => panic!("byte {byte}: {why}"),
        }
    }
    for end in 0..bytes.len() {
        let cut = Sealed::from_bytes(bytes.slice(..end));
        assert!(cut.and_then(|s| sealer.open(&PLACE, &s)).is_err(), "{end}");
        let tail = Sealed::from_bytes(bytes.slice(bytes.len() - end..));
        assert!(tail.and_then(|s| sealer.open(&PLACE, &s)).is_err(), "{end}");
    }
    let longer = [&bytes[..], b"x"].concat();
    let longer = Sealed::from_bytes(longer.into()).unwrap();
    assert_eq!(sealer.open(&PLACE, &longer), Err(SealError::Altered));
    // Other layouts, however long they are.
    for version in [0, 2, 255] {
        let other = Sealed::from_bytes(Bytes::from([b"SEAL".as_slice(), &[version]].concat()));
        assert_eq!(other, Err(SealError::UnknownVersion(version)));
    }
    assert_eq!(Sealed::from_bytes(Bytes::from_static(b"sk-plain")), Err(SealError::NotSealed));
}

#[test]
fn secrets_have_bounds() {
    let sealer = sealer(&[1]);
    for size in [0, 1, SECRET_MAX] {
        let secret = Secret::new(vec![7; size]);
        let sealed = sealer.seal(&PLACE, &secret, fresh(0)).unwrap();
        assert_eq!(sealed.as_bytes().len(), SEALED_MAX - SECRET_MAX + size);
        assert_eq!(sealer.open(&PLACE, &sealed).unwrap(), secret);
    }
    let long = Secret::new(vec![7; SECRET_MAX + 1]);
    assert_eq!(sealer.seal(&PLACE, &long, fresh(0)), Err(SealError::TooLong));
    let long = Bytes::from([b"SEAL\x01".as_slice(), &[0; SEALED_MAX]].concat());
    assert_eq!(Sealed::from_bytes(long), Err(SealError::NotSealed));
}

proptest! {
    #[test]
    fn what_is_sealed_opens(
        bytes: Vec<u8>, seed: u8, row in "\\PC{0,20}", version: u64, keys in (1u8..9, 9u8..20),
    ) {
        let place = Place { row: &row, version, ..PLACE };
        let kept = Secret::new(bytes.clone());
        let sealed = sealer(&[keys.0]).seal(&place, &kept, fresh(seed)).unwrap();
        // As a store gives it back.
        let sealed = Sealed::from_bytes(Bytes::copy_from_slice(sealed.as_bytes())).unwrap();
        let both = sealer(&[keys.1, keys.0]);
        prop_assert_eq!(both.open(&place, &sealed).unwrap(), kept.clone());
        let again = both.rewrap(&place, &sealed, fresh(!seed)).unwrap().unwrap();
        prop_assert_eq!(sealer(&[keys.1]).open(&place, &again).unwrap(), kept);
        // What is short is in there by accident.
        let inside = |sealed: &Sealed| sealed.as_bytes().windows(bytes.len()).any(|w| w == bytes);
        prop_assert!(bytes.len() < 8 || !inside(&sealed) && !inside(&again));
    }

    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>, tail: Vec<u8>) {
        let _ = Sealed::from_bytes(bytes.into());
        let framed = [b"SEAL\x01".as_slice(), &tail].concat();
        if let Ok(sealed) = Sealed::from_bytes(framed.into()) {
            prop_assert!(sealer(&[1]).open(&PLACE, &sealed).is_err());
        }
    }

    /// Names that run into each other are other places.
    #[test]
    fn no_two_places_are_one(
        a in ("[a/]{0,3}", "[a/]{0,3}", "[a/]{0,3}", 0u64..2),
        b in ("[a/]{0,3}", "[a/]{0,3}", "[a/]{0,3}", 0u64..2),
    ) {
        let bytes = |p: &(String, String, String, u64)| {
            Place { table: &p.0, column: &p.1, row: &p.2, version: p.3 }.bytes(b"d")
        };
        prop_assert_eq!(a == b, bytes(&a) == bytes(&b));
    }
}

/// Everything of this module that can be printed, with secrets in all of it.
#[test]
fn no_secret_is_printed() {
    const CANARY: &str = "sk-canary-Zk3xVQ9bPp7LwT2mNa5R";
    let bytes: [u8; 32] = std::array::from_fn(|i| (i * 37 + 11) as u8);
    let keyring = Keyring::new(SealKey::new(Secret::new(bytes)));
    let sealer = Sealer::new(Arc::new(keyring.clone()));
    let random: [u8; FRESH_BYTES] = std::array::from_fn(|i| (i * 37 + 11) as u8);
    let sealed = sealer.seal(&PLACE, &secret(CANARY), Fresh::new(random)).unwrap();
    let opened = sealer.open(&PLACE, &sealed).unwrap();
    let foreign = sealer.open(&Place { row: "x", ..PLACE }, &sealed).unwrap_err();
    let unknown = super::tests::sealer(&[1]).open(&PLACE, &sealed).unwrap_err();
    let not_file = Keyring::parse(&Secret::new(format!("{CANARY}\n"))).unwrap_err();
    let said = [
        format!("{keyring:?} {sealer:?} {sealed:?} {opened:?} {:?}", Fresh::new(random)),
        format!("{foreign} {foreign:?} {unknown} {unknown:?} {not_file} {not_file:?}"),
        format!("{keyring:#?} {sealer:#?} {sealed:#?}"),
    ];
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let decimal = format!("{bytes:?}");
    for text in &said {
        assert!(!text.contains("canary") && !text.contains("Zk3x"), "{text}");
        assert!(!text.contains(&hex[..8]) && !text.contains(&decimal[1..16]), "{text}");
    }
    let key = keyring.current().id();
    assert_eq!(
        format!("{sealed:?}"),
        format!("Sealed {{ key: {key}, bytes: {} }}", 125 + CANARY.len())
    );
    assert!(unknown.to_string().contains(&key.to_string()));
}
