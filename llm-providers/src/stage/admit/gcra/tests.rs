use proptest::prelude::*;

use super::*;

fn epoch() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn pace(rate: u64, period: Duration, burst: u64, epoch: Instant) -> Gcra {
    Gcra::new(NonZeroU64::new(rate).unwrap(), period, burst, epoch).unwrap()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_wait_it_names_is_exact() {
    let t0 = epoch();
    let pace = pace(10, SECOND, 20, t0);
    assert!(pace.reserve(20, t0).is_ok());
    let Err(Wait::For(wait)) = pace.reserve(5, t0) else { panic!("the burst is gone") };
    assert_eq!(wait, Duration::from_millis(500));
    assert!(pace.reserve(5, t0 + wait - Duration::from_nanos(1)).is_err());
    assert!(pace.reserve(5, t0 + wait).is_ok());
}

#[test]
fn more_than_the_burst_is_refused_for_good() {
    let t0 = epoch();
    let pace = pace(10, SECOND, 20, t0);
    assert_eq!(pace.reserve(21, t0), Err(Wait::Never));
    assert_eq!(pace.reserve(u64::MAX, t0), Err(Wait::Never));
    assert!(pace.reserve(20, t0).is_ok(), "a refusal costs nothing");
}

#[test]
fn numbers_beyond_a_clock_are_not_built() {
    let (t0, one) = (epoch(), NonZeroU64::MIN);
    assert!(Gcra::new(one, Duration::from_secs(3_600), u64::MAX, t0).is_none());
    assert!(Gcra::new(one, Duration::ZERO, 1, t0).is_none());
    assert!(Gcra::new(one, SECOND, 0, t0).is_none());
}

#[test]
fn what_is_not_used_is_given_back_and_what_is_used_beyond_is_charged() {
    let t0 = epoch();
    let pace = pace(10, SECOND, 20, t0);
    let paced = pace.reserve(20, t0).unwrap();
    pace.settle(paced, 5, t0);
    assert_eq!(pace.remaining(t0), 15);
    let paced = pace.reserve(10, t0).unwrap();
    pace.settle(paced, 40, t0);
    assert_eq!(pace.remaining(t0), 0);
    assert_eq!(pace.reserve(1, t0), Err(Wait::For(Duration::from_millis(2_600))));
}

#[test]
fn a_refund_of_what_time_has_given_back_gives_nothing() {
    let t0 = epoch();
    let pace = pace(10, SECOND, 10, t0);
    let lingering = pace.reserve(10, t0).unwrap();
    let later = t0 + SECOND;
    assert!(pace.reserve(10, later).is_ok());
    pace.settle(lingering, 0, later);
    assert_eq!(pace.remaining(later), 0, "the burst was spent twice in one instant");
}

#[test]
fn threads_never_pass_more_than_the_burst() {
    let t0 = epoch();
    let pace = pace(1, Duration::from_secs(3_600), 1_000, t0);
    let passed: u64 = std::thread::scope(|scope| {
        let one = || (0..1_000).filter(|_| pace.reserve(3, t0).is_ok()).count() as u64;
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(passed, 333);
}

/// A bucket as a textbook has it, in pieces of a token so that nothing is ever rounded.
struct Bucket {
    rate: u128,
    period: u128,
    burst: u128,
    level: u128,
    at: u128,
}

impl Bucket {
    fn flow(&mut self, now: u128) {
        self.level = self.level.saturating_sub((now - self.at) * self.rate);
        self.at = now;
    }

    fn reserve(&mut self, n: u64, now: u128) -> bool {
        self.flow(now);
        let more = self.level + u128::from(n) * self.period;
        let fits = more <= self.burst * self.period;
        if fits {
            self.level = more;
        }
        fits
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Reserve(u64),
    Settle(usize, u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..3_000_000_000u64).prop_map(Step::Wait),
        (0..60u64).prop_map(Step::Reserve),
        (0..60u64).prop_map(Step::Reserve),
        (any::<usize>(), 0..80u64).prop_map(|(which, used)| Step::Settle(which, used)),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    /// I-12: in no stretch of time passes more than rate × stretch + burst, what is given back
    /// and what is charged later counted when it happens.
    #[test]
    fn no_stretch_passes_more_than_its_share(
        rate in 1..50u64, burst in 1..60u64, steps in steps(),
    ) {
        let t0 = epoch();
        let pace = pace(rate, SECOND, burst, t0);
        let (mut now, mut open, mut flows) = (0u64, Vec::new(), Vec::<(u64, i128, bool)>::new());
        for step in steps {
            let at = t0 + Duration::from_nanos(now);
            match step {
                Step::Wait(ns) => now += ns,
                Step::Reserve(n) => if let Ok(paced) = pace.reserve(n, at) {
                    open.push(paced);
                    flows.push((now, i128::from(n), true));
                },
                Step::Settle(which, used) if !open.is_empty() => {
                    let paced: Paced = open.swap_remove(which % open.len());
                    pace.settle(paced, used, at);
                    flows.push((now, i128::from(used) - i128::from(paced.tokens), false));
                }
                Step::Settle(..) => {}
            }
            prop_assert!(pace.remaining(t0 + Duration::from_nanos(now)) <= burst);
        }
        // A stretch ends with an admission: what was charged beyond is not what we let through.
        for (end, last) in flows.iter().enumerate().filter(|(_, f)| f.2) {
            let mut sum = 0i128;
            for flow in flows[..=end].iter().rev() {
                sum += flow.1;
                let stretch = i128::from(last.0 - flow.0);
                let share = i128::from(rate) * stretch + i128::from(burst) * 1_000_000_000;
                // Each step may be off by what a nanosecond is worth.
                let slack = i128::from(rate) * flows.len() as i128;
                prop_assert!(sum * 1_000_000_000 <= share + slack, "{sum} in {stretch} ns");
            }
        }
    }

    /// Without corrections it is the bucket of the textbook, and the wait it names is the first
    /// instant at which that one would let the tokens through. Rates divide a second, so that
    /// neither rounds.
    #[test]
    fn it_is_the_textbook_bucket(
        rate in prop::sample::select(vec![1u64, 2, 4, 5, 8, 10, 20, 50]),
        burst in 1..60u64, steps in steps(),
    ) {
        let t0 = epoch();
        let pace = pace(rate, SECOND, burst, t0);
        let mut bucket = Bucket {
            rate: rate.into(), period: 1_000_000_000, burst: burst.into(), level: 0, at: 0,
        };
        let mut now = 0u64;
        for step in steps {
            match step {
                Step::Wait(ns) => now += ns,
                Step::Reserve(n) => {
                    let said = pace.reserve(n, t0 + Duration::from_nanos(now));
                    prop_assert_eq!(said.is_ok(), bucket.reserve(n, now.into()));
                    if let Err(Wait::For(wait)) = said {
                        now += u64::try_from(wait.as_nanos()).unwrap();
                        let again = pace.reserve(n, t0 + Duration::from_nanos(now));
                        prop_assert!(again.is_ok() && bucket.reserve(n, now.into()));
                    }
                }
                Step::Settle(..) => {}
            }
        }
    }
}
