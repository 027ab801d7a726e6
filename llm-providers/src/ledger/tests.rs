use llm_core::Str;
use llm_core::ledger::{AccountId, HoldId, Owner, Settlement};
use llm_core::quota::WindowId;
use llm_core::usage::UsageSource;

use super::*;

fn account(name: &str, days: Option<i64>) -> AccountId {
    let at = |day: i64| Timestamp::from_second(day * 86_400).unwrap();
    let window = days.map(|day| WindowId { start: at(day), end: at(day + 1) });
    AccountId { owner: Owner::Key, name: Str::from(name), rule: Str::default(), window }
}

fn line(account: AccountId) -> Line {
    Line { account, limit: Some(Money(1_000)) }
}

fn settled(table: &mut Table<Money>, hold: HoldId, paid: i64) -> Receipt {
    let settlement = Settlement {
        hold,
        tenant: Money(paid),
        operator: Money::ZERO,
        source: UsageSource::Reported,
    };
    table.settle(&settlement).unwrap()
}

/// What is swept moves the others, and holds must find them where they are then.
#[test]
fn what_is_held_is_settled_where_it_stood_after_old_accounts_are_forgotten() {
    let mut table = Table::<Money>::default();
    let hold = |n: u128| HoldId(n);
    let spend = |table: &mut Table<Money>, n: u128, lines: &[Line]| {
        table.reserve(hold(n), lines, Money(10)).unwrap();
        settled(table, hold(n), 7);
    };
    for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
        spend(&mut table, n as u128, &[line(account(name, Some(1)))]);
    }
    let path = [line(account("b", Some(1))), line(account("d", Some(9))), line(account("e", None))];
    table.reserve(hold(10), &path, Money(30)).unwrap();
    table.sweep(Timestamp::from_second(5 * 86_400).unwrap());
    let names: Vec<&str> = table.rows.iter().map(|(id, _)| &*id.name).collect();
    assert_eq!(names, ["b", "d", "e"]);
    assert_eq!(table.verify().problems, []);
    // Said again, it is the same hold; on another path it is none.
    assert!(table.reserve(hold(10), &path, Money(30)).is_ok());
    assert!(table.reserve(hold(10), &path[..2], Money(30)).is_err());
    settled(&mut table, hold(10), 20);
    let rows: Vec<(i64, i64)> =
        table.rows.iter().map(|(_, row)| (row.settled.0, row.held.0)).collect();
    assert_eq!(rows, [(27, 0), (20, 0), (20, 0)]);
    assert_eq!(table.verify().problems, []);
    // A window that was forgotten begins at nothing.
    spend(&mut table, 11, &[line(account("a", Some(1)))]);
    assert_eq!(table.rows[3].1.settled, Money(7));
}

#[test]
fn who_is_refused_leaves_no_account_behind() {
    let mut table = Table::<Money>::default();
    let path = [line(account("a", None)), line(account("a", None)), line(account("b", None))];
    let hold = HoldId(1);
    let refused = table.reserve(hold, &path, Money(2_000));
    let Err(NotReserved::Refused { account: Some(id), .. }) = refused else {
        panic!("it was made")
    };
    assert_eq!(&*id.name, "a");
    assert!(table.rows.is_empty() && table.places.is_empty() && table.holds.is_empty());
    // An account that stands twice pays once.
    table.reserve(hold, &path, Money(600)).unwrap();
    assert_eq!(table.rows.iter().map(|(_, row)| row.held.0).collect::<Vec<_>>(), [600, 600]);
}
