use super::*;
use crate::quota::{Limit, Zone};
use crate::wallet::Wallet;

fn policy() -> GuestPolicy {
    let day = "1/day".parse::<Limit>().unwrap();
    let window = day.window(&Zone::get("Asia/Seoul").unwrap()).unwrap();
    GuestPolicy { grant: Credits(30), per_prefix: 3, per_device: 1, window }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn prefix(address: &str) -> String {
    Prefix::from(address.parse::<IpAddr>().unwrap()).to_string()
}

#[test]
fn a_subscriber_has_one_prefix() {
    assert_eq!(prefix("203.0.113.77"), "203.0.113.0/24");
    assert_eq!(prefix("::ffff:203.0.113.200"), "203.0.113.0/24");
    assert_eq!(prefix("2001:db8:1:2345::1"), "2001:db8:1:2300::/56");
    assert_eq!(prefix("2001:db8:1:23ff:9::"), "2001:db8:1:2300::/56");
    assert_ne!(prefix("2001:db8:1:2400::"), prefix("2001:db8:1:2300::"));
    assert_ne!(prefix("203.0.114.1"), prefix("203.0.113.1"));
}

#[test]
fn both_caps_hold() {
    let now = at("2026-11-21T03:00:00Z");
    let decide = |policy: GuestPolicy, prefix, device| {
        policy.decide(Seen { prefix, device }, now).map(|grant| grant.amount)
    };
    assert_eq!(decide(policy(), 0, 0), Ok(Credits(30)));
    assert_eq!(decide(policy(), 2, 0), Ok(Credits(30)));
    assert_eq!(decide(policy(), 3, 0), Err(NoGuest::Prefix(3)));
    assert_eq!(decide(policy(), 1, 1), Err(NoGuest::Device(1)));
    assert_eq!(decide(policy(), u32::MAX, u32::MAX), Err(NoGuest::Device(u32::MAX)));
    let off = [
        GuestPolicy { grant: Credits(0), ..policy() },
        GuestPolicy { per_prefix: 0, ..policy() },
        GuestPolicy { per_device: 0, ..policy() },
    ];
    for policy in off {
        assert_eq!(decide(policy, 0, 0), Err(NoGuest::Off));
    }
}

#[test]
fn two_replicas_that_have_counted_the_same_grant_once() {
    let policy = GuestPolicy { per_device: 2, ..policy() };
    let mut wallet = Wallet::default();
    let now = at("2026-11-21T03:00:00Z");
    let mut visit = |device, now| {
        let grant = policy.decide(Seen { prefix: 0, device }, now).unwrap();
        let _ = wallet.grant(grant, now).unwrap();
        wallet.available(now).0
    };
    assert_eq!(visit(0, now), 30);
    assert_eq!(visit(0, at("2026-11-21T14:59:59Z")), 30);
    assert_eq!(visit(1, now), 60);
    // Midnight in Seoul.
    assert_eq!(visit(0, at("2026-11-21T15:00:00Z")), 90);
    assert_eq!(policy.counted_from(now), at("2026-11-20T15:00:00Z"));
}
