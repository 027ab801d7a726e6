//! What can be served and may not be what was meant.

use llm_core::principal::Scope;

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
    found
}

/// Whether a pattern of a scope allows anything that there is.
fn leads_somewhere(config: &Config, pattern: &str) -> bool {
    let own = Scope { models: vec![pattern.into()] };
    let direct =
        |name: &str| name.split_once('/').is_some_and(|(p, _)| config.providers.contains_key(p));
    pattern == "*" || direct(pattern) || config.models.keys().any(|name| own.allows(name))
}
