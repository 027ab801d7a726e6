//! What a directory does, wherever it is. Each part begins with a place of its own.

use crate::place::Place;
use crate::{people, plans, provider, trail};

async fn all(place: impl AsyncFn() -> Box<dyn Place>) {
    people::owners_are_made_once_and_listed(&*place().await).await;
    people::whoever_moves_takes_their_keys_along(&*place().await).await;
    people::a_key_lives(&*place().await).await;
    people::a_key_is_rotated(&*place().await).await;
    people::who_rests_has_no_keys(&*place().await).await;
    people::nobody_changes_what_is_above_them(&*place().await).await;
    people::changes_are_read_in_order(&*place().await).await;
    people::who_administers_asks_no_models(&*place().await).await;
    people::prints_are_renewed(&*place().await).await;
    trail::lines_follow_each_other(&*place().await).await;
    people::one_admin_key(&*place().await).await;
    plans::a_plan_is_whose_it_is(&*place().await).await;
    plans::every_level_pays(&*place().await).await;
    plans::plans_are_configured_or_stored(&*place().await).await;
    plans::issuers_plans_bound_what_they_issue(&*place().await).await;
    plans::nobody_loosens_their_own(&*place().await).await;
    provider::keys_are_stored_sealed(&*place().await).await;
    provider::keys_of_a_vendor_are_put_all_or_none(&*place().await).await;
    provider::the_sealing_key_changes(&*place().await).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn in_a_file() {
    all(async || Box::new(crate::place::InFile::new()) as Box<dyn Place>).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn in_postgres() {
    let Some(server) = crate::server::Server::shared() else { return };
    all(async || Box::new(crate::place::InDatabase::new(&server).await) as Box<dyn Place>).await;
}

/// A program of before does not touch what a later one wrote.
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_newer_schema_is_refused() {
    use llm_core::money::Money;
    use llm_store::sql::NotOpened;
    use llm_store::sql::sqlite::{Settings, SqliteVault};
    use sqlx::{ConnectOptions, Connection};
    let place = crate::place::InFile::new();
    drop(place.database().await);
    let path = place.folder.path().join("store.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut connection = options.connect().await.unwrap();
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
         execution_time) VALUES (9999, 'later', 1, x'00', 0)";
    sqlx::raw_sql(later).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let opened = SqliteVault::<Money>::open(&Settings::new(&path), place.clock.clone()).await;
    assert!(matches!(opened, Err(NotOpened::Newer { found: 9999, .. })));
}
