//! What is to be done for the queue as a whole, by any replica or by all of them.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use llm_core::store::StoreError;

use crate::jobs::{Jobs, OWED_MAX, Settle, Swept};

/// Batches of one kind in a row: what is left is done the next time.
const BATCHES_MAX: usize = 64;

/// Until `stop`: ends leases of the dead, settles what is owed, and forgets what is kept no longer.
pub async fn keep_up(
    jobs: &Jobs,
    ledger: &dyn Settle,
    every: Duration,
    stop: impl Future<Output = ()>,
) {
    let mut stop = pin!(stop);
    loop {
        if let Err(why) = once(jobs, ledger).await {
            tracing::warn!(%why, "upkeep of jobs");
        }
        tokio::select! {
            biased;
            () = &mut stop => return,
            () = jobs.clock.sleep(every) => {}
        }
    }
}

async fn once(jobs: &Jobs, ledger: &dyn Settle) -> Result<(), StoreError> {
    for _ in 0..BATCHES_MAX {
        if jobs.reap().await? == 0 {
            break;
        }
    }
    for _ in 0..BATCHES_MAX {
        let carried = jobs.settle(ledger, OWED_MAX).await?;
        if let Some(why) = carried.why {
            tracing::warn!(%why, left = carried.left, "holds of jobs are not settled yet");
        }
        if carried.settled == 0 {
            break;
        }
    }
    for _ in 0..BATCHES_MAX {
        if jobs.sweep().await? == Swept::default() {
            break;
        }
    }
    Ok(())
}
