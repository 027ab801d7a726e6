//! Templates filled in: Jinja as people know it, without what grows without end.
//!
//! There is no way to a file, to another template or to a name that was not declared. Fuel ends
//! what loops; what is written is bounded; and since fuel counts steps and not bytes, nothing that
//! makes long texts out of short ones is let in: no `~`, `+` or `*`, no `set`, no macros, and only
//! filters of our own. What is let in is decided by reading the text before the engine does, and
//! where the two might read it differently, it is refused.

use std::collections::BTreeMap;
use std::io;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value as Filled};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::intent::named;

/// Letters of a template.
pub const TEXT_MAX: usize = 16_000;
/// Variables of a template.
pub const VARIABLES_MAX: usize = 64;
/// Letters of a variable's name.
const NAME_MAX: usize = 64;
/// Bytes of all values together.
pub const VALUES_MAX: usize = 32 << 10;
/// Bytes of what is written.
pub const WRITTEN_MAX: usize = 128 << 10;
/// Items of a list.
const ITEMS_MAX: usize = 200;
/// Bytes that `join` makes.
const JOINED_MAX: usize = 32 << 10;
/// Steps of the engine: a template of the longest kind takes a tenth of it without loops.
const FUEL: u64 = 50_000;
/// What may begin a block.
const STATEMENTS: &[&str] = &["if", "elif", "else", "endif", "for", "endfor"];
/// Marks that make long texts of short ones, or whose end might be read in two ways.
const SHUT_OUT: &[char] = &['~', '+', '*', '{', '}'];

named! {
    /// What a variable holds.
    Kind {
        /// A text.
        Text = "text",
        /// A number.
        Number = "number",
        /// Yes or no.
        Flag = "flag",
        /// Several texts.
        List = "list",
    }
}

/// A variable, as it was declared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// The word for what it holds: one of [`Kind::WORDS`].
    pub kind: String,
    /// Whether it must be given.
    pub required: bool,
    /// What it is where it is not given; an empty value of its kind unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// Why a template is none, or is not filled in: in our words and the template's line, without what
/// anybody wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRendered {
    /// The template itself.
    #[error("{0}")]
    Text(String),
    /// A declaration.
    #[error("variables: {0}")]
    Variables(String),
    /// A value.
    #[error("values: {0}")]
    Values(String),
}

/// Whether a template can be kept: its text is let in, and all names in it are declared.
pub fn check(text: &str, variables: &[Variable]) -> Result<(), NotRendered> {
    declared(variables)?;
    let wrong = |why: String| NotRendered::Text(why);
    if text.trim().is_empty() || text.chars().count() > TEXT_MAX {
        return Err(wrong(format!("a template has 1 to {TEXT_MAX} characters")));
    }
    let_in(text).map_err(wrong)?;
    let engine = engine();
    let template = engine.template_from_str(text).map_err(|error| wrong(told(&error)))?;
    for name in template.undeclared_variables(false) {
        if !variables.iter().any(|variable| variable.name == name) {
            return Err(NotRendered::Variables("a name in the text is not declared".to_owned()));
        }
    }
    Ok(())
}

/// Fills a template in that was checked.
pub fn render(
    text: &str,
    variables: &[Variable],
    values: &BTreeMap<String, Value>,
) -> Result<String, NotRendered> {
    // Once more: what was let in long ago may be shut out by now.
    check(text, variables)?;
    let filled = fill(variables, values).map_err(NotRendered::Values)?;
    let engine = engine();
    let wrong = |error: Error| NotRendered::Text(told(&error));
    let template = engine.template_from_str(text).map_err(wrong)?;
    let mut written = Written(Vec::new());
    template.render_captured_to(filled, &mut written).map_err(wrong)?;
    String::from_utf8(written.0).map_err(|_| NotRendered::Text("it is no text".to_owned()))
}

fn declared(variables: &[Variable]) -> Result<(), NotRendered> {
    let wrong = |why: String| Err(NotRendered::Variables(why));
    if variables.len() > VARIABLES_MAX {
        return wrong(format!("more than {VARIABLES_MAX}"));
    }
    for (at, variable) in variables.iter().enumerate() {
        let name = &variable.name;
        let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let taken = ["loop", "true", "false", "none", "not", "and", "or", "in", "is", "if", "else"];
        if !first || !plain || name.len() > NAME_MAX || taken.contains(&name.as_str()) {
            return wrong(format!("number {} has no name that can be used", at + 1));
        }
        if variables[..at].iter().any(|other| other.name == *name) {
            return wrong(format!("{name} is declared twice"));
        }
        let Some(kind) = Kind::named(&variable.kind) else {
            return wrong(format!("{name} has no kind of {}", Kind::WORDS.join(", ")));
        };
        if let Some(value) = &variable.default {
            fits(kind, value).or_else(|why| wrong(format!("the default of {name} {why}")))?;
        }
    }
    Ok(())
}

/// Whether a value is of a kind.
fn fits(kind: Kind, value: &Value) -> Result<(), String> {
    let texts = |list: &Vec<Value>| list.len() <= ITEMS_MAX && list.iter().all(Value::is_string);
    let fits = match kind {
        Kind::Text => value.is_string(),
        Kind::Number => value.is_number(),
        Kind::Flag => value.is_boolean(),
        Kind::List => value.as_array().is_some_and(texts),
    };
    if fits { Ok(()) } else { Err(format!("is no {}", kind.word())) }
}

fn fill(variables: &[Variable], values: &BTreeMap<String, Value>) -> Result<Filled, String> {
    if values.keys().any(|name| !variables.iter().any(|variable| variable.name == *name)) {
        return Err("there is one that is not declared".to_owned());
    }
    let (mut filled, mut bytes) = (Vec::new(), 0);
    for Variable { name, kind, required, default, .. } in variables {
        let kind = Kind::named(kind).ok_or_else(|| format!("{name} has no kind"))?;
        let value = match (values.get(name).filter(|value| !value.is_null()), default) {
            (Some(value), _) | (None, Some(value)) => value.clone(),
            (None, None) if *required => return Err(format!("{name} is missing")),
            (None, None) => match kind {
                Kind::Text => Value::from(""),
                Kind::Number => Value::from(0),
                Kind::Flag => Value::from(false),
                Kind::List => Value::Array(Vec::new()),
            },
        };
        fits(kind, &value).map_err(|why| format!("{name} {why}"))?;
        bytes += size(&value);
        if bytes > VALUES_MAX {
            return Err(format!("they have more than {VALUES_MAX} bytes together"));
        }
        filled.push((name.as_str(), in_words_of_the_engine(&value)));
    }
    Ok(Filled::from_pairs(filled))
}

fn in_words_of_the_engine(value: &Value) -> Filled {
    match value {
        Value::Bool(flag) => Filled::from(*flag),
        Value::String(text) => Filled::from(text),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Filled::from(whole),
            (None, Some(number)) => Filled::from(number),
            (None, None) => Filled::from(0),
        },
        Value::Array(all) => all.iter().map(in_words_of_the_engine).collect(),
        Value::Null | Value::Object(_) => Filled::from(()),
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(all) => all.iter().map(size).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => 8,
    }
}

/// Whether all code in a text is let in: blocks of a few words, and no mark of [`SHUT_OUT`].
fn let_in(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        rest = &rest[at + 1..];
        let Some(mark) = rest.chars().next() else { break };
        let end = match mark {
            '#' => {
                let (_, after) = rest.split_once("#}").ok_or("a comment has no end")?;
                rest = after;
                continue;
            }
            '{' => "}}",
            '%' => "%}",
            _ => continue,
        };
        rest = code(&rest[1..], end)?;
    }
    Ok(())
}

/// Reads the code up to its end, and says what is behind it.
fn code<'t>(text: &'t str, end: &str) -> Result<&'t str, String> {
    let (mut depth, mut quote) = (0_i32, None);
    let mut letters = text.char_indices();
    let (inside, behind) = loop {
        let Some((here, letter)) = letters.next() else { return Err("a block has no end".into()) };
        if let Some(open) = quote {
            match letter {
                '\\' => drop(letters.next()),
                letter if letter == open => quote = None,
                _ => {}
            }
            continue;
        }
        if text[here..].starts_with(end) {
            break (&text[..here], &text[here + end.len()..]);
        }
        match letter {
            '\'' | '"' => quote = Some(letter),
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            letter if SHUT_OUT.contains(&letter) => {
                return Err(format!("`{letter}` cannot be used in a template"));
            }
            _ => {}
        }
        if depth < 0 {
            return Err("a bracket is closed that was not opened".to_owned());
        }
    };
    if depth != 0 {
        return Err("a bracket is not closed".to_owned());
    }
    if end == "%}" {
        let words = inside.trim_matches(['-', '+']).trim();
        let first = words.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        if !STATEMENTS.contains(&first) {
            return Err(format!("blocks are {}", STATEMENTS.join(", ")));
        }
        if words.split_whitespace().any(|word| word == "recursive") {
            return Err("a loop cannot call itself".to_owned());
        }
    }
    Ok(behind)
}

/// Filters, all of them, and nothing else.
fn engine() -> Environment<'static> {
    let mut engine = Environment::empty();
    let mut syntax = SyntaxConfig::builder();
    syntax.keep_trailing_newline(true);
    if let Ok(syntax) = syntax.build() {
        engine.set_syntax(syntax);
    }
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(64);
    engine.add_filter("upper", |text: &str| text.to_uppercase());
    engine.add_filter("lower", |text: &str| text.to_lowercase());
    engine.add_filter("trim", |text: &str| text.trim().to_owned());
    engine.add_filter("length", |value: &Filled| {
        value.len().ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "it has no length"))
    });
    engine.add_filter("join", joined);
    engine
}

fn joined(list: Vec<String>, between: Option<&str>) -> Result<String, Error> {
    let between = between.unwrap_or_default();
    let bytes: usize = list.iter().map(|item| item.len() + between.len()).sum();
    if bytes > JOINED_MAX {
        return Err(Error::new(ErrorKind::InvalidOperation, "what is joined is too long"));
    }
    Ok(list.join(between))
}

/// What is wrong, without quoting: an engine's own words quote.
fn told(error: &Error) -> String {
    let what = match error.kind() {
        ErrorKind::OutOfFuel => "it takes too many steps",
        ErrorKind::WriteFailure => "what it writes is too long",
        ErrorKind::UndefinedError => "it names what is not there",
        ErrorKind::UnknownFilter => "there is no such filter: upper, lower, trim, length, join",
        ErrorKind::UnknownTest | ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => {
            "there is no such test or function"
        }
        ErrorKind::SyntaxError => "it is not written as templates are",
        // The enum is open, and what else there is are operations that do not fit.
        _ => "it does something that cannot be done",
    };
    match error.line() {
        Some(line) => format!("line {line}: {what}"),
        None => what.to_owned(),
    }
}

/// What is written, up to a length.
struct Written(Vec<u8>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > WRITTEN_MAX {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
