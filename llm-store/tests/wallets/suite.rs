//! What wallets do, one after the other.

use core::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::money::Credits;
use llm_core::principal::TenantId;
use llm_core::quota::{Length, Mode, Period, Window, Zone};
use llm_core::wallet::code::{Code, NotRedeemed, Offer, Pepper};
use llm_core::wallet::formula::Formula;
use llm_core::wallet::guest::{GuestPolicy, NoGuest};
use llm_core::wallet::monthly::{Monthly, Turn};
use llm_core::wallet::{Grant, Refund, Refused, Source};
use llm_store::wallets::{Ask, Device, Enrolment, Filter, Keep, Kind, NotDone, Purchase, WalletId};
use llm_store::webhooks::{Incoming, Secrets, Shown};

use crate::place::{Place, sound, user};

const DAY: i64 = 86_400;

pub(crate) fn credits(whole: i64) -> Credits {
    Credits(whole * 1_000_000)
}

pub(crate) fn gift(event: &str, amount: i64, expires_at: Option<Timestamp>) -> Grant {
    let (event, source) = (Str::from(event.to_owned()), Source::Granted);
    Grant { event, amount: credits(amount), source, expires_at }
}

pub(crate) fn ask(hold: u128, amount: i64, keep: Keep) -> Ask {
    Ask { hold: HoldId(hold), amount: credits(amount), price: None, keep }
}

pub(crate) fn job() -> Keep {
    Keep::Job("caption".into())
}

pub(crate) fn later(place: &Place, seconds: i64) -> Timestamp {
    place.clock.at() + SignedDuration::from_secs(seconds)
}

/// Twelve minutes into two languages.
pub(crate) async fn a_captioned_video(place: &Place) {
    let wallets = place.wallets().await;
    let (who, hold) = (user("u"), HoldId(7));
    let price: Formula =
        "10 credits/minute + 5 credits/minute per target language".parse().unwrap();
    let video = [("minute", 12.into()), ("target language", 2.into())];
    let asked = Ask::priced(hold, &price, &video, job()).unwrap();
    assert_eq!(asked.amount, credits(240));
    let poor = wallets.reserve(&who, asked.clone()).await;
    let short = Refused::Short { asked: credits(240), available: credits(0) };
    assert_eq!(poor, Err(NotDone::Refused(short)));
    wallets.grant(&who, gift("g", 500, None)).await.unwrap();
    let done = wallets.reserve(&who, asked.clone()).await.unwrap();
    assert_eq!((done.receipt.amount(), done.again), (credits(240), false));
    assert_eq!(done.available, credits(260));

    // The process is killed. Another one takes over, much later: a job's hold waits for it.
    drop(wallets);
    place.pass(30 * DAY).await;
    let wallets = place.wallets().await;
    let balance = wallets.balance(&who).await.unwrap();
    assert_eq!((balance.available, balance.held), (credits(260), credits(240)));
    assert_eq!(balance.holds[0].price.as_deref(), Some(&*price.to_string()));
    assert!(wallets.reserve(&who, asked.clone()).await.unwrap().again);
    let done = wallets.settle(&who, hold, credits(240)).await.unwrap();
    assert_eq!((done.receipt.charged, done.receipt.released), (credits(240), credits(0)));
    let twice = wallets.settle(&who, hold, credits(1)).await.unwrap();
    assert_eq!((twice.receipt, twice.again), (done.receipt.clone(), true));
    assert_eq!(wallets.charge(&who, hold).await.unwrap(), Some(done.receipt));
    assert_eq!(wallets.reserve(&who, asked).await, Err(NotDone::Refused(Refused::Ended)));
    assert_eq!(twice.available, credits(260));

    // Another video fails, and all of it returns.
    let asked = Ask::priced(HoldId(8), &price, &video, job()).unwrap();
    wallets.reserve(&who, asked).await.unwrap();
    let back = wallets.release(&who, HoldId(8)).await.unwrap();
    assert_eq!((back.receipt.released, back.available), (credits(240), credits(260)));
    // And what was charged is given back on complaint, once.
    let event = Str::from_static("ticket");
    let refund = Refund { event, charge: hold, amount: credits(240), usable_until: None };
    assert!(!wallets.refund(&who, refund.clone()).await.unwrap().again);
    let again = wallets.refund(&who, refund.clone()).await.unwrap();
    assert_eq!((again.again, again.available), (true, credits(500)));
    let more = Refund { event: "other".into(), amount: credits(1), ..refund };
    let over = Refused::OverRefund { asked: credits(1), refundable: credits(0) };
    assert_eq!(wallets.refund(&who, more).await, Err(NotDone::Refused(over)));
    assert_eq!(sound(&wallets).await.holds_open, 0);
}

pub(crate) async fn an_abandoned_hold_comes_back(place: &Place) {
    let wallets = place.wallets().await;
    let who = user("u");
    wallets.grant(&who, gift("g", 10, None)).await.unwrap();
    let until = |seconds| Keep::Until(later(place, seconds));
    wallets.reserve(&who, ask(1, 10, until(60))).await.unwrap();
    wallets.keep(&who, HoldId(1), until(100)).await.unwrap();
    place.pass(99).await;
    let refused = wallets.reserve(&who, ask(2, 1, job())).await;
    assert!(matches!(refused, Err(NotDone::Refused(Refused::Short { .. }))), "{refused:?}");
    place.pass(1).await;
    // Whoever only looks sees it too, and whoever needs it has it.
    assert_eq!(wallets.balance(&who).await.unwrap().available, credits(10));
    assert_eq!(sound(&wallets).await.holds_open, 1);
    wallets.reserve(&who, ask(2, 10, job())).await.unwrap();
    assert_eq!(sound(&wallets).await.holds_open, 1);
    // Who comes late is told what was charged: nothing.
    let late = wallets.settle(&who, HoldId(1), credits(10)).await.unwrap();
    assert_eq!((late.receipt.charged, late.again), (credits(0), true));
    let kept = wallets.keep(&who, HoldId(1), job()).await;
    assert_eq!(kept, Err(NotDone::Refused(Refused::Ended)));
    let kept = wallets.keep(&who, HoldId(9), job()).await;
    assert_eq!(kept, Err(NotDone::Refused(Refused::UnknownHold)));
    // What a job hands back is anybody's from then on.
    wallets.keep(&who, HoldId(2), until(0)).await.unwrap();
    assert_eq!(wallets.balance(&who).await.unwrap().available, credits(10));
    let nobody = wallets.settle(&user("nobody"), HoldId(1), credits(0)).await;
    assert_eq!(nobody, Err(NotDone::Refused(Refused::UnknownHold)));
}

pub(crate) async fn the_same_event_grants_once(place: &Place) {
    let wallets = place.wallets().await;
    let who = user("u");
    // Finer than what is stored: the same terms are the same all the same.
    let end = later(place, 5 * DAY) + SignedDuration::from_nanos(123);
    let first = wallets.grant(&who, gift("e", 5, Some(end))).await.unwrap();
    assert!(!first.again);
    let again = wallets.grant(&who, gift("e", 5, Some(end))).await.unwrap();
    assert_eq!((&again.receipt, again.again), (&first.receipt, true));
    let other = wallets.grant(&who, gift("e", 6, Some(end))).await;
    assert_eq!(other, Err(NotDone::Refused(Refused::OtherTerms)));
    let balance = wallets.balance(&who).await.unwrap();
    assert_eq!((balance.available, balance.ending_soon), (credits(5), credits(5)));
    place.pass(6 * DAY).await;
    assert_eq!(wallets.balance(&who).await.unwrap().available, credits(0));
    let late = wallets.grant(&who, gift("e", 5, Some(end))).await.unwrap();
    assert_eq!((late.receipt, late.again), (first.receipt, true));
    let over = wallets.grant(&who, gift("f", 5, Some(end))).await;
    assert_eq!(over, Err(NotDone::Refused(Refused::Over)));
    // A clock that goes back brings nothing back that was written off.
    wallets.grant(&who, gift("g", 1, None)).await.unwrap();
    place.pass(-6 * DAY).await;
    assert_eq!(wallets.balance(&who).await.unwrap().available, credits(1));
    sound(&wallets).await;
}

pub(crate) async fn what_was_bought_comes_with_its_bonus(place: &Place) {
    let wallets = place.wallets().await;
    let who = user("u");
    let end = later(place, 90 * DAY);
    let bonus = Some((credits(20), Some(end)));
    let bought = Purchase { event: "p".into(), credits: credits(100), expires_at: None, bonus };
    assert_eq!(wallets.buy(&who, bought.clone()).await.unwrap().available, credits(120));
    let again = wallets.buy(&who, bought.clone()).await.unwrap();
    assert_eq!((again.again, again.available), (true, credits(120)));
    // The bonus cannot be: neither is granted.
    let bonus = Some((credits(0), None));
    let odd = wallets.buy(&who, Purchase { event: "q".into(), bonus, ..bought }).await;
    assert_eq!(odd, Err(NotDone::Refused(Refused::Amount)));
    let balance = wallets.balance(&who).await.unwrap();
    let buckets: Vec<_> = balance.buckets.iter().map(|b| (b.source, b.left)).collect();
    // What ends is spent first.
    assert_eq!(buckets, [(Source::Granted, credits(20)), (Source::Bought, credits(100))]);
    wallets.reserve(&who, ask(1, 30, job())).await.unwrap();
    let charge = wallets.settle(&who, HoldId(1), credits(30)).await.unwrap().receipt;
    let parts: Vec<_> = charge.parts.iter().map(|p| (p.source, p.amount)).collect();
    assert_eq!(parts, [(Source::Granted, credits(20)), (Source::Bought, credits(10))]);
    assert_eq!(wallets.charge(&who, HoldId(1)).await.unwrap(), Some(charge));
    sound(&wallets).await;
}

pub(crate) async fn a_payment_told_twice_is_granted_once(place: &Place) {
    let wallets = place.wallets().await;
    let secrets = Secrets::new(["the secret of the payment provider"]).unwrap();
    let incoming = Incoming { tenant: TenantId::from("t"), secrets };
    let body = br#"{"user": "u", "event_id": "pay_1", "credits": 99.5, "bonus": 0.5}"#;
    for (id, times) in [("msg_1", 2), ("msg_2", 1)] {
        for _ in 0..times {
            let second = place.clock.at().as_second();
            let (stamp, signature) = (second.to_string(), incoming.secrets.sign(id, second, body));
            let shown = Shown { id, timestamp: &stamp, signature: &signature };
            let paid = incoming.read(shown, body, place.clock.at()).unwrap();
            assert_eq!(wallets.top_up(&paid).await.unwrap().available, credits(100));
        }
    }
    assert_eq!(sound(&wallets).await.entries, 2);
}

pub(crate) fn code(number: u8) -> llm_core::wallet::code::CodeHash {
    Code::new([number; 15]).hash(&Pepper::new([1; 32]).unwrap())
}

pub(crate) fn offer(amount: i64, uses: u32) -> Offer {
    Offer { amount: credits(amount), uses, expires_at: None, credits_until: None }
}

pub(crate) async fn codes_are_redeemed_once_each(place: &Place) {
    let wallets = place.wallets().await;
    let tenant = TenantId::from("t");
    wallets.offer(&tenant, code(1), offer(10, 1)).await.unwrap();
    wallets.offer(&tenant, code(1), offer(10, 1)).await.unwrap();
    assert!(wallets.offer(&tenant, code(1), offer(11, 1)).await.is_err());
    wallets.offer(&tenant, code(2), offer(5, 2)).await.unwrap();
    let first = wallets.redeem(&user("a"), code(1)).await.unwrap();
    assert_eq!((first.again, first.available), (false, credits(10)));
    let again = wallets.redeem(&user("a"), code(1)).await.unwrap();
    assert_eq!((again.receipt, again.again), (first.receipt, true));
    let used = Err(NotDone::NotRedeemed(NotRedeemed::UsedUp));
    assert_eq!(wallets.redeem(&user("b"), code(1)).await, used);
    for who in ["a", "a", "b", "b"] {
        wallets.redeem(&user(who), code(2)).await.unwrap();
    }
    assert_eq!(wallets.redeem(&user("c"), code(2)).await, used);
    assert_eq!(wallets.code(&tenant, code(2)).await.unwrap().unwrap().used, 2);
    assert_eq!(wallets.redeem(&user("c"), code(9)).await, Err(NotDone::NoCode));
    // Codes belong to a tenant.
    let stranger = WalletId::user("other", "a");
    assert_eq!(wallets.redeem(&stranger, code(2)).await, Err(NotDone::NoCode));
    wallets.offer(&tenant, code(3), offer(5, 9)).await.unwrap();
    wallets.withdraw(&tenant, code(3)).await.unwrap();
    assert_eq!(wallets.redeem(&user("c"), code(3)).await, used);
    let ends = Offer { expires_at: Some(later(place, 10)), ..offer(5, 9) };
    wallets.offer(&tenant, code(4), ends).await.unwrap();
    place.pass(10).await;
    let expired = Err(NotDone::NotRedeemed(NotRedeemed::Expired));
    assert_eq!(wallets.redeem(&user("c"), code(4)).await, expired);
    sound(&wallets).await;
}

pub(crate) async fn guests_are_few(place: &Place) {
    let wallets = place.wallets().await;
    let day = Period { count: 1, length: Length::Day };
    let window = Window::new(day, Mode::Rolling, &Zone::UTC).unwrap();
    let policy = GuestPolicy { grant: credits(3), per_prefix: 2, per_device: 1, window };
    let tenant = TenantId::from("t");
    let (here, there) = (IpAddr::from([203, 0, 113, 7]), IpAddr::from([198, 51, 100, 7]));
    let come = async |address, device: u8| {
        let device = Device([device; 32]);
        let done = wallets.welcome(&tenant, address, device, &policy).await.unwrap();
        (done.receipt.granted.map(|granted| granted.grant.amount), done.available)
    };
    assert_eq!(come(here, 1).await, (Ok(credits(3)), credits(3)));
    // The same device again, also from elsewhere: its wallet, and nothing more.
    assert_eq!(come(here, 1).await, (Err(NoGuest::Device(1)), credits(3)));
    assert_eq!(come(there, 1).await, (Err(NoGuest::Device(1)), credits(3)));
    assert_eq!(come(IpAddr::from([203, 0, 113, 99]), 2).await, (Ok(credits(3)), credits(3)));
    assert_eq!(come(here, 3).await, (Err(NoGuest::Prefix(2)), credits(0)));
    assert_eq!(come(there, 3).await, (Ok(credits(3)), credits(3)));
    place.pass(2 * DAY).await;
    assert_eq!(come(here, 1).await, (Ok(credits(3)), credits(6)));
    assert_eq!(wallets.forget_guests(later(place, -DAY)).await.unwrap(), 3 + 1);
    assert_eq!(come(here, 1).await, (Err(NoGuest::Device(1)), credits(6)));
    sound(&wallets).await;
}

pub(crate) fn plan(name: &str, amount: i64) -> Enrolment {
    let plan = Str::from(name.to_owned());
    let periods = core::num::NonZeroU8::new(1);
    Enrolment { monthly: Monthly { plan, amount: credits(amount), periods }, turn: Turn::Calendar }
}

pub(crate) async fn a_month_is_granted_when_touched(place: &Place) {
    let wallets = place.wallets().await;
    let who = user("u");
    wallets.set_plan(&who, Some(plan("basic", 100))).await.unwrap();
    wallets.set_plan(&who, Some(plan("basic", 100))).await.unwrap();
    let balance = wallets.balance(&who).await.unwrap();
    assert_eq!((balance.available, balance.plan.as_deref()), (credits(100), Some("basic")));
    // More at once, and less not back; up again is nothing new.
    for (name, amount) in [("pro", 250), ("basic", 100), ("pro", 250)] {
        wallets.set_plan(&who, Some(plan(name, amount))).await.unwrap();
        assert_eq!(wallets.balance(&who).await.unwrap().available, credits(250));
    }
    wallets.reserve(&who, ask(1, 200, job())).await.unwrap();
    wallets.settle(&who, HoldId(1), credits(200)).await.unwrap();
    // February, looked at and then touched: what January left is over.
    place.pass(20 * DAY).await;
    assert_eq!(wallets.balance(&who).await.unwrap().available, credits(250));
    assert_eq!(sound(&wallets).await.entries, 4);
    wallets.reserve(&who, ask(2, 250, job())).await.unwrap();
    let short = wallets.reserve(&who, ask(3, 1, job())).await;
    assert!(matches!(short, Err(NotDone::Refused(Refused::Short { .. }))), "{short:?}");
    // A clock that goes back to January grants nothing again.
    place.pass(-20 * DAY).await;
    assert_eq!(wallets.balance(&who).await.unwrap().available, credits(0));
    // Months in which nobody came grant nothing.
    place.pass(120 * DAY).await;
    assert_eq!(wallets.balance(&who).await.unwrap().available, credits(250));
    wallets.set_plan(&who, None).await.unwrap();
    place.pass(60 * DAY).await;
    assert_eq!(wallets.balance(&who).await.unwrap().available, credits(0));
    sound(&wallets).await;
}

pub(crate) async fn tenants_are_strangers(place: &Place) {
    let wallets = place.wallets().await;
    let (one, other) = (WalletId::user("t", "u"), WalletId::user("s", "u"));
    wallets.grant(&one, gift("e", 5, None)).await.unwrap();
    wallets.grant(&other, gift("e", 7, None)).await.unwrap();
    wallets.reserve(&one, ask(1, 5, job())).await.unwrap();
    let stolen = wallets.settle(&other, HoldId(1), credits(0)).await;
    assert_eq!(stolen, Err(NotDone::Refused(Refused::UnknownHold)));
    assert_eq!(wallets.charge(&other, HoldId(1)).await.unwrap(), None);
    wallets.reserve(&other, ask(1, 6, job())).await.unwrap();
    assert_eq!(wallets.balance(&one).await.unwrap().held, credits(5));
    assert_eq!(sound(&wallets).await.wallets, 2);
}

pub(crate) async fn history_in_pages(place: &Place) {
    let wallets = place.wallets().await;
    let who = user("u");
    for number in 0..10_u128 {
        wallets.grant(&who, gift(&format!("e{number}"), 10, None)).await.unwrap();
        wallets.reserve(&who, ask(number, 5, job())).await.unwrap();
        wallets.settle(&who, HoldId(number), credits(4)).await.unwrap();
        place.pass(10 * DAY).await;
    }
    let all = Filter::default;
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = wallets.history(&who, all(), cursor, 7).await.unwrap();
        seen.extend(page.lines.iter().map(|line| line.seq));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=30).rev().collect::<Vec<_>>());
    let filter = Filter { kinds: vec![Kind::Grant, Kind::Settle], ..all() };
    let page = wallets.history(&who, filter, None, 500).await.unwrap();
    assert_eq!((page.lines.len(), page.next), (20, None));
    let since = later(place, -25 * DAY);
    let filter = Filter { kinds: vec![Kind::Settle], from: Some(since), to: None };
    assert_eq!(wallets.history(&who, filter, None, 500).await.unwrap().lines.len(), 2);

    let begin = "2027-01-01T00:00:00Z".parse().unwrap();
    let months = wallets.months(&who, begin, later(place, 0)).await.unwrap();
    let told: Vec<_> = months.iter().map(|m| (m.granted, m.spent, m.refunded, m.ended)).collect();
    let sums = |n: i64| (credits(10 * n), credits(4 * n), credits(0), credits(0));
    assert_eq!(told, [sums(2), sums(3), sums(3), sums(2)]);
    let nobody = wallets.history(&user("nobody"), all(), None, 10).await.unwrap();
    assert_eq!((nobody.lines.len(), nobody.next), (0, None));
}

pub(crate) async fn odd_names_are_refused(place: &Place) {
    let wallets = place.wallets().await;
    let long = "x".repeat(257);
    for name in ["", "a\0b", "a\nb", &long] {
        let refused = wallets.grant(&user(name), gift("e", 1, None)).await;
        assert_eq!(refused, Err(NotDone::Name), "{name:?}");
        let refused = wallets.grant(&user("u"), gift(name, 1, None)).await;
        assert_eq!(refused, Err(NotDone::Refused(Refused::Event)), "{name:?}");
    }
    let odd = Keep::Job("a\0b".into());
    assert_eq!(wallets.reserve(&user("u"), ask(1, 0, odd)).await, Err(NotDone::Name));
    // A name is a name, whatever it looks like.
    let who = user("'; DROP TABLE wallet; -- %_");
    wallets.grant(&who, gift("monthly/2027", 1, None)).await.unwrap();
    assert_eq!(wallets.balance(&who).await.unwrap().available, credits(1));
    // A hold of nothing is a hold.
    wallets.reserve(&who, ask(1, 0, job())).await.unwrap();
    wallets.release(&who, HoldId(1)).await.unwrap();
    assert_eq!(sound(&wallets).await.entries, 3);
}
