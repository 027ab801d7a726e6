//! Statements over many lines of arguments, for either kind of database.

use crate::sql::database::{Arg, Record, Session};
use crate::sql::fault::Failure;
use crate::sql::lines::Lines;

/// A statement, with arguments that have numbers and with such that have none.
pub(super) struct Texts {
    width: usize,
    numbered: Lines,
    bare: Lines,
}

impl Texts {
    /// `width` arguments in each line.
    pub(super) fn new(head: &str, width: usize, tail: &str) -> Self {
        let (numbered, bare) = (Lines::numbered(head, width, tail), Lines::bare(head, width, tail));
        Self { width, numbered, bare }
    }

    /// The statements that all lines take together.
    fn cut<'a, 'v>(
        &'static self,
        session: &Session<'_>,
        args: &'a [Arg<'v>],
    ) -> impl Iterator<Item = (&'static str, &'a [Arg<'v>])> + use<'a, 'v> {
        let texts = if session.numbered() { &self.numbered } else { &self.bare };
        let cut = texts.cut(args.len() / self.width).into_iter();
        cut.map(|(text, lines)| (text, &args[lines.start * self.width..lines.end * self.width]))
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
