//! One processor for everything, in a class from which the system takes it only after a tenth of a
//! second: SQLite's thread has no turn but what the event loop gives it, and must keep up all the same.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use llm_sim::upstream::Vendor;

use crate::client::{ask, client};
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};

const APP: Key =
    Key { name: "app", key: "sk-busy-0123456789abcdef0123456789", limit: "$1000/month" };
const BODY: &str =
    r#"{"model":"plain","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#;
/// As many as never leave it idle.
const CALLERS: usize = 48;
const WATCHED: Duration = Duration::from_secs(6);
/// What has ended waits no longer for the store. Without turns it was seconds, and more of them with
/// each second.
const LAG_MAX: f64 = 2.0;

/// The first processor that we may use; nothing where nobody may choose a class.
fn alone() -> Option<[String; 5]> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let ours = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.trim();
    let first = ours.split([',', '-']).next()?.to_owned();
    // Where there is one alone, the callers would have no turn.
    let several = std::thread::available_parallelism().is_ok_and(|number| number.get() > 1);
    let words = ["chrt", "-r", "1", "taskset", "-c"];
    let may = Command::new("chrt").args(["-r", "1", "true"]).output();
    let may = several && may.is_ok_and(|tried| tried.status.success());
    let [class, kind, rank, place, which] = words.map(str::to_owned);
    may.then(|| [class, kind, rank, place, format!("{which} {first}")])
}

async fn lag(proxy: &Proxy) -> f64 {
    let request = http::Request::get(format!("http://{}/metrics", proxy.address));
    let answer = client().request(request.body(Full::default()).unwrap()).await.unwrap();
    let page = answer.into_body().collect().await.unwrap().to_bytes();
    let page = String::from_utf8(page.to_vec()).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix("gw_ledger_lag_seconds "));
    line.unwrap_or_else(|| panic!("{page}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "it measures the real time that passes")]
async fn a_store_keeps_up_where_an_event_loop_never_rests() {
    let Some(words) = alone() else {
        println!("not run: nobody here may choose a class and a processor");
        return;
    };
    let simulator = simulator().await;
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let mut place = Place::new(folder, store, simulator.base_url(Vendor::OpenAi));
    place.keys.push(APP);
    let proxy = Proxy::start_with(&place, |command, _| {
        let mut inside = Command::new(&words[0]);
        inside.args(words[1..].iter().flat_map(|word| word.split(' ')));
        inside.arg(command.get_program()).args(command.get_args());
        let set = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        inside.envs(set);
        *command = inside;
    });
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (stop, served, at) = (Arc::clone(&stop), Arc::clone(&served), proxy.address);
            tokio::spawn(async move {
                let client = client();
                while !stop.load(Ordering::Relaxed) {
                    let answer = ask(&client, at, APP.key, BODY.to_owned()).await.unwrap();
                    assert_eq!(answer.status(), 200, "{:?}", answer.body());
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let (began, mut longest) = (Instant::now(), 0.0f64);
    while began.elapsed() < WATCHED {
        tokio::time::sleep(Duration::from_millis(100)).await;
        longest = longest.max(lag(&proxy).await);
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let served = served.load(Ordering::Relaxed);
    println!("{served} calls, and what had ended waited {longest:.3} s for the store");
    assert!(longest < LAG_MAX, "{longest} s\n{}", proxy.said());
    assert!(served > CALLERS);
    proxy.stop();
    simulator.shutdown().await;
}
