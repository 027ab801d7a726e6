//! What a task says to its database, and what it hears.

use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr, SqlStr};

use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// A transaction, of either kind.
pub struct Session<'c> {
    link: Link<'c>,
    now: i64,
}

enum Link<'c> {
    #[cfg(feature = "sqlite")]
    Sqlite(&'c mut sqlx::SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(&'c mut sqlx::PgConnection),
}

/// A value that goes into a statement.
#[derive(Clone, Copy, Debug)]
pub enum Arg<'a> {
    /// A number, or none.
    Int(Option<i64>),
    /// A text, or none.
    Text(Option<&'a str>),
    /// Bytes, or none.
    Bytes(Option<&'a [u8]>),
}

impl From<i64> for Arg<'_> {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Arg<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Some(value))
    }
}

impl<'a> From<Option<&'a str>> for Arg<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Arg<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(Some(value))
    }
}

impl<'a> From<Option<&'a [u8]>> for Arg<'a> {
    fn from(value: Option<&'a [u8]>) -> Self {
        Self::Bytes(value)
    }
}

/// A row that came.
pub struct Record(Row);

enum Row {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::sqlite::SqliteRow),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgRow),
}

/// Binds what a statement wants, whichever database it is for: the drivers' types differ, and the
/// bounds that would say it once are longer than this.
macro_rules! bound {
    ($text:expr, $args:expr) => {{
        let mut query: Query<'_, _, _> = sqlx::query($text);
        for arg in $args {
            query = match *arg {
                Arg::Int(value) => query.bind(value),
                Arg::Text(value) => query.bind(value),
                Arg::Bytes(value) => query.bind(value),
            };
        }
        query
    }};
}

macro_rules! column {
    ($record:expr, $at:expr, $what:literal) => {
        match &$record.0 {
            #[cfg(feature = "sqlite")]
            Row::Sqlite(row) => row.try_get($at).map_err(|_| odd($what).into()),
            #[cfg(feature = "postgres")]
            Row::Postgres(row) => row.try_get($at).map_err(|_| odd($what).into()),
        }
    };
}

impl<'c> Session<'c> {
    #[cfg(feature = "sqlite")]
    pub(in crate::sql) fn sqlite(connection: &'c mut sqlx::SqliteConnection, now: i64) -> Self {
        Self { link: Link::Sqlite(connection), now }
    }

    #[cfg(feature = "postgres")]
    pub(in crate::sql) fn postgres(connection: &'c mut sqlx::PgConnection, now: i64) -> Self {
        Self { link: Link::Postgres(connection), now }
    }

    /// The instant of this transaction by the clock of the store: the same for all replicas.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// What a `SELECT` ends with when its rows are to be nobody else's until the end of this
    /// transaction. In a file there is one writer anyway.
    pub fn locking(&self) -> &'static str {
        match self.link {
            #[cfg(feature = "sqlite")]
            Link::Sqlite(_) => "",
            #[cfg(feature = "postgres")]
            Link::Postgres(_) => " FOR UPDATE",
        }
    }

    /// The same for queues: rows that somebody else has locked are passed over.
    pub fn taking(&self) -> &'static str {
        match self.link {
            #[cfg(feature = "sqlite")]
            Link::Sqlite(_) => "",
            #[cfg(feature = "postgres")]
            Link::Postgres(_) => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// Whether arguments are written `$1` where there are hundreds of them. In a file each is then
    /// looked up by its name, past all before it: a bare `?` is not, and means the next one.
    pub fn numbered(&self) -> bool {
        match self.link {
            #[cfg(feature = "sqlite")]
            Link::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Link::Postgres(_) => true,
        }
    }

    /// Carries a statement out, and says how many rows it changed.
    pub async fn run(&mut self, text: impl Into<Text>, args: &[Arg<'_>]) -> Result<u64, Failure> {
        let text = text.into().0;
        Ok(match &mut self.link {
            #[cfg(feature = "sqlite")]
            Link::Sqlite(link) => bound!(text, args).execute(&mut **link).await?.rows_affected(),
            #[cfg(feature = "postgres")]
            Link::Postgres(link) => bound!(text, args).execute(&mut **link).await?.rows_affected(),
        })
    }

    /// All rows of a question. Whoever asks bounds them.
    pub async fn all(
        &mut self,
        text: impl Into<Text>,
        args: &[Arg<'_>],
    ) -> Result<Vec<Record>, Failure> {
        let text = text.into().0;
        Ok(match &mut self.link {
            #[cfg(feature = "sqlite")]
            Link::Sqlite(link) => {
                let rows = bound!(text, args).fetch_all(&mut **link).await?;
                rows.into_iter().map(Row::Sqlite).map(Record).collect()
            }
            #[cfg(feature = "postgres")]
            Link::Postgres(link) => {
                let rows = bound!(text, args).fetch_all(&mut **link).await?;
                rows.into_iter().map(Row::Postgres).map(Record).collect()
            }
        })
    }

    /// The one row of a question, if there is any.
    pub async fn one(
        &mut self,
        text: impl Into<Text>,
        args: &[Arg<'_>],
    ) -> Result<Option<Record>, Failure> {
        let text = text.into().0;
        Ok(match &mut self.link {
            #[cfg(feature = "sqlite")]
            Link::Sqlite(link) => {
                bound!(text, args).fetch_optional(&mut **link).await?.map(Row::Sqlite).map(Record)
            }
            #[cfg(feature = "postgres")]
            Link::Postgres(link) => {
                bound!(text, args).fetch_optional(&mut **link).await?.map(Row::Postgres).map(Record)
            }
        })
    }
}

/// The text of a statement: written in this program, or put together from such texts. Values are
/// arguments and never part of it.
pub struct Text(SqlStr);

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self(text.into_sql_str())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(AssertSqlSafe(text).into_sql_str())
    }
}

impl Record {
    /// A number.
    pub fn int(&self, at: usize) -> Result<i64, Failure> {
        column!(self, at, "number")
    }

    /// A number, or none.
    pub fn maybe_int(&self, at: usize) -> Result<Option<i64>, Failure> {
        column!(self, at, "number")
    }

    /// A text.
    pub fn text(&self, at: usize) -> Result<String, Failure> {
        column!(self, at, "text")
    }

    /// A text, or none.
    pub fn maybe_text(&self, at: usize) -> Result<Option<String>, Failure> {
        column!(self, at, "text")
    }

    /// Bytes.
    pub fn bytes(&self, at: usize) -> Result<Vec<u8>, Failure> {
        column!(self, at, "bytes")
    }

    /// Bytes, or none.
    pub fn maybe_bytes(&self, at: usize) -> Result<Option<Vec<u8>>, Failure> {
        column!(self, at, "bytes")
    }
}
