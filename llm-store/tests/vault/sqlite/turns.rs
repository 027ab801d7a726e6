//! Two who write to one file without a pause, as while a process takes another one's place.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use llm_core::money::Money;
use llm_core::seam::Clock;
use llm_core::store::vault::{Tenure, Vault};

use super::*;
use crate::suite::{ended, fold_of};

/// Who writes much: so many at once, so that there is always somebody.
const MANY: usize = 64;
/// Steps of the one beside them.
const STEPS: usize = 100;

/// Turns of the others that somebody waits for, at the most: one is under way, another may have been
/// asked for first, and a machine that is busy notices late.
const BEFORE_MAX: u64 = 8;

/// Time as it passes.
#[derive(Debug)]
struct Passing;

impl Clock for Passing {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn wall(&self) -> SystemTime {
        HandClock::new().wall()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}

/// A step that takes the file for a while.
async fn step(vault: &SqliteVault, me: &Tenure, step: u64) {
    let ends = (0..20).map(|n| ended(u128::from(step) * 100 + n, 0, (0, 1), &[])).collect();
    vault.fold(me, &fold_of(ends)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "it measures the real time that passes")]
async fn who_writes_without_a_pause_lets_others_write() {
    let place = place();
    let clock = || Arc::new(Passing);
    let much = SqliteVault::open(&quick(&place.path()), clock()).await.unwrap();
    let little = SqliteVault::open(&quick(&place.path()), clock()).await.unwrap();
    let (stop, steps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (me, _) = Vault::<Money>::enter(&much, "much").await.unwrap();
    let many: Vec<_> = (0..MANY)
        .map(|_| {
            let (much, me) = (much.clone(), me.clone());
            let (stop, steps) = (Arc::clone(&stop), Arc::clone(&steps));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let n = steps.fetch_add(1, Ordering::Relaxed);
                    step(&much, &me, n).await;
                }
            })
        })
        .collect();
    let (me, _) = Vault::<Money>::enter(&little, "little").await.unwrap();
    let (mut times, mut before) = (Vec::new(), Vec::new());
    for _ in 0..STEPS {
        let (began, so_far) = (Instant::now(), steps.load(Ordering::Relaxed));
        Vault::<Money>::beat(&little, &me, Duration::from_secs(30)).await.unwrap();
        times.push(began.elapsed());
        before.push(steps.load(Ordering::Relaxed) - so_far);
    }
    stop.store(true, Ordering::Relaxed);
    for one in many {
        one.await.unwrap();
    }
    times.sort_unstable();
    before.sort_unstable();
    let (half, nearly, last) = (STEPS / 2, STEPS * 95 / 100, STEPS - 1);
    println!(
        "beside {} steps: half of {STEPS} waited for {:?} and {} of them, 95 of 100 for {:?} and {}, \
         none for more than {:?} and {}",
        steps.load(Ordering::Relaxed),
        times[half],
        before[half],
        times[nearly],
        before[nearly],
        times[last],
        before[last],
    );
    // How long that takes is the machine's affair: whose turn it is is ours.
    let many = MANY as u64;
    assert!(before[nearly] <= 2 * many && before[last] <= BEFORE_MAX * many, "{before:?}");
}
