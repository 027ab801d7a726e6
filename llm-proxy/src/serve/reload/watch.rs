//! Looks at the files of the configuration, and hears the signal to read them.
//!
//! Files are looked at and not listened to: editors put another file in the place of the one that is
//! listened to, mounted folders turn a link further up, and network file systems tell nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;

use super::source::{Sight, Source};
use super::{NotTaken, Origin, Outcome, Refused};
use crate::config::resolve::Resolved;
use crate::serve::house::House;

/// Between two looks. What looks the same twice is whole: nobody writes a file for so long.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Goes on until it is dropped.
pub(in crate::serve) async fn watch(house: Arc<House>, mut hangup: Signal) {
    // What the last reading saw, whether that may have been too soon, and the last look.
    let (mut read, mut again, mut last) = (Sight::default(), true, Sight::default());
    loop {
        let told = tokio::select! {
            () = house.clock.sleep(LOOK_EVERY) => false,
            told = hangup.recv() => told.is_some(),
        };
        let Some(source) = house.board.source() else { return };
        let sight = look(&house).await;
        let young = sight.is_young(house.clock.wall());
        let changed = sight != read || (again && !young);
        let settled = std::mem::replace(&mut last, sight.clone()) == sight;
        if told || (changed && settled && source.has_file()) {
            // What was refused is told by whoever keeps the board.
            let _ = reload(&house).await;
            // The look before the reading: what is written meanwhile is read again. Which files
            // there are may have changed with it, and counts as seen.
            let after = look(&house).await;
            read = if after.is_of_same(&sight) { sight } else { after };
            again = young;
        }
    }
}

async fn look(house: &Arc<House>) -> Sight {
    let house = Arc::clone(house);
    // A folder of another machine may take its time.
    let looked = tokio::task::spawn_blocking(move || house.board.source().map(Source::sight));
    looked.await.ok().flatten().unwrap_or_default()
}

/// Reads the configuration, and has it served if it can be.
pub(in crate::serve) async fn reload(house: &Arc<House>) -> Result<Outcome, Refused> {
    let reader = Arc::clone(house);
    let read = tokio::task::spawn_blocking(move || match reader.board.source() {
        Some(source) => source.read().map_err(|report| NotTaken::Read(Box::new(report))),
        None => Err(NotTaken::Nowhere("there is nothing to read it from")),
    });
    let read = read.await.unwrap_or(Err(NotTaken::Nowhere("the reading broke off")));
    let Resolved { config, report, .. } = match read {
        Ok(resolved) => resolved,
        Err(why) => return Err(house.board.refuse(&why)),
    };
    match house.board.take(house, config, Origin::File) {
        Ok(outcome) => {
            if outcome == Outcome::Taken {
                for line in report.to_string().lines().filter(|line| !line.is_empty()) {
                    tracing::warn!("{line}");
                }
            }
            Ok(outcome)
        }
        Err(problems) => Err(house.board.refuse(&NotTaken::Served(problems))),
    }
}
