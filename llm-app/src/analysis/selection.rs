//! What is asked about: cells of a table, and the question. Checked once, before anything is asked.

use std::collections::BTreeSet;

use llm_core::Str;
use serde::{Deserialize, Serialize};

use crate::NotDone;

/// Cells of a selection.
pub const CELLS_MAX: usize = 5_000;
/// Letters of a cell's id. They are names of fields in what a model is asked for.
pub const ID_LETTERS_MAX: usize = 64;
/// Letters of a value; a longer text is a document.
pub const VALUE_LETTERS_MAX: usize = 4_000;
/// Letters of a row's or column's name, or of a unit.
pub const LABEL_LETTERS_MAX: usize = 200;
/// Names of columns.
pub const HEADERS_MAX: usize = 500;
/// Letters of a question.
pub const QUESTION_LETTERS_MAX: usize = 4_000;
/// Bytes of all values.
pub const VALUES_MAX: usize = 1 << 20;

/// One cell.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// What it is cited by.
    pub id: Str,
    /// The row it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<Str>,
    /// The column it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<Str>,
    /// What stands in it.
    pub value: Str,
    /// What it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Str>,
}

/// Some cells of a table.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// The cells, in their order.
    pub cells: Vec<Cell>,
    /// Names of the table's columns.
    #[serde(default)]
    pub headers: Vec<Str>,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// What the cells and documents say to the question, each claim with what it stands on.
    #[default]
    Claims,
    /// An answer for each cell, and for no other.
    PerCell,
}

impl Mode {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claims => "claims",
            Self::PerCell => "per_cell",
        }
    }

    /// Reads it.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Claims, Self::PerCell].into_iter().find(|mode| mode.as_str() == word)
    }
}

/// What is answered from beside the cells.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// From cells alone.
    #[default]
    Cells,
    /// These.
    Documents(Vec<Str>),
    /// Whatever of a collection answers the question.
    Collection(Str),
}

/// All of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Order {
    /// The cells.
    pub selection: Selection,
    /// The documents, where there are any.
    pub basis: Basis,
    /// The question.
    pub question: Str,
    /// What is wanted.
    pub mode: Mode,
    /// The model, where it is not the usual one.
    pub model: Option<Str>,
}

impl Order {
    /// Whether it can be done at all.
    pub fn check(&self) -> Result<(), NotDone> {
        let letters = self.question.chars().count();
        if self.question.trim().is_empty() || letters > QUESTION_LETTERS_MAX {
            return Err(NotDone::wrong("question", format!("1 to {QUESTION_LETTERS_MAX} letters")));
        }
        let cells = &self.selection.cells;
        match (&self.basis, cells.is_empty(), self.mode) {
            (Basis::Cells, true, _) => {
                return Err(NotDone::wrong("selection", "cells or documents are wanted"));
            }
            (_, true, Mode::PerCell) => {
                return Err(NotDone::wrong("selection", "an answer for each cell wants cells"));
            }
            (Basis::Documents(ids), _, _) if ids.is_empty() => {
                return Err(NotDone::wrong("documents", "at least one, or none at all"));
            }
            _ => {}
        }
        self.selection.check()
    }
}

impl Selection {
    fn check(&self) -> Result<(), NotDone> {
        let wrong = |why: String| Err(NotDone::wrong("selection", why));
        if self.cells.len() > CELLS_MAX {
            return wrong(format!("{CELLS_MAX} cells at the most"));
        }
        if self.headers.len() > HEADERS_MAX || self.headers.iter().any(|name| long(name)) {
            return wrong(format!(
                "{HEADERS_MAX} headers at the most, of {LABEL_LETTERS_MAX} letters"
            ));
        }
        let (mut known, mut size) = (BTreeSet::new(), 0);
        for (number, cell) in (1..).zip(&self.cells) {
            let letters = cell.id.chars().count();
            let plain = !cell.id.chars().any(|letter| letter.is_control() || letter == '"');
            if !(1..=ID_LETTERS_MAX).contains(&letters) || !plain || cell.id.trim() != &*cell.id {
                let text = format!("the id of cell {number} is not 1 to {ID_LETTERS_MAX} letters");
                return wrong(text);
            }
            if !known.insert(&*cell.id) {
                return wrong(format!("cell {number} has the id of an earlier one"));
            }
            let labels = [&cell.row, &cell.column, &cell.unit];
            if labels.into_iter().flatten().any(|label| long(label)) {
                let text = format!("cell {number}: {LABEL_LETTERS_MAX} letters of a label");
                return wrong(text);
            }
            if cell.value.chars().count() > VALUE_LETTERS_MAX {
                return wrong(format!("cell {number}: {VALUE_LETTERS_MAX} letters of a value"));
            }
            size += cell.value.len();
        }
        if size > VALUES_MAX {
            return wrong(format!("{VALUES_MAX} bytes of values at the most"));
        }
        Ok(())
    }
}

fn long(label: &str) -> bool {
    label.chars().count() > LABEL_LETTERS_MAX
}
