//! A job's events as they happen, from any of them on.
//!
//! They are read from the queue, and not handed on within a process: whoever does the work may be
//! another replica.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use llm_core::seam::Clock;
use llm_store::jobs::{EVENTS_MAX, JobId, Jobs, Whose};

use super::super::super::admin::refusal::{Answered, Refusal};
use super::super::super::events::{Told, last_seen, streamed};
use super::super::super::inbound::depot;
use super::super::super::routes::ask::{AppCaller, Ask};
use super::view::Happened;
use super::{named, whose};

/// How often is looked whether anything has happened.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Looks without a connection's end: an hour. Whoever is still there comes back with the last id.
const LOOKS_MAX: u32 = 4 * 3_600;

/// Somebody who follows a job.
struct Follower {
    jobs: Jobs,
    clock: Arc<dyn Clock>,
    id: JobId,
    whose: Whose,
    after: u64,
    waiting: VecDeque<Told>,
    over: bool,
    looks: u32,
}

pub(super) async fn follow(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (id, whose, house) = (named(ask)?, whose(by), &ask.house);
    let after: Option<u64> = ask.query.parse("after", |text| text.parse().ok())?;
    let seen = match last_seen(&ask.headers) {
        None => None,
        Some(text) => {
            let odd = |_| Refusal::wrong("last-event-id", "the id of an event is a number");
            Some(text.parse().map_err(odd)?)
        }
    };
    let jobs = depot(house)?.jobs.clone();
    // Who may not see it is told so, and not in a stream.
    jobs.get(id, &whose).await?;
    let follower = Follower {
        jobs,
        clock: Arc::clone(&house.clock),
        id,
        whose,
        after: seen.or(after).unwrap_or(0),
        waiting: VecDeque::with_capacity(EVENTS_MAX),
        over: false,
        looks: 0,
    };
    Ok(streamed(follower.stream(), &house.clock))
}

impl Follower {
    fn stream(self) -> impl Stream<Item = Told> + Send + 'static {
        futures_util::stream::unfold(self, |mut follower| async move {
            let told = follower.next().await?;
            Some((told, follower))
        })
    }

    /// The next event; `None` once the job has ended and all of it was told.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(told) = self.waiting.pop_front() {
                return Some(told);
            }
            if self.over || self.looks >= LOOKS_MAX {
                return None;
            }
            if self.looks > 0 {
                self.clock.sleep(LOOK_EVERY).await;
            }
            self.looks += 1;
            self.look().await;
        }
    }

    async fn look(&mut self) {
        // The state first: an end that comes in between is seen by the next look.
        let job = self.jobs.get(self.id, &self.whose).await;
        let events = self.jobs.events(self.id, &self.whose, self.after, EVENTS_MAX).await;
        let (Ok((job, _)), Ok(events)) = (job, events) else {
            // It is gone, or the store is: who comes back learns which.
            self.over = true;
            return;
        };
        for event in &events {
            self.after = event.number;
            let told = Happened::of(event);
            let id = told.number.to_string();
            self.waiting.push_back(Told::new(Some(&id), told.what, &told));
        }
        self.over = job.state.is_over() && self.after >= job.events;
    }
}
