//! Any steps in any order, with jumps of the clock, beside the simplest queue there is: a list that
//! is searched from its beginning, and jobs that remember what was said and work nothing out before
//! they are asked.

use std::sync::atomic::Ordering;
use std::time::Duration;

use llm_core::Str;
use llm_core::principal::{Priority, TenantId};
use llm_store::jobs::{
    Beat, Draft, Fault, JobId, Lease, NotDone, OWED_MAX, Progress, Retention, State, Whose,
};
use proptest::prelude::*;

use crate::pay::Ledger;
use crate::place::{World, draft, payment, want};

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Make { tenant: usize, urgent: bool, most: u32, after: u64, paid: bool },
    Take { max: usize, after: usize },
    Beat(usize),
    Progress(usize, u8),
    Finish(usize),
    Fail(usize, Option<u64>),
    Release(usize),
    Cancel(usize),
    Reap,
    Settle { away: bool },
    Sweep,
    Pass(u64),
}

const TENANTS: [&str; 3] = ["a", "b", "c"];
const LEASE: u64 = 10_000;
const KEPT: u64 = 2 * 3_600_000;

pub(crate) fn script() -> impl Strategy<Value = Vec<Step>> {
    let lease = 0usize..6;
    let wait = prop_oneof![Just(0u64), Just(1_000), Just(20_000)];
    let make = (0usize..3, any::<bool>(), 1u32..4, wait.clone(), any::<bool>()).prop_map(
        |(tenant, urgent, most, after, paid)| Step::Make { tenant, urgent, most, after, paid },
    );
    let step = prop_oneof![
        4 => make,
        6 => (1usize..4, 0usize..4).prop_map(|(max, after)| Step::Take { max, after }),
        2 => lease.clone().prop_map(Step::Beat),
        2 => (lease.clone(), 0u8..=100).prop_map(|(lease, done)| Step::Progress(lease, done)),
        3 => lease.clone().prop_map(Step::Finish),
        3 => (lease.clone(), proptest::option::of(wait)).prop_map(|(l, w)| Step::Fail(l, w)),
        1 => lease.clone().prop_map(Step::Release),
        2 => lease.prop_map(Step::Cancel),
        1 => Just(Step::Reap),
        2 => any::<bool>().prop_map(|away| Step::Settle { away }),
        1 => Just(Step::Sweep),
        3 => prop_oneof![Just(1_000u64), Just(LEASE - 1), Just(LEASE), Just(KEPT)].prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..40)
}

/// Who has a job, and until when.
type Holder = Option<(Lease, u64)>;

#[derive(Clone, Debug)]
struct Naive {
    id: JobId,
    tenant: usize,
    urgent: bool,
    most: u32,
    paid: bool,
    over: Option<State>,
    holder: Holder,
    last: Option<Lease>,
    from: u64,
    begun: u32,
    asked: bool,
    done: u8,
    charge: i64,
    owed_from: Option<u64>,
    tries: u32,
    kept_until: Option<u64>,
    words: Vec<&'static str>,
}

impl Naive {
    fn state(&self) -> State {
        match (self.over, self.holder) {
            (Some(state), _) => state,
            (None, Some(_)) => State::Processing,
            (None, None) => State::Pending,
        }
    }

    fn end(&mut self, state: State, charge: i64, now: u64) {
        self.over = Some(state);
        self.holder = None;
        self.kept_until = Some(now + KEPT);
        self.words.push(state.as_str());
        if self.paid {
            (self.charge, self.owed_from) = (charge, Some(now));
        }
    }

    fn has(&self, lease: &Lease) -> bool {
        self.holder.is_some_and(|(held, _)| held == *lease)
    }

    /// The one who has it has not beaten in time.
    fn expire(&mut self, now: u64) -> bool {
        let Some((_, until)) = self.holder else { return false };
        if until > now {
            return false;
        }
        self.words.push("lost");
        if self.asked {
            self.end(State::Cancelled, 0, now);
        } else if self.begun >= self.most {
            self.end(State::Failed, 0, now);
        } else {
            (self.holder, self.from) = (None, now);
        }
        true
    }

    fn is_due(&self, now: u64) -> bool {
        self.over.is_none() && self.holder.map_or(self.from, |(_, until)| until) <= now
    }
}

struct Both<'a> {
    world: &'a World,
    ledger: Ledger,
    now: u64,
    jobs: Vec<Naive>,
    leases: Vec<Lease>,
}

impl Both<'_> {
    fn lease(&self, n: usize) -> Option<Lease> {
        // The latest first: older ones are mostly lost.
        self.leases.iter().rev().nth(n).copied()
    }

    fn job(&mut self, id: JobId) -> &mut Naive {
        self.jobs.iter_mut().find(|job| job.id == id).unwrap()
    }

    async fn make(&mut self, step: &Step) {
        let Step::Make { tenant, urgent, most, after, paid } = *step else { return };
        let priority = if urgent { Priority::Critical } else { Priority::Batch };
        let hold = self.jobs.len() as u128;
        let after_span = Duration::from_millis(after);
        let id = self
            .world
            .make(Draft {
                priority,
                attempts_max: most,
                after: after_span,
                payment: if paid { payment(hold) } else { None },
                retention: Retention::TwoHours,
                ..draft(TENANTS[tenant])
            })
            .await;
        self.jobs.push(Naive {
            id,
            tenant,
            urgent,
            most,
            paid,
            over: None,
            holder: None,
            last: None,
            from: self.now + after,
            begun: 0,
            asked: false,
            done: 0,
            charge: 0,
            owed_from: None,
            tries: 0,
            kept_until: None,
            words: vec!["created"],
        });
    }

    async fn take(&mut self, max: usize, after: usize) {
        let after = if after == 3 { None } else { Some(after) };
        let mut asked = want("w", max);
        asked.after =
            after.map_or_else(TenantId::default, |tenant| TenantId::from(TENANTS[tenant]));
        let taken = self.world.jobs.take(&asked).await.unwrap();
        let (now, mut after, mut expected) = (self.now, after, Vec::new());
        while expected.len() < max {
            let passed = |job: &Naive| after.is_some_and(|after| job.tenant <= after);
            let due = |job: &Naive| job.holder.map_or(job.from, |(_, until)| until);
            let rank = |job: &&mut Naive| (!job.urgent, passed(job), job.tenant, due(job), job.id);
            let next = self.jobs.iter_mut().filter(|job| job.is_due(now)).min_by_key(rank);
            let Some(job) = next else { break };
            after = Some(job.tenant);
            job.expire(now);
            if job.over.is_none() {
                job.begun += 1;
                job.words.push("started");
                let lease = Lease {
                    id: job.id,
                    fence: job.last.map_or(1, |last| last.fence + 1),
                    lasts: Duration::from_millis(LEASE),
                };
                (job.holder, job.last) = (Some((lease, now + LEASE)), Some(lease));
                expected.push(lease);
            }
        }
        let leases: Vec<Lease> = taken.iter().map(|taken| taken.lease).collect();
        assert_eq!(leases, expected);
        self.leases.extend(leases);
    }

    async fn under(&mut self, step: &Step, lease: Lease) {
        let (now, jobs) = (self.now, &self.world.jobs);
        let job = self.jobs.iter_mut().find(|job| job.id == lease.id).unwrap();
        let has = job.has(&lease);
        // Said again by the last who had it, and so it already is.
        let again = |job: &Naive, states: &[State]| {
            job.last == Some(lease) && states.contains(&job.state())
        };
        match step {
            Step::Beat(_) => {
                let expected = match (has, job.asked) {
                    (false, _) => Err(NotDone::Lost),
                    (true, true) => Ok(Beat::Stop),
                    (true, false) => Ok(Beat::Go),
                };
                if has {
                    job.holder = Some((lease, now + LEASE));
                }
                assert_eq!(jobs.beat(&lease).await, expected);
            }
            Step::Progress(_, done) => {
                let progress = Progress { percent: *done, step: None };
                let expected = if has { Ok(()) } else { Err(NotDone::Lost) };
                if has && *done > job.done {
                    job.done = *done;
                    job.words.push("progress");
                }
                assert_eq!(jobs.progress(&lease, progress).await, expected);
            }
            Step::Finish(_) => {
                let fine = has || again(job, &[State::Completed]);
                if has {
                    job.done = 100;
                    job.end(State::Completed, 240, now);
                }
                let expected = if fine { Ok(State::Completed) } else { Err(NotDone::Lost) };
                assert_eq!(jobs.finish(&lease, 240).await, expected);
            }
            Step::Fail(_, wait) => {
                let fine = has || again(job, &[State::Failed, State::Cancelled, State::Pending]);
                if has && job.asked {
                    job.end(State::Cancelled, 5, now);
                } else if has && wait.is_some() && job.begun < job.most {
                    (job.holder, job.from) = (None, now + wait.unwrap());
                    job.words.push("retrying");
                } else if has {
                    job.end(State::Failed, 5, now);
                }
                let expected = if fine { Ok(job.state()) } else { Err(NotDone::Lost) };
                let problem = Str::from_static("no");
                let fault = Fault { problem, again: wait.map(Duration::from_millis), charge: 5 };
                assert_eq!(jobs.fail(&lease, &fault).await, expected);
            }
            Step::Release(_) => {
                let fine = has || again(job, &[State::Cancelled, State::Pending]);
                if has && job.asked {
                    job.end(State::Cancelled, 0, now);
                } else if has {
                    job.begun -= 1;
                    (job.holder, job.from) = (None, now);
                    job.words.push("released");
                }
                let expected = if fine { Ok(job.state()) } else { Err(NotDone::Lost) };
                assert_eq!(jobs.release(&lease).await, expected);
            }
            _ => {}
        }
    }

    async fn settle(&mut self, away: bool) {
        self.ledger.away.store(away, Ordering::SeqCst);
        let now = self.now;
        let mut expected = 0;
        for job in &mut self.jobs {
            let Some(from) = job.owed_from.filter(|from| *from <= now) else { continue };
            expected += 1;
            // Half a minute, and twice as long each time, up to ten minutes.
            let wait = (30_000u64 << job.tries).min(600_000);
            job.tries += 1;
            job.owed_from = away.then_some(from.max(now) + wait);
        }
        let carried = self.world.jobs.settle(&self.ledger, OWED_MAX).await.unwrap();
        let count = if away { carried.left } else { carried.settled };
        assert_eq!((count, carried.left + carried.settled), (expected, expected));
    }

    async fn sweep(&mut self) {
        loop {
            if self.world.jobs.sweep().await.unwrap().expired == 0 {
                break;
            }
        }
        for job in &mut self.jobs {
            if job.kept_until.is_some_and(|until| until <= self.now) {
                job.kept_until = None;
                job.words.push("expired");
            }
        }
    }

    async fn step(&mut self, step: Step) {
        match &step {
            Step::Make { .. } => self.make(&step).await,
            Step::Take { max, after } => self.take(*max, *after).await,
            Step::Beat(n)
            | Step::Progress(n, _)
            | Step::Finish(n)
            | Step::Fail(n, _)
            | Step::Release(n) => {
                let Some(lease) = self.lease(*n) else { return };
                self.under(&step, lease).await;
            }
            Step::Cancel(n) => {
                let Some(id) = self.jobs.iter().rev().nth(*n).map(|job| job.id) else { return };
                let now = self.now;
                let job = self.job(id);
                match job.state() {
                    State::Pending => job.end(State::Cancelled, 0, now),
                    State::Processing if !job.asked => {
                        job.asked = true;
                        job.words.push("cancelling");
                    }
                    _ => {}
                }
                let expected = job.state();
                assert_eq!(self.world.jobs.cancel(id, &Whose::all()).await, Ok(expected));
            }
            Step::Reap => {
                let now = self.now;
                let expected = self.jobs.iter_mut().filter_map(|job| job.expire(now).then_some(()));
                let expected = expected.count();
                assert_eq!(self.world.jobs.reap().await, Ok(expected));
            }
            Step::Settle { away } => self.settle(*away).await,
            Step::Sweep => self.sweep().await,
            Step::Pass(millis) => {
                self.world.pass(*millis).await;
                self.now += millis;
            }
        }
        self.compare().await;
    }

    async fn compare(&self) {
        for job in &self.jobs {
            let (seen, _) = self.world.jobs.get(job.id, &Whose::all()).await.unwrap();
            assert_eq!(
                (seen.state, seen.attempts, seen.percent),
                (job.state(), job.begun, job.done)
            );
            assert_eq!(seen.cancelling, job.asked && job.over.is_none());
            assert_eq!(seen.charge, (job.paid && job.over.is_some()).then_some(job.charge));
            let settled = !job.paid || job.over.is_some() && job.owed_from.is_none();
            assert_eq!(seen.settled, settled);
            let at = |millis: u64| 1_800_000_000_000 + i64::try_from(millis).unwrap();
            let kept = seen.expires_at.map(|at| at.as_millisecond());
            assert_eq!(kept, job.kept_until.map(at));
            assert_eq!(self.world.words(job.id).await, job.words, "{job:?}");
        }
        // Each hold was paid what its job cost, once it was.
        for (hold, charge) in self.ledger.paid.lock().iter() {
            assert_eq!(self.jobs[usize::try_from(hold.0).unwrap()].charge, *charge);
        }
    }
}

pub(crate) async fn run(world: &World, script: Vec<Step>) {
    let ledger = Ledger::default();
    let mut both = Both { world, ledger, now: 0, jobs: Vec::new(), leases: Vec::new() };
    for step in script {
        both.step(step).await;
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[cfg(feature = "sqlite")]
#[test]
fn a_file_answers_as_the_naive_queue() {
    use proptest::test_runner::TestRunner;
    let runtime = runtime();
    let config = ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() };
    let run = TestRunner::new(config).run(&script(), |script| {
        runtime.block_on(async {
            run(&World::in_file(crate::place::Time::ByHand).await, script).await;
        });
        Ok(())
    });
    run.unwrap();
}

#[cfg(feature = "postgres")]
#[test]
fn postgres_answers_as_the_naive_queue() {
    use proptest::test_runner::TestRunner;
    let Some(server) = crate::server::Server::shared() else { return };
    let runtime = runtime();
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() };
    let run = TestRunner::new(config).run(&script(), |script| {
        runtime.block_on(async {
            let world = World::in_postgres(&server, crate::place::Time::ByHand).await;
            run(&world, script).await;
        });
        Ok(())
    });
    run.unwrap();
}
