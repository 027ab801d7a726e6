//! Requests that nobody should send, at every route, over a real socket: syntax, types, depth,
//! encodings, framing, packing, forms.
//!
//! What holds for all of them: an answer in time, no fault of ours, the caller's own shape of an
//! error, the field named where there is one, and memory as before. All are drawn from fixed lists and
//! a fixed seed.

mod asked;
mod bodies;
mod forms;
mod framing;
mod packed;
mod shapes;
mod wire;

use std::time::{Duration, Instant};

use llm_sim::Simulator;
use llm_sim::upstream::Vendor;

use crate::client::admin;
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};
use shapes::Shape;
use wire::{Answer, Sent};

const APP: Key = Key { name: "app", key: "sk-app-0123456789abcdef0123456789", limit: "" };
/// What half of them, and nearly all of them, are answered within, unless what is right takes as long
/// on this machine just now: that is asked in between, and has no other way to an answer than they.
const HALF_WITHIN: Duration = Duration::from_millis(5);
const NEARLY_ALL_WITHIN: Duration = Duration::from_millis(20);
/// Memory may differ by this from one round to the next: what is unpacked and thrown away is given
/// back to the system when the allocator sees fit. Over ten rounds it goes up and down by half of it.
const GROWTH_MAX: u64 = 32 << 20;
const LEAST: usize = 500;
/// How often each route is asked rightly meanwhile.
const GOOD_ROUNDS: usize = 10;

/// One bad request.
#[derive(Debug)]
struct Case {
    name: String,
    shape: Shape,
    bytes: Vec<u8>,
    expect: Expect,
    /// A word that the answer must say: the field that is wrong.
    field: Option<&'static str>,
}

/// What is to come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// It is refused.
    Refused,
    /// It is refused, or the connection is closed: who breaks the frame may get no answer.
    RefusedOrClosed,
    /// It may be understood, but is no fault of ours.
    NoFault,
}

impl Case {
    fn refused(name: impl Into<String>, shape: Shape, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), shape, bytes, expect: Expect::Refused, field: None }
    }

    /// What is wrong with the answer.
    fn judge(&self, sent: &Sent) -> Result<(), String> {
        let answer = match sent {
            Sent::Answered(answer) => answer,
            Sent::Closed if self.expect == Expect::RefusedOrClosed => return Ok(()),
            Sent::Closed => return Err("closed without a word".to_owned()),
            Sent::Hung => return Err("no answer in time".to_owned()),
        };
        let Answer { status, body, .. } = answer;
        let text = String::from_utf8_lossy(body);
        let told = || format!("{status} {}", text.chars().take(300).collect::<String>());
        if *status >= 500 {
            return Err(told());
        }
        if self.expect == Expect::NoFault && *status < 400 {
            return Ok(());
        }
        if !(400..500).contains(status) {
            return Err(told());
        }
        self.shape.check(answer).map_err(|why| format!("{why}: {}", told()))?;
        match self.field {
            Some(field) if !text.contains(field) => {
                Err(format!("{field} is not named: {}", told()))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// A proxy in front of all vendors.
fn place(simulator: &Simulator) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let mut more = String::new();
    for vendor in [Vendor::Anthropic, Vendor::Gemini, Vendor::Cohere, Vendor::Ollama] {
        let at = simulator.base_url(vendor);
        more.push_str(&format!(
            "[providers.{vendor}]\nkind = \"{vendor}\"\nbase_url = \"{at}\"\n\
             keys = [\"env:KILL_OPENAI\"]\nretries = 0\n\
             [models.of-{vendor}]\ntiers = [[\"{vendor}/some-model\"]]\n\
             [prices.\"{vendor}/some-model\"]\ninput = \"1\"\noutput = \"1\"\n"
        ));
    }
    let server = "listen = \"127.0.0.1:0\"\nbody_max = \"1MiB\"".to_owned();
    let at = simulator.base_url(Vendor::OpenAi);
    let more = Box::leak(more.into_boxed_str());
    Place { keys: vec![APP], server, more, ..Place::new(folder, store, at) }
}

/// Sends all of them, and says which were answered otherwise than they should.
#[expect(clippy::disallowed_methods, reason = "it measures the real time that passes")]
async fn round(proxy: &Proxy, cases: &[Case], times: &mut Vec<Duration>) -> Vec<String> {
    let mut wrong = Vec::new();
    for case in cases {
        let began = Instant::now();
        let whole = case.expect != Expect::RefusedOrClosed;
        let pause = if whole { wire::WHOLE } else { wire::HALF };
        let sent = wire::send(proxy.address, &case.bytes, pause).await;
        if whole {
            times.push(began.elapsed());
        }
        if let Err(why) = case.judge(&sent) {
            wrong.push(format!("{}: {why}", case.name));
        }
    }
    wrong
}

/// Sends one to each route that is right, and says how long each took.
#[expect(clippy::disallowed_methods, reason = "it measures the real time that passes")]
async fn good(proxy: &Proxy) -> Vec<Duration> {
    let mut times = Vec::new();
    for good in bodies::good() {
        let began = Instant::now();
        let sent = wire::send(proxy.address, &good.bytes, wire::WHOLE).await;
        times.push(began.elapsed());
        let Sent::Answered(answer) = sent else { panic!("{}: {sent:?}", good.name) };
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 200, "{} is to be right: {text}", good.name);
    }
    times
}

fn percent(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_malformed_does_any_harm() {
    let simulator = simulator().await;
    let place = place(&simulator);
    let mut proxy = Proxy::start(&place, None).unwrap();
    let described = admin(proxy.address, "/openapi.json").await;
    good(&proxy).await;
    let mut cases = bodies::cases();
    cases.extend(bodies::described(&described));
    cases.extend(asked::cases(&described));
    cases.extend(forms::cases());
    cases.extend(packed::cases());
    cases.extend(framing::cases());
    assert!(cases.len() >= LEAST, "{}", cases.len());
    let mut times = Vec::new();
    let mut wrong = round(&proxy, &cases, &mut times).await;
    let before = proxy.memory();
    times.clear();
    // What the machine takes for what is right, between what is wrong: another time says nothing.
    let mut right = Vec::new();
    for some in cases.chunks(cases.len() / GOOD_ROUNDS + 1) {
        wrong.extend(round(&proxy, some, &mut times).await);
        right.extend(good(&proxy).await);
    }
    let after = proxy.memory();
    wrong.sort();
    wrong.dedup();
    assert!(!proxy.has_ended(), "{}", proxy.said());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let [half, nearly, last] = [50, 99, 100].map(|p| percent(&mut times, p));
    let [right_half, right_nearly] = [50, 99].map(|p| percent(&mut right, p));
    println!(
        "{} bad requests: p50 {half:?}, p99 {nearly:?}, longest {last:?}; {} good ones between them: \
         p50 {right_half:?}, p99 {right_nearly:?}; memory {before} -> {after}",
        cases.len(),
        right.len()
    );
    assert!(half <= HALF_WITHIN.max(right_half), "{half:?}, and {right_half:?} of good ones");
    let within = NEARLY_ALL_WITHIN.max(2 * right_nearly);
    assert!(nearly <= within, "{nearly:?}, and {right_nearly:?} of good ones");
    assert!(after <= before + GROWTH_MAX, "memory {before} -> {after}");
    // Nobody paid for what was refused before it was sent, and nothing is left open.
    let audit = admin(proxy.address, "/admin/ledger/verify").await;
    assert_eq!((&audit["ok"], &audit["holds_open"]), (&true.into(), &0.into()), "{audit}");
    proxy.stop();
    simulator.shutdown().await;
}

/// A head of a request, complete, whose connection ends with its answer.
fn head(method: &str, path: &str, key: &str, more: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\n\
         authorization: Bearer {key}\r\n{more}"
    )
}

/// A request with a body of that type.
fn posted(method: &str, path: &str, key: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let more = format!("{more}content-length: {}\r\n\r\n", body.len());
    let mut bytes = head(method, path, key, &more).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

const JSON: &str = "content-type: application/json\r\n";
