use super::*;
use crate::ledger::Owner;
use crate::ledger::rules::reserve;

/// Every trait must stand behind a pointer.
#[test]
fn all_seams_are_objects() {
    fn object<T: ?Sized + Send + Sync>() {}
    object::<dyn Ledger>();
    object::<dyn Ledger<crate::money::Credits>>();
    object::<dyn HoldLog>();
    object::<dyn Directory>();
    object::<dyn CallLog>();
    object::<dyn CacheStore>();
    object::<dyn Counters>();
}

#[test]
fn a_refusal_names_its_account_and_an_outage_none() {
    let path = [AccountId::new(Owner::Key, "k"), AccountId::new(Owner::Team, "t")];
    let (mut key, mut team) = (Account::unlimited(), Account::limited(Money(1)));
    let why = reserve(&mut [&mut key, &mut team], HoldId(1), Money(2)).unwrap_err();
    let refused = NotReserved::from(ReserveError::on(&path, why));
    assert_eq!(refused, NotReserved::Refused { account: Some(path[1].clone()), why });
    let broken = NotReserved::<Money>::from(ReserveError::Violation(Violation::Journal));
    assert!(matches!(broken, NotReserved::Store(StoreError::Violation(_))));
}

#[test]
fn only_what_may_pass_is_asked_again() {
    let why = Str::from_static("x");
    let errors = [
        (StoreError::Unavailable(why.clone()), true),
        (StoreError::Conflict(why.clone()), true),
        (StoreError::Full(why.clone()), false),
        (StoreError::Corrupt(why), false),
        (StoreError::Violation(Violation::Range), false),
    ];
    assert!(errors.iter().all(|(error, again)| error.retryable() == *again));
}

#[test]
fn a_key_hash_is_not_shown() {
    assert_eq!(format!("{:?}", KeyHash([0xab; 32])), "KeyHash(ababab…)");
}
