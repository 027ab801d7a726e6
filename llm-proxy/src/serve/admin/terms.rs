//! What somebody is sold, in LiteLLM's words: a budget, requests and tokens a minute, calls at once.
//!
//! All of it but the last becomes limits of ours. A budget without a duration is one for a hundred
//! years: an account counts it that nobody resets.

use llm_core::Str;
use llm_core::money::Money;
use llm_core::quota::{Length, Limit, Mode, Period, Quantity};

use super::super::routes::shape::{Field, number, text, whole};
use super::fields::{Fields, Said};
use super::refusal::Refusal;

/// What a budget without a duration is for: the century on the wall, which is to say for good.
pub(super) const FOR_GOOD: Period = Period { count: 100, length: Length::Year };
const MINUTE: Period = Period { count: 1, length: Length::Minute };

/// The words for it.
pub(super) const TERMS: &[Field] = &[
    number("max_budget", "USD; without a duration, for good"),
    text("budget_duration", "30d, 24h, 1mo"),
    whole("rpm_limit", "requests a minute").least(0),
    whole("tpm_limit", "tokens a minute").least(0),
    whole("max_parallel_requests", "calls at once").least(0).most(u32::MAX as i64),
    text("plan", "the name of a plan"),
    text("budget_id", "the same: a budget is a plan"),
];

/// What a call says of it.
#[derive(Debug)]
pub(super) struct Terms {
    budget: Said<Money>,
    duration: Said<Period>,
    rpm: Said<u64>,
    tpm: Said<u64>,
    /// Calls at once.
    pub(super) parallel: Said<u32>,
    /// A plan's name.
    pub(super) plan: Said<Str>,
}

/// A budget that somebody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// How much.
    pub(super) amount: Money,
    /// In how long; [`FOR_GOOD`] is without end.
    pub(super) period: Period,
}

impl Terms {
    pub(super) fn read(fields: &mut Fields) -> Result<Self, Refusal> {
        let duration = fields.take::<String>("budget_duration")?;
        let (plan, budget) = (fields.take("plan")?, fields.take("budget_id")?);
        let plan = match (plan, budget) {
            (Said::Set(_), Said::Set(_)) => {
                return Err(Refusal::wrong("budget_id", "a budget is a plan: say one of them"));
            }
            (Said::Nothing, other) | (other, _) => other,
        };
        Ok(Self {
            budget: fields.amount("max_budget")?,
            duration: duration.map(|text| period("budget_duration", &text))?,
            rpm: fields.take("rpm_limit")?,
            tpm: fields.take("tpm_limit")?,
            parallel: fields.take("max_parallel_requests")?,
            plan,
        })
    }

    /// The limits that there are to be in place of these.
    pub(super) fn over(&self, known: &[Limit]) -> Result<Vec<Limit>, Refusal> {
        let had = budget(known);
        let amount = self.budget.clone().over(had.map(|had| had.amount));
        let period = self.duration.clone().over(had.map(|had| had.period));
        if let (Said::Set(_), None) = (&self.duration, amount) {
            return Err(Refusal::wrong("budget_duration", "of no budget: say max_budget too"));
        }
        let mut limits: Vec<Limit> = amount
            .map(|amount| limit(Quantity::Money(amount), period.unwrap_or(FOR_GOOD)))
            .into_iter()
            .collect();
        let rpm = self.rpm.clone().over(a_minute(known, requests));
        let tpm = self.tpm.clone().over(a_minute(known, tokens));
        limits.extend(rpm.map(|count| limit(Quantity::Requests(count), MINUTE)));
        limits.extend(tpm.map(|count| limit(Quantity::Tokens(count), MINUTE)));
        // What has no word here stays as it is.
        let ours =
            |one: &&Limit| requests(one).or_else(|| tokens(one)).is_none() || one.period != MINUTE;
        let budget = had.map(|had| limit(Quantity::Money(had.amount), had.period));
        limits.extend(known.iter().filter(ours).filter(|one| Some(**one) != budget));
        Ok(limits)
    }

    /// Whether it says nothing of limits.
    pub(super) fn leaves_limits(&self) -> bool {
        (&self.budget, &self.duration) == (&Said::Nothing, &Said::Nothing)
            && (&self.rpm, &self.tpm) == (&Said::Nothing, &Said::Nothing)
    }
}

/// A length of time as people write it.
pub(super) fn period(name: &str, text: &str) -> Result<Period, Refusal> {
    text.parse().map_err(|_| Refusal::wrong(name, "not a length of time: write 30d, 24h or 1mo"))
}

/// The budget among limits: the one that ends first, of several the first.
pub(super) fn budget(limits: &[Limit]) -> Option<Budget> {
    limits.iter().find_map(|limit| match limit.quantity {
        Quantity::Money(amount) => Some(Budget { amount, period: limit.period }),
        Quantity::Requests(_) | Quantity::Tokens(_) | Quantity::Credits(_) => None,
    })
}

/// A number a minute among limits.
pub(super) fn a_minute(limits: &[Limit], of: fn(&Limit) -> Option<u64>) -> Option<u64> {
    limits.iter().filter(|limit| limit.period == MINUTE).find_map(of)
}

/// How many requests a limit is of.
pub(super) fn requests(limit: &Limit) -> Option<u64> {
    match limit.quantity {
        Quantity::Requests(count) => Some(count),
        Quantity::Tokens(_) | Quantity::Money(_) | Quantity::Credits(_) => None,
    }
}

/// How many tokens a limit is of.
pub(super) fn tokens(limit: &Limit) -> Option<u64> {
    match limit.quantity {
        Quantity::Tokens(count) => Some(count),
        Quantity::Requests(_) | Quantity::Money(_) | Quantity::Credits(_) => None,
    }
}

fn limit(quantity: Quantity, period: Period) -> Limit {
    let mode = if quantity.is_paid() { Mode::Calendar } else { period.mode() };
    Limit { quantity, period, mode }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(body: &str, known: &[&str]) -> Vec<String> {
        let mut fields = Fields::parse(body.as_bytes()).unwrap();
        let terms = Terms::read(&mut fields).unwrap();
        fields.end().unwrap();
        let known: Vec<Limit> = known.iter().map(|text| text.parse().unwrap()).collect();
        let limits = terms.over(&known).unwrap();
        limits.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn words_of_others_become_limits_of_ours() {
        let body = r#"{"max_budget":0.5,"budget_duration":"30d","rpm_limit":60,"tpm_limit":900}"#;
        assert_eq!(over(body, &[]), ["$0.5/30day", "60/minute", "900 tokens/minute"]);
        assert_eq!(over(r#"{"max_budget":1}"#, &[]), ["$1/100year"]);
        let known = ["$1/30day", "60/minute", "5/day"];
        assert_eq!(over(r#"{"max_budget":2}"#, &known), ["$2/30day", "60/minute", "5/day"]);
        let less = r#"{"max_budget":null,"rpm_limit":null,"budget_duration":null}"#;
        assert_eq!(over(less, &known), ["5/day"]);
    }
}
