//! Windows that replicas share: what [`llm_core::quota::Counter`] does, done where all of them ask.
//!
//! The script counts; the calendar is ours. Which window of the calendar it is depends on the
//! server's clock, and that is known only there: so we send the windows of the instant that we
//! take it to be, and a script that sees another instant answers with that instead of counting.
//! One way there and back, except at the turn of a window.
//!
//! Counters are named by what they count and for how long, not by how much: whoever gets a higher
//! limit keeps what was counted. What turns out otherwise is corrected in the slice it was counted
//! in, by no clock at all. Deliberately absent: money, which accounts count.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::ledger::AccountId;
use llm_core::ledger::rules::Violation;
use llm_core::quota::{Limit, Mode, Quantity, Verdict, Window, WindowId, Zone};
use llm_core::seam::Clock;
use llm_core::store::{Correction, Counters, StoreError, Stored};
use parking_lot::RwLock;
use redis::aio::ConnectionManager;
use redis::{ErrorKind, RedisError, RedisResult, Script};

use super::Redis;

/// What a script's numbers hold exactly. Nobody counts nine thousand million million tokens; a
/// higher limit counts as this one.
const COUNT_MAX: u64 = (1 << 53) - 1;
const BY_MAX: i64 = (1 << 53) - 1;
/// Rules of one question: those of a plan and of a key, several times over.
pub const RULES_MAX: usize = 64;
/// Rules whose windows are remembered: all that a configuration has. Others are computed each time.
const KNOWN_MAX: usize = 4_096;
/// A window may turn on the way there, and once more for a clock that was corrected.
const ROUNDS_MAX: usize = 3;

/// How to count.
#[derive(Debug)]
pub(super) struct Counting {
    script: Script,
    correct: Script,
    zone: Zone,
    known: RwLock<HashMap<Limit, Arc<Rule>>>,
    /// How far the server's clock was ahead of ours when it last said.
    ahead_us: AtomicI64,
}

/// A limit with all that need not be computed again.
#[derive(Debug)]
struct Rule {
    name: Str,
    /// What its counters are called, after the owner.
    suffix: String,
    limit: u64,
    window: Window,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Rolling { length_ms: i64, width_ms: i64 },
    Calendar,
}

/// One rule of a question.
struct Ask {
    rule: Arc<Rule>,
    n: u64,
}

impl Counting {
    pub(super) fn new(zone: Zone) -> Self {
        let script = Script::new(include_str!("lua/take.lua"));
        let correct = Script::new(include_str!("lua/correct.lua"));
        Self { script, correct, zone, known: RwLock::default(), ahead_us: AtomicI64::new(0) }
    }

    fn rule(&self, limit: &Limit) -> Result<Arc<Rule>, StoreError> {
        if let Some(rule) = self.known.read().get(limit) {
            return Ok(Arc::clone(rule));
        }
        // Money is counted by accounts; asking for it here is a mistake, and no limit must not
        // come of a mistake.
        let rule = Rule::new(limit, &self.zone).ok_or(Violation::Range)?;
        let rule = Arc::new(rule);
        let mut known = self.known.write();
        if known.len() < KNOWN_MAX {
            known.insert(*limit, Arc::clone(&rule));
        }
        Ok(rule)
    }

    fn guess(&self, clock: &dyn Clock) -> Timestamp {
        let ahead = SignedDuration::from_micros(self.ahead_us.load(Ordering::Relaxed));
        wall(clock).saturating_add(ahead).unwrap_or(Timestamp::MAX)
    }

    fn learn(&self, now: Timestamp, clock: &dyn Clock) {
        let ahead = now.duration_since(wall(clock)).as_micros();
        self.ahead_us.store(i64::try_from(ahead).unwrap_or(0), Ordering::Relaxed);
    }
}

impl Rule {
    fn new(limit: &Limit, zone: &Zone) -> Option<Self> {
        let (of, most) = match limit.quantity {
            Quantity::Requests(n) => ("requests", n),
            Quantity::Tokens(n) => ("tokens", n),
            Quantity::Money(_) | Quantity::Credits(_) => return None,
        };
        let window = limit.window(zone)?;
        let (kind, mode) = match limit.mode {
            Mode::Rolling => {
                let slice = window.slice_at(Timestamp::UNIX_EPOCH);
                let width_ms = slice.end.as_millisecond() - slice.start.as_millisecond();
                let length_ms = i64::try_from(limit.period.seconds()?).ok()?.checked_mul(1_000)?;
                (Kind::Rolling { length_ms, width_ms }, "rolling")
            }
            Mode::Calendar => (Kind::Calendar, "calendar"),
        };
        let suffix = format!("{of}/{} {mode}", limit.period);
        Some(Self { name: Str::from(limit.to_string()), suffix, limit: most, window, kind })
    }

    /// What a slice is called in a counter.
    fn number(&self, slice: &WindowId) -> i64 {
        let start = slice.start.as_millisecond();
        match self.kind {
            Kind::Rolling { width_ms, .. } => start.div_euclid(width_ms),
            Kind::Calendar => start,
        }
    }

    /// When a count of a slice is gone.
    fn leaves(&self, slice: &WindowId) -> Timestamp {
        match self.kind {
            Kind::Rolling { length_ms, .. } => {
                at_ms(slice.end.as_millisecond().saturating_add(length_ms))
            }
            Kind::Calendar => slice.end,
        }
    }

    fn verdict(&self, allowed: bool, at: Timestamp, used: u64, gone: Option<Timestamp>) -> Verdict {
        Verdict {
            allowed,
            rule: self.name.clone(),
            limit: self.limit,
            used,
            reserved: 0,
            remaining: self.limit.saturating_sub(used),
            resets_at: gone,
            slice: self.window.slice_at(at),
        }
    }

    fn refused(&self, at: Timestamp, used: u64, slice: Option<i64>) -> Verdict {
        let gone = slice.map(|slice| match self.kind {
            Kind::Rolling { length_ms, width_ms } => {
                at_ms(slice.saturating_add(1).saturating_mul(width_ms).saturating_add(length_ms))
            }
            Kind::Calendar => self.leaves(&self.window.slice_at(at)),
        });
        self.verdict(false, at, used, gone)
    }

    fn taken(&self, at: Timestamp, used: u64) -> Verdict {
        let mut verdict = self.verdict(true, at, used, None);
        verdict.resets_at = Some(self.leaves(&verdict.slice));
        verdict
    }
}

impl Counters for Redis {
    fn take<'a>(
        &'a self,
        owner: &'a AccountId,
        asks: &'a [(Limit, u64)],
    ) -> Stored<'a, Vec<Verdict>> {
        Box::pin(async move {
            if asks.is_empty() {
                return Ok(Vec::new());
            }
            if asks.len() > RULES_MAX {
                return Err(Violation::Range.into());
            }
            let asks =
                asks.iter().map(|(limit, n)| Ok(Ask { rule: self.counting.rule(limit)?, n: *n }));
            let asks = asks.collect::<Result<Vec<_>, StoreError>>()?;
            self.counts.ready()?;
            let keys = keys(&self.names.counter(owner), &asks);
            self.counts.run(|to| self.count(to, &keys, &asks)).await
        })
    }

    fn correct<'a>(
        &'a self,
        owner: &'a AccountId,
        corrections: &'a [Correction],
    ) -> Stored<'a, ()> {
        Box::pin(async move {
            if corrections.is_empty() {
                return Ok(());
            }
            if corrections.len() > RULES_MAX {
                return Err(Violation::Range.into());
            }
            let ask = |c: &Correction| Ok(Ask { rule: self.counting.rule(&c.limit)?, n: 0 });
            let asks = corrections.iter().map(ask).collect::<Result<Vec<_>, StoreError>>()?;
            self.counts.ready()?;
            let keys = keys(&self.names.counter(owner), &asks);
            let mut call = self.counting.correct.prepare_invoke();
            for (key, (ask, correction)) in keys.iter().zip(asks.iter().zip(corrections)) {
                let by = correction.by.clamp(-BY_MAX, BY_MAX);
                call.key(key).arg(ask.rule.number(&correction.slice)).arg(by);
            }
            let run = |mut to| async move { call.invoke_async::<i64>(&mut to).await };
            self.counts.run(run).await.map(drop)
        })
    }
}

/// Two rules that count the same for as long are still two: each is its own place in the question.
fn keys(owner: &str, asks: &[Ask]) -> Vec<String> {
    let mut keys = Vec::with_capacity(asks.len());
    for (i, ask) in asks.iter().enumerate() {
        let suffix = &ask.rule.suffix;
        let twins = asks[..i].iter().filter(|other| other.rule.suffix == *suffix).count();
        keys.push(match twins {
            0 => format!("{owner}{suffix}"),
            _ => format!("{owner}{suffix} {twins}"),
        });
    }
    keys
}

impl Redis {
    async fn count(
        &self,
        mut to: ConnectionManager,
        keys: &[String],
        asks: &[Ask],
    ) -> RedisResult<Vec<Verdict>> {
        let (clock, counting) = (&**self.counts.clock(), &self.counting);
        let guess = self.told_time().unwrap_or_else(|| counting.guess(clock));
        let mut instants = vec![guess; asks.len()];
        for _ in 0..ROUNDS_MAX {
            let mut call = counting.script.prepare_invoke();
            self.tell_time(&mut call);
            for (key, (ask, at)) in keys.iter().zip(asks.iter().zip(&instants)) {
                ask.write(*at, call.key(key));
            }
            let answer: Vec<i64> = call.invoke_async(&mut to).await?;
            let (kind, now, rest) = match answer[..] {
                [kind, now, ref rest @ ..] => (kind, at_us(now), rest),
                _ => return Err(odd()),
            };
            if self.told_time().is_none() {
                counting.learn(now, clock);
            }
            match (kind, rest) {
                (0, ats) if ats.len() == asks.len() => {
                    instants = ats.iter().map(|at| at_us(*at)).collect();
                }
                (1, &[rule, at, used, fits, slice]) => {
                    let place = usize::try_from(rule - 1).map_err(|_| odd())?;
                    let ask = asks.get(place).ok_or_else(odd)?;
                    let slice = (fits == 1).then_some(slice);
                    return Ok(vec![ask.rule.refused(at_us(at), count(used)?, slice)]);
                }
                (2, counts) if counts.len() == 2 * asks.len() => {
                    let verdicts = asks.iter().zip(counts.chunks_exact(2));
                    let verdict = |(ask, pair): (&Ask, &[i64])| match *pair {
                        [at, used] => Ok(ask.rule.taken(at_us(at), count(used)?)),
                        _ => Err(odd()),
                    };
                    return verdicts.map(verdict).collect();
                }
                _ => return Err(odd()),
            }
        }
        Err(RedisError::from((ErrorKind::Client, "the server's clock does not stay in a window")))
    }
}

impl Ask {
    fn write(&self, at: Timestamp, call: &mut redis::ScriptInvocation<'_>) {
        let (word, from, to) = match self.rule.kind {
            Kind::Rolling { length_ms, width_ms } => ("rolling", length_ms, width_ms),
            Kind::Calendar => {
                let window = self.rule.window.slice_at(at);
                ("calendar", window.start.as_millisecond(), window.end.as_millisecond())
            }
        };
        // One more than the most fits into nothing.
        call.arg(word).arg(self.n.min(COUNT_MAX + 1)).arg(self.rule.limit.min(COUNT_MAX));
        call.arg(from).arg(to);
    }
}

fn odd() -> RedisError {
    RedisError::from((ErrorKind::UnexpectedReturnType, "not what the script answers"))
}

fn count(used: i64) -> RedisResult<u64> {
    u64::try_from(used).map_err(|_| odd())
}

fn wall(clock: &dyn Clock) -> Timestamp {
    Timestamp::try_from(clock.wall()).unwrap_or(Timestamp::MAX)
}

fn at_ms(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

fn at_us(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap_or(Timestamp::MAX)
}
