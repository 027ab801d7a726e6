use llm_core::Str;
use llm_store::deposits::Owner;
use llm_store::seal::Place;

use super::*;
use crate::testing::{chest, database, fresh};

async fn people(database: &Database, assumed: bool) -> People {
    People::new(database.clone(), chest(), fresh, assumed)
}

fn owner(name: &str) -> Owner {
    Owner::from(Str::from(name.to_owned()))
}

const PLACE: Place<'_> = Place { table: "t", column: "c", row: "1", version: 0 };

#[tokio::test]
async fn what_is_sealed_for_one_opens_for_nobody_else() {
    let (database, _folder) = database().await;
    let people = people(&database, true).await;
    let (alice, bob) =
        (people.of(&owner("a")).await.unwrap(), people.of(&owner("b")).await.unwrap());
    let sealed = alice.close(&PLACE, "비밀".as_bytes()).unwrap();
    assert_eq!(alice.open(&PLACE, sealed.clone()).unwrap(), "비밀".as_bytes());
    assert!(bob.open(&PLACE, sealed.clone()).is_err());
    assert!(alice.open(&Place { row: "2", ..PLACE }, sealed).is_err());
    assert_eq!(alice.blind("서울"), alice.blind("서울"));
    assert_ne!(alice.blind("서울"), bob.blind("서울"));
}

#[tokio::test]
async fn who_is_forgotten_comes_back_as_another() {
    let (database, _folder) = database().await;
    let people = people(&database, true).await;
    let before = people.of(&owner("a")).await.unwrap();
    let sealed = before.close(&PLACE, b"x").unwrap();
    assert!(people.forget(&owner("a")).await.unwrap());
    assert!(!people.forget(&owner("a")).await.unwrap());
    assert!(people.find(&owner("a")).await.unwrap().is_none());
    let after = people.of(&owner("a")).await.unwrap();
    assert!(after.open(&PLACE, sealed).is_err());
    assert_ne!(before.blind("x"), after.blind("x"));
}

#[tokio::test]
async fn another_process_finds_the_same_person() {
    let (database, _folder) = database().await;
    let (one, two) = (people(&database, true).await, people(&database, true).await);
    let (a, b) = (owner("a"), owner("a"));
    let (first, second) = tokio::join!(one.of(&a), two.of(&b));
    let sealed = first.unwrap().close(&PLACE, b"x").unwrap();
    assert_eq!(second.unwrap().open(&PLACE, sealed).unwrap(), "x");
}

#[tokio::test]
async fn consent_is_kept_and_counts_at_once() {
    let (database, _folder) = database().await;
    for (assumed, before) in [(true, true), (false, false)] {
        let people = people(&database, assumed).await;
        let who = owner(if assumed { "assumed" } else { "asked" });
        assert_eq!(people.of(&who).await.unwrap().may_be_kept(), before);
        for (consent, kept) in [(Consent::Withdrawn, false), (Consent::Given, true)] {
            people.agree(&who, consent).await.unwrap();
            let person = people.of(&who).await.unwrap();
            assert_eq!((person.consent(), person.may_be_kept()), (Some(consent), kept));
        }
    }
}
