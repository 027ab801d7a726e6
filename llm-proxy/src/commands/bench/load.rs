//! Callers, and how long they wait.

use std::time::{Duration, Instant};

use llm_core::seam::Clock as _;
use llm_providers::seam::SystemClock;

use super::super::asking::{Asking, read};
use super::proxy::MODEL;

const PATH: &str = "/v1/chat/completions";
/// What an answer is waited for.
const WITHIN: Duration = Duration::from_secs(30);
/// How a stream ends that is whole.
const END: &[u8] = b"data: [DONE]";
const EVENT: &[u8] = b"data: ";

/// Callers who ask as soon as they are answered.
pub(super) struct Load {
    pub(super) asking: Asking,
    pub(super) callers: usize,
    pub(super) streams: bool,
}

/// What came of them.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// How long each answer took to its end, in order.
    pub(super) times: Vec<Duration>,
    /// Those that were no answers.
    pub(super) failed: u64,
    /// Pieces of streams.
    pub(super) events: u64,
    /// How long all of it took.
    pub(super) span: Duration,
    /// What was wrong with the first that failed.
    pub(super) why: Option<String>,
}

impl Load {
    pub(super) async fn run(&self, time: Duration) -> Result<Seen, String> {
        let began = SystemClock.now();
        let end = began + time;
        let callers: Vec<_> = (0..self.callers)
            .map(|_| tokio::spawn(caller(self.asking.clone(), self.streams, end)))
            .collect();
        let mut all = Seen::default();
        for caller in callers {
            let seen = caller.await.map_err(|error| error.to_string())?;
            all.times.extend(seen.times);
            all.failed += seen.failed;
            all.events += seen.events;
            all.why = all.why.or(seen.why);
        }
        all.span = SystemClock.now().saturating_duration_since(began);
        all.times.sort_unstable();
        Ok(all)
    }
}

async fn caller(asking: Asking, stream: bool, end: Instant) -> Seen {
    let mut seen = Seen::default();
    while SystemClock.now() < end {
        let began = SystemClock.now();
        match asked(&asking, MODEL, stream).await {
            Ok(events) => {
                seen.times.push(SystemClock.now().saturating_duration_since(began));
                seen.events += events;
            }
            Err(why) => {
                seen.failed += 1;
                seen.why.get_or_insert(why);
                // Who is refused does not ask at once.
                SystemClock.sleep(Duration::from_millis(10)).await;
            }
        }
    }
    seen
}

/// Asks once; how many pieces the answer had.
async fn asked(asking: &Asking, model: &str, stream: bool) -> Result<u64, String> {
    let body = format!(
        "{{\"model\":\"{model}\",\"stream\":{stream},\"max_tokens\":64,\"messages\":\
         [{{\"role\":\"user\",\"content\":\"Say hello to Seoul\"}}]}}"
    );
    let answer = async {
        let (status, body) = asking.post(PATH, body.into_bytes()).await?;
        let text = read(body).await?;
        if status != 200 {
            let text = String::from_utf8_lossy(&text);
            return Err(format!("{status} {}", text.chars().take(300).collect::<String>()));
        }
        if stream && !text.windows(END.len()).any(|part| part == END) {
            return Err("a stream without an end".to_owned());
        }
        Ok(text.windows(EVENT.len()).filter(|part| *part == EVENT).count() as u64)
    };
    tokio::select! {
        answered = answer => answered,
        () = SystemClock.sleep(WITHIN) => Err("no answer in time".to_owned()),
    }
}

/// One caller who asks the proxy and then the upstream itself, turn by turn, so that whatever else
/// the machine does falls on both.
pub(super) struct Pairs {
    pub(super) through: Asking,
    pub(super) direct: Asking,
}

/// How long each took, in order.
#[derive(Debug, Default)]
pub(super) struct Paired {
    pub(super) through: Vec<Duration>,
    pub(super) direct: Vec<Duration>,
}

impl Pairs {
    pub(super) async fn run(&self, time: Duration) -> Result<Paired, String> {
        let end = SystemClock.now() + time;
        let mut paired = Paired::default();
        while SystemClock.now() < end {
            paired.through.push(timed(&self.through, MODEL).await?);
            paired.direct.push(timed(&self.direct, "gpt-4o-mini").await?);
        }
        paired.through.sort_unstable();
        paired.direct.sort_unstable();
        Ok(paired)
    }
}

async fn timed(asking: &Asking, model: &str) -> Result<Duration, String> {
    let began = SystemClock.now();
    asked(asking, model, false).await?;
    Ok(SystemClock.now().saturating_duration_since(began))
}
