//! Codes that are worth something, and strangers: `/admin/codes`, `/admin/guests`.

use std::net::IpAddr;

use http::{Method, StatusCode};
use hyper::body::Incoming;
use llm_core::wallet::code::{CODE_BYTES, Code, Offer};
use serde::Serialize;

use super::super::super::credits::Purse;
use super::super::super::house::House;
use super::super::super::office::Office;
use super::super::fields::Fields;
use super::super::refusal::{Answered, Refusal};
use super::super::{empty, told};
use super::{instant, needed, view};
use crate::config::TENANT;
use crate::secrets;

const CODES: &str = "/admin/codes";
const INFO: &str = "/admin/codes/info";
const WITHDRAW: &str = "/admin/codes/withdraw";
const GUESTS: &str = "/admin/guests";
/// Codes of one call: a print run, and one transaction each.
const CODES_MAX: u32 = 200;
/// Bytes that an application knows a device by.
const DEVICE_MAX: usize = 1_024;

pub(super) fn knows(path: &str) -> bool {
    [CODES, INFO, WITHDRAW, GUESTS].contains(&path)
}

pub(super) async fn answer(
    house: &House,
    office: &Office,
    purse: &Purse,
    (method, path): (&Method, &str),
    body: Incoming,
) -> Answered {
    if method != Method::POST {
        return Ok(empty(StatusCode::METHOD_NOT_ALLOWED));
    }
    let mut fields = Fields::read(house, body).await?;
    match path {
        CODES => create(office, purse, fields).await,
        GUESTS => welcome(purse, fields).await,
        _named => {
            // In the body and not in the path, which ends in logs.
            let text: String = fields.need("code")?;
            fields.end()?;
            let code: Code =
                text.parse().map_err(|why| Refusal::wrong("code", format!("{why}")))?;
            if path == WITHDRAW {
                purse.wallets.withdraw(&TENANT, purse.hash(&code)).await?;
            }
            info(purse, &code).await
        }
    }
}

#[derive(Serialize)]
struct Created {
    /// Shown this once: they are kept as hashes.
    codes: Vec<String>,
    credits: String,
    uses: u32,
}

/// `POST /admin/codes`: `{credits, uses?, count?, expires?, credits_expire?}`.
async fn create(office: &Office, purse: &Purse, mut fields: Fields) -> Answered {
    let amount = needed(&mut fields)?;
    let uses: u32 = fields.take("uses")?.set().unwrap_or(1);
    let count: u32 = fields.take("count")?.set().unwrap_or(1);
    let expires_at = instant(office, &mut fields, "expires")?;
    let credits_until = instant(office, &mut fields, "credits_expire")?;
    fields.end()?;
    if !(1..=CODES_MAX).contains(&count) {
        return Err(Refusal::wrong("count", format!("from 1 to {CODES_MAX}")));
    }
    if uses == 0 || amount.0 <= 0 {
        return Err(Refusal::wrong("credits", "a code is worth something, at least once"));
    }
    let offer = Offer { amount, uses, expires_at, credits_until };
    let mut codes = Vec::new();
    for _ in 0..count {
        let drawn = secrets::random::<CODE_BYTES>().map_err(|error| {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "no_randomness", error.to_string())
        })?;
        let code = Code::new(drawn);
        purse.wallets.offer(&TENANT, purse.hash(&code), offer.clone()).await?;
        codes.push(code.to_string());
    }
    Ok(told(StatusCode::OK, &Created { codes, credits: amount.to_string(), uses }))
}

#[derive(Serialize)]
struct Info {
    credits: String,
    uses: u32,
    used: u32,
    expires_at: Option<String>,
}

async fn info(purse: &Purse, code: &Code) -> Answered {
    let found = purse.wallets.code(&TENANT, purse.hash(code)).await?;
    let none = || Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is no such code");
    let found = found.ok_or_else(none)?;
    let info = Info {
        credits: found.offer.amount.to_string(),
        uses: found.offer.uses,
        used: found.used,
        expires_at: found.offer.expires_at.map(|end| end.to_string()),
    };
    Ok(told(StatusCode::OK, &info))
}

#[derive(Serialize)]
struct Welcomed {
    /// The name of the wallet from now on.
    user: String,
    #[serde(flatten)]
    moved: view::Moved,
    /// Why nothing was granted.
    refused: Option<String>,
}

/// `POST /admin/guests`: `{address, device}`, as the application has seen both.
async fn welcome(purse: &Purse, mut fields: Fields) -> Answered {
    let address: IpAddr = fields.need("address")?;
    let device: String = fields.need("device")?;
    fields.end()?;
    if device.is_empty() || device.len() > DEVICE_MAX {
        return Err(Refusal::wrong("device", "what a device is known by has 1 to 1024 bytes"));
    }
    let none = || Refusal::new(StatusCode::FORBIDDEN, "no_guests", "guests are granted nothing");
    let policy = purse.guests.as_ref().ok_or_else(none)?;
    let device = purse.device(&device);
    let done = purse.wallets.welcome(&TENANT, address, device, policy).await?;
    let granted = done.receipt.granted.as_ref().map(|granted| granted.grant.amount);
    let refused = granted.as_ref().err().map(|why| why.to_string());
    let moved = view::Moved::new(granted.unwrap_or_default(), done.available, done.again);
    let user = view::name(&done.receipt.wallet);
    Ok(told(StatusCode::OK, &Welcomed { user, moved, refused }))
}
