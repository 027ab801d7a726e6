use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn zone(name: &str) -> Zone {
    Zone::get(name).unwrap()
}

fn plan(name: &'static str, amount: i64) -> Monthly {
    Monthly { plan: Str::from_static(name), amount: Credits(amount), periods: NonZeroU8::new(1) }
}

fn calendar(since: &str) -> Anchor {
    Anchor { since: at(since), turn: Turn::Calendar }
}

fn anniversary(since: &str) -> Anchor {
    Anchor { since: at(since), turn: Turn::Anniversary }
}

fn period(anchor: &Anchor, name: &str, instant: &str) -> Option<String> {
    let zone = zone(name);
    let period = anchor.period_at(&zone, at(instant))?;
    Some(format!("{} {}", zone.show(period.start), zone.show(period.end)))
}

/// Asks, and grants what is due.
fn ask(wallet: &mut Wallet, plan: &Monthly, anchor: &Anchor, now: &str) -> i64 {
    let Some(grant) = plan.due(wallet, anchor, &zone("Asia/Seoul"), at(now)) else { return 0 };
    let amount = grant.amount.0;
    let step = wallet.grant(grant, at(now)).unwrap();
    assert_eq!(step.entries.iter().filter(|e| e.left > Credits(0)).count(), 1);
    amount
}

#[test]
fn months_begin_at_midnight_in_the_zone() {
    let anchor = calendar("2026-11-10T00:00:00Z");
    let november = "2026-11-01T00:00:00+09:00 2026-12-01T00:00:00+09:00";
    let december = "2026-12-01T00:00:00+09:00 2027-01-01T00:00:00+09:00";
    let seoul = |instant| period(&anchor, "Asia/Seoul", instant);
    assert_eq!(seoul("2026-11-09T23:59:59Z"), None);
    assert_eq!(seoul("2026-11-10T00:00:00Z").as_deref(), Some(november));
    assert_eq!(seoul("2026-11-30T14:59:59.999999999Z").as_deref(), Some(november));
    assert_eq!(seoul("2026-11-30T15:00:00Z").as_deref(), Some(december));
    // Clocks change within the month, and the month is the month all the same.
    let new_york = period(&anchor, "America/New_York", "2027-03-14T12:00:00Z");
    let march = "2027-03-01T00:00:00-05:00 2027-04-01T00:00:00-04:00";
    assert_eq!(new_york.as_deref(), Some(march));
}

#[test]
fn anniversaries_do_not_drift() {
    // The evening of the 30th in UTC is the 31st in Seoul.
    let anchor = anniversary("2026-01-30T20:00:00Z");
    let seoul = |instant| period(&anchor, "Asia/Seoul", instant).unwrap();
    let days = |instant| seoul(instant).replace("T00:00:00+09:00", "");
    assert_eq!(days("2026-01-30T20:00:00Z"), "2026-01-31 2026-02-28");
    assert_eq!(days("2026-02-27T14:59:59Z"), "2026-01-31 2026-02-28");
    assert_eq!(days("2026-02-27T15:00:00Z"), "2026-02-28 2026-03-31");
    assert_eq!(days("2026-03-30T15:00:00Z"), "2026-03-31 2026-04-30");
    assert_eq!(days("2028-02-28T15:00:00Z"), "2028-02-29 2028-03-31");
    // Through both changes of the clocks.
    let new_york =
        |instant| period(&anniversary("2026-01-14T12:00:00Z"), "America/New_York", instant);
    let spring = "2026-02-14T00:00:00-05:00 2026-03-14T00:00:00-04:00";
    assert_eq!(new_york("2026-03-14T03:59:59Z").as_deref(), Some(spring));
    let autumn = "2026-10-14T00:00:00-04:00 2026-11-14T00:00:00-05:00";
    assert_eq!(new_york("2026-11-14T04:59:59Z").as_deref(), Some(autumn));
    // A month that has lost an hour before the day has the same day.
    let anchor = anniversary("2026-03-14T12:00:00Z");
    let short = period(&anchor, "America/New_York", "2026-04-01T00:00:00Z");
    let march = "2026-03-14T00:00:00-04:00 2026-04-14T00:00:00-04:00";
    assert_eq!(short.as_deref(), Some(march));
    // Midnight of that day does not exist in São Paulo: the period begins at one.
    let sao_paulo = anniversary("2017-10-15T12:00:00Z");
    let first = period(&sao_paulo, "America/Sao_Paulo", "2017-10-15T12:00:00Z").unwrap();
    assert_eq!(first, "2017-10-15T01:00:00-02:00 2017-11-15T00:00:00-02:00");
}

#[test]
fn a_period_grants_once() {
    let (anchor, basic) = (anniversary("2026-11-10T00:00:00Z"), plan("basic", 100));
    let mut wallet = Wallet::default();
    assert_eq!(ask(&mut wallet, &basic, &anchor, "2026-11-09T00:00:00Z"), 0);
    assert_eq!(ask(&mut wallet, &basic, &anchor, "2026-11-10T00:00:00Z"), 100);
    assert_eq!(ask(&mut wallet, &basic, &anchor, "2026-12-09T14:59:59Z"), 0);
    // The next begins as the last one ends: nothing is left over, nothing is missing.
    let turn = "2026-12-09T15:00:00Z";
    assert_eq!(wallet.available(at(turn)), Credits(0));
    assert_eq!(ask(&mut wallet, &basic, &anchor, turn), 100);
    assert_eq!(wallet.available(at(turn)), Credits(100));
    // Nobody asked for two months: they have granted nothing.
    assert_eq!(ask(&mut wallet, &basic, &anchor, "2027-03-01T00:00:00Z"), 100);
    assert_eq!(wallet.available(at("2027-03-01T00:00:00Z")), Credits(100));
}

#[test]
fn two_replicas_at_once_grant_once() {
    let (anchor, basic) = (calendar("2026-11-10T00:00:00Z"), plan("basic", 100));
    let now = at("2026-11-20T00:00:00Z");
    let mut wallet = Wallet::default();
    let ours = basic.due(&wallet, &anchor, &zone("Asia/Seoul"), now).unwrap();
    let theirs = basic.due(&wallet, &anchor, &zone("Asia/Seoul"), now).unwrap();
    assert_eq!(ours.event, "monthly/2026-10-31T15:00:00Z/basic");
    assert_eq!(wallet.grant(ours, now).unwrap().entries.len(), 1);
    assert_eq!(wallet.grant(theirs, now).unwrap().entries.len(), 0);
    assert_eq!(wallet.available(now), Credits(100));
}

#[test]
fn moving_between_plans_grants_the_difference_once() {
    let anchor = calendar("2026-11-10T00:00:00Z");
    let (basic, pro, more) = (plan("basic", 100), plan("pro", 500), plan("enterprise", 1_000));
    let mut wallet = Wallet::default();
    let november = "2026-11-20T00:00:00Z";
    assert_eq!(ask(&mut wallet, &basic, &anchor, november), 100);
    let _ = wallet.reserve(crate::ledger::HoldId(1), Credits(80), at(november)).unwrap();
    let _ = wallet.settle(crate::ledger::HoldId(1), Credits(80), at(november)).unwrap();
    assert_eq!(ask(&mut wallet, &pro, &anchor, november), 400);
    assert_eq!(wallet.available(at(november)), Credits(420), "what was spent stays spent");
    assert_eq!(ask(&mut wallet, &basic, &anchor, november), 0);
    assert_eq!(ask(&mut wallet, &pro, &anchor, november), 0);
    assert_eq!(ask(&mut wallet, &more, &anchor, november), 500);
    assert_eq!(ask(&mut wallet, &basic, &anchor, november), 0);
    assert_eq!(wallet.available(at(november)), Credits(920));
    // Another amount of the same plan holds from the next period on.
    assert_eq!(ask(&mut wallet, &plan("enterprise", 2_000), &anchor, november), 0);
    assert_eq!(ask(&mut wallet, &basic, &anchor, "2026-12-20T00:00:00Z"), 100);
    assert_eq!(wallet.available(at("2026-12-20T00:00:00Z")), Credits(100));
}

#[test]
fn grants_may_last_longer() {
    let anchor = calendar("2026-11-10T00:00:00Z");
    let (seoul, now) = (zone("Asia/Seoul"), at("2026-11-20T00:00:00Z"));
    let end = |periods| {
        let plan = Monthly { periods: NonZeroU8::new(periods), ..plan("basic", 1) };
        let grant = plan.due(&Wallet::default(), &anchor, &seoul, now).unwrap();
        grant.expires_at.map(|end| seoul.show(end))
    };
    assert_eq!(end(1).as_deref(), Some("2026-12-01T00:00:00+09:00"));
    assert_eq!(end(3).as_deref(), Some("2027-02-01T00:00:00+09:00"));
    assert_eq!(end(0), None, "without end");
}

proptest! {
    /// Periods lie one after the other, without gap, in every zone and from every day.
    #[test]
    fn periods_follow_each_other(
        since in 1_000_000_000i64..2_000_000_000,
        later in 0i64..200_000_000,
        turn in prop::sample::select(vec![Turn::Calendar, Turn::Anniversary]),
        name in prop::sample::select(vec![
            "UTC", "Asia/Seoul", "America/New_York", "America/Sao_Paulo", "Europe/London",
            "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "America/Havana",
        ]),
    ) {
        let (since, zone) = (Timestamp::from_second(since).unwrap(), zone(name));
        let anchor = Anchor { since, turn };
        let now = since.saturating_add(SignedDuration::from_secs(later)).unwrap();
        let here = anchor.period_at(&zone, now).unwrap();
        prop_assert!(here.has(now), "{here} has not {now}");
        let next = anchor.period_at(&zone, here.end).unwrap();
        prop_assert_eq!(next.start, here.end);
        let before = here.end.saturating_sub(SignedDuration::from_nanos(1)).unwrap();
        let last = anchor.period_at(&zone, before);
        prop_assert_eq!(last, Some(here));
        let hours = here.end.duration_since(here.start).as_hours();
        prop_assert!((27 * 24..=32 * 24).contains(&hours), "{here}: {hours} hours");
    }
}
