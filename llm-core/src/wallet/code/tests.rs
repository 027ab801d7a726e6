use proptest::prelude::*;

use super::*;
use crate::wallet::{Refused, Wallet};

fn pepper(byte: u8) -> Pepper {
    Pepper::new([byte; 32]).unwrap()
}

fn read(text: &str) -> Result<[u8; CODE_BYTES], NotCode> {
    text.parse::<Code>().map(|code| *code.0.expose())
}

#[test]
fn a_code_is_printed_in_groups() {
    assert_eq!(Code::new([0; 15]).to_string(), "00000-00000-00000-00000-00000");
    let ones = Code::new([0xff; 15]).to_string();
    // 2^120 - 1 is 25 modulo 37.
    assert_eq!(ones, "ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZS");
    let mut last = [0; 15];
    last[14] = 36;
    // The check character has five more letters than the others.
    assert_eq!(Code::new(last).to_string(), "00000-00000-00000-00000-0014U");
    assert_eq!(format!("{:?}", Code::new(last)), "Code(Secret(…))");
}

#[test]
fn what_people_type_is_read() {
    let bytes = [1, 16, 0, 255, 17, 9, 0, 0, 33, 1, 2, 3, 4, 200, 64];
    let shown = Code::new(bytes).to_string();
    assert!(shown.contains('0') && shown.contains('1'), "{shown}");
    let typed = [
        shown.to_lowercase(),
        shown.replace('0', "O").replace('1', "l"),
        shown.replace('0', "o").replace('1', "I"),
        shown.replace('-', ""),
        shown.replace('-', "\u{2013}"),
        format!("  {} ", shown.replace('-', " - ")),
    ];
    for text in typed {
        assert_eq!(read(&text), Ok(bytes), "{text}");
    }
    assert_eq!(read(""), Err(NotCode::Length));
    assert_eq!(read(&shown[1..]), Err(NotCode::Length));
    assert_eq!(read(&format!("{shown}0")), Err(NotCode::Length));
    assert_eq!(read(&"0".repeat(10_000)), Err(NotCode::Length));
    assert_eq!(read(&" ".repeat(10_000)), Err(NotCode::Length));
    assert_eq!(read("00000-00000-00000-00000-0001"), Err(NotCode::Length));
    assert_eq!(read("0000U-00000-00000-00000-00000"), Err(NotCode::Character(5)));
    assert_eq!(read("00000-0가000-00000-00000-00000"), Err(NotCode::Character(8)));
    assert_eq!(read("00000-00000-00000-00000-00001"), Err(NotCode::Check));
}

#[test]
fn a_hash_depends_on_pepper_and_code() {
    let (one, other) = (Code::new([1; 15]), Code::new([2; 15]));
    assert_ne!(one.hash(&pepper(1)), other.hash(&pepper(1)));
    assert_ne!(one.hash(&pepper(1)), one.hash(&pepper(2)));
    let typed: Code = one.to_string().to_lowercase().parse().unwrap();
    assert_eq!(typed.hash(&pepper(1)), one.hash(&pepper(1)));
    assert_eq!(one.hash(&pepper(1)).to_string().len(), 64);
    assert_eq!(Pepper::new([0; 32]).err(), Some(NoPepper));
    assert_eq!(format!("{:?}", pepper(1)), "Pepper(Secret(…))");
}

fn redemption(uses: u32) -> Redemption {
    let end = |second| Some(Timestamp::from_second(second).unwrap());
    let offer =
        Offer { amount: Credits(50), uses, expires_at: end(100), credits_until: end(1_000) };
    Redemption { code: Code::new([1; 15]).hash(&pepper(1)), offer, used: 0 }
}

#[test]
fn once_for_each_wallet_and_so_often_in_all() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let mut code = redemption(2);
    let first = code.redeem(false, at(0)).unwrap();
    assert_eq!((first.amount, first.source), (Credits(50), Source::Redeemed));
    assert_eq!(first.expires_at, Some(at(1_000)));
    assert_eq!(code.redeem(true, at(0)), Err(NotRedeemed::Again));
    let second = code.redeem(false, at(1)).unwrap();
    assert_eq!(code.redeem(false, at(1)), Err(NotRedeemed::UsedUp));
    assert_eq!(code.redeem(true, at(1)), Err(NotRedeemed::Again));
    assert_eq!(code.used, 2);
    // A store that forgot: the wallet does not.
    let mut wallet = Wallet::default();
    assert_eq!(first.event, code.event());
    let _ = wallet.grant(first, at(0)).unwrap();
    assert_eq!(wallet.grant(second, at(1)).unwrap().entries, []);
    let dearer = Grant { amount: Credits(51), ..redemption(1).redeem(false, at(0)).unwrap() };
    assert_eq!(wallet.grant(dearer, at(1)).err(), Some(Refused::OtherTerms));
    assert_eq!(wallet.available(at(1)), Credits(50));
}

#[test]
fn the_instant_of_its_end_is_too_late() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let late = |at| redemption(1).redeem(false, at).err();
    assert_eq!(late(Timestamp::new(99, 999_999_999).unwrap()), None);
    assert_eq!(late(at(100)), Some(NotRedeemed::Expired));
    // What it grants has ended before the code has.
    let mut code = redemption(1);
    code.offer.expires_at = None;
    assert_eq!(code.redeem(false, at(1_000)), Err(NotRedeemed::Expired));
    assert_eq!(code.used, 0);
    code.offer.amount = Credits(0);
    assert_eq!(code.redeem(false, at(0)), Err(NotRedeemed::Worthless));
    assert_eq!(redemption(0).redeem(false, at(0)), Err(NotRedeemed::UsedUp));
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(bytes in any::<[u8; CODE_BYTES]>()) {
        let shown = Code::new(bytes).to_string();
        prop_assert_eq!(shown.len(), CODE_CHARS + 4);
        prop_assert_eq!(read(&shown), Ok(bytes));
    }

    /// Every single mistyped letter, and every two neighbours swapped.
    #[test]
    fn mistakes_are_found(bytes in any::<[u8; CODE_BYTES]>()) {
        let shown: Vec<u8> = Code::new(bytes).to_string().replace('-', "").into_bytes();
        for at in 0..shown.len() {
            for letter in ALPHABET {
                let mut other = shown.clone();
                other[at] = *letter;
                let read = read(std::str::from_utf8(&other).unwrap());
                prop_assert_eq!(read.is_ok(), other == shown);
            }
            if at > 0 && shown[at] != shown[at - 1] {
                let mut other = shown.clone();
                other.swap(at, at - 1);
                prop_assert!(read(std::str::from_utf8(&other).unwrap()).is_err());
            }
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}|[0-9A-Za-z*~$=-]{20,40}") {
        let _ = read(&text);
    }
}
