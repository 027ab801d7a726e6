//! The routes of credits.

use super::super::routes::ask::{Ask, office};
use super::super::routes::shape::{Field, Shape, flag, number, text, whole};
use super::super::routes::{Route, operator};
use super::credits;
use super::refusal::Answered;

const GIFT: &[Field] = &[
    number("credits", "how many").need(),
    text("event_id", "the same event again grants nothing more").need(),
    text("expires", "a day, or an instant"),
];
const BALANCE: &[Field] = &[
    text("user", "").need(),
    text("available", "credits, as an exact decimal").need(),
    whole("available_micros", "the same in millionths of a credit").need(),
    whole("held_micros", "set aside by what is under way").need(),
    flag("again", "whether this event had been granted before").need(),
];

pub(crate) const ROUTES: &[Route] = &[Route::post(
    "/admin/wallets/{user}/grant",
    "Gives a user credits, once for each event.",
    operator!(Money, grant),
)
.reads(&[GIFT])
.gives(Shape::Table(&[BALANCE]))];

async fn grant(ask: &mut Ask) -> Answered {
    let body = ask.body()?;
    credits::grant(&ask.house, office(&ask.house)?, ask.name(0)?, body).await
}
