//! What callers leave: whole, sealed, each its owner's, and for as long as was said.

use std::time::Duration;

use bytes::Bytes;
use llm_core::Str;
use llm_core::call::CallId;
use llm_store::deposits::{
    BatchEnd, Cursor, Deposits, Draft, Found, Kind, Line, LineState, Owner, PIECE_BYTES, Tally,
};
use llm_store::jobs::JobId;

use crate::place::{World, chest};

fn owner(name: &'static str) -> Owner {
    Owner::from(Str::from_static(name))
}

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
    let deposits = Deposits::new(world.database.clone(), Some(chest()));
    let (batch, other) = (JobId(7), JobId(8));
    let replica = Str::from_static("r");
    let line = |number, done, body: &'static [u8]| Line { number, done, body: body.into() };
    for number in 0..4 {
        let call = CallId::new(1, u128::from(number));
        deposits.line_sent(batch, number, &replica, call).await.unwrap();
    }
    deposits.line_sent(batch, 3, &replica, CallId::new(1, 99)).await.unwrap();
    deposits.line_ended(batch, &line(0, true, b"zero")).await.unwrap();
    deposits.line_ended(batch, &line(1, false, b"one")).await.unwrap();
    deposits.line_ended(batch, &line(9, false, b"never sent")).await.unwrap();
    // Said again, and sent again by whoever did not know: the first word stays.
    deposits.line_ended(batch, &line(0, false, b"other")).await.unwrap();
    deposits.line_sent(batch, 0, &replica, CallId::new(2, 0)).await.unwrap();
    deposits.line_ended(other, &line(0, true, b"other's")).await.unwrap();
    let begun = deposits.lines_begun(batch).await.unwrap();
    let states: Vec<_> = begun.iter().map(|line| (line.number, line.state)).collect();
    let (sent, done, failed) = (LineState::Sent, LineState::Done, LineState::Failed);
    assert_eq!(states, [(0, done), (1, failed), (2, sent), (3, sent), (9, failed)]);
    assert_eq!(begun[3].call, CallId::new(1, 99).as_u128());
    assert_eq!(deposits.tally(batch).await.unwrap(), Tally { done: 1, failed: 2 });
    let ended = deposits.lines_ended(batch, 1).await.unwrap();
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
