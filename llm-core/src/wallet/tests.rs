use proptest::prelude::*;

use super::*;
use crate::ledger::rules::Violation;

mod model;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn credits(whole: i64) -> Credits {
    Credits(whole * 1_000_000)
}

fn gift(event: &'static str, amount: i64, expires_at: Option<i64>) -> Grant {
    let (event, source) = (Str::from_static(event), Source::Granted);
    Grant { event, amount: credits(amount), source, expires_at: expires_at.map(at) }
}

/// A wallet that keeps its journal and is checked against it after every step.
#[derive(Default)]
struct Kept {
    wallet: Wallet,
    journal: Vec<Entry>,
}

impl Kept {
    fn keep<R>(&mut self, step: Result<Step<R>, Refused>) -> Result<R, Refused> {
        let step = step?;
        self.journal.extend(step.entries);
        self.wallet.check(&self.journal).unwrap();
        Ok(step.receipt)
    }

    fn grant(&mut self, grant: Grant, now: i64) -> Result<Granted, Refused> {
        let step = self.wallet.grant(grant, at(now));
        self.keep(step)
    }

    fn reserve(&mut self, id: u128, amount: i64, now: i64) -> Result<Credits, Refused> {
        let step = self.wallet.reserve(HoldId(id), credits(amount), at(now));
        self.keep(step).map(|proof| proof.amount())
    }

    fn settle(&mut self, id: u128, actual: i64, now: i64) -> Result<Charge, Refused> {
        let step = self.wallet.settle(HoldId(id), credits(actual), at(now));
        self.keep(step)
    }

    fn release(&mut self, id: u128, now: i64) -> Result<Charge, Refused> {
        let step = self.wallet.release(HoldId(id), at(now));
        self.keep(step)
    }

    fn refund(
        &mut self,
        event: &'static str,
        charge: u128,
        amount: i64,
        now: i64,
    ) -> Result<Refunded, Refused> {
        let (event, amount) = (Str::from_static(event), credits(amount));
        let refund = Refund { event, charge: HoldId(charge), amount, usable_until: None };
        let step = self.wallet.refund(refund, at(now));
        self.keep(step)
    }

    fn available(&self, now: i64) -> i64 {
        self.wallet.available(at(now)).0 / 1_000_000
    }
}

/// A video of 12 minutes into 2 languages: 240 reserved, and 240 charged or 240 back.
#[test]
fn a_captioned_video() {
    let price: formula::Formula =
        "10 credits/minute + 5 credits/minute per target language".parse().unwrap();
    let video = [("minute", 12.into()), ("language", 2.into())];
    assert_eq!(price.price(&video), Ok(credits(240)));
    let mut kept = Kept::default();
    kept.grant(gift("toss:1", 300, None), 0).unwrap();
    assert_eq!(kept.reserve(1, 240, 1), Ok(credits(240)));
    assert_eq!((kept.available(1), kept.wallet.held()), (60, credits(240)));
    // The process was killed and asks again for what it already has.
    assert_eq!(kept.reserve(1, 240, 2), Ok(credits(240)));
    assert_eq!(kept.available(2), 60);
    let charge = kept.settle(1, 240, 3).unwrap();
    assert_eq!((charge.charged, charge.released), (credits(240), credits(0)));
    assert_eq!(kept.settle(1, 100, 4), Ok(charge), "a job is charged once");
    assert_eq!(kept.available(4), 60);
    // Another fails before its end: all of it returns.
    kept.grant(gift("toss:2", 300, None), 4).unwrap();
    kept.reserve(2, 240, 5).unwrap();
    assert_eq!(kept.release(2, 6).unwrap().released, credits(240));
    assert_eq!(kept.available(6), 360);
    // And one that was charged is found to be worthless.
    kept.refund("ticket:9", 1, 240, 7).unwrap();
    assert_eq!(kept.available(7), 600);
    assert_eq!(kept.wallet.open_holds().count(), 0);
}

#[test]
fn the_same_event_grants_once() {
    let mut kept = Kept::default();
    let first = kept.grant(gift("e", 5, Some(10)), 0).unwrap();
    // Late repetitions too: a webhook is sent again for days.
    assert_eq!(kept.grant(gift("e", 5, Some(10)), 99), Ok(first));
    assert_eq!(kept.available(0), 5);
    for other in [gift("e", 6, Some(10)), gift("e", 5, Some(11)), gift("e", 5, None)] {
        assert_eq!(kept.grant(other, 1), Err(Refused::OtherTerms));
    }
    let bought = Grant { source: Source::Bought, ..gift("e", 5, Some(10)) };
    assert_eq!(kept.grant(bought, 1), Err(Refused::OtherTerms));
    assert_eq!(kept.journal.len(), 1);
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut kept = Kept::default();
    kept.grant(gift("e", 5, Some(10)), 0).unwrap();
    kept.reserve(1, 3, 0).unwrap();
    let before = kept.wallet.clone();
    assert_eq!(kept.grant(gift("", 5, None), 0), Err(Refused::Event));
    assert_eq!(kept.grant(gift("f", 0, None), 0), Err(Refused::Amount));
    assert_eq!(kept.grant(gift("f", -1, None), 0), Err(Refused::Amount));
    assert_eq!(kept.grant(gift("f", 1, Some(0)), 0), Err(Refused::Over), "ends as it begins");
    let most = Grant { amount: Credits::MAX, ..gift("f", 1, None) };
    assert_eq!(kept.grant(most, 0), Err(Refused::Range));
    let short = Refused::Short { asked: credits(3), available: credits(2) };
    assert_eq!(kept.reserve(2, 3, 0), Err(short));
    assert_eq!(kept.reserve(2, -1, 0), Err(Refused::Amount));
    assert_eq!(kept.reserve(1, 2, 0), Err(Refused::OtherTerms));
    let over = Refused::Overrun { actual: credits(4), held: credits(3) };
    assert_eq!(kept.settle(1, 4, 0), Err(over));
    assert_eq!(kept.settle(1, -1, 0), Err(Refused::Amount));
    assert_eq!(kept.settle(7, 1, 0), Err(Refused::UnknownHold));
    assert_eq!(kept.refund("r", 1, 1, 0), Err(Refused::UnknownCharge), "it is still open");
    assert_eq!(kept.refund("r", 1, 0, 0), Err(Refused::Amount));
    assert_eq!(kept.wallet, before);
}

#[test]
fn what_ends_first_is_spent_first_and_then_the_oldest() {
    let mut kept = Kept::default();
    let mut put = |event, source, expires_at| {
        kept.grant(Grant { source, ..gift(event, 10, expires_at) }, 0).unwrap();
    };
    put("never", Source::Bought, None);
    put("late", Source::Granted, Some(20));
    put("soon", Source::Redeemed, Some(10));
    put("late too", Source::Bought, Some(20));
    put("late again", Source::Granted, Some(20));
    let order = kept.wallet.buckets().iter().map(|b| (b.id.0, b.left.0 / 1_000_000));
    assert_eq!(order.collect::<Vec<_>>(), [(3, 10), (2, 20), (4, 10), (1, 10)]);
    kept.reserve(1, 35, 0).unwrap();
    let parts = kept.wallet.hold(HoldId(1)).unwrap();
    let parts = parts.iter().map(|(id, part)| (id.0, part.0 / 1_000_000));
    assert_eq!(parts.collect::<Vec<_>>(), [(3, 10), (2, 20), (4, 5)]);
    // What was taken first is spent first, so that what lasts longer comes back.
    kept.settle(1, 12, 1).unwrap();
    let left = kept.wallet.buckets().iter().map(|b| (b.id.0, b.left.0 / 1_000_000));
    assert_eq!(left.collect::<Vec<_>>(), [(2, 18), (4, 10), (1, 10)]);
}

#[test]
fn the_instant_of_its_end_is_no_longer_in_a_bucket() {
    let mut kept = Kept::default();
    kept.grant(gift("e", 10, Some(10)), 0).unwrap();
    let nano_before = Timestamp::new(9, 999_999_999).unwrap();
    assert_eq!(kept.wallet.available(nano_before), credits(10));
    assert_eq!(kept.wallet.clone().reserve(HoldId(1), credits(1), nano_before).err(), None);
    assert_eq!(kept.available(10), 0);
    let short = Refused::Short { asked: credits(1), available: credits(0) };
    assert_eq!(kept.reserve(1, 1, 10), Err(short));
    assert_eq!(kept.wallet.clone().expire(nano_before).entries, []);
    let step = kept.wallet.expire(at(10));
    assert_eq!(step.receipt, credits(10));
    assert_eq!(kept.keep(Ok(step)), Ok(credits(10)));
    assert_eq!(kept.wallet.buckets(), []);
    // A clock that goes back brings nothing back.
    assert_eq!(kept.available(5), 0);
}

#[test]
fn a_hold_may_outlive_its_buckets() {
    let mut kept = Kept::default();
    kept.grant(gift("short", 10, Some(10)), 0).unwrap();
    kept.grant(gift("long", 10, Some(100)), 0).unwrap();
    kept.reserve(1, 15, 9).unwrap();
    kept.reserve(2, 2, 9).unwrap();
    assert_eq!(kept.available(10), 3);
    // Held before the end: spent after it. Six of the ten are used, four come too late.
    let charge = kept.settle(1, 6, 10).unwrap();
    assert_eq!((charge.charged, charge.released), (credits(6), credits(9)));
    assert_eq!((charge.lapsed, kept.available(10)), (credits(4), 8));
    assert_eq!(kept.reserve(1, 15, 10), Err(Refused::Ended));
    assert_eq!(kept.release(2, 100).unwrap().lapsed, credits(2));
    assert_eq!(kept.wallet.buckets(), []);
}

#[test]
fn a_refund_is_never_more_than_the_charge() {
    let mut kept = Kept::default();
    kept.grant(gift("short", 10, Some(10)), 0).unwrap();
    kept.grant(gift("long", 10, Some(100)), 0).unwrap();
    kept.reserve(1, 16, 0).unwrap();
    kept.settle(1, 14, 1).unwrap();
    let first = kept.refund("r1", 1, 6, 2).unwrap();
    assert_eq!(kept.refund("r1", 1, 6, 3), Ok(first));
    assert_eq!(kept.refund("r1", 1, 7, 3), Err(Refused::OtherTerms));
    // What was taken last comes back first, and ends when it would have ended.
    let back = |kept: &Kept| {
        let all = kept.wallet.buckets().iter().filter(|b| b.source == Source::Refunded);
        all.map(|b| (b.left.0 / 1_000_000, b.expires_at)).collect::<Vec<_>>()
    };
    assert_eq!(back(&kept), [(2, Some(at(10))), (4, Some(at(100)))]);
    let over = Refused::OverRefund { asked: credits(9), refundable: credits(8) };
    assert_eq!(kept.refund("r2", 1, 9, 3), Err(over));
    // After its end it comes back in vain, unless it is said that it must be usable.
    kept.refund("r2", 1, 3, 10).unwrap();
    assert_eq!(back(&kept), [(4, Some(at(100)))]);
    let usable_until = Some(at(50));
    let event = Str::from_static("r3");
    let refund = Refund { event, charge: HoldId(1), amount: credits(5), usable_until };
    let step = kept.wallet.refund(refund, at(10));
    kept.keep(step).unwrap();
    assert_eq!(back(&kept), [(5, Some(at(50))), (4, Some(at(100)))]);
    assert_eq!(kept.wallet.charge(HoldId(1)).unwrap().refundable(), credits(0));
}

/// Whatever is in a wallet can be added up, also what comes back.
#[test]
fn sums_stay_in_range() {
    let mut kept = Kept::default();
    let most = |event| Grant { amount: Credits::MAX, ..gift(event, 0, None) };
    let spend = |kept: &mut Kept, id| {
        let step = kept.wallet.reserve(HoldId(id), Credits::MAX, at(0));
        kept.keep(step).unwrap();
        let step = kept.wallet.settle(HoldId(id), Credits::MAX, at(0));
        assert_eq!(kept.keep(step).unwrap().charged, Credits::MAX);
    };
    kept.grant(most("a"), 0).unwrap();
    spend(&mut kept, 1);
    kept.grant(most("b"), 0).unwrap();
    assert_eq!(kept.refund("r", 1, 1, 0), Err(Refused::Range));
    spend(&mut kept, 2);
    kept.refund("r", 1, 1, 0).unwrap();
    assert_eq!(kept.grant(most("c"), 0), Err(Refused::Range));
    assert_eq!(kept.available(0), 1);
}

#[test]
fn a_hold_of_nothing_is_a_hold() {
    let mut kept = Kept::default();
    assert_eq!(kept.reserve(1, 0, 0), Ok(credits(0)));
    assert_eq!(kept.wallet.open_holds().collect::<Vec<_>>(), [(HoldId(1), credits(0))]);
    let charge = kept.settle(1, 0, 1).unwrap();
    assert_eq!(charge.charged, credits(0));
    assert_eq!(kept.reserve(1, 0, 2), Err(Refused::Ended));
}

#[test]
fn buckets_and_holds_end_somewhere() {
    let mut wallet = Wallet::<Credits>::default();
    let many = |n: usize| Grant { event: Str::from(n.to_string()), ..gift("", 1, None) };
    for n in 0..BUCKETS_MAX {
        let grant = Grant { expires_at: Some(at(10 + n as i64)), ..many(n) };
        let _ = wallet.grant(grant, at(0)).unwrap();
    }
    let full = wallet.grant(many(BUCKETS_MAX), at(0)).unwrap_err();
    assert_eq!(full, Refused::Full(Room::Buckets));
    // One of a bucket that exists has room, and so has any when another has ended.
    let _ = wallet.grant(Grant { expires_at: Some(at(11)), ..many(1_000) }, at(0)).unwrap();
    let _ = wallet.grant(many(BUCKETS_MAX), at(10)).unwrap();
    for n in 0..HOLDS_MAX {
        let _ = wallet.reserve(HoldId(n as u128), Credits(1), at(10)).unwrap();
    }
    let full = wallet.reserve(HoldId(u128::MAX), Credits(1), at(10)).unwrap_err();
    assert_eq!(full, Refused::Full(Room::Holds));
    wallet.invariant().unwrap();
}

#[test]
fn what_is_shelved_is_told_again_when_it_is_brought_back() {
    let mut kept = Kept::default();
    let granted = kept.grant(gift("e", 5, None), 0).unwrap();
    kept.reserve(1, 3, 0).unwrap();
    let charge = kept.settle(1, 2, 1).unwrap();
    let refunded = kept.refund("r", 1, 1, 2).unwrap();
    assert_eq!(kept.wallet.shelve(at(0)), []);
    let shelf = kept.wallet.shelve(at(3));
    assert_eq!(shelf.len(), 3);
    assert_eq!(kept.wallet.granted("e"), None);
    kept.wallet.check(&kept.journal).unwrap();
    shelf.into_iter().for_each(|record| kept.wallet.recall(record));
    assert_eq!(kept.grant(gift("e", 5, None), 9), Ok(granted));
    assert_eq!(kept.refund("r", 1, 1, 9), Ok(refunded));
    let now = Charge { refunded: credits(1), ..charge };
    assert_eq!(kept.settle(1, 3, 9), Ok(now));
    assert_eq!(Wallet::replay(&kept.journal), Ok(kept.wallet));
}

/// Each way in which a journal can be wrong is found.
#[test]
fn a_journal_that_was_changed_does_not_check() {
    let mut kept = Kept::default();
    kept.grant(gift("e", 5, Some(9)), 0).unwrap();
    kept.grant(gift("f", 5, None), 0).unwrap();
    kept.reserve(1, 7, 0).unwrap();
    kept.settle(1, 6, 1).unwrap();
    kept.refund("r", 1, 1, 2).unwrap();
    for n in 0..kept.journal.len() {
        let mut without = kept.journal.clone();
        without.remove(n);
        assert!(kept.wallet.check(&without).is_err(), "without {n}");
        for field in 0..3 {
            let mut other = kept.journal.clone();
            let entry = &mut other[n];
            let amount = [&mut entry.left, &mut entry.held, &mut entry.spent];
            amount.into_iter().nth(field).unwrap().0 += 1;
            assert!(kept.wallet.check(&other).is_err(), "field {field} of {n}");
        }
        let mut twice = kept.journal.clone();
        twice.push(twice[n].clone());
        assert!(kept.wallet.check(&twice).is_err(), "{n} twice");
    }
    // What adds up, and says something else about how long it lasts.
    let mut lasting = kept.journal.clone();
    for entry in &mut lasting {
        if let Cause::Refund { expires_at, .. } = &mut entry.cause {
            *expires_at = Some(at(99));
        }
    }
    assert!(kept.wallet.check(&lasting).is_err(), "another end");
    let foreign = Entry { bucket: Some(BucketId(77)), ..kept.journal[2].clone() };
    assert_eq!(Wallet::replay([&foreign]), Err(Violation::Journal));
}

proptest! {
    /// Every step does what counting single coins does, and says so in its journal.
    #[test]
    fn a_wallet_counts_like_coins(steps in prop::collection::vec(model::any_step(), 1..60)) {
        model::run(&steps)?;
    }
}

#[test]
fn what_is_stored_is_not_trusted() {
    let bucket = |id, left, held| {
        let (id, source) = (BucketId(id), Source::Bought);
        Bucket { id, source, left: credits(left), held: credits(held), expires_at: None }
    };
    let state = |buckets, made, holds| Wallet::restore(State { buckets, made, holds }).map(|_| ());
    let hold = |amount| vec![(HoldId(1), vec![(BucketId(1), credits(amount))])];
    assert_eq!(state(vec![bucket(1, 3, 2)], 1, hold(2)), Ok(()));
    assert_eq!(state(vec![bucket(1, 3, 2)], 0, hold(2)), Err(Violation::Journal));
    assert_eq!(state(vec![bucket(1, 3, 2)], 1, hold(1)), Err(Violation::NotHeld));
    assert_eq!(state(vec![bucket(1, 3, 2)], 1, Vec::new()), Err(Violation::NotHeld));
    assert_eq!(state(Vec::new(), 1, hold(2)), Err(Violation::NotHeld));
    assert_eq!(state(vec![bucket(1, -1, 0)], 1, Vec::new()), Err(Violation::NegativeHeld));
    let twice = vec![bucket(1, 1, 0), bucket(2, 1, 0)];
    assert_eq!(state(twice, 2, Vec::new()), Err(Violation::Journal));
}
