//! What was deleted, gone from the disk as well.
//!
//! Each connection overwrites what it deletes with zeros (`secure_delete`), but in the log that is
//! written ahead the pages stand as they were until it is carried into the file and cut off. That is
//! asked for here, by a connection of its own, and has to wait for whoever still reads the past. While
//! SQLite waits for them nobody writes: so it waits for a moment only ([`Place`]'s), and is asked again.

use std::time::Duration;

use llm_core::seam::Clock;
use llm_core::store::StoreError;
use sqlx::{Connection, Row};

use super::place::Place;
use crate::sql::fault::{unavailable, understand};

/// Reports take seconds; nobody waits for them longer than this all together.
const TRIES_MAX: u32 = 40;
const TRY_AFTER: Duration = Duration::from_millis(250);

pub(super) async fn scrub(place: &Place, clock: &dyn Clock) -> Result<(), StoreError> {
    let mut connection = place.connect().await.map_err(|error| understand(&error))?;
    let mut done = Err(unavailable("somebody reads what was there before"));
    for _ in 0..TRIES_MAX {
        let cut = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await;
        match cut.and_then(|row| row.try_get::<i64, _>(0)) {
            Ok(0) => {
                done = Ok(());
                break;
            }
            Ok(_) => clock.sleep(TRY_AFTER).await,
            Err(error) => {
                let why = understand(&error);
                if !matches!(why, StoreError::Unavailable(_) | StoreError::Conflict(_)) {
                    done = Err(why);
                    break;
                }
                clock.sleep(TRY_AFTER).await;
            }
        }
    }
    // What it has done stays done, however it is closed.
    let _ = connection.close().await;
    done
}
