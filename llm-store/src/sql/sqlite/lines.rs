//! One statement over many lines, in three lengths, so that each text is prepared once. A statement
//! costs two changes of threads, whatever is in it: a call's two or three lines alone would cost
//! more than the call.

use std::ops::Range;

/// Lines in one statement: many, some, one.
const LENGTHS: [usize; 3] = [64, 8, 1];

/// A statement in each length.
pub(super) struct Lines([String; LENGTHS.len()]);

impl Lines {
    /// `before` are arguments in front of the lines, `width` those in each of them.
    pub(super) fn new(head: &str, before: usize, width: usize, tail: &str) -> Self {
        let line = |at: usize| {
            let from = before + at * width;
            let marks: Vec<String> = (1..=width).map(|n| format!("${}", from + n)).collect();
            format!("({})", marks.join(", "))
        };
        Self(LENGTHS.map(|length| {
            let lines: Vec<String> = (0..length).map(line).collect();
            format!("{head}{}{tail}", lines.join(", "))
        }))
    }

    /// The statements that so many lines take together, and which of them each takes.
    pub(super) fn cut(&'static self, lines: usize) -> Vec<(&'static str, Range<usize>)> {
        let (mut cut, mut at) = (Vec::new(), 0);
        for (length, text) in LENGTHS.iter().zip(&self.0) {
            while lines - at >= *length {
                cut.push((text.as_str(), at..at + length));
                at += length;
            }
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    #[test]
    fn every_line_is_in_one_statement() {
        static LINES: LazyLock<Lines> = LazyLock::new(|| Lines::new("x ", 1, 2, ";"));
        for lines in [0, 1, 7, 8, 9, 63, 64, 65, 137, 512] {
            let cut = LINES.cut(lines);
            let all: Vec<usize> = cut.iter().flat_map(|(_, range)| range.clone()).collect();
            assert_eq!(all, (0..lines).collect::<Vec<_>>(), "{lines}");
            for (text, range) in cut {
                assert!(text.ends_with(&format!("${});", 1 + 2 * range.len())), "{text}");
            }
        }
        assert_eq!(LINES.cut(2)[0].0, "x ($2, $3);");
    }
}
