//! From a tree to values: every field is asked for by name, and whatever is wrong is written down
//! and gone past, so that one reading finds everything.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use llm_core::Str;
use llm_core::quota::Period;
use llm_core::secret::Secret;

use super::nearest::hint;
use super::problem::Problem;
use super::reference::{Hidden, Reference, Surroundings};
use super::tree::{Node, Span, Table, Value};

/// What becomes of a secret that stands in the file itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Literals {
    /// It is refused.
    Refuse,
    /// It is taken, and said.
    Warn,
    /// It is taken: the file says so.
    Allow,
}

/// What a reading has found out so far.
pub(crate) struct Reading<'a> {
    /// What is wrong.
    pub(crate) problems: Vec<Problem>,
    /// What is nobody's to see.
    pub(crate) hidden: Vec<Span>,
    /// What references refer to.
    pub(crate) around: &'a dyn Surroundings,
    /// What becomes of secrets in the file.
    pub(crate) literals: Literals,
}

/// What a value is read by: the value, or what is wrong with it.
pub(crate) type Read<T> = fn(&Node) -> Result<T, String>;

impl<'a> Reading<'a> {
    /// A reading that has found nothing yet.
    pub(crate) fn new(around: &'a dyn Surroundings, literals: Literals) -> Self {
        Self { problems: Vec::new(), hidden: Vec::new(), around, literals }
    }

    /// Writes down what is wrong with a value.
    pub(crate) fn bad(&mut self, at: &At<'_>, text: impl Into<String>) {
        self.problems.push(Problem::bad(&*at.place, Some(at.span()), text));
    }

    /// Writes down what may not be meant.
    pub(crate) fn doubtful(&mut self, at: &At<'_>, text: impl Into<String>) {
        self.problems.push(Problem::doubtful(&*at.place, Some(at.span()), text));
    }

    /// Reads a value.
    pub(crate) fn value<T>(&mut self, at: &At<'_>, read: Read<T>) -> Option<T> {
        read(at.node).map_err(|text| self.bad(at, text)).ok()
    }

    /// A text that may be a reference and is no secret.
    pub(crate) fn open(&mut self, at: &At<'_>) -> Option<String> {
        let text = self.value(at, text)?;
        match Reference::parse(&text) {
            None => Some(text),
            Some(reference) => reference.read(self.around).map_err(|text| self.bad(at, text)).ok(),
        }
    }

    /// A secret, by its reference.
    pub(crate) fn secret(&mut self, at: &At<'_>) -> Option<Hidden> {
        let Value::Text(text) = &at.node.value else {
            // A number is somebody's password, and not to be shown either.
            self.hidden.push(at.span());
            self.bad(at, format!("{} is no secret: write {WAYS}", at.node.what()));
            return None;
        };
        let reference = Reference::parse(text);
        let literal = reference.is_none_or(|r| r.is_literal(self.around));
        if literal {
            self.hidden.push(at.span());
            match self.literals {
                Literals::Allow => {}
                Literals::Warn => {
                    let said = "a secret stands in the file: whoever reads the file has it";
                    self.doubtful(at, said);
                }
                Literals::Refuse => {
                    self.bad(at, format!("a secret does not belong into the file: write {WAYS}"));
                    return None;
                }
            }
        }
        let read = match reference {
            None => Ok(text.clone()),
            Some(reference) => reference.read(self.around),
        };
        let secret = read.map_err(|text| self.bad(at, text)).ok()?;
        let shown = if literal { Hidden::LITERAL } else { text.trim() };
        Some(Hidden { reference: shown.to_owned(), secret: Secret::new(secret) })
    }
}

const WAYS: &str = "\"env:NAME\" or \"file:PATH\"";

/// A value, and the name of its place.
#[derive(Clone, Debug)]
pub(crate) struct At<'t> {
    /// The value.
    pub(crate) node: &'t Node,
    /// Its place.
    pub(crate) place: String,
}

impl<'t> At<'t> {
    /// Where it stands.
    pub(crate) fn span(&self) -> Span {
        self.node.span
    }

    /// The values that it lists; anything else is a problem.
    pub(crate) fn list(&self, reading: &mut Reading<'_>) -> Vec<At<'t>> {
        let Some(list) = self.node.list() else {
            reading.bad(self, format!("a list is wanted here, and this is {}", self.node.what()));
            return Vec::new();
        };
        let at = |(n, node)| At { node, place: format!("{}.{n}", self.place) };
        list.iter().enumerate().map(at).collect()
    }

    /// Its entries under names of the operator's choice; anything but a table is a problem.
    pub(crate) fn named(&self, reading: &mut Reading<'_>) -> Vec<(&'t str, At<'t>)> {
        let Some(table) = self.node.table() else {
            reading.bad(self, format!("a table is wanted here, and this is {}", self.node.what()));
            return Vec::new();
        };
        let at = |e: &'t super::tree::Entry| {
            let place = format!("{}.{}", self.place, e.name);
            (&*e.name, At { node: &e.node, place })
        };
        table.entries().iter().map(at).collect()
    }

    /// Its fields; anything but a table is a problem.
    pub(crate) fn fields(&self, reading: &mut Reading<'_>) -> Option<Fields<'t>> {
        let Some(table) = self.node.table() else {
            reading.bad(self, format!("a table is wanted here, and this is {}", self.node.what()));
            return None;
        };
        Some(Fields { table, place: self.place.clone(), known: Vec::new() })
    }
}

/// A table whose names are ours.
pub(crate) struct Fields<'t> {
    table: &'t Table,
    place: String,
    known: Vec<&'static str>,
}

impl<'t> Fields<'t> {
    /// The field of that name, if anything is said there.
    pub(crate) fn at(&mut self, name: &'static str) -> Option<At<'t>> {
        self.known.push(name);
        let node = self.table.get(name)?;
        let gap = if self.place.is_empty() { "" } else { "." };
        Some(At { node, place: format!("{}{gap}{name}", self.place) })
    }

    /// The value of a field.
    pub(crate) fn read<T>(
        &mut self,
        reading: &mut Reading<'_>,
        name: &'static str,
        read: Read<T>,
    ) -> Option<T> {
        let at = self.at(name)?;
        reading.value(&at, read)
    }

    /// The secret of a field.
    pub(crate) fn secret(
        &mut self,
        reading: &mut Reading<'_>,
        name: &'static str,
    ) -> Option<Hidden> {
        let at = self.at(name)?;
        reading.secret(&at)
    }

    /// The values of a field that lists values of one kind.
    pub(crate) fn list<T>(
        &mut self,
        reading: &mut Reading<'_>,
        name: &'static str,
        read: Read<T>,
    ) -> Option<Vec<T>> {
        let list = self.at(name)?.list(reading);
        Some(list.iter().filter_map(|at| reading.value(at, read)).collect())
    }

    /// Says which names were never asked for.
    pub(crate) fn done(self, reading: &mut Reading<'_>) {
        for entry in self.table.entries().iter().filter(|e| !self.known.contains(&&*e.name)) {
            let gap = if self.place.is_empty() { "" } else { "." };
            let place = format!("{}{gap}{}", self.place, entry.name);
            let hint = match hint(&entry.name, self.known.iter().copied()) {
                none if none.is_empty() => format!("; there are {}", self.known.join(", ")),
                hint => hint,
            };
            let text = format!("there is no field {:?} here{hint}", entry.name);
            // What it is, nobody knows; it may be a secret under a misspelt name.
            if entry.node.as_text().is_some() || entry.node.list().is_some() {
                reading.hidden.push(entry.node.span);
            }
            reading.problems.push(Problem::bad(place, Some(entry.at), text));
        }
    }
}

/// A text that is not empty.
pub(crate) fn text(node: &Node) -> Result<String, String> {
    match node.as_text() {
        Some("") => Err("nothing is said here".to_owned()),
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("a text is wanted here, and this is {}", node.what())),
    }
}

/// A text, kept as names are.
pub(crate) fn name(node: &Node) -> Result<Str, String> {
    text(node).map(Str::from)
}

/// Yes or no.
pub(crate) fn flag(node: &Node) -> Result<bool, String> {
    node.flag().ok_or_else(|| format!("true or false is wanted here, and this is {}", node.what()))
}

/// A whole number.
pub(crate) fn count<T: FromStr>(node: &Node) -> Result<T, String> {
    let wrong = || "a whole number is wanted here, and not so large a one".to_owned();
    let Value::Number(digits) = &node.value else {
        return Err(format!("a whole number is wanted here, and this is {}", node.what()));
    };
    digits.replace('_', "").parse().map_err(|_| wrong())
}

/// Whatever is written as a text and says itself what is wrong with it.
pub(crate) fn parsed<T: FromStr<Err: Display>>(node: &Node) -> Result<T, String> {
    text(node)?.parse().map_err(|e: T::Err| e.to_string())
}

/// A length of time: the periods of limits, and thousandths of a second.
pub(crate) fn duration(node: &Node) -> Result<Duration, String> {
    const WANTED: &str = "a length of time is wanted here: 500ms, 30s, 10m, 1h";
    let text = match &node.value {
        Value::Number(_) => return Err(format!("a number says no length: {WANTED}")),
        _text => node.as_text().ok_or_else(|| WANTED.to_owned())?,
    };
    if let Some(ms) = text.strip_suffix("ms") {
        return ms.trim().parse().map(Duration::from_millis).map_err(|_| WANTED.to_owned());
    }
    let period: Result<Period, _> = text.trim().parse();
    let seconds = period.ok().and_then(Period::seconds);
    seconds.map(Duration::from_secs).ok_or_else(|| WANTED.to_owned())
}

/// A number of bytes: `32MB` of a thousand, `32MiB` of 1024.
pub(crate) fn bytes(node: &Node) -> Result<u64, String> {
    const WANTED: &str = "a number of bytes is wanted here: 512KB, 32MB, 1GiB";
    let text = node.word().ok_or(WANTED)?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KB" | "kB" | "K" => 1_000,
        "MB" | "M" => 1_000_000,
        "GB" | "G" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _unknown => return Err(WANTED.to_owned()),
    };
    let number: Result<u64, _> = number.parse();
    number.ok().and_then(|n| n.checked_mul(factor)).ok_or_else(|| WANTED.to_owned())
}

/// One of a few words.
pub(crate) fn one_of<T: Copy>(node: &Node, words: &[(&str, T)]) -> Result<T, String> {
    let text = text(node)?;
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!("{text:?} is none of {}{}", all.join(", "), hint(&text, all.iter().copied()))
    })
}
