//! What callers leave: whole, sealed, each its owner's, and for as long as was said.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use llm_core::Str;
use llm_core::call::CallId;
use llm_core::secret::Secret;
use llm_core::store::{StoreError, Stored};
use llm_store::deposits::{
    BatchEnd, Cursor, Deposits, Draft, Found, Keys, Kind, Line, LineState, Owner, PIECE_BYTES,
    Tally,
};
use llm_store::jobs::JobId;
use llm_store::seal::{Chest, FRESH_BYTES, Fresh, KeyProvider, Keyring, SealKey, Sealer};

use crate::place::{World, chest};

fn owner(name: &'static str) -> Owner {
    Owner::from(Str::from_static(name))
}

const HEAD: &str = r#"{"filename":"holiday.txt"}"#;

fn draft(whose: &'static str, id: &str, kind: Kind, body: &[u8]) -> Draft {
    Draft {
        owner: owner(whose),
        id: Str::from(id),
        kind,
        head: Str::from_static("{}"),
        previous: None,
        keep: None,
        body: Bytes::copy_from_slice(body),
    }
}

fn line(number: u32, done: bool, body: &'static [u8]) -> Line {
    Line { number, done, body: Bytes::from_static(body) }
}

/// The keys of people, as somebody else keeps them.
#[derive(Debug, Default)]
struct People(Mutex<HashMap<String, [u8; 32]>>);

impl People {
    fn chest(key: [u8; 32]) -> Chest {
        let keyring: Arc<dyn KeyProvider> = Arc::new(Keyring::new(SealKey::new(Secret::new(key))));
        let number = AtomicU8::new(0);
        let fresh = move || Fresh::new([number.fetch_add(1, Ordering::Relaxed); FRESH_BYTES]);
        Chest::new(Sealer::new(keyring), fresh)
    }
}

impl Keys for People {
    fn make_key<'a>(&'a self, owner: &'a Owner) -> Stored<'a, Chest> {
        let mut all = self.0.lock().unwrap();
        let next = [all.len() as u8 + 1; 32];
        let key = *all.entry(owner.as_str().to_owned()).or_insert(next);
        Box::pin(async move { Ok(Self::chest(key)) })
    }

    fn key<'a>(&'a self, owner: &'a Owner) -> Stored<'a, Option<Chest>> {
        let key = self.0.lock().unwrap().get(owner.as_str()).copied();
        Box::pin(async move { Ok(key.map(Self::chest)) })
    }
}

/// What a person leaves opens with their key and with no other, whatever else is here; what was
/// left before stays readable, and what is nobody's is as it was.
pub(crate) async fn go_with_their_persons_key(world: &World) {
    let people = Arc::new(People::default());
    let before = Deposits::new(world.database.clone(), Some(chest()));
    let deposits = before.clone().under(people.clone());
    let (alice, nobody) = ("t/user/alice", "t/key/k");
    let whole = vec![7; PIECE_BYTES + 5];
    assert!(before.put(draft(alice, "old", Kind::File, &whole)).await.unwrap());
    for whose in [alice, nobody] {
        for (id, kind) in
            [("new", Kind::File), ("resp_1", Kind::Response), ("batch_1", Kind::Batch)]
        {
            let draft = Draft { head: Str::from_static(HEAD), ..draft(whose, id, kind, &whole) };
            assert!(deposits.put(draft).await.unwrap());
        }
    }
    let (a, n) = (owner(alice), owner(nobody));
    let batch = JobId(77);
    deposits.line_ended(&a, batch, &line(0, true, b"hers")).await.unwrap();
    deposits.line_ended(&n, JobId(78), &line(0, true, b"nobody's")).await.unwrap();
    let all = Cursor { limit: 9, ..Cursor::default() };
    for owner in [&a, &n] {
        for entry in deposits.list(owner, Kind::File, &all).await.unwrap() {
            assert_eq!(deposits.bytes(owner, &entry).await.unwrap().unwrap(), whole);
            assert!(&*entry.id == "old" || &*entry.head == HEAD, "{entry:?}");
        }
        let Found::There(last) = deposits.find(owner, "resp_1").await.unwrap() else {
            panic!("it is there");
        };
        assert_eq!(&*last.head, HEAD);
        let chain = deposits.chain(owner, &last).await.unwrap().unwrap();
        assert_eq!(chain, [last]);
    }
    assert_eq!(deposits.lines_ended(&a, batch, 0).await.unwrap().len(), 1);
    // Without her key the house's own is not enough, with it neither.
    let hers = before.get(&a, Kind::File, "new").await;
    assert!(matches!(hers, Err(StoreError::Unavailable(_))), "{hers:?}");
    people.0.lock().unwrap().remove(alice);
    assert_eq!(deposits.get(&a, Kind::File, "new").await.unwrap(), None);
    assert_eq!(deposits.get(&a, Kind::Batch, "batch_1").await.unwrap(), None);
    assert_eq!(deposits.find(&a, "resp_1").await.unwrap(), Found::Closed);
    let left = deposits.list(&a, Kind::File, &all).await.unwrap();
    assert_eq!(left.iter().map(|entry| &*entry.id).collect::<Vec<_>>(), ["old"]);
    assert!(deposits.lines_ended(&a, batch, 0).await.is_err());
    let others = deposits.get(&n, Kind::File, "new").await.unwrap().unwrap();
    assert_eq!(deposits.bytes(&n, &others).await.unwrap().unwrap(), whole);
    assert_eq!(deposits.lines_ended(&n, JobId(78), 0).await.unwrap()[0].body, "nobody's");
    // Gone with her name, and whoever comes again is somebody new.
    assert_eq!(deposits.erase(&a).await.unwrap(), 4);
    assert!(deposits.put(draft(alice, "new", Kind::File, b"again")).await.unwrap());
    let again = deposits.get(&a, Kind::File, "new").await.unwrap().unwrap();
    assert_eq!(deposits.bytes(&a, &again).await.unwrap().unwrap(), "again");
}

pub(crate) async fn come_back_and_are_their_owners(world: &World) {
    let plain = Deposits::new(world.database.clone(), None);
    let sealed = Deposits::new(world.database.clone(), Some(chest()));
    let (a, b) = (owner("a"), owner("b"));
    let sizes = [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES];
    for (n, size) in sizes.into_iter().enumerate() {
        let deposits = if n % 2 == 0 { &sealed } else { &plain };
        let body: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let id = format!("f{n}");
        assert!(deposits.put(draft("a", &id, Kind::File, &body)).await.unwrap());
        let entry = deposits.get(&a, Kind::File, &id).await.unwrap().unwrap();
        assert_eq!(entry.size, size as u64);
        assert!(deposits.bytes(&a, &entry).await.unwrap().unwrap() == body, "{size} bytes");
        assert_eq!(deposits.get(&b, Kind::File, &id).await.unwrap(), None);
        assert_eq!(deposits.get(&a, Kind::Batch, &id).await.unwrap(), None);
        // The first of a name stays; another owner may have the same.
        assert!(!deposits.put(draft("a", &id, Kind::File, b"else")).await.unwrap());
        assert!(deposits.put(draft("b", &id, Kind::File, b"else")).await.unwrap());
    }
    let all: usize = sizes.iter().sum();
    assert_eq!(plain.size(&a, Kind::File).await.unwrap(), all as u64);
    let ids = async |cursor: Cursor| {
        let list = plain.list(&a, Kind::File, &cursor).await.unwrap();
        list.into_iter().map(|entry| entry.id.to_string()).collect::<Vec<_>>()
    };
    let newest = Cursor { limit: 2, ..Cursor::default() };
    assert_eq!(ids(newest.clone()).await, ["f5", "f4"]);
    assert_eq!(ids(Cursor { after: Some("f4".into()), ..newest.clone() }).await, ["f3", "f2"]);
    let oldest = Cursor { ascending: true, after: Some("f3".into()), limit: 9 };
    assert_eq!(ids(oldest).await, ["f4", "f5"]);
    assert!(ids(Cursor { after: Some("nothing".into()), ..newest }).await.is_empty());
    assert!(plain.forget(&a, Kind::File, "f5", false).await.unwrap());
    assert!(!plain.forget(&a, Kind::File, "f5", false).await.unwrap());
    assert!(plain.get(&b, Kind::File, "f5").await.unwrap().is_some(), "another's stays");
}

pub(crate) async fn are_kept_for_as_long_as_was_said(world: &World) {
    let deposits = Deposits::new(world.database.clone(), None);
    let (a, b) = (owner("a"), owner("b"));
    let mut previous: Option<Str> = None;
    for n in 0..3 {
        let id = Str::from(format!("resp_{n}"));
        let keep = Some(Duration::from_secs(100));
        let draft = draft("a", &id, Kind::Response, b"12345");
        deposits.put(Draft { previous, keep, ..draft }).await.unwrap();
        previous = Some(id);
        world.pass(20_000).await;
    }
    let Found::There(last) = deposits.find(&a, "resp_2").await.unwrap() else {
        panic!("the last is there")
    };
    let chain = deposits.chain(&a, &last).await.unwrap().unwrap();
    let ids: Vec<&str> = chain.iter().map(|entry| &*entry.id).collect();
    assert_eq!(ids, ["resp_0", "resp_1", "resp_2"]);
    assert_eq!(deposits.find(&b, "resp_2").await.unwrap(), Found::Closed);
    assert_eq!(deposits.find(&b, "resp_3").await.unwrap(), Found::Unknown);
    // Whoever goes on from them keeps them.
    deposits.renew(&chain[..2], Duration::from_secs(100)).await.unwrap();
    world.pass(45_000).await;
    assert!(deposits.chain(&a, &last).await.unwrap().is_some());
    assert!(deposits.forget(&a, Kind::Response, "resp_1", true).await.unwrap());
    assert_eq!(deposits.chain(&a, &last).await.unwrap(), None, "one of them is gone");
    assert_eq!(deposits.find(&a, "resp_1").await.unwrap(), Found::Closed, "and nobody else's");
    // The oldest goes where there is too much.
    assert_eq!(deposits.trim(10).await.unwrap(), 0, "ten bytes are there");
    assert!(deposits.trim(9).await.unwrap() > 0);
    world.pass(200_000).await;
    assert_eq!(deposits.get(&a, Kind::Response, "resp_2").await.unwrap(), None);
    while deposits.sweep().await.unwrap() > 0 {}
    assert_eq!(deposits.find(&a, "resp_1").await.unwrap(), Found::Unknown);
    // What never came whole is never seen, can be begun again, and is swept.
    let mut writer = deposits.writer(draft("a", "f", Kind::File, b"")).await.unwrap().unwrap();
    writer.write(&vec![1; 2 * PIECE_BYTES]).await.unwrap();
    drop(writer);
    assert_eq!(deposits.get(&a, Kind::File, "f").await.unwrap(), None);
    let mut writer = deposits.writer(draft("a", "f", Kind::File, b"")).await.unwrap().unwrap();
    writer.write(b"whole").await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(deposits.get(&a, Kind::File, "f").await.unwrap().unwrap().size, 5);
    assert!(deposits.writer(draft("a", "f", Kind::File, b"")).await.unwrap().is_none());
    drop(deposits.writer(draft("a", "g", Kind::File, b"")).await.unwrap().unwrap());
    world.pass(3_601_000).await;
    assert_eq!(deposits.sweep().await.unwrap(), 1);
}

pub(crate) async fn lines_of_a_batch_are_written_once(world: &World) {
    let a = owner("a");
    let deposits = Deposits::new(world.database.clone(), Some(chest()));
    let (batch, other) = (JobId(7), JobId(8));
    let replica = Str::from_static("r");
    for number in 0..4 {
        let call = CallId::new(1, u128::from(number));
        deposits.line_sent(batch, number, &replica, call).await.unwrap();
    }
    deposits.line_sent(batch, 3, &replica, CallId::new(1, 99)).await.unwrap();
    deposits.line_ended(&a, batch, &line(0, true, b"zero")).await.unwrap();
    deposits.line_ended(&a, batch, &line(1, false, b"one")).await.unwrap();
    deposits.line_ended(&a, batch, &line(9, false, b"never sent")).await.unwrap();
    // Said again, and sent again by whoever did not know: the first word stays.
    deposits.line_ended(&a, batch, &line(0, false, b"other")).await.unwrap();
    deposits.line_sent(batch, 0, &replica, CallId::new(2, 0)).await.unwrap();
    deposits.line_ended(&a, other, &line(0, true, b"other's")).await.unwrap();
    let begun = deposits.lines_begun(batch).await.unwrap();
    let states: Vec<_> = begun.iter().map(|line| (line.number, line.state)).collect();
    let (sent, done, failed) = (LineState::Sent, LineState::Done, LineState::Failed);
    assert_eq!(states, [(0, done), (1, failed), (2, sent), (3, sent), (9, failed)]);
    assert_eq!(begun[3].call, CallId::new(1, 99).as_u128());
    assert_eq!(deposits.tally(batch).await.unwrap(), Tally { done: 1, failed: 2 });
    let ended = deposits.lines_ended(&a, batch, 1).await.unwrap();
    assert_eq!(ended, [line(1, false, b"one"), line(9, false, b"never sent")]);
    let tally = Tally { done: 1, failed: 2 };
    deposits.end_batch(batch, BatchEnd::Expired, tally).await.unwrap();
    deposits.end_batch(batch, BatchEnd::Completed, Tally::default()).await.unwrap();
    let end = deposits.batch_end(batch).await.unwrap().unwrap();
    assert_eq!((end.how, end.tally), (BatchEnd::Expired, tally));
    assert_eq!(deposits.lines_begun(batch).await.unwrap(), []);
    assert_eq!(deposits.tally(other).await.unwrap(), Tally { done: 1, failed: 0 });
    assert_eq!(deposits.batch_end(other).await.unwrap(), None);
}
