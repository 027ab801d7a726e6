//! The schema of a new file, laid out at once.
//!
//! Step by step it took fifty milliseconds, which was most of a first start: each change of a table
//! makes SQLite read all of the schema again. What the steps come to stands in `whole.sql`. It is
//! written by the test below, which holds the one against the other; a file that has anything in it
//! goes the way of the steps.

use sqlx::{AssertSqlSafe, SqliteConnection};

const WHOLE: &str = include_str!("whole.sql");

/// Lays out a file in which nothing is; says whether that was so. The steps are then to be noted as
/// taken.
pub(super) async fn lay_out(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let objects: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut *connection)
        .await?;
    if objects > 0 {
        return Ok(false);
    }
    // What is laid out goes through little room: all of it would stay in memory, and hardly any of it is
    // asked for soon.
    let room: i64 = sqlx::query_scalar("PRAGMA cache_size").fetch_one(&mut *connection).await?;
    sqlx::query("PRAGMA cache_size = -100").execute(&mut *connection).await?;
    sqlx::raw_sql(WHOLE).execute(&mut *connection).await?;
    let restored = AssertSqlSafe(format!("PRAGMA cache_size = {room}"));
    sqlx::query(restored).execute(connection).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use sqlx::Connection as _;

    use super::super::place::MIGRATIONS;
    use super::*;

    /// Said, the file is written anew: after another step was added.
    const WRITE: &str = "LLM_WRITE_SCHEMA";

    async fn texts(connection: &mut SqliteConnection, query: &str) -> Vec<String> {
        let query = AssertSqlSafe(query.to_owned());
        sqlx::query_scalar(query).fetch_all(connection).await.unwrap()
    }

    /// All that is in a file, as statements that make it: what the steps are noted in is left out,
    /// and so is what SQLite makes by itself.
    async fn dump(connection: &mut SqliteConnection) -> String {
        const OWN: &str = "name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> '_sqlx_migrations'";
        let mut whole =
            String::from("-- What the migrations of SQLite come to. Written by a test.\n");
        // In the order in which they were made: what stands on another comes behind it.
        let objects = format!("SELECT sql FROM sqlite_schema WHERE {OWN} ORDER BY rowid");
        for sql in texts(connection, &objects).await {
            writeln!(whole, "{sql};").unwrap();
        }
        // The table of SQLite's own figures is made by nothing else.
        writeln!(whole, "ANALYZE wallet_alert;").unwrap();
        let tables = format!("SELECT name FROM sqlite_schema WHERE type = 'table' AND {OWN}");
        let mut tables = texts(connection, &tables).await;
        tables.sort_unstable();
        for table in tables.iter().map(String::as_str).chain(["sqlite_stat1"]) {
            let columns = format!("SELECT name FROM pragma_table_info('{table}')");
            let columns = texts(connection, &columns).await;
            let values: Vec<String> = columns.iter().map(|c| format!("quote(\"{c}\")")).collect();
            let rows = format!("SELECT {} FROM {table} ORDER BY 1", values.join(" || ', ' || "));
            for row in texts(connection, &rows).await {
                writeln!(whole, "INSERT INTO {table} ({}) VALUES ({row});", columns.join(", "))
                    .unwrap();
            }
        }
        whole.push_str("ANALYZE sqlite_schema;\n");
        whole
    }

    async fn empty() -> SqliteConnection {
        SqliteConnection::connect("sqlite::memory:").await.unwrap()
    }

    async fn steps(connection: &mut SqliteConnection) -> Vec<String> {
        let noted = "SELECT version || ' ' || description || ' ' || success || ' ' || hex(checksum)
            FROM _sqlx_migrations ORDER BY version";
        texts(connection, noted).await
    }

    #[tokio::test]
    async fn a_new_file_is_what_the_steps_make() {
        let mut stepwise = empty().await;
        MIGRATIONS.run_direct(None, &mut stepwise, false).await.unwrap();
        let made = dump(&mut stepwise).await;
        if std::env::var_os(WRITE).is_some() {
            let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sql/sqlite/whole.sql");
            std::fs::write(file, &made).unwrap();
            return;
        }
        assert!(made == WHOLE, "the steps make something else: write it anew with {WRITE}=1");
        let mut at_once = empty().await;
        assert!(lay_out(&mut at_once).await.unwrap());
        MIGRATIONS.run_direct(None, &mut at_once, true).await.unwrap();
        assert_eq!(dump(&mut at_once).await, made);
        assert_eq!(steps(&mut at_once).await, steps(&mut stepwise).await);
        // Nothing is laid out over what is there.
        assert!(!lay_out(&mut at_once).await.unwrap());
        assert!(!lay_out(&mut stepwise).await.unwrap());
    }
}
