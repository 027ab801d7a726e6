//! Groups with what they fall back to, as models with tiers.

use super::super::tree::{Node, Span, Table, Value};
use super::deployments::Group;
use super::source::Source;
use super::{Grade, Work};

/// Reads `fallbacks` and its siblings, which may stand in two parts of the file.
pub(super) fn read(source: &mut Source<'_>, work: &mut Work<'_>) {
    let lists = [
        ("fallbacks", Grade::Exact, "tiers behind those of the model"),
        (
            "context_window_fallbacks",
            Grade::Approximate,
            "tiers behind the others; a target whose window is too small is passed over",
        ),
        (
            "content_policy_fallbacks",
            Grade::Approximate,
            "tiers behind the others, asked also when a filter stepped in",
        ),
    ];
    for (name, grade, said) in lists {
        let Some(node) = source.take(name) else { continue };
        work.find(source.path(name), grade, said);
        for (n, entry) in node.list().unwrap_or_default().iter().enumerate() {
            for entry in entry.table().map(Table::entries).unwrap_or_default() {
                let path = format!("{}.{n}.{}", source.path(name), entry.name);
                let then: Vec<_> = words(&entry.node);
                add(&entry.name, &then, &path, name == "content_policy_fallbacks", work);
            }
        }
    }
    if let Some(node) = source.take("default_fallbacks") {
        let said = "tiers behind those of every model that has no fallbacks of its own";
        work.find(source.path("default_fallbacks"), Grade::Exact, said);
        let then = words(node);
        for group in work.groups.iter_mut().filter(|g| g.then.is_empty()) {
            group.then.extend(then.iter().filter(|t| **t != group.name).cloned());
        }
    }
}

fn words(node: &Node) -> Vec<String> {
    let list = node.list().unwrap_or(std::slice::from_ref(node));
    list.iter().filter_map(Node::as_text).map(str::to_owned).collect()
}

fn add(name: &str, then: &[String], path: &str, filtered: bool, work: &mut Work<'_>) {
    let known = |t: &String| work.groups.iter().any(|g| g.name == *t) || is_direct(t, work);
    let (found, lost): (Vec<_>, Vec<_>) = then.iter().cloned().partition(known);
    for name in lost {
        let said = format!("there is no model {name:?} to fall back to");
        work.find(path, Grade::Unsupported, said);
    }
    let Some(group) = work.groups.iter_mut().find(|g| g.name == name) else {
        work.find(path, Grade::Unsupported, format!("there is no model {name:?}"));
        return;
    };
    group.then.extend(found);
    if filtered {
        group.policy.set("refiltered", Node::new(Value::Flag(true), group.span));
    }
}

/// Whether a name leads to a provider by itself.
fn is_direct(name: &str, work: &Work<'_>) -> bool {
    let providers = work.out.get("providers").and_then(Node::table);
    name.split_once('/')
        .is_some_and(|(p, m)| !m.is_empty() && providers.is_some_and(|all| all.entry(p).is_some()))
}

/// Another name for a group.
pub(super) fn alias(name: &str, of: &str, span: Span, work: &mut Work<'_>) -> bool {
    let Some(group) = work.groups.iter().find(|g| g.name == of) else { return false };
    let copy = |c: &super::deployments::Choice| super::deployments::Choice {
        target: c.target.clone(),
        ..*c
    };
    let targets = group.targets.iter().map(copy).collect();
    let (then, policy) = (group.then.clone(), group.policy.clone());
    work.groups.push(Group { name: name.to_owned(), span, targets, then, policy });
    true
}

/// Sets a field of every model.
pub(super) fn for_all(field: &str, node: &Node, work: &mut Work<'_>) {
    for group in &mut work.groups {
        group.policy.set(field, node.clone());
    }
}

/// Writes all groups as models.
pub(super) fn write(work: &mut Work<'_>) {
    let written: Vec<_> =
        work.groups.iter().map(|g| (g.name.clone(), g.span, model(g, &work.groups))).collect();
    for (name, span, table) in written {
        work.set("models", &name, Node::new(Value::Table(table), span));
    }
}

fn model(group: &Group, all: &[Group]) -> Table {
    let mut tiers: Vec<Node> = own_tiers(group);
    for name in &group.then {
        match all.iter().find(|g| g.name == *name) {
            Some(other) => tiers.extend(own_tiers(other)),
            None => {
                let direct = Node::text(name.clone(), group.span);
                tiers.push(Node::new(Value::List(vec![direct]), group.span));
            }
        }
    }
    let mut table = Table::default();
    table.set("tiers", Node::new(Value::List(once(tiers)), group.span));
    for entry in group.policy.entries() {
        table.set(&entry.name, entry.node.clone());
    }
    table
}

/// A target that has been asked in vain is not asked again further down.
fn once(tiers: Vec<Node>) -> Vec<Node> {
    let mut seen: Vec<String> = Vec::new();
    let mut kept = Vec::new();
    for tier in tiers {
        let Value::List(choices) = tier.value else { continue };
        let mut fresh = Vec::new();
        for choice in choices {
            let target = match choice.table().and_then(|t| t.get("target")) {
                Some(inner) => inner.word(),
                None => choice.word(),
            };
            let target = target.unwrap_or_default().to_owned();
            if !seen.contains(&target) {
                seen.push(target);
                fresh.push(choice);
            }
        }
        if !fresh.is_empty() {
            kept.push(Node::new(Value::List(fresh), tier.span));
        }
    }
    kept
}

/// Tiers by their order, the deployments without one last.
fn own_tiers(group: &Group) -> Vec<Node> {
    let mut orders: Vec<_> = group.targets.iter().map(|c| c.order).collect();
    orders.sort_unstable();
    orders.dedup();
    let tier = |order: &u32| {
        let own = group.targets.iter().filter(|c| c.order == *order);
        let unit = own.clone().fold(0, |unit, c| divisor(unit, c.weight)).max(1);
        let choices = own.map(|choice| {
            let target = Node::text(choice.target.clone(), choice.span);
            let weight = choice.weight / unit;
            if weight == 1 {
                return target;
            }
            let mut table = Table::default();
            table.set("target", target);
            let weight = Value::Number(weight.to_string());
            table.set("weight", Node::new(weight, choice.span));
            Node::new(Value::Table(table), choice.span)
        });
        Node::new(Value::List(choices.collect()), group.span)
    };
    orders.iter().map(tier).collect()
}

/// The largest number that divides both; what divides nothing is the other.
fn divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { divisor(b, a % b) }
}
