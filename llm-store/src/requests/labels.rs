//! Each label's calls, beside the log: `request_label` says in the log's order which calls have a
//! label. Whoever writes rows that have labels, or takes them away, does the same there.

use std::sync::LazyLock;

use super::row::{Row, labels};
use super::texts::Texts;
use crate::sql::database::{Arg, Record, Session};
use crate::sql::fault::Failure;

/// A label, and the call's place in the log.
const WIDTH: usize = 3;

static LABELS: LazyLock<Texts> = LazyLock::new(|| {
    let head = "INSERT INTO request_label (label, at, id) VALUES ";
    Texts::new(head, WIDTH, " ON CONFLICT DO NOTHING")
});
static GONE: LazyLock<Texts> = LazyLock::new(|| {
    Texts::new("DELETE FROM request_label WHERE (label, at, id) IN (VALUES ", WIDTH, ")")
});

/// Of rows that are written. Most have no labels: then there is nothing to do.
pub(super) async fn write(session: &mut Session<'_>, rows: &[(&Row, i64)]) -> Result<(), Failure> {
    let args = rows.iter().flat_map(|(row, _)| {
        row.labels().flat_map(|label| [Arg::from(label), row.at.into(), Arg::from(&row.id[..])])
    });
    LABELS.run(session, &args.collect::<Vec<_>>()).await.map(drop)
}

/// A row whose labels go.
#[derive(Clone)]
pub(super) struct Unlabelled {
    pub(super) at: i64,
    pub(super) id: Vec<u8>,
    tags: Option<String>,
}

impl Unlabelled {
    /// From `at, id, tags`.
    pub(super) fn read(row: &Record) -> Result<Self, Failure> {
        Ok(Self { at: row.int(0)?, id: row.bytes(1)?, tags: row.maybe_text(2)? })
    }
}

pub(super) async fn take_away<'a>(
    session: &mut Session<'_>,
    rows: impl Iterator<Item = &'a Unlabelled>,
) -> Result<(), Failure> {
    let args = rows.flat_map(|row| {
        let labels = row.tags.iter().flat_map(|tags| labels(tags));
        labels.flat_map(|label| [Arg::from(label), row.at.into(), Arg::from(&row.id[..])])
    });
    GONE.run(session, &args.collect::<Vec<_>>()).await.map(drop)
}
