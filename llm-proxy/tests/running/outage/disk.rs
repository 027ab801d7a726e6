//! Disks that are full, and disks that do not write: under a process that serves.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use llm_sim::Simulator;
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::load::{Called, Load};
use super::shim::{BROKEN, NO_ROOM, Orders, Shim};
use super::{HARD, HARD_EVERY, OPEN, SLACK, SLOW, audited, called, degraded, mended, place};
use crate::client::{Client, ask, client, get};
use crate::proxy::{Key, Proxy, simulator, sqlite};

const EVERY: Duration = Duration::from_millis(20);
/// How long a fault lasts.
const LASTS: Duration = Duration::from_millis(2_500);
/// Streams of these words take two seconds and a half.
const SLOWLY: &str =
    r#"[{"match":{"body":"slowly"},"times":"always","do":{"chunk_ms":60,"output_tokens":40}}]"#;

/// Room for the journals, a file and its log, and little more.
const SMALL: &str = "size=40m";

/// A disk of its own, which goes with its value.
struct Small(PathBuf);

impl Small {
    /// `None` where this process may make none.
    fn at(path: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SMALL, "llm-proxy-test"]).arg(path);
        let made = mount.stderr(Stdio::null()).status();
        made.is_ok_and(|status| status.success()).then(|| Self(path.to_owned()))
    }

    /// Leaves no room at all.
    fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        while ballast.write_all(&[1; 4_096]).is_ok() {}
    }

    fn clear(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A stream that is under way when something happens.
fn slowly(client: &Client, proxy: &Proxy, key: Key) -> JoinHandle<Called> {
    let (client, address) = (client.clone(), proxy.address);
    let body = r#"{"model":"plain","stream":true,"max_tokens":16000,
        "messages":[{"role":"user","content":"slowly"}]}"#;
    tokio::spawn(async move {
        let begun = Instant::now();
        let answer = ask(&client, address, key.key, body.to_owned()).await;
        let whole = answer.as_ref().is_ok_and(|a| a.body().ends_with(b"data: [DONE]\n\n"));
        assert!(whole, "a stream was cut: {answer:?}");
        Called::of(begun, answer)
    })
}

/// Calls of both keys while something is wrong, and what came of them.
async fn during(proxy: &Proxy, lasts: Duration) -> (Vec<Called>, Vec<Called>) {
    let open = Load::start(proxy.address, &[OPEN], EVERY);
    let hard = Load::start(proxy.address, &HARD, HARD_EVERY);
    sleep(lasts).await;
    let (open, hard) = (open.stop().await, hard.stop().await);
    for call in open.iter().chain(&hard) {
        assert!(call.is_typed(), "neither served nor told: {call:?}");
    }
    (open, hard)
}

fn served(calls: &[Called]) -> usize {
    calls.iter().filter(|call| call.status == 200).count()
}

fn slow(simulator: &Simulator) {
    let rules = Script::parse(SLOWLY.as_bytes()).unwrap();
    simulator.upstream(Vendor::OpenAi).unwrap().script(rules);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_closes_hard_budgets_and_nothing_else() {
    let simulator = simulator().await;
    slow(&simulator);
    let folder = tempfile::tempdir().unwrap();
    let tools = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let place = place(&simulator, folder, store);
    let small = Small::at(place.folder.path());
    let shim = small.is_none().then(|| Shim::new(tools.path()));
    if shim.is_some() {
        println!("no disk of our own may be made here: files do not grow instead");
    }
    let proxy = match &shim {
        Some(shim) => shim.start(&place),
        None => Proxy::start(&place, None).unwrap(),
    };
    let client = client();
    let mut calls =
        vec![called(&client, &proxy, OPEN).await, called(&client, &proxy, HARD[0]).await];
    assert_eq!(served(&calls), 2);
    for _ in 0..2 {
        let streams = [slowly(&client, &proxy, OPEN), slowly(&client, &proxy, SLOW)];
        sleep(Duration::from_millis(300)).await;
        let whole = Orders { error: NO_ROOM, what: "grow", skip: 0, times: 0, word: "/" };
        small.as_ref().inspect(|small| small.fill());
        shim.as_ref().inspect(|shim| shim.order(whole));
        let (open, hard) = during(&proxy, LASTS).await;
        degraded(&proxy).await;
        let refused = open.iter().find(|call| call.status != 200);
        assert!(refused.is_none(), "a call without limit was refused: {refused:?}");
        let told = hard.len() - served(&hard);
        assert!(told > 0, "credit that nobody can lease has an end");
        assert_eq!(get(proxy.address, "/v1/models", OPEN.key).await["object"], "list");
        calls.extend(open);
        calls.extend(hard);
        for stream in streams {
            calls.push(stream.await.unwrap());
        }
        small.as_ref().inspect(|small| small.clear());
        shim.as_ref().inspect(|shim| shim.mend());
        let back = mended(&client, &proxy).await;
        println!("{} served, {told} told, as before after {back:?}", served(&calls));
    }
    audited(proxy, &place, &calls).await;
    simulator.shutdown().await;
}

/// Who is served all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Served {
    All,
    /// Those without limit.
    Open,
    Nobody,
}

/// What goes wrong, and for whom.
fn faults() -> Vec<(Orders, Served)> {
    use Served::{All, Nobody, Open};
    let usual = Orders { error: BROKEN, what: "write", skip: 0, times: 0, word: "/journal/" };
    let nth = |word, what, skip| Orders { word, what, skip, times: 1, ..usual };
    let mut faults = vec![
        // Nobody is sent anywhere of whom nothing could be known after a crash.
        (usual, Nobody),
        (Orders { error: NO_ROOM, what: "grow", ..usual }, All),
        (Orders { word: "ledger.db", ..usual }, Open),
        (Orders { word: "ledger.db", what: "sync", ..usual }, All),
        (Orders { word: "ledger.db", what: "grow", error: NO_ROOM, ..usual }, Open),
    ];
    faults.extend([0, 1, 2, 3, 7, 20].map(|skip| (nth("/journal/", "write", skip), Nobody)));
    faults.extend([0, 1, 2, 5, 11, 40].map(|skip| (nth("ledger.db", "write", skip), Open)));
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_does_not_write_is_told_of_and_loses_nothing() {
    let simulator = simulator().await;
    let (folder, tools) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = sqlite(folder.path());
    let place = place(&simulator, folder, store);
    let shim = Shim::new(tools.path());
    let proxy = shim.start(&place);
    let client = client();
    let mut calls =
        vec![called(&client, &proxy, OPEN).await, called(&client, &proxy, HARD[0]).await];
    assert_eq!(served(&calls), 2);
    for (orders, who) in faults() {
        shim.order(orders);
        let once = orders.times > 0;
        let (open, hard) = during(&proxy, if once { LASTS / 4 } else { LASTS }).await;
        let (all, told) = (served(&open), hard.len() - served(&hard));
        println!(
            "{orders:?}: {all} of {} without limit, {told} of {} told",
            open.len(),
            hard.len()
        );
        if !once {
            // A log of the store that is not synced may be lost with the power, and with nothing else.
            if orders.what != "sync" {
                degraded(&proxy).await;
            }
            // A machine that is late with everything may be late with credit, too: but not for all.
            let wanted = if who == Served::All { told < hard.len() } else { told > 0 };
            assert!(wanted, "{orders:?}: {told} were told");
        }
        if who == Served::Nobody {
            // What went wrong once is behind everybody in a moment.
            assert_eq!(all > 0, once, "{orders:?}");
        } else {
            assert_eq!(all, open.len(), "{orders:?}: a call without limit was refused");
        }
        shim.mend();
        mended(&client, &proxy).await;
        calls.extend(open);
        calls.extend(hard);
    }
    audited(proxy, &place, &calls).await;
    simulator.shutdown().await;
}

/// Nobody knows what a disk has of a file whose sync has failed: the process tells everybody so, ends,
/// and the next one begins with what is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_cannot_be_synced_ends_the_process() {
    let simulator = simulator().await;
    let (folder, tools) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = sqlite(folder.path());
    let place = place(&simulator, folder, store);
    let shim = Shim::new(tools.path());
    let client = client();
    let mut calls = Vec::new();
    for skip in [0, 1, 2, 9] {
        let mut proxy = shim.start_with(&place, |text| {
            text.replacen("[store]\n", "[store]\ndurability = \"power\"\n", 1)
        });
        calls.extend([called(&client, &proxy, OPEN).await, called(&client, &proxy, HARD[0]).await]);
        shim.order(Orders { error: BROKEN, what: "sync", skip, times: 0, word: "/journal/" });
        let ended = async {
            while !proxy.has_ended() {
                let call = called(&client, &proxy, OPEN).await;
                // It is gone, or it says so.
                assert!(call.status == 0 || call.is_typed(), "{call:?}");
                calls.push(call);
                sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(4 * SLACK, ended).await.is_ok(), "it goes on and on");
        assert!(proxy.said().contains("new start"), "{}", proxy.said());
        shim.mend();
    }
    let proxy = shim.start(&place);
    mended(&client, &proxy).await;
    // Whose connection was gone cannot say what became of the call.
    calls.retain(|call| call.status != 0);
    audited(proxy, &place, &calls).await;
    simulator.shutdown().await;
}
