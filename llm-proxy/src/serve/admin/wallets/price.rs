//! What work costs: an amount, or what a formula of the configuration makes of quantities.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use llm_core::Str;
use llm_core::money::Credits;
use llm_core::wallet::formula::Count;
use serde_json::value::RawValue;

use super::super::super::credits::Purse;
use super::super::fields::{Fields, Said};
use super::super::refusal::Refusal;

/// Quantities of one formula: it has no more terms.
const QUANTITIES_MAX: usize = 64;
/// Places behind the point of a quantity.
const PLACES_MAX: usize = 9;

/// Reads `credits`, or `job` and `quantities`; also what the amount was made of.
pub(super) fn read(purse: &Purse, fields: &mut Fields) -> Result<(Credits, Option<Str>), Refusal> {
    let (said, job) = (fields.amount::<Credits>("credits")?.set(), fields.take::<String>("job")?);
    let quantities = fields.raw("quantities");
    match (said, job.set(), quantities) {
        (Some(credits), None, Said::Nothing) => Ok((credits, None)),
        (None, Some(job), quantities) => {
            let terms = purse.terms();
            let formula = terms.rules.jobs.get(&*job).ok_or_else(|| {
                Refusal::wrong("job", format!("there is no price of {job:?} under credits.jobs"))
            })?;
            let given = quantities.set().map(|raw| counts(&raw)).transpose()?.unwrap_or_default();
            let given: Vec<(&str, Count)> = given.iter().map(|(n, c)| (&**n, *c)).collect();
            let amount = formula.price(&given);
            let amount = amount.map_err(|why| Refusal::wrong("quantities", why.to_string()))?;
            Ok((amount, Some(Str::from(formula.to_string()))))
        }
        _ => Err(Refusal::wrong("credits", "say credits, or a job and its quantities")),
    }
}

fn counts(raw: &RawValue) -> Result<Vec<(String, Count)>, Refusal> {
    let wrong = |text: String| Refusal::wrong("quantities", text);
    let said: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(raw.get()).map_err(|why| wrong(why.to_string()))?;
    if said.len() > QUANTITIES_MAX {
        return Err(wrong("too many quantities".to_owned()));
    }
    let read = |(name, raw): (String, Box<RawValue>)| {
        let count = count(raw.get().trim_matches('"'));
        let count = count.ok_or_else(|| wrong(format!("{name}: a decimal such as 12 or 12.5")))?;
        Ok((name, count))
    };
    said.into_iter().map(read).collect()
}

/// A decimal as the fraction that it is.
fn count(text: &str) -> Option<Count> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > PLACES_MAX {
        return None;
    }
    let places = u32::try_from(fraction.len()).ok()?;
    let parts: u64 = format!("{whole}{fraction}").parse().ok()?;
    Some(Count::of(parts, NonZeroU64::new(10u64.checked_pow(places)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_read_from_its_digits() {
        let of = |parts, per| Some(Count::of(parts, NonZeroU64::new(per).unwrap()));
        assert_eq!(count("12"), of(12, 1));
        assert_eq!(count("12.5"), of(125, 10));
        assert_eq!(count("0.000000001"), of(1, 1_000_000_000));
        for odd in ["", ".5", "-1", "1e3", "1.0000000001", "x", "99999999999999999999"] {
            assert_eq!(count(odd), None, "{odd}");
        }
    }
}
