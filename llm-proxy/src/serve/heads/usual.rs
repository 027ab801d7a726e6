//! The head that nearly every answer has.
//!
//! Put together name by name it costs a hash, a search and an insertion for each of them, which was
//! a twentieth of a call; here it is put together once for each set of names, and then copied and its
//! values written over in their order. Deliberately absent: what few answers say, which is inserted.

use std::sync::OnceLock;

use http::header::{CACHE_CONTROL, HeaderName, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};

use super::{ATTEMPTS, CACHE, CALL_ID, FALLBACKS, MODEL, PROVIDER, REQUEST_ID, REQUESTS, TOKENS};

/// What stands for a value until it is written over.
const NOTHING: HeaderValue = HeaderValue::from_static("");

/// Values of such a head, each at the place of its name.
#[derive(Debug)]
pub(super) struct Usual([HeaderValue; NAMES]);

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
    Requests,
    RequestsLeft,
    RequestsReset,
    Tokens,
    TokensLeft,
    TokensReset,
}

const NAMES: usize = Place::TokensReset as usize + 1;

/// Which of the names stand in a head: one bit for each.
type Set = u16;
/// Those that stand in each.
const ALWAYS: Set = (1 << Place::Requests as usize) - 1;
/// Sets that differ in what is said of limits.
const SETS: usize = 1 << (NAMES - Place::Requests as usize);

impl Usual {
    /// Nothing is said yet.
    pub(super) fn new() -> Self {
        Self([const { NOTHING }; NAMES])
    }

    /// Says it.
    pub(super) fn say(&mut self, place: Place, value: HeaderValue) {
        self.0[place as usize] = value;
    }

    /// As a head: with all that every head has, and those of the limits of which something was said.
    pub(super) fn head(&mut self) -> HeaderMap {
        static LAYOUTS: [OnceLock<Layout>; SETS] = [const { OnceLock::new() }; SETS];
        let said = self.0.iter().enumerate().skip(Place::Requests as usize);
        let set = said.fold(0, |set, (at, value)| set | (usize::from(!value.is_empty()) << at));
        let layout = &LAYOUTS[(set >> Place::Requests as usize) % SETS];
        let layout = layout.get_or_init(|| Layout::new(ALWAYS | set as Set));
        let mut head = layout.head.clone();
        for (slot, at) in head.values_mut().zip(&layout.order) {
            std::mem::swap(slot, &mut self.0[*at]);
        }
        head
    }
}

/// A head whose values are nothing yet, and for each of its values the place of its name.
struct Layout {
    head: HeaderMap,
    order: Vec<usize>,
}

impl Layout {
    fn new(set: Set) -> Self {
        let names = names();
        let said = names.iter().enumerate().filter(|(at, _)| set & (1 << at) != 0);
        let head: HeaderMap = said.map(|(_, name)| (name.clone(), NOTHING)).collect();
        // In which order a map goes through its names is its own affair.
        let place = |name: &HeaderName| names.iter().position(|known| known == name);
        let order = head.keys().filter_map(place).collect();
        Self { head, order }
    }
}

/// The names, each at its place.
fn names() -> [HeaderName; NAMES] {
    [
        REQUEST_ID,
        CALL_ID,
        PROVIDER,
        MODEL,
        ATTEMPTS,
        FALLBACKS,
        CACHE,
        X_CONTENT_TYPE_OPTIONS,
        CACHE_CONTROL,
        REQUESTS.limit,
        REQUESTS.remaining,
        REQUESTS.reset,
        TOKENS.limit,
        TOKENS.remaining,
        TOKENS.reset,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_stands_under_its_name() {
        const LIMITS: usize = Place::Requests as usize;
        let names = names();
        for set in 0..SETS {
            let said = |at: usize| at < LIMITS || set & (1 << (at - LIMITS)) != 0;
            // The second one is copied from the layout that the first has made.
            for round in 0..2 {
                let mut usual = Usual::new();
                for (at, value) in usual.0.iter_mut().enumerate().filter(|(at, _)| said(*at)) {
                    *value = HeaderValue::from_str(&format!("{round}-{at}")).unwrap();
                }
                let head = usual.head();
                for (at, name) in names.iter().enumerate() {
                    let found = head.get(name).map(|value| value.to_str().unwrap().to_owned());
                    assert_eq!(found, said(at).then(|| format!("{round}-{at}")), "{name} of {set}");
                }
                assert_eq!(head.len(), (0..NAMES).filter(|at| said(*at)).count());
            }
        }
    }
}
