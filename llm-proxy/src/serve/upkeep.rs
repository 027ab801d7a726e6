//! What is looked after behind the calls and is nobody else's to do: the request log, whose lines go
//! when they are kept no longer. Answers, files and jobs are the depot's to sweep, conversations
//! those of chat, repeated requests those of `idempotency`.

use std::sync::Weak;
use std::time::Duration;

use jiff::Timestamp;

use super::house::House;

/// How often old lines are looked for: nobody is told to the minute how long one is kept.
const PRUNE_EVERY: Duration = Duration::from_secs(300);

/// Prunes the request log for as long as there is a house. Replicas take turns.
pub(super) async fn requests(house: Weak<House>) {
    loop {
        let Some(here) = house.upgrade() else { return };
        prune(&here).await;
        let pause = here.clock.sleep(PRUNE_EVERY);
        drop(here);
        pause.await;
    }
}

/// Once, as the configuration says by then: how many lines are gone.
pub(super) async fn prune(house: &House) -> u64 {
    let Some(office) = &house.office else { return 0 };
    let kept = house.board.config().config.requests_kept();
    let now = Timestamp::try_from(house.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH);
    match office.requests.prune(&kept, now).await {
        Ok(gone) => {
            let gone = gone.unwrap_or_default();
            if gone > 0 {
                tracing::info!(gone, "lines of the request log are kept no longer");
            }
            gone
        }
        Err(error) => {
            tracing::warn!(%error, "upkeep of the request log");
            0
        }
    }
}
