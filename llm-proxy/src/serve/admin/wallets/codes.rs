//! Codes that are worth something, and strangers: `/admin/codes`, `/admin/guests`.

use std::net::IpAddr;

use http::StatusCode;
use llm_core::wallet::code::{CODE_BYTES, Code, Offer};
use serde::Serialize;

use super::super::super::app;
use super::super::super::credits::Purse;
use super::super::super::routes::ask::{Ask, office};
use super::super::super::routes::shape::{Field, Of, Shape, list, number, secret, text, whole};
use super::super::super::routes::{Route, operator};
use super::super::fields::Fields;
use super::super::refusal::{Answered, Refusal};
use super::super::told;
use super::{instant, needed, purse, view};
use crate::config::TENANT;
use crate::secrets;

/// Codes of one call: a print run, and one transaction each.
const CODES_MAX: u32 = 200;
/// Bytes that an application knows a device by.
const DEVICE_MAX: usize = 1_024;

const OFFER: &[Field] = &[
    number("credits", "what each is worth").need(),
    whole("uses", "how often each is redeemed, 1 unless said").least(1).most(u32::MAX as i64),
    whole("count", "how many codes, 1 unless said").least(1).most(CODES_MAX as i64),
    text("expires", "until when they are redeemed: a day, or an instant"),
    text("credits_expire", "until when what they brought is spent"),
];
const CREATED: &[Field] = &[
    list("codes", &Of::Secret, "shown this once: they are kept as hashes").need(),
    text("credits", "").need(),
    whole("uses", "").need(),
];
// In the body and not in the path, which ends in logs.
const CODE: &[Field] = &[secret("code", "one of them").need().least(1)];
const INFO: &[Field] = &[
    text("credits", "").need(),
    whole("uses", "").need(),
    whole("used", "").need(),
    text("expires_at", ""),
];
// Both say who somebody is; a trail that nobody can take a line from has neither.
const GUEST: &[Field] = &[
    secret("address", "an IP address, as the application has seen it").need(),
    secret("device", "what it knows the device by").need(),
];
const WELCOMED: &[Field] = &[
    text("user", "the name of the wallet from now on").need(),
    text("refused", "why nothing was granted"),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/admin/codes", "Makes codes that are worth credits.", operator!(Money, create))
        .takes(&[OFFER])
        .gives(Shape::Table(&[CREATED])),
    Route::post("/admin/codes/info", "What a code is worth.", operator!(Money, info))
        .takes(&[CODE])
        .gives(Shape::Table(&[INFO]))
        .looks(),
    Route::post("/admin/codes/withdraw", "Nobody redeems it any more.", operator!(Money, withdraw))
        .takes(&[CODE])
        .gives(Shape::Table(&[INFO])),
    Route::post("/admin/guests", "Gives a stranger a wallet.", operator!(Money, welcome))
        .takes(&[GUEST])
        .gives(Shape::Table(&[WELCOMED, view::MOVED])),
];

#[derive(Serialize)]
struct Created {
    /// Shown this once: they are kept as hashes.
    codes: Vec<String>,
    credits: String,
    uses: u32,
}

async fn create(ask: &mut Ask) -> Answered {
    let Ask { house, fields, .. } = ask;
    let (office, purse) = (office(house)?, purse(house)?);
    let amount = needed(fields)?;
    let uses: u32 = fields.take("uses")?.set().unwrap_or(1);
    let count: u32 = fields.take("count")?.set().unwrap_or(1);
    let expires_at = instant(office, fields, "expires")?;
    let credits_until = instant(office, fields, "credits_expire")?;
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

fn code(fields: &mut Fields) -> Result<Code, Refusal> {
    let text: String = fields.need("code")?;
    text.parse().map_err(|why| Refusal::wrong("code", format!("{why}")))
}

async fn withdraw(ask: &mut Ask) -> Answered {
    let (purse, code) = (purse(&ask.house)?, code(&mut ask.fields)?);
    purse.wallets.withdraw(&TENANT, purse.hash(&code)).await?;
    shown(purse, &code).await
}

async fn info(ask: &mut Ask) -> Answered {
    shown(purse(&ask.house)?, &code(&mut ask.fields)?).await
}

async fn shown(purse: &Purse, code: &Code) -> Answered {
    let found = purse.wallets.code(&TENANT, purse.hash(code)).await?;
    let found = found.ok_or_else(|| app::Refused::NoSuchCode.because("there is no such code"))?;
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

async fn welcome(ask: &mut Ask) -> Answered {
    let (purse, fields) = (purse(&ask.house)?, &mut ask.fields);
    let address: IpAddr = fields.need("address")?;
    let device: String = fields.need("device")?;
    if device.is_empty() || device.len() > DEVICE_MAX {
        return Err(Refusal::wrong("device", "what a device is known by has 1 to 1024 bytes"));
    }
    let none = || Refusal::new(StatusCode::FORBIDDEN, "no_guests", "guests are granted nothing");
    let terms = purse.terms();
    let policy = terms.guests.as_ref().ok_or_else(none)?;
    let device = purse.device(&device);
    let done = purse.wallets.welcome(&TENANT, address, device, policy).await?;
    let granted = done.receipt.granted.as_ref().map(|granted| granted.grant.amount);
    let refused = granted.as_ref().err().map(|why| why.to_string());
    let moved = view::Moved::new(granted.unwrap_or_default(), done.available, done.again);
    let user = view::name(&done.receipt.wallet);
    Ok(told(StatusCode::OK, &Welcomed { user, moved, refused }))
}
