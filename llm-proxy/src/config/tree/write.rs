//! A tree as TOML or YAML, for people who go on writing there.

use std::fmt::Write as _;

use super::{Node, Table, Value};

/// The tree as TOML: what fits on a line first, then tables under their full names.
pub(crate) fn toml(root: &Node) -> String {
    let mut out = String::new();
    if let Some(table) = root.table() {
        toml_table(&mut out, "", table);
    }
    out
}

fn toml_table(out: &mut String, path: &str, table: &Table) {
    let (tables, lines): (Vec<_>, Vec<_>) =
        table.entries().iter().partition(|e| is_section(path, &e.node));
    if !path.is_empty() && (!lines.is_empty() || tables.is_empty()) {
        let gap = if out.is_empty() { "" } else { "\n" };
        let _ = writeln!(out, "{gap}[{path}]");
    }
    for entry in lines.iter().filter(|e| !e.node.is_null()) {
        let _ = writeln!(out, "{} = {}", toml_name(&entry.name), inline(&entry.node));
    }
    for entry in tables {
        let name = toml_name(&entry.name);
        let path = if path.is_empty() { name } else { format!("{path}.{name}") };
        match &entry.node.value {
            Value::List(list) => {
                for table in list.iter().filter_map(Node::table) {
                    let gap = if out.is_empty() { "" } else { "\n" };
                    let _ = writeln!(out, "{gap}[[{path}]]");
                    for entry in table.entries().iter().filter(|e| !e.node.is_null()) {
                        let value = inline(&entry.node);
                        let _ = writeln!(out, "{} = {value}", toml_name(&entry.name));
                    }
                }
            }
            Value::Table(inner) => toml_table(out, &path, inner),
            Value::Null | Value::Flag(_) | Value::Number(_) | Value::Text(_) => {}
        }
    }
}

/// Whether a value gets a heading: tables of the first two levels, and lists of tables.
fn is_section(path: &str, node: &Node) -> bool {
    match &node.value {
        Value::Table(_) => path.is_empty() || !path.contains('.'),
        Value::List(list) => {
            path.is_empty() && !list.is_empty() && list.iter().all(|n| n.table().is_some())
        }
        Value::Null | Value::Flag(_) | Value::Number(_) | Value::Text(_) => false,
    }
}

fn inline(node: &Node) -> String {
    match &node.value {
        Value::Null => "\"\"".to_owned(),
        Value::Flag(flag) => flag.to_string(),
        Value::Number(number) => number.clone(),
        Value::Text(text) => quoted(text),
        Value::List(list) => {
            let items: Vec<_> = list.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(table) => {
            let entries = table.entries().iter().filter(|e| !e.node.is_null());
            let pair = |e: &super::Entry| format!("{} = {}", toml_name(&e.name), inline(&e.node));
            let items: Vec<_> = entries.map(pair).collect();
            format!("{{ {} }}", items.join(", "))
        }
    }
}

fn toml_name(name: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !name.is_empty() && name.bytes().all(bare) { name.to_owned() } else { quoted(name) }
}

/// A text in double quotes, which both languages read alike.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The tree as YAML.
pub(crate) fn yaml(root: &Node) -> String {
    let mut out = String::new();
    yaml_node(&mut out, root, 0);
    out
}

fn yaml_node(out: &mut String, node: &Node, depth: usize) {
    let indent = "  ".repeat(depth);
    match &node.value {
        Value::Table(table) if !table.is_empty() => {
            for entry in table.entries() {
                let _ = write!(out, "{indent}{}:", quoted(&entry.name));
                yaml_value(out, &entry.node, depth);
            }
        }
        Value::List(list) if !list.is_empty() => {
            for item in list {
                let _ = write!(out, "{indent}-");
                yaml_value(out, item, depth);
            }
        }
        Value::Table(_) => out.push_str("{}\n"),
        Value::List(_) => out.push_str("[]\n"),
        Value::Null => out.push_str("~\n"),
        Value::Flag(flag) => drop(writeln!(out, "{flag}")),
        Value::Number(number) => drop(writeln!(out, "{number}")),
        Value::Text(text) => drop(writeln!(out, "{}", quoted(text))),
    }
}

fn yaml_value(out: &mut String, node: &Node, depth: usize) {
    let nested = match &node.value {
        Value::Table(table) => !table.is_empty(),
        Value::List(list) => !list.is_empty(),
        Value::Null | Value::Flag(_) | Value::Number(_) | Value::Text(_) => false,
    };
    out.push(if nested { '\n' } else { ' ' });
    yaml_node(out, node, depth + 1);
}
