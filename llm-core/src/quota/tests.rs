use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::money::{Credits, Money};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(limit: &str, zone: &str) -> Window {
    limit.parse::<Limit>().unwrap().window(&Zone::get(zone).unwrap()).unwrap()
}

fn span(limit: &str, zone: &str, instant: &str) -> String {
    window(limit, zone).window_at(at(instant)).to_string()
}

#[test]
fn limits_as_people_write_them() {
    let read = |s: &str| s.parse::<Limit>().map(|l| (l.quantity, l.period.count, l.period.length));
    let requests = |n, count, length| Ok((Quantity::Requests(n), count, length));
    assert_eq!(read("30/hour"), requests(30, 1, Length::Hour));
    assert_eq!(read("100/15minute"), requests(100, 15, Length::Minute));
    assert_eq!(read("5/15minute"), requests(5, 15, Length::Minute));
    assert_eq!(read("600/minute"), requests(600, 1, Length::Minute));
    assert_eq!(read("0/30s"), requests(0, 30, Length::Second));
    let million = Quantity::Tokens(1_000_000);
    assert_eq!(read("1M tokens/day"), Ok((million, 1, Length::Day)));
    assert_eq!(read("1.5K tokens / 7d"), Ok((Quantity::Tokens(1_500), 7, Length::Day)));
    let twenty = Quantity::Money(Money(20_000_000_000));
    assert_eq!(read("$20/month"), Ok((twenty, 1, Length::Month)));
    assert_eq!(
        read("10 credits/minute"),
        Ok((Quantity::Credits(Credits(10_000_000)), 1, Length::Minute))
    );
    for (text, error) in [
        ("", NotLimit::Period),
        ("30", NotLimit::Period),
        ("30/", NotLimit::Period),
        ("30/fortnight", NotLimit::Period),
        ("30/0hour", NotLimit::Period),
        ("30/007d", NotLimit::Period),
        ("30/9999999999d", NotLimit::Period),
        ("30/100000w", NotLimit::Period),
        ("/hour", NotLimit::Quantity),
        ("-1/hour", NotLimit::Quantity),
        ("$-1/hour", NotLimit::Quantity),
        ("1.5/hour", NotLimit::Quantity),
        ("0.0001K tokens/day", NotLimit::Quantity),
        ("é/hour", NotLimit::Quantity),
        ("1 beer/day", NotLimit::Quantity),
        ("99999999999999999999/day", NotLimit::Quantity),
        ("30/hour sometimes", NotLimit::Mode),
        ("30/month rolling", NotLimit::Mode),
        ("$20/30d rolling", NotLimit::Mode),
    ] {
        assert_eq!(read(text), Err(error), "{text:?}");
    }
}

#[test]
fn durations_of_three_habits() {
    let read = |s: &str| s.parse::<Period>().map(|p| (p.count, p.length));
    for (text, count, length) in [
        ("30s", 30, Length::Second),
        ("30m", 30, Length::Minute),
        ("1m", 1, Length::Minute),
        ("1M", 1, Length::Month),
        ("1mo", 1, Length::Month),
        ("30h", 30, Length::Hour),
        ("30d", 30, Length::Day),
        ("1w", 1, Length::Week),
        ("1Q", 1, Length::Quarter),
        ("1Y", 1, Length::Year),
        ("15minute", 15, Length::Minute),
        ("2weeks", 2, Length::Week),
        ("hour", 1, Length::Hour),
    ] {
        assert_eq!(read(text), Ok((count, length)), "{text:?}");
    }
    assert!(read("H").is_err() && read("1D").is_err() && read("1 d").is_err());
}

#[test]
fn seoul_turns_at_its_own_midnight() {
    let seoul = |limit, instant| span(limit, "Asia/Seoul", instant);
    let day = "2026-11-20T15:00:00Z/2026-11-21T15:00:00Z";
    assert_eq!(seoul("9/day", "2026-11-20T15:00:00Z"), day);
    assert_eq!(seoul("9/day", "2026-11-21T14:59:59.999999999Z"), day);
    // Saturday belongs to the week of Monday the 16th.
    assert_eq!(
        seoul("9/week", "2026-11-21T00:00:00Z"),
        "2026-11-15T15:00:00Z/2026-11-22T15:00:00Z"
    );
    assert_eq!(
        seoul("9/month", "2026-11-30T15:00:00Z"),
        "2026-11-30T15:00:00Z/2026-12-31T15:00:00Z"
    );
    assert_eq!(
        seoul("9/quarter", "2026-12-31T14:59:59Z"),
        "2026-09-30T15:00:00Z/2026-12-31T15:00:00Z"
    );
    assert_eq!(
        seoul("9/year", "2026-12-31T15:00:00Z"),
        "2026-12-31T15:00:00Z/2027-12-31T15:00:00Z"
    );
    // Money never rolls: thirty days after thirty days, each from midnight there.
    let thirty = seoul("$9/30d", "2026-11-21T00:00:00Z");
    assert_eq!(thirty, "2026-11-02T15:00:00Z/2026-12-02T15:00:00Z");
    let resets = at("2026-11-30T15:00:00Z");
    assert_eq!(Zone::get("Asia/Seoul").unwrap().show(resets), "2026-12-01T00:00:00+09:00");
    assert_eq!(Zone::get("Mars/Olympus"), Err(NotZone(String::from("Mars/Olympus"))));
}

#[test]
fn clocks_that_change() {
    let york = |limit, instant| span(limit, "America/New_York", instant);
    // 23 hours, then 25.
    assert_eq!(york("9/day", "2026-03-08T12:00:00Z"), "2026-03-08T05:00:00Z/2026-03-09T04:00:00Z");
    assert_eq!(york("9/day", "2026-11-01T12:00:00Z"), "2026-11-01T04:00:00Z/2026-11-02T05:00:00Z");
    let hours = "9/hour calendar";
    assert_eq!(york(hours, "2026-11-01T06:30:00Z"), "2026-11-01T06:00:00Z/2026-11-01T07:00:00Z");
    // A day that its hours do not divide ends with a shorter window.
    let seven = "9/7h calendar";
    assert_eq!(
        span(seven, "UTC", "2026-11-21T23:00:00Z"),
        "2026-11-21T21:00:00Z/2026-11-22T00:00:00Z"
    );
    // Midnight does not exist there on that day; it begins at one o'clock.
    let beirut = span("9/day", "Asia/Beirut", "2026-03-29T05:00:00Z");
    assert_eq!(beirut, "2026-03-28T22:00:00Z/2026-03-29T21:00:00Z");
    // An island skipped the 30th.
    let apia = span("9/day", "Pacific/Apia", "2011-12-30T12:00:00Z");
    assert_eq!(apia, "2011-12-30T10:00:00Z/2011-12-31T10:00:00Z");
    // Clocks went back over midnight, so that the 31st came twice; its successor begins once.
    let johns = |instant| span("9/day", "America/St_Johns", instant);
    assert_eq!(johns("1987-10-25T02:30:30Z"), johns("1987-10-25T03:00:00Z"));
}

/// Half an hour at Lord Howe, a whole one in Berlin: days are as long as they are there, and the
/// hours of such a day are counted from its midnight.
#[test]
fn days_of_odd_lengths() {
    let berlin = |instant| span("$9/day", "Europe/Berlin", instant);
    assert_eq!(berlin("2026-03-29T12:00:00Z"), "2026-03-28T23:00:00Z/2026-03-29T22:00:00Z");
    assert_eq!(berlin("2026-10-25T12:00:00Z"), "2026-10-24T22:00:00Z/2026-10-25T23:00:00Z");
    let howe = |limit, instant| span(limit, "Australia/Lord_Howe", instant);
    let long = "2026-04-04T13:00:00Z/2026-04-05T13:30:00Z";
    let short = "2026-10-03T13:30:00Z/2026-10-04T13:00:00Z";
    // Both sides of the change, and the half hour that comes twice.
    for instant in ["2026-04-04T13:00:00Z", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"] {
        assert_eq!(howe("9/day", instant), long);
    }
    assert_eq!(howe("9/day", "2026-04-05T13:29:59Z"), long);
    assert_eq!(howe("9/day", "2026-10-03T15:30:00Z"), short);
    let last = howe("9/hour calendar", "2026-04-05T13:10:00Z");
    assert_eq!(last, "2026-04-05T13:00:00Z/2026-04-05T13:30:00Z");
    let first = howe("9/hour calendar", "2026-04-05T13:30:00Z");
    assert_eq!(first, "2026-04-05T13:30:00Z/2026-04-05T14:30:00Z");
    // Weeks and months that a change falls into end at their own midnight.
    let york = |limit, instant| span(limit, "America/New_York", instant);
    let week = "2026-03-02T05:00:00Z/2026-03-09T04:00:00Z";
    assert_eq!(york("9/week", "2026-03-08T06:59:59Z"), week);
    assert_eq!(york("9/week", "2026-03-08T07:00:00Z"), week);
    let month = "2026-11-01T04:00:00Z/2026-12-01T05:00:00Z";
    assert_eq!(york("$20/month", "2026-11-01T05:30:00Z"), month);
    assert_eq!(york("$20/1mo", "2026-11-01T06:30:00Z"), month);
}

/// What other gateways write for a time means the same here.
#[test]
fn habits_mean_the_same() {
    let same = |a: &str, b: &str| {
        let read = |text: &str| text.parse::<Limit>().unwrap();
        assert_eq!(read(a), read(b), "{a} {b}");
        assert_eq!(read(a).span(), read(b).span());
    };
    for (short, word) in [
        ("30s", "30seconds"),
        ("30m", "30minutes"),
        ("30h", "30hours"),
        ("30d", "30days"),
        ("1mo", "month"),
        ("1w", "week"),
        ("1M", "month"),
        ("1Q", "quarter"),
        ("1Y", "year"),
        ("7d", "7day"),
        ("15minute", "15min"),
    ] {
        same(&format!("$20/{short}"), &format!("$20/{word}"));
        same(&format!("1M tokens/{short}"), &format!("1000000 tokens/{word}"));
        same(&format!("100/{short}"), &format!("100 requests/{word}"));
    }
}

#[test]
fn a_counter_is_corrected_where_it_still_counts() {
    let mut counter = Counter::new("r", 10, window("10/minute", "UTC"));
    let now = at("2026-11-21T00:00:00Z");
    let slice = counter.take(4, now).slice;
    counter.correct(slice, 9);
    assert_eq!((counter.ask(0, now).used, counter.ask(1, now).allowed), (13, false));
    counter.correct(slice, i64::MIN);
    assert_eq!(counter.ask(0, now).used, 0, "never below nothing");
    let later = at("2026-11-21T00:02:00Z");
    counter.take(1, later);
    counter.correct(slice, 5);
    assert_eq!(counter.ask(0, later).used, 1);
    // A share of the limit, and what others have allowed beyond all of it.
    assert!(!counter.reserve_within(3, 3, later).allowed);
    assert!(counter.reserve_within(u64::MAX, 30, later).allowed);
    assert_eq!((counter.ask(0, later).reserved, counter.ask(0, later).remaining), (30, 0));
}

#[test]
fn months_end_when_they_end() {
    let utc = |limit, instant| span(limit, "UTC", instant);
    assert_eq!(utc("9/month", "2028-02-29T23:59:59Z"), "2028-02-01T00:00:00Z/2028-03-01T00:00:00Z");
    assert_eq!(utc("9/2mo", "2026-04-30T00:00:00Z"), "2026-03-01T00:00:00Z/2026-05-01T00:00:00Z");
    for instant in [Timestamp::MIN, Timestamp::MAX] {
        for limit in ["9/day", "9/week", "9/month", "9/year", "9/hour", "9/hour calendar"] {
            let _ = window(limit, "Asia/Seoul").window_at(instant);
        }
    }
}

#[test]
fn a_refusal_says_everything() {
    let mut counter = Counter::new("chat", 2, window("2/day", "Asia/Seoul"));
    let now = at("2026-11-21T00:00:00Z");
    assert!(counter.take(1, now).allowed);
    let reserved = counter.reserve(1, now);
    assert_eq!((reserved.used, reserved.reserved, reserved.remaining), (1, 1, 0));
    let refused = counter.take(1, now);
    assert_eq!((refused.allowed, &*refused.rule, refused.limit), (false, "chat", 2));
    assert_eq!((refused.used, refused.reserved, refused.remaining), (1, 1, 0));
    assert_eq!(refused.resets_at, Some(at("2026-11-21T15:00:00Z")));
    assert_eq!(counter.ask(3, now).resets_at, None, "what never fits has no time");
    // Given back, it fits; used for more than was set aside, it does not.
    counter.settle(reserved.slice, 1, 0);
    assert!(counter.ask(1, now).allowed);
    counter.settle(reserved.slice, 0, 5);
    assert_eq!((counter.ask(0, now).used, counter.ask(1, now).allowed), (6, false));
    // The next day is another window, and a clock that goes back does not return to this one.
    assert!(counter.take(2, at("2026-11-21T15:00:00Z")).allowed);
    assert!(!counter.take(1, now).allowed);
    counter.settle(reserved.slice, 0, 5);
    assert_eq!(counter.ask(0, now).used, 2);
}

#[test]
fn a_rolling_refusal_knows_when_it_fits() {
    let mut counter = Counter::new("fast", 10, window("10/hour", "UTC"));
    let start = at("2026-11-21T00:00:00Z");
    counter.take(4, start);
    counter.take(6, start + SignedDuration::from_mins(30));
    let refused = counter.take(3, start + SignedDuration::from_mins(40));
    let when = refused.resets_at.unwrap();
    assert!(!counter.ask(3, when - SignedDuration::from_nanos(1)).allowed);
    assert!(counter.ask(3, when).allowed && !counter.ask(5, when).allowed);
}

#[test]
fn all_rules_or_none() {
    let now = at("2026-11-21T00:00:00Z");
    let mut minute = Counter::new("rpm", 5, window("5/minute", "UTC"));
    let mut day = Counter::new("tpd", 100, window("100 tokens/day", "UTC"));
    let verdicts = take_all(&mut [(&mut minute, 1), (&mut day, 90)], now).unwrap();
    assert_eq!(tightest(&verdicts).map(|v| &*v.rule), Some("tpd"));
    let refused = take_all(&mut [(&mut minute, 1), (&mut day, 11)], now).unwrap_err();
    assert_eq!((&*refused.rule, minute.ask(0, now).used), ("tpd", 1));
    assert_eq!(tightest(&[]), None);
}

const ZONES: [&str; 9] = [
    "UTC",
    "Asia/Seoul",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Havana",
];
const LIMITS: [&str; 14] = [
    "9/30s",
    "9/hour",
    "9/36h calendar",
    "$9/30d",
    "9/7d",
    "9/hour calendar",
    "9/7h calendar",
    "9/day",
    "9/3d calendar",
    "9/week",
    "9/month",
    "9/5mo",
    "9/quarter",
    "9/year",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// From any instant, windows follow each other without a gap and without an overlap.
    #[test]
    fn windows_tile_the_time_line(
        zone in prop::sample::select(&ZONES[..]), limit in prop::sample::select(&LIMITS[..]),
        second in -1_000_000_000i64..4_000_000_000, nanos in 0i32..1_000_000_000,
    ) {
        let window = window(limit, zone);
        let instant = Timestamp::new(second, nanos).unwrap();
        let mut slice = window.slice_at(instant);
        prop_assert!(slice.has(instant));
        prop_assert_eq!(window.slice_at(slice.start), slice);
        let last = slice.end - SignedDuration::from_nanos(1);
        prop_assert_eq!(window.slice_at(last), slice);
        for _ in 0..8 {
            let next = window.slice_at(slice.end);
            prop_assert_eq!(next.start, slice.end);
            prop_assert!(next.end > next.start);
            prop_assert!(window.window_at(slice.end).start >= window.window_at(slice.start).start);
            slice = next;
        }
    }

    /// Around every change of a clock.
    #[test]
    fn windows_tile_across_changes(
        zone in prop::sample::select(&ZONES[..]), limit in prop::sample::select(&LIMITS[..]),
        year in 1985i64..2030, offset in -200_000i64..200_000,
    ) {
        let from = Timestamp::from_second((year - 1970) * 31_557_600).unwrap();
        let tz = jiff::tz::TimeZoneDatabase::bundled().get(zone).unwrap();
        let window = window(limit, zone);
        for change in tz.following(from).take(2) {
            let instant = change.timestamp() + SignedDuration::from_secs(offset);
            let slice = window.slice_at(instant);
            prop_assert!(slice.has(instant), "{zone} {limit} {instant}");
            prop_assert_eq!(window.slice_at(slice.end).start, slice.end);
            let before = window.slice_at(slice.start - SignedDuration::from_nanos(1));
            prop_assert_eq!(before.end, slice.start);
        }
    }

    /// No stretch of the window's length ever has more than the limit, and almost all of the limit
    /// can be used.
    #[test]
    fn a_rolling_window_is_never_exceeded(
        limit in 1u64..20, steps in prop::collection::vec((0i64..9_000, 1u64..4), 1..200),
    ) {
        let mut counter = Counter::new("r", limit, window("1/30s", "UTC"));
        let mut now = at("2026-11-21T00:00:00Z");
        let mut admitted: Vec<(Timestamp, u64)> = Vec::new();
        let length = SignedDuration::from_secs(30);
        let slack = SignedDuration::from_millis(30_000 / 128 + 1);
        for (wait, n) in steps {
            now += SignedDuration::from_millis(wait);
            let sum = |long: SignedDuration| -> u64 {
                admitted.iter().filter(|(t, _)| *t > now - long).map(|(_, n)| n).sum()
            };
            let verdict = counter.take(n, now);
            if verdict.allowed {
                prop_assert!(sum(length) + n <= limit);
                admitted.push((now, n));
            } else {
                prop_assert!(sum(length + slack) + n > limit, "refused without need");
                prop_assert!(verdict.resets_at.is_none_or(|t| t > now));
            }
        }
    }

    #[test]
    fn a_limit_is_read_as_it_is_shown(
        n in 0u64..9_000_000_000, kind in 0usize..4, count in 1u32..50, unit in 0usize..8, rolling: bool,
    ) {
        let length = [
            Length::Second, Length::Minute, Length::Hour, Length::Day, Length::Week,
            Length::Month, Length::Quarter, Length::Year,
        ][unit];
        let pieces = i64::try_from(n).unwrap();
        let quantity = [
            Quantity::Requests(n), Quantity::Tokens(n), Quantity::Money(Money(pieces)),
            Quantity::Credits(Credits(pieces)),
        ][kind];
        let period = Period { count, length };
        let mode = if rolling { Mode::Rolling } else { Mode::Calendar };
        let limit = Limit { quantity, period, mode };
        let expected = if limit.is_countable() { Ok(limit) } else { Err(NotLimit::Mode) };
        let read = limit.to_string().parse::<Limit>();
        prop_assert_eq!(read, expected);
        prop_assert_eq!(limit.window(&Zone::UTC).is_some(), limit.is_countable());
    }
}
