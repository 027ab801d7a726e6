//! A report as a file: Markdown for people, CSV for spreadsheets, JSON for programs.

use std::fmt::Write as _;

use super::report::{Annotation, Report};
use super::selection::Mode;

/// What a report can be downloaded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Markdown,
    /// For spreadsheets.
    Csv,
    /// For programs.
    Json,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Markdown, Self::Csv, Self::Json];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    /// Reads it.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }

    /// Its media type.
    pub fn media(self) -> &'static str {
        match self {
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
        }
    }

    /// The end of its file's name.
    pub fn end(self) -> &'static str {
        match self {
            Self::Markdown => "md",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

/// A report, written down.
pub fn written(report: &Report, format: Format) -> Vec<u8> {
    match format {
        Format::Json => serde_json::to_vec_pretty(report).unwrap_or_default(),
        Format::Csv => csv(report).into_bytes(),
        Format::Markdown => markdown(report).into_bytes(),
    }
}

/// One line each: what was found, the cells, the pages.
fn csv(report: &Report) -> String {
    // Spreadsheets read what has no mark as another notation than UTF-8.
    let mut text = String::from("\u{feff}");
    let mut line = |fields: [&str; 3]| {
        let fields = fields.map(field);
        let _ = write!(text, "{}\r\n", fields.join(","));
    };
    match report.mode {
        Mode::Claims => {
            line(["claim", "cells", "sources"]);
            for claim in &report.claims {
                line([&claim.text, &claim.cells.join(" "), &places(&claim.annotations)]);
            }
        }
        Mode::PerCell => {
            line(["cell", "answer", "sources"]);
            for answer in &report.answers {
                line([&answer.cell, &answer.text, &places(&answer.annotations)]);
            }
        }
    }
    text
}

/// A field in quotes. What a spreadsheet would take for a formula is a text to it.
fn field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let mark = if formula { "'" } else { "" };
    format!("\"{mark}{}\"", text.replace('"', "\"\""))
}

fn places(annotations: &[Annotation]) -> String {
    let place = |a: &Annotation| format!("{}, p. {}", a.document, a.page);
    annotations.iter().map(place).collect::<Vec<_>>().join("; ")
}

fn markdown(report: &Report) -> String {
    let mut text = format!("# {}\n\n", plain(&report.question));
    match report.mode {
        Mode::Claims => {
            for claim in &report.claims {
                let _ = write!(text, "- {}", plain(&claim.text));
                if !claim.cells.is_empty() {
                    let cells: Vec<String> = claim
                        .cells
                        .iter()
                        .map(|id| format!("`{}`", id.replace('`', "'")))
                        .collect();
                    let _ = write!(text, " [{}]", cells.join(", "));
                }
                text.push('\n');
                sources(&mut text, &claim.annotations);
            }
        }
        Mode::PerCell => {
            for answer in &report.answers {
                let cell = answer.cell.replace('`', "'");
                let _ = writeln!(text, "- `{cell}`: {}", plain(&answer.text));
                sources(&mut text, &answer.annotations);
            }
        }
    }
    text
}

fn sources(text: &mut String, annotations: &[Annotation]) {
    for cited in annotations {
        let _ = write!(text, "  - {}, p. {}", plain(&cited.document), cited.page);
        if let Some(quote) = &cited.quote {
            let _ = write!(text, ": “{}”", plain(quote));
        }
        text.push('\n');
    }
}

/// In one line, and without marks of its own: what models and people write is no page of ours.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' | '\t' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '!' => {
                out.push('\\');
                out.push(letter);
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::report::{CellAnswer, Claim};
    use super::*;

    #[test]
    fn what_is_written_by_others_stays_text() {
        let cited = Annotation { document: "표, \"1\".pdf".into(), page: 3, quote: None };
        let claim = Claim {
            text: "=HYPERLINK(\"x\")\n# 합계".into(),
            cells: vec!["B7".into(), "B8".into()],
            annotations: vec![cited.clone()],
        };
        let report =
            Report { claims: vec![claim], question: "얼마?".into(), ..Report::default() };
        let csv = String::from_utf8(written(&report, Format::Csv)).unwrap();
        assert!(csv.contains("\"'=HYPERLINK(\"\"x\"\")"), "{csv}");
        assert!(csv.contains("\"B7 B8\",\"표, \"\"1\"\".pdf, p. 3\"\r\n"), "{csv}");
        let page = String::from_utf8(written(&report, Format::Markdown)).unwrap();
        assert_eq!(page.lines().count(), 4, "{page}");
        assert!(page.contains("\\# 합계 [`B7`, `B8`]"), "{page}");
        let again: Report = serde_json::from_slice(&written(&report, Format::Json)).unwrap();
        assert_eq!(again, report);
        let answer = CellAnswer { cell: "c".into(), text: "a".into(), annotations: vec![cited] };
        let report = Report { mode: Mode::PerCell, answers: vec![answer], ..Report::default() };
        let csv = String::from_utf8(written(&report, Format::Csv)).unwrap();
        assert!(csv.contains("\"c\",\"a\","), "{csv}");
    }
}
