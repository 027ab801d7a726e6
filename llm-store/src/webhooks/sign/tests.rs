use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "another secret of thirty chars";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// The example of the specification's own libraries.
#[test]
fn signs_as_others_do() {
    let secrets = Secrets::new([SECRET]).unwrap();
    let (id, second) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330);
    let signed = secrets.sign(id, second, br#"{"test": 2432232314}"#);
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn believes_what_it_signed_and_nothing_else() {
    let (new, old) = (Secrets::new([OTHER, SECRET]).unwrap(), Secrets::new([SECRET]).unwrap());
    let stranger = Secrets::new(["not the secret you look for"]).unwrap();
    let (id, body) = ("evt_1", &b"{}"[..]);
    let both = new.sign(id, 1_000, body);
    assert_eq!(both.split(' ').count(), 2);
    let shown = Shown { id, timestamp: "1000", signature: &both };
    // While a secret is changed, either side may be first.
    assert_eq!(new.verify(shown, body, at(1_000)), Ok(()));
    assert_eq!(old.verify(shown, body, at(1_000)), Ok(()));
    let alone = old.sign(id, 1_000, body);
    assert_eq!(new.verify(Shown { signature: &alone, ..shown }, body, at(1_000)), Ok(()));

    let refused = Err(NotVerified::Signature);
    assert_eq!(stranger.verify(shown, body, at(1_000)), refused);
    assert_eq!(new.verify(shown, b"{} ", at(1_000)), refused);
    assert_eq!(new.verify(Shown { id: "evt_2", ..shown }, body, at(1_000)), refused);
    assert_eq!(new.verify(Shown { timestamp: "1001", ..shown }, body, at(1_000)), refused);
    for signature in ["", "v1,", "v1", "v2,AAAA", "v1,!", &alone[3..], &alone[..alone.len() - 4]] {
        assert_eq!(new.verify(Shown { signature, ..shown }, body, at(1_000)), refused);
    }
}

#[test]
fn believes_nothing_old() {
    let secrets = Secrets::new([SECRET]).unwrap();
    let signature = secrets.sign("e", 1_000, b"");
    let shown = Shown { id: "e", timestamp: "1000", signature: &signature };
    for now in [700, 1_000, 1_300] {
        assert_eq!(secrets.verify(shown, b"", at(now)), Ok(()));
    }
    for now in [699, 1_301, 0, 9_999_999] {
        assert_eq!(secrets.verify(shown, b"", at(now)), Err(NotVerified::Stale));
    }
    for timestamp in ["", "x", "+1000", "01000", "1000.0", "99999999999999999999", "-377705116801"]
    {
        let seen = secrets.verify(Shown { timestamp, ..shown }, b"", at(1_000));
        assert_eq!(seen, Err(NotVerified::Timestamp), "{timestamp}");
    }
}

/// `a.1` at 2 with `body` signs what `a` at 1 with `2.body` would.
#[test]
fn no_message_is_read_as_another() {
    let secrets = Secrets::new([SECRET]).unwrap();
    let signature = secrets.sign("a", 1_000, b"2.body");
    let shown = Shown { id: "a.1000", timestamp: "2", signature: &signature };
    assert_eq!(secrets.verify(shown, b"body", at(2)), Err(NotVerified::Id));
    for id in ["", "a\nb", &"x".repeat(201)] {
        let seen = secrets.verify(Shown { id, timestamp: "2", signature: "" }, b"", at(2));
        assert_eq!(seen, Err(NotVerified::Id));
    }
}

#[test]
fn a_secret_that_can_be_guessed_is_none() {
    let refused = |texts: &[&str]| Secrets::new(texts.iter().copied()).map(|_| ()).unwrap_err();
    assert_eq!(refused(&[]), NotSecret::None);
    assert_eq!(refused(&[""]), NotSecret::Short(1));
    assert_eq!(refused(&["   "]), NotSecret::Short(1));
    assert_eq!(refused(&[SECRET, "short"]), NotSecret::Short(2));
    assert_eq!(refused(&["whsec_"]), NotSecret::Short(1));
    assert_eq!(refused(&["whsec_AAAA"]), NotSecret::Short(1));
    assert_eq!(refused(&["whsec_not base64 but long enough for it"]), NotSecret::Encoding(1));
    assert_eq!(refused(&[SECRET; 5]), NotSecret::Many);
    assert!(!format!("{:?}", Secrets::new([SECRET]).unwrap()).contains("MfKQ"));
}
