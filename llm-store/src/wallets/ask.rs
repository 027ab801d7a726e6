//! What is asked of a wallet, and what the answer looks like.

use jiff::Timestamp;
use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::money::Credits;
use llm_core::wallet::formula::{Count, Formula, NotPriced};

/// Something is to be set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Under which id; all that follows is known by it.
    pub hold: HoldId,
    /// How much.
    pub amount: Credits,
    /// What the amount was made of, for people: a formula's text.
    pub price: Option<Str>,
    /// Who ends it.
    pub keep: Keep,
}

/// Who ends a hold, when whoever made it dies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// From this instant on it is abandoned: who touches the wallet next gives it back.
    Until(Timestamp),
    /// The job of this name ends it, however long that takes.
    Job(Str),
}

impl Ask {
    /// What a formula makes of quantities.
    pub fn priced(
        hold: HoldId,
        formula: &Formula,
        given: &[(&str, Count)],
        keep: Keep,
    ) -> Result<Self, NotPriced> {
        let amount = formula.price(given)?;
        Ok(Self { hold, amount, price: Some(Str::from(formula.to_string())), keep })
    }
}

/// Something was paid for outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// The payment's id: the same one is granted once, with its bonus.
    pub event: Str,
    /// What was bought.
    pub credits: Credits,
    /// When that ends.
    pub expires_at: Option<Timestamp>,
    /// What came on top, and when that ends.
    pub bonus: Option<(Credits, Option<Timestamp>)>,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done<R> {
    /// What became of it.
    pub receipt: R,
    /// Whether it had been done before, and nothing moved now.
    pub again: bool,
    /// What may be set aside afterwards.
    pub available: Credits,
}
