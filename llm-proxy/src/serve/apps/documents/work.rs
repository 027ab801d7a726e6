//! Embedding of a document as a job: what is missing, until nothing is.

use std::fmt;
use std::sync::Weak;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use llm_app::documents::Watch;
use llm_core::seam::BoxFuture;
use llm_store::jobs::runner::{Done, Run, Trouble, Work};

use super::super::super::house::House;
use super::super::analysis::{asker, leaving, stopped, trouble};
use super::Behind;

/// How often it is said how far it is.
const SAID_EVERY: Duration = Duration::from_millis(500);

/// The work of embedding.
pub(crate) struct EmbeddingWork {
    /// The house ends with its workers, and not the other way round.
    house: Weak<House>,
}

impl EmbeddingWork {
    /// The kind of its jobs.
    pub(crate) const KIND: &str = "embedding";

    pub(crate) fn new(house: Weak<House>) -> Self {
        Self { house }
    }
}

impl Work for EmbeddingWork {
    fn run<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Done, Trouble>> {
        Box::pin(async move {
            let house = self.house.upgrade().ok_or_else(leaving)?;
            let order: Behind = serde_json::from_slice(run.input())
                .map_err(|_| Trouble::lasting("the job cannot be read"))?;
            Box::pin(embed(&house, run, order)).await
        })
    }
}

async fn embed(house: &House, run: &Run, order: Behind) -> Result<Done, Trouble> {
    let apps = house.apps.as_ref().ok_or_else(leaving)?.now();
    let (person, grant) = asker(house, order.owner, order.print).await?;
    let documents = &apps.documents;
    let document = documents.get(&person, &order.document).await.map_err(trouble)?;
    let seen = Seen { run, passages: AtomicU32::new(0) };
    let said = async {
        loop {
            house.clock.sleep(SAID_EVERY).await;
            let seen = seen.passages.load(Ordering::Relaxed);
            let percent = u64::from(seen) * 99 / u64::from(document.passages.max(1));
            let _ = run.progress(u8::try_from(percent).unwrap_or(99).min(99), None).await;
        }
    };
    let whole = tokio::select! {
        whole = documents.embed(&person, &grant, &document, &seen) => whole.map_err(trouble)?,
        never = said => never,
    };
    if whole { Ok(Done::default()) } else { Err(stopped(run.stopped().await)) }
}

/// Who hears how far it is, and whether to stop.
struct Seen<'r> {
    run: &'r Run,
    passages: AtomicU32,
}

impl Watch for Seen<'_> {
    fn seen(&self, passages: u32) -> bool {
        self.passages.store(passages, Ordering::Relaxed);
        self.run.stop().is_none()
    }
}

impl fmt::Debug for EmbeddingWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmbeddingWork")
    }
}
