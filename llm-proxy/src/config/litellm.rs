//! LiteLLM's `config.yaml`, turned into a tree of ours, with a finding for every field.
//!
//! What comes out stands where it was made of, so that whatever our own reading finds wrong is
//! shown in the file that was written. Secrets stay references; one that stands in the file itself
//! is kept for a run and replaced in a file that is written ([`Secrets`]). Deliberately absent: a
//! promise. A finding says of each field whether it means the same here.

mod credentials;
mod deployments;
mod fallbacks;
mod general;
mod kinds;
mod library;
mod router;
mod source;

use std::fmt;

use llm_core::secret::Secret;

use super::reference::Reference;
use super::tree::{Node, Span, Table, Value};

use deployments::Group;
use source::Source;

/// What became of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Its path in LiteLLM's file.
    pub(crate) path: String,
    /// How well it could be said.
    pub(crate) grade: Grade,
    /// What it became, and what is different.
    pub(crate) text: String,
}

/// How well a field of LiteLLM's could be said here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grade {
    /// It means the same.
    Exact,
    /// It means nearly the same.
    Approximate,
    /// Somebody must do something.
    Manual,
    /// There is no such thing.
    Unsupported,
}

impl Grade {
    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Approximate => "approximate",
            Self::Manual => "manual",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<12} {}: {}", self.grade.name(), self.path, self.text)
    }
}

/// What becomes of a secret that stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secrets {
    /// It is used.
    Keep,
    /// A variable takes its place.
    Replace,
}

/// A file of ours, made of one of LiteLLM's.
#[derive(Debug)]
pub(crate) struct Converted {
    /// The tree.
    pub(crate) tree: Node,
    /// What became of each field, in the order of the file.
    pub(crate) findings: Vec<Finding>,
    /// What is nobody's to see.
    pub(crate) hidden: Vec<Span>,
}

/// The parts of LiteLLM's file.
const PARTS: [&str; 6] = [
    "model_list",
    "litellm_settings",
    "router_settings",
    "general_settings",
    "environment_variables",
    "credential_list",
];

/// Whether a file is LiteLLM's: none of its parts is one of ours.
pub(crate) fn is_litellm(root: &Node) -> bool {
    root.table().is_some_and(|table| PARTS.iter().any(|part| table.entry(part).is_some()))
}

/// Turns a file of LiteLLM's into one of ours.
pub(crate) fn convert(root: &Node, secrets: Secrets) -> Converted {
    let empty = Table::default();
    let table = root.table().unwrap_or(&empty);
    let variables = table.get("environment_variables").and_then(Node::table).unwrap_or(&empty);
    let mut work = Work {
        out: Table::default(),
        findings: Vec::new(),
        hidden: Vec::new(),
        variables,
        secrets,
        groups: Vec::new(),
        budget: None,
        replaced: Vec::new(),
    };
    work.hide(root);
    for part in ["server", "store", "providers", "models", "prices", "keys", "limits"] {
        let value =
            if part == "keys" { Value::List(Vec::new()) } else { Value::Table(empty.clone()) };
        work.out.set(part, Node::new(value, Span::default()));
    }
    let mut source = Source::new(table, "");
    if let Some(list) = source.take("model_list") {
        let credentials = source.take("credential_list");
        let list = credentials::spread(list, credentials, &mut work);
        deployments::convert(&list, &mut work);
    }
    // LiteLLM shuffles by weight unless it is told otherwise.
    fallbacks::for_all("balance", &Node::text("weighted", Span::default()), &mut work);
    // All three may say what a group falls back to, and only then are groups written.
    let parts = [
        ("litellm_settings", library::convert as fn(&mut Source<'_>, &mut Work<'_>)),
        ("router_settings", router::convert),
        ("general_settings", general::convert),
    ];
    for (name, convert) in parts {
        let Some(node) = source.take(name) else { continue };
        let Some(inner) = node.table() else { continue };
        let mut part = Source::new(inner, name);
        convert(&mut part, &mut work);
        part.rest(&mut work, "there is no such setting here");
    }
    general::without_master(table, &mut work);
    if let Some(node) = source.take("environment_variables") {
        environment(node, &mut work);
    }
    source.rest(&mut work, "there is no such part here");
    fallbacks::write(&mut work);
    work.out.drop_empty();
    let tree = Node::new(Value::Table(work.out), root.span);
    Converted { tree, findings: work.findings, hidden: work.hidden }
}

fn environment(node: &Node, work: &mut Work<'_>) {
    for entry in node.table().map(Table::entries).unwrap_or_default() {
        let path = format!("environment_variables.{}", entry.name);
        match work.secrets {
            Secrets::Keep => {
                work.find(path, Grade::Exact, "holds wherever this file refers to it");
            }
            Secrets::Replace => {
                let said = "a file of ours sets no variables: set it where the proxy is started";
                work.find(path, Grade::Manual, said);
            }
        }
    }
}

/// What a conversion has made so far.
struct Work<'t> {
    out: Table,
    findings: Vec<Finding>,
    hidden: Vec<Span>,
    variables: &'t Table,
    secrets: Secrets,
    groups: Vec<Group>,
    /// The budget of the master key, from another part of the file.
    budget: Option<Node>,
    /// Secrets that variables took the places of, by the variables.
    replaced: Vec<(String, Secret<String>)>,
}

impl Work<'_> {
    fn find(&mut self, path: impl Into<String>, grade: Grade, text: impl Into<String>) {
        self.findings.push(Finding { path: path.into(), grade, text: text.into() });
    }

    /// Sets a field of ours: `server.listen`, of tables that exist by now.
    fn set(&mut self, part: &str, name: &str, node: Node) {
        if let Some(table) = self.out.within(part, node.span) {
            table.set(name, node);
        }
    }

    /// A value in which variables that the file sets itself are replaced by what it sets.
    fn seen<'n>(&'n self, node: &'n Node) -> &'n Node {
        match node.as_text().and_then(Reference::parse) {
            Some(Reference::Variable(name, _)) => self.variables.get(name).unwrap_or(node),
            Some(Reference::File(_)) | None => node,
        }
    }

    /// A secret as a file of ours has it: a reference stays, a literal by what was asked for.
    fn secret(&mut self, node: &Node, path: &str, variable: &str) -> Node {
        let seen = self.seen(node).clone();
        let word = seen.word().unwrap_or_default().to_owned();
        if Reference::parse(&word).is_some() || self.secrets == Secrets::Keep {
            return Node::text(word, seen.span);
        }
        let refers = node.as_text().and_then(Reference::parse);
        let own = match refers {
            Some(Reference::Variable(name, _)) => name.to_owned(),
            Some(Reference::File(_)) | None => variable.to_owned(),
        };
        let own = self.apart(own, word);
        let said = format!("a secret stands in the file: put it into {own} where the proxy starts");
        self.find(path, Grade::Manual, said);
        Node::text(format!("env:{own}"), seen.span)
    }

    /// A variable of its own for each secret: two accounts have two keys.
    fn apart(&mut self, wanted: String, secret: String) -> String {
        if let Some((name, _)) = self.replaced.iter().find(|(_, s)| *s.expose() == secret) {
            return name.clone();
        }
        let taken = |name: &str| self.replaced.iter().any(|(n, _)| n == name);
        let mut name = wanted.clone();
        let mut n = 1;
        while taken(&name) {
            n += 1;
            name = format!("{wanted}_{n}");
        }
        self.replaced.push((name.clone(), Secret::new(secret)));
        name
    }

    /// Remembers where secrets stand, so that no excerpt shows them.
    fn hide(&mut self, node: &Node) {
        let words = ["key", "password", "secret", "token", "url", "dsn"];
        for entry in node.table().map(Table::entries).unwrap_or_default() {
            let name = entry.name.to_ascii_lowercase();
            let named = words.iter().any(|word| name.contains(word));
            let refers = entry.node.as_text().is_some_and(|t| Reference::parse(t).is_some());
            if named && entry.node.word().is_some() && !refers {
                self.hidden.push(entry.node.span);
            }
            self.hide(&entry.node);
        }
        node.list().unwrap_or_default().iter().for_each(|node| self.hide(node));
    }
}

#[cfg(test)]
mod tests;
