//! Calls out of small numbers, so that they have names in common.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::civil::Date;
use llm_core::Str;
use llm_core::call::{CallId, Operation};
use llm_core::error::Kind;
use llm_core::money::{Credits, Money};
use llm_core::principal::{FeatureId, KeyId, Principal, Scope, TeamId, TenantId, UserId};
use llm_core::provider::TargetId;
use llm_core::store::{CallRecord, Outcome};
use llm_core::usage::{Unknown, Usage, UsageSource};
use proptest::prelude::*;

/// Midnight in Seoul, the first of November 2026, in microseconds.
pub(crate) const NOVEMBER: i64 = 1_793_458_800_000_000;
pub(crate) const HOUR: i64 = 3_600_000_000;

pub(crate) fn at(micros: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap())
}

/// Microseconds of an instant.
pub(crate) fn micros(at: SystemTime) -> i64 {
    i64::try_from(at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

/// The day in Seoul, which has no summer time.
pub(crate) fn day(at: SystemTime) -> Date {
    let seoul = jiff::tz::Offset::constant(9);
    seoul.to_datetime(jiff::Timestamp::from_microsecond(micros(at)).unwrap()).date()
}

pub(crate) fn call(number: u128, micros: i64, seed: u64) -> CallRecord {
    let pick = |by: u64, of: u64| (seed / by) % of;
    let user = pick(1, 4);
    let principal = Principal {
        key: KeyId(Str::from(format!("key{}", user * 2 + pick(4, 2)))),
        tenant: TenantId(Str::from(format!("t{}", user % 2))),
        user: (user > 0).then(|| UserId(Str::from(format!("user{user}")))),
        team: (user > 1).then(|| TeamId(Str::from("team"))),
        org: None,
        scope: Scope::all(),
    };
    let outcome = match pick(8, 6) {
        0 => Outcome::Left,
        1 => Outcome::Failed(Kind::Timeout),
        2 => Outcome::Failed(Kind::UnknownModel),
        _ => Outcome::Done,
    };
    let target = ["openai/m1", "gemini/m2", "openai/m2"].get(pick(48, 4) as usize);
    let count = |of: u64| seed.wrapping_mul(2_654_435_761) / 97 % of;
    let usage = Usage {
        input: count(1_000),
        cache_read: count(17),
        cache_write: count(3),
        cache_write_1h: count(2),
        output: count(500),
        reasoning: count(11),
        audio_in: count(7),
        audio_out: count(5),
        images: count(3) as u32,
        calls: count(4) as u32,
        audio_ms: count(900),
        unknown: Unknown { input: seed.is_multiple_of(31), output: seed.is_multiple_of(29) },
        source: [UsageSource::Reported, UsageSource::Counted, UsageSource::Estimated]
            [pick(192, 3) as usize],
    };
    let labels = ["a", "b%", "a_b", "B"];
    CallRecord {
        id: CallId::new(u64::try_from(micros / 1_000).unwrap(), number),
        at: at(micros),
        principal: Arc::new(principal),
        plan: Str::from(["", "basic", "pro"][pick(20_736, 3) as usize]),
        feature: FeatureId(Str::from(["chat", "boost"][pick(576, 2) as usize])),
        operation: [Operation::Chat, Operation::Embed][pick(1_152, 2) as usize],
        dialect: None,
        model: Str::from(["m1", "m2", "odd\0name"][pick(2_304, 3) as usize]),
        target: target.map(|target| TargetId(Str::from(*target))),
        attempts: (seed % 4) as u8,
        stream: seed.is_multiple_of(3),
        cached: pick(6_912, 3) == 0,
        usage,
        charged: Money(count(10_000) as i64),
        loss: Money(count(13) as i64),
        credits: seed.is_multiple_of(7).then(|| Credits(count(700) as i64)),
        outcome,
        first_byte: (!seed.is_multiple_of(5)).then(|| Duration::from_micros(count(1_000_000))),
        total: Duration::from_micros(count(9_000_000)),
        trace: None,
        tags: labels.iter().take((seed % 5) as usize).map(|label| Str::from(*label)).collect(),
        tried: Default::default(),
    }
}

/// Calls of three days around the end of a month, some in the same instant.
pub(crate) fn calls(most: usize) -> impl Strategy<Value = Vec<CallRecord>> {
    let one = (0..72 * 4_i64, any::<u64>());
    proptest::collection::vec(one, 1..most).prop_map(|drawn| {
        let numbered = drawn.into_iter().enumerate();
        let call = |(number, (quarter, seed)): (usize, (i64, u64))| {
            call(number as u128, NOVEMBER - 30 * HOUR + quarter * HOUR / 4, seed)
        };
        numbered.map(call).collect()
    })
}
