//! A page of metrics, as Prometheus reads it.

use std::collections::BTreeMap;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// The page.
#[derive(Clone, Debug, Default)]
pub(super) struct Page(Vec<Sample>);

impl Page {
    /// What is no line of a page is passed over.
    pub(super) fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.filter_map(sample).collect())
    }

    /// All values of that name.
    pub(super) fn of<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p Sample> {
        self.0.iter().filter(move |sample| sample.name == name)
    }

    /// Their sum, of those that fit.
    pub(super) fn sum(&self, name: &str, fits: impl Fn(&Sample) -> bool) -> f64 {
        self.of(name).filter(|sample| fits(sample)).map(|sample| sample.value).sum()
    }

    /// The sum of all.
    pub(super) fn total(&self, name: &str) -> f64 {
        self.sum(name, |_| true)
    }
}

impl Sample {
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// `name{label="value",…} 1.5`
fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.insert(label.to_owned(), value);
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// Up to the quote that ends it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, letter) in text.char_indices() {
        match letter {
            'n' if escaped => value.push('\n'),
            _ if escaped => value.push(letter),
            '\\' => {}
            '"' => return Some((value, &text[at + 1..])),
            _ => value.push(letter),
        }
        escaped = letter == '\\' && !escaped;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_it_is_written() {
        let text = "# HELP a b\na 1\nb{} 2\nc{x=\"1\",y=\"a \\\"b\\\" \\\\ {}\\n\"} 3.5e2\nnone\n{\nd{x=\"\n";
        let page = Page::read(text);
        assert_eq!((page.total("a"), page.total("b"), page.total("c")), (1.0, 2.0, 350.0));
        let c = page.of("c").next().unwrap();
        assert_eq!((c.label("x"), c.label("y"), c.label("z")), ("1", "a \"b\" \\ {}\n", ""));
        assert_eq!(page.sum("c", |sample| sample.label("x") == "2"), 0.0);
        assert_eq!(page.0.len(), 3);
    }
}
