//! Stores that stand still, die or do not write: hard budgets are told so in time, nobody else is
//! troubled, whoever looks is told, and when it is over all is as it was, to the billionth of a dollar.

mod died;
mod disk;
mod file;
mod load;
mod shim;
mod still;

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use llm_sim::Simulator;
use llm_sim::upstream::Vendor;
use serde_json::Value;

use crate::books::{Books, hold};
use crate::client::{ADMIN_PAGE, Client, admin, ask, get, text};
use crate::proxy::{Key, Place, Proxy};
use load::Called;

/// What a call with a hard budget may take to be told that nobody knows.
const TOLD_MAX: Duration = Duration::from_millis(1_200);
/// Everything is as before within this.
const MENDED_MAX: Duration = Duration::from_secs(5);
/// What a busy machine adds to it.
const SLACK: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Those with a hard budget, of which a call holds more than half: what one has not used is given back
/// before its next turn, so that each call needs credit that is leased for it.
const HARD: [Key; 6] = [
    Key { name: "hard_1", key: "sk-hard-1-0123456789abcdef0123456789", limit: "$0.015/month" },
    Key { name: "hard_2", key: "sk-hard-2-0123456789abcdef0123456789", limit: "$0.015/month" },
    Key { name: "hard_3", key: "sk-hard-3-0123456789abcdef0123456789", limit: "$0.015/month" },
    Key { name: "hard_4", key: "sk-hard-4-0123456789abcdef0123456789", limit: "$0.015/month" },
    Key { name: "hard_5", key: "sk-hard-5-0123456789abcdef0123456789", limit: "$0.015/month" },
    Key { name: "hard_6", key: "sk-hard-6-0123456789abcdef0123456789", limit: "$0.015/month" },
];
/// One whose calls last.
const SLOW: Key =
    Key { name: "slow", key: "sk-slow-0123456789abcdef0123456789", limit: "$0.05/month" };
/// How often one of them calls, by turns.
const HARD_EVERY: Duration = Duration::from_millis(200);
const OPEN: Key = Key { name: "open", key: "sk-open-0123456789abcdef0123456789", limit: "" };
const BODY: &str =
    r#"{"model":"plain","max_tokens":16000,"messages":[{"role":"user","content":"hi"}]}"#;

fn place(simulator: &Simulator, folder: tempfile::TempDir, store: String) -> Place {
    let at = simulator.base_url(Vendor::OpenAi);
    let keys = HARD.into_iter().chain([SLOW, OPEN]).collect();
    Place { keys, ..Place::new(folder, store, at) }
}

/// What came of a call, and how long that took.
async fn called(client: &Client, proxy: &Proxy, key: Key) -> Called {
    let begun = tokio::time::Instant::now();
    Called::of(begun, ask(client, proxy.address, key.key, BODY.to_owned()).await)
}

/// What readiness says.
async fn standing(proxy: &Proxy) -> Value {
    get(proxy.address, "/health/readiness", "").await
}

/// Waits until readiness says that something is gone without; the metrics say so as well.
async fn degraded(proxy: &Proxy) {
    let seen = async {
        while standing(proxy).await["status"] != "degraded" {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    assert!(tokio::time::timeout(SLACK, seen).await.is_ok(), "{}", standing(proxy).await);
    let page = text(proxy.address, ADMIN_PAGE).await;
    assert!(page.contains("gw_store_degraded{store=\"ledger\"} 1"), "{page}");
}

/// Waits until everybody is served, and says how long that took.
async fn mended(client: &Client, proxy: &Proxy) -> Duration {
    let began = tokio::time::Instant::now();
    let served = async {
        loop {
            let ready = standing(proxy).await["status"] == "ready";
            if ready && called(client, proxy, HARD[0]).await.status == 200 {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let most = MENDED_MAX + SLACK;
    let standing = standing(proxy).await;
    assert!(tokio::time::timeout(most, served).await.is_ok(), "not mended: {standing}");
    assert_eq!(called(client, proxy, OPEN).await.status, 200);
    began.elapsed()
}

/// Ends the process, and holds its rows against what callers have seen: whoever was served has paid,
/// once, and whoever was refused has not.
async fn audited(proxy: Proxy, place: &Place, calls: &[Called]) {
    let verified = admin(proxy.address, "/admin/ledger/verify").await;
    assert_eq!((&verified["ok"], &verified["holds_open"]), (&true.into(), &0.into()), "{verified}");
    proxy.stop();
    let books = Books::read(&place.store).await;
    books.within_limits();
    books.adds_up();
    for call in calls {
        let paid = call.id.as_deref().and_then(|id| books.holds.get(&hold(id)));
        match call.status {
            200 => assert!(paid.is_some_and(|paid| *paid > 0), "{call:?} has paid {paid:?}"),
            _ => assert!(paid.is_none_or(|paid| *paid == 0), "{call:?} has paid {paid:?}"),
        }
    }
}

/// Whoever is not served is told when to come again.
fn told(response: &Response<Bytes>) -> bool {
    response.headers().contains_key("retry-after")
}
