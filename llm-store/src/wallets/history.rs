//! What happened to a wallet, for people: pages of its journal.

use jiff::Timestamp;
use llm_core::Str;
use llm_core::wallet::Entry;

use super::line::{self, COLUMNS, columns_of};
use super::open::Open;
use super::{NotDone, WalletId, Wallets};
use crate::sql::database::{Record, Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// Lines of a page: what fits a screen several times.
pub const PAGE_MAX: u32 = 500;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something was put in.
    Grant,
    /// Something was set aside.
    Reserve,
    /// It was spent.
    Settle,
    /// It was given back.
    Release,
    /// It ended.
    Expire,
    /// What was spent came back.
    Refund,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Grant, Self::Reserve, Self::Settle, Self::Release, Self::Expire, Self::Refund];

    fn word(self) -> &'static str {
        match self {
            Self::Grant => line::GRANT,
            Self::Reserve => line::RESERVE,
            Self::Settle => line::SETTLE,
            Self::Release => line::RELEASE,
            Self::Expire => line::EXPIRE,
            Self::Refund => line::REFUND,
        }
    }
}

/// Which lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of these; none is all.
    pub kinds: Vec<Kind>,
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
}

/// A line of a wallet's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub seq: u64,
    /// What moved.
    pub entry: Entry,
    /// What a hold's amount was made of.
    pub price: Option<Str>,
}

/// Lines, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Them.
    pub lines: Vec<Line>,
    /// Where the next page begins; `None` is the end.
    pub next: Option<u64>,
}

impl Wallets {
    /// A page of what happened, the newest first, from where another one ended.
    pub async fn history(
        &self,
        of: &WalletId,
        filter: Filter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page, NotDone> {
        of.checked()?;
        let limit = limit.clamp(1, PAGE_MAX);
        Ok(self.database.report(Pages { name: of.clone(), filter, before, limit }).await?)
    }
}

/// Lines, and the price of the hold of each.
fn lines() -> String {
    format!(
        "SELECT seq, (SELECT price FROM wallet_hold h WHERE h.wallet = wallet_entry.wallet \
         AND h.id = wallet_entry.hold) AS price, {COLUMNS} FROM wallet_entry WHERE wallet = $1"
    )
}

fn all() -> String {
    format!("{} AND seq < $2 ORDER BY seq DESC LIMIT $3", lines())
}

/// When the last line up to one was written.
const WRITTEN: &str = "SELECT at FROM wallet_entry WHERE wallet = $1 AND seq <= $2 \
     ORDER BY seq DESC LIMIT 1";

struct Pages {
    name: WalletId,
    filter: Filter,
    before: Option<u64>,
    limit: u32,
}

impl Pages {
    /// Lines of some kinds or of some time, each kind by its index: by when they were written, and
    /// so not by their numbers alone, where a clock was put back.
    async fn picked(
        &self,
        session: &mut Session<'_>,
        id: i64,
        before: i64,
    ) -> Result<Vec<Record>, Failure> {
        let Some(row) = session.one(WRITTEN, &[id.into(), before.into()]).await? else {
            return Ok(Vec::new());
        };
        let Filter { kinds, from, to } = &self.filter;
        let kinds = if kinds.is_empty() { &Kind::ALL[..] } else { kinds };
        let micros = |instant: Timestamp| (instant.as_microsecond(), i64::MIN);
        // One bound from above: of two a server may begin at the farther one.
        let (at, seq) = to.map_or((i64::MAX, 0), micros).min((row.int(0)?, before));
        let from = from.map_or(i64::MIN, Timestamp::as_microsecond);
        let order = "ORDER BY at DESC, seq DESC LIMIT $5";
        let parts = kinds.iter().enumerate().map(|(number, kind)| {
            format!(
                "SELECT * FROM ({} AND kind || '' = '{}' AND at >= $2 \
                 AND (at, seq) < ($3, $4) {order}) t{number}",
                lines(),
                kind.word()
            )
        });
        let parts: Vec<_> = parts.collect();
        let limit = i64::from(self.limit);
        let args = [id.into(), from.into(), at.into(), seq.into(), limit.into()];
        session.all(format!("{} {order}", parts.join(" UNION ALL ")), &args).await
    }
}

impl Task for Pages {
    type Out = Page;

    async fn run(&self, session: &mut Session<'_>) -> Result<Page, Failure> {
        let Some(id) = Open::find(session, &self.name).await? else { return Ok(Page::default()) };
        let before = self.before.map_or(i64::MAX, |seq| i64::try_from(seq).unwrap_or(i64::MAX));
        let rows = match self.filter == Filter::default() {
            true => {
                session
                    .all(all(), &[id.into(), before.into(), i64::from(self.limit).into()])
                    .await?
            }
            false => self.picked(session, id, before).await?,
        };
        let full = u32::try_from(rows.len()).is_ok_and(|found| found == self.limit);
        let mut lines = Vec::with_capacity(rows.len());
        for row in rows {
            let seq = u64::try_from(row.int(0)?).map_err(|_| odd("seq"))?;
            let price = row.maybe_text(1)?.map(Str::from);
            lines.push(Line { seq, entry: Entry::try_from(&columns_of(&row, 2)?)?, price });
        }
        let next = lines.last().map(|line| line.seq).filter(|_| full);
        Ok(Page { lines, next })
    }
}
