//! `general_settings`, and what other parts say of a Redis.

use super::super::reference::Reference;
use super::super::tree::{Node, Table, Value};
use super::source::Source;
use super::{Grade, Work};

pub(super) fn convert(source: &mut Source<'_>, work: &mut Work<'_>) {
    if let Some(node) = source.take("master_key") {
        master(node, source, work);
    }
    if let Some(node) = source.take("database_url") {
        let path = source.path("database_url");
        let node = work.secret(node, &path, "DATABASE_URL");
        work.set("store", "url", node);
        let said = "store.url; accounts begin anew there, beside LiteLLM's tables";
        work.find(path, Grade::Approximate, said);
    }
    if let Some(node) = source.take("global_max_parallel_requests") {
        work.set("server", "calls_max", node.clone());
        work.find(source.path("global_max_parallel_requests"), Grade::Exact, "server.calls_max");
    }
    if let Some(node) = source.take("max_parallel_requests") {
        let mut rules = Table::default();
        rules.set("in_flight", node.clone());
        work.set("limits", "key", Node::new(Value::Table(rules), node.span));
        work.find(source.path("max_parallel_requests"), Grade::Exact, "limits.key.in_flight");
    }
    let written = "every call is written as it ends: there is no batch to wait for";
    for name in ["proxy_batch_write_at", "proxy_budget_rescheduler_min_time"] {
        source.note(name, work, Grade::Exact, written);
    }
    let models = "models stand in the configuration alone";
    source.note("store_model_in_db", work, Grade::Unsupported, models);
    if let Some(node) = source.take("maximum_spend_logs_retention_period") {
        work.set("privacy", "requests", node.clone());
        let path = source.path("maximum_spend_logs_retention_period");
        work.find(path, Grade::Exact, "privacy.requests");
    }
    source.note("alerting", work, Grade::Unsupported, "alerts are made of the metrics");
    source.note("alerting_threshold", work, Grade::Unsupported, "alerts are made of the metrics");
    let tokens = "say in auth.jwt whose tokens are believed, and for whom";
    source.note("enable_jwt_auth", work, Grade::Manual, tokens);
    let passed = "write each as passthrough.NAME: where it goes, and what of it may be asked";
    source.note("pass_through_endpoints", work, Grade::Manual, passed);
}

fn master(node: &Node, source: &Source<'_>, work: &mut Work<'_>) {
    let path = source.path("master_key");
    let key = work.secret(node, &path, "LITELLM_MASTER_KEY");
    work.set("server", "admin_key", key.clone());
    let mut table = Table::default();
    table.set("name", Node::text("master", key.span));
    let span = key.span;
    table.set("key", key);
    match work.budget.take() {
        Some(limit) => {
            let at = limit.span;
            table.set("limits", Node::new(Value::List(vec![limit]), at));
        }
        None => table.set("unlimited", Node::new(Value::Flag(true), span)),
    }
    let keys = vec![Node::new(Value::Table(table), span)];
    work.out.set("keys", Node::new(Value::List(keys), span));
    let said = "server.admin_key, and a key of its own that calls models and is counted";
    work.find(path, Grade::Exact, said);
}

/// Without a master key LiteLLM lets everyone in, which nobody does here.
pub(super) fn without_master(root: &Table, work: &mut Work<'_>) {
    let settings = root.get("general_settings").and_then(Node::table);
    if settings.and_then(|t| t.get("master_key")).is_none() {
        let said = "without it LiteLLM lets everyone in; here the first start makes keys";
        work.find("general_settings.master_key", Grade::Manual, said);
        if work.budget.take().is_some() {
            let said = "there is no master key that it could limit: limit a key or a plan";
            work.find("litellm_settings.max_budget", Grade::Manual, said);
        }
    }
}

/// A Redis in parts: host, port, password.
pub(super) fn redis(source: &mut Source<'_>, names: [&str; 3], work: &mut Work<'_>) {
    let parts = names.map(|name| source.take(name).map(|node| work.seen(node).clone()));
    let [Some(host), port, password] = &parts else { return };
    let path = source.path(names[0]);
    let refers = |node: &Node| node.as_text().and_then(Reference::parse).is_some();
    let said = |node: &Node, usual: &str| {
        node.as_text().and_then(Reference::parse) == Some(Reference::Variable(usual, None))
    };
    if parts.iter().flatten().all(|node| !refers(node)) {
        let word = |node: &Option<Node>| node.as_ref().and_then(Node::word).map(str::to_owned);
        let port = word(port).unwrap_or_else(|| "6379".to_owned());
        let account = word(password).map(|p| format!(":{p}@")).unwrap_or_default();
        let host_word = host.word().unwrap_or_default();
        let url = Node::text(format!("redis://{account}{host_word}:{port}"), host.span);
        let url = if account.is_empty() { url } else { work.secret(&url, &path, "REDIS_URL") };
        work.set("store", "redis", url);
        work.find(path, Grade::Exact, "store.redis");
    } else if said(host, "REDIS_HOST")
        && port.as_ref().is_none_or(|n| said(n, "REDIS_PORT") || n.word() == Some("6379"))
        && password.as_ref().is_none_or(|n| said(n, "REDIS_PASSWORD"))
    {
        let said = "REDIS_HOST, REDIS_PORT and REDIS_PASSWORD are read from the environment";
        work.find(path, Grade::Exact, said);
    } else {
        let said = "put the whole address into REDIS_URL where the proxy starts";
        work.find(path, Grade::Manual, said);
    }
    let others = names.iter().zip(&parts).skip(1).filter(|(_, node)| node.is_some());
    for (name, _) in others {
        work.find(source.path(name), Grade::Exact, "part of the same address");
    }
}
