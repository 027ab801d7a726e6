//! A configuration file as it was written: values, and where each of them stands.
//!
//! TOML and YAML become the same tree, so that everything behind it knows one shape. Numbers keep
//! their digits: an amount of money never passes through a float. Deliberately absent: what any of
//! it means.

mod find;
mod toml;
mod write;
mod yaml;

use super::problem::Problem;

pub(crate) use find::find;
pub(crate) use write::{toml, yaml};

/// Bytes of a file, its end not included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// The first.
    pub(crate) start: usize,
    /// The one after the last.
    pub(crate) end: usize,
}

/// A value, and where it stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    /// The value.
    pub(crate) value: Value,
    /// Where it stands.
    pub(crate) span: Span,
}

/// What a value is.
#[derive(Clone, Debug, Default)]
pub(crate) enum Value {
    /// Nothing: a YAML key with nothing behind it. Counts as if it were not there.
    #[default]
    Null,
    /// Yes or no.
    Flag(bool),
    /// A number as it was written.
    Number(String),
    /// A text.
    Text(String),
    /// Values in their order.
    List(Vec<Node>),
    /// Names with their values.
    Table(Table),
}

/// Names with their values, in the order of the file; no name twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table(Vec<Entry>);

/// A name and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The name.
    pub(crate) name: String,
    /// Where the name stands.
    pub(crate) at: Span,
    /// The value.
    pub(crate) node: Node,
}

/// In which language a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
}

impl Language {
    /// By the end of a file's name: YAML if it says so, else TOML.
    pub(crate) fn of(path: &std::path::Path) -> Self {
        let end = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if end.eq_ignore_ascii_case("yaml") || end.eq_ignore_ascii_case("yml") {
            Self::Yaml
        } else {
            Self::Toml
        }
    }
}

/// Reads a text. What cannot be read is a problem, and the rest is read nevertheless, as far as the
/// language lets one.
pub(crate) fn parse(text: &str, language: Language, problems: &mut Vec<Problem>) -> Node {
    match language {
        Language::Toml => toml::read(text, problems),
        Language::Yaml => yaml::read(text, problems),
    }
}

impl Node {
    /// A value that stands where another one did that it was made of.
    pub(crate) fn new(value: Value, span: Span) -> Self {
        Self { value, span }
    }

    /// A text that stands there.
    pub(crate) fn text(text: impl Into<String>, span: Span) -> Self {
        Self::new(Value::Text(text.into()), span)
    }

    /// The table that it is.
    pub(crate) fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            Value::Null | Value::Flag(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                None
            }
        }
    }

    /// The values that it lists.
    pub(crate) fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(list) => Some(list),
            Value::Null | Value::Flag(_) | Value::Number(_) | Value::Text(_) | Value::Table(_) => {
                None
            }
        }
    }

    /// The words of a text or the digits of a number.
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Number(text) => Some(text),
            Value::Null | Value::Flag(_) | Value::List(_) | Value::Table(_) => None,
        }
    }

    /// The text that it is.
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// Yes or no, if it is that.
    pub(crate) fn flag(&self) -> Option<bool> {
        if let Value::Flag(flag) = &self.value { Some(*flag) } else { None }
    }

    /// Whether nothing was said.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// What it is, for sentences.
    pub(crate) fn what(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Flag(_) => "yes or no",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

impl Table {
    /// The entry of a name.
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.0.iter().find(|e| e.name == name)
    }

    /// The value of a name, unless it is nothing.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|e| &e.node).filter(|n| !n.is_null())
    }

    /// All entries.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an entry; hands it back when the name is there already.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<(), Entry> {
        if self.entry(&entry.name).is_some() {
            return Err(entry);
        }
        self.0.push(entry);
        Ok(())
    }

    /// Puts a value under a name, instead of what stood there.
    pub(crate) fn set(&mut self, name: &str, node: Node) {
        match self.0.iter_mut().find(|e| e.name == name) {
            Some(entry) => entry.node = node,
            None => self.0.push(Entry { name: name.to_owned(), at: node.span, node }),
        }
    }

    /// The table under a name, made if there is none.
    pub(crate) fn within(&mut self, name: &str, span: Span) -> Option<&mut Self> {
        if self.entry(name).is_none() {
            self.set(name, Node::new(Value::Table(Self::default()), span));
        }
        let entry = self.0.iter_mut().find(|e| e.name == name)?;
        if let Value::Table(table) = &mut entry.node.value { Some(table) } else { None }
    }
}
