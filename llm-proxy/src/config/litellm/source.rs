//! A table of LiteLLM's, of which every field is either taken or found to be left.

use super::super::tree::{Node, Table};
use super::{Grade, Work};

/// A table that is being read.
pub(super) struct Source<'t> {
    table: &'t Table,
    path: String,
    taken: Vec<&'t str>,
}

impl<'t> Source<'t> {
    pub(super) fn new(table: &'t Table, path: impl Into<String>) -> Self {
        Self { table, path: path.into(), taken: Vec::new() }
    }

    /// The path of a field.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Takes a field. One that says nothing is taken as well, and nothing comes of it.
    pub(super) fn take(&mut self, name: &str) -> Option<&'t Node> {
        let entry = self.table.entry(name)?;
        self.taken.push(&entry.name);
        Some(&entry.node).filter(|node| !node.is_null())
    }

    /// Whether a field says anything.
    pub(super) fn has(&self, name: &str) -> bool {
        self.table.get(name).is_some()
    }

    /// Takes a field whose meaning needs nothing to be written.
    pub(super) fn note(&mut self, name: &str, work: &mut Work<'_>, grade: Grade, text: &str) {
        if self.take(name).is_some() {
            work.find(self.path(name), grade, text);
        }
    }

    /// Says of all that was not taken that it is left.
    pub(super) fn rest(&self, work: &mut Work<'_>, text: &str) {
        let left = self.table.entries().iter().filter(|e| !self.taken.contains(&&*e.name));
        for entry in left.filter(|e| !e.node.is_null()) {
            work.find(self.path(&entry.name), Grade::Unsupported, text);
        }
    }
}

/// A length of time as LiteLLM writes it (seconds, also in parts) as ours are written.
pub(super) fn seconds(node: &Node) -> Option<String> {
    let word = node.word()?;
    let thousandths = shifted(word, 3)?;
    let (ms, _rest) = thousandths.split_once('.').unwrap_or((&thousandths, ""));
    let ms: u64 = ms.parse().ok()?;
    Some(if ms.is_multiple_of(1_000) { format!("{}s", ms / 1_000) } else { format!("{ms}ms") })
}

/// A decimal number times ten to some power, exactly: `2.5e-06` six places on is `2.5`.
pub(super) fn shifted(number: &str, places: i32) -> Option<String> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let exponent: i32 = exponent.parse().ok()?;
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?.checked_add(places)?;
    if point.abs() > PLACES_MAX {
        return None;
    }
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or_default());
    let length = i32::try_from(digits.len()).ok()?;
    let padded = format!("{}{digits}{}", zeros(1 - point), zeros(point - length));
    let at = usize::try_from(point.max(1)).ok()?;
    let (whole, fraction) = padded.split_at(at);
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") })
}

/// No price and no time has more digits.
const PLACES_MAX: i32 = 40;
