//! What a proxy says of itself at a moment.

use std::time::Instant;

use jiff::Timestamp;
use llm_core::seam::Clock as _;
use llm_providers::seam::SystemClock;
use serde::Deserialize;

use super::super::asking::Asking;
use super::page::Page;

/// A moment.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) at: Instant,
    pub(super) page: Page,
    /// `ready`, `degraded`, …
    pub(super) standing: String,
    /// Today's spend by key; why not, where nobody says.
    pub(super) spend: Result<Vec<Spender>, String>,
}

/// What a key has spent today.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Spender {
    #[serde(default)]
    pub(super) key: String,
    pub(super) calls: u64,
    pub(super) errors: u64,
    pub(super) spend_nanos: i64,
}

#[derive(Deserialize)]
struct Usage {
    rows: Vec<Spender>,
}

#[derive(Deserialize)]
struct Ready {
    status: String,
}

impl Look {
    pub(super) async fn take(asking: &Asking, metrics: &Asking) -> Result<Self, String> {
        let (status, text) = metrics.get("/metrics").await?;
        if status != 200 {
            let base = metrics.base();
            return Err(match status {
                401 | 403 => {
                    format!("{base} wants a key for its metrics: --key, or LLM_PROXY_ADMIN_KEY")
                }
                404 => format!(
                    "{base} has no metrics: server.metrics_listen says where; --metrics-url"
                ),
                other => format!("{base}/metrics answers {other}"),
            });
        }
        let (_, ready) = asking.get("/health/readiness").await?;
        let standing = serde_json::from_str::<Ready>(&ready);
        Ok(Self {
            at: SystemClock.now(),
            page: Page::read(&text),
            standing: standing.map_or_else(|_| "unknown".to_owned(), |ready| ready.status),
            spend: spend(asking).await,
        })
    }
}

async fn spend(asking: &Asking) -> Result<Vec<Spender>, String> {
    let now = Timestamp::try_from(SystemClock.wall()).map_err(|error| error.to_string())?;
    let day = now.strftime("%Y-%m-%d");
    let (status, text) = asking.get(&format!("/admin/usage?by=key&from={day}")).await?;
    match status {
        200 => {
            let usage: Usage = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            let mut rows = usage.rows;
            rows.sort_by_key(|row| std::cmp::Reverse((row.spend_nanos, row.calls)));
            Ok(rows)
        }
        401 | 403 => Err("wants an operator's key: --key, or LLM_PROXY_ADMIN_KEY".to_owned()),
        501 => Err("this proxy keeps no log of requests".to_owned()),
        other => Err(format!("not to be had: {other}")),
    }
}
