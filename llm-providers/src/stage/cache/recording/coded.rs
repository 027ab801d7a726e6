//! A recording as bytes, for a store that several replicas share.
//!
//! `version · seal · length · lz4(fields)`. The seal is a hash over the key and the fields: bytes
//! that a store mixed up, cut or changed are a miss. Whatever cannot be read is one as well.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use llm_core::Str;
use llm_core::call::Operation;
use llm_core::completion::FinishReason;
use llm_core::dialect::{DialectId, Framing, Observed};
use llm_core::extra::{LossReason, Losses};
use llm_core::provider::TargetId;
use llm_core::store::CacheKey;
use llm_core::usage::{Unknown, Usage, UsageSource};

use super::{RECORDING_BYTES_MAX, Recording};
use crate::reply::{CacheState, Paced, ReplyHead};

/// The form of what follows. Another version is a miss.
const VERSION: u8 = 1;
/// Bytes before the packed fields: version, seal, length.
const HEAD_BYTES: usize = 1 + SEAL_BYTES + 4;
const SEAL_BYTES: usize = 16;
/// The most that the fields may have: a body, and heads of which each is bounded by its upstream.
const FIELDS_BYTES_MAX: usize = RECORDING_BYTES_MAX + (256 << 10);

impl Recording {
    /// The bytes; `None` when there are too many. `wall` is now.
    pub(in crate::stage::cache) fn encode(
        &self,
        key: &CacheKey,
        now: Instant,
        wall: SystemTime,
    ) -> Option<Bytes> {
        let mut out = Writer(Vec::with_capacity(self.body.len() + 512));
        let since = wall.checked_sub(self.age(now))?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        out.number(u64::try_from(since.as_millis()).ok()?);
        let ttl = self.expires.saturating_duration_since(self.recorded);
        out.number(u64::try_from(ttl.as_millis()).ok()?);
        out.head(&self.head);
        out.seen(&self.seen);
        out.number(self.labels.len() as u64);
        self.labels.iter().for_each(|l| out.text(l));
        out.bytes(&self.body);
        let fields = out.0;
        if fields.len() > FIELDS_BYTES_MAX {
            return None;
        }
        let packed = lz4_flex::block::compress(&fields);
        let mut all = Vec::with_capacity(HEAD_BYTES + packed.len());
        all.push(VERSION);
        all.extend_from_slice(&seal(key, &fields));
        all.extend_from_slice(&u32::try_from(fields.len()).ok()?.to_le_bytes());
        all.extend_from_slice(&packed);
        Some(all.into())
    }

    /// Reads what [`Recording::encode`] wrote for that key; `None` when it is anything else, or
    /// too old.
    pub(in crate::stage::cache) fn decode(
        bytes: &[u8],
        key: &CacheKey,
        operation: Operation,
        now: Instant,
        wall: SystemTime,
    ) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (sealed, rest) = rest.split_first_chunk::<SEAL_BYTES>()?;
        let (length, packed) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        // Before anything is unpacked: a few bytes can claim to be gigabytes.
        if *version != VERSION || length > FIELDS_BYTES_MAX {
            return None;
        }
        let fields = lz4_flex::block::decompress(packed, length).ok()?;
        if fields.len() != length || seal(key, &fields) != *sealed {
            return None;
        }
        let fields = Bytes::from(fields);
        let mut from = Reader(fields);
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(from.number()?))?;
        let ttl = Duration::from_millis(from.number()?);
        // A clock that went back makes nothing younger than new.
        let age = wall.duration_since(at).unwrap_or_default();
        let left = ttl.checked_sub(age).filter(|l| !l.is_zero())?;
        let head = from.head(operation)?;
        let seen = from.seen()?;
        let labels = from.list(Reader::text)?;
        let body = from.take()?;
        from.0.is_empty().then_some(())?;
        let recorded = now.checked_sub(age).unwrap_or(now);
        Some(Self { head, body, seen, labels, recorded, expires: now.checked_add(left)? })
    }
}

fn seal(key: &CacheKey, fields: &[u8]) -> [u8; SEAL_BYTES] {
    let mut hash = blake3::Hasher::new();
    for part in [&**key.tenant.0.as_bytes(), key.scope.as_bytes(), &key.question] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.update(fields);
    let mut seal = [0; SEAL_BYTES];
    hash.finalize_xof().fill(&mut seal);
    seal
}

struct Writer(Vec<u8>);

impl Writer {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn head(&mut self, head: &ReplyHead) {
        self.text(head.dialect.name());
        self.byte(match head.framing {
            None => 0,
            Some(Framing::Sse) => 1,
            Some(Framing::Ndjson) => 2,
            Some(Framing::JsonArray) => 3,
        });
        self.text(&head.content_type);
        self.text(&head.target.0);
        self.number(head.losses.len() as u64);
        for loss in &head.losses {
            self.text(&loss.path);
            self.byte(match loss.reason {
                LossReason::Dropped => 0,
                LossReason::Approximated => 1,
                LossReason::Reordered => 2,
            });
        }
        self.number(head.headers.len() as u64);
        for (name, value) in &head.headers {
            self.text(name.as_str());
            self.bytes(value.as_bytes());
        }
    }

    fn seen(&mut self, seen: &Observed) {
        self.byte(u8::from(seen.usage.is_some()));
        if let Some(usage) = &seen.usage {
            self.usage(usage);
        }
        // What is kept ended well: no other word is ever written.
        self.byte(match seen.finish {
            Some(FinishReason::Stop) => 1,
            Some(FinishReason::Length) => 2,
            Some(FinishReason::ToolCalls) => 3,
            None | Some(_) => 0,
        });
        self.number(u64::from(seen.deltas));
        self.number(seen.written);
        self.number(u64::from(seen.guessed));
        self.byte(u8::from(seen.closed));
    }

    fn usage(&mut self, u: &Usage) {
        let counts = [u.input, u.cache_read, u.cache_write, u.cache_write_1h, u.output];
        counts.into_iter().for_each(|n| self.number(n));
        let more = [u.reasoning, u.audio_in, u.audio_out, u.images.into(), u.calls.into()];
        more.into_iter().for_each(|n| self.number(n));
        self.number(u.audio_ms);
        self.byte(u8::from(u.unknown.input) | u8::from(u.unknown.output) << 1);
        self.byte(match u.source {
            UsageSource::Reported => 0,
            UsageSource::Counted => 1,
            UsageSource::Estimated => 2,
        });
    }
}

/// The most entries of any list: what a store claims beyond it is not ours.
const LIST_MAX: u64 = 1_024;

struct Reader(Bytes);

impl Reader {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.0.first()?;
        let _ = self.0.split_to(1);
        Some(byte)
    }

    fn number(&mut self) -> Option<u64> {
        let number = u64::from_le_bytes(*self.0.first_chunk()?);
        let _ = self.0.split_to(8);
        Some(number)
    }

    fn take(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.number()?).ok()?;
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    fn text(&mut self) -> Option<Str> {
        // A copy: a slice of the fields would keep the body alive with each label.
        str::from_utf8(&self.take()?).ok().map(Str::from)
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.number()?;
        if count > LIST_MAX {
            return None;
        }
        (0..count).map(|_| one(self)).collect()
    }

    fn head(&mut self, operation: Operation) -> Option<ReplyHead> {
        let dialect = DialectId::parse(&self.text()?)?;
        let framing = match self.byte()? {
            0 => None,
            1 => Some(Framing::Sse),
            2 => Some(Framing::Ndjson),
            3 => Some(Framing::JsonArray),
            _ => return None,
        };
        let content_type = self.text()?;
        let target = TargetId(self.text()?);
        let mut losses = Losses::default();
        let lost = self.list(|r| {
            let path = r.text()?;
            let reason = match r.byte()? {
                0 => LossReason::Dropped,
                1 => LossReason::Approximated,
                2 => LossReason::Reordered,
                _ => return None,
            };
            Some((path, reason))
        })?;
        lost.into_iter().for_each(|(path, reason)| losses.push(path, reason));
        let mut headers = http::HeaderMap::new();
        for (name, value) in self.list(|r| Some((r.take()?, r.take()?)))? {
            let name = http::HeaderName::from_bytes(&name).ok()?;
            headers.append(name, http::HeaderValue::from_bytes(&value).ok()?);
        }
        Some(ReplyHead {
            operation,
            dialect,
            framing,
            content_type,
            target,
            attempts: 0,
            fallbacks: 0,
            paced: Paced::default(),
            cache: CacheState::Bypass,
            limits: None,
            losses,
            headers,
        })
    }

    fn seen(&mut self) -> Option<Observed> {
        let usage = match self.byte()? {
            0 => None,
            _ => Some(self.usage()?),
        };
        let finish = match self.byte()? {
            0 => None,
            1 => Some(FinishReason::Stop),
            2 => Some(FinishReason::Length),
            3 => Some(FinishReason::ToolCalls),
            _ => return None,
        };
        Some(Observed {
            searches: 0,
            usage,
            finish,
            failure: None,
            deltas: u32::try_from(self.number()?).ok()?,
            written: self.number()?,
            guessed: self.number()? != 0,
            ended: true,
            closed: self.byte()? != 0,
        })
    }

    fn usage(&mut self) -> Option<Usage> {
        Some(Usage {
            input: self.number()?,
            cache_read: self.number()?,
            cache_write: self.number()?,
            cache_write_1h: self.number()?,
            output: self.number()?,
            reasoning: self.number()?,
            audio_in: self.number()?,
            audio_out: self.number()?,
            images: u32::try_from(self.number()?).ok()?,
            calls: u32::try_from(self.number()?).ok()?,
            audio_ms: self.number()?,
            unknown: match self.byte()? {
                bits @ 0..=3 => Unknown { input: bits & 1 != 0, output: bits & 2 != 0 },
                _ => return None,
            },
            source: match self.byte()? {
                0 => UsageSource::Reported,
                1 => UsageSource::Counted,
                2 => UsageSource::Estimated,
                _ => return None,
            },
        })
    }
}
