//! Reports: sums of days, by whatever is asked.

use jiff::civil::Date;
use llm_core::Str;
use llm_core::money::Money;
use llm_core::store::StoreError;
use llm_core::usage::TokenKind;

use super::row::{COUNTED, COUNTS};
use super::subject::{Of, Text};
use super::{Requests, money};
use crate::sql::database::{Record, Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// Rows of a report at the most: a thousand users for a quarter of a year.
pub const ROWS_MAX: usize = 100_000;
/// Sums of a row: calls, errors, calls that a cache answered, and what is counted.
const SUMS: usize = 3 + COUNTS;

/// What sums are made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// Whose data it is.
    Tenant,
    /// The key.
    Key,
    /// The person or service.
    User,
    /// The team.
    Team,
    /// The purpose.
    Feature,
    /// What was asked for.
    Operation,
    /// The model.
    Model,
    /// The provider.
    Provider,
    /// The target.
    Target,
    /// The day in the operator's time zone: `2026-11-21`.
    Day,
    /// The month there: `2026-11`.
    Month,
}

impl By {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Tenant,
        Self::Key,
        Self::User,
        Self::Team,
        Self::Feature,
        Self::Operation,
        Self::Model,
        Self::Provider,
        Self::Target,
        Self::Day,
        Self::Month,
    ];

    /// The word for it in questions and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Key => "key",
            Self::User => "user",
            Self::Team => "team",
            Self::Feature => "feature",
            Self::Operation => "operation",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Target => "target",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.name() == word)
    }

    fn column(self) -> &'static str {
        match self {
            Self::Tenant => "s.tenant",
            Self::Key => "s.key",
            Self::User => "s.person",
            Self::Team => "s.team",
            Self::Feature => "s.feature",
            Self::Operation => "s.operation",
            Self::Model => "s.model",
            Self::Provider => "s.provider",
            Self::Target => "s.target",
            Self::Day => "u.day",
            Self::Month => "u.day / 100",
        }
    }

    fn read(self, row: &Record, at: usize) -> Result<Str, Failure> {
        Ok(Str::from(match self {
            Self::Day => {
                let day = row.int(at)?;
                format!("{:04}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100)
            }
            Self::Month => {
                let month = row.int(at)?;
                format!("{:04}-{:02}", month / 100, month % 100)
            }
            Self::Tenant
            | Self::Key
            | Self::User
            | Self::Team
            | Self::Feature
            | Self::Operation
            | Self::Model
            | Self::Provider
            | Self::Target => row.text(at)?,
        }))
    }
}

/// What is added up. The default is everything, in one sum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of these subjects.
    pub of: Of,
    /// A sum for each of these together.
    pub by: Vec<By>,
    /// That day and later ones.
    pub from: Option<Date>,
    /// Days before that one.
    pub to: Option<Date>,
}

/// Sums of some calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many.
    pub calls: u64,
    /// Those that ended with an error.
    pub errors: u64,
    /// Those that a cache answered.
    pub cached: u64,
    /// Tokens by their kinds, in the order of [`TokenKind::ALL`].
    pub tokens: [u64; TokenKind::COUNT],
    /// Images made.
    pub images: u64,
    /// What is billed by the piece.
    pub pieces: u64,
    /// Audio, in milliseconds.
    pub audio_ms: u64,
    /// What callers were charged.
    pub charged: Money,
    /// What the operator paid beside it.
    pub loss: Money,
}

/// A line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// Of what: a word for each [`By`] that was asked for, in that order.
    pub of: Vec<Str>,
    /// How much.
    pub sums: Sums,
}

/// Who spent how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spend {
    /// All together.
    pub total: Sums,
    /// Those that spent most, the first one first.
    pub top: Vec<UsageRow>,
}

impl Requests {
    /// Sums, in the order of what they are by. A report of more than [`ROWS_MAX`] lines is refused:
    /// half of one would be taken for all.
    pub async fn usage(&self, usage: &Usage) -> Result<Vec<UsageRow>, StoreError> {
        let report = Report { usage, top: None, lines: ROWS_MAX + 1 };
        let mut rows = self.database.report(report).await?;
        if rows.len() > ROWS_MAX {
            return Err(StoreError::Full("the report has too many lines: ask for less".into()));
        }
        rows.sort_unstable_by(|one, other| one.of.cmp(&other.of));
        Ok(rows)
    }

    /// The total, and the `top` that spent most of it.
    pub async fn spend(&self, of: &Usage, top: usize) -> Result<Spend, StoreError> {
        let whole = Usage { by: Vec::new(), ..of.clone() };
        let total = self.usage(&whole).await?.first().map(|row| row.sums).unwrap_or_default();
        let lines = top.clamp(1, ROWS_MAX);
        let report = Report { usage: of, top: Some("charged"), lines };
        Ok(Spend { total, top: self.database.report(report).await? })
    }

    /// What caches have answered, by model and target: tokens that nobody had to pay for, whose
    /// price is for the table of prices to say.
    pub async fn savings(&self, of: &Usage) -> Result<Vec<UsageRow>, StoreError> {
        let mut cached = Usage { by: vec![By::Model, By::Target], ..of.clone() };
        cached.of.cached = Some(true);
        self.usage(&cached).await
    }
}

struct Report<'a> {
    usage: &'a Usage,
    /// In the order of this sum, largest first.
    top: Option<&'static str>,
    lines: usize,
}

impl Report<'_> {
    fn text(&self) -> Text<'_> {
        let Usage { of, by, from, to } = self.usage;
        let mut text = Text::new("SELECT ");
        for by in by {
            text.add(by.column());
            text.add(", ");
        }
        text.add(&sums());
        // The days first: they are fewer by far than what subjects have in all.
        text.add(" FROM usage_day u JOIN request_subject s ON s.id = u.subject WHERE 0 = 0");
        if let Some(from) = from {
            text.with(" AND u.day >= ", number(*from));
        }
        if let Some(to) = to {
            text.with(" AND u.day < ", number(*to));
        }
        text.of(of);
        for (at, by) in by.iter().enumerate() {
            text.add(if at == 0 { " GROUP BY " } else { ", " });
            text.add(by.column());
        }
        if let Some(sum) = self.top {
            text.add(&format!(" ORDER BY sum(u.{sum}) DESC"));
            by.iter().for_each(|by| text.add(&format!(", {}", by.column())));
        }
        text.with(" LIMIT ", i64::try_from(self.lines).unwrap_or(i64::MAX));
        text
    }
}

impl Task for Report<'_> {
    type Out = Vec<UsageRow>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let text = self.text();
        let rows = session.all(text.text, &text.args).await?;
        rows.iter().map(|row| read(row, &self.usage.by)).collect()
    }
}

/// All of [`Sums`] as one text: a report has thousands of lines, and to hand over a column costs more
/// than to write a number and read it again.
fn sums() -> String {
    let mut sums = ["u.calls", "u.errors", "u.calls * s.cached"].map(str::to_owned).to_vec();
    sums.extend(COUNTED.iter().map(|column| format!("u.{column}")));
    let sums = sums.into_iter().map(|sum| format!("CAST(coalesce(sum({sum}), 0) AS BIGINT)"));
    format!("concat_ws(',', {})", sums.collect::<Vec<_>>().join(", "))
}

fn read(row: &Record, by: &[By]) -> Result<UsageRow, Failure> {
    let words = by.iter().enumerate().map(|(at, by)| by.read(row, at));
    let of = words.collect::<Result<_, _>>()?;
    let text = row.text(by.len())?;
    let mut numbers = [0_i64; SUMS];
    let mut said = text.split(',');
    for number in &mut numbers {
        let digits = said.next().ok_or_else(|| odd("sums"))?;
        *number = digits.parse().map_err(|_| odd("sum"))?;
    }
    if said.next().is_some() {
        return Err(odd("sums").into());
    }
    let count = |at: usize| -> Result<u64, Failure> {
        Ok(u64::try_from(numbers[at]).map_err(|_| odd("sum"))?)
    };
    let mut tokens = [0; TokenKind::COUNT];
    for (at, tokens) in tokens.iter_mut().enumerate() {
        *tokens = count(3 + at)?;
    }
    let sums = Sums {
        calls: count(0)?,
        errors: count(1)?,
        cached: count(2)?,
        tokens,
        images: count(11)?,
        pieces: count(12)?,
        audio_ms: count(13)?,
        charged: money(numbers[14]),
        loss: money(numbers[15]),
    };
    Ok(UsageRow { of, sums })
}

/// A day as days are written.
fn number(day: Date) -> i64 {
    i64::from(day.year()) * 10_000 + i64::from(day.month()) * 100 + i64::from(day.day())
}
