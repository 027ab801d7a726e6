//! Callers who go on while the process behind an address changes: with connections that they keep,
//! with a new one for each call, and with answers that are longer than a change takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinHandle;

/// Callers of each kind.
const CALLERS: usize = 3;

/// How somebody calls.
#[derive(Clone, Copy, Debug)]
enum Habit {
    Keeps,
    Connects,
    Streams,
}

/// Whom they call.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    pub(crate) port: u16,
    pub(crate) key: &'static str,
    /// A model that answers at once, and one whose streams last.
    pub(crate) quick: &'static str,
    pub(crate) slow: &'static str,
}

/// All of them.
pub(crate) struct Callers {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<(Vec<String>, Vec<Duration>)>>,
}

/// What became of all calls.
#[derive(Debug, Default)]
pub(crate) struct Became {
    /// How many were answered.
    pub(crate) done: u64,
    /// What happened to the others.
    pub(crate) failed: Vec<String>,
    /// How long those took that are answered at once and connect seldom, the shortest first.
    pub(crate) quick: Vec<Duration>,
}

impl Callers {
    #[expect(clippy::disallowed_methods, reason = "it measures the real time that passes")]
    pub(crate) fn start(called: &Called) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let habits = [Habit::Keeps, Habit::Connects, Habit::Streams].repeat(CALLERS);
        let tasks = habits.into_iter().map(|habit| {
            let (stop, done, called) = (Arc::clone(&stop), Arc::clone(&done), called.clone());
            tokio::spawn(async move {
                let (client, mut failed, mut times) = (client(habit), Vec::new(), Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    match call(&client, &called, habit).await {
                        Ok(()) => drop(done.fetch_add(1, Ordering::Relaxed)),
                        Err(why) => failed.push(format!("{habit:?}: {why}")),
                    }
                    match habit {
                        Habit::Keeps => times.push(began.elapsed()),
                        // Who is sent elsewhere while connecting asks again after a second.
                        Habit::Connects | Habit::Streams => {}
                    }
                    // Two cores are shared with whatever else is tested.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                (failed, times)
            })
        });
        let tasks = tasks.collect();
        Self { stop, done, tasks }
    }

    /// Lets them end, and says what became of their calls.
    pub(crate) async fn stop(self) -> Became {
        self.stop.store(true, Ordering::Relaxed);
        let mut became = Became::default();
        for task in self.tasks {
            let (failed, quick) = task.await.unwrap();
            became.failed.extend(failed);
            became.quick.extend(quick);
        }
        became.quick.sort_unstable();
        became.done = self.done.load(Ordering::Relaxed);
        became
    }
}

fn client(habit: Habit) -> Client<HttpConnector, Full<Bytes>> {
    let mut builder = Client::builder(TokioExecutor::new());
    // What is reset must be seen, and not be asked once more behind the test's back.
    builder.retry_canceled_requests(false);
    match habit {
        Habit::Connects => builder.pool_max_idle_per_host(0),
        Habit::Keeps | Habit::Streams => builder.pool_max_idle_per_host(1),
    };
    builder.build_http()
}

async fn call(
    client: &Client<HttpConnector, Full<Bytes>>,
    called: &Called,
    habit: Habit,
) -> Result<(), String> {
    let (model, stream) = match habit {
        Habit::Keeps | Habit::Connects => (called.quick, false),
        Habit::Streams => (called.slow, true),
    };
    let body = format!(
        r#"{{"model":"{model}","stream":{stream},"max_tokens":30,
            "messages":[{{"role":"user","content":"hi"}}]}}"#
    );
    let request = Request::post(format!("http://127.0.0.1:{}/v1/chat/completions", called.port))
        .header("authorization", format!("Bearer {}", called.key))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|e| e.to_string())?;
    let response = client.request(request).await.map_err(|e| format!("{e:?}"))?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|e| format!("{e:?}"))?;
    let body = body.to_bytes();
    let whole = !stream || body.ends_with(b"data: [DONE]\n\n");
    if status == 200 && whole { Ok(()) } else { Err(format!("{status} {body:?}")) }
}
