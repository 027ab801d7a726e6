//! What people have used and what is left to them, and the same of everybody for operators.
//!
//! Sums are those of the request log's days, limits are asked of whoever counts them. Answers to
//! people are in the envelope of applications; operators are answered as elsewhere.

mod left;
mod sums;

use http::StatusCode;
use jiff::civil::Date;
use llm_core::Str;
use llm_core::principal::Principal;
use llm_store::requests::{By, Of, Usage};
use serde::Serialize;

use super::apps;
use crate::config::TENANT;
use crate::serve::admin::refusal::{Answered, Refusal};
use crate::serve::admin::wallets::view;
use crate::serve::admin::{Listed, told};
use crate::serve::house::House;
use crate::serve::office::Office;
use crate::serve::routes::ask::{AppCaller, Ask, Part, office};
use crate::serve::routes::shape::Of as Kind;
use crate::serve::routes::shape::{
    Field, PART, Shape, counts, list, perhaps, table, text, whole, words,
};
use crate::serve::routes::{Route, asked_by, operator};
use left::Limited;
pub(super) use sums::Sums;
use sums::{Day, History, Month};

/// Days of a history that are looked through at once.
const DAYS_MAX: i32 = 1_100;
/// Days of a history, where nobody says since when.
const DAYS_USUAL: i64 = 90;

const WALLET: [Field; 9] = perhaps(view::WALLET);
const ME: &[Field] = &[
    text("user", "whose key it is"),
    text("key", "the public id of the key").need(),
    text("time_zone", "in which days and months are counted").need(),
    table("wallet", &[&WALLET], "credits, where there is a wallet"),
    text("wallet_exhausted_on", "the day on which the credits end, at the pace of this week"),
    list("limits", &Kind::Table(&[LIMIT]), "that hold for calls of this key").need(),
    list("alerts", &Kind::Table(&[ALERT]), "limits of which half and more is used").need(),
    table("month", &[MONTH], "this month").need(),
];
const LIMIT: &[Field] = &[
    text("scope", "whose limit it is: key:…, user:…, feature:chat/…").need(),
    text("rule", "what is counted: requests/hour, tokens/day, $/month; balance without time")
        .need(),
    words("unit", &left::UNITS, "").need(),
    whole("limit", "none is without limit"),
    whole("used", "").need(),
    whole("reserved", "set aside by calls that run").need(),
    whole("remaining", ""),
    text("resets_at", "when there is more"),
    text("exhausted_on", "the day on which it ends before that, at the pace of this week"),
];
const ALERT: &[Field] = &[
    text("scope", "").need(),
    text("rule", "").need(),
    whole("threshold", "the share that was reached, in percent: 50, 80, 90, 100").need(),
    text("resets_at", ""),
];
const SUMS: &[Field] = &[
    whole("calls", "").need(),
    whole("errors", "").need(),
    whole("cached", "").need(),
    counts("tokens", "").need(),
    whole("spend_nanos", "in billionths of a USD").need(),
];
const MONTH: &[Field] = &[
    text("from", "its first day").need(),
    text("to", "today").need(),
    list("days", &Kind::Table(&[DAY, SUMS]), "those on which something was used").need(),
];
const DAY: &[Field] = &[text("day", "").need()];
const LINE: &[Field] = &[
    text("period", "a day or a month").need(),
    text("model", "").need(),
    text("feature", "").need(),
];
const WHICH: &[Field] = &[
    text("from", "a day, or an instant; 90 days ago unless said"),
    text("to", "a day, or an instant: before that"),
    text("model", ""),
    text("feature", ""),
    words("by", &["day", "month"], "day unless said"),
];
const USER: &[Field] = &[
    text("user", "").need(),
    text("time_zone", "in which days and months are counted").need(),
    table("month", &[MONTH, SUMS], "this month").need(),
];
const USERS: &[Field] = &[text("user", "").need()];

pub(crate) const ROUTES: &[Route] = &[
    Route::get(
        "/api/v1/usage/me",
        "What is left of one's credits and limits, and what was used this month.",
        asked_by!(App, me),
    )
    .gives(Shape::Table(&[ME])),
    Route::get(
        "/api/v1/usage/me/history",
        "What was used by day or month, model and feature, the newest first.",
        asked_by!(App, my_history),
    )
    .query(&[WHICH, PART])
    .gives(Shape::Page(&[LINE, SUMS])),
    Route::get(
        "/admin/usage/users",
        "What each user has used this month, by their names.",
        operator!(Read, users),
    )
    .query(&[PART])
    .gives(Shape::Page(&[USERS, SUMS])),
    Route::get(
        "/admin/usage/users/{user}",
        "What a user has used this month, day by day.",
        operator!(Read, user),
    )
    .gives(Shape::Table(&[USER])),
    Route::get(
        "/admin/usage/users/{user}/history",
        "What a user has used by day or month, model and feature, the newest first.",
        operator!(Read, user_history),
    )
    .query(&[WHICH, PART])
    .gives(Shape::Page(&[LINE, SUMS])),
];

/// Whose calls: those of a user, else those of a key.
fn of(principal: &Principal) -> Of {
    let tenant = Some(principal.tenant.0.clone());
    match &principal.user {
        Some(user) => Of { tenant, user: Some(user.0.clone()), ..Of::default() },
        None => Of { tenant, key: Some(principal.key.0.clone()), ..Of::default() },
    }
}

/// The same by the name of a user.
fn of_user(ask: &Ask) -> Result<Of, Refusal> {
    let user = Str::from(ask.name(0)?);
    Ok(Of { tenant: Some(TENANT.0), user: Some(user), ..Of::default() })
}

/// Which day it is where the operator lives.
fn today(house: &House, office: &Office) -> Result<Date, Refusal> {
    let today = office.day(&apps(house)?.ground.now().to_string());
    today.ok_or_else(|| Refusal::wrong("time_zone", "a zone without days"))
}

#[derive(Serialize)]
struct Me {
    user: Option<Str>,
    key: Str,
    time_zone: Str,
    wallet: Option<view::Held>,
    wallet_exhausted_on: Option<String>,
    limits: Vec<Limited>,
    alerts: Vec<left::Alert>,
    month: Month,
}

async fn me(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (house, principal) = (&ask.house, &by.grant.principal);
    let office = office(house)?;
    let today = today(house, office)?;
    let days = sums::days(office, of(principal), sums::since(today)).await?;
    let grant = apps(house)?.chat.granted(&by.grant);
    let limits = left::limits(house, &grant, &days, today).await?;
    let wallet = left::wallet(house, principal, today).await?;
    let (wallet, wallet_exhausted_on) = wallet.unzip();
    let me = Me {
        user: principal.user.as_ref().map(|user| user.0.clone()),
        key: principal.key.0.clone(),
        time_zone: office.zone_name.clone(),
        wallet,
        wallet_exhausted_on: wallet_exhausted_on.flatten().map(|day| day.to_string()),
        alerts: limits.iter().filter_map(Limited::alert).collect(),
        limits,
        month: Month::of(&days, today),
    };
    Ok(told(StatusCode::OK, &me))
}

async fn my_history(ask: &mut Ask, by: &AppCaller) -> Answered {
    let of = of(&by.grant.principal);
    history(ask, of).await
}

#[derive(Serialize)]
struct User {
    user: Str,
    time_zone: Str,
    month: Total,
}

#[derive(Serialize)]
struct Total {
    #[serde(flatten)]
    month: Month,
    #[serde(flatten)]
    sums: sums::Sums,
}

async fn user(ask: &mut Ask) -> Answered {
    let of = of_user(ask)?;
    let (house, user) = (&ask.house, of.user.clone().unwrap_or_default());
    let office = office(house)?;
    let today = today(house, office)?;
    let days = sums::days(office, of, today.first_of_month()).await?;
    let sums = sums::Sums::all(days.iter().map(Day::sums));
    let month = Total { month: Month::of(&days, today), sums };
    let time_zone = office.zone_name.clone();
    Ok(told(StatusCode::OK, &User { user, time_zone, month }))
}

async fn user_history(ask: &mut Ask) -> Answered {
    let of = of_user(ask)?;
    history(ask, of).await
}

#[derive(Serialize)]
struct Users {
    user: Str,
    #[serde(flatten)]
    sums: sums::Sums,
}

async fn users(ask: &mut Ask) -> Answered {
    let Part { cursor, limit } = ask.part()?;
    let office = office(&ask.house)?;
    let today = today(&ask.house, office)?;
    let of = Of { tenant: Some(TENANT.0), ..Of::default() };
    let (by, from) = (vec![By::User], Some(today.first_of_month()));
    let rows = office.requests.usage(&Usage { of, by, from, to: None }).await?;
    // Calls of keys that are nobody's in particular are not a user's.
    let named = rows.into_iter().filter_map(|row| {
        let user = row.of.first().filter(|user| !user.is_empty())?.clone();
        Some(Users { user, sums: sums::Sums::of(row.sums) })
    });
    let behind = |one: &Users| cursor.as_deref().is_none_or(|cursor| &*one.user > cursor);
    let limit = limit.min(sums::PAGE_MAX);
    let mut data: Vec<Users> = named.filter(behind).take(limit + 1).collect();
    let more = data.len() > limit;
    data.truncate(limit);
    let next = data.last().filter(|_| more).map(|last| last.user.to_string());
    Ok(told(StatusCode::OK, &Listed { data, next }))
}

async fn history(ask: &mut Ask, of: Of) -> Answered {
    let Part { cursor, limit } = ask.part()?;
    let Ask { house, query, .. } = ask;
    let office = office(house)?;
    let today = today(house, office)?;
    let by = query.parse("by", |word| By::parse(word).filter(|b| [By::Day, By::Month].contains(b)));
    let usual = || today.saturating_sub(jiff::Span::new().days(DAYS_USUAL));
    let from = query.parse("from", |text| office.day(text))?.unwrap_or_else(usual);
    let to = query.parse("to", |text| office.day(text))?;
    let span = to.unwrap_or(today) - from;
    if span.get_days() > DAYS_MAX {
        return Err(Refusal::wrong("from", format!("{DAYS_MAX} days at the most")));
    }
    let of = Of {
        model: query.take("model").map(Str::from),
        feature: query.take("feature").map(Str::from),
        ..of
    };
    let wanted = History { of, by: by?.unwrap_or(By::Day), from, to };
    let (data, next) = wanted.page(office, cursor.as_deref(), limit).await?;
    Ok(told(StatusCode::OK, &Listed { data, next }))
}
