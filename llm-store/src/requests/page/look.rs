//! How the log is looked through.
//!
//! The log has one order, by time, and is walked in it. Where few subjects are looked for, only the
//! *spans* of time are read in which they have calls: from the newest to the oldest, one of them
//! first and then twice as many, so that whoever has many calls has a page in the first span, and
//! whoever has few is found in as many steps as their number has binary digits.
//!
//! A label has its own list of calls in the same order. Whose label it is, and how a call ended, only
//! the row says: whoever looks for what is rare in that way is told where the look has come to instead
//! of waiting for its end.

use jiff::Timestamp;
use llm_core::Str;

use super::super::row::{BETWEEN, DONE, LEFT, columns, label, read};
use super::super::subject::Text;
use super::{Cursor, Ended, Request, Search};
use crate::sql::database::{Record, Session, Task};
use crate::sql::fault::Failure;

/// Subjects whose spans are looked up: whoever asks for more asks for most of the log.
const SUBJECTS_MAX: i64 = 1_000;
/// Of a span, in microseconds. The same as in the migration that began them.
pub(in crate::requests) const SPAN: i64 = 10_000_000;
/// Spans that are looked for in the first step: ten minutes. Each step looks twice as far.
const FAR_FIRST: i64 = 60;
/// Spans that are read in one step.
const TAKE_MAX: usize = 64;
/// Spans of somebody that are read for what the rows alone say: some hundredths of a second as well.
const SPANS_MAX: usize = 256;
/// Rows that are looked through for what they alone say: some hundredths of a second.
const ROWS_MAX: i64 = 10_000;
/// The same where each is looked up by its place, which costs several times as much.
const LOOKED_UP_MAX: i64 = 2_000;

const SUBJECTS: &str = "SELECT s.id FROM request_subject s WHERE 0 = 0";
const EDGES: &str =
    "SELECT (SELECT min(span) FROM request_span), (SELECT max(span) FROM request_span)";

pub(super) struct One(pub(super) [u8; 16]);

impl Task for One {
    type Out = Option<Request>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let mut text = select();
        text.with(" AND r.id = ", &self.0[..]);
        let found = session.one(text.text, &text.args).await?;
        found.as_ref().map(read).transpose()
    }
}

pub(super) struct Look<'a> {
    pub(super) search: &'a Search,
    pub(super) after: Option<Cursor>,
    pub(super) label: Option<&'a Label>,
    /// One more than are shown: that there is one says that there is a next page.
    pub(super) wanted: usize,
}

/// A label that is looked for.
pub(super) struct Label {
    name: Str,
    /// As it stands in a row.
    needle: String,
}

impl Label {
    pub(super) fn new(tag: &Str) -> Self {
        let name = label(tag);
        let needle = format!("{BETWEEN}{name}{BETWEEN}");
        Self { name, needle }
    }
}

/// What was found, and up to where was looked where that is not the end.
#[derive(Default)]
pub(super) struct Found {
    pub(super) requests: Vec<Request>,
    pub(super) stopped: Option<Cursor>,
}

/// The log and its subjects, in this order of joining.
fn select() -> Text<'static> {
    let columns = columns();
    Text::new(&format!(
        "SELECT {columns} FROM request r CROSS JOIN request_subject s WHERE s.id = r.subject"
    ))
}

/// No further than to a row of a list in the log's order.
fn down_to<'a>(text: &mut Text<'a>, list: &str, floor: Option<&'a Cursor>) {
    if let Some(Cursor { at, id }) = floor {
        text.with(&format!(" AND ({list}.at, {list}.id) >= ("), *at);
        text.with(", ", &id[..]);
        text.add(")");
    }
}

fn order(text: &mut Text<'_>, list: &str, most: usize) {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    text.with(&format!(" ORDER BY {list}.at DESC, {list}.id DESC LIMIT "), most);
}

fn all(rows: &[Record]) -> Result<Vec<Request>, Failure> {
    rows.iter().map(read).collect()
}

impl Look<'_> {
    /// Whether rows are picked by what they alone say.
    fn picks(&self) -> bool {
        self.search.ended.is_some() || self.label.is_some()
    }

    /// When it was, by a list in the log's order.
    fn when<'t>(&'t self, text: &mut Text<'t>, list: &str) {
        if let Some(from) = self.search.from {
            text.with(&format!(" AND {list}.at >= "), from.as_microsecond());
        }
        let to = self.search.to.map(Timestamp::as_microsecond);
        // One bound from above: of two a server may begin at the farther one.
        match (to, &self.after) {
            (to, Some(Cursor { at, id })) if to.is_none_or(|to| *at < to) => {
                text.with(&format!(" AND ({list}.at, {list}.id) < ("), *at);
                text.with(", ", &id[..]);
                text.add(")");
            }
            (Some(to), _) => text.with(&format!(" AND {list}.at < "), to),
            (None, _) => {}
        }
    }

    /// How it ended.
    fn ended<'t>(&'t self, text: &mut Text<'t>) {
        match self.search.ended {
            None => {}
            Some(Ended::Done) => text.with(" AND r.outcome = ", DONE),
            Some(Ended::Left) => text.with(" AND r.outcome = ", LEFT),
            Some(Ended::With(kind)) => text.with(" AND r.outcome = ", kind.name()),
            Some(Ended::Failed) => {
                text.with(" AND r.outcome <> ", DONE);
                text.with(" AND r.outcome <> ", LEFT);
            }
        }
    }

    /// Whose calls are looked for; `None` where they are everybody's, or those of too many to name.
    async fn subjects(&self, session: &mut Session<'_>) -> Result<Option<Vec<i64>>, Failure> {
        if self.search.of.is_all() {
            return Ok(None);
        }
        let mut text = Text::new(SUBJECTS);
        text.of(&self.search.of);
        text.with(" LIMIT ", SUBJECTS_MAX + 1);
        let found = session.all(text.text, &text.args).await?;
        let subjects: Vec<i64> = found.iter().map(|row| row.int(0)).collect::<Result<_, _>>()?;
        let few = i64::try_from(subjects.len()).is_ok_and(|few| few <= SUBJECTS_MAX);
        Ok(few.then_some(subjects))
    }

    /// The log as a whole, newest first.
    async fn walk(&self, session: &mut Session<'_>) -> Result<Found, Failure> {
        let floor = if self.picks() { self.floor(session, None).await? } else { None };
        let mut text = select();
        text.of(&self.search.of);
        self.when(&mut text, "r");
        self.ended(&mut text);
        down_to(&mut text, "r", floor.as_ref());
        order(&mut text, "r", self.wanted);
        let requests = all(&session.all(text.text, &text.args).await?)?;
        Ok(Found { requests, stopped: floor })
    }

    /// All calls with a label, newest first; where there are many, in parts.
    async fn labelled(
        &self,
        session: &mut Session<'_>,
        label: &Label,
        floor: Option<Cursor>,
    ) -> Result<Found, Failure> {
        // Each is looked up by its place. A server would rather read the whole log beside a list that
        // it takes for a long one: it is given one place at a time.
        let rows = if session.numbered() {
            "LATERAL (SELECT * FROM request r WHERE r.at = l.at AND r.id = l.id OFFSET 0) r \
             CROSS JOIN request_subject s WHERE s.id = r.subject"
        } else {
            "request r CROSS JOIN request_subject s \
             WHERE r.at = l.at AND r.id = l.id AND s.id = r.subject"
        };
        let columns = columns();
        let mut text =
            Text::new(&format!("SELECT {columns} FROM request_label l CROSS JOIN {rows}"));
        text.with(" AND l.label = ", &*label.name);
        text.of(&self.search.of);
        self.when(&mut text, "l");
        self.ended(&mut text);
        down_to(&mut text, "l", floor.as_ref());
        order(&mut text, "l", self.wanted);
        let requests = all(&session.all(text.text, &text.args).await?)?;
        Ok(Found { requests, stopped: floor })
    }

    /// The last row that is looked at, of the log or of a label's calls; `None` where all of them
    /// are.
    async fn floor(
        &self,
        session: &mut Session<'_>,
        label: Option<&Label>,
    ) -> Result<Option<Cursor>, Failure> {
        let mut text = Text::new("SELECT l.at, l.id FROM ");
        match label {
            None => text.add("request l WHERE 0 = 0"),
            Some(label) => text.with("request_label l WHERE l.label = ", &*label.name),
        }
        self.when(&mut text, "l");
        let most = if label.is_some() { LOOKED_UP_MAX } else { ROWS_MAX };
        text.with(" ORDER BY l.at DESC, l.id DESC LIMIT 1 OFFSET ", most);
        let Some(row) = session.one(text.text, &text.args).await? else { return Ok(None) };
        let id = row.bytes(1)?.try_into().map_err(|_| crate::sql::row::odd("id"))?;
        Ok(Some(Cursor { at: row.int(0)?, id }))
    }

    /// The spans in which there can be anything: the first, and the one behind the last.
    async fn edges(&self, session: &mut Session<'_>) -> Result<Option<(i64, i64)>, Failure> {
        let Some(row) = session.one(EDGES, &[]).await? else { return Ok(None) };
        let (Some(first), Some(last)) = (row.maybe_int(0)?, row.maybe_int(1)?) else {
            return Ok(None);
        };
        let span = |micros: i64| micros.div_euclid(SPAN);
        let from = self.search.from.map(|from| span(from.as_microsecond()));
        let to = self.search.to.map(|to| to.as_microsecond());
        let ends = [self.after.map(|after| after.at), to].into_iter().flatten().map(span);
        Ok(Some((from.unwrap_or(first).max(first), ends.min().unwrap_or(last).min(last) + 1)))
    }

    /// These subjects, through the spans that have some of them.
    async fn some(&self, session: &mut Session<'_>, subjects: &[i64]) -> Result<Found, Failure> {
        let listed: Vec<String> = subjects.iter().map(i64::to_string).collect();
        let listed = listed.join(", ");
        let mut found = Found::default();
        let Some((lowest, mut upper)) = self.edges(session).await? else { return Ok(found) };
        let (mut far, mut take, mut seen) = (FAR_FIRST, 1, 0);
        while upper > lowest && found.requests.len() < self.wanted {
            if self.picks() && seen >= SPANS_MAX {
                let at = upper.saturating_mul(SPAN);
                return Ok(Found { stopped: Some(Cursor { at, id: [0; 16] }), ..found });
            }
            let lower = upper.saturating_sub(far).max(lowest);
            let spans = spans(session, &listed, (lower, upper), take).await?;
            if !spans.is_empty() {
                let rows = self.within(session, &listed, &spans).await?;
                let more = self.wanted - found.requests.len();
                found.requests.extend(rows.into_iter().take(more));
            }
            upper = if spans.len() < take { lower } else { *spans.last().unwrap_or(&lower) };
            seen += spans.len();
            (far, take) = (far.saturating_mul(2), (take * 2).min(TAKE_MAX));
        }
        Ok(found)
    }

    /// What they have in these spans, newest first.
    async fn within(
        &self,
        session: &mut Session<'_>,
        listed: &str,
        spans: &[i64],
    ) -> Result<Vec<Request>, Failure> {
        let bounds = stretches(spans).into_iter().map(|(first, last)| {
            format!("({}, {})", first.saturating_mul(SPAN), (last + 1).saturating_mul(SPAN))
        });
        let bounds = bounds.collect::<Vec<_>>().join(", ");
        // The stretches first: each is a piece of the log's own order. A server is given one of them
        // at a time.
        let within = format!("r.at >= w.first AND r.at < w.last AND r.subject IN ({listed})");
        let rows = if session.numbered() {
            format!(
                "LATERAL (SELECT * FROM request r WHERE {within} OFFSET 0) r \
                 CROSS JOIN request_subject s WHERE s.id = r.subject"
            )
        } else {
            format!("request r CROSS JOIN request_subject s WHERE {within} AND s.id = r.subject")
        };
        let columns = columns();
        let mut text = Text::new(&format!(
            "WITH w (first, last) AS (VALUES {bounds}) SELECT {columns} FROM w CROSS JOIN {rows}"
        ));
        self.when(&mut text, "r");
        self.ended(&mut text);
        if let Some(label) = self.label {
            text.with(" AND r.tags <> replace(r.tags, ", &*label.needle);
            text.add(", '')");
        }
        order(&mut text, "r", self.wanted);
        all(&session.all(text.text, &text.args).await?)
    }
}

/// The latest spans within some, in which a subject has calls, the latest first.
async fn spans(
    session: &mut Session<'_>,
    listed: &str,
    (lower, upper): (i64, i64),
    most: usize,
) -> Result<Vec<i64>, Failure> {
    let text = format!(
        "SELECT DISTINCT span FROM request_span WHERE subject IN ({listed}) AND span >= $1 \
         AND span < $2 ORDER BY span DESC LIMIT $3"
    );
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = session.all(text, &[lower.into(), upper.into(), most.into()]).await?;
    rows.iter().map(|row| row.int(0)).collect()
}

/// Spans that follow each other as one: the first and the last of each.
fn stretches(spans: &[i64]) -> Vec<(i64, i64)> {
    let mut stretches: Vec<(i64, i64)> = Vec::new();
    for span in spans {
        match stretches.last_mut() {
            Some((first, _)) if *first == span + 1 => *first = *span,
            _ => stretches.push((*span, *span)),
        }
    }
    stretches
}

impl Task for Look<'_> {
    type Out = Found;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let subjects = self.subjects(session).await?;
        if subjects.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Found::default());
        }
        let Some(label) = self.label else {
            return match subjects {
                Some(subjects) => self.some(session, &subjects).await,
                None => self.walk(session).await,
            };
        };
        let all = self.search.of.is_all() && self.search.ended.is_none();
        let floor = if all { None } else { self.floor(session, Some(label)).await? };
        match subjects {
            // Many have the label: whose it is says more.
            Some(subjects) if floor.is_some() => self.some(session, &subjects).await,
            _ => self.labelled(session, label, floor).await,
        }
    }
}
