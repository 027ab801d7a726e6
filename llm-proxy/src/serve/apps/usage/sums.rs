//! Sums of the request log's days, as people are shown them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::civil::Date;
use llm_core::Str;
use llm_core::usage::TokenKind;
use llm_store::requests::{self, By, Of, Usage};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::serve::admin::refusal::Refusal;
use crate::serve::office::Office;

/// Lines of a page.
pub(super) const PAGE_MAX: usize = 1_000;
/// Days before today that foresight looks at.
const BEFORE: i64 = 6;
/// What stands between the words of a cursor; none of them has it.
const BETWEEN: char = '\u{1f}';

/// Sums of some calls.
#[derive(Clone, Serialize)]
pub(in super::super) struct Sums {
    calls: u64,
    errors: u64,
    cached: u64,
    tokens: Map<String, Value>,
    spend_nanos: i64,
    #[serde(skip)]
    all: u64,
}

/// A day on which something was used.
#[derive(Clone, Serialize)]
pub(super) struct Day {
    day: Str,
    #[serde(flatten)]
    sums: Sums,
    #[serde(skip)]
    date: Date,
}

/// The month up to today.
#[derive(Serialize)]
pub(super) struct Month {
    from: String,
    to: String,
    days: Vec<Day>,
}

/// A line of a history.
#[derive(Serialize)]
pub(super) struct Line {
    period: Str,
    model: Str,
    feature: Str,
    #[serde(flatten)]
    sums: Sums,
}

/// Which history.
pub(super) struct History {
    pub(super) of: Of,
    pub(super) by: By,
    pub(super) from: Date,
    pub(super) to: Option<Date>,
}

impl Sums {
    pub(in super::super) fn of(sums: requests::Sums) -> Self {
        let requests::Sums { calls, errors, cached, tokens, charged, .. } = sums;
        let count = |kind: TokenKind| tokens.get(kind as usize).copied().unwrap_or_default();
        let named = TokenKind::ALL.into_iter().filter(|kind| count(*kind) > 0);
        let named = named.map(|kind| (kind.name().to_owned(), Value::from(count(kind)))).collect();
        let all = tokens.iter().fold(0u64, |all, n| all.saturating_add(*n));
        Self { calls, errors, cached, tokens: named, spend_nanos: charged.0, all }
    }

    /// Those of all together.
    pub(super) fn all<'a>(sums: impl Iterator<Item = &'a Self>) -> Self {
        let mut whole = Self::of(requests::Sums::default());
        for one in sums {
            whole.calls = whole.calls.saturating_add(one.calls);
            whole.errors = whole.errors.saturating_add(one.errors);
            whole.cached = whole.cached.saturating_add(one.cached);
            whole.spend_nanos = whole.spend_nanos.saturating_add(one.spend_nanos);
            whole.all = whole.all.saturating_add(one.all);
            for (kind, count) in &one.tokens {
                let known = whole.tokens.get(kind).and_then(Value::as_u64).unwrap_or_default();
                let count = count.as_u64().unwrap_or_default().saturating_add(known);
                whole.tokens.insert(kind.clone(), count.into());
            }
        }
        whole
    }
}

impl Day {
    pub(super) fn sums(&self) -> &Sums {
        &self.sums
    }

    /// What was spent on it, in money.
    pub(super) fn spent(&self) -> (Date, i64) {
        (self.date, self.sums.spend_nanos)
    }

    /// What was spent on it, in tokens.
    pub(super) fn tokens(&self) -> (Date, i64) {
        (self.date, i64::try_from(self.sums.all).unwrap_or(i64::MAX))
    }
}

impl Month {
    pub(super) fn of(days: &[Day], today: Date) -> Self {
        let from = today.first_of_month();
        let days = days.iter().filter(|day| day.date >= from).cloned().collect();
        Self { from: from.to_string(), to: today.to_string(), days }
    }
}

/// The first day that matters for the month and for foresight.
pub(super) fn since(today: Date) -> Date {
    today.first_of_month().min(today.saturating_sub(jiff::Span::new().days(BEFORE)))
}

/// Days on which something was used.
pub(super) async fn days(office: &Office, of: Of, from: Date) -> Result<Vec<Day>, Refusal> {
    let usage = Usage { of, by: vec![By::Day], from: Some(from), to: None };
    let rows = office.requests.usage(&usage).await?;
    let day = |row: requests::UsageRow| {
        let day = row.of.into_iter().next()?;
        Some(Day { date: day.parse().ok()?, sums: Sums::of(row.sums), day })
    };
    Ok(rows.into_iter().filter_map(day).collect())
}

impl History {
    /// A page of it, the newest first, and where the next begins.
    pub(super) async fn page(
        self,
        office: &Office,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Line>, Option<String>), Refusal> {
        let before = cursor.map(read).transpose()?;
        let limit = limit.min(PAGE_MAX);
        let Self { of, by, from, to } = self;
        let usage = Usage { of, by: vec![by, By::Model, By::Feature], from: Some(from), to };
        let mut rows = office.requests.usage(&usage).await?;
        rows.retain(|row| before.as_ref().is_none_or(|before| row.of < *before));
        rows.reverse();
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|last| written(&last.of));
        let line = |row: requests::UsageRow| {
            let mut words = row.of.into_iter();
            let mut word = || words.next().unwrap_or_default();
            let (period, model, feature) = (word(), word(), word());
            Line { period, model, feature, sums: Sums::of(row.sums) }
        };
        Ok((rows.into_iter().map(line).collect(), next))
    }
}

fn written(words: &[Str]) -> String {
    let words: Vec<&str> = words.iter().map(|word| &**word).collect();
    URL_SAFE_NO_PAD.encode(words.join(&BETWEEN.to_string()))
}

fn read(cursor: &str) -> Result<Vec<Str>, Refusal> {
    let odd = || Refusal::wrong("cursor", "not a cursor of this list");
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| odd())?;
    let text = String::from_utf8(bytes).map_err(|_| odd())?;
    let words: Vec<Str> = text.split(BETWEEN).map(Str::from).collect();
    (words.len() == 3).then_some(words).ok_or_else(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_what_a_page_gave() {
        let words = ["2026-11-21", "gpt-4o", ""].map(Str::from);
        assert_eq!(read(&written(&words)).unwrap(), words);
        for odd in ["", "!", "YQ"] {
            assert!(read(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_week_is_looked_at_in_the_first_days_of_a_month() {
        let date = jiff::civil::date;
        assert_eq!(since(date(2026, 11, 2)), date(2026, 10, 27));
        assert_eq!(since(date(2026, 11, 30)), date(2026, 11, 1));
    }
}
