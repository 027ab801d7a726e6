use llm_core::ledger::{Owner, Settlement};
use llm_core::money::Money;
use llm_core::usage::UsageSource;
use proptest::prelude::*;

use super::*;

fn usd(limit: Option<i64>, settled: i64, held: i64) -> Account<Money> {
    Account { limit: limit.map(Money), settled: Money(settled), held: Money(held) }
}

fn ask(has: i64, least: i64, like: i64) -> LeaseAsk {
    let account = AccountId::new(Owner::Key, "k");
    let (has, least, like) = (Money(has), Money(least), Money(like));
    LeaseAsk { account, limit: None, has, least, like }
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![0..50_i64, 0..5_000_i64, i64::MAX - 50..=i64::MAX]
}

proptest! {
    /// Whatever is asked: never beyond the limit, never more than is liked, never less than needed;
    /// and whoever asks again is given nothing more.
    #[test]
    fn keeps_the_limit(
        limit in proptest::option::of(prop_oneof![amount(), -9..0_i64]),
        settled in 0..4_000_i64,
        mine in 0..2_000_i64,
        others in 0..2_000_i64,
        has in amount(),
        numbers in (amount(), amount()),
    ) {
        let before = usd(limit, settled, mine + others);
        let (least, like) = numbers;
        let asked = ask(has, least, like);
        let unheard = (mine - has).max(0);
        let rest = i128::from(limit.unwrap_or(i64::MAX))
            - i128::from(settled) - i128::from(mine + others);
        match grant(&before, Money(mine), &asked) {
            Err((needs, Refused::Exhausted { asked, .. })) => {
                prop_assert_eq!(needs, asked);
                prop_assert_eq!(asked.0, least - unheard);
                prop_assert!(i128::from(asked.0) > rest.max(0));
            }
            Err((_, why)) => prop_assert!(false, "{}", why),
            Ok(Money(more)) => {
                prop_assert!(more == 0 || i128::from(more) <= rest);
                prop_assert!(more <= like.max(least));
                prop_assert!(more + unheard >= least);
                // Beyond the least, ten times as much is left for the others.
                let free = more > (least - unheard).max(0);
                prop_assert!(!free || rest - i128::from(more) >= 10 * i128::from(more));
                let (now, held) = (mine + more, mine + others + more);
                if has <= mine && (more > 0 || unheard > 0) {
                    let again = grant(&usd(limit, settled, held), Money(now), &asked);
                    prop_assert_eq!(again, Ok(Money(0)));
                }
            }
        }
    }
}

#[test]
fn who_likes_more_gets_it_while_there_is_plenty() {
    let of = |limit, least, like| grant(&usd(Some(limit), 0, 0), Money(0), &ask(0, least, like));
    assert_eq!(of(1_100, 1, 100), Ok(Money(100)));
    assert_eq!(of(1_099, 1, 100), Ok(Money(99)));
    assert_eq!(of(10, 0, 100), Ok(Money(0)));
    assert_eq!(of(10, 10, 0), Ok(Money(10)));
    assert!(of(10, 11, 11).is_err());
}

#[test]
fn a_void_hold_has_no_payers() {
    let path = vec![AccountId::new(Owner::Key, "k"), AccountId::new(Owner::Key, "k")];
    let mut ended =
        Ended { settlement: Settlement::void(llm_core::ledger::HoldId(1)), amount: Money(5), path };
    assert!(payers(&ended).is_empty());
    ended.settlement.tenant = Money(5);
    ended.settlement.source = UsageSource::Counted;
    assert_eq!(payers(&ended).len(), 1);
    assert_eq!(check_fold(&Fold { ended: vec![ended], keeps: vec![] }), Ok(()));
}
