//! One task over both kinds: what goes in comes out, what is denied leaves nothing behind.

use std::sync::Arc;

use llm_core::money::Money;
use llm_core::seam::{BoxFuture, Clock};

use super::*;
use crate::sql::sqlite::Settings;

/// The clock that the file is told.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> std::time::Instant {
        tokio::time::Instant::now().into_std()
    }

    fn wall(&self) -> std::time::SystemTime {
        std::time::UNIX_EPOCH + std::time::Duration::from_micros(1_234_567)
    }

    fn sleep(&self, span: std::time::Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(span))
    }
}

struct Put {
    id: i64,
    deny: bool,
}

impl Task for Put {
    type Out = (u64, i64);

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let text = "INSERT INTO owner (id, unit, replica, epoch, buried, heard, lives) \
             VALUES ($1, $2, $3, 1, 0, $4, $4)";
        let name = format!("r{}", self.id);
        let now = session.now();
        let args = [self.id.into(), "u".into(), name.as_str().into(), now.into()];
        let rows = session.run(text, &args).await?;
        if self.deny {
            return Err(StoreError::Conflict("no".into()).into());
        }
        Ok((rows, now))
    }
}

struct Count;

impl Task for Count {
    type Out = (i64, Option<String>, Option<i64>);

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let text = format!("SELECT count(*), max(replica), max(heard) FROM owner{}", "");
        let rows = session.all(text, &[]).await?;
        let [row] = &rows[..] else { panic!("one row") };
        Ok((row.int(0)?, row.maybe_text(1)?, row.maybe_int(2)?))
    }
}

#[tokio::test]
async fn a_task_happens_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path().join("a.db"));
    let vault = SqliteVault::<Money>::open(&settings, Arc::new(Still)).await.unwrap();
    let database = Database::from(vault);
    assert_eq!(database.read(Count).await, Ok((0, None, None)));
    assert_eq!(database.write(Put { id: 1, deny: false }).await, Ok((1, 1_234_567)));
    let denied = database.write(Put { id: 2, deny: true }).await;
    assert_eq!(denied, Err(StoreError::Conflict("no".into())));
    assert_eq!(database.read(Count).await, Ok((1, Some("r1".into()), Some(1_234_567))));
    // A reader writes nothing.
    assert!(database.read(Put { id: 3, deny: false }).await.is_err());
    assert_eq!(database.report(Count).await.map(|found| found.0), Ok(1));
}
