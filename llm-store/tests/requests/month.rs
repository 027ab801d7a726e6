//! A month of a million calls.

use std::time::Duration;

use jiff::civil::date;
use llm_core::Str;
use llm_store::requests::{By, Ended, Of, Search, Usage};

use crate::places::{self, Place};

/// The goal. It is about the database's own work; what a debug build of ours adds is printed.
const QUESTION_MAX: Duration = Duration::from_millis(100);
/// In a debug build SQLite itself is compiled without optimisation.
const SLOWER: u32 = if cfg!(debug_assertions) { 5 } else { 1 };
/// The best of so many counts: others use the machine too.
const TRIES: usize = 20;
const CALLS: i64 = 1_000_000;
const USERS: i64 = 300;
const DAYS: i64 = 30;

/// Call `n` is one of user `n % 300` on day `n / 300 % 30`, of one of three models.
const SUBJECT: &str = "1 + n % 300 + 300 * (n / 9000 % 3)";

async fn fill(place: &Place) {
    let (series, id) = if place.raw.is_file() {
        let series = "WITH RECURSIVE k (n) AS \
             (SELECT 0 UNION ALL SELECT n + 1 FROM k WHERE n < $max)";
        (series, "CAST(printf('%016d', n) AS BLOB)")
    } else {
        let series = "WITH k (n) AS (SELECT n::bigint FROM generate_series(0, $max) AS g (n))";
        (series, "decode(lpad(n::text, 32, '0'), 'hex')")
    };
    let up_to = |max: i64| series.replace("$max", &(max - 1).to_string());
    let subjects = format!(
        "INSERT INTO request_subject (tenant, key, person, team, feature, operation, model, \
         provider, target, cached) {} SELECT 't', 'k' || (n % 300), 'u' || (n % 300), '', 'f', \
         'chat', 'm' || (n / 300), 'p', 'p/m' || (n / 300), 0 FROM k",
        up_to(USERS * 3)
    );
    place.raw.run(&subjects).await;
    let at = crate::calls::NOVEMBER;
    let rows = format!(
        "INSERT INTO request (at, id, subject, outcome, input, output, charged, total) {} \
         SELECT {at} + n / 300 % 30 * 86400000000 + n, {id}, {SUBJECT}, 'done', n % 1000, n % 77, \
         n % 5000, 5 FROM k",
        up_to(CALLS)
    );
    // Rows that come all at once are sorted into an index faster than they are added to it.
    place.raw.run("DROP INDEX request_id").await;
    place.raw.run(&rows).await;
    place.raw.run("CREATE UNIQUE INDEX request_id ON request (id)").await;
    let days = format!(
        "INSERT INTO usage_day (day, subject, calls, errors, input, cache_read, cache_write, \
         cache_write_1h, output, reasoning, audio_in, audio_out, images, pieces, audio_ms, \
         charged, loss) {} SELECT 20261101 + n / 300 % 30, {SUBJECT}, count(*), 0, \
         sum(n % 1000), 0, 0, 0, sum(n % 77), 0, 0, 0, 0, 0, 0, sum(n % 5000), 0 \
         FROM k GROUP BY 1, 2",
        up_to(CALLS)
    );
    place.raw.run(&days).await;
    if !place.raw.is_file() {
        place.raw.run("ANALYZE").await;
    }
}

async fn per_user_and_day(place: &Place) {
    let began = tokio::time::Instant::now();
    fill(place).await;
    println!("{CALLS} calls: filled in {:?}", began.elapsed());
    let log = place.log();
    let (from, to) = (Some(date(2026, 11, 1)), Some(date(2026, 12, 1)));
    let month = Usage { by: vec![By::User, By::Day], from, to, ..Usage::default() };
    let began = tokio::time::Instant::now();
    let report = log.usage(&month).await.unwrap();
    let whole = began.elapsed();
    let naive = "SELECT s.person || ' 2026-11-' || substr('0' || CAST(1 + (r.at - $1) / \
         86400000000 AS TEXT), -2), count(*), CAST(sum(r.input + r.output) AS BIGINT), \
         CAST(sum(r.charged) AS BIGINT) FROM request r \
         JOIN request_subject s ON s.id = r.subject GROUP BY 1";
    let naive = naive.replace("$1", &crate::calls::NOVEMBER.to_string());
    let naive = if place.raw.is_file() {
        naive
    } else {
        naive
            .replace("substr('0' || CAST(1", "right('0' || CAST(1")
            .replace("TEXT), -2)", "TEXT), 2)")
    };
    let (mut rows, slow) = place.raw.ask(&naive).await;
    rows.sort();
    let mut told: Vec<_> = report
        .iter()
        .map(|row| {
            let tokens = row.sums.tokens.iter().sum::<u64>() as i64;
            let words = format!("{} {}", row.of[0], row.of[1]);
            (words, row.sums.calls as i64, tokens, row.sums.charged.0)
        })
        .collect();
    told.sort();
    assert_eq!(told.len() as i64, USERS * DAYS);
    assert!(told == rows, "the report is not what the rows add up to");
    let times = async || {
        let question = "SELECT 'all', count(*), CAST(sum(calls) AS BIGINT), \
             CAST(sum(charged) AS BIGINT) FROM (SELECT s.person, u.day, sum(u.calls) AS calls, \
             sum(u.errors) AS e, sum(u.calls * s.cached) AS c, sum(u.input) AS i, \
             sum(u.cache_read) AS r, sum(u.cache_write) AS w, sum(u.cache_write_1h) AS h, \
             sum(u.output) AS o, sum(u.reasoning) AS t, sum(u.audio_in) AS ai, \
             sum(u.audio_out) AS ao, sum(u.images) AS im, sum(u.pieces) AS p, \
             sum(u.audio_ms) AS ms, sum(u.charged) AS charged, sum(u.loss) AS l \
             FROM usage_day u JOIN request_subject s ON s.id = u.subject \
             WHERE u.day >= 20261101 AND u.day < 20261201 GROUP BY s.person, u.day) x";
        place.raw.ask(question).await.1
    };
    let goal = if place.raw.is_file() { QUESTION_MAX * SLOWER } else { QUESTION_MAX };
    let mut question = times().await;
    for _ in 0..TRIES {
        if question > goal {
            question = question.min(times().await);
        }
    }
    println!(
        "usage per user and day: {question:?} in the database, {whole:?} with its reading; \
         {slow:?} from the rows"
    );
    assert!(question <= goal, "{question:?}");
    let by_month = Usage { by: vec![By::Month], ..month };
    let sums = log.usage(&by_month).await.unwrap();
    assert_eq!(sums.iter().map(|row| row.sums.calls as i64).collect::<Vec<_>>(), [CALLS]);
    few_among_many(place).await;
}

/// Somebody with a call a day is found at once; what only rows know is looked for in parts, each of
/// which says where the next one begins, and no row is in none of them.
async fn few_among_many(place: &Place) {
    let log = place.log();
    let system = if place.raw.is_file() { "" } else { "OVERRIDING SYSTEM VALUE" };
    let subject = "INSERT INTO request_subject (id, tenant, key, person, team, feature, operation, \
         model, provider, target, cached) $1 SELECT 5000, tenant, 'rare', 'rare', team, feature, \
         operation, model, provider, target, cached FROM request_subject WHERE id = 1";
    place.raw.run(&subject.replace("$1", system)).await;
    place.raw.run("UPDATE request SET subject = 5000, outcome = 'left' WHERE subject = 1").await;
    // What was written before is not written down anew where somebody changes it by hand.
    let spans = "INSERT INTO request_span (span, subject) SELECT DISTINCT at / 10000000, subject \
         FROM request WHERE subject = 5000";
    place.raw.run(spans).await;
    labelled(place).await;
    let of = Of { user: Some("rare".into()), ..Of::default() };
    let left = Some(Ended::Left);
    let (many, few) = (Some(Str::from("many")), Some(Str::from("few")));
    let asked = [
        Search { of: of.clone(), ..Search::default() },
        Search { ended: left, ..Search::default() },
        Search { of: of.clone(), ended: left, ..Search::default() },
        Search { tag: few.clone(), ..Search::default() },
        Search { tag: few, ended: left, ..Search::default() },
        Search { tag: many.clone(), ended: left, ..Search::default() },
        Search { of, tag: many, ..Search::default() },
    ];
    let mut found = Vec::new();
    for search in asked {
        let (mut rows, mut pages, mut after) = (Vec::new(), 0, None);
        let began = tokio::time::Instant::now();
        loop {
            let page = log.page(&search, after, 500).await.unwrap();
            rows.extend(page.requests.into_iter().map(|request| request.id));
            (pages, after) = (pages + 1, page.next);
            if after.is_none() {
                break;
            }
        }
        println!("{} rows in {pages} pages: {:?}, {search:?}", rows.len(), began.elapsed());
        found.push(rows);
    }
    assert!(found[0].len() > 1_000 && found.windows(2).all(|two| two[0] == two[1]));
}

/// Somebody's calls have two labels, and those of some others one of them.
async fn labelled(place: &Place) {
    let line = if place.raw.is_file() { "char(10)" } else { "chr(10)" };
    for (label, whose) in [("many", "subject = 5000 OR subject < 10"), ("few", "subject = 5000")] {
        let rows = format!(
            "UPDATE request SET tags = coalesce(tags, {line}) || '{label}' || {line} WHERE {whose}"
        );
        place.raw.run(&rows).await;
        let list = format!(
            "INSERT INTO request_label (label, at, id) SELECT '{label}', at, id FROM request \
             WHERE {whose}"
        );
        place.raw.run(&list).await;
    }
}

#[tokio::test]
async fn in_a_file() {
    let _turn = places::TURN.lock().await;
    per_user_and_day(&places::sqlite().await.0).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn in_postgres() {
    let Some(server) = crate::server::Server::shared() else { return };
    let _turn = places::TURN.lock().await;
    per_user_and_day(&places::postgres(&server).await.0).await;
}
