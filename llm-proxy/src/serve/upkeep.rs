//! What is looked after behind the calls and is nobody else's to do: lines of the request log, and
//! analyses, that are kept no longer; people who were to be forgotten and are there again.
//! Answers, files and jobs are the depot's to sweep, conversations those of chat, repeated requests
//! those of `idempotency`.

use std::sync::Weak;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use llm_core::store::StoreError;

use super::apps::privacy;
use super::house::House;

/// How often something is looked for: nobody is told to the minute how long it is kept.
const EVERY: Duration = Duration::from_secs(300);
/// Marks of erasures that are taken over from other replicas: an erasure may take its time.
const LISTED: SignedDuration = SignedDuration::from_hours(24);
/// Batches of analyses in a row: what is left is left to the next time.
const BATCHES_MAX: usize = 64;

/// Goes on for as long as there is a house. Replicas take turns.
pub(super) async fn begin(house: Weak<House>) {
    // At first all that was ever listed.
    let mut since = Timestamp::MIN;
    loop {
        let Some(here) = house.upgrade() else { return };
        match privacy::again(&here, since).await {
            Ok(()) => {
                let now = Timestamp::try_from(here.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH);
                since = now.checked_sub(LISTED).unwrap_or(Timestamp::MIN);
            }
            Err(error) => tracing::warn!(%error, "upkeep of erasures"),
        }
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
