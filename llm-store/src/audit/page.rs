//! The trail, a page at a time, newest first.

use jiff::Timestamp;
use llm_core::Str;
use llm_core::store::StoreError;

use super::{Draft, Line, Outcome, Trail};
use crate::sql::database::{Arg, Record, Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::{digest, odd};

/// Lines of a page at the most.
pub const PAGE_MAX: usize = 500;

pub(super) const COLUMNS: &str = "seq, at, who, what, about, detail, outcome, hash";

/// Which lines. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Of what somebody did.
    pub who: Option<Str>,
    /// Of what was done to somebody or something.
    pub about: Option<Str>,
}

/// Some of the lines, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The lines.
    pub lines: Vec<Line>,
    /// The number to ask before for the next page; `None` at the end.
    pub next: Option<u64>,
}

impl Trail {
    /// Lines before a number, newest first: `size` of them, [`PAGE_MAX`] at the most.
    pub async fn page(
        &self,
        search: &Search,
        before: Option<u64>,
        size: usize,
    ) -> Result<Page, StoreError> {
        let size = size.clamp(1, PAGE_MAX);
        let before = before.and_then(|seq| i64::try_from(seq).ok()).unwrap_or(i64::MAX);
        let mut lines = self.database.read(Look { search, before, wanted: size + 1 }).await?;
        let more = lines.len() > size;
        lines.truncate(size);
        let next = lines.last().filter(|_| more).map(|line| line.seq);
        Ok(Page { lines, next })
    }
}

struct Look<'a> {
    search: &'a Search,
    before: i64,
    wanted: usize,
}

/// The question, and what goes into it behind the number and the size. What is picked is in the order
/// of an index that has the number's negative: by the number itself a server would rather walk through
/// all lines, where it takes those for many that are few.
pub(super) fn asked(search: &Search) -> (String, Vec<Arg<'_>>) {
    let (when, order) = match search {
        Search { who: None, about: None } => ("seq < $1", "seq DESC"),
        _ => ("-seq > -$1", "-seq"),
    };
    let mut text = format!("SELECT {COLUMNS} FROM audit WHERE {when}");
    let mut args = Vec::new();
    for (column, word) in [("who", &search.who), ("about", &search.about)] {
        if let Some(word) = word {
            args.push(Arg::from(&**word));
            text.push_str(&format!(" AND {column} = ${}", args.len() + 2));
        }
    }
    text.push_str(&format!(" ORDER BY {order} LIMIT $2"));
    (text, args)
}

impl Task for Look<'_> {
    type Out = Vec<Line>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let (text, more) = asked(self.search);
        let wanted = i64::try_from(self.wanted).unwrap_or(i64::MAX);
        let args: Vec<_> = [self.before.into(), wanted.into()].into_iter().chain(more).collect();
        session.all(text, &args).await?.iter().map(line).collect()
    }
}

pub(super) fn line(row: &Record) -> Result<Line, Failure> {
    let outcome = Outcome::parse(&row.text(6)?).ok_or_else(|| odd("outcome"))?;
    Ok(Line {
        seq: u64::try_from(row.int(0)?).map_err(|_| odd("seq"))?,
        at: Timestamp::from_microsecond(row.int(1)?).map_err(|_| odd("at"))?,
        draft: Draft {
            who: row.text(2)?.into(),
            what: row.text(3)?.into(),
            about: row.text(4)?.into(),
            detail: row.text(5)?.into(),
            outcome,
        },
        hash: digest(&row.bytes(7)?)?,
    })
}
