//! What is wrong with a configuration, shown where it stands.

use std::fmt;

use llm_core::secret::redact;

use super::tree::Span;

/// Something that a configuration says and that cannot be, or should not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// How bad it is.
    pub(crate) level: Level,
    /// Where: `models.smart.tiers.1.0`; empty for the file as such.
    pub(crate) place: String,
    /// Where in the file; `None` for what no file says.
    pub(crate) span: Option<Span>,
    /// What is wrong there, and what would be right.
    pub(crate) text: String,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// It cannot be served.
    Bad,
    /// It can, and may not be what was meant.
    Doubtful,
}

impl Problem {
    /// Something that cannot be served.
    pub(crate) fn bad(
        place: impl Into<String>,
        span: Option<Span>,
        text: impl Into<String>,
    ) -> Self {
        Self { level: Level::Bad, place: place.into(), span, text: text.into() }
    }

    /// Something that may not be what was meant.
    pub(crate) fn doubtful(
        place: impl Into<String>,
        span: Option<Span>,
        text: impl Into<String>,
    ) -> Self {
        Self { level: Level::Doubtful, ..Self::bad(place, span, text) }
    }
}

/// Problems with the file that they are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// The file's name; empty without a file.
    pub(crate) file: String,
    /// Its text.
    pub(crate) text: String,
    /// Parts of the text that are nobody's to see.
    pub(crate) hidden: Vec<Span>,
    /// What is wrong, from top to bottom.
    pub(crate) problems: Vec<Problem>,
}

impl Report {
    /// Whether anything cannot be served.
    pub(crate) fn is_bad(&self) -> bool {
        self.problems.iter().any(|p| p.level == Level::Bad)
    }

    /// Orders problems as a reader meets them, and says each once.
    pub(crate) fn sort(&mut self) {
        let start = |p: &Problem| p.span.map_or(usize::MAX, |s| s.start);
        self.problems.sort_by(|a, b| (start(a), &a.place).cmp(&(start(b), &b.place)));
        self.problems.dedup_by(|a, b| (&a.place, &a.text) == (&b.place, &b.text));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            let word = match problem.level {
                Level::Bad => "error",
                Level::Doubtful => "warning",
            };
            let place = &problem.place;
            let gap = if place.is_empty() { "" } else { ": " };
            writeln!(f, "{word}: {place}{gap}{}", problem.text)?;
            if let Some(span) = problem.span.filter(|_| !self.text.is_empty()) {
                let shown = Excerpt::of(&self.text, span, &self.hidden);
                let width = shown.line.to_string().len();
                writeln!(f, "{:width$}--> {}:{}:{}", "", self.file, shown.line, shown.column)?;
                writeln!(f, "{:width$} |", "")?;
                writeln!(f, "{} | {}", shown.line, shown.text)?;
                writeln!(f, "{:width$} | {}", "", shown.mark)?;
            }
        }
        Ok(())
    }
}

/// A line of a file with a mark under what is meant.
struct Excerpt {
    line: usize,
    column: usize,
    text: String,
    mark: String,
}

/// What stands for a secret.
const MASK: &str = "********";
/// What follows on a longer line is not shown.
const WIDTH_MAX: usize = 100;

impl Excerpt {
    fn of(text: &str, span: Span, hidden: &[Span]) -> Self {
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let until = text.floor_char_boundary(span.end.clamp(start, end));
        let shown = |from: usize, to: usize| {
            let mut masked = String::with_capacity(to - from);
            let mut within = false;
            for (at, c) in text[from..to].char_indices() {
                let secret = hidden.iter().any(|s| s.start <= from + at && from + at < s.end);
                match c {
                    // How long a secret is, is nobody's to see either.
                    _ if secret && within => {}
                    _ if secret => masked.push_str(MASK),
                    c if c.is_control() => masked.push(' '),
                    c => masked.push(c),
                }
                within = secret;
            }
            // Not every key stands where a key is read: some stand under a misspelt name.
            redact(&masked).into_owned()
        };
        let lead = cells(&shown(begin, start));
        let width = cells(&shown(start, until)).clamp(1, WIDTH_MAX);
        let line = shown(begin, end);
        let cut = line.chars().count() > WIDTH_MAX + lead;
        let mut kept: String = line.trim_end().chars().take(WIDTH_MAX + lead).collect();
        if cut {
            kept.push('…');
        }
        Self {
            line: text[..start].matches('\n').count() + 1,
            column: text[begin..start].chars().count() + 1,
            text: kept,
            mark: format!("{:lead$}{}", "", "^".repeat(width)),
        }
    }
}

/// How wide a terminal draws a text.
fn cells(text: &str) -> usize {
    let wide = |c: char| {
        matches!(c,
            '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
            | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}'
            | '\u{1f300}'..='\u{1faff}')
    };
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}
