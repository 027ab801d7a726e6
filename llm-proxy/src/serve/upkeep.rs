//! What is looked after behind the calls and is nobody else's to do: lines of the request log, and
//! analyses, that are kept no longer. Answers, files and jobs are the depot's to sweep,
//! conversations those of chat, repeated requests those of `idempotency`.

use std::sync::Weak;
use std::time::Duration;

use jiff::Timestamp;
use llm_core::store::StoreError;

use super::house::House;

/// How often something is looked for: nobody is told to the minute how long it is kept.
const EVERY: Duration = Duration::from_secs(300);
/// Batches of analyses in a row: what is left is left to the next time.
const BATCHES_MAX: usize = 64;

/// Goes on for as long as there is a house. Replicas take turns.
pub(super) async fn begin(house: Weak<House>) {
    loop {
        let Some(here) = house.upgrade() else { return };
        once(&here).await;
        let pause = here.clock.sleep(EVERY);
        drop(here);
        pause.await;
    }
}

/// Once, as the configuration says by then: how many lines of the request log are gone.
pub(super) async fn once(house: &House) -> u64 {
    if let Err(error) = analyses(house).await {
        tracing::warn!(%error, "upkeep of analyses");
    }
    match requests(house).await {
        Ok(gone) => gone,
        Err(error) => {
            tracing::warn!(%error, "upkeep of the request log");
            0
        }
    }
}

async fn requests(house: &House) -> Result<u64, StoreError> {
    let Some(office) = &house.office else { return Ok(0) };
    let kept = house.board.now().config.requests_kept();
    let now = Timestamp::try_from(house.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH);
    let gone = office.requests.prune(&kept, now).await?.unwrap_or_default();
    if gone > 0 {
        tracing::info!(gone, "lines of the request log are kept no longer");
    }
    Ok(gone)
}

async fn analyses(house: &House) -> Result<(), StoreError> {
    let Some(apps) = &house.apps else { return Ok(()) };
    let analysis = apps.now().analysis.clone();
    for _ in 0..BATCHES_MAX {
        if !analysis.sweep().await? {
            break;
        }
    }
    Ok(())
}
