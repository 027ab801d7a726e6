//! The log, a page at a time, newest first.
//!
//! A page goes on behind the last row of the one before: rows that come meanwhile are newer and
//! move nothing. How the log is looked through is in [`look`]; it stops when it has looked through
//! much and found little, and such a page is shorter than what was asked for. The end is where there
//! is no next page.

mod look;

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
use super::subject::{Of, Subject};
pub(super) use look::SPAN;
use look::{Found, Label, Look, One};

/// Rows of a page at the most.
pub const PAGE_MAX: usize = 500;

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
    /// The calls: fewer than were asked for, or none, where much was looked through for them.
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
        let label = search.tag.as_ref().map(Label::new);
        let look = Look { search, after, label: label.as_ref(), wanted: size + 1 };
        let Found { mut requests, stopped } = self.database.report(look).await?;
        let more = requests.len() > size;
        requests.truncate(size);
        let next = if more { requests.last().map(Cursor::of) } else { stopped };
        Ok(Page { requests, next })
    }

    /// A call, if it is in the log.
    pub async fn request(&self, id: CallId) -> Result<Option<Request>, StoreError> {
        self.database.read(One(id.as_u128().to_be_bytes())).await
    }
}
