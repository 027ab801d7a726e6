use std::collections::BTreeMap;

use proptest::prelude::*;

use super::book::{Book, HoldState, ReserveError};
use super::charge::{Alarm, Ending, Evidence, Payer, Unknown, charge};
use super::rules::{Account, Refused, Violation, reserve};
use super::*;
use crate::money::Credits;

fn account(owner: Owner, name: &'static str) -> AccountId {
    AccountId::new(owner, Str::from_static(name))
}

fn proof(amount: i64) -> HoldProof {
    reserve(&mut [&mut Account::unlimited()], HoldId(1), Money(amount)).unwrap()
}

#[test]
fn a_path_pays_wholly_or_not_at_all() {
    let (mut key, mut team) = (Account::limited(Money(100)), Account::limited(Money(50)));
    assert!(reserve(&mut [&mut key, &mut team], HoldId(1), Money(50)).is_ok());
    let refused = reserve(&mut [&mut key, &mut team], HoldId(2), Money(1));
    let team_says = Refused::Exhausted {
        account: 1,
        limit: Money(50),
        settled: Money(0),
        held: Money(50),
        asked: Money(1),
    };
    assert_eq!(refused, Err(team_says));
    assert_eq!((key.held, team.held), (Money(50), Money(50)));
    key.settle(Money(50), Money(20)).unwrap();
    assert_eq!((key.settled, key.held, key.remaining()), (Money(20), Money(0), Some(Money(80))));
}

#[test]
fn nothing_costs_money_without_an_account() {
    assert_eq!(reserve::<Money>(&mut [], HoldId(1), Money(1)), Err(Refused::NoAccount));
    assert_eq!(reserve::<Money>(&mut [], HoldId(1), Money(-1)), Err(Refused::NoAccount));
    assert!(reserve::<Money>(&mut [], HoldId(1), Money(0)).is_ok());
    let negative = reserve(&mut [&mut Account::unlimited()], HoldId(1), Credits(-1));
    assert_eq!(negative, Err(Refused::Negative));
}

#[test]
fn a_lowered_limit_only_refuses_what_is_new() {
    let mut account = Account::limited(Money(100));
    account.reserve(Money(80)).unwrap();
    account.limit = Some(Money(10));
    assert!(account.reserve(Money(1)).is_err());
    assert!(account.reserve(Money(0)).is_err(), "over the limit, even nothing is too much");
    assert_eq!((account.remaining(), account.invariant()), (Some(Money(0)), Ok(())));
    account.settle(Money(80), Money(80)).unwrap();
    assert_eq!((account.settled, account.within()), (Money(80), Err(Violation::Range)));
}

#[test]
fn an_account_without_limit_still_has_the_range_of_its_integer() {
    let mut account = Account::unlimited();
    account.reserve(Money::MAX).unwrap();
    assert!(account.reserve(Money(1)).is_err());
    assert_eq!(account.settle(Money(5), Money(6)), Err(Violation::Overrun));
    assert_eq!(account.settle(Money(-5), Money(-6)), Err(Violation::NotHeld));
    account.release(Money::MAX).unwrap();
    assert_eq!(account, Account::unlimited());
    assert_eq!(account.release(Money(1)), Err(Violation::NotHeld));
}

/// The table of endings, row by row: tenant, operator, how it is known.
#[test]
fn who_pays_when_it_ends() {
    use UsageSource::{Counted, Estimated, Reported};
    let known = Evidence {
        sent: true,
        reported: Some(Money(60)),
        prompt: Money(10),
        counted: Money(50),
        watermark: Some(Money(30)),
    };
    let unknown = Evidence { reported: None, watermark: None, ..known };
    let unsent = Evidence { sent: false, prompt: Money(10), ..Evidence::default() };
    let rows = [
        (Ending::NotSent, unsent, 0, 0, Reported),
        (Ending::Complete, known, 60, 0, Reported),
        (Ending::Complete, unknown, 50, 0, Counted),
        (Ending::Refused, known, 60, 0, Reported),
        (Ending::Refused, unknown, 0, 0, Reported),
        (Ending::CallerLeft, known, 60, 0, Reported),
        (Ending::CallerLeft, unknown, 50, 0, Counted),
        (Ending::CallerLeft, Evidence { counted: Money(0), ..unknown }, 10, 0, Counted),
        (Ending::CallerLeft, unsent, 0, 0, Reported),
        (Ending::UpstreamBroke, unknown, 50, 0, Counted),
        (Ending::Stopped, unknown, 50, 0, Counted),
        (Ending::Blocked, known, 60, 0, Reported),
        (Ending::CacheHit(Money(3)), unsent, 3, 0, Reported),
        (Ending::CacheHit(Money(300)), unsent, 100, 0, Reported),
        (Ending::Unseen(Payer::Operator), known, 0, 60, Reported),
        (Ending::Unseen(Payer::Operator), unknown, 0, 50, Counted),
        (Ending::Unseen(Payer::Tenant), known, 60, 0, Reported),
        (Ending::Unseen(Payer::Operator), unsent, 0, 0, Reported),
        (Ending::Crashed(Unknown::Full), unsent, 0, 0, Reported),
        (Ending::Crashed(Unknown::Full), known, 30, 0, Estimated),
        (Ending::Crashed(Unknown::Prompt), unknown, 10, 0, Estimated),
        (Ending::Crashed(Unknown::Zero), unknown, 0, 0, Estimated),
        (Ending::Crashed(Unknown::Full), unknown, 100, 0, Estimated),
        (Ending::Complete, Evidence { reported: Some(Money(130)), ..known }, 100, 30, Reported),
        (Ending::Complete, Evidence { reported: Some(Money(-9)), ..known }, 0, 0, Reported),
    ];
    for (ending, evidence, tenant, operator, source) in rows {
        let c = charge(ending, &evidence, &proof(100));
        let found = (c.tenant, c.operator, c.source);
        assert_eq!(found, (Money(tenant), Money(operator), source), "{ending:?} {evidence:?}");
    }
    let dear = Evidence { reported: Some(Money(130)), ..known };
    assert_eq!(charge(Ending::Complete, &dear, &proof(100)).alarm, Some(Alarm::Overrun));
    assert_eq!(charge(Ending::Complete, &unknown, &proof(100)).alarm, Some(Alarm::NoUsage));
    assert_eq!(charge(Ending::CallerLeft, &unknown, &proof(100)).alarm, None);
}

#[test]
fn every_step_may_be_repeated_and_ends_are_final() {
    let key = account(Owner::Key, "k");
    let mut book = Book::default();
    book.set_limit(key.clone(), Some(Money(100)));
    let path = [key.clone(), key.clone()];
    let proof = book.reserve(HoldId(1), &path, Money(70)).unwrap();
    assert_eq!(book.reserve(HoldId(1), &path, Money(70)), Ok(proof.clone()));
    let other = book.reserve(HoldId(1), &path, Money(71));
    assert_eq!(other, Err(ReserveError::Violation(Violation::OtherTerms)));
    assert_eq!(book.account(&key).unwrap().held, Money(70));

    book.dispatch(HoldId(1), Money(4)).unwrap();
    book.watermark(HoldId(1), Money(9)).unwrap();
    book.watermark(HoldId(1), Money(5)).unwrap();
    assert_eq!(
        book.hold(HoldId(1)).unwrap().state,
        HoldState::Running { sent: Money(4), watermark: Some(Money(9)) }
    );

    let evidence = Evidence { sent: true, reported: Some(Money(90)), ..Evidence::default() };
    let settlement = charge(Ending::Complete, &evidence, &proof).settle(&proof);
    let receipt = book.settle(settlement).unwrap();
    assert_eq!((receipt.posted, receipt.released, receipt.loss), (Money(70), Money(0), Money(20)));
    assert_eq!(book.release(HoldId(1)), Ok(receipt));
    let late = book.reserve(HoldId(1), &path, Money(70));
    assert_eq!(late, Err(ReserveError::Violation(Violation::State)), "an ended hold is no proof");
    assert_eq!(book.settle(Settlement { tenant: Money(1), ..settlement }), Ok(receipt));
    assert_eq!(book.dispatch(HoldId(1), Money(0)), Err(Violation::State));
    assert_eq!(book.account(&AccountId::loss()).unwrap().settled, Money(20));
    assert_eq!(book.journal().len(), 3);
    assert_eq!((book.open().count(), book.verify()), (0, Ok(())));

    assert_eq!(book.release(HoldId(2)), Err(Violation::UnknownHold));
    let nobody = book.reserve(HoldId(2), &[account(Owner::User, "?")], Money(0));
    assert_eq!(nobody, Err(ReserveError::Refused { account: None, why: Refused::NoAccount }));
    book.set_limit(AccountId::loss(), None);
    let losses = book.reserve(HoldId(2), &[key.clone(), AccountId::loss()], Money(1));
    assert_eq!(losses, Err(ReserveError::Refused { account: None, why: Refused::NoAccount }));
    // Named by what it is, in whichever order the path was given.
    book.set_limit(account(Owner::Team, "t"), Some(Money(1)));
    let path = [account(Owner::Team, "t"), key];
    let refused = book.reserve(HoldId(2), &path, Money(2)).unwrap_err();
    assert!(matches!(refused, ReserveError::Refused { account: Some(a), .. } if a == path[0]));
}

#[test]
fn a_settlement_that_cannot_be_leaves_everything_as_it_was() {
    let key = account(Owner::Key, "k");
    let mut book = Book::default();
    book.set_limit(key.clone(), Some(Money(100)));
    book.reserve(HoldId(1), &[key], Money(70)).unwrap();
    let before = format!("{book:?}");
    let bad = |tenant, operator| Settlement {
        tenant: Money(tenant),
        operator: Money(operator),
        ..Settlement::void(HoldId(1))
    };
    assert_eq!(book.settle(bad(71, 0)), Err(Violation::Overrun));
    assert_eq!(book.settle(bad(-1, 0)), Err(Violation::NegativeSettled));
    assert_eq!(book.settle(bad(1, -1)), Err(Violation::NegativeSettled));
    assert_eq!(format!("{book:?}"), before);
}

#[test]
fn a_late_word_corrects_an_estimate_once() {
    let key = account(Owner::Key, "k");
    let late = |id, tenant| Settlement { tenant: Money(tenant), ..Settlement::void(HoldId(id)) };
    let crashed = |id, tenant| {
        let mut book = Book::default();
        book.set_limit(key.clone(), Some(Money(100)));
        book.reserve(HoldId(id), std::slice::from_ref(&key), Money(80)).unwrap();
        assert_eq!(book.adjust(late(id, 1)), Err(Violation::State), "it has not ended");
        let source = UsageSource::Estimated;
        book.settle(Settlement { source, ..late(id, tenant) }).unwrap();
        book
    };
    // Up, down, and not a second time.
    for known in [60, 5, 30] {
        let mut book = crashed(1, 30);
        let receipt = book.adjust(late(1, known)).unwrap();
        assert_eq!((receipt.posted, receipt.released), (Money(known), Money(80 - known)));
        assert_eq!(book.adjust(late(1, 1)), Ok(receipt));
        assert_eq!(book.account(&key).unwrap().settled, Money(known));
        assert_eq!(book.verify(), Ok(()));
    }
    // What was given back is spent by now: the operator pays what was found out too late.
    let mut book = crashed(1, 30);
    book.reserve(HoldId(2), std::slice::from_ref(&key), Money(70)).unwrap();
    let receipt = book.adjust(late(1, 60)).unwrap();
    assert_eq!((receipt.posted, receipt.loss), (Money(30), Money(30)));
    // And what exceeds the hold in any case.
    let mut book = crashed(1, 30);
    let receipt = book.adjust(late(1, 90)).unwrap();
    assert_eq!((receipt.posted, receipt.loss), (Money(80), Money(10)));
    assert_eq!(book.account(&AccountId::loss()).unwrap().settled, Money(10));
    assert_eq!((book.verify(), book.adjust(late(7, 1))), (Ok(()), Err(Violation::UnknownHold)));
    assert_eq!(crashed(1, 30).adjust(late(1, -1)), Err(Violation::NegativeSettled));
}

#[derive(Clone, Debug)]
enum Op {
    Reserve { id: u8, path: u8, amount: i64 },
    Dispatch { id: u8, watermark: i64 },
    Settle { id: u8, tenant: i64, operator: i64 },
    Limit { account: usize, limit: Option<i64> },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0u8..12, 1u8..8, 0i64..60).prop_map(|(id, path, amount)| Op::Reserve { id, path, amount }),
        1 => (0u8..12, 0i64..60).prop_map(|(id, watermark)| Op::Dispatch { id, watermark }),
        3 => (0u8..12, 0i64..60, 0i64..9)
            .prop_map(|(id, tenant, operator)| Op::Settle { id, tenant, operator }),
        1 => (0usize..3, prop::option::of(0i64..150))
            .prop_map(|(account, limit)| Op::Limit { account, limit }),
    ]
}

/// The ledger told naively: a list of holds, and every number recomputed from it.
#[derive(Default)]
struct Model {
    limits: [Option<i64>; 3],
    /// Path bits, amount, what the tenant paid once it ended, what the operator paid.
    holds: BTreeMap<u8, (u8, i64, Option<i64>, i64)>,
}

impl Model {
    fn sums(&self, at: usize) -> (i64, i64) {
        let mine = self.holds.values().filter(|(path, ..)| path & (1 << at) != 0);
        mine.fold((0, 0), |(settled, held), (_, amount, paid, _)| match paid {
            Some(paid) => (settled + paid, held),
            None => (settled, held + amount),
        })
    }

    fn fits(&self, path: u8, amount: i64) -> bool {
        (0..3).filter(|at| path & (1 << at) != 0).all(|at| {
            let (settled, held) = self.sums(at);
            self.limits[at].is_none_or(|limit| settled + held + amount <= limit)
        })
    }
}

fn accounts() -> [AccountId; 3] {
    [account(Owner::Key, "k"), account(Owner::User, "u"), account(Owner::Tenant, "t")]
}

fn step(book: &mut Book, model: &mut Model, op: &Op) {
    let hold = |id: u8| HoldId(id.into());
    match *op {
        Op::Reserve { id, path, amount } => {
            let ids: Vec<_> = (0..3)
                .filter(|at| path & (1 << at) != 0)
                .map(|at| accounts()[at].clone())
                .collect();
            let known = model.holds.get(&id);
            let known = known.map(|h| (h.0, h.1) == (path, amount) && h.2.is_none());
            let fits = known.unwrap_or_else(|| model.fits(path, amount));
            assert_eq!(book.reserve(hold(id), &ids, Money(amount)).is_ok(), fits, "{op:?}");
            if fits {
                model.holds.entry(id).or_insert((path, amount, None, 0));
            }
        }
        Op::Dispatch { id, watermark } => {
            let open = model.holds.get(&id).is_some_and(|h| h.2.is_none());
            assert_eq!(book.watermark(hold(id), Money(watermark)).is_ok(), open);
        }
        Op::Settle { id, tenant, operator } => {
            let settlement = Settlement {
                tenant: Money(tenant),
                operator: Money(operator),
                ..Settlement::void(hold(id))
            };
            let result = book.settle(settlement);
            let Some(known) = model.holds.get_mut(&id) else {
                assert_eq!(result, Err(Violation::UnknownHold));
                return;
            };
            if known.2.is_none() && tenant <= known.1 {
                (known.2, known.3) = (Some(tenant), operator);
            }
            assert_eq!(result.ok().map(|r| r.posted.0), known.2);
        }
        Op::Limit { account, limit } => {
            model.limits[account] = limit;
            book.set_limit(accounts()[account].clone(), limit.map(Money));
        }
    }
}

proptest! {
    #[test]
    fn the_book_is_the_model(ops in prop::collection::vec(op(), 0..120)) {
        let (mut book, mut model) = (Book::default(), Model { limits: [Some(100); 3], ..Model::default() });
        for id in accounts() {
            book.set_limit(id, Some(Money(100)));
        }
        for op in &ops {
            let before: Vec<_> = accounts().iter().map(|id| *book.account(id).unwrap()).collect();
            step(&mut book, &mut model, op);
            prop_assert_eq!(book.verify(), Ok(()));
            for (at, id) in accounts().iter().enumerate() {
                let now = book.account(id).unwrap();
                prop_assert_eq!((now.settled.0, now.held.0), model.sums(at));
                // What raises the sum leaves it within the limit of that instant.
                let sum = |a: &Account<Money>| a.settled.0 + a.held.0;
                prop_assert!(sum(now) <= sum(&before[at]) || now.within().is_ok());
            }
            // Nothing is made or lost: what accounts paid and the operator paid is on receipts.
            let lost: i64 = model.holds.values().map(|h| h.3).sum();
            let loss = book.account(&AccountId::loss()).map_or(0, |a| a.settled.0);
            prop_assert_eq!(lost, loss);
        }
    }

    #[test]
    fn a_bigger_limit_never_refuses_what_a_smaller_one_admits(
        asks in prop::collection::vec(0i64..40, 0..40), small in 0i64..200, more in 0i64..200,
    ) {
        let mut accounts = [Account::limited(Money(small)), Account::limited(Money(small + more))];
        let mut held = [0, 0];
        for ask in asks {
            for (account, held) in accounts.iter_mut().zip(&mut held) {
                if account.reserve(Money(ask)).is_ok() {
                    *held += ask;
                }
            }
        }
        prop_assert!(held[0] <= held[1] && held[0] <= small);
    }

    #[test]
    fn nobody_pays_more_than_was_held(
        sent: bool, reported in prop::option::of(-9i64..300), prompt in 0i64..200,
        counted in 0i64..300, watermark in prop::option::of(0i64..300), held in 0i64..200, n in 0usize..10,
    ) {
        let ending = [
            Ending::NotSent, Ending::Complete, Ending::Refused, Ending::CallerLeft,
            Ending::UpstreamBroke, Ending::Stopped, Ending::Blocked, Ending::CacheHit(Money(150)),
            Ending::Unseen(Payer::Operator), Ending::Crashed(Unknown::Full),
        ][n];
        let evidence = Evidence {
            sent,
            reported: reported.map(Money),
            prompt: Money(prompt),
            counted: Money(counted),
            watermark: watermark.map(Money),
        };
        let c = charge(ending, &evidence, &proof(held));
        prop_assert!(Money(0) <= c.tenant && c.tenant <= Money(held) && c.operator >= Money(0));
        prop_assert!(c.operator == Money(0) || c.alarm.is_some() || matches!(ending, Ending::Unseen(_)));
    }
}
