use std::time::SystemTime;

use llm_core::call::Operation;
use llm_core::dialect::{DialectId, Framing};
use llm_core::error::{Error, Kind};
use llm_core::extra::{LossReason, Losses};
use llm_core::principal::TenantId;
use llm_core::provider::TargetId;
use llm_core::seam::Clock;
use llm_core::store::CacheKey;
use llm_core::usage::{Unknown, Usage, UsageSource};
use proptest::prelude::*;

use super::*;
use crate::seam::SystemClock;

fn key(question: u8) -> CacheKey {
    CacheKey { tenant: TenantId::from("t"), scope: "s".into(), question: [question; 32] }
}

fn recording(body: Vec<u8>, framing: Option<Framing>, usage: Option<Usage>) -> Recording {
    let mut losses = Losses::default();
    losses.push("messages.0.cache", LossReason::Approximated);
    let mut headers = http::HeaderMap::new();
    headers.append("x-request-id", http::HeaderValue::from_static("r"));
    let recorded = SystemClock.now();
    Recording {
        head: ReplyHead {
            operation: Operation::Chat,
            dialect: DialectId::Anthropic,
            framing,
            content_type: "text/event-stream".into(),
            target: TargetId("a/b".into()),
            attempts: 2,
            fallbacks: 1,
            paced: crate::reply::Paced::default(),
            cache: CacheState::Miss,
            limits: None,
            losses,
            headers,
        },
        body: body.into(),
        seen: Observed {
            searches: 0,
            usage,
            finish: Some(FinishReason::Length),
            deltas: 3,
            written: 70,
            guessed: true,
            ended: true,
            closed: true,
            failure: None,
        },
        labels: vec!["key:k".into(), "tag".into()],
        recorded,
        expires: recorded + Duration::from_secs(60),
    }
}

const WALL: SystemTime = SystemTime::UNIX_EPOCH;

fn wall(seconds: u64) -> SystemTime {
    WALL + Duration::from_secs(1_700_000_000 + seconds)
}

fn usage() -> impl Strategy<Value = Option<Usage>> {
    let usage = (prop::array::uniform8(any::<u64>()), any::<u32>(), any::<[bool; 2]>(), 0..3u8);
    prop::option::of(usage.prop_map(|(n, small, unknown, source)| Usage {
        input: n[0],
        cache_read: n[1],
        cache_write: n[2],
        cache_write_1h: n[3],
        output: n[4],
        reasoning: n[5],
        audio_in: n[6],
        audio_out: n[7],
        images: small,
        calls: small / 2,
        audio_ms: n[0] / 3,
        unknown: Unknown { input: unknown[0], output: unknown[1] },
        source: [UsageSource::Reported, UsageSource::Counted, UsageSource::Estimated]
            [usize::from(source)],
    }))
}

fn framing() -> impl Strategy<Value = Option<Framing>> {
    prop::sample::select(vec![
        None,
        Some(Framing::Sse),
        Some(Framing::Ndjson),
        Some(Framing::JsonArray),
    ])
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        body in prop::collection::vec(any::<u8>(), 0..2_000), framing in framing(), usage in usage(),
        later in 0u64..59,
    ) {
        let kept = recording(body, framing, usage);
        let bytes = kept.encode(&key(1), kept.recorded, wall(0)).unwrap();
        let now = kept.recorded + Duration::from_secs(1_000);
        let back = Recording::decode(&bytes, &key(1), Operation::Chat, now, wall(later)).unwrap();
        prop_assert_eq!(&back.body, &kept.body);
        prop_assert_eq!(&back.seen, &kept.seen);
        prop_assert_eq!(&back.labels, &kept.labels);
        prop_assert_eq!(back.age(now), Duration::from_secs(later));
        prop_assert_eq!(back.expires - now, Duration::from_secs(60 - later));
        let (a, b) = (back.replayed(now), kept.head);
        prop_assert_eq!((a.dialect, a.framing, a.attempts), (b.dialect, b.framing, 0));
        prop_assert_eq!((a.content_type, a.target, a.losses), (b.content_type, b.target, b.losses));
        prop_assert_eq!((a.headers, a.cache), (b.headers, CacheState::Hit { age_s: later }));
    }

    #[test]
    fn what_was_changed_or_belongs_to_another_is_not_read(
        body in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(),
        bit in 0u8..8, cut in any::<prop::sample::Index>(),
    ) {
        let kept = recording(body, None, None);
        let bytes = kept.encode(&key(1), kept.recorded, wall(0)).unwrap();
        let decode = |bytes: &[u8], key: &CacheKey| {
            Recording::decode(bytes, key, Operation::Chat, kept.recorded, wall(0))
        };
        let read = |bytes: &[u8], key: &CacheKey| decode(bytes, key).is_some();
        prop_assert!(read(&bytes, &key(1)));
        prop_assert!(!read(&bytes, &key(2)));
        // The same letters, otherwise divided.
        let other = CacheKey { tenant: TenantId::from("ts"), scope: "".into(), ..key(1) };
        prop_assert!(!read(&bytes, &other));
        prop_assert!(!read(&bytes[..cut.index(bytes.len())], &key(1)));
        let mut changed = bytes.to_vec();
        changed[at.index(bytes.len())] ^= 1 << bit;
        // Packed text can say the same in two ways; what is read is what was written.
        if let Some(back) = decode(&changed, &key(1)) {
            prop_assert_eq!((back.body, back.seen), (kept.body.clone(), kept.seen.clone()));
        }
    }

    #[test]
    fn any_bytes_are_fine(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let now = SystemClock.now();
        prop_assert!(Recording::decode(&bytes, &key(1), Operation::Chat, now, wall(0)).is_none());
        let mut bytes = bytes;
        bytes.splice(0..0, [1]);
        prop_assert!(Recording::decode(&bytes, &key(1), Operation::Chat, now, wall(0)).is_none());
    }
}

#[test]
fn what_is_old_is_not_read() {
    let kept = recording(vec![1], None, None);
    let bytes = kept.encode(&key(1), kept.recorded, wall(100)).unwrap();
    let read = |at| Recording::decode(&bytes, &key(1), Operation::Chat, kept.recorded, wall(at));
    assert!(read(159).is_some() && read(160).is_none() && read(10_000).is_none());
    // A clock that stands behind the writer's makes it new, and not younger than that.
    assert_eq!(read(50).unwrap().age(kept.recorded), Duration::ZERO);
}

#[test]
fn what_claims_to_be_large_is_not_unpacked() {
    let mut bytes = vec![1];
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&u32::MAX.to_le_bytes());
    bytes.extend_from_slice(&[0; 64]);
    let now = SystemClock.now();
    assert!(Recording::decode(&bytes, &key(1), Operation::Chat, now, wall(0)).is_none());
    let kept = recording(vec![0; RECORDING_BYTES_MAX + (300 << 10)], None, None);
    assert!(kept.encode(&key(1), kept.recorded, wall(0)).is_none());
}

#[test]
fn only_what_ended_well_is_worth_keeping() {
    let good = Observed { ended: true, ..Observed::default() };
    let with = |finish| Observed { finish: Some(finish), ..good.clone() };
    assert!(!Recording::is_worth(Operation::Chat, &good));
    assert!(Recording::is_worth(Operation::Embed, &good));
    for finish in [FinishReason::Stop, FinishReason::Length, FinishReason::ToolCalls] {
        assert!(Recording::is_worth(Operation::Chat, &with(finish)));
    }
    for finish in [
        FinishReason::ContentFilter,
        FinishReason::Refusal,
        FinishReason::Paused,
        FinishReason::Failed,
        FinishReason::Other("insufficient_system_resource".into()),
    ] {
        assert!(!Recording::is_worth(Operation::Chat, &with(finish)));
    }
    let failure = Some(Error::new(Kind::UpstreamFailed, "x"));
    assert!(!Recording::is_worth(Operation::Chat, &Observed { failure, ..good.clone() }));
    assert!(!Recording::is_worth(Operation::Chat, &Observed { ended: false, ..good }));
}
