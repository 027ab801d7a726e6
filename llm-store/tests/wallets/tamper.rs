//! Whoever changes what is stored is found out, and the wallet is named.

use llm_core::ledger::HoldId;
use llm_core::ledger::rules::Violation;
use llm_store::wallets::Problem;

use crate::place::{Place, sound, user};
use crate::suite::{ask, credits, gift, job};

pub(crate) async fn whatever_is_changed_is_found(place: &Place) {
    let wallets = place.wallets().await;
    for name in ["u", "v"] {
        let who = user(name);
        wallets.grant(&who, gift("g", 10, None)).await.unwrap();
        wallets.reserve(&who, ask(1, 4, job())).await.unwrap();
        wallets.settle(&who, HoldId(1), credits(3)).await.unwrap();
        wallets.reserve(&who, ask(2, 2, job())).await.unwrap();
    }
    sound(&wallets).await;
    let first = "wallet = (SELECT id FROM wallet WHERE name = 'u')";
    // The triggers stand in the way of the honest; whoever owns the database removes them.
    let free = if place.is_file() {
        "DROP TRIGGER wallet_entry_stays; DROP TRIGGER wallet_entry_remains"
    } else {
        "ALTER TABLE wallet_entry DISABLE TRIGGER USER"
    };
    place.raw(free).await;
    let hold = if place.is_file() { "x'00000000000000000000000000000001'" } else { "" };
    let hold = if hold.is_empty() { "'\\x00000000000000000000000000000001'::bytea" } else { hold };
    let hour = place.clock.micros() / 3_600_000_000;
    let lies = [
        ("wallet_entry", "spent", format!("{first} AND kind = 'settle'"), Problem::Chain(3)),
        ("wallet_entry", "at", format!("{first} AND seq = 1"), Problem::Chain(1)),
        ("wallet_bucket", "rest", first.to_owned(), Problem::Law(Violation::Journal)),
        ("wallet_bucket", "held", first.to_owned(), Problem::Law(Violation::NotHeld)),
        ("wallet", "made", "name = 'u'".to_owned(), Problem::Law(Violation::Journal)),
        ("wallet", "seq", "name = 'u'".to_owned(), Problem::Head),
        ("wallet_hour", "spent", first.to_owned(), Problem::Hour(hour)),
        ("wallet_hold", "ended_at", format!("{first} AND id = {hold}"), Problem::Hold(HoldId(1))),
    ];
    for (table, column, which, problem) in lies {
        place.raw(&format!("UPDATE {table} SET {column} = {column} + 1 WHERE {which}")).await;
        let audit = wallets.verify().await.unwrap();
        assert_eq!(audit.problems, [(user("u"), problem)], "{table}.{column}");
        place.raw(&format!("UPDATE {table} SET {column} = {column} - 1 WHERE {which}")).await;
        sound(&wallets).await;
    }
    // The last entry gone, and the one in the middle.
    place.raw(&format!("DELETE FROM wallet_entry WHERE {first} AND seq = 4")).await;
    let audit = wallets.verify().await.unwrap();
    assert_eq!(audit.problems.len(), 1);
    place.raw(&format!("DELETE FROM wallet_entry WHERE {first} AND seq = 2")).await;
    let audit = wallets.verify().await.unwrap();
    assert_eq!(audit.problems, [(user("u"), Problem::Chain(2))]);
    // A wallet under another name is not that one's.
    place.raw("UPDATE wallet SET name = 'w' WHERE name = 'v'").await;
    let audit = wallets.verify().await.unwrap();
    assert!(audit.problems.contains(&(user("w"), Problem::Chain(1))), "{audit:?}");
    // What breaks a law is used by nobody.
    place.raw("UPDATE wallet_bucket SET held = held + 1").await;
    assert!(wallets.reserve(&user("u"), ask(9, 1, job())).await.is_err());
}
