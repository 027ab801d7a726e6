//! What can be served and may not be what was meant.

use llm_core::principal::Scope;
use llm_core::quota::Quantity;

use super::Config;
use super::nearest::hint;
use super::problem::Problem;
use super::tree::{Node, find};

/// Looks at a whole configuration; the tree says where things stand.
pub(crate) fn lint(config: &Config, tree: &Node) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut doubt = |place: String, text: String| {
        let span = find(tree, &place);
        found.push(Problem::doubtful(place, span, text));
    };
    for (name, model) in &config.models {
        if model.tiers.iter().flatten().count() == 1 {
            let text = "only one target answers to this: when it fails, so do all calls";
            doubt(format!("models.{name}.tiers"), text.to_owned());
        }
    }
    let mut scope = |place: String, scope: &Scope| {
        for (n, pattern) in scope.models.iter().enumerate() {
            if !leads_somewhere(config, pattern) {
                let hint = hint(pattern, config.models.keys().map(|n| &**n));
                doubt(
                    format!("{place}.models.{n}"),
                    format!("no model is called {pattern:?}{hint}"),
                );
            }
        }
    };
    for (name, plan) in &config.plans {
        scope(format!("plans.{name}"), &plan.models);
    }
    for (n, key) in config.keys.iter().enumerate() {
        scope(format!("keys.{n}"), &key.models);
    }
    if config.credits.models.iter().next().is_none() {
        let plans = config.plans.iter().map(|(name, p)| (format!("plans.{name}"), &p.limits));
        let keys = config.keys.iter().enumerate();
        let keys = keys.map(|(n, key)| (format!("keys.{n}"), &key.limits));
        for (place, limits) in plans.chain(keys) {
            if limits.iter().any(|l| matches!(l.quantity, Quantity::Credits(_))) {
                let place = format!("{place}.limits");
                let text = "no model has a price in credits, and so this calls none: name prices \
                            under [credits.models]";
                found.push(Problem::doubtful(place.clone(), find(tree, &place), text));
            }
        }
    }
    found
}

/// Whether a pattern of a scope allows anything that there is.
fn leads_somewhere(config: &Config, pattern: &str) -> bool {
    let own = Scope { models: vec![pattern.into()] };
    let direct =
        |name: &str| name.split_once('/').is_some_and(|(p, _)| config.providers.contains_key(p));
    pattern == "*" || direct(pattern) || config.models.keys().any(|name| own.allows(name))
}
