//! Rows that earlier versions have written: a database is put back to what it was before its tables
//! were narrowed, and opened again.

use llm_store::requests::{Request, Search};
use llm_store::verify::verify;

use crate::calls::{NOVEMBER, call};
use crate::places::{self, Place, logged};
use crate::upkeep::labels_are_those_of_rows;
use crate::verified::spend;

const BEFORE: &str = "DELETE FROM _sqlx_migrations WHERE version IN (45, 46, 53)";

const LOG: &str = "DROP TABLE request; CREATE TABLE request (at NUM NOT NULL, id RAW NOT NULL, \
     subject NUM NOT NULL, asked TEXT, attempts NUM NOT NULL, stream NUM NOT NULL, \
     outcome TEXT NOT NULL, input NUM NOT NULL, cache_read NUM NOT NULL, cache_write NUM NOT NULL, \
     cache_write_1h NUM NOT NULL, output NUM NOT NULL, reasoning NUM NOT NULL, \
     audio_in NUM NOT NULL, audio_out NUM NOT NULL, images NUM NOT NULL, pieces NUM NOT NULL, \
     audio_ms NUM NOT NULL, unknown NUM NOT NULL, source NUM NOT NULL, charged NUM NOT NULL, \
     loss NUM NOT NULL, first_byte NUM, total NUM NOT NULL, tags TEXT, plan TEXT, credits NUM, \
     PRIMARY KEY (at, id)); CREATE UNIQUE INDEX request_id ON request (id); \
     CREATE INDEX request_tagged ON request (at, id) WHERE tags IS NOT NULL; \
     DROP TABLE request_label";

const HOURS_FILE: &str = "DROP TRIGGER wallet_entry_in_its_hour; DROP TABLE wallet_hour";

const HOURS_SERVER: &str = "DROP TRIGGER wallet_entry_in_its_hour ON wallet_entry; \
     DROP FUNCTION wallet_hour_added; DROP TABLE wallet_hour";

const ENTRIES_FILE: &str = "CREATE TABLE was (account INTEGER NOT NULL, seq INTEGER NOT NULL, \
     hold BLOB CHECK (length(hold) = 16), kind TEXT NOT NULL, amount INTEGER NOT NULL, \
     replica TEXT NOT NULL, epoch INTEGER NOT NULL, at INTEGER NOT NULL, hash BLOB NOT NULL, \
     PRIMARY KEY (account, seq)) STRICT, WITHOUT ROWID; INSERT INTO was SELECT * FROM entry; \
     DROP TABLE entry; ALTER TABLE was RENAME TO entry";

const ENTRIES_SERVER: &str = "ALTER TABLE entry DROP CONSTRAINT entry_holds_check; \
     ALTER TABLE entry RENAME COLUMN holds TO hold; \
     ALTER TABLE entry ADD CHECK (length(hold) = 16)";

fn text(word: Option<&str>) -> String {
    word.map_or_else(|| "NULL".to_owned(), |word| format!("'{}'", word.replace('\'', "''")))
}

/// A row as it was written.
fn row(call: &Request, subject: usize, file: bool) -> String {
    let id = format!("{:032x}", call.id.as_u128());
    let id = if file { format!("x'{id}'") } else { format!("decode('{id}', 'hex')") };
    let or_null = |number: Option<i64>| number.map_or("NULL".to_owned(), |n| n.to_string());
    let usage = &call.usage;
    let tags = format!("\n{}\n", call.tags.join("\n"));
    let tags = (!call.tags.is_empty()).then_some(tags.as_str());
    let unknown = i64::from(usage.unknown.input) + 2 * i64::from(usage.unknown.output);
    let numbers = [
        usage.input,
        usage.cache_read,
        usage.cache_write,
        usage.cache_write_1h,
        usage.output,
        usage.reasoning,
        usage.audio_in,
        usage.audio_out,
        u64::from(usage.images),
        u64::from(usage.calls),
        usage.audio_ms,
    ];
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    format!(
        "INSERT INTO request VALUES ({}, {id}, {subject}, NULL, {}, {}, '{}', {}, {unknown}, {}, {}, \
         {}, {}, {}, {}, {}, {})",
        call.at.as_microsecond(),
        call.attempts,
        i64::from(call.stream),
        call.outcome,
        numbers.join(", "),
        usage.source as u8,
        call.charged.0,
        call.loss.0,
        or_null(call.first_byte.map(|span| span.as_micros() as i64)),
        call.total.as_micros(),
        text(tags),
        text(Some(&*call.plan).filter(|plan| !plan.is_empty())),
        or_null(call.credits.map(|credits| credits.0)),
    )
}

async fn narrowed(place: &Place) -> (Vec<Request>, Vec<String>) {
    // One a second, each a subject of its own.
    let calls: Vec<_> =
        (0..8).map(|n| call(n, NOVEMBER + n as i64 * 1_000_000, 5 + 97 * n as u64)).collect();
    for one in &calls {
        logged(&place.log(), std::slice::from_ref(one)).await;
    }
    let was = place.log().page(&Search::default(), None, 100).await.unwrap().requests;
    assert_eq!(was.len(), calls.len());
    let file = place.raw.is_file();
    let mut steps = vec![BEFORE.to_owned()];
    let (number, bytes) = if file { ("INTEGER", "BLOB") } else { ("BIGINT", "BYTEA") };
    steps.push(LOG.replace("NUM", number).replace("RAW", bytes));
    steps.push(if file { HOURS_FILE } else { HOURS_SERVER }.to_owned());
    let (subjects, _) =
        place.raw.ask("SELECT CAST(at AS TEXT), subject, at, at FROM request").await;
    for seen in &was {
        let at = seen.at.as_microsecond().to_string();
        let subject = subjects.iter().find(|(of, ..)| *of == at).unwrap().1;
        steps.push(row(seen, subject as usize, file));
    }
    steps.push(if file { ENTRIES_FILE } else { ENTRIES_SERVER }.to_owned());
    (was, steps)
}

async fn same_as_before(place: &Place, was: Vec<Request>) {
    let is = place.log().page(&Search::default(), None, 100).await.unwrap().requests;
    assert_eq!(is, was);
    for seen in was {
        assert_eq!(place.log().request(seen.id).await.unwrap(), Some(seen));
    }
    labels_are_those_of_rows(place).await;
    let report = verify(&place.database).await.unwrap();
    assert!(report.ok, "{report:?}");
    assert_eq!((report.accounts, report.entries), (2, 3));
}

#[tokio::test]
async fn a_file_of_before() {
    let (place, vault) = places::sqlite().await;
    spend(&vault, 1, "k1", 7).await;
    spend(&vault, 2, "k1", 8).await;
    spend(&vault, 3, "k2", 9).await;
    let (was, steps) = narrowed(&place).await;
    for step in steps {
        place.raw.run(&step).await;
    }
    let vault = places::reopened(&place).await;
    let place = Place { database: vault.into(), raw: place.raw };
    same_as_before(&place, was).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_postgres_of_before() {
    let Some(server) = crate::server::Server::shared() else { return };
    let _turn = places::TURN.lock().await;
    let (place, vault) = places::postgres(&server).await;
    spend(&vault, 1, "k1", 7).await;
    spend(&vault, 2, "k1", 8).await;
    spend(&vault, 3, "k2", 9).await;
    let (was, steps) = narrowed(&place).await;
    for step in steps {
        place.raw.run(&step).await;
    }
    let crate::places::Raw::Postgres(url) = &place.raw else { return };
    let settings = llm_store::sql::postgres::Settings::new(url.clone());
    let opened = llm_store::sql::postgres::PostgresVault::<llm_core::money::Money>::open(
        &settings,
        places::Real::new(),
    );
    let place = Place { database: opened.await.unwrap().into(), raw: place.raw };
    same_as_before(&place, was).await;
}
