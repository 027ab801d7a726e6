//! What a question says that an argument may want: places, numbers, addresses, quoted words.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

/// Facts of a question, read once and asked by property name.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    // Shared: each item of a list gets hints of its own, and the question may be long.
    text: Arc<str>,
    lower: Arc<str>,
    places: Vec<String>,
    numbers: Vec<f64>,
    quoted: Vec<String>,
    seed: u64,
}

/// Places are looked for so many words deep; more would be a document and no question.
const WORDS_MAX: usize = 2_000;
/// A question is quoted into an argument at most so far.
const QUOTE_CHARS_MAX: usize = 200;

/// Words that are written with a capital because they begin a sentence, not because they name
/// something.
const OPENERS: [&str; 44] = [
    "What",
    "Whats",
    "Which",
    "Who",
    "When",
    "Where",
    "Why",
    "How",
    "Is",
    "Are",
    "Do",
    "Does",
    "Can",
    "Could",
    "Would",
    "Will",
    "Please",
    "Tell",
    "Give",
    "Show",
    "Find",
    "Get",
    "Use",
    "Call",
    "Compare",
    "Check",
    "Look",
    "Search",
    "Compute",
    "Calculate",
    "Add",
    "Write",
    "Say",
    "List",
    "The",
    "And",
    "Then",
    "Also",
    "Weather",
    "Hello",
    "Hey",
    "Book",
    "Convert",
    "Translate",
];

/// Places that are known without a capital, or where Korean has none.
const KNOWN: [&str; 20] = [
    "서울",
    "부산",
    "인천",
    "대구",
    "대전",
    "광주",
    "제주",
    "도쿄",
    "오사카",
    "파리",
    "런던",
    "뉴욕",
    "베를린",
    "Seoul",
    "Busan",
    "Tokyo",
    "Paris",
    "London",
    "Berlin",
    "New York",
];

/// Without the lines that only say where somebody's words begin and end, which no model repeats.
fn unmarked(text: &str) -> Cow<'_, str> {
    let marks = |line: &str| line.starts_with("<<<") && line.ends_with(">>>");
    if !text.lines().any(marks) {
        return text.into();
    }
    let lines: Vec<&str> = text.lines().filter(|line| !marks(line)).collect();
    lines.join("\n").into()
}

impl Hints {
    /// Reads a question.
    pub fn new(text: &str) -> Self {
        let seed = super::hash::hash(text.as_bytes());
        let text = &*unmarked(text);
        Self {
            places: places(text),
            numbers: numbers(text),
            quoted: quoted(text),
            seed,
            lower: text.to_lowercase().into(),
            text: text.into(),
        }
    }

    /// The places it names.
    pub fn places(&self) -> &[String] {
        &self.places
    }

    /// The same, as the `n`-th of several values wants it: the next place, the next number.
    #[must_use]
    pub fn nth(&self, n: usize) -> Self {
        let mut out = self.clone();
        let rotate = |len: usize| if len == 0 { 0 } else { n % len };
        out.places.rotate_left(rotate(self.places.len()));
        out.numbers.rotate_left(rotate(self.numbers.len()));
        out.quoted.rotate_left(rotate(self.quoted.len()));
        out.seed = self.seed.wrapping_add(n as u64);
        out
    }

    /// A number that depends on nothing but the question.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether the question says something about an optional property.
    pub fn says(&self, name: &str, schema: &Value) -> bool {
        let lower = &*self.lower;
        let choices = schema.get("enum").and_then(Value::as_array);
        let mut choices = choices.into_iter().flatten().filter_map(Value::as_str);
        choices.any(|c| !c.is_empty() && lower.contains(&c.to_lowercase()))
            || (name.len() > 2 && lower.contains(&name.to_lowercase().replace('_', " ")))
            || (is_place(&name.to_lowercase()) && !self.places.is_empty())
    }

    /// The choice that the question names; else the first that is not null.
    pub fn choose(&self, choices: &[Value]) -> Value {
        let lower = &*self.lower;
        let named = |c: &&Value| {
            c.as_str().is_some_and(|c| !c.is_empty() && lower.contains(&c.to_lowercase()))
        };
        let found = choices.iter().find(named).or_else(|| choices.iter().find(|c| !c.is_null()));
        found.or(choices.first()).cloned().unwrap_or(Value::Null)
    }

    /// The number that a property of that name wants; two operands take two numbers.
    pub fn number(&self, name: &str) -> Option<f64> {
        let second = matches!(name, "b" | "y" | "to" | "end" | "second" | "num2" | "number2");
        let wanted = if second { self.numbers.get(1) } else { None };
        wanted.or(self.numbers.first()).copied()
    }

    /// The text that a property of that name wants.
    pub fn string(&self, name: &str, description: &str) -> String {
        let name = name.to_lowercase();
        let about = description.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|w| name.contains(w));
        if is_place(&name) || (!self.places.is_empty() && is_place(&about)) {
            return self.places.first().cloned().unwrap_or_else(|| "Seoul".to_owned());
        }
        if has(&["email", "mail"]) {
            return self.word_with('@').unwrap_or_else(|| "user@example.com".to_owned());
        }
        if has(&["url", "uri", "link"]) {
            let found = self.text.split_whitespace().find(|w| w.starts_with("http"));
            return found.unwrap_or("https://example.com/").to_owned();
        }
        if let Some(quoted) = self.quoted.first() {
            return quoted.clone();
        }
        if has(&["expression", "formula", "equation"]) {
            return expression(&self.text).unwrap_or_else(|| "1 + 1".to_owned());
        }
        if has(&["unit"]) {
            return "celsius".to_owned();
        }
        if has(&["date", "day"]) {
            return "2026-01-15".to_owned();
        }
        if has(&["lang"]) {
            return if super::text::is_korean(&self.text) { "ko" } else { "en" }.to_owned();
        }
        if name == "name" || has(&["person", "author", "customer"]) {
            return self.places.first().cloned().unwrap_or_else(|| "Alex".to_owned());
        }
        let whole = ["query", "question", "text", "prompt", "input", "message", "content", "q"];
        if whole.iter().any(|w| name == *w)
            || has(&["query", "summary", "title", "answer", "topic"])
        {
            let text: String = self.text.trim().chars().take(QUOTE_CHARS_MAX).collect();
            if !text.is_empty() {
                return text;
            }
        }
        if name.is_empty() { "sample".to_owned() } else { format!("sample {name}") }
    }

    fn word_with(&self, c: char) -> Option<String> {
        let word = self.text.split_whitespace().find(|w| w.contains(c))?;
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        (!word.is_empty()).then(|| word.to_owned())
    }
}

fn is_place(name: &str) -> bool {
    ["city", "cities", "location", "place", "town", "destination", "origin", "country", "region"]
        .iter()
        .any(|w| name.contains(w))
}

fn places(text: &str) -> Vec<String> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for known in KNOWN {
        if let Some(at) = text.find(known) {
            found.push((at, known.to_owned()));
        }
    }
    let mut sentence_start = true;
    let mut open: Option<(usize, String)> = None;
    for word in text.split_whitespace().take(WORDS_MAX) {
        let at = word.as_ptr() as usize - text.as_ptr() as usize;
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let bare = bare.strip_suffix("'s").or(bare.strip_suffix("’s")).unwrap_or(bare);
        let capital = bare.starts_with(char::is_uppercase)
            && bare.chars().any(char::is_lowercase)
            && !OPENERS.contains(&bare);
        match (&mut open, capital) {
            (Some((_, name)), true) => {
                name.push(' ');
                name.push_str(bare);
            }
            (None, true) if !sentence_start => open = Some((at, bare.to_owned())),
            (_, true) => {}
            (_, false) => found.extend(open.take()),
        }
        // A name goes on over a space, never over a comma.
        if !word.ends_with(char::is_alphanumeric) {
            found.extend(open.take());
        }
        sentence_start = word.ends_with(['.', '!', '?', ':']);
    }
    found.extend(open);
    found.sort();
    let mut out: Vec<String> = Vec::new();
    for (_, name) in found {
        if !out.iter().any(|o| o.contains(&name) || name.contains(o.as_str())) {
            out.push(name);
        }
    }
    out
}

fn numbers(text: &str) -> Vec<f64> {
    let cut = |c: char| !(c.is_ascii_digit() || c == '.' || c == '-');
    text.split(cut)
        .map(|w| w.trim_end_matches(['.', '-']))
        .filter(|w| w.bytes().any(|b| b.is_ascii_digit()))
        .filter_map(|w| w.parse().ok())
        .filter(|n: &f64| n.is_finite())
        .take(64)
        .collect()
}

fn quoted(text: &str) -> Vec<String> {
    let pairs = [('"', '"'), ('“', '”'), ('`', '`')];
    for (open, close) in pairs {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some((_, tail)) = rest.split_once(open) {
            let Some((inner, tail)) = tail.split_once(close) else { break };
            if !inner.is_empty() && inner.len() <= 4 * QUOTE_CHARS_MAX {
                out.push(inner.to_owned());
            }
            rest = tail;
        }
        if !out.is_empty() {
            return out;
        }
    }
    Vec::new()
}

fn expression(text: &str) -> Option<String> {
    let part = |c: char| c.is_ascii_digit() || "+-*/().^% ".contains(c);
    text.split(|c| !part(c))
        .map(|run| run.trim_matches([' ', '.']))
        .filter(|run| run.bytes().any(|b| b.is_ascii_digit()))
        .max_by_key(|run| run.len())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found() {
        let cases: [(&str, &[&str]); 5] = [
            ("What is the weather in Paris and San Francisco?", &["Paris", "San Francisco"]),
            ("Compare Oslo, Rome and Lima.", &["Oslo", "Rome", "Lima"]),
            ("서울과 부산의 날씨는?", &["서울", "부산"]),
            ("Paris is nice", &["Paris"]),
            ("what time is it", &[]),
        ];
        for (text, wanted) in cases {
            assert_eq!(Hints::new(text).places(), wanted, "{text}");
        }
    }

    #[test]
    fn names_ask_for_what_fits() {
        let hints = Hints::new("Compute 12 * (3 + 4) for the city of Oslo");
        assert_eq!(hints.string("city", ""), "Oslo");
        assert_eq!(hints.string("expression", ""), "12 * (3 + 4)");
        assert_eq!(hints.number("a"), Some(12.0));
        assert_eq!(hints.number("b"), Some(3.0));
        assert_eq!(Hints::new("say \"hi there\"").string("note", ""), "hi there");
    }
}
