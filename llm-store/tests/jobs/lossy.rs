//! A network that loses answers: what is done again because nobody heard that it was done, is done
//! once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use llm_core::Str;
use llm_store::jobs::{Draft, Fault, Progress, State, Taken, Whose};

use crate::place::{World, draft, payment};
use crate::server::Server;

#[path = "../vault/postgres/lossy.rs"]
mod way;

/// Jobs for each rate of loss.
const TURNS: u32 = 30;

/// A transaction whose caller is gone may have the row for a moment, and is passed by.
async fn take(world: &World) -> Taken {
    for _ in 0..100 {
        if let Some(taken) = world.take("w", 2).await.pop() {
            return taken;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing to take");
}

async fn turn(world: &World, turn: u32) {
    let (jobs, name) = (&world.jobs, Str::from_static("speech"));
    let once = Some(format!("turn-{turn}").into());
    let id = world.make(Draft { once, payment: payment(turn.into()), ..draft("acme") }).await;
    let progress = Progress { percent: 50, step: Some((name.clone(), 50)) };
    let taken = take(world).await;
    assert_eq!((taken.lease.id, taken.lease.fence, taken.job.attempts), (id, 1, 1));
    let lease = taken.lease;
    assert_eq!(jobs.progress(&lease, progress).await, Ok(()));
    assert_eq!(jobs.checkpoint(&lease, name, Bytes::from_static(b"words")).await, Ok(()));
    let mut words = vec!["created", "started", "progress", "step"];
    let again = Fault { problem: "no".into(), again: Some(Duration::ZERO), charge: 0 };
    match turn % 3 {
        0 => {
            assert_eq!(jobs.fail(&lease, &again).await, Ok(State::Pending));
            words.extend(["retrying", "cancelled"]);
        }
        1 => {
            assert_eq!(jobs.release(&lease).await, Ok(State::Pending));
            words.extend(["released", "cancelled"]);
        }
        _ => {
            assert_eq!(jobs.finish(&lease, 240).await, Ok(State::Completed));
            words.push("completed");
        }
    }
    jobs.cancel(id, &Whose::all()).await.unwrap();
    assert_eq!(world.words(id).await, words);
    let (job, _) = jobs.get(id, &Whose::all()).await.unwrap();
    assert_eq!(job.attempts, if turn % 3 == 1 { 0 } else { 1 });
    assert_eq!(job.charge, Some(if turn % 3 == 2 { 240 } else { 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_again_is_done_once() {
    let Some(server) = Server::shared() else { return };
    for every in [31, 47] {
        let url = server.database().await;
        let host = url.split(['@', '/']).find(|part| part.contains("127.0.0.1")).unwrap();
        let loss = Arc::new(way::Loss::default());
        let port = way::way(host.to_owned(), loss.clone()).await;
        let url = url.replace(host, &format!("127.0.0.1:{port}"));
        let world = World::at(&url).await;
        loss.every.store(every, Ordering::SeqCst);
        for number in 0..TURNS {
            turn(&world, number).await;
        }
        assert!(loss.lost.load(Ordering::SeqCst) > 10);
    }
}
