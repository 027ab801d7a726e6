mod laws;

use std::collections::HashSet;

use llm_core::principal::KeyId;
use llm_core::secret::{Secret, redact};
use proptest::prelude::*;

use super::*;

fn pepper(byte: u8) -> Pepper {
    Pepper::new(Secret::new([byte; 32]))
}

#[test]
fn keys_are_written_as_ever() {
    // Worked out apart from this code: base 62, and zlib's CRC-32.
    let known = [
        ([0; 32], KNOWN_ZERO),
        ([0xff; 32], KNOWN_ONES),
        (std::array::from_fn(|i| i as u8), KNOWN_COUNT),
    ];
    for (random, text) in known {
        assert_eq!(VirtualKey::new(random).expose(), text);
        assert_eq!(check(text), Ok(()));
    }
}

const KNOWN_ZERO: &str = "sk-gw-00000000000000000000000000000000000000000003ZrOc8";
const KNOWN_ONES: &str = "sk-gw-yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp11v7RAa";
const KNOWN_COUNT: &str = "sk-gw-003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf4Mi2iK";

/// A store written by one version is read by the next.
#[test]
fn prints_are_as_ever() {
    // Worked out apart from this code: keyed BLAKE3 of "virtual key", a zero and the text.
    const PRINT: &str = "bf31aea04a5fc3026bbc1f7fa2dbf9deb0758dfa7b7dfd371c54ce28e5fb2eb9";
    let print = Peppers::new(pepper(7)).print(KNOWN_COUNT);
    assert_eq!(hex(&print.hash.0), PRINT);
    assert_eq!(print.pepper, PepperId(0x06e4_ae3f_1e80_08d9));
}

#[test]
fn what_is_no_key_is_told_without_a_store() {
    assert_eq!(check(""), Err(NotKey::Foreign));
    assert_eq!(check("sk-proj-0123456789"), Err(NotKey::Foreign));
    assert_eq!(check(&KNOWN_COUNT.to_uppercase()), Err(NotKey::Foreign));
    assert_eq!(check("sk-gw-"), Err(NotKey::Length));
    assert_eq!(check(&format!("{KNOWN_COUNT} ")), Err(NotKey::Length));
    assert_eq!(check(&KNOWN_COUNT[..54]), Err(NotKey::Length));
    let korean = format!("sk-gw-{}", "가".repeat(16)) + "x";
    assert_eq!((korean.len(), check(&korean)), (55, Err(NotKey::Check)));
    assert_eq!(check(&"sk-gw-".repeat(1_000_000)), Err(NotKey::Length));
}

proptest! {
    #[test]
    fn keys_are_read_and_no_two_are_one(a: [u8; 32], b: [u8; 32]) {
        let (one, other) = (VirtualKey::new(a), VirtualKey::new(b));
        prop_assert_eq!(check(one.expose()), Ok(()));
        prop_assert_eq!(a == b, one.expose() == other.expose());
    }

    /// What a CRC promises: whatever is changed within four characters is seen.
    #[test]
    fn slips_are_seen(random: [u8; 32], at in 6usize..52, slip in "[0-9A-Za-z]{1,4}") {
        let key = VirtualKey::new(random);
        let mut text = key.expose().to_owned();
        let end = (at + slip.len()).min(text.len());
        text.replace_range(at..end, &slip[..end - at]);
        prop_assert_eq!(check(&text).is_ok(), text == key.expose());
    }

    #[test]
    fn any_text_is_answered(text in "\\PC*", tail in "\\PC{0,60}") {
        let _ = check(&text);
        let _ = check(&format!("sk-gw-{tail}"));
    }
}

#[test]
fn neighbours_swapped_are_seen() {
    let text = KNOWN_COUNT.as_bytes();
    for at in 6..text.len() - 1 {
        let mut swapped = text.to_vec();
        swapped.swap(at, at + 1);
        let swapped = String::from_utf8(swapped).unwrap();
        assert_eq!(check(&swapped).is_ok(), swapped == KNOWN_COUNT, "{at}");
    }
}

#[test]
fn peppers_are_exchanged_without_losing_a_key() {
    let old = Peppers::new(pepper(1));
    let lines = |bytes: &[u8]| {
        use base64::Engine;
        let line = |b: &u8| {
            let mut key = [*b; 32];
            key[0] = 0;
            base64::engine::general_purpose::STANDARD.encode(key)
        };
        Secret::new(bytes.iter().map(line).collect::<Vec<_>>().join("\n# remark\n\n"))
    };
    let both = Peppers::parse(&lines(&[2, 1])).unwrap();
    let before = Peppers::parse(&lines(&[1])).unwrap();
    let stored = before.print(KNOWN_COUNT);
    // It is found, and is to be stored anew.
    assert!(both.prints(KNOWN_COUNT).any(|print| print == stored));
    assert!(both.matches(&stored, KNOWN_COUNT) && !both.matches(&stored, KNOWN_ZERO));
    let renewed = both.renewed(&stored, KNOWN_COUNT).unwrap();
    assert_eq!(renewed, both.prints(KNOWN_COUNT).next().unwrap());
    assert_eq!(both.renewed(&renewed, KNOWN_COUNT), None);
    // A print that is another key's is never renewed to this one.
    assert_eq!(both.renewed(&stored, KNOWN_ZERO), None);
    // A pepper that is not there finds nothing, whatever the hash.
    assert!(!old.matches(&stored, KNOWN_COUNT));
    let forged = KeyPrint { pepper: old.print("x").pepper, ..stored };
    assert!(!old.matches(&forged, KNOWN_COUNT));
    assert!(Peppers::parse(&lines(&[1, 2, 3, 4, 5])).is_err());
}

/// The bytes that must be nowhere, and everything that can be printed.
#[test]
fn no_secret_is_printed() {
    let random: [u8; 32] = std::array::from_fn(|i| (i * 37) as u8);
    let key = VirtualKey::new(random);
    let peppers = Peppers::new(Pepper::new(Secret::new(random)));
    let minted = Minted::new(KeyId::from("k1"), &key, &peppers);
    let wrong = check(&key.expose().replace("sk-gw-", "sk-gw-x")).unwrap_err();
    let said = [
        format!("{key:?} {:?}", key.clone()),
        format!("{peppers:?} {minted:?} {:#?}", laws::record(minted.clone())),
        format!("{wrong} {wrong:?} {}", NotKey::Check),
    ];
    let (hex, decimal) = (hex(&random), format!("{random:?}"));
    let print = hex_of(&minted);
    for text in &said {
        // Lists show four characters; a fifth is too many.
        assert!(!text.contains(&key.expose()[6..11]), "{text}");
        assert!(!text.contains(&key.expose()[11..]), "{text}");
        assert!(!text.contains(&hex[..16]) && !text.contains(&decimal[1..20]), "{text}");
        assert!(!text.contains(&print[..8]), "{text}");
    }
    assert_eq!(minted.label.strip_suffix('…'), key.expose().get(..10));
    // And what quotes a key by mistake is cut before it goes out.
    assert_eq!(redact(&format!("bad key {}", key.expose())), "bad key sk-…");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn hex_of(minted: &Minted) -> String {
    hex(&minted.print.hash.0)
}

#[test]
fn actions_have_words() {
    let words: HashSet<_> = Action::ALL.iter().map(|a| a.name()).collect();
    assert_eq!(words.len(), Action::ALL.len());
    for action in Action::ALL {
        assert_eq!(Action::parse(action.name()), Some(action));
        assert!(Actions::all().has(action) && !Actions::NONE.has(action));
        assert_eq!(Actions::from_iter([action]).iter().collect::<Vec<_>>(), [action]);
    }
    assert_eq!(Action::parse("admin"), None);
    assert!(!Actions::from_iter([Action::Call, Action::ReadUsage]).administers());
    assert!(Actions::from_iter([Action::Call, Action::ManageKeys]).administers());
}
