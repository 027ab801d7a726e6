//! What is computed when somebody scrapes, because it stands somewhere already: quotas, the ledger's
//! own numbers, and the state of provider keys. Series are made anew each time, so that what no
//! configuration names any more is gone from the page.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntCounter, IntGauge, IntGaugeVec};

use super::quota::{Quota, QuotaWatch, Taken};
use super::{PROVIDER, gauges};
use crate::stage::gate::keys::{KeyState, Standing};

/// Limits that have series of their own; five each. Those beyond are added up under `other`.
pub(crate) const LIMITS_MAX: usize = 2_048;
/// Kinds of limits that are added up: every span that a configuration has.
const OTHERS_MAX: usize = 64;

/// Looks when asked to.
#[derive(Clone)]
pub(crate) struct Scrape {
    watch: Arc<OnceLock<Weak<QuotaWatch>>>,
    descs: Arc<[Desc]>,
}

impl Scrape {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let page = Page::new()?;
        let descs = page.all().iter().flat_map(|c| c.desc()).cloned().collect();
        Ok(Self { watch: Arc::default(), descs })
    }

    /// Whom to ask. Before, and once it is gone, there is nothing to see.
    pub(crate) fn of(&self, watch: &Arc<QuotaWatch>) {
        let _ = self.watch.set(Arc::downgrade(watch));
    }
}

impl Collector for Scrape {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Some(watch) = self.watch.get().and_then(Weak::upgrade) else { return Vec::new() };
        // Names and labels were tried when the gateway was built.
        let Ok(page) = Page::new() else { return Vec::new() };
        page.quotas(&watch.quotas());
        page.stores(&watch);
        page.keys(&watch);
        page.all().iter().flat_map(|c| c.collect()).collect()
    }
}

/// One page of series.
struct Page {
    limit: IntGaugeVec,
    used: IntGaugeVec,
    reserved: IntGaugeVec,
    remaining: IntGaugeVec,
    resets_at: IntGaugeVec,
    others: IntGauge,
    reclaimed: IntCounter,
    loss: IntCounter,
    lag: Gauge,
    degraded: IntGaugeVec,
    uncorrected: IntCounter,
    provider_quota: IntGaugeVec,
    key_up: IntGaugeVec,
    key_state: IntGaugeVec,
}

impl Page {
    fn new() -> prometheus::Result<Self> {
        const QUOTA: [&str; 3] = ["scope", "rule", "window"];
        let quota = |name, help| gauges(name, help, &QUOTA);
        Ok(Self {
            limit: quota("gw_quota_limit", "How much a limit allows; money in billionths of $")?,
            used: quota("gw_quota_used", "What is used of a limit")?,
            reserved: quota("gw_quota_reserved", "What is set aside of a limit")?,
            remaining: quota("gw_quota_remaining", "What is left of a limit")?,
            resets_at: quota("gw_quota_resets_at_seconds", "When there is more, since 1970")?,
            others: IntGauge::new("gw_quota_others", "Limits that are added up under other")?,
            reclaimed: IntCounter::new(
                "gw_ledger_reclaimed_total",
                "Holds that a crash left open, and that were ended",
            )?,
            loss: IntCounter::new("gw_ledger_loss_nanos_total", "What the operator paid")?,
            lag: Gauge::new("gw_ledger_lag_seconds", "Age of the oldest end not yet stored")?,
            degraded: gauges("gw_store_degraded", "Whether a store is gone without", &["store"])?,
            uncorrected: IntCounter::new(
                "gw_quota_uncorrected_total",
                "Shared counts that were not put right",
            )?,
            provider_quota: gauges(
                "gw_provider_quota",
                "What a provider says of a key's limits; resets in seconds from now",
                &[PROVIDER, "key", "of", "what"],
            )?,
            key_up: gauges("gw_provider_key_up", "Whether a key is in use", &[PROVIDER, "key"])?,
            key_state: gauges(
                "gw_provider_key_state",
                "1 for the state that a key is in",
                &[PROVIDER, "key", "state"],
            )?,
        })
    }

    fn all(&self) -> [&dyn Collector; 14] {
        [
            &self.limit,
            &self.used,
            &self.reserved,
            &self.remaining,
            &self.resets_at,
            &self.others,
            &self.reclaimed,
            &self.loss,
            &self.lag,
            &self.degraded,
            &self.uncorrected,
            &self.provider_quota,
            &self.key_up,
            &self.key_state,
        ]
    }

    fn quotas(&self, quotas: &[Quota]) {
        let (own, others) = quotas.split_at(quotas.len().min(LIMITS_MAX));
        own.iter().for_each(|quota| self.quota(quota));
        self.others.set(i64::try_from(others.len()).unwrap_or(i64::MAX));
        // Of one span only: dollars and tokens have no sum.
        let mut sums: BTreeMap<(&str, &str), Quota> = BTreeMap::new();
        for quota in others {
            let place = (&*quota.rule, &*quota.window);
            if !sums.contains_key(&place) && sums.len() >= OTHERS_MAX {
                continue;
            }
            let empty = || Quota {
                scope: "other".into(),
                limit: None,
                taken: None,
                resets_at: None,
                ..quota.clone()
            };
            add(sums.entry(place).or_insert_with(empty), quota);
        }
        sums.values().for_each(|sum| self.quota(sum));
    }

    fn quota(&self, quota: &Quota) {
        let labels = [&*quota.scope, &*quota.rule, &*quota.window];
        let set = |gauge: &IntGaugeVec, value: Option<i64>| {
            if let Some(value) = value {
                gauge.with_label_values(&labels).set(value);
            }
        };
        set(&self.limit, quota.limit);
        set(&self.used, quota.taken.map(|taken| taken.used));
        set(&self.reserved, quota.taken.map(|taken| taken.reserved));
        set(&self.remaining, quota.remaining());
        set(&self.resets_at, quota.resets_at.map(|at| at.as_second()));
    }

    fn stores(&self, watch: &QuotaWatch) {
        let health = watch.ledger().health().unwrap_or_default();
        self.reclaimed.inc_by(health.reclaimed);
        self.loss.inc_by(u64::try_from(health.loss.0).unwrap_or(0));
        self.lag.set(health.lag.as_secs_f64());
        let ledger = health.degraded || watch.is_unread();
        self.degraded.with_label_values(&["ledger"]).set(i64::from(ledger));
        if let Some(health) = watch.admission().sharing_health() {
            let counters = self.degraded.with_label_values(&["counters"]);
            counters.set(i64::from(health.is_degraded()));
            self.uncorrected.inc_by(health.lost());
        }
        if let Some(shared) = watch.admission().shares_places() {
            self.degraded.with_label_values(&["places"]).set(i64::from(!shared));
        }
    }

    fn keys(&self, watch: &QuotaWatch) {
        let (snapshot, now) = (watch.snapshot(), watch.now());
        for vendor in snapshot.vendors.values() {
            for key in vendor.keys.states(now) {
                self.key(&vendor.name, &key);
            }
        }
    }

    fn key(&self, vendor: &str, key: &KeyState) {
        let up = i64::from(key.standing == Standing::Up);
        self.key_up.with_label_values(&[vendor, &*key.id]).set(up);
        for standing in Standing::ALL {
            let state = self.key_state.with_label_values(&[vendor, &*key.id, standing.name()]);
            state.set(i64::from(standing == key.standing));
        }
        let Some(told) = &key.told else { return };
        let resets = |at: Option<std::time::Duration>| {
            at.map(|at| at.saturating_sub(key.told_ago).as_secs().saturating_add(1))
        };
        let quotas = [
            ("requests", "limit", told.requests_limit),
            ("requests", "remaining", told.requests_left),
            ("requests", "resets", resets(told.requests_reset)),
            ("tokens", "limit", told.tokens_limit),
            ("tokens", "remaining", told.tokens_left),
            ("tokens", "resets", resets(told.tokens_reset)),
        ];
        for (of, what, value) in quotas {
            let Some(value) = value else { continue };
            let gauge = self.provider_quota.with_label_values(&[vendor, &*key.id, of, what]);
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }
}

fn add(sum: &mut Quota, quota: &Quota) {
    let plus = |a: Option<i64>, b: Option<i64>| match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (a, b) => a.or(b),
    };
    sum.limit = plus(sum.limit, quota.limit);
    let used = plus(sum.taken.map(|t| t.used), quota.taken.map(|t| t.used));
    let reserved = plus(sum.taken.map(|t| t.reserved), quota.taken.map(|t| t.reserved));
    sum.taken = used.zip(reserved).map(|(used, reserved)| Taken { used, reserved });
}

impl std::fmt::Debug for Scrape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scrape").finish_non_exhaustive()
    }
}
