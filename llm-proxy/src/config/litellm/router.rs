//! `router_settings`.

use super::super::tree::{Node, Table};
use super::source::Source;
use super::{Grade, Work, fallbacks, general, library};

/// LiteLLM's ways to choose, with ours.
const STRATEGIES: [(&str, &str, Grade); 6] = [
    ("simple-shuffle", "weighted", Grade::Exact),
    ("least-busy", "least-busy", Grade::Exact),
    ("usage-based-routing", "least-busy", Grade::Approximate),
    ("usage-based-routing-v2", "least-busy", Grade::Approximate),
    ("latency-based-routing", "latency", Grade::Approximate),
    ("cost-based-routing", "cheapest", Grade::Exact),
];

pub(super) fn convert(source: &mut Source<'_>, work: &mut Work<'_>) {
    library::waits(source, work);
    if let Some(node) = source.take("model_group_alias") {
        aliases(node, source, work);
    }
    fallbacks::read(source, work);
    strategy(source, work);
    rests(source, work);
    let retries = "what kind of error it is decides whether it is tried again";
    source.note("retry_policy", work, Grade::Approximate, retries);
    let after = "a provider's own word is obeyed, else the pause grows and varies";
    source.note("retry_after", work, Grade::Approximate, after);
    let window = "targets whose windows are too small are always passed over";
    source.note("enable_pre_call_checks", work, Grade::Exact, window);
    let budget = "providers have no budgets here; keys, plans and users do";
    source.note("provider_budget_config", work, Grade::Unsupported, budget);
    let tags = "targets are not chosen by what calls are labelled with";
    source.note("enable_tag_filtering", work, Grade::Unsupported, tags);
    let url = source.take("redis_url").map(|node| work.seen(node).clone());
    if let Some(node) = url {
        let path = source.path("redis_url");
        let node = work.secret(&node, &path, "REDIS_URL");
        work.set("store", "redis", node);
        work.find(path, Grade::Exact, "store.redis");
    }
    general::redis(source, ["redis_host", "redis_port", "redis_password"], work);
}

/// When a target is left alone, which the settings of the library have as well.
pub(super) fn rests(source: &mut Source<'_>, work: &mut Work<'_>) {
    let health =
        "a target that fails is left alone by how often it fails, and asked again by probes";
    for name in ["allowed_fails", "cooldown_time", "allowed_fails_policy", "disable_cooldowns"] {
        source.note(name, work, Grade::Approximate, health);
    }
}

/// LiteLLM shuffles unless it is told otherwise.
fn strategy(source: &mut Source<'_>, work: &mut Work<'_>) {
    let Some(node) = source.take("routing_strategy") else { return };
    let path = source.path("routing_strategy");
    let word = node.word().unwrap_or_default();
    match STRATEGIES.iter().find(|(theirs, _, _)| *theirs == word) {
        Some((_, ours, grade)) => {
            fallbacks::for_all("balance", &Node::text(*ours, node.span), work);
            work.find(path, *grade, format!("balance = {ours:?} of every model"));
        }
        None => work.find(path, Grade::Unsupported, format!("targets are not chosen by {word:?}")),
    }
    let args = "how a strategy measures is not set here";
    source.note("routing_strategy_args", work, Grade::Approximate, args);
}

fn aliases(node: &Node, source: &Source<'_>, work: &mut Work<'_>) {
    for entry in node.table().map(Table::entries).unwrap_or_default() {
        let path = format!("{}.{}", source.path("model_group_alias"), entry.name);
        let inner = entry.node.table().and_then(|t| t.get("model"));
        let of = inner.unwrap_or(&entry.node).word().unwrap_or_default();
        if fallbacks::alias(&entry.name, of, entry.at, work) {
            let hidden = entry.node.table().and_then(|t| t.get("hidden")).is_some();
            let grade = if hidden { Grade::Approximate } else { Grade::Exact };
            let said = if hidden { "a model like it, which is listed" } else { "a model like it" };
            work.find(path, grade, said);
        } else {
            work.find(path, Grade::Unsupported, format!("there is no model {of:?}"));
        }
    }
}
