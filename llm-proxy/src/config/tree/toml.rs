//! TOML into a tree.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::problem::Problem;
use super::{Entry, Node, Span, Table, Value};

/// Reads a text; what is broken is said, and what is around it is read.
pub(super) fn read(text: &str, problems: &mut Vec<Problem>) -> Node {
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().map(|s| Span { start: s.start, end: s.end });
        let mut said = error.message().lines().next().unwrap_or_default().to_owned();
        if said.is_empty() {
            "this is no TOML".clone_into(&mut said);
        }
        problems.push(Problem::bad("", span, said));
    }
    let span = Span { start: 0, end: text.len() };
    // After an error the parser's tables end where the error was; a half-read table is not judged
    // by what it lacks.
    Node::new(Value::Table(table(root.into_inner())), span)
}

fn table(from: DeTable<'_>) -> Table {
    let mut entries: Vec<_> = from
        .into_iter()
        .map(|(key, value)| {
            let at = Span { start: key.span().start, end: key.span().end };
            Entry { name: key.into_inner().into_owned(), at, node: node(value) }
        })
        .collect();
    // The parser sorts by name; people read from top to bottom.
    entries.sort_by_key(|e| e.at.start);
    Table(entries)
}

fn node(from: Spanned<DeValue<'_>>) -> Node {
    let span = Span { start: from.span().start, end: from.span().end };
    let value = match from.into_inner() {
        DeValue::Boolean(flag) => Value::Flag(flag),
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => Value::Number(number.to_string()),
        DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
        DeValue::Datetime(date) => Value::Text(date.to_string()),
        DeValue::Array(list) => Value::List(list.into_iter().map(node).collect()),
        DeValue::Table(inner) => Value::Table(table(inner)),
    };
    Node::new(value, span)
}
