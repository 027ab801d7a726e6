//! `litellm_settings`.

use super::super::tree::{Node, Table, Value};
use super::source::{Source, seconds, shifted};
use super::{Grade, Work, fallbacks, general, router};

pub(super) fn convert(source: &mut Source<'_>, work: &mut Work<'_>) {
    waits(source, work);
    router::rests(source, work);
    if let Some(node) = source.take("drop_params") {
        if node.flag() == Some(false) {
            let span = node.span;
            fallbacks::for_all("losses", &Node::text("refuse", span), work);
            let said = "losses = \"refuse\" for every model: what cannot be said is an error";
            work.find(source.path("drop_params"), Grade::Approximate, said);
        } else {
            let said = "what a provider does not take is left out, and the answer says so";
            work.find(source.path("drop_params"), Grade::Exact, said);
        }
    }
    fallbacks::read(source, work);
    cache(source, work);
    for name in ["callbacks", "success_callback", "failure_callback", "service_callback"] {
        callbacks(name, source, work);
    }
    budget(source, work);
    let logs = "content of calls is never in the log";
    source.note("turn_off_message_logging", work, Grade::Exact, logs);
    source.note("redact_user_api_key_info", work, Grade::Exact, "keys are never in the log");
    if let Some(node) = source.take("json_logs") {
        if node.flag() == Some(true) {
            work.set("server", "log", Node::text("json", node.span));
        }
        work.find(source.path("json_logs"), Grade::Exact, "server.log");
    }
    source.note("set_verbose", work, Grade::Approximate, "the log's level is set where it starts");
    let modify = "words are changed only where a provider is known to refuse them";
    source.note("modify_params", work, Grade::Approximate, modify);
}

/// Retries and timeouts, which the router's settings have as well.
pub(super) fn waits(source: &mut Source<'_>, work: &mut Work<'_>) {
    if let Some(node) = source.take("num_retries") {
        if let Some(providers) = work.out.within("providers", node.span) {
            for provider in providers.tables_mut() {
                if provider.get("retries").is_none() {
                    provider.set("retries", node.clone());
                }
            }
        }
        let said =
            "retries of every provider; a call has attempts = 4 in all unless its model says";
        work.find(source.path("num_retries"), Grade::Approximate, said);
    }
    for name in ["request_timeout", "timeout"] {
        let Some(node) = source.take(name) else { continue };
        match seconds(node) {
            Some(text) => {
                fallbacks::for_all("timeout", &Node::text(text, node.span), work);
                work.find(source.path(name), Grade::Exact, "timeout of every model");
            }
            None => work.find(source.path(name), Grade::Unsupported, "no length of time"),
        }
    }
}

fn callbacks(name: &str, source: &mut Source<'_>, work: &mut Work<'_>) {
    let Some(node) = source.take(name) else { return };
    let whole = source.path(name);
    let (list, one) = match node.list() {
        Some(list) => (list, false),
        // A word alone is a list of one.
        None => (std::slice::from_ref(node), true),
    };
    for (n, node) in list.iter().enumerate() {
        let path = if one { whole.clone() } else { format!("{whole}.{n}") };
        match node.word().unwrap_or_default() {
            "prometheus" | "prometheus_system" => {
                work.find(path, Grade::Exact, "GET /metrics, always");
            }
            "otel" | "sentry" => {
                let said = "set OTEL_EXPORTER_OTLP_ENDPOINT or SENTRY_DSN where the proxy starts";
                work.find(path, Grade::Manual, said);
            }
            other => {
                let said = format!("calls are not sent to {other:?}; the call log has them");
                work.find(path, Grade::Unsupported, said);
            }
        }
    }
}

fn cache(source: &mut Source<'_>, work: &mut Work<'_>) {
    let on = source.take("cache").map(|node| node.flag() == Some(true));
    let empty = Table::default();
    let path = source.path("cache_params");
    let params = source.take("cache_params").and_then(Node::table).unwrap_or(&empty);
    let mut params = Source::new(params, path);
    let kind = params.take("type").and_then(Node::word).unwrap_or("local");
    let here = matches!(kind, "local" | "redis");
    if params.has("type") {
        let grade = if here { Grade::Exact } else { Grade::Unsupported };
        let said = if here { "where answers are kept" } else { "answers are not kept there" };
        work.find(params.path("type"), grade, said);
    }
    let mut cache = Table::default();
    if let Some(node) = params.take("ttl") {
        match seconds(node) {
            Some(text) => {
                cache.set("ttl", Node::text(text, node.span));
                work.find(params.path("ttl"), Grade::Exact, "cache.ttl of every model");
            }
            None => work.find(params.path("ttl"), Grade::Unsupported, "no length of time"),
        }
    }
    if kind == "redis" {
        general::redis(&mut params, ["host", "port", "password"], work);
    }
    let asks = params.take("mode").and_then(Node::word) == Some("default_off");
    if asks {
        let said = "off for every model: a caller cannot turn on what is off here";
        work.find(params.path("mode"), Grade::Approximate, said);
    }
    let calls = "answers of every kind of call are kept";
    params.note("supported_call_types", work, Grade::Approximate, calls);
    let space = "recordings are apart by tenant, model and question already";
    params.note("namespace", work, Grade::Approximate, space);
    params.rest(work, "the cache has no such setting here");
    if on != Some(true) {
        if on.is_some() {
            work.find(source.path("cache"), Grade::Exact, "off");
        }
        return;
    }
    if here && !asks {
        // LiteLLM answers anyone from anyone's recording.
        let span = work.groups.first().map(|g| g.span).unwrap_or_default();
        cache.set("scope", Node::text("global", span));
        fallbacks::for_all("cache", &Node::new(Value::Table(cache), span), work);
    }
    let said =
        "cache of every model, scope = \"global\" as with LiteLLM; \"key\" keeps callers apart";
    work.find(source.path("cache"), Grade::Exact, said);
}

fn budget(source: &mut Source<'_>, work: &mut Work<'_>) {
    let length = source.take("budget_duration").and_then(Node::word).map(str::to_owned);
    let Some(node) = source.take("max_budget") else {
        if length.is_some() {
            work.find(source.path("budget_duration"), Grade::Exact, "of no budget");
        }
        return;
    };
    // A budget that never begins anew is one of a hundred years.
    let period = length.clone().unwrap_or_else(|| "100y".to_owned());
    let amount = node.word().and_then(|word| shifted(word, 0));
    let limit = amount.map(|amount| format!("${amount}/{period}"));
    match limit.filter(|text| text.parse::<llm_core::quota::Limit>().is_ok()) {
        Some(text) => {
            work.budget = Some(Node::text(text.clone(), node.span));
            let said = format!("{text} for the master key; other keys have budgets of their own");
            work.find(source.path("max_budget"), Grade::Approximate, said);
            if length.is_some() {
                work.find(source.path("budget_duration"), Grade::Exact, "of that budget");
            }
        }
        None => work.find(source.path("max_budget"), Grade::Unsupported, "no amount in a time"),
    }
}
