//! Long tables, made of copies of the rows that are there.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Row as _};

/// One in a hundred is the same person's.
const OWNER: &str = "CASE WHEN n % 100 = 0 THEN c.owner ELSE 'other' || CAST(n % 997 AS TEXT) END";
const PERSON: &str =
    "CASE WHEN n % 100 = 0 THEN c.person ELSE 'other' || CAST(n % 997 AS TEXT) END";

/// A table, and what is otherwise in the copies. `{id}` is an id of 16 bytes that is older than any
/// other, `{hash}` one of 32, `{text}` 32 digits, `{step}` such a part of a month that all of them are
/// one, `{many}` how many copies there are, `{line}` the end of a line.
type Long = (&'static str, &'static [(&'static str, &'static str)]);

/// The tables that are listed and searched.
pub(super) const LONG: [Long; 17] = [
    ("conversation", &[("owner", OWNER), ("id", "{id}"), ("touched", "c.touched - n")]),
    (
        "chat_message",
        &[("owner", OWNER), ("conversation", "{id}"), ("id", "{id}"), ("again", "NULL")],
    ),
    ("chat_term", &[("owner", OWNER), ("message", "{id}"), ("conversation", "{id}")]),
    ("prompt_template", &[("owner", OWNER), ("id", "{id}"), ("name", "n")]),
    ("prompt_version", &[("owner", OWNER), ("template", "{id}")]),
    ("prompt_experiment", &[("owner", OWNER), ("id", "{id}")]),
    ("prompt_feedback", &[("owner", OWNER), ("id", "{id}"), ("object", "CAST(n AS TEXT)")]),
    ("document", &[("owner", OWNER), ("id", "{text}"), ("print", "n")]),
    ("passage", &[("owner", "'other' || CAST(n % 997 AS TEXT)"), ("document", "{text}")]),
    (
        "job",
        &[
            ("person", PERSON),
            ("id", "{id}"),
            ("once", "NULL"),
            ("kind", "CASE WHEN n % 200 = 0 THEN 'batch' ELSE 'captions' END"),
            ("state", "CASE WHEN n % 200 = 0 THEN 'completed' ELSE 'failed' END"),
        ],
    ),
    (
        "deposit",
        &[
            ("owner", OWNER),
            ("id", "{text}"),
            ("seq", "-n"),
            // What is sealed is sealed for its place, and cannot be copied to another.
            ("own", "0"),
            ("head", r#"'{"filename":"a.txt","purpose":"user_data"}'"#),
        ],
    ),
    (
        "audit",
        &[
            ("seq", "c.seq + n + 1000"),
            ("who", "'w' || CAST(n % 3 AS TEXT)"),
            // What one of three does is never about what the others' is.
            ("about", "CASE n % 3 WHEN 0 THEN 'odd' ELSE 'a' || CAST(n % 1000 AS TEXT) END"),
            ("hash", "{hash}"),
        ],
    ),
    (
        "virtual_key",
        &[
            ("id", "'key-' || {text}"),
            ("line", "'key-' || {text}"),
            ("print", "{hash}"),
            ("person", "'u' || CAST(n % 1000 AS TEXT)"),
            ("team", "'t' || CAST(n % 100 AS TEXT)"),
            // Half of them were replaced, and all of one person's.
            ("replaced_by", "CASE WHEN n % 2 = 0 THEN 'key-' || {text} END"),
            ("replaced_until", "CASE WHEN n % 2 = 0 THEN 1 END"),
        ],
    ),
    ("party", &[("id", "'u' || CAST(n AS TEXT)"), ("team", "'t' || CAST(n % 100 AS TEXT)")]),
    (
        "request",
        &[
            ("at", "c.at - n * {step}"),
            ("id", "{id}"),
            // Somebody who asks once a day.
            ("subject", "CASE WHEN n % ({many} / 30) = 7 THEN 5000 ELSE 1001 + n % 899 END"),
            // All of them have a label, and few another one.
            (
                "tags",
                "{line} || CASE WHEN n % ({many} / 30) = 9 THEN 'rare' ELSE 'prod' END || {line}",
            ),
        ],
    ),
    (
        "wallet_entry",
        &[
            ("seq", "c.seq + n"),
            ("at", "c.at + (n - {many}) * {step}"),
            // Few are of other kinds than all the rest.
            ("kind", "CASE WHEN n % ({many} / 30) = 5 THEN 'settle' ELSE 'reserve' END"),
            ("hold", "{id}"),
        ],
    ),
    ("prompt_boost", &[("owner", OWNER), ("id", "{id}")]),
];
/// What belongs to them, and is shorter.
const SHORT: [(i64, Long); 3] = [
    (
        899,
        (
            "request_subject",
            &[
                ("id", "1000 + n"),
                ("key", "'k' || CAST(n % 300 AS TEXT)"),
                ("person", "'u' || CAST(n % 300 AS TEXT)"),
                ("model", "'m' || CAST(n / 300 AS TEXT)"),
            ],
        ),
    ),
    (
        1,
        (
            "request_subject",
            &[("id", "5000"), ("key", "'rare'"), ("person", "'rare'"), ("model", "'rare'")],
        ),
    ),
    // A month of all of them.
    (
        899 * 28,
        ("usage_day", &[("day", "c.day / 100 * 100 + 1 + n % 28"), ("subject", "1000 + n / 28")]),
    ),
];

/// A database, beside the proxy.
pub(super) struct Tables {
    link: AnyConnection,
    is_file: bool,
}

impl Tables {
    pub(super) async fn open(url: &str) -> Self {
        sqlx::any::install_default_drivers();
        let link = AnyConnection::connect(url).await.unwrap();
        Self { link, is_file: url.starts_with("sqlite") }
    }

    /// So many rows in each long table.
    pub(super) async fn fill(&mut self, rows: i64) {
        if self.is_file {
            self.run("PRAGMA synchronous = OFF").await;
            // Copies of many owners fall all over the indexes.
            self.run("PRAGMA cache_size = -500000").await;
        }
        for (many, long) in LONG.iter().map(|long| (rows, long)) {
            self.copy(long, many).await;
        }
        for (many, long) in &SHORT {
            self.copy(long, *many).await;
        }
        self.run("UPDATE audit_head SET seq = (SELECT max(seq) FROM audit)").await;
        if !self.is_file {
            // As it does by itself after a while.
            self.run("ANALYZE").await;
        }
    }

    async fn run(&mut self, text: &str) -> u64 {
        let done = sqlx::query(AssertSqlSafe(text.to_owned())).execute(&mut self.link).await;
        done.unwrap_or_else(|error| panic!("{text}: {error}")).rows_affected()
    }

    async fn columns(&mut self, table: &str) -> Vec<String> {
        let text = if self.is_file {
            format!("SELECT name FROM pragma_table_info('{table}')")
        } else {
            format!(
                "SELECT CAST(column_name AS TEXT) FROM information_schema.columns \
                 WHERE table_name = '{table}' ORDER BY ordinal_position"
            )
        };
        let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(&mut self.link).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn copy(&mut self, (table, changed): &Long, many: i64) {
        let columns = self.columns(table).await;
        let (series, system) = if self.is_file {
            let series = format!(
                "WITH RECURSIVE k (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < {many})"
            );
            (series, "")
        } else {
            let series =
                format!("WITH k (n) AS (SELECT n FROM generate_series(1, {many}::bigint) g (n))");
            (series, "OVERRIDING SYSTEM VALUE ")
        };
        let line = if self.is_file { "char(10)" } else { "chr(10)" };
        let (id, hash, text) = if self.is_file {
            ("unhex(printf('%032d', n))", "unhex(printf('%064d', n))", "printf('%032d', n)")
        } else {
            (
                "decode(lpad(n::text, 32, '0'), 'hex')",
                "decode(lpad(n::text, 64, '0'), 'hex')",
                "lpad(n::text, 32, '0')",
            )
        };
        let step = (30 * 24 * 3_600 * 1_000_000 / many).to_string();
        let value = |column: &String| match changed.iter().find(|(name, _)| name == column) {
            None => format!("c.{column}"),
            Some((_, other)) => {
                let other = other.replace("{id}", id).replace("{hash}", hash);
                let other = other.replace("{text}", text).replace("{step}", &step);
                other.replace("{many}", &many.to_string()).replace("{line}", line)
            }
        };
        let values: Vec<String> = columns.iter().map(value).collect();
        let which = match *table {
            // What has ended, of the key's person.
            "job" => " WHERE person IS NOT NULL",
            "party" => " WHERE kind = 'user'",
            "request" => " WHERE outcome = 'done'",
            _ => "",
        };
        let text = format!(
            "INSERT INTO {table} ({}) {system}{series} SELECT {} FROM k, \
             (SELECT * FROM {table}{which} LIMIT 1) c",
            columns.join(", "),
            values.join(", "),
        );
        let written = self.run(&text).await;
        assert_eq!(i64::try_from(written).unwrap(), many, "{table}: there is nothing to copy");
        if *table == "request" {
            // What is written beside each batch of calls.
            let spans = "INSERT INTO request_span (span, subject) \
                 SELECT DISTINCT at / 10000000, subject FROM request WHERE 0 = 0 \
                 ON CONFLICT DO NOTHING";
            self.run(spans).await;
        }
    }

    /// A place in the log behind which there are few calls.
    pub(super) async fn last_calls(&mut self) -> String {
        let first = "SELECT CAST(min(at) AS BIGINT) FROM request";
        let first: i64 = sqlx::query(first).fetch_one(&mut self.link).await.unwrap().get(0);
        let place = (first + 60_000_000).to_be_bytes();
        // Eight bytes of time and sixteen of an id.
        URL_SAFE_NO_PAD.encode([&place[..], &[0; 16]].concat())
    }

    /// Rows that were read without an index, by table, as a server counts them.
    pub(super) async fn unindexed(&mut self) -> BTreeMap<String, i64> {
        if self.is_file {
            return BTreeMap::new();
        }
        // A server counts when those have left who did it.
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let text = "SELECT CAST(relname AS TEXT), CAST(seq_tup_read AS BIGINT) \
             FROM pg_stat_user_tables";
        let rows = sqlx::query(text).fetch_all(&mut self.link).await.unwrap();
        let all = rows.iter().map(|row| (row.get::<String, _>(0), row.get::<i64, _>(1)));
        all.filter(|(name, _)| LONG.iter().any(|(table, _)| table == name)).collect()
    }
}
