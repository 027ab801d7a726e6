//! What a dialect said that the canonical words have no place for.

use std::fmt;

use crate::Str;
use crate::dialect::DialectId;
use crate::raw::Raw;

/// Fields that were not understood, in order and as written, with the dialect they came from.
///
/// Encoding to the same dialect restores them verbatim; encoding to any other makes each of them
/// a [`Loss`]. Empty in the common case, and then without an allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    origin: Option<DialectId>,
    notation: Notation,
    fields: Vec<(Str, Raw)>,
}

/// How the origin spelled something that it could have spelled in several ways (a string where a
/// list of parts is allowed, `snake_case` where `camelCase` is usual). Pure notation: it carries
/// no meaning, so that another dialect may ignore it without a loss. The bits are the dialect's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notation(pub u32);

impl Notation {
    /// Whether all of `bits` are set.
    pub fn has(self, bits: u32) -> bool {
        self.0 & bits == bits
    }
}

impl Extra {
    /// Nothing extra, said in `origin`.
    pub fn new(origin: DialectId) -> Self {
        Self { origin: Some(origin), ..Self::default() }
    }

    /// With the notation `bits` added to those already there.
    #[must_use]
    pub fn noted(mut self, bits: u32) -> Self {
        self.notation.0 |= bits;
        self
    }

    /// Keeps a field.
    pub fn push(&mut self, name: impl Into<Str>, value: Raw) {
        self.fields.push((name.into(), value));
    }

    /// Where the fields come from; `None` for words that a program made.
    pub fn origin(&self) -> Option<DialectId> {
        self.origin
    }

    /// The spelling `dialect` used, or none when the words came from elsewhere.
    pub fn notation(&self, dialect: DialectId) -> Notation {
        if self.origin == Some(dialect) { self.notation } else { Notation::default() }
    }

    /// All fields, in order.
    pub fn fields(&self) -> &[(Str, Raw)] {
        &self.fields
    }

    /// The field of that name.
    pub fn get(&self, name: &str) -> Option<&Raw> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// The field of that name, if the fields come from `dialect`.
    pub fn get_from(&self, dialect: DialectId, name: &str) -> Option<&Raw> {
        if self.origin == Some(dialect) { self.get(name) } else { None }
    }

    /// Takes a field out.
    pub fn take(&mut self, name: &str) -> Option<Raw> {
        let at = self.fields.iter().position(|(n, _)| n == name)?;
        Some(self.fields.remove(at).1)
    }

    /// Whether no field was kept.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Reports each field as dropped, unless it says nothing (`null`) or comes from `dialect`,
    /// which restores it. A path is spelled only where something is lost.
    pub fn lose(&self, dialect: DialectId, path: impl fmt::Display, losses: &mut Losses) {
        let says = self.fields.iter().any(|(_, value)| !value.is_null());
        if says && self.origin != Some(dialect) {
            self.lost(path.to_string(), losses);
        }
    }

    fn lost(&self, mut path: String, losses: &mut Losses) {
        if !path.is_empty() {
            path.push('.');
        }
        let said = self.fields.iter().filter(|(_, value)| !value.is_null());
        said.for_each(|(name, _)| losses.dropped(format!("{path}{name}")));
    }
}

/// What a translation could not say. Empty means that nothing was lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses(Vec<Loss>);

/// One thing that a translation could not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Where it stood, in canonical words: `messages.2.parts.0.cache`.
    pub path: Str,
    /// What became of it.
    pub reason: LossReason,
}

/// What became of something that could not be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossReason {
    /// It is gone.
    Dropped,
    /// Something near it is said instead.
    Approximated,
    /// It is said in another place than it stood.
    Reordered,
}

/// A hostile request with a million unknown fields must not become a million-entry report.
const LOSSES_MAX: usize = 256;
/// Nor may the name of one field of it fill memory, 256 times over, or a header.
const PATH_BYTES_MAX: usize = 1024;

impl Losses {
    /// Adds one, unless the report is full or names the same thing already.
    pub fn push(&mut self, path: impl Into<Str>, reason: LossReason) {
        if self.0.len() >= LOSSES_MAX {
            return;
        }
        let mut path = path.into();
        if path.len() > PATH_BYTES_MAX {
            // A copy, not a slice, which would keep the whole name in memory.
            path = Str::from(&path[..path.floor_char_boundary(PATH_BYTES_MAX)]);
        }
        let loss = Loss { path, reason };
        if !self.0.contains(&loss) {
            self.0.push(loss);
        }
    }

    /// Something is gone.
    pub fn dropped(&mut self, path: impl Into<Str>) {
        self.push(path, LossReason::Dropped);
    }

    /// Something near it is said instead.
    pub fn approximated(&mut self, path: impl Into<Str>) {
        self.push(path, LossReason::Approximated);
    }

    /// It is said in another place.
    pub fn reordered(&mut self, path: impl Into<Str>) {
        self.push(path, LossReason::Reordered);
    }

    /// All of them, in the order they were met.
    pub fn iter(&self) -> std::slice::Iter<'_, Loss> {
        self.0.iter()
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'a> IntoIterator for &'a Losses {
    type Item = &'a Loss;
    type IntoIter = std::slice::Iter<'a, Loss>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_bounded_whatever_was_lost() {
        let mut extra = Extra::new(DialectId::Cohere);
        for n in 0..1000 {
            extra.push(format!("{n}{}", "키".repeat(10_000)), Raw::parse("1").unwrap());
        }
        let mut losses = Losses::default();
        extra.lose(DialectId::Anthropic, "messages.0", &mut losses);
        assert_eq!(losses.len(), LOSSES_MAX);
        assert!(losses.iter().all(|l| l.path.len() <= PATH_BYTES_MAX));
        losses.dropped("again");
        assert_eq!(losses.len(), LOSSES_MAX);
    }
}
