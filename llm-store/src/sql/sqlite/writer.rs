//! The one that writes: takes what waits, does it in one transaction, and answers when that is
//! committed. One sync of the disk is shared by all that waited for it.

use std::future::Future;

use llm_core::seam::BoxFuture;
use llm_core::store::StoreError;
use sqlx::{Connection, Error, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::place::{Place, not_ours};
use super::turns::Turns;
use super::way::giving;
use crate::sql::fault::{Failure, is_locked, unavailable, understand};

/// Steps in one transaction: what a sync costs is shared by then, and nobody waits long behind.
pub const GROUP_MAX: usize = 512;

/// A step of the ledger.
pub(super) trait Work: Send + Sync {
    /// What it answers with.
    type Out: Send;

    /// Does it, within a transaction that is not its own.
    fn run(
        &self,
        connection: &mut SqliteConnection,
    ) -> impl Future<Output = Result<Self::Out, Failure>> + Send;
}

/// A step that somebody waits for.
pub(super) trait Job: Send {
    /// Does it; `false` when it may not happen and what it did is to be undone.
    fn run<'c>(
        &'c mut self,
        connection: &'c mut SqliteConnection,
    ) -> BoxFuture<'c, Result<bool, Error>>;

    /// Tells whoever waits: what came out, or why nothing happened.
    fn answer(self: Box<Self>, broken: Option<StoreError>);
}

pub(super) struct Asked<W: Work> {
    work: W,
    out: Option<Result<W::Out, StoreError>>,
    reply: oneshot::Sender<Result<W::Out, StoreError>>,
}

impl<W: Work> Asked<W> {
    pub(super) fn new(work: W, reply: oneshot::Sender<Result<W::Out, StoreError>>) -> Self {
        Self { work, out: None, reply }
    }
}

impl<W: Work> Job for Asked<W> {
    fn run<'c>(
        &'c mut self,
        connection: &'c mut SqliteConnection,
    ) -> BoxFuture<'c, Result<bool, Error>> {
        Box::pin(async move {
            match self.work.run(connection).await {
                Ok(out) => {
                    self.out = Some(Ok(out));
                    Ok(true)
                }
                Err(Failure::Denied(why)) => {
                    self.out = Some(Err(why));
                    Ok(false)
                }
                Err(Failure::Broken(error)) => Err(error),
            }
        })
    }

    fn answer(self: Box<Self>, broken: Option<StoreError>) {
        let out = match broken {
            Some(why) => Err(why),
            None => self.out.unwrap_or_else(|| Err(unavailable("the writer has ended"))),
        };
        // Whoever asked may have gone; it happened all the same, and can be asked for again.
        let _ = self.reply.send(out);
    }
}

/// Writes until the last that could ask is gone.
pub(super) async fn write(
    place: Place,
    connection: SqliteConnection,
    mut waiting: mpsc::Receiver<Box<dyn Job>>,
) {
    let mut connection = Some(connection);
    let mut group = Vec::with_capacity(GROUP_MAX);
    while waiting.recv_many(&mut group, GROUP_MAX).await > 0 {
        while !group.is_empty() {
            match together(&place, &mut connection, &mut group).await {
                // The others are next, behind whoever waits for this file.
                Ok(done) => group.drain(..done).for_each(|job| job.answer(None)),
                // What has no room in company may have room alone, or need none: an end of holds
                // that only gives back must not be refused with a lease that adds a page.
                Err(StoreError::Full(_)) if group.len() > 1 => {
                    for job in group.drain(..) {
                        let mut alone = [job];
                        let done = together(&place, &mut connection, &mut alone).await;
                        let [job] = alone;
                        job.answer(done.err());
                        // They are many, and answers to what fails come at once.
                        tokio::task::yield_now().await;
                    }
                }
                Err(broken) => {
                    group.drain(..).for_each(|job| job.answer(Some(broken.clone())));
                }
            }
        }
    }
    if let Some(connection) = connection {
        // The last one to close writes the journal back into the file; if it cannot, the next one
        // to open does.
        let _ = connection.close().await;
    }
}

/// The first of them, as many as a turn is long, in one transaction; says how many. An error means
/// that none happened.
async fn together(
    place: &Place,
    connection: &mut Option<SqliteConnection>,
    group: &mut [Box<dyn Job>],
) -> Result<usize, StoreError> {
    let mut taken = match connection.take() {
        Some(open) => open,
        None => place.connect().await.map_err(|error| understand(&error))?,
    };
    let Some(_turn) = place.turns.take().await else {
        *connection = Some(taken);
        return Err(not_ours());
    };
    let mut looks = 1;
    loop {
        let committed = commit(&mut taken, group, &place.turns);
        let why = match giving(place.turns.clock(), committed).await {
            Ok(done) => {
                *connection = Some(taken);
                return Ok(done);
            }
            // Nothing of it has happened.
            Err(Undone::Locked(_)) if looks < place.looks => {
                looks += 1;
                continue;
            }
            Err(Undone::Locked(error) | Undone::Broken(error)) => understand(&error),
        };
        // What it holds in memory may not be what is on the disk: the next one begins with a
        // connection that has read everything anew.
        let _ = taken.close().await;
        return Err(why);
    }
}

/// Why a transaction did not happen.
enum Undone {
    /// It did not begin: somebody else writes.
    Locked(Error),
    /// It began, and broke.
    Broken(Error),
}

impl From<Error> for Undone {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

async fn commit(
    connection: &mut SqliteConnection,
    group: &mut [Box<dyn Job>],
    turns: &Turns,
) -> Result<usize, Undone> {
    let begun = connection.begin_with("BEGIN IMMEDIATE").await;
    let mut whole = begun.map_err(|error| match is_locked(&error) {
        true => Undone::Locked(error),
        false => Undone::Broken(error),
    })?;
    let (began, mut done) = (turns.begin(), 0);
    for job in group {
        let mut step = whole.begin().await?;
        if job.run(&mut step).await? {
            step.commit().await?;
        } else {
            step.rollback().await?;
        }
        done += 1;
        if turns.is_over(began) {
            break;
        }
    }
    whole.commit().await?;
    Ok(done)
}
