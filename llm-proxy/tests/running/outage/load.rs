//! Calls at a rate of their own, whatever becomes of those before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{BODY, told};
use crate::client::{ask, client};
use crate::overload::percent;
use crate::proxy::Key;

/// What became of a call.
#[derive(Clone, Debug)]
pub(super) struct Called {
    pub(super) begun: Instant,
    pub(super) took: Duration,
    /// 0 where there was no answer.
    pub(super) status: u16,
    /// Whether it was told when to come again.
    pub(super) told: bool,
    /// Its id, where a head has come.
    pub(super) id: Option<String>,
    /// What was said instead of an answer.
    pub(super) said: String,
}

impl Called {
    pub(super) fn of(begun: Instant, answer: Result<Response<Bytes>, String>) -> Self {
        let took = begun.elapsed();
        match answer {
            Ok(response) => {
                let status = response.status().as_u16();
                let id = response.headers().get("x-gw-call-id");
                let id = id.map(|id| id.to_str().unwrap().to_owned());
                let said = match status {
                    200 => String::new(),
                    _ => String::from_utf8_lossy(response.body()).into_owned(),
                };
                Self { begun, took, status, told: told(&response), id, said }
            }
            Err(said) => Self { begun, took, status: 0, told: false, id: None, said },
        }
    }

    /// Served, or told that nobody knows and when to come again.
    pub(super) fn is_typed(&self) -> bool {
        let told = self.status == 503 && self.told && self.said.contains("ledger_unavailable");
        self.status == 200 || told
    }
}

/// Some who call, by turns.
pub(super) struct Load {
    over: Arc<AtomicBool>,
    task: JoinHandle<Vec<Called>>,
}

impl Load {
    pub(super) fn start(proxy: SocketAddr, keys: &[Key], every: Duration) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (seen, keys) = (Arc::clone(&over), keys.to_vec());
        let task = tokio::spawn(async move {
            let (client, mut pace, mut calls) = (client(), interval(every), Vec::new());
            // Who is late is not made up for: that would be a burst.
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while !seen.load(Ordering::Relaxed) {
                pace.tick().await;
                let (client, key) = (client.clone(), keys[calls.len() % keys.len()]);
                calls.push(tokio::spawn(async move {
                    let begun = Instant::now();
                    Called::of(begun, ask(&client, proxy, key.key, BODY.to_owned()).await)
                }));
            }
            let mut seen = Vec::with_capacity(calls.len());
            for call in calls {
                seen.push(call.await.unwrap());
            }
            seen
        });
        Self { over, task }
    }

    /// No more calls, and what became of those that there were.
    pub(super) async fn stop(self) -> Vec<Called> {
        self.over.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

/// Of calls that began between two instants: so many of a hundred took no longer.
pub(super) fn within(calls: &[Called], from: Instant, to: Instant, hundredth: usize) -> Duration {
    let began = calls.iter().filter(|call| from <= call.begun && call.begun < to);
    let mut times: Vec<Duration> = began.map(|call| call.took).collect();
    assert!(times.len() > 20, "{} calls are no load", times.len());
    percent(&mut times, hundredth)
}
