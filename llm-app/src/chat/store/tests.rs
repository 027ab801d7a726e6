use std::sync::Arc;

use llm_providers::seam::SystemClock;
use llm_store::deposits::Owner;
use llm_store::sql::Database;
use llm_store::sql::postgres::{self, PostgresVault};
use sqlx::{AssertSqlSafe, Connection, Row as _, SqliteConnection};

use super::*;

use crate::testing::server;

fn owner(name: &str) -> Owner {
    Owner::from(Str::from(name.to_owned()))
}

fn create(owner: &Owner, id: u128) -> Create {
    let (owner, id) = (owner.clone(), Id(id));
    Create { owner, id, said: Bytes::from_static(b"s"), title: None, keep: None, most: 5 }
}

fn begin(owner: &Owner, conversation: u128, draft: u128, again: Option<(i64, i64)>) -> Begin {
    let body = Bytes::from_static(b"b");
    let id = Id(draft);
    let draft = Draft { id, body: body.clone(), terms: vec![1, 2, -3], again };
    Begin {
        owner: owner.clone(),
        conversation: Id(conversation),
        parent: None,
        draft: Some(draft),
        reply: Id(id.0 + 1),
        model: "m".into(),
        body,
        most: 6,
    }
}

fn end(owner: &Owner, conversation: u128, reply: u128) -> End {
    End {
        owner: owner.clone(),
        conversation: Id(conversation),
        reply: Id(reply),
        state: State::Done,
        body: Bytes::from_static(b"whole"),
        finish: Some("stop".into()),
        fault: None,
        tokens: Some((3, 4)),
        cost: Some(Money(5)),
        terms: vec![2, 7],
    }
}

async fn look(database: &Database, owner: &Owner, conversation: u128, id: u128) -> Option<Line> {
    let look = Look { owner: owner.clone(), conversation: Id(conversation), ids: vec![Id(id)] };
    database.read(look).await.unwrap().into_iter().next()
}

/// What holds of either kind of database.
async fn suite(database: &Database) {
    let (alice, bob) = (owner("t/user/alice"), owner("t/user/bob"));
    assert!(database.write(create(&alice, 1)).await.unwrap());
    let started = database.write(begin(&alice, 1, 10, Some((70, 71)))).await.unwrap();
    assert!(matches!(started, Begun::Here(None, _)), "{started:?}");
    assert_eq!(database.write(begin(&alice, 1, 20, None)).await.unwrap(), Begun::Busy);
    assert_eq!(database.write(begin(&bob, 1, 20, None)).await.unwrap(), Begun::Gone);
    let pending = look(database, &alice, 1, 11).await.unwrap();
    assert_eq!((pending.state, pending.parent), (State::Pending, Some(Id(10))));
    assert!(look(database, &bob, 1, 11).await.is_none());
    let place = || (alice.clone(), Id(1), Id(11));
    let beat = |body: Option<Bytes>| {
        let (owner, conversation, reply) = place();
        Beat { owner, conversation, reply, body }
    };
    assert_eq!(database.write(beat(Some("so far".into()))).await.unwrap(), Beaten::GoOn);
    assert_eq!(database.write(beat(None)).await.unwrap(), Beaten::GoOn);
    assert_eq!(look(database, &alice, 1, 11).await.unwrap().body, "so far");
    let (owner, conversation, reply) = place();
    database.write(Stop { owner, conversation, reply }).await.unwrap();
    assert_eq!(database.write(beat(None)).await.unwrap(), Beaten::Stop);
    assert!(database.write(end(&alice, 1, 11)).await.unwrap().is_some());
    assert!(database.write(end(&alice, 1, 11)).await.unwrap().is_none(), "it ends once");
    let done = look(database, &alice, 1, 11).await.unwrap();
    assert_eq!((done.state, done.tokens, done.cost), (State::Done, Some((3, 4)), Some(Money(5))));
    assert_eq!(done.body, "whole");
    let again = Again { owner: alice.clone(), conversation: Id(1), again: 70 };
    assert_eq!(database.read(again).await.unwrap(), Some((Id(10), 71)));
    let twice = database.write(begin(&alice, 1, 20, Some((70, 99)))).await.unwrap();
    assert_eq!(twice, Begun::Known);
    let same = database.write(begin(&alice, 1, 10, Some((70, 71)))).await.unwrap();
    assert!(matches!(same, Begun::Here(..)), "done again: {same:?}");
    // What never began leaves the branch where it was.
    let other = database.write(begin(&alice, 1, 30, None)).await.unwrap();
    let Begun::Here(leaf, _) = other else { panic!("{other:?}") };
    assert_eq!(leaf, Some(Id(11)));
    let (owner, conversation) = (alice.clone(), Id(1));
    let (draft, reply) = (Some(Id(30)), Id(31));
    database.write(TakeBack { owner, conversation, draft, reply, leaf }).await.unwrap();
    let found = database.read(Find { owner: alice.clone(), id: Id(1) }).await.unwrap().unwrap();
    assert_eq!(found.leaf, leaf);
    let nodes = Nodes { owner: alice.clone(), conversation: Id(1), most: 9 };
    let nodes: Vec<Id> =
        database.read(nodes).await.unwrap().into_iter().map(|one| one.node.id).collect();
    assert_eq!(nodes, [Id(10), Id(11)]);
    searched(database, &alice, &bob).await;
    bounded(database, &alice).await;
    swept(database, &alice).await;
}

async fn searched(database: &Database, alice: &Owner, bob: &Owner) {
    for (who, terms, hits) in [
        (alice, vec![1], vec![10]),
        (alice, vec![2], vec![11, 10]),
        (alice, vec![2, 7], vec![11]),
        (alice, vec![7, 1], vec![]),
        (alice, vec![99], vec![]),
        (bob, vec![2], vec![]),
    ] {
        let search = Search { owner: who.clone(), terms: terms.clone(), before: None, most: 9 };
        let found = database.read(search).await.unwrap();
        let found: Vec<u128> = found.into_iter().map(|hit| hit.message.0).collect();
        assert_eq!(found, hits, "{terms:?}");
    }
    let before = Some(Id(11));
    let search = Search { owner: alice.clone(), terms: vec![2], before, most: 9 };
    assert_eq!(database.read(search).await.unwrap().len(), 1);
}

async fn bounded(database: &Database, alice: &Owner) {
    for id in 2..=5 {
        assert!(database.write(create(alice, id)).await.unwrap());
    }
    assert!(!database.write(create(alice, 6)).await.unwrap(), "five at the most");
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = database.read(List { owner: alice.clone(), before, most: 2 }).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some((last.touched.as_microsecond(), last.id));
        seen.extend(page.iter().map(|kept| kept.id.0));
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    for draft in [40, 50] {
        database.write(begin(alice, 2, draft, None)).await.unwrap();
        database.write(end(alice, 2, draft + 1)).await.unwrap();
    }
    database.write(begin(alice, 2, 60, None)).await.unwrap();
    database.write(end(alice, 2, 61)).await.unwrap();
    assert_eq!(database.write(begin(alice, 2, 80, None)).await.unwrap(), Begun::Full);
}

async fn swept(database: &Database, alice: &Owner) {
    assert!(!database.write(Sweep).await.unwrap());
    let delete = || Delete { owner: alice.clone(), id: Id(1) };
    assert!(database.write(delete()).await.unwrap());
    assert!(!database.write(delete()).await.unwrap());
    assert!(database.read(Find { owner: alice.clone(), id: Id(1) }).await.unwrap().is_none());
    assert_eq!(database.write(begin(alice, 1, 90, None)).await.unwrap(), Begun::Gone);
    while database.write(Sweep).await.unwrap() {}
    assert!(look(database, alice, 1, 10).await.is_none());
    let search = Search { owner: alice.clone(), terms: vec![7], before: None, most: 9 };
    let left = database.read(search).await.unwrap();
    assert!(left.iter().all(|hit| hit.conversation == Id(2)) && !left.is_empty());
    // One that is kept for no time is gone at once.
    let create = Create { keep: Some(0), ..create(alice, 7) };
    assert!(database.write(create).await.unwrap());
    assert!(database.read(Find { owner: alice.clone(), id: Id(7) }).await.unwrap().is_none());
    while database.write(Sweep).await.unwrap() {}
    database.write(Forget(alice.clone())).await.unwrap();
    let list = List { owner: alice.clone(), before: None, most: 9 };
    assert_eq!(database.read(list).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_file_keeps_what_is_said() {
    let (database, _folder) = crate::testing::database().await;
    suite(&database).await;
}

#[tokio::test]
async fn a_server_keeps_what_is_said() {
    let Some(server) = server::Server::shared() else { return };
    let settings = postgres::Settings::new(server.database().await);
    let vault: PostgresVault = PostgresVault::open(&settings, Arc::new(SystemClock)).await.unwrap();
    suite(&vault.into()).await;
}

/// What a process that has died left is shown for what it is, and stands in nobody's way.
#[tokio::test]
async fn a_reply_whose_writer_is_gone_was_interrupted() {
    let (database, folder) = crate::testing::database().await;
    let alice = owner("t/user/alice");
    assert!(database.write(create(&alice, 1)).await.unwrap());
    database.write(begin(&alice, 1, 10, None)).await.unwrap();
    let (conversation, reply) = (Id(1), Id(11));
    let body = Some(Bytes::from_static(b"so far"));
    let beat = Beat { owner: alice.clone(), conversation, reply, body };
    assert_eq!(database.write(beat).await.unwrap(), Beaten::GoOn);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("app.db"));
    let mut link = SqliteConnection::connect_with(&options).await.unwrap();
    let later = "UPDATE chat_message SET until = until - 13000000 WHERE until IS NOT NULL";
    sqlx::query(later).execute(&mut link).await.unwrap();
    let left = look(&database, &alice, 1, 11).await.unwrap();
    assert_eq!((left.state, &*left.body), (State::Interrupted, &b"so far"[..]));
    let next = database.write(begin(&alice, 1, 20, None)).await.unwrap();
    assert!(matches!(next, Begun::Here(Some(Id(11)), _)), "{next:?}");
}

/// However much there is of others, nothing is looked through from its first row to its last.
#[tokio::test]
async fn every_question_is_answered_by_an_index() {
    let (_database, folder) = crate::testing::database().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("app.db"));
    let mut link = SqliteConnection::connect_with(&options).await.unwrap();
    let find = format!(
        "SELECT {CONVERSATION} FROM conversation WHERE {} AND owner = $2 AND id = $3",
        conversations::LIVES
    );
    let mut asked = vec![List::text(), Look::text(100), Search::text(0), Search::text(15), find];
    asked.extend([messages::NODES, messages::AGAIN].map(str::to_owned));
    asked.extend(begin::ASKED.iter().chain(&sweep::ASKED).map(|text| (*text).to_owned()));
    asked.extend(replies::ASKED.map(str::to_owned));
    for text in asked {
        let plan = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {text}"));
        for step in sqlx::query(plan).fetch_all(&mut link).await.unwrap() {
            let step: String = step.get("detail");
            // Those that a part of the same question has found.
            let found = ["SCAN t", "SCAN c"].contains(&&*step);
            assert!(!step.starts_with("SCAN") || found, "{text}\n{step}");
            // What a search has found is put in order; lists come in theirs.
            let ordered = text.starts_with("SELECT t.message");
            assert!(!step.contains("TEMP B-TREE") || ordered, "{text}\n{step}");
        }
    }
}
