//! A trail in a file: whoever touches it is found out, and nobody reads all of it for a page.

use std::path::Path;
use std::sync::Arc;

use llm_core::money::Money;
use llm_core::seam::{BoxFuture, Clock};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::*;
use crate::sql::sqlite::{Settings, SqliteVault};

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> std::time::Instant {
        tokio::time::Instant::now().into_std()
    }

    fn wall(&self) -> std::time::SystemTime {
        std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000)
    }

    fn sleep(&self, _: std::time::Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

pub(crate) async fn database(path: &Path) -> Database {
    let settings = Settings::new(path);
    SqliteVault::<Money>::open(&settings, Arc::new(Still)).await.unwrap().into()
}

async fn raw(path: &Path, text: &str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn draft(n: u32) -> Draft {
    Draft {
        who: Str::from(format!("op-{}", n % 2)),
        what: "POST /key/update".into(),
        about: Str::from(format!("key-{}", n % 3)),
        detail: "{}".into(),
        outcome: Outcome::Done,
    }
}

#[tokio::test]
async fn whatever_is_changed_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let trail = Trail::new(database(&path).await);
    assert_eq!(trail.verify(None).await.unwrap().problem, None);
    let mut heads = vec![trail.head().await.unwrap()];
    for n in 1..=9 {
        heads.push(trail.append(draft(n)).await.unwrap());
    }
    let noted = heads[5];
    assert_eq!(noted.to_string().parse(), Ok(noted));
    let whole = trail.verify(Some(noted)).await.unwrap();
    assert_eq!((whole.lines, whole.problem, whole.head), (9, None, heads[9]));
    raw(&path, "DROP TRIGGER audit_stays; DROP TRIGGER audit_remains").await;
    let lies = [
        ("at = at + 1", "at = at - 1", 4),
        ("who = who || 'x'", "who = 'op-1'", 5),
        ("what = 'GET'", "what = 'POST /key/update'", 2),
        ("about = ''", "about = 'key-0'", 6),
        ("detail = '{\"a\":1}'", "detail = '{}'", 1),
        ("outcome = 'refused'", "outcome = 'done'", 9),
        ("outcome = 'odd'", "outcome = 'done'", 9),
    ];
    for (lie, truth, seq) in lies {
        raw(&path, &format!("UPDATE audit SET {lie} WHERE seq = {seq}")).await;
        let found = trail.verify(None).await.unwrap();
        assert_eq!(found.problem, Some(Problem::Chain(seq)), "{lie}");
        raw(&path, &format!("UPDATE audit SET {truth} WHERE seq = {seq}")).await;
        assert_eq!(trail.verify(Some(noted)).await.unwrap().problem, None, "{truth}");
    }
    // The end cut off, and then the head mended as well.
    raw(&path, "DELETE FROM audit WHERE seq > 4").await;
    assert_eq!(trail.verify(None).await.unwrap().problem, Some(Problem::Head));
    let hash = blake3::Hash::from_bytes(heads[4].hash).to_hex();
    raw(&path, &format!("UPDATE audit_head SET seq = 4, hash = x'{hash}'")).await;
    assert_eq!(trail.verify(None).await.unwrap().problem, None);
    assert_eq!(trail.verify(Some(noted)).await.unwrap().problem, Some(Problem::Other(5)));
    raw(&path, "DELETE FROM audit WHERE seq = 2").await;
    assert_eq!(trail.verify(None).await.unwrap().problem, Some(Problem::Chain(2)));
}

#[tokio::test]
async fn pages_go_on_where_they_ended_and_read_no_more_than_they_show() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder.path().join("store.db")).await;
    let trail = Trail::new(database.clone());
    for n in 1..=20 {
        trail.append(draft(n)).await.unwrap();
    }
    let searches = [
        Search::default(),
        Search { who: Some("op-0".into()), ..Search::default() },
        Search { about: Some("key-2".into()), ..Search::default() },
        Search { who: Some("op-0".into()), about: Some("key-2".into()) },
    ];
    for search in searches {
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = trail.page(&search, before, 3).await.unwrap();
            seen.extend(page.lines.iter().map(|line| line.seq));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let is = |n: &u64| {
            let draft = draft(u32::try_from(*n).unwrap());
            search.who.as_ref().is_none_or(|who| *who == draft.who)
                && search.about.as_ref().is_none_or(|about| *about == draft.about)
        };
        let all: Vec<u64> = (1..=20).rev().filter(is).collect();
        assert_eq!(seen, all, "{search:?}");
        let plan = database.read(Explain(search.clone())).await.unwrap();
        assert!(plan.iter().all(|step| step.starts_with("SEARCH")), "{plan:?}");
    }
}

#[tokio::test]
async fn long_lines_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::new(database(&folder.path().join("store.db")).await);
    let long = Draft {
        about: Str::from("é".repeat(1_000)),
        detail: Str::from(format!("{{\"a\":\"{}\"}}", "x".repeat(9_000))),
        ..draft(1)
    };
    trail.append(long).await.unwrap();
    let page = trail.page(&Search::default(), None, 1).await.unwrap();
    let line = &page.lines[0].draft;
    assert!(line.about.len() < 600 && line.about.ends_with('…'));
    assert_eq!(&*line.detail, TOO_LONG);
    assert_eq!(trail.verify(None).await.unwrap().problem, None);
}

/// What the database would do for a page.
struct Explain(Search);

impl Task for Explain {
    type Out = Vec<String>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let (text, more) = page::asked(&self.0);
        let args: Vec<_> = [5.into(), 3.into()].into_iter().chain(more).collect();
        let rows = session.all(format!("EXPLAIN QUERY PLAN {text}"), &args).await?;
        rows.iter().map(|row| row.text(3)).collect()
    }
}
