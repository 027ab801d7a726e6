//! The list of models, and one of them.

use bytes::BytesMut;
use llm_core::answer::{ModelInfo, Models};
use llm_core::extra::Losses;

use super::ID;
use crate::json::{Bad, Field, JsonKind, Object, ObjectWriter, write};

/// A page of the list, or one model.
pub(super) fn decode(mut o: Object<'_>) -> Result<Models, Bad> {
    let Some(list) = o.take("data")? else {
        let model = model(o)?;
        return Ok(Models { models: vec![model], single: true, ..Models::default() });
    };
    let models = list.array()?.into_iter().map(|f: Field<'_>| model(f.object()?));
    Ok(Models { models: models.collect::<Result<_, _>>()?, single: false, extra: o.rest(ID) })
}

fn model(mut o: Object<'_>) -> Result<ModelInfo, Bad> {
    let id = o.need_str("id")?;
    o.take("type")?;
    let title = o.take_if("display_name", JsonKind::String).map(|f| f.str()).transpose()?;
    // The date stays among the rest too, to return as it was spelled.
    let created = o.see("created_at").and_then(|f| seconds(&f.cow().ok()?));
    Ok(ModelInfo { id, created, owner: None, title, extra: o.rest(ID) })
}

/// Writes the list, or the one model.
pub(super) fn encode(models: &Models, losses: &mut Losses) -> BytesMut {
    if let (true, [only]) = (models.single, &models.models[..]) {
        return write::object(|o| write_model(o, only, losses));
    }
    let page = write::object(|o| {
        let mut list = o.array("data");
        for model in &models.models {
            write_model(&mut list.object(), model, losses);
        }
        drop(list);
        o.extra(&models.extra, ID);
        if models.extra.origin() != Some(ID) {
            o.bool("has_more", false);
            let ends = [("first_id", models.models.first()), ("last_id", models.models.last())];
            for (name, model) in ends {
                o.str_or_null(name, model.map(|m| &*m.id));
            }
        }
    });
    models.extra.lose(ID, "", losses);
    page
}

fn write_model(o: &mut ObjectWriter<'_>, model: &ModelInfo, losses: &mut Losses) {
    o.str("type", "model").str("id", &model.id);
    if model.extra.origin() == Some(ID) {
        o.opt_str("display_name", model.title.as_ref()).extra(&model.extra, ID);
        return;
    }
    // Clients want a name, a date and a state of life.
    o.str("display_name", model.title.as_ref().unwrap_or(&model.id));
    o.str("created_at", &date(model.created.unwrap_or(0))).str("lifecycle", "active");
    if model.owner.is_some() {
        losses.dropped("models.owner");
    }
    model.extra.lose(ID, "models", losses);
}

/// Seconds since 1970 of `2025-02-19T00:00:00Z`, fractions left out; `None` before 1970.
fn seconds(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let plain = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !plain || !text.ends_with(['Z', 'z']) && !text.ends_with("+00:00") {
        return None;
    }
    let total = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    u64::try_from(total).ok()
}

/// Days from 1970-01-01 to a date, by counting years from March on.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let era = year.div_euclid(400);
    let in_era = year.rem_euclid(400);
    era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + of_year - 719_468
}

/// The date of so many seconds since 1970.
fn date(seconds: u64) -> String {
    // Later than year 9999 is no date but a mistake.
    let seconds = seconds.min(253_402_300_799);
    let (day, time) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, in_era) = (day / 146_097, day % 146_097);
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let of_year = in_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_back() {
        for (text, n) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2025-02-24T00:00:00Z", 1_740_355_200),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(seconds(text), Some(n), "{text}");
            assert_eq!(date(n), text);
        }
        assert_eq!(seconds("2025-02-24T00:00:00.123Z"), Some(1_740_355_200));
        for bad in ["", "2025", "2025-13-01T00:00:00Z", "2025-01-01T00:00:00+09:00", "é"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
