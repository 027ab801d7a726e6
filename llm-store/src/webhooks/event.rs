//! An event as it is told: one JSON object with its kind, its instant and its facts.

use jiff::Timestamp;
use llm_core::Str;
use llm_core::money::Credits;
use llm_core::store::StoreError;
use serde::Serialize;
use serde_json::value::RawValue;

/// A balance is at or below a threshold.
pub const CREDITS_LOW: &str = "credits.low";
/// Something was put into a wallet.
pub const CREDITS_GRANTED: &str = "credits.granted";
/// A part of a budget is spent: told once in each of its windows.
pub const BUDGET_REACHED: &str = "budget.reached";
/// Bytes of a kind.
pub const KIND_MAX: usize = 64;
/// Bytes of a body: a webhook points at what happened, and does not carry it.
const BODY_MAX: usize = 64 * 1024;

/// Something that others are to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id: the same for the same thing, however often it is written down or sent.
    pub id: Str,
    /// What kind of thing: `credits.low`, `job.done`.
    pub kind: Str,
    /// What is sent.
    pub body: Str,
}

/// The shape of a body.
#[derive(Serialize)]
struct Body<'a, F> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: Written,
    data: &'a F,
}

/// An instant as text.
struct Written(Timestamp);

impl Serialize for Written {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl Event {
    /// An event of a kind. The key names the thing among its kind: whoever writes the same thing
    /// down twice makes one event.
    pub fn new<F: Serialize>(
        kind: &str,
        key: &str,
        at: Timestamp,
        facts: &F,
    ) -> Result<Self, StoreError> {
        let odd = || StoreError::Full(Str::from_static("an event that cannot be told"));
        let body = serde_json::to_string(&Body { kind, timestamp: Written(at), data: facts });
        let body = body.map_err(|_| odd())?;
        let named = !kind.is_empty() && kind.len() <= KIND_MAX && kind.is_ascii();
        if !named || body.len() > BODY_MAX {
            return Err(odd());
        }
        Ok(Self { id: id(kind, key), kind: Str::from(kind.to_owned()), body: Str::from(body) })
    }
}

fn id(kind: &str, key: &str) -> Str {
    let mut hasher = blake3::Hasher::new_derive_key("llm-store 2026-11 id of an event");
    hasher.update(&(kind.len() as u64).to_le_bytes()).update(kind.as_bytes());
    let hash = hasher.update(key.as_bytes()).finalize().to_hex();
    Str::from(format!("evt_{}", &hash.as_str()[..32]))
}

/// What is told of a wallet. Credits are exact decimals, as they are written by people.
#[derive(Serialize)]
pub(crate) struct Facts<'a> {
    tenant: &'a str,
    holder: &'a str,
    user: &'a str,
    credits: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    available: Box<RawValue>,
}

impl<'a> Facts<'a> {
    pub(crate) fn of_wallet(
        tenant: &'a str,
        holder: &'a str,
        user: &'a str,
        credits: Credits,
        source: Option<&'a str>,
        available: Credits,
    ) -> Self {
        let (credits, available) = (number(credits), number(available));
        Self { tenant, holder, user, credits, source, available }
    }
}

/// Its decimal as it is: a JSON number that no float has touched.
fn number(credits: Credits) -> Box<RawValue> {
    RawValue::from_string(credits.to_string()).unwrap_or_default()
}
