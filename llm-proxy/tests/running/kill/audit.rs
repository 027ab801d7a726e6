//! What the ledger must say of what callers have seen and the upstream was asked.

use std::collections::{HashMap, HashSet};

use llm_core::money::Money;

use super::crowd::Seen;
use crate::books::{Books, hold};

/// What callers have seen finished is there, once, at the price that they were told.
pub(super) fn knows(books: &Books, seen: &[Seen]) {
    for one in seen.iter().filter(|one| one.finished && !one.refused) {
        let id = one.id.as_deref().unwrap();
        let hold = hold(id);
        let posted = books.holds.get(&hold);
        let Some(posted) = posted else { panic!("finished and not in the ledger: {one:?}") };
        if one.cached {
            assert_eq!(*posted, 0, "{one:?}");
        } else {
            assert!(*posted > 0, "used and not paid: {one:?}");
        }
        if let Some(cost) = &one.cost {
            assert_eq!(Money(*posted).to_string(), *cost, "{one:?}");
        }
    }
    // Who was refused pays nothing.
    for one in seen.iter().filter(|one| one.refused) {
        let posted = one.id.as_deref().and_then(|id| books.holds.get(&hold(id)));
        assert!(posted.is_none_or(|posted| *posted == 0), "refused and paid: {one:?}");
    }
}

/// What the upstream was asked is paid for by somebody: of calls whose ids were never heard,
/// there are as many holds that nobody claims.
pub(super) fn covers(books: &Books, seen: &[Seen], asked: &[String]) {
    let known: HashMap<&str, &Seen> = seen
        .iter()
        .filter(|one| one.id.is_some() && !one.cached)
        .map(|one| (one.words.as_str(), one))
        .collect();
    let claimed: HashSet<String> =
        seen.iter().filter_map(|one| one.id.as_deref()).map(hold).collect();
    let mut unknown = 0;
    for words in asked {
        match known.get(words.as_str()) {
            Some(one) => {
                let id = hold(one.id.as_deref().unwrap());
                let posted = books.holds.get(&id).copied();
                assert!(
                    one.refused || posted.is_some_and(|posted| posted > 0),
                    "the upstream was asked and nobody pays: {one:?}, {posted:?}"
                );
            }
            None => unknown += 1,
        }
    }
    let nobodys =
        books.holds.iter().filter(|(id, paid)| !claimed.contains(*id) && **paid > 0).count();
    assert!(nobodys >= unknown, "{unknown} calls without a head, and {nobodys} are paid for");
}
