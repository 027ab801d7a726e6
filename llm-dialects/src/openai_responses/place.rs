//! Where something stands in a request or an answer, for reports of what was lost.

use std::fmt;

use llm_core::extra::{Extra, Losses};

use super::notation::{ME, own};

/// The place of a part, in canonical words. Made for every part, turned into text only when
/// something is lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// `messages`, `system` or `candidates`.
    pub(super) root: &'static str,
    /// Which of them.
    pub(super) message: usize,
    /// Which part of it.
    pub(super) part: Option<usize>,
    /// Which part inside that part.
    pub(super) inside: Option<usize>,
}

impl Place {
    /// A message.
    pub(super) fn message(root: &'static str, message: usize) -> Self {
        Self { root, message, part: None, inside: None }
    }

    /// A part of it.
    pub(super) fn part(self, part: usize) -> Self {
        Self { part: Some(part), ..self }
    }

    /// A part of that part.
    pub(super) fn inside(self, inside: usize) -> Self {
        Self { inside: Some(inside), ..self }
    }

    /// Something is gone: the whole of it when `field` is empty.
    pub(super) fn dropped(self, field: &str, losses: &mut Losses) {
        losses.dropped(self.field(field));
    }

    /// Something near it is said instead.
    pub(super) fn approximated(self, field: &str, losses: &mut Losses) {
        losses.approximated(self.field(field));
    }

    /// Reports what another dialect said besides.
    pub(super) fn lose(self, extra: &Extra, losses: &mut Losses) {
        if !own(extra) && !extra.is_empty() {
            extra.lose(ME, self, losses);
        }
    }

    fn field(self, field: &str) -> String {
        if field.is_empty() { self.to_string() } else { format!("{self}.{field}") }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.root, self.message)?;
        if let Some(part) = self.part {
            write!(f, ".parts.{part}")?;
        }
        if let Some(inside) = self.inside {
            write!(f, ".content.{inside}")?;
        }
        Ok(())
    }
}
