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
            // All of them have a label, half of them another one, which `u7` never has, and few a
            // third.
            (
                "tags",
                "{line} || CASE WHEN n % ({many} / 30) = 9 THEN 'rare' ELSE 'prod' END || {line} || \
                 CASE WHEN n % 899 % 2 = 1 THEN 'even' || {line} ELSE '' END",
            ),
        ],
    ),
    (
        "wallet_entry",
        &[
            ("seq", "c.seq + n"),
            ("at", "c.at + (n - {many}) * {step}"),
            // Few are of other kinds than all the rest, of which half are in a month's sums.
            (
                "kind",
                "CASE WHEN n % ({many} / 30) = 5 THEN 'release' WHEN n % 2 = 0 THEN 'settle' \
                 ELSE 'reserve' END",
            ),
            ("hold", "{id}"),
            ("spent", "n % 7"),
        ],
    ),
    ("prompt_boost", &[("owner", OWNER), ("id", "{id}")]),
];
/// What is written beside them, and is as long.
const BESIDE: [&str; 2] = ["request_span", "request_label"];
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
        let hurry: &[&str] = if self.is_file {
            // Copies of many owners fall all over the tables.
            &["PRAGMA synchronous = OFF", "PRAGMA cache_size = -500000"]
        } else {
            &["SET synchronous_commit = off", "SET maintenance_work_mem = '256MB'"]
        };
        for setting in hurry {
            self.run(setting).await;
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

    /// The indexes of a table that are not its keys, by their names.
    async fn indexes(&mut self, table: &str) -> Vec<(String, String)> {
        let text = if self.is_file {
            format!(
                "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = '{table}' \
                 AND sql IS NOT NULL"
            )
        } else {
            format!(
                "SELECT CAST(i.relname AS TEXT), pg_get_indexdef(i.oid) FROM pg_index x \
                 JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid \
                 WHERE t.relname = '{table}' \
                 AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.oid)"
            )
        };
        let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(&mut self.link).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Rows that come all at once are sorted into an index faster than they are added to it.
    async fn copy(&mut self, long: &Long, many: i64) {
        let began = tokio::time::Instant::now();
        let indexes = self.indexes(long.0).await;
        for (name, _) in &indexes {
            self.run(&format!("DROP INDEX {name}")).await;
        }
        self.copied(long, many).await;
        for (_, made) in &indexes {
            self.run(made).await;
        }
        println!("{many:>8} rows of {}: {:.1?}", long.0, began.elapsed());
    }

    async fn copied(&mut self, (table, changed): &Long, many: i64) {
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
            self.run(&self.labels()).await;
        }
    }

    /// What is written beside calls that have labels.
    fn labels(&self) -> String {
        let cut = if self.is_file {
            "WITH RECURSIVE cut (label, rest, at, id) AS (\
             SELECT NULL, substr(tags, 2), at, id FROM request WHERE tags IS NOT NULL UNION ALL \
             SELECT substr(rest, 1, instr(rest, char(10)) - 1), \
             substr(rest, instr(rest, char(10)) + 1), at, id FROM cut WHERE rest <> '')"
        } else {
            "WITH cut AS (SELECT regexp_split_to_table(\
             substr(tags, 2, length(tags) - 2), chr(10)) AS label, at, id FROM request \
             WHERE tags IS NOT NULL)"
        };
        // In the order of their places, so that each is the next.
        let order = "ORDER BY label, at, id ON CONFLICT DO NOTHING";
        let into = "INSERT INTO request_label (label, at, id)";
        format!("{into} {cut} SELECT label, at, id FROM cut WHERE label IS NOT NULL {order}")
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
        let long = LONG.iter().map(|(table, _)| *table).chain(BESIDE).collect::<Vec<_>>();
        all.filter(|(name, _)| long.contains(&name.as_str())).collect()
    }
}
