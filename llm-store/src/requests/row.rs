//! A record as columns, and back.

use std::time::Duration;

use llm_core::Str;
use llm_core::call::CallId;
use llm_core::money::Credits;
use llm_core::store::{CallRecord, Outcome};
use llm_core::usage::{TokenKind, Unknown, Usage, UsageSource};

use super::days::stamp;
use super::page::Request;
use super::rest::Rest;
use super::subject::{Subject, clean, is_ours};
use super::{money, subject};
use crate::sql::database::{Arg, Record};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// More tokens (or pieces) than any model reads in one call. What a provider claims beyond is not
/// believed: sums of a day are to stay within their range.
const COUNT_MAX: u64 = 1 << 40;
/// A million dollars: the same for money. The ledger has what was really charged.
const AMOUNT_MAX: i64 = 1 << 50;
/// Labels of a call.
const TAGS_MAX: usize = 16;
/// What is between them. No label has it.
pub(super) const BETWEEN: char = '\n';

/// The columns of a row, in their order.
pub(super) const COLUMNS: [&str; WIDTH] = [
    "at",
    "id",
    "subject",
    "outcome",
    "input",
    "output",
    "charged",
    "first_byte",
    "total",
    "rest",
    "asked",
    "tags",
    "plan",
];
pub(super) const WIDTH: usize = 13;
/// Columns that are added up: tokens, pieces, money; in the order of [`Row::counts`].
pub(super) const COUNTED: [&str; COUNTS] = [
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "output",
    "reasoning",
    "audio_in",
    "audio_out",
    "images",
    "pieces",
    "audio_ms",
    "charged",
    "loss",
];
pub(super) const COUNTS: usize = 13;
/// Where in them stands what has a column of its own.
pub(super) const INPUT: usize = 0;
pub(super) const OUTPUT: usize = 4;
pub(super) const CHARGED: usize = 11;
const LOSS: usize = 12;

/// A record, ready to be written.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) at: i64,
    pub(super) id: [u8; 16],
    /// Its place among the subjects of its batch.
    pub(super) subject: usize,
    pub(super) day: i64,
    asked: Option<Str>,
    pub(super) outcome: &'static str,
    pub(super) counts: [i64; COUNTS],
    rest: Option<String>,
    first_byte: Option<i64>,
    total: i64,
    tags: Option<String>,
    plan: Option<Str>,
}

impl Row {
    pub(super) fn new(record: &CallRecord, subject: usize, day: i64) -> Self {
        let usage = &record.usage;
        let pieces = [u64::from(usage.images), u64::from(usage.calls), usage.audio_ms];
        let tokens = TokenKind::ALL.into_iter().map(|kind| usage.tokens(kind));
        let counted = tokens
            .chain(pieces)
            .map(|count| i64::try_from(count.min(COUNT_MAX)).unwrap_or(i64::MAX));
        let paid = [record.charged, record.loss].map(|paid| paid.0.clamp(-AMOUNT_MAX, AMOUNT_MAX));
        let mut counts = [0; COUNTS];
        counts.iter_mut().zip(counted.chain(paid)).for_each(|(to, from)| *to = from);
        let rest = Rest {
            attempts: i64::from(record.attempts),
            stream: i64::from(record.stream),
            counts,
            unknown: i64::from(usage.unknown.input) + 2 * i64::from(usage.unknown.output),
            source: match usage.source {
                UsageSource::Reported => 0,
                UsageSource::Counted => 1,
                UsageSource::Estimated => 2,
            },
            credits: record.credits.map(|Credits(credits)| credits),
        };
        Self {
            at: stamp(record.at).as_microsecond(),
            id: record.id.as_u128().to_be_bytes(),
            subject,
            day,
            asked: (!is_ours(record)).then(|| clean(&record.model)),
            outcome: match record.outcome {
                Outcome::Done => DONE,
                Outcome::Left => LEFT,
                Outcome::Failed(kind) => kind.name(),
            },
            counts,
            rest: rest.written(),
            first_byte: record.first_byte.map(micros),
            total: micros(record.total),
            tags: tags(&record.tags),
            plan: (!record.plan.is_empty()).then(|| clean(&record.plan)),
        }
    }

    /// Whether it ended with an error.
    pub(super) fn failed(&self) -> bool {
        self.outcome != DONE && self.outcome != LEFT
    }

    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().flat_map(|tags| labels(tags))
    }

    pub(super) fn put<'a>(&'a self, subject: i64, args: &mut Vec<Arg<'a>>) {
        args.extend([Arg::from(self.at), Arg::Bytes(Some(&self.id)), subject.into()]);
        args.extend([Arg::from(self.outcome), self.counts[INPUT].into()]);
        args.extend([Arg::from(self.counts[OUTPUT]), self.counts[CHARGED].into()]);
        args.extend([Arg::from(self.first_byte), self.total.into(), self.rest.as_deref().into()]);
        args.extend([Arg::from(self.asked.as_deref()), self.tags.as_deref().into()]);
        args.push(self.plan.as_deref().into());
    }
}

pub(super) const DONE: &str = "done";
pub(super) const LEFT: &str = "left";

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// All labels in one text, each between two line ends, so that one of them can be looked for.
fn tags(tags: &[Str]) -> Option<String> {
    let (first, _) = tags.split_first()?;
    let mut text = String::with_capacity(2 + first.len());
    text.push(BETWEEN);
    for tag in tags.iter().take(TAGS_MAX) {
        text.push_str(&label(tag));
        text.push(BETWEEN);
    }
    Some(text)
}

/// The labels of such a text.
pub(super) fn labels(tags: &str) -> impl Iterator<Item = &str> {
    tags.split_terminator(BETWEEN).skip(1)
}

/// A label without what is between labels.
pub(super) fn label(tag: &Str) -> Str {
    let tag = clean(tag);
    if tag.contains(BETWEEN) { Str::from(tag.replace(BETWEEN, " ")) } else { tag }
}

/// Reads a row: [`COLUMNS`], then those of its subject.
pub(super) fn read(row: &Record) -> Result<Request, Failure> {
    let id: [u8; 16] = row.bytes(1)?.try_into().map_err(|_| odd("id"))?;
    let rest = Rest::read(row.maybe_text(9)?.as_deref()).ok_or_else(|| odd("rest"))?;
    let mut counts = rest.counts;
    (counts[INPUT], counts[OUTPUT]) = (row.int(4)?, row.int(5)?);
    let tags = row.maybe_text(11)?.unwrap_or_default();
    let mut subject = Subject::read(row, WIDTH)?;
    if let Some(asked) = row.maybe_text(10)? {
        subject.model = Str::from(asked);
    }
    Ok(Request {
        id: call(u128::from_be_bytes(id)),
        at: jiff::Timestamp::from_microsecond(row.int(0)?).map_err(|_| odd("at"))?,
        subject,
        attempts: u32::try_from(rest.attempts).map_err(|_| odd("attempts"))?,
        stream: rest.stream != 0,
        outcome: Str::from(row.text(3)?),
        usage: usage(&counts, &rest)?,
        charged: money(row.int(6)?),
        loss: money(counts[LOSS]),
        credits: rest.credits.map(Credits),
        plan: row.maybe_text(12)?.map(Str::from).unwrap_or_default(),
        first_byte: row.maybe_int(7)?.map(span).transpose()?,
        total: span(row.int(8)?)?,
        tags: labels(&tags).map(Str::from).collect(),
    })
}

fn usage(counts: &[i64; COUNTS], rest: &Rest) -> Result<Usage, Failure> {
    let count = |at: usize| u64::try_from(counts[at]).map_err(|_| odd("count"));
    Ok(Usage {
        input: count(INPUT)?,
        cache_read: count(1)?,
        cache_write: count(2)?,
        cache_write_1h: count(3)?,
        output: count(OUTPUT)?,
        reasoning: count(5)?,
        audio_in: count(6)?,
        audio_out: count(7)?,
        // More than fits was no count to begin with.
        images: u32::try_from(count(8)?).unwrap_or(u32::MAX),
        calls: u32::try_from(count(9)?).unwrap_or(u32::MAX),
        audio_ms: count(10)?,
        unknown: Unknown { input: rest.unknown & 1 != 0, output: rest.unknown & 2 != 0 },
        source: match rest.source {
            0 => UsageSource::Reported,
            1 => UsageSource::Counted,
            2 => UsageSource::Estimated,
            _ => return Err(odd("source").into()),
        },
    })
}

fn span(micros: i64) -> Result<Duration, Failure> {
    Ok(Duration::from_micros(u64::try_from(micros).map_err(|_| odd("duration"))?))
}

fn call(id: u128) -> CallId {
    // The time is what lies above the 80 bits of entropy.
    CallId::new(u64::try_from(id >> 80).unwrap_or_default(), id)
}

/// The columns of a row and of its subject, for a question.
pub(super) fn columns() -> String {
    let own: Vec<String> = COLUMNS.iter().map(|column| format!("r.{column}")).collect();
    format!("{}, {}", own.join(", "), subject::COLUMNS)
}
