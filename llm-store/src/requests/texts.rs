//! Statements over many lines of arguments, in three lengths, so that each is prepared once.

use crate::sql::database::{Arg, Record, Session};
use crate::sql::fault::Failure;

/// Lines in one statement: many, some, one.
const LENGTHS: [usize; 3] = [64, 8, 1];

/// A statement in each length, with arguments that have numbers and with such that have none.
pub(super) struct Texts {
    width: usize,
    numbered: [String; LENGTHS.len()],
    bare: [String; LENGTHS.len()],
}

impl Texts {
    /// `width` arguments in each line.
    pub(super) fn new(head: &str, width: usize, tail: &str) -> Self {
        let line = |line: usize, numbered: bool| {
            let marks = (1..=width).map(|at| match numbered {
                true => format!("${}", line * width + at),
                false => "?".to_owned(),
            });
            format!("({})", marks.collect::<Vec<_>>().join(", "))
        };
        let text = |length: usize, numbered: bool| {
            let lines: Vec<String> = (0..length).map(|at| line(at, numbered)).collect();
            format!("{head}{}{tail}", lines.join(", "))
        };
        let numbered = LENGTHS.map(|length| text(length, true));
        Self { width, numbered, bare: LENGTHS.map(|length| text(length, false)) }
    }

    /// The statements that all lines take together.
    fn cut<'a, 'v>(
        &'static self,
        session: &Session<'_>,
        args: &'a [Arg<'v>],
    ) -> Vec<(&'static str, &'a [Arg<'v>])> {
        let texts = if session.numbered() { &self.numbered } else { &self.bare };
        let (mut rest, mut cut) = (args, Vec::new());
        for (length, text) in LENGTHS.iter().zip(texts) {
            while let Some((some, left)) = rest.split_at_checked(length * self.width) {
                cut.push((text.as_str(), some));
                rest = left;
            }
        }
        cut
    }

    /// Writes lines, and says how many rows are new or changed.
    pub(super) async fn run(
        &'static self,
        session: &mut Session<'_>,
        args: &[Arg<'_>],
    ) -> Result<u64, Failure> {
        let mut written = 0;
        for (text, some) in self.cut(session, args) {
            written += session.run(text, some).await?;
        }
        Ok(written)
    }

    /// What there is for lines.
    pub(super) async fn all(
        &'static self,
        session: &mut Session<'_>,
        args: &[Arg<'_>],
    ) -> Result<Vec<Record>, Failure> {
        let mut found = Vec::new();
        for (text, some) in self.cut(session, args) {
            found.extend(session.all(text, some).await?);
        }
        Ok(found)
    }
}
