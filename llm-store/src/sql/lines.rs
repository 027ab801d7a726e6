//! One statement over many lines, in four lengths, so that each text is prepared once. A statement
//! costs two changes of threads or a round trip, whatever is in it: a call's two or three lines alone
//! would cost more than the call.

use std::ops::Range;

/// Lines in one statement: a whole batch of many that come at once, many, some, one.
const LENGTHS: [usize; 4] = [256, 64, 8, 1];

/// A statement in each length.
pub(crate) struct Lines([String; LENGTHS.len()]);

impl Lines {
    /// With numbered arguments, `width` in each line.
    pub(crate) fn numbered(head: &str, width: usize, tail: &str) -> Self {
        Self::numbered_from(1, head, width, tail)
    }

    /// The same, behind arguments that the head has.
    pub(crate) fn numbered_from(first: usize, head: &str, width: usize, tail: &str) -> Self {
        Self::written(head, tail, |at| {
            (0..width).map(|n| format!("${}", at * width + first + n)).collect()
        })
    }

    /// With arguments that have no numbers.
    pub(crate) fn bare(head: &str, width: usize, tail: &str) -> Self {
        Self::written(head, tail, |_| vec!["?".to_owned(); width])
    }

    fn written(head: &str, tail: &str, marks: impl Fn(usize) -> Vec<String>) -> Self {
        let line = |at: usize| format!("({})", marks(at).join(", "));
        Self(LENGTHS.map(|length| {
            let lines: Vec<String> = (0..length).map(line).collect();
            format!("{head}{}{tail}", lines.join(", "))
        }))
    }

    /// The statements that so many lines take together, and which of them each takes.
    pub(crate) fn cut(&'static self, lines: usize) -> Vec<(&'static str, Range<usize>)> {
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
        static LINES: LazyLock<Lines> = LazyLock::new(|| Lines::numbered("x ", 2, ";"));
        for lines in [0, 1, 7, 8, 9, 63, 64, 65, 137, 512] {
            let cut = LINES.cut(lines);
            let all: Vec<usize> = cut.iter().flat_map(|(_, range)| range.clone()).collect();
            assert_eq!(all, (0..lines).collect::<Vec<_>>(), "{lines}");
            for (text, range) in cut {
                assert!(text.ends_with(&format!("${});", 2 * range.len())), "{text}");
            }
        }
        assert_eq!(LINES.cut(2)[0].0, "x ($1, $2);");
        static BARE: LazyLock<Lines> = LazyLock::new(|| Lines::bare("x ", 2, ""));
        assert_eq!(BARE.cut(1)[0].0, "x (?, ?)");
    }
}
