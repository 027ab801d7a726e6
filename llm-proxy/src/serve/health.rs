//! Whether the process lives, and whether it should be sent calls: two questions, since a restart
//! mends neither a store that is away nor a process that is about to end.

use http::{Response, StatusCode};
use llm_core::Str;
use llm_store::redis::Tally;
use serde::Serialize;

use super::body::Body;
use super::door::json;
use super::house::House;
use super::reload::{Origin, Refused};

/// Names that are told; how many there are is a metric.
const NAMES_MAX: usize = 32;

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    ledger: LedgerReady,
    #[serde(skip_serializing_if = "Option::is_none")]
    redis: Option<RedisReady>,
    in_flight_caps: Caps,
    configuration: Configured,
    /// Targets whose prices nobody knows: budgets do not see what they cost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unpriced: Vec<Str>,
    /// Keys that their providers do not accept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dead_keys: Vec<String>,
}

#[derive(Serialize)]
struct Configured {
    hash: String,
    since: String,
    origin: Origin,
    /// What waits for a restart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    restart_needed: Vec<String>,
    /// The last change, where it cannot be served.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refused>,
}

/// Whose caps of calls in flight are: of all replicas together, or of each.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Caps {
    Shared,
    PerReplica,
}

#[derive(Serialize)]
struct RedisReady {
    degraded: bool,
    failures: u64,
    outages: u64,
}

#[derive(Serialize)]
struct LedgerReady {
    durable: bool,
    degraded: bool,
    fenced: bool,
    holds_open: u64,
    unfolded: u64,
    lag_ms: u64,
    reclaimed: u64,
}

/// The process lives.
pub(crate) fn liveness() -> Response<Body> {
    json(StatusCode::OK, &b"{\"status\":\"alive\"}"[..])
}

/// Whether it should be sent calls. A store that does not answer leaves it ready: what does not
/// need the store is served, and what does is told so.
pub(crate) fn readiness(house: &House) -> Response<Body> {
    let state = house.store.state();
    let known = state.unwrap_or_default();
    let redis = house.shared.as_ref().map(|shared| {
        let Tally { failures, outages, .. } = shared.tally();
        RedisReady { degraded: shared.is_degraded(), failures, outages }
    });
    let now = house.board.now();
    let configuration = Configured {
        hash: now.hash.to_string(),
        since: now.since.to_string(),
        origin: now.origin,
        restart_needed: now.restart.clone(),
        refused: now.refused.clone(),
    };
    let unpriced = now.config.unpriced().take(NAMES_MAX).cloned().collect();
    let dead_keys = house.vendors.dead(house);
    let (status, code) = if house.is_draining() {
        ("draining", StatusCode::SERVICE_UNAVAILABLE)
    } else if known.broken {
        ("broken", StatusCode::SERVICE_UNAVAILABLE)
    } else if known.fenced {
        ("fenced", StatusCode::SERVICE_UNAVAILABLE)
    } else if known.degraded
        || redis.as_ref().is_some_and(|redis| redis.degraded)
        || configuration.refused.is_some()
        || !dead_keys.is_empty()
    {
        ("degraded", StatusCode::OK)
    } else {
        ("ready", StatusCode::OK)
    };
    let ledger = LedgerReady {
        durable: state.is_some(),
        degraded: known.degraded,
        fenced: known.fenced,
        holds_open: known.holds_open,
        unfolded: known.unfolded,
        lag_ms: u64::try_from(known.lag.as_millis()).unwrap_or(u64::MAX),
        reclaimed: known.reclaimed,
    };
    let in_flight_caps = match &redis {
        Some(redis) if !redis.degraded => Caps::Shared,
        Some(_) | None => Caps::PerReplica,
    };
    let ready = Ready { status, ledger, redis, in_flight_caps, configuration, unpriced, dead_keys };
    let body = serde_json::to_vec(&ready).unwrap_or_default();
    json(code, body)
}
