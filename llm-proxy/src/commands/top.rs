//! `llm-proxy top`: what a proxy is doing, as a page that is written again and again.
//!
//! The actors are the *look* (what the proxy says of itself at a moment: its metrics, its readiness,
//! and today's spend for whoever shows an operator's key) and the *frame* (two looks as lines).
//! Deliberately absent: a screen of its own with keys to press. Whoever wants graphs has them from the
//! metrics.

mod frame;
mod look;
mod page;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use llm_core::seam::Clock as _;
use llm_providers::seam::SystemClock;

use super::Done;
use super::asking::Asking;
use crate::cli::Top;
use look::Look;

/// Faster than this nobody reads, and each look is a request.
const EVERY_MIN: Duration = Duration::from_millis(200);
/// To the first line, and everything below it away.
const BACK: &str = "\x1b[H";
const CLEAR: &str = "\x1b[2J";
const REST_AWAY: &str = "\x1b[J";
const LINE_AWAY: &str = "\x1b[K";

/// Shows frames until somebody stops it, or one.
pub(crate) async fn top(wanted: Top) -> Done {
    let every = Duration::from_millis(wanted.every_ms).max(EVERY_MIN);
    let asking = Asking::new(&wanted.url, wanted.key.clone())?;
    let metrics = match &wanted.metrics_url {
        Some(url) => Asking::new(url, wanted.key)?,
        None => asking.clone(),
    };
    let mut before = Look::take(&asking, &metrics).await?;
    let out = std::io::stdout();
    let write = |text: &str| {
        let mut out = out.lock();
        // Whoever reads has gone: that is how a pipe says that it is enough.
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
    };
    if wanted.once {
        SystemClock.sleep(every).await;
        let now = Look::take(&asking, &metrics).await?;
        write(&frame::lines(asking.base(), &before, &now).join("\n"));
        write("\n");
        return Ok(ExitCode::SUCCESS);
    }
    write(CLEAR);
    loop {
        SystemClock.sleep(every).await;
        let text = match Look::take(&asking, &metrics).await {
            Ok(now) => {
                let lines = frame::lines(asking.base(), &before, &now);
                before = now;
                lines.join(&format!("{LINE_AWAY}\n"))
            }
            // It may come back, and then whoever looks wants to see that.
            Err(why) => why,
        };
        if !write(&format!("{BACK}{text}{LINE_AWAY}\n{REST_AWAY}")) {
            return Ok(ExitCode::SUCCESS);
        }
    }
}
