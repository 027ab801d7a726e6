//! The head that nearly every answer has.
//!
//! Put together name by name it costs a hash, a search and an insertion for each of them, which was
//! a twentieth of a call; here it is put together once for each set of names, and then copied and its
//! values written over in their order. Deliberately absent: what few answers say, which is inserted.

use std::sync::OnceLock;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};

use super::{ATTEMPTS, CACHE, CALL_ID, COST, FALLBACKS, MODEL, PROVIDER, REQUEST_ID};

/// What stands for a value until it is written over.
const NOTHING: HeaderValue = HeaderValue::from_static("");

/// A name of such a head, by its place.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(super) enum Place {
    RequestId,
    CallId,
    Provider,
    Model,
    Attempts,
    Fallbacks,
    Cache,
    Nosniff,
    NoStore,
    Type,
    Requests,
    RequestsLeft,
    RequestsReset,
    Tokens,
    TokensLeft,
    TokensReset,
    Cost,
}

const NAMES: usize = Place::Cost as usize + 1;

/// Which of the names stand in a head: one bit for each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said(u32);

/// Those that stand in each.
const ALWAYS: u32 = (1 << Place::Requests as usize) - 1;
/// Sets that differ in what is said of limits, and of what it cost.
const SETS: usize = 1 << (NAMES - Place::Requests as usize);

impl Said {
    /// What every head says.
    pub(super) const USUAL: Self = Self(ALWAYS);

    /// That as well.
    pub(super) fn and(&mut self, place: Place) {
        self.0 |= 1 << place as usize;
    }

    /// As a head, whose values are asked for in its own order.
    pub(super) fn head(self, mut value: impl FnMut(Place) -> HeaderValue) -> HeaderMap {
        static LAYOUTS: [OnceLock<Layout>; SETS] = [const { OnceLock::new() }; SETS];
        let layout = &LAYOUTS[(self.0 >> Place::Requests as usize) as usize % SETS];
        let layout = layout.get_or_init(|| Layout::new(self));
        let mut head = layout.head.clone();
        for (slot, place) in head.values_mut().zip(&layout.order) {
            *slot = value(*place);
        }
        head
    }
}

/// A head whose values are nothing yet, and for each of its values the place of its name.
struct Layout {
    head: HeaderMap,
    order: Vec<Place>,
}

impl Layout {
    fn new(said: Said) -> Self {
        let names = NAMED.iter().filter(|(place, _)| said.0 & (1 << *place as usize) != 0);
        let head: HeaderMap = names.map(|(_, name)| (name.clone(), NOTHING)).collect();
        // In which order a map goes through its names is its own affair.
        let place = |name: &HeaderName| NAMED.iter().find(|(_, known)| known == name);
        let order = head.keys().filter_map(place).map(|(place, _)| *place).collect();
        Self { head, order }
    }
}

/// The names; those of limits are OpenAI's.
static NAMED: [(Place, HeaderName); NAMES] = [
    (Place::RequestId, REQUEST_ID),
    (Place::CallId, CALL_ID),
    (Place::Provider, PROVIDER),
    (Place::Model, MODEL),
    (Place::Attempts, ATTEMPTS),
    (Place::Fallbacks, FALLBACKS),
    (Place::Cache, CACHE),
    (Place::Nosniff, X_CONTENT_TYPE_OPTIONS),
    (Place::NoStore, CACHE_CONTROL),
    (Place::Type, CONTENT_TYPE),
    (Place::Requests, HeaderName::from_static("x-ratelimit-limit-requests")),
    (Place::RequestsLeft, HeaderName::from_static("x-ratelimit-remaining-requests")),
    (Place::RequestsReset, HeaderName::from_static("x-ratelimit-reset-requests")),
    (Place::Tokens, HeaderName::from_static("x-ratelimit-limit-tokens")),
    (Place::TokensLeft, HeaderName::from_static("x-ratelimit-remaining-tokens")),
    (Place::TokensReset, HeaderName::from_static("x-ratelimit-reset-tokens")),
    (Place::Cost, COST),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_stands_under_its_name() {
        for set in 0..SETS {
            let said = Said(ALWAYS | u32::try_from(set << Place::Requests as usize).unwrap());
            let is_said = |place: Place| said.0 & (1 << place as usize) != 0;
            // The second one is copied from the layout that the first has made.
            for round in 0..2 {
                let value = |place| HeaderValue::from_str(&format!("{round}-{place:?}")).unwrap();
                let head = said.head(value);
                for (place, name) in &NAMED {
                    let found = head.get(name).map(|value| value.to_str().unwrap().to_owned());
                    let wanted = is_said(*place).then(|| format!("{round}-{place:?}"));
                    assert_eq!(found, wanted, "{name} of {set}");
                }
                assert_eq!(head.len(), NAMED.iter().filter(|(place, _)| is_said(*place)).count());
            }
        }
    }
}
