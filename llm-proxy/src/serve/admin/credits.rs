//! Credits that somebody is given.

use http::StatusCode;
use llm_core::Str;
use llm_core::money::Credits;
use llm_core::wallet::{Grant, Source};
use llm_store::wallets::{Settings, WalletId, Wallets};
use serde::Serialize;

use super::super::house::House;
use super::super::office::Office;
use super::super::upload::Sent;
use super::fields::Fields;
use super::refusal::{Answered, Refusal};
use super::told;
use crate::config::TENANT;

#[derive(Serialize)]
struct Balance {
    user: String,
    /// The exact decimal; the integers beside it are millionths of a credit.
    available: String,
    available_micros: i64,
    held_micros: i64,
    /// Whether this event had been granted before, and nothing moved now.
    again: bool,
}

/// `POST /admin/wallets/{user}/grant`: the same event again changes nothing.
pub(super) async fn grant(house: &House, office: &Office, user: &str, sent: Sent) -> Answered {
    let mut fields = Fields::read(house, sent).await?;
    let amount = fields.amount::<Credits>("credits")?.set();
    let amount = amount.ok_or_else(|| Refusal::wrong("credits", "credits is missing"))?;
    let event: Str = fields.need("event_id")?;
    let expires = fields.take::<String>("expires")?.set();
    fields.end()?;
    let expires_at = expires.map(|text| {
        let end = office.instant(&text);
        end.ok_or_else(|| Refusal::wrong("expires", "write 2026-12-01 or 2026-12-01T00:00:00Z"))
    });
    let database = house.store.database().ok_or_else(Refusal::no_store)?;
    let settings = Settings { zone: office.zone_name.clone(), ..Settings::default() };
    let wallets = Wallets::new(database.clone(), settings);
    let wallets = wallets.map_err(llm_store::wallets::NotDone::from)?;
    let of = WalletId::user(TENANT.0, Str::from(user));
    let expires_at = expires_at.transpose()?;
    let grant = Grant { event, amount, source: Source::Granted, expires_at };
    let done = wallets.grant(&of, grant).await?;
    let balance = wallets.balance(&of).await?;
    let answer = Balance {
        user: user.to_owned(),
        available: balance.available.to_string(),
        available_micros: balance.available.0,
        held_micros: balance.held.0,
        again: done.again,
    };
    Ok(told(StatusCode::OK, &answer))
}
