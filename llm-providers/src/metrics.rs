//! What is counted, under which names, and the handles that count it.
//!
//! Names follow OpenTelemetry's conventions for generative AI where they have one, and begin with
//! `gw_` where they have none. Labels come from configuration and from closed sets of words, never
//! from a request, so that no caller can mint a series; every handle of a call's happy way is
//! resolved when the configuration is built.

pub mod quota;
mod scrape;

use std::sync::Arc;
use std::time::Duration;

use llm_core::call::Operation;
use llm_core::error::{Error, Kind};
use llm_core::store::{CallRecord, Outcome};
use llm_core::usage::TokenKind;
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use crate::model::Model;
use scrape::Scrape;

/// Seconds, from a cache hit to a long chain of thought.
const SECONDS: [f64; 14] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0, 180.0, 600.0];
/// Seconds of our own work.
const OVERHEAD: [f64; 10] =
    [0.000_02, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 1.0];

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    calls: IntCounterVec,
    calls_in_flight: IntGaugeVec,
    duration: HistogramVec,
    first_event: HistogramVec,
    per_token: HistogramVec,
    tokens: IntCounterVec,
    attempts: IntCounterVec,
    breaker: IntGaugeVec,
    /// What is read when somebody scrapes.
    pub(crate) scrape: Scrape,
    /// A call went on with another target: from, to, why.
    pub(crate) fallbacks: IntCounterVec,
    /// What the cache did.
    cache: IntCounterVec,
    /// Refusals of ours, by rule and reason.
    denied: IntCounterVec,
    /// Money set aside and not yet settled.
    pub(crate) holds_open: IntGauge,
    /// Holds whose settlement a store refused.
    pub(crate) settle_failed: IntCounter,
    /// Calls that cost more than was held, or whose provider did not say what they used.
    pub(crate) alarms: IntCounterVec,
    /// Records that the request log did not take.
    pub(crate) log_dropped: IntCounter,
    /// What content rules found, by rule.
    content: IntCounterVec,
    /// Our own share of a call's time.
    pub(crate) overhead: Histogram,
}

/// Handles of one model.
#[derive(Clone, Debug)]
pub struct ModelMetrics {
    pub(crate) in_flight: IntGauge,
    done: IntCounter,
    left: IntCounter,
    duration: Histogram,
    first_event: Histogram,
    pub(crate) cache: CacheMetrics,
    name: Arc<str>,
}

/// What the cache did with a model's calls. Models without one count nothing.
#[derive(Clone, Debug)]
pub(crate) struct CacheMetrics {
    pub(crate) hit: IntCounter,
    pub(crate) miss: IntCounter,
    pub(crate) coalesced: IntCounter,
    pub(crate) bypass: IntCounter,
}

/// Handles of one target.
#[derive(Clone, Debug)]
pub struct TargetMetrics {
    pub(crate) first_event: Histogram,
    pub(crate) per_token: Histogram,
    pub(crate) answered: IntCounter,
    pub(crate) breaker: IntGauge,
    tokens: [IntCounter; TokenKind::COUNT],
    attempts: IntCounterVec,
    provider: Arc<str>,
    model: Arc<str>,
    name: Arc<str>,
}

impl TargetMetrics {
    /// `provider/model`, as labels have it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// An attempt failed.
    pub(crate) fn failed(&self, kind: Kind) {
        // A failure may look its series up; the set of kinds is closed.
        let labels = [&*self.provider, &*self.model, kind.name()];
        self.attempts.with_label_values(&labels).inc();
    }

    /// What a target was used for.
    pub(crate) fn used(&self, usage: &llm_core::usage::Usage) {
        for kind in TokenKind::ALL {
            let tokens = usage.tokens(kind);
            if tokens > 0 {
                self.tokens[kind as usize].inc_by(tokens);
            }
        }
    }
}

fn counters(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
    IntGaugeVec::new(Opts::new(name, help), labels)
}

fn histograms(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<HistogramVec> {
    HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), labels)
}

const PROVIDER: &str = "gen_ai_provider_name";
const MODEL: &str = "gen_ai_request_model";

impl Metrics {
    /// All of them, registered nowhere yet.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let overhead = HistogramOpts::new("gw_overhead_seconds", "Our own share of a call's time")
            .buckets(OVERHEAD.to_vec());
        Ok(Self {
            calls: counters("gw_calls_total", "Calls by how they ended", &[MODEL, "outcome"])?,
            calls_in_flight: gauges("gw_calls_in_flight", "Calls under way", &[MODEL])?,
            duration: histograms(
                "gen_ai_server_request_duration",
                "Seconds until an answer's end",
                &[MODEL],
            )?,
            first_event: histograms(
                "gen_ai_server_time_to_first_token",
                "Seconds until the first token",
                &[PROVIDER, MODEL],
            )?,
            per_token: histograms(
                "gen_ai_server_time_per_output_token",
                "Seconds for each token after the first",
                &[PROVIDER, MODEL],
            )?,
            tokens: counters(
                "gen_ai_client_token_usage",
                "Tokens by class",
                &[PROVIDER, MODEL, "gen_ai_token_type"],
            )?,
            attempts: counters(
                "gw_attempts_total",
                "Attempts by how they ended",
                &[PROVIDER, MODEL, "error_type"],
            )?,
            breaker: gauges("gw_breaker_state", "0 closed, 1 probing, 2 open", &["deployment"])?,
            scrape: Scrape::new()?,
            fallbacks: counters(
                "gw_fallback_total",
                "Calls that went on elsewhere",
                &["from", "to", "reason"],
            )?,
            cache: counters("gw_cache_requests_total", "What the cache did", &[MODEL, "result"])?,
            denied: counters("gw_quota_denied_total", "Refusals of ours", &["rule", "reason"])?,
            holds_open: IntGauge::new("gw_ledger_reservations_open", "Money set aside")?,
            settle_failed: IntCounter::new("gw_ledger_settle_failed_total", "Not settled")?,
            alarms: counters("gw_ledger_alarms_total", "Costs that surprised us", &["alarm"])?,
            log_dropped: IntCounter::new("gw_log_dropped_total", "Records not logged")?,
            content: counters("gw_content_rules_total", "What content rules found", &["rule"])?,
            overhead: Histogram::with_opts(overhead)?,
        })
    }

    /// Registers them, all or none. Fails when the registry has other metrics of these names.
    pub(crate) fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        let all = self.all();
        let mut done: Vec<Box<dyn Collector>> = Vec::with_capacity(all.len());
        for (metric, again) in all.into_iter().zip(self.all()) {
            if let Err(error) = registry.register(metric) {
                for metric in done {
                    registry.unregister(metric)?;
                }
                return Err(error);
            }
            done.push(again);
        }
        Ok(())
    }

    fn all(&self) -> [Box<dyn Collector>; 18] {
        [
            Box::new(self.calls.clone()),
            Box::new(self.calls_in_flight.clone()),
            Box::new(self.duration.clone()),
            Box::new(self.first_event.clone()),
            Box::new(self.per_token.clone()),
            Box::new(self.tokens.clone()),
            Box::new(self.attempts.clone()),
            Box::new(self.breaker.clone()),
            Box::new(self.scrape.clone()),
            Box::new(self.fallbacks.clone()),
            Box::new(self.cache.clone()),
            Box::new(self.denied.clone()),
            Box::new(self.holds_open.clone()),
            Box::new(self.settle_failed.clone()),
            Box::new(self.alarms.clone()),
            Box::new(self.log_dropped.clone()),
            Box::new(self.content.clone()),
            Box::new(self.overhead.clone()),
        ]
    }

    /// Handles of a model; its name comes from the configuration.
    pub(crate) fn model(&self, name: &str) -> ModelMetrics {
        ModelMetrics {
            in_flight: self.calls_in_flight.with_label_values(&[name]),
            done: self.calls.with_label_values(&[name, "done"]),
            left: self.calls.with_label_values(&[name, "left"]),
            duration: self.duration.with_label_values(&[name]),
            first_event: self.first_event.with_label_values(&["gateway", name]),
            cache: CacheMetrics {
                hit: self.cache.with_label_values(&[name, "hit"]),
                miss: self.cache.with_label_values(&[name, "miss"]),
                coalesced: self.cache.with_label_values(&[name, "coalesced"]),
                bypass: self.cache.with_label_values(&[name, "bypass"]),
            },
            name: name.into(),
        }
    }

    /// Handles of a target; both names come from the configuration.
    pub(crate) fn target(&self, provider: &str, model: &str) -> TargetMetrics {
        let tokens = TokenKind::ALL
            .map(|kind| self.tokens.with_label_values(&[provider, model, kind.name()]));
        TargetMetrics {
            first_event: self.first_event.with_label_values(&[provider, model]),
            per_token: self.per_token.with_label_values(&[provider, model]),
            answered: self.attempts.with_label_values(&[provider, model, ""]),
            breaker: self.breaker.with_label_values(&[&format!("{provider}/{model}")]),
            tokens,
            attempts: self.attempts.clone(),
            name: format!("{provider}/{model}").into(),
            provider: provider.into(),
            model: model.into(),
        }
    }

    /// What a content rule found; its name comes from the configuration.
    pub(crate) fn content_rule(&self, name: &str) -> IntCounter {
        self.content.with_label_values(&[name])
    }

    /// A call has ended.
    pub(crate) fn call(&self, model: Option<&Model>, record: &CallRecord) {
        let seconds = Duration::as_secs_f64;
        let Some(model) = model else {
            self.calls.with_label_values(&["", Kind::UnknownModel.name()]).inc();
            return;
        };
        let handles = &model.metrics;
        match record.outcome {
            Outcome::Done => handles.done.inc(),
            Outcome::Left => handles.left.inc(),
            Outcome::Failed(kind) => {
                self.calls.with_label_values(&[&handles.name, kind.name()]).inc();
            }
        }
        handles.duration.observe(seconds(&record.total));
        if record.operation == Operation::Chat
            && let Some(first) = &record.first_byte
        {
            handles.first_event.observe(seconds(first));
        }
    }

    /// One of our own rules may have said no. Its name comes from configuration.
    pub(crate) fn denied(&self, error: &Error) {
        let ours = matches!(
            error.kind(),
            Kind::RateLimited | Kind::QuotaExceeded | Kind::CreditExhausted | Kind::Busy
        );
        if ours {
            let rule = error.refusal().map_or_else(String::new, |r| unnumbered(&r.rule));
            self.denied.with_label_values(&[&*rule, error.kind().name()]).inc();
        }
    }

    /// A call was refused before anybody knew what it asks for.
    pub(crate) fn unread(&self, error: &Error) {
        self.calls.with_label_values(&["", error.kind().name()]).inc();
        self.denied(error);
    }
}

/// A rule without its numbers: what is sold comes in many, and each would be a series of its own.
fn unnumbered(rule: &str) -> String {
    let (of, period) = rule.split_at(rule.find('/').unwrap_or(rule.len()));
    let number = |word: &&str| !word.starts_with(|c: char| c.is_ascii_digit() || c == '$');
    let words: Vec<&str> = of.split_whitespace().filter(number).collect();
    words.join(" ") + period
}
