//! The log, a page at a time, newest first.
//!
//! A page goes on behind the last row of the one before: rows that come meanwhile are newer and
//! move nothing. The log is walked in its one order, by time; where few subjects are looked for,
//! only through the days in which their sums say that they have rows.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use llm_core::Str;
use llm_core::call::CallId;
use llm_core::error::Kind;
use llm_core::money::{Credits, Money};
use llm_core::store::StoreError;
use llm_core::usage::Usage;

use super::Requests;
use super::row::{BETWEEN, DONE, LEFT, columns, label, read};
use super::subject::{Of, Subject, Text};
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;

/// Rows of a page at the most.
pub const PAGE_MAX: usize = 500;
/// Subjects whose days are looked up: whoever asks for more asks for most of the log.
const SUBJECTS_MAX: i64 = 1_000;
/// Of a day, in microseconds.
const DAY: i64 = 86_400_000_000;

const SUBJECTS: &str = "SELECT s.id FROM request_subject s WHERE 0 = 0";
const DAYS: &str = "SELECT DISTINCT day FROM usage_day WHERE subject IN";

/// One call, as it was logged.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The call; another one where who asked was forgotten.
    pub id: CallId,
    /// When it was accepted.
    pub at: Timestamp,
    /// Who asked for what of whom. The model is as the caller named it, also where it is none of
    /// ours.
    pub subject: Subject,
    /// How many targets were tried.
    pub attempts: u32,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// `done`, `left`, or the word of the error's kind.
    pub outcome: Str,
    /// What was used.
    pub usage: Usage,
    /// What the caller was charged.
    pub charged: Money,
    /// What the operator paid beside it.
    pub loss: Money,
    /// What the caller was charged in credits; `None` where the caller pays none.
    pub credits: Option<Credits>,
    /// What was sold to whoever asked; empty where it has no name.
    pub plan: Str,
    /// Until the first byte of the answer.
    pub first_byte: Option<Duration>,
    /// Until its end.
    pub total: Duration,
    /// Labels that the caller gave.
    pub tags: Vec<Str>,
}

/// How calls have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The answer came whole.
    Done,
    /// The caller left.
    Left,
    /// With an error.
    Failed,
    /// With an error of a kind.
    With(Kind),
}

/// Which calls. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Of these subjects. A model that is none of ours is not found by its name.
    pub of: Of,
    /// That ended so.
    pub ended: Option<Ended>,
    /// With this label.
    pub tag: Option<Str>,
    /// Accepted then or later.
    pub from: Option<Timestamp>,
    /// Accepted before.
    pub to: Option<Timestamp>,
}

/// Some of the calls, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The calls.
    pub requests: Vec<Request>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// A place in the log, as a word for whoever asks for the next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    at: i64,
    id: [u8; 16],
}

/// No cursor of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this log")]
pub struct NotCursor;

impl Cursor {
    fn of(request: &Request) -> Self {
        Self { at: request.at.as_microsecond(), id: request.id.as_u128().to_be_bytes() }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 24];
        let parts = self.at.to_be_bytes().into_iter().chain(self.id);
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = NotCursor;

    fn from_str(word: &str) -> Result<Self, NotCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(word).map_err(|_| NotCursor)?;
        let bytes: [u8; 24] = bytes.try_into().map_err(|_| NotCursor)?;
        let (at, id) = bytes.split_first_chunk::<8>().ok_or(NotCursor)?;
        let id = id.try_into().map_err(|_| NotCursor)?;
        Ok(Self { at: i64::from_be_bytes(*at), id })
    }
}

impl Requests {
    /// The next calls, newest first: `size` of them, [`PAGE_MAX`] at the most.
    pub async fn page(
        &self,
        search: &Search,
        after: Option<Cursor>,
        size: usize,
    ) -> Result<Page, StoreError> {
        let size = size.clamp(1, PAGE_MAX);
        let needle = search.tag.as_ref().map(|tag| format!("{BETWEEN}{}{BETWEEN}", label(tag)));
        let look = Look { search, after, needle: needle.as_deref(), wanted: size + 1 };
        let mut requests = self.database.report(look).await?;
        let more = requests.len() > size;
        requests.truncate(size);
        let next = requests.last().filter(|_| more).map(Cursor::of);
        Ok(Page { requests, next })
    }

    /// A call, if it is in the log.
    pub async fn request(&self, id: CallId) -> Result<Option<Request>, StoreError> {
        self.database.read(One(id.as_u128().to_be_bytes())).await
    }
}

struct One([u8; 16]);

impl Task for One {
    type Out = Option<Request>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let mut text = select();
        text.with(" AND r.id = ", &self.0[..]);
        let found = session.one(text.text, &text.args).await?;
        found.as_ref().map(read).transpose()
    }
}

struct Look<'a> {
    search: &'a Search,
    after: Option<Cursor>,
    needle: Option<&'a str>,
    /// One more than are shown: that there is one says that there is a next page.
    wanted: usize,
}

/// The log and its subjects, in this order of joining.
fn select<'a>() -> Text<'a> {
    let columns = columns();
    Text::new(&format!(
        "SELECT {columns} FROM request r CROSS JOIN request_subject s WHERE s.id = r.subject"
    ))
}

impl Look<'_> {
    /// Conditions on the row itself.
    fn rows<'t>(&'t self, text: &mut Text<'t>) {
        let Search { ended, from, to, .. } = self.search;
        if let Some(from) = from {
            text.with(" AND r.at >= ", from.as_microsecond());
        }
        if let Some(to) = to {
            text.with(" AND r.at < ", to.as_microsecond());
        }
        if let Some(Cursor { at, id }) = &self.after {
            text.with(" AND (r.at, r.id) < (", *at);
            text.with(", ", &id[..]);
            text.add(")");
        }
        match ended {
            None => {}
            Some(Ended::Done) => text.with(" AND r.outcome = ", DONE),
            Some(Ended::Left) => text.with(" AND r.outcome = ", LEFT),
            Some(Ended::With(kind)) => text.with(" AND r.outcome = ", kind.name()),
            Some(Ended::Failed) => {
                text.with(" AND r.outcome <> ", DONE);
                text.with(" AND r.outcome <> ", LEFT);
            }
        }
        if let Some(needle) = self.needle {
            // The first half is what the index of rows with labels says.
            text.with(" AND r.tags IS NOT NULL AND r.tags <> replace(r.tags, ", needle);
            text.add(", '')");
        }
    }

    async fn newest(
        &self,
        session: &mut Session<'_>,
        mut text: Text<'_>,
        wanted: usize,
    ) -> Result<Vec<Request>, Failure> {
        let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
        text.with(" ORDER BY r.at DESC, r.id DESC LIMIT ", wanted);
        session.all(text.text, &text.args).await?.iter().map(read).collect()
    }

    /// These subjects, through the days that have some of them.
    async fn some(
        &self,
        session: &mut Session<'_>,
        subjects: &[i64],
    ) -> Result<Vec<Request>, Failure> {
        let listed: Vec<String> = subjects.iter().map(i64::to_string).collect();
        let listed = listed.join(", ");
        let days = session.all(format!("{DAYS} ({listed}) ORDER BY day DESC"), &[]).await?;
        let days: Vec<i64> = days.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?;
        let mut found = Vec::new();
        for (from, to) in stretches(&days) {
            if found.len() >= self.wanted {
                break;
            }
            let mut text = select();
            text.add(&format!(" AND r.subject IN ({listed})"));
            text.with(" AND r.at >= ", from);
            text.with(" AND r.at < ", to);
            self.rows(&mut text);
            found.extend(self.newest(session, text, self.wanted - found.len()).await?);
        }
        Ok(found)
    }
}

/// Stretches of time that have these days, the latest first; as days come. Each is longer by a day
/// at both ends, so that they hold in whichever zone the days were those of.
fn stretches(days: &[i64]) -> Vec<(i64, i64)> {
    let mut stretches: Vec<(i64, i64)> = Vec::new();
    for day in days {
        let part = |by: i64, of: i64| i8::try_from(day / by % of).unwrap_or_default();
        let year = i16::try_from(day / 10_000).unwrap_or_default();
        let Ok(date) = jiff::civil::Date::new(year, part(100, 100), part(1, 100)) else { continue };
        let Ok(midnight) = jiff::tz::Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)) else {
            continue;
        };
        let begin = midnight.as_microsecond();
        let (from, to) = (begin - DAY, begin + 2 * DAY);
        match stretches.last_mut() {
            Some((start, _)) if *start <= to => *start = from,
            _ => stretches.push((from, to)),
        }
    }
    stretches
}

impl Task for Look<'_> {
    type Out = Vec<Request>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        if !self.search.of.is_all() {
            let mut text = Text::new(SUBJECTS);
            text.of(&self.search.of);
            text.with(" LIMIT ", SUBJECTS_MAX + 1);
            let found = session.all(text.text, &text.args).await?;
            let subjects: Vec<i64> =
                found.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?;
            if subjects.is_empty() {
                return Ok(Vec::new());
            }
            if i64::try_from(subjects.len()).is_ok_and(|few| few <= SUBJECTS_MAX) {
                return self.some(session, &subjects).await;
            }
        }
        let mut text = select();
        text.of(&self.search.of);
        self.rows(&mut text);
        self.newest(session, text, self.wanted).await
    }
}
