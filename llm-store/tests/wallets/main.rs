//! Wallets and webhooks: one suite over a file and over a real Postgres, with a clock that is moved
//! by hand in both.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]

mod clock;
mod hooks;
mod model;
mod months;
mod place;
mod race;
#[cfg(feature = "postgres")]
#[path = "../vault/server.rs"]
mod server;
mod suite;
mod tamper;

/// Each of these, in either kind of database.
macro_rules! everywhere {
    ($($room:ident::$name:ident),+ $(,)?) => {
        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                crate::$room::$name(&crate::place::Place::in_file()).await;
            })+
        }

        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let Some(server) = crate::server::Server::shared() else { return };
                crate::$room::$name(&crate::place::Place::in_server(server).await).await;
            })+
        }
    };
}

everywhere! {
    suite::a_captioned_video,
    suite::an_abandoned_hold_comes_back,
    suite::the_same_event_grants_once,
    suite::what_was_bought_comes_with_its_bonus,
    suite::a_payment_told_twice_is_granted_once,
    suite::codes_are_redeemed_once_each,
    suite::guests_are_few,
    suite::a_month_is_granted_when_touched,
    suite::tenants_are_strangers,
    suite::history_in_pages,
    months::a_month_is_the_sum_of_its_lines,
    suite::odd_names_are_refused,
    hooks::a_low_balance_is_told_once,
    hooks::each_event_arrives,
    hooks::a_worker_that_dies_loses_nothing,
    hooks::what_is_never_taken_is_dead,
    hooks::one_letter_is_one_workers,
    hooks::a_budget_is_not_told_again,
    race::exactly_what_is_affordable,
    race::one_month_for_all_replicas,
    race::one_code_for_many,
    race::many_abandoned_holds_at_once,
    tamper::whatever_is_changed_is_found,
    model::the_store_is_the_wallet,
}
