//! A large question in parts that a model answers well: by cells, and by how much there is to read.
//!
//! Each cell is in exactly one part, in its order. Pages that all parts need are in all of them;
//! where there are no cells, each page is in exactly one.

use super::selection::{Cell, Mode};
use super::source::Shown;
use crate::documents::chunk::tokens;

/// Cells of a part where each is to have an answer: the answers have to fit, too.
pub const ANSWERED_MAX: usize = 40;
/// Cells of a part otherwise: what may be cited is listed, and providers bound such lists.
pub const CITED_MAX: usize = 200;
/// Tokens of what is read in a part, as we count.
pub const TOKENS_MAX: usize = 12_000;
/// Tokens of pages that stand in every part beside cells.
pub const BESIDE_MAX: usize = TOKENS_MAX / 2;
/// Parts of a question: each is a kept step of a job, of which there are 64.
pub const PARTS_MAX: usize = 60;
/// What a cell costs beside its value: its id, and the words around it.
const CELL_TOKENS: usize = 16;

/// A part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its cells.
    pub cells: &'a [Cell],
    /// Its pages.
    pub pages: &'a [Shown],
}

fn weight(cell: &Cell) -> usize {
    let labels = [&cell.row, &cell.column, &cell.unit].into_iter().flatten();
    CELL_TOKENS + tokens(&cell.value) + labels.map(|label| tokens(label)).sum::<usize>()
}

/// The parts of a question, at least one.
pub fn split<'a>(cells: &'a [Cell], pages: &'a [Shown], mode: Mode) -> Vec<Part<'a>> {
    if cells.is_empty() {
        let weights = pages.iter().map(|page| tokens(&page.text));
        let ends = ends(weights, usize::MAX, TOKENS_MAX);
        return slices(pages, ends).map(|pages| Part { cells, pages }).collect();
    }
    let most = match mode {
        Mode::Claims => CITED_MAX,
        Mode::PerCell => ANSWERED_MAX,
    };
    let beside: usize = pages.iter().map(|page| tokens(&page.text)).sum();
    let left = TOKENS_MAX.saturating_sub(beside).max(TOKENS_MAX - BESIDE_MAX);
    let ends = ends(cells.iter().map(weight), most, left);
    slices(cells, ends).map(|cells| Part { cells, pages }).collect()
}

/// Where parts end that have so many items and weigh so much at the most; one that is heavier by
/// itself is alone.
fn ends(weights: impl Iterator<Item = usize>, most: usize, heaviest: usize) -> Vec<usize> {
    let (mut ends, mut count, mut sum, mut all) = (Vec::new(), 0, 0, 0);
    for weight in weights {
        if count > 0 && (count >= most || sum + weight > heaviest) {
            ends.push(all);
            (count, sum) = (0, 0);
        }
        (count, sum, all) = (count + 1, sum + weight, all + 1);
    }
    ends.push(all);
    ends
}

fn slices<T>(items: &[T], ends: Vec<usize>) -> impl Iterator<Item = &[T]> {
    let starts = std::iter::once(0).chain(ends.clone());
    starts.zip(ends).map(|(start, end)| items.get(start..end).unwrap_or_default())
}

#[cfg(test)]
mod tests;
