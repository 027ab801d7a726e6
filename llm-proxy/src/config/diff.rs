//! What is different between two configurations, place by place.
//!
//! Secrets are compared and never shown: of one it is said that it changed.

use std::collections::BTreeMap;
use std::fmt;

use super::show::Shown;
use super::tree::{self, Node, Value};

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Where.
    pub(crate) place: String,
    /// What is said there in the first; `None` when nothing is.
    pub(crate) before: Option<String>,
    /// What is said there in the second.
    pub(crate) after: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, before, after } = self;
        match (before, after) {
            (None, Some(after)) => write!(f, "+ {place} = {after}"),
            (Some(before), None) => write!(f, "- {place} = {before}"),
            (Some(before), Some(after)) if before == after => {
                write!(f, "~ {place}: the secret changed behind {after}")
            }
            (Some(before), Some(after)) => write!(f, "~ {place}: {before} -> {after}"),
            (None, None) => Ok(()),
        }
    }
}

/// What a second configuration changes in a first, in the order of places.
pub(crate) fn diff(first: &Shown, second: &Shown) -> Vec<Change> {
    let (before, after) = (leaves(first), leaves(second));
    let (old, new) = (secrets(first), secrets(second));
    let mut places: Vec<&String> = before.keys().chain(after.keys()).collect();
    places.sort();
    places.dedup();
    let changed = places.into_iter().filter_map(|place| {
        let (before, after) = (before.get(place), after.get(place));
        let same = before == after && old.get(place) == new.get(place);
        (!same).then(|| Change {
            place: place.clone(),
            before: before.cloned(),
            after: after.cloned(),
        })
    });
    changed.collect()
}

/// Words, numbers and lists of them, by place.
fn leaves(shown: &Shown) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk("", &shown.tree, &mut found);
    found
}

fn walk(place: &str, node: &Node, found: &mut BTreeMap<String, String>) {
    let within = |name: &str| {
        let gap = if place.is_empty() { "" } else { "." };
        format!("{place}{gap}{name}")
    };
    match &node.value {
        Value::Table(table) => {
            for entry in table.entries() {
                walk(&within(&entry.name), &entry.node, found);
            }
        }
        Value::List(list) if list.iter().any(|n| name_of(n).is_some()) => {
            for (n, node) in list.iter().enumerate() {
                let number = n.to_string();
                walk(&within(name_of(node).unwrap_or(&number)), node, found);
            }
        }
        Value::List(_) | Value::Null | Value::Flag(_) | Value::Number(_) | Value::Text(_) => {
            found.insert(place.to_owned(), tree::line(node));
        }
    }
}

/// Keys and rules are known by their names: one more in front changes none of the others.
fn name_of(node: &Node) -> Option<&str> {
    node.table().and_then(|t| t.get("name")).and_then(Node::as_text)
}

/// Secrets by the places of their leaves.
fn secrets(shown: &Shown) -> BTreeMap<String, Vec<&str>> {
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let keys = shown.tree.table().and_then(|t| t.get("keys")).and_then(Node::list);
    for (place, hidden) in &shown.secrets {
        let parts: Vec<&str> = place.split('.').collect();
        let place = match parts.as_slice() {
            ["keys", number, rest @ ..] => {
                let node = number.parse().ok().and_then(|n: usize| keys.and_then(|k| k.get(n)));
                let name = node.and_then(name_of).unwrap_or(number);
                format!("keys.{name}.{}", rest.join("."))
            }
            // One of a list, which is one leaf.
            [.., last] if last.bytes().all(|b| b.is_ascii_digit()) => {
                place[..place.len() - last.len() - 1].to_owned()
            }
            _other => place.clone(),
        };
        found.entry(place).or_default().push(hidden.secret.expose());
    }
    found
}
