//! From the name of a place to where it stands.

use super::{Node, Span, Value};

/// Where a place stands, or the nearest place around it that stands anywhere: `models.gpt-4.1.tiers`
/// finds the table `"gpt-4.1"` although its name has a dot.
pub(crate) fn find(root: &Node, place: &str) -> Option<Span> {
    let mut found = None;
    let (mut node, mut rest) = (root, place);
    while !rest.is_empty() {
        let Some((inner, at, further)) = step(node, rest) else { break };
        (node, rest, found) = (inner, further, Some(at));
    }
    found
}

fn step<'t, 'p>(node: &'t Node, place: &'p str) -> Option<(&'t Node, Span, &'p str)> {
    let after = |name: &str| match place.strip_prefix(name)? {
        "" => Some(""),
        rest => rest.strip_prefix('.'),
    };
    match &node.value {
        Value::Table(table) => {
            let fits = table.entries().iter().filter_map(|e| Some((e, after(&e.name)?)));
            let (entry, rest) = fits.max_by_key(|(e, _)| e.name.len())?;
            // A name is shorter than what stands behind it, unless that is a word itself.
            let small = entry.node.word().is_some() || entry.node.flag().is_some();
            let at = if small && rest.is_empty() { entry.node.span } else { entry.at };
            Some((&entry.node, at, rest))
        }
        Value::List(list) => {
            let (number, rest) = place.split_once('.').unwrap_or((place, ""));
            let inner = list.get(number.parse::<usize>().ok()?)?;
            Some((inner, inner.span, rest))
        }
        Value::Null | Value::Flag(_) | Value::Number(_) | Value::Text(_) => None,
    }
}
