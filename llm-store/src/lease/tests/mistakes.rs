//! The auditor of the random histories fails when there is something to see.

use std::panic::catch_unwind;

use super::model::{OPERATIONS_OF_ONE, history};
use crate::plant::{Mistake, plant};

/// Histories in which a mistake has to be seen.
const HISTORIES_MAX: u64 = 60;

const ALL: [Mistake; 10] = [
    Mistake::EndForgotten,
    Mistake::MarkedEarly,
    Mistake::GrantedTwice,
    Mistake::LimitIgnored,
    Mistake::WatermarkIgnored,
    Mistake::SentUnwritten,
    Mistake::RefundedTwice,
    Mistake::CountedTwice,
    Mistake::LossBelieved,
    Mistake::FenceIgnored,
];

#[test]
fn every_mistake_is_seen() {
    for mistake in ALL {
        plant(Some(mistake));
        let seen = (1..=HISTORIES_MAX).find(|seed| catch_unwind(|| history(*seed)).is_err());
        plant(None);
        let seen = seen.unwrap_or_else(|| panic!("nobody has seen {mistake:?}"));
        println!("{mistake:?}: seen within {} operations", seen * OPERATIONS_OF_ONE);
    }
    history(1);
}
