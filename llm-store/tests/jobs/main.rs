//! Jobs and idempotency keys in a database: one suite over a file and over a Postgres of this
//! machine, a naive model beside both, and workers that die.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]

mod cancel;
mod deposits;
mod fence;
mod idempotency;
mod life;
#[cfg(feature = "postgres")]
mod lossy;
mod model;
mod pages;
mod pay;
mod place;
mod race;
mod runner;
#[cfg(feature = "postgres")]
#[path = "../vault/server.rs"]
mod server;

use place::World;

/// All scenarios, each in a database of its own.
async fn all(fresh: impl AsyncFn() -> World) {
    life::a_job_is_made_once(&fresh().await).await;
    life::a_job_comes_back_as_it_was(&fresh().await).await;
    life::a_job_is_done_step_by_step(&fresh().await).await;
    life::what_goes_wrong_is_tried_again(&fresh().await).await;
    life::tenants_take_turns(&fresh().await).await;
    life::there_are_bounds(&fresh().await).await;
    fence::who_has_lost_a_job_writes_nothing(&fresh().await).await;
    fence::who_is_late_and_alone_may_end_it(&fresh().await).await;
    fence::what_is_lost_too_often_fails(&fresh().await).await;
    cancel::at_every_state(&fresh().await).await;
    pay::a_hold_is_settled_once(&fresh().await).await;
    pay::parts_are_kept_as_long_as_was_said(&fresh().await).await;
    pages::are_of_whom_they_are_for(&fresh().await).await;
    deposits::come_back_and_are_their_owners(&fresh().await).await;
    deposits::go_with_their_persons_key(&fresh().await).await;
    deposits::are_kept_for_as_long_as_was_said(&fresh().await).await;
    deposits::lines_of_a_batch_are_written_once(&fresh().await).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn in_a_file() {
    all(async || World::in_file(place::Time::ByHand).await).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn in_postgres() {
    let Some(server) = server::Server::shared() else { return };
    all(async || World::in_postgres(&server, place::Time::ByHand).await).await;
}
